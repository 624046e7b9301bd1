//! What a reader is interested in, and what happens when it is too slow.

use crate::{Entry, Filters, Gap, GapReason, Id, SeatId};

/// What a reader wants to be told, and what is to happen when it is too slow. Readers with the same
/// interest can share the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    filters: Filters,
    pub(crate) slow: SlowPolicy,
    without_own: bool,
}

/// What becomes of a reader past which the log has moved on: a slow consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowPolicy {
    /// Tell it the gap and go on with the oldest that is left. The default: nothing more is lost than must
    /// be.
    #[default]
    Gap,
    /// Let it go, with [`Reason::TooSlow`](crate::Reason::TooSlow); it may come back with its position.
    Disconnect,
    /// Tell it the gap and go on with the newest that matches. For prices, positions, scores: where only
    /// the present counts.
    KeepLatest,
}

impl Interest {
    /// All that matches the filters; told of gaps when too slow.
    pub fn new(filters: Filters) -> Self {
        Self { filters, slow: SlowPolicy::default(), without_own: false }
    }

    /// Sets the policy for slow consumers.
    pub fn slow(mut self, policy: SlowPolicy) -> Self {
        self.slow = policy;
        self
    }

    /// Leaves out what the reader's own seat published: a chat that does not echo.
    pub fn without_own(mut self) -> Self {
        self.without_own = true;
        self
    }

    /// The filters.
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Whether a reader in this seat wants this entry.
    pub fn wants(&self, entry: &Entry, seat: SeatId) -> bool {
        let notification = entry.notification();
        self.filters.matches(notification.topic()) && !self.is_own(entry, seat)
    }

    /// Whether the reader in this seat published the entry itself and does not want it back.
    pub fn is_own(&self, entry: &Entry, seat: SeatId) -> bool {
        self.without_own && entry.notification().origin() == Some(seat)
    }

    /// Returns a gap. The number of missed notifications is known only if every one of them would have matched.
    pub(crate) fn gap(&self, after: Id, resume: Id, reason: GapReason) -> Gap {
        let counts_all = self.filters.match_everything() && !self.without_own;
        let is_one_history = after.epoch == resume.epoch && reason != GapReason::Epoch;
        let missed = (counts_all && is_one_history).then(|| resume.seq - after.seq);
        Gap { after, resume, missed, reason }
    }
}
