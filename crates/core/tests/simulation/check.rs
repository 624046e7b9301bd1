//! What one client was told, held against what the broker had.

use tidings_core::{Entry, Event, Gap, GapReason, Id, Interest, SlowPolicy};

use super::book::Book;
use super::broker::SharedBroker;

/// A client's knowledge: its position is that of the last event.
#[derive(Debug)]
pub(crate) struct Reader {
    name: String,
    pub(crate) interest: Interest,
    policy: SlowPolicy,
    /// `None` before the first event.
    pub(crate) told: Option<Id>,
    /// Up to here it has been told everything.
    at: Option<Id>,
    broker: SharedBroker,
    book: Book,
}

impl Reader {
    pub(crate) fn new(
        name: String,
        interest: Interest,
        policy: SlowPolicy,
        broker: SharedBroker,
        book: Book,
    ) -> Self {
        let interest = interest.slow(policy);
        Self { name, interest, policy, told: None, at: None, broker, book }
    }

    /// It has begun to read, and the subscription says that it stands here.
    pub(crate) fn opened(&mut self, position: Id) {
        self.book.note(|| format!("{} reads from {position}", self.name));
        match self.told {
            Some(told) if told != position => {
                self.fail(&format!("asked for what follows {told}, and stands at {position}"));
            }
            _ => self.at = Some(position),
        }
    }

    pub(crate) fn hears(&mut self, event: &Event) {
        self.book.note(|| format!("{} hears {}", self.name, in_short(event)));
        let told = match event {
            Event::Deliver(entry) => {
                self.book.count("deliveries");
                self.check_entry(entry);
                entry.id()
            }
            Event::Heartbeat { position: id, .. } => {
                self.passes(*id, id.seq + 1);
                *id
            }
            Event::Gap(gap) => {
                self.book.count(match gap.reason {
                    GapReason::Evicted => "gaps: evicted",
                    GapReason::Epoch => "gaps: epoch",
                    GapReason::Lagged => "gaps: lagged",
                });
                self.passes(gap.after, gap.after.seq + 1);
                self.check_gap(*gap);
                gap.resume
            }
            Event::Goodbye(_) => return self.book.count("goodbyes"),
        };
        (self.told, self.at) = (Some(told), Some(told));
    }

    /// The subscription says that everything up to here has been handed out.
    pub(crate) fn stands(&mut self, position: Id) {
        self.passes(position, position.seq + 1);
    }

    /// Whether it has been told everything there is.
    pub(crate) fn has_all(&self) -> bool {
        let Some(at) = self.at else { return false };
        let state = self.broker.state();
        let present = state.present();
        let left = present.first_match(self.interest.filters(), at.seq, present.head() + 1);
        at.epoch == present.epoch && left.is_none()
    }

    pub(crate) fn note_place(&self) {
        self.book.note(|| format!("{} stands at {:?}", self.name, self.at));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.book.has_failed()
    }

    fn check_entry(&mut self, entry: &Entry) {
        let id = entry.id();
        self.passes(id, id.seq);
        if self.at.is_some_and(|at| at.seq >= id.seq) {
            self.fail(&format!(
                "{id} is told once more, or out of order: it stood at {:?}",
                self.at
            ));
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
            self.fail(&format!("{id} was not asked for: {:?}", entry.notification()));
        }
    }

    /// Between where it stands and `before` there must be nothing that it had to be told.
    fn passes(&mut self, to: Id, before: u64) {
        let Some(at) = self.at else { return };
        if to.epoch != at.epoch || to.seq < at.seq {
            return self.fail(&format!("from {at} it is moved to {to} and was told of no gap"));
        }
        let state = self.broker.state();
        let Some((_, history)) = state.history(at.epoch) else {
            drop(state);
            return self.fail(&format!("{at} is of a history that never was"));
        };
        let skipped = history.first_match(self.interest.filters(), at.seq, before);
        let head = history.head();
        drop(state);
        if let Some(skipped) = skipped {
            self.fail(&format!("from {at} to {to}, {skipped} was skipped and no gap told"));
        }
        if to.seq > head {
            self.fail(&format!("{to} is ahead of everything that was ever stored"));
        }
    }

    /// A gap is told only where something is gone, and reaches no further than that.
    fn check_gap(&mut self, gap: Gap) {
        let Gap { after, resume, missed, reason } = gap;
        let state = self.broker.state();
        let (was, is) = (state.history(after.epoch), state.history(resume.epoch));
        let (Some((was, _)), Some((is, history))) = (was, is) else {
            drop(state);
            return self.fail(&format!("{gap:?} is of a history that never was"));
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
        self.book.fail(format!("{} ({:?}): {text}", self.name, self.interest.filters()));
    }
}

fn in_short(event: &Event) -> String {
    match event {
        Event::Deliver(entry) => format!("{}", entry.id()),
        other => format!("{other:?}"),
    }
}
