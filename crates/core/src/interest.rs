//! What a reader is interested in, and what happens when it is too slow.

use crate::{Entry, Filters, Gap, GapReason, Id, SeatId};

/// The filters of a reader, and the policy for when it is too slow. Readers with equal interests can share encoded
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    filters: Filters,
    pub(crate) slow: SlowPolicy,
    without_own: bool,
}

/// What happens to a slow consumer: a reader whose next notifications the log has evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowPolicy {
    /// It gets a gap and continues with the oldest retained notification, so that it misses as few as possible. The
    /// default.
    #[default]
    Gap,
    /// It is disconnected with [`Reason::TooSlow`](crate::Reason::TooSlow), and can resume from its position.
    Disconnect,
    /// It gets a gap and continues with the newest notification that matches. For data of which only the current value
    /// matters, such as prices, positions and scores.
    KeepLatest,
}

impl Interest {
    /// Creates an interest in all notifications that match the filters, with [`SlowPolicy::Gap`].
    pub fn new(filters: Filters) -> Self {
        Self { filters, slow: SlowPolicy::default(), without_own: false }
    }

    /// Sets the policy for slow consumers.
    pub fn slow(mut self, policy: SlowPolicy) -> Self {
        self.slow = policy;
        self
    }

    /// Leaves out notifications that the reader's own seat has published, such as in a chat without echo.
    pub fn without_own(mut self) -> Self {
        self.without_own = true;
        self
    }

    /// Returns the filters.
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Returns `true` if notifications that the reader's own seat has published are left out.
    pub fn is_without_own(&self) -> bool {
        self.without_own
    }

    /// Returns `true` if a reader in this seat gets this entry.
    pub fn wants(&self, entry: &Entry, seat: SeatId) -> bool {
        let notification = entry.notification();
        self.filters.matches(notification.topic()) && !self.is_own(entry, seat)
    }

    /// Returns `true` if the entry is left out because this seat has published it.
    pub fn is_own(&self, entry: &Entry, seat: SeatId) -> bool {
        self.without_own && entry.notification().origin() == Some(seat)
    }

    /// The number of missed notifications is known only if all of them would have matched.
    pub(crate) fn gap(&self, after: Id, resume: Id, reason: GapReason) -> Gap {
        let counts_all = self.filters.match_everything() && !self.without_own;
        let is_one_history = after.epoch == resume.epoch && reason != GapReason::Epoch;
        let missed = (counts_all && is_one_history).then(|| resume.seq - after.seq);
        Gap { after, resume, missed, reason }
    }
}
