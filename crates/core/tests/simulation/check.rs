//! Checks the events of one client against the stream of the broker.

use tidings_core::{Entry, Event, Gap, GapReason, Id, Interest, SlowPolicy};

use super::broker::SharedBroker;
use super::record::Record;

/// What a client knows. Its position is that of its last event.
#[derive(Debug)]
pub(crate) struct Reader {
    name: String,
    pub(crate) interest: Interest,
    policy: SlowPolicy,
    /// The position of the last event, or `None` before the first.
    pub(crate) last_event: Option<Id>,
    /// The position up to which it has got everything.
    at: Option<Id>,
    broker: SharedBroker,
    record: Record,
}

impl Reader {
    pub(crate) fn new(
        name: String,
        interest: Interest,
        policy: SlowPolicy,
        broker: SharedBroker,
        record: Record,
    ) -> Self {
        let interest = interest.slow(policy);
        Self { name, interest, policy, last_event: None, at: None, broker, record }
    }

    /// Checks the first position of a new subscription.
    pub(crate) fn opened(&mut self, position: Id) {
        self.record.note(|| format!("{} reads from {position}", self.name));
        match self.last_event {
            Some(last) if last != position => {
                self.fail(&format!(
                    "resumes after {last}, and the subscription begins at {position}"
                ));
            }
            _ => self.at = Some(position),
        }
    }

    pub(crate) fn on_event(&mut self, event: &Event) {
        self.record.note(|| format!("{} gets {}", self.name, in_short(event)));
        let position = match event {
            Event::Deliver(entry) => {
                self.record.count("deliveries");
                self.check_entry(entry);
                entry.id()
            }
            Event::Heartbeat { position: id, .. } => {
                self.check_move(*id, id.seq + 1);
                *id
            }
            Event::Gap(gap) => {
                self.record.count(match gap.reason {
                    GapReason::Evicted => "gaps: evicted",
                    GapReason::Epoch => "gaps: epoch",
                    GapReason::Lagged => "gaps: lagged",
                });
                self.check_move(gap.after, gap.after.seq + 1);
                self.check_gap(*gap);
                gap.resume
            }
            Event::Goodbye(_) => return self.record.count("goodbyes"),
        };
        (self.last_event, self.at) = (Some(position), Some(position));
    }

    /// Checks the position that the subscription returns.
    pub(crate) fn on_position(&mut self, position: Id) {
        self.check_move(position, position.seq + 1);
    }

    pub(crate) fn has_all(&self) -> bool {
        let Some(at) = self.at else { return false };
        let state = self.broker.state();
        let current = state.current();
        let left = current.first_match(self.interest.filters(), at.seq, current.head() + 1);
        at.epoch == current.epoch && left.is_none()
    }

    pub(crate) fn note_place(&self) {
        self.record.note(|| format!("{} is at {:?}", self.name, self.at));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.record.has_failed()
    }

    fn check_entry(&mut self, entry: &Entry) {
        let id = entry.id();
        self.check_move(id, id.seq);
        if self.at.is_some_and(|at| at.seq >= id.seq) {
            self.fail(&format!("{id} is delivered again or out of order, after {:?}", self.at));
        }
        let is_stored = self
            .broker
            .state()
            .history(id.epoch)
            .is_some_and(|(_, history)| history.at(id.seq) == Some(entry.notification()));
        if !is_stored {
            self.fail(&format!("{id} is not what the broker stored: {:?}", entry.notification()));
        }
        if !self.interest.filters().matches(entry.notification().topic()) {
            self.fail(&format!("{id} does not match: {:?}", entry.notification()));
        }
    }

    /// Checks a move from the current position to `to`. Fails if a notification after the position and before `before`
    /// matches.
    fn check_move(&mut self, to: Id, before: u64) {
        let Some(at) = self.at else { return };
        if to.epoch != at.epoch || to.seq < at.seq {
            return self.fail(&format!("moves from {at} to {to} without a gap"));
        }
        let state = self.broker.state();
        let Some((_, history)) = state.history(at.epoch) else {
            drop(state);
            return self.fail(&format!("{at} is of an unknown epoch"));
        };
        let skipped = history.first_match(self.interest.filters(), at.seq, before);
        let head = history.head();
        drop(state);
        if let Some(skipped) = skipped {
            self.fail(&format!("moves from {at} to {to} without a gap, and has not got {skipped}"));
        }
        if to.seq > head {
            self.fail(&format!("{to} is after the newest message"));
        }
    }

    /// Checks that messages are lost, and that the gap covers no retained ones.
    fn check_gap(&mut self, gap: Gap) {
        let Gap { after, resume, missed, reason } = gap;
        let state = self.broker.state();
        let (was, is) = (state.history(after.epoch), state.history(resume.epoch));
        let (Some((was, _)), Some((is, history))) = (was, is) else {
            drop(state);
            return self.fail(&format!("{gap:?} is of an unknown epoch"));
        };
        let is_lost = resume.seq <= history.floor;
        let may_skip = reason == GapReason::Lagged && self.policy == SlowPolicy::KeepLatest;
        let (floor, head) = (history.floor, history.head());
        drop(state);
        let is_justified = match reason {
            GapReason::Epoch => is > was && is_lost,
            GapReason::Evicted | GapReason::Lagged => {
                is == was && resume.seq > after.seq && resume.seq <= head && (is_lost || may_skip)
            }
        };
        if !is_justified {
            self.fail(&format!("{gap:?} has no reason: the floor is {floor}, the head {head}"));
        }
        let counts = self.interest.filters().match_everything() && reason != GapReason::Epoch;
        let expected = counts.then(|| resume.seq.saturating_sub(after.seq));
        if missed != expected {
            self.fail(&format!("{gap:?} has a wrong count"));
        }
    }

    pub(crate) fn fail(&self, text: &str) {
        self.record.fail(format!("{} ({:?}): {text}", self.name, self.interest.filters()));
    }
}

fn in_short(event: &Event) -> String {
    match event {
        Event::Deliver(entry) => format!("{}", entry.id()),
        other => format!("{other:?}"),
    }
}
