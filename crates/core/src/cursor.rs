//! A reader's place in the log.

use std::sync::Arc;

use crate::log::ReadError;
use crate::{
    Entry, Event, Gap, GapReason, Id, Interest, Log, Position, Reason, SeatId, SlowPolicy, Snapshot,
};

/// A reader's place in the log: everything up to it has been delivered. It is one position, so a slow client costs as
/// much memory as a fast one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: Id,
    /// `true` until the reader has read from the log. Missing entries are then not its fault: it has just resumed, or
    /// the whole epoch is new to it.
    is_new: bool,
    /// Up to this sequence number, only the newest notification of each topic is delivered. 0 once that is done.
    snapshot_end: u64,
}

/// Where the next notifications of a cursor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "notifications that only the broker has must be fetched"]
pub enum Kept {
    /// In the log, or not published yet.
    Log,
    /// Only in the broker. Call [`Hub::fetch`](crate::Hub::fetch).
    Broker,
}

/// The limits of one read. The first notification is read whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The maximum number of notifications.
    pub entries: usize,
    /// The maximum number of bytes of payloads and headers.
    pub bytes: usize,
}

impl Default for Budget {
    /// 1,024 notifications and 256 KiB.
    fn default() -> Self {
        Self { entries: 1024, bytes: 256 << 10 }
    }
}

impl Cursor {
    /// Returns the cursor for a position, and a gap if the log and its broker no longer have what follows the
    /// position. The gap must be sent to the reader first.
    pub fn open(log: &Log, position: Position, interest: &Interest) -> (Self, Option<Gap>) {
        let (floor, head) = (log.floor(), log.head());
        let (after, resume, reason) = match position {
            Position::Live => return (Self::at(head), None),
            Position::Earliest => return (Self::new(floor), None),
            Position::Latest => {
                log.index_newest();
                return (Self::within(log.snapshot()), None);
            }
            // Without a broker, a position of another epoch or ahead of the log is not one of this log. With one, it
            // may be from another hub that has read more of the broker's stream.
            Position::After(id) | Position::Snapshot(Snapshot { after: id, .. })
                if !log.has_broker() && (id.epoch != head.epoch || id.seq > head.seq) =>
            {
                (id, floor, GapReason::Epoch)
            }
            Position::After(id) if id.epoch == floor.epoch && id.seq < floor.seq => {
                (id, floor, GapReason::Evicted)
            }
            Position::After(id) => return (Self::new(id), None),
            Position::Snapshot(rest) => {
                log.index_newest();
                // Every notification after the head is delivered, even if the position names a later `upto`.
                let rest = Snapshot { upto: rest.upto.min(head.seq), ..rest };
                return (Self::within(rest), None);
            }
        };
        (Self::new(resume), Some(interest.gap(after, resume, reason)))
    }

    /// Creates a cursor after this id, for a reader that already follows the log.
    pub fn at(id: Id) -> Self {
        Self { at: id, is_new: false, snapshot_end: 0 }
    }

    fn new(id: Id) -> Self {
        Self { is_new: true, ..Self::at(id) }
    }

    fn within(snapshot: Snapshot) -> Self {
        let Snapshot { after, upto } = snapshot;
        Self { snapshot_end: if after.seq < upto { upto } else { 0 }, ..Self::new(after) }
    }

    /// Returns `true` while only the newest notification of each topic is delivered: the reader began with
    /// [`Position::Latest`], and its [`position`](Self::position) has not reached the head of that time.
    pub fn is_in_snapshot(&self) -> bool {
        self.snapshot_end > 0
    }

    /// Moves on to `id`. The snapshot ends if `id` is of another epoch or has reached the end of the snapshot.
    fn move_on(&mut self, id: Id) {
        if id.epoch != self.at.epoch || id.seq >= self.snapshot_end {
            self.snapshot_end = 0;
        }
        self.at = id;
    }

    /// Returns the position up to which everything was delivered.
    pub fn position(&self) -> Id {
        self.at
    }

    /// Returns the sequence number of the position.
    pub fn seq(&self) -> u64 {
        self.at.seq
    }

    /// Appends the next events for the reader to `out`, up to and including `up_to`, and moves after them.
    ///
    /// Call it again until [`position`](Self::position) is `up_to`. No event follows an [`Event::Goodbye`]. Appends
    /// nothing if it returns [`Kept::Broker`].
    pub fn read(
        &mut self,
        log: &Log,
        interest: &Interest,
        seat: SeatId,
        up_to: Id,
        budget: Budget,
        out: &mut Vec<Event>,
    ) -> Kept {
        let is_elsewhere = self.at.epoch != up_to.epoch && log.has_broker();
        if self.is_new && (is_elsewhere || self.is_ahead_of(up_to)) {
            return Kept::Broker;
        }
        let read = loop {
            let from = Snapshot { after: self.at, upto: self.snapshot_end };
            let found = |entry: &_| out.push(Event::Deliver(Arc::clone(entry)));
            let read = log.read(from, up_to.seq, budget, interest, seat, found);
            match read {
                Err(_) if self.pass_over_superseded(log) => {}
                read => break read,
            }
        };
        match read {
            Ok(reached) => {
                self.move_on(self.at.epoch.id(reached));
                self.is_new = false;
                Kept::Log
            }
            Err(ReadError::InBroker) if self.is_new || interest.slow == SlowPolicy::Gap => {
                Kept::Broker
            }
            Err(ReadError::InBroker) => {
                out.push(self.lag_event(log, interest, log.own_floor()));
                Kept::Log
            }
            // If a broker no longer has the entries, the reader was not too slow.
            Err(ReadError::Gone { resume, reason: GapReason::Evicted })
                if !self.is_new && !log.has_broker() =>
            {
                out.push(self.lag_event(log, interest, resume));
                Kept::Log
            }
            Err(ReadError::Gone { resume, reason }) => {
                out.push(self.skip_to(interest, resume, reason));
                Kept::Log
            }
        }
    }

    /// Returns `true` if the cursor is after this id in the same epoch.
    pub fn is_ahead_of(&self, id: Id) -> bool {
        self.at.epoch == id.epoch && self.at.seq > id.seq
    }

    /// Moves a cursor in a snapshot to before the first retained entry, or to the end of the snapshot if that comes
    /// first. Does so if nothing was read yet, or no evicted entry after the cursor was the newest of its topic.
    /// Returns `true` if it has moved.
    fn pass_over_superseded(&mut self, log: &Log) -> bool {
        let from = Snapshot { after: self.at, upto: self.snapshot_end };
        let reached = self.is_in_snapshot().then(|| log.after_superseded(from)).flatten();
        if let Some(reached) = reached {
            self.move_on(reached);
        }
        reached.is_some()
    }

    /// If the cursor is in a snapshot, removes from these entries of the broker those that are not the newest of their
    /// topic.
    pub(crate) fn remove_superseded(&self, log: &Log, found: &mut Vec<Arc<Entry>>) {
        if self.is_in_snapshot() {
            log.remove_superseded(found, self.snapshot_end);
        }
    }

    /// The event for a slow reader whose next entries were evicted: a gap or a goodbye, as its [`SlowPolicy`] decides.
    fn lag_event(&mut self, log: &Log, interest: &Interest, resume: Id) -> Event {
        let resume = match interest.slow {
            SlowPolicy::Disconnect => return Event::Goodbye(Reason::TooSlow),
            SlowPolicy::Gap => resume,
            SlowPolicy::KeepLatest => {
                let head = log.head();
                let newest = log.newest_match(interest.filters(), head.seq);
                let seq = newest.map_or(head.seq, |seq| seq - 1).max(resume.seq);
                resume.epoch.id(seq)
            }
        };
        self.skip_to(interest, resume, GapReason::Lagged)
    }

    /// Moves to `resume` with a gap, because the entries before it are gone.
    pub(crate) fn skip_to(&mut self, interest: &Interest, resume: Id, reason: GapReason) -> Event {
        let reason = match reason {
            GapReason::Evicted if !self.is_new => GapReason::Lagged,
            reason => reason,
        };
        let mut gap = interest.gap(self.at, resume, reason);
        if self.is_in_snapshot() {
            // It is not known how many of them were the newest of their topic.
            gap.missed = None;
        }
        self.move_on(resume);
        self.is_new |= reason == GapReason::Epoch;
        Event::Gap(gap)
    }

    /// Moves to `reached` after a replay. If `is_done`, the cursor continues in the log.
    pub(crate) fn move_to(&mut self, reached: Id, is_done: bool) {
        self.move_on(reached);
        self.is_new = !is_done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, Notification, Retention, WakerSet};

    fn log_of(published: u64, entries: usize) -> Log {
        let retention = Retention { entries, ..Retention::default() };
        let log = Log::new(Epoch::from_number(1), retention, WakerSet::default());
        for seq in 1..=published {
            let topic = if seq % 2 == 0 { "even" } else { "odd" };
            log.append(Notification::text(topic.parse().unwrap(), seq.to_string()), None);
        }
        log
    }

    fn read_all(log: &Log, cursor: &mut Cursor, interest: &Interest) -> Vec<String> {
        let mut out = Vec::new();
        let mut last = None;
        while cursor.seq() < log.head().seq && last != Some(cursor.seq()) {
            last = Some(cursor.seq());
            let head = log.head();
            let budget = Budget::default();
            let kept = cursor.read(log, interest, SeatId::default(), head, budget, &mut out);
            assert_eq!(kept, Kept::Log);
        }
        let texts = out.iter().map(|event| match event {
            Event::Deliver(entry) => entry.id().seq.to_string(),
            Event::Gap(gap) => format!("gap {}-{} {:?}", gap.after.seq, gap.resume.seq, gap.missed),
            Event::Heartbeat { .. } => "heartbeat".into(),
            Event::Goodbye(reason) => format!("goodbye {}", reason.name()),
        });
        texts.collect()
    }

    fn interest(filters: &str) -> Interest {
        Interest::new(filters.parse().unwrap())
    }

    #[test]
    fn a_read_from_a_position_returns_what_matches_after_it() {
        let log = log_of(8, 100);
        let position = Position::After(log.epoch().id(3));
        let (mut cursor, gap) = Cursor::open(&log, position, &interest("even"));
        assert_eq!(gap, None);
        assert_eq!(read_all(&log, &mut cursor, &interest("even")), ["4", "6", "8"]);
    }

    #[test]
    fn an_evicted_position_is_a_gap_with_the_count_if_it_is_known() {
        let log = log_of(10, 4);
        let position = Position::After(log.epoch().id(2));
        let (cursor, gap) = Cursor::open(&log, position, &interest(">"));
        let expected = Gap {
            after: log.epoch().id(2),
            resume: log.epoch().id(6),
            missed: Some(4),
            reason: GapReason::Evicted,
        };
        assert_eq!((cursor.seq(), gap), (6, Some(expected)));
        let (_, gap) = Cursor::open(&log, position, &interest("even"));
        assert_eq!(gap, Some(Gap { missed: None, ..expected }));
    }

    #[test]
    fn another_epoch_or_a_position_ahead_of_the_log_is_a_gap_and_then_everything_follows() {
        let log = log_of(5, 100);
        for id in [Epoch::from_number(2).id(3), log.epoch().id(6)] {
            let (cursor, gap) = Cursor::open(&log, Position::After(id), &interest(">"));
            let gap = gap.expect("a gap");
            assert_eq!((gap.reason, gap.missed, cursor.seq()), (GapReason::Epoch, None, 0));
        }
    }

    #[test]
    fn a_slow_reader_gets_the_event_of_its_policy() {
        let log = log_of(2, 4);
        let (slow, _) = Cursor::open(&log, Position::Live, &interest(">"));
        for seq in 3..=11 {
            let topic = if seq == 10 { "even" } else { "odd" };
            log.append(Notification::text(topic.parse().unwrap(), ""), None);
        }
        let read = |policy, filters| {
            let interest = interest(filters).slow(policy);
            read_all(&log, &mut slow.clone(), &interest)
        };
        assert_eq!(read(SlowPolicy::Gap, ">"), ["gap 2-7 Some(5)", "8", "9", "10", "11"]);
        assert_eq!(read(SlowPolicy::KeepLatest, ">"), ["gap 2-10 Some(8)", "11"]);
        assert_eq!(read(SlowPolicy::KeepLatest, "even"), ["gap 2-9 None", "10"]);
        assert_eq!(read(SlowPolicy::Disconnect, ">"), ["goodbye too_slow"]);
    }

    #[test]
    fn a_seat_can_leave_out_its_own_notifications() {
        let log = log_of(0, 10);
        let mine = SeatId::default();
        log.append(Notification::text("chat".parse().unwrap(), "mine").from_seat(mine), None);
        log.append(Notification::text("chat".parse().unwrap(), "theirs"), None);
        let (cursor, _) = Cursor::open(&log, Position::Earliest, &interest("chat"));
        assert_eq!(read_all(&log, &mut cursor.clone(), &interest("chat")), ["1", "2"]);
        assert_eq!(read_all(&log, &mut cursor.clone(), &interest("chat").without_own()), ["2"]);
    }
}
