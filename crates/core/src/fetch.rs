//! Replays from the broker, for a reader whose next notifications the log has evicted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::arrivals::Pauses;
use crate::broker_link::BrokerLink;
use crate::{
    Budget, Cursor, Entry, Event, Hub, Id, Interest, Kept, Reason, Replay, SeatId, Stored,
};

/// How often a reader that has waited for its turn beyond the deadline checks whether replays fail.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The result of [`Hub::fetch`].
#[derive(Debug)]
pub struct Fetched {
    /// The next events for the reader. Empty if nothing matched, or if the log has the notifications now.
    pub events: Vec<Event>,
    /// The reader's cursor after these events.
    pub cursor: Cursor,
}

impl Hub {
    /// Reads the next notifications from the broker, for a cursor whose read returned [`Kept::Broker`]. Completes at
    /// once if the log has them now.
    ///
    /// While replays fail, retries for at most [`HubConfig::replay_deadline`](crate::HubConfig::replay_deadline). Then
    /// the event is an [`Event::Goodbye`] with [`Reason::Unavailable`], and the client can resume later from its
    /// position.
    ///
    /// Cancel safe: dropping the future loses nothing, because the caller keeps its cursor.
    pub fn fetch(
        &self,
        mut cursor: Cursor,
        interest: Interest,
        seat: SeatId,
        budget: Budget,
    ) -> BoxFuture<'static, Fetched> {
        let hub = self.clone();
        Box::pin(async move {
            let Some(broker) = hub.broker() else { return Fetched { events: Vec::new(), cursor } };
            let mut pauses = Pauses::default();
            let give_up = Instant::now() + broker.replay_deadline;
            // Whether the last replay of this reader failed.
            let mut has_failed = false;
            loop {
                // The turn is released during pauses.
                let Some(turn) = broker.turn(give_up, has_failed).await else {
                    let events = vec![Event::Goodbye(Reason::Unavailable)];
                    return Fetched { events, cursor };
                };
                if hub.pool().closed().is_some() || !hub.must_fetch(cursor, &interest, seat) {
                    return Fetched { events: Vec::new(), cursor };
                }
                let after = cursor.position();
                let up_to = hub.log().own_floor().seq.max(after.seq);
                let replay = broker.broker.replay(interest.filters(), after, up_to, budget).await;
                drop(turn);
                has_failed = replay.is_err();
                broker.is_replay_failing.store(has_failed, Ordering::Relaxed);
                let history = match &replay {
                    Ok(Replay::Read { .. }) => after.epoch,
                    Ok(Replay::Gone { resume, .. }) => resume.epoch,
                    Err(_) => hub.epoch(),
                };
                // The hub does not follow this epoch yet, or follows a newer one already. The log could not continue
                // from a position of this epoch.
                if history != hub.epoch() {
                    has_failed = true;
                    broker.is_replay_failing.store(true, Ordering::Relaxed);
                    pauses.pause().await;
                    continue;
                }
                match replay {
                    Ok(Replay::Read { found, reached }) => {
                        let mut found = entries(found, after);
                        cursor.remove_superseded(hub.log(), &mut found);
                        found.retain(|entry| interest.wants(entry, seat));
                        let events = found.into_iter().map(Event::Deliver).collect();
                        // The broker has confirmed the position of a cursor that is ahead of the log.
                        let is_ahead = cursor.is_ahead_of(hub.log().head());
                        cursor.move_to(after.epoch.id(reached), is_ahead);
                        return Fetched { events, cursor };
                    }
                    Ok(Replay::Gone { resume, reason }) => {
                        let gap = cursor.skip_to(&interest, resume, reason);
                        return Fetched { events: vec![gap], cursor };
                    }
                    Err(error) => {
                        if let Some(left_out) = broker.replay_log.admit() {
                            tracing::warn!(
                                %error, left_out,
                                "broker replay failed, retrying"
                            );
                        }
                        pauses.pause().await;
                    }
                }
            }
        })
    }

    fn must_fetch(&self, mut cursor: Cursor, interest: &Interest, seat: SeatId) -> bool {
        let (head, one) = (self.log().head(), Budget { entries: 1, bytes: 1 });
        let kept = cursor.read(self.log(), interest, seat, head, one, &mut Vec::new());
        kept == Kept::Broker
    }
}

impl BrokerLink {
    /// Waits for a turn to read from the broker. `None` after `give_up` if replays fail, or if the last one of this
    /// reader `has_failed`. While replays succeed, waits longer, because many readers are served one after the other.
    async fn turn(&self, give_up: Instant, has_failed: bool) -> Option<SemaphorePermit<'_>> {
        let is_failing = || has_failed || self.is_replay_failing.load(Ordering::Relaxed);
        loop {
            let is_late = Instant::now() >= give_up;
            if is_late && is_failing() {
                return None;
            }
            // Replays may begin to fail while many readers wait.
            let until = if is_late { Instant::now() + CHECK_EVERY } else { give_up };
            if let Ok(turn) = timeout_at(until, self.replays.acquire()).await {
                // The semaphore is never closed.
                return turn.ok();
            }
        }
    }
}

fn entries(found: Vec<Stored>, after: Id) -> Vec<Arc<Entry>> {
    let entry = |Stored { seq, notification }: Stored| {
        Some(Arc::new(Entry::new(after.epoch.id(seq), notification?)))
    };
    found.into_iter().filter_map(entry).collect()
}
