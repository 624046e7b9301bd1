//! Who is behind is served from the log, at its own pace.

use bytes::Bytes;
use tidings_core::{Budget, Event, Id, Kept};
use tidings_transport::Shape;
use tidings_transport::mount::{MAX_ANSWER, MAX_ANSWER_ENTRIES};

use super::State;
use super::client::{Progress, Stage};
use super::pass::PASS;

/// What one answer holds at the most.
const ANSWER: Budget = Budget { entries: MAX_ANSWER_ENTRIES, bytes: MAX_ANSWER };

impl State {
    /// Gives a client that is behind its next portion from the log: whether there may be more.
    pub(super) fn serve_from_log(&mut self, key: usize) -> bool {
        let position = self.position();
        let Some(client) = &mut self.connections[key].client else { return false };
        let Progress::Behind(mut cursor) = client.progress else { return false };
        if client.fetching.is_some() {
            return false;
        }
        let budget = match client.shape {
            Shape::Answer { .. } => ANSWER,
            Shape::Upgrade | Shape::Stream => PASS,
        };
        let interest = &self.groups.get(client.group).interest;
        let (mut events, log, seat) = (Vec::new(), self.hub.log(), client.seat.id());
        let kept = cursor.read(log, interest, seat, position, budget, &mut events);
        if kept == Kept::Broker {
            // Of a hub that is closed it is told goodbye where it stands: nothing is fetched there, and
            // asking again and again would keep the lane from saying so.
            if self.hub.pool().closed().is_none() {
                self.fetch(key, cursor, budget);
            }
            return false;
        }
        client.progress = Progress::Behind(cursor);
        // The log has moved on past the lane itself, and a gap has led this client ahead: it would be told
        // that gap once more with all the others.
        self.pass_to(cursor.position());
        let position = self.position();
        let is_current = cursor.position() == position;
        let connection = &mut self.connections[key];
        if let (true, Some(client)) = (is_current, &mut connection.client) {
            client.progress = Progress::Current;
        }
        let is_ahead = cursor.is_ahead_of(position);
        if is_ahead {
            self.ahead.insert(key);
        }
        if events.is_empty() {
            return !is_current && !is_ahead;
        }
        self.connections[key].rest = self.render_for(key, &events, cursor.position());
        true
    }

    /// These events for one client alone, which then stands at `position`.
    pub(super) fn render_for(&mut self, key: usize, events: &[Event], position: Id) -> Bytes {
        let connection = &mut self.connections[key];
        let Some(client) = &connection.client else { return Bytes::new() };
        let (shape, group) = (client.shape, self.groups.get(client.group));
        let bytes = group.encode(events, position);
        let number = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
        group.delivered.inc_by(number as u64);
        let goodbye = match events.last() {
            Some(Event::Goodbye(reason)) => Some(*reason),
            _ => None,
        };
        connection.stage = match (shape, goodbye) {
            (Shape::Answer { .. }, _) => Stage::Answered,
            (Shape::Upgrade | Shape::Stream, Some(_)) => Stage::Leaving,
            (Shape::Upgrade | Shape::Stream, None) => connection.stage,
        };
        goodbye.into_iter().for_each(|reason| self.metrics.let_go(reason));
        bytes
    }
}
