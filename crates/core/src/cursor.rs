//! A reader's place in the log.

use std::sync::Arc;

use crate::log::ReadError;
use crate::{
    Entry, Event, Gap, GapReason, Id, Interest, Log, Position, Reason, SeatId, SlowPolicy, Snapshot,
};

/// A reader's place: everything up to it has been told. It is one position, so a slow client costs no
/// more than a quick one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: Id,
    /// It has not yet come to what the log has, and is not slow: a reader that comes back, or one to whom the
    /// whole history is new.
    is_new: bool,
    /// Up to this sequence number, only the newest notification of each topic is delivered. 0 once that is done.
    snapshot_end: u64,
}

/// Where the next of a cursor's notifications are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what only the broker has is to be fetched"]
pub enum Kept {
    /// In the log, or still to come.
    Log,
    /// In the broker, where they must be [fetched](crate::Hub::fetch).
    Broker,
}

/// How much one read may return. The first notification is returned whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most notifications.
    pub entries: usize,
    /// The most payload bytes.
    pub bytes: usize,
}

impl Default for Budget {
    /// 1,024 notifications and 256 KiB.
    fn default() -> Self {
        Self { entries: 1024, bytes: 256 << 10 }
    }
}

impl Cursor {
    /// The place from which a reader who asks for this position is served, and the gap it must be told
    /// first where its position cannot be honoured.
    pub fn open(log: &Log, position: Position, interest: &Interest) -> (Self, Option<Gap>) {
        let (tail, head) = (log.tail(), log.head());
        let (after, resume, reason) = match position {
            Position::Live => return (Self::at(head), None),
            Position::Earliest => return (Self::new(tail), None),
            Position::Latest => {
                log.index_newest();
                return (Self::within(log.snapshot()), None);
            }
            // A position of another history than that of a log that is the whole of the stream, or ahead of
            // it, was never given out. Where there is a broker, it may be of a hub that knows more.
            Position::After(id) | Position::Snapshot(Snapshot { after: id, .. })
                if !log.has_broker() && (id.epoch != head.epoch || id.seq > head.seq) =>
            {
                (id, tail, GapReason::Epoch)
            }
            Position::After(id) if id.epoch == tail.epoch && id.seq < tail.seq => {
                (id, tail, GapReason::Evicted)
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

    /// Returns a cursor after this id, for a reader that follows the log already.
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

    /// Appends the next events for the reader to `out`, up to and including `upto`, and moves after them.
    ///
    /// Call it again until [`position`](Self::position) is `upto`. No event follows an [`Event::Goodbye`].
    /// If it returns [`Kept::Broker`], nothing was appended.
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
                out.push(self.lag_event(log, interest, log.own_tail()));
                Kept::Log
            }
            // If a broker no longer has the entries, that is not the fault of a slow reader.
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

    /// Moves on to the first retained notification, if only the newest of each topic are delivered and none of those was
    /// evicted. Returns `true` if it has moved on.
    fn pass_over_superseded(&mut self, log: &Log) -> bool {
        let from = Snapshot { after: self.at, upto: self.snapshot_end };
        let reached = self.is_in_snapshot().then(|| log.after_superseded(from)).flatten();
        if let Some(reached) = reached {
            self.move_on(reached);
        }
        reached.is_some()
    }

    /// Removes from these entries of the broker those that the reader is not told, because a later one of the topic follows,
    /// among them or in the log.
    pub(crate) fn remove_superseded(&self, log: &Log, found: &mut Vec<Arc<Entry>>) {
        if self.is_in_snapshot() {
            log.remove_superseded(found, self.snapshot_end);
        }
    }

    /// Returns the event for a reader that fell so far behind that the log no longer has what it reads next. Its
    /// [`SlowPolicy`] decides which event that is.
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

    /// Moves to `resume`, because the entries before it are gone, and returns the gap.
    pub(crate) fn skip_to(&mut self, interest: &Interest, resume: Id, reason: GapReason) -> Event {
        let reason = match reason {
            GapReason::Evicted if !self.is_new => GapReason::Lagged,
            reason => reason,
        };
        let mut gap = interest.gap(self.at, resume, reason);
        if self.is_in_snapshot() {
            // How many of those would have been delivered is not known.
            gap.missed = None;
        }
        self.move_on(resume);
        self.is_new |= reason == GapReason::Epoch;
        Event::Gap(gap)
    }

    /// Moves to `reached`, up to which the broker has delivered. If `is_done`, the log has what follows.
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

    fn told(log: &Log, cursor: &mut Cursor, interest: &Interest) -> Vec<String> {
        let mut out = Vec::new();
        let mut last = None;
        while cursor.seq() < log.head().seq && last != Some(cursor.seq()) {
            last = Some(cursor.seq());
            let head = log.head();
            let budget = Budget::default();
            let kept = cursor.read(log, interest, SeatId::default(), head, budget, &mut out);
            assert_eq!(kept, Kept::Log);
        }
        let words = out.iter().map(|event| match event {
            Event::Deliver(entry) => entry.id().seq.to_string(),
            Event::Gap(gap) => format!("gap {}-{} {:?}", gap.after.seq, gap.resume.seq, gap.missed),
            Event::Heartbeat { .. } => "heartbeat".into(),
            Event::Goodbye(reason) => format!("goodbye {}", reason.name()),
        });
        words.collect()
    }

    fn interest(filters: &str) -> Interest {
        Interest::new(filters.parse().unwrap())
    }

    #[test]
    fn a_position_in_the_log_yields_exactly_the_rest_that_matches() {
        let log = log_of(8, 100);
        let position = Position::After(log.epoch().id(3));
        let (mut cursor, gap) = Cursor::open(&log, position, &interest("even"));
        assert_eq!(gap, None);
        assert_eq!(told(&log, &mut cursor, &interest("even")), ["4", "6", "8"]);
    }

    #[test]
    fn an_evicted_position_is_told_with_its_count_where_that_is_known() {
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
    fn a_foreign_epoch_and_a_position_from_the_future_are_told_and_lose_nothing() {
        let log = log_of(5, 100);
        for id in [Epoch::from_number(2).id(3), log.epoch().id(6)] {
            let (cursor, gap) = Cursor::open(&log, Position::After(id), &interest(">"));
            let gap = gap.expect("no such position was ever given out");
            assert_eq!((gap.reason, gap.missed, cursor.seq()), (GapReason::Epoch, None, 0));
        }
    }

    #[test]
    fn each_policy_for_slow_readers_does_what_it_says() {
        let log = log_of(2, 4);
        let (slow, _) = Cursor::open(&log, Position::Live, &interest(">"));
        for seq in 3..=11 {
            let topic = if seq == 10 { "even" } else { "odd" };
            log.append(Notification::text(topic.parse().unwrap(), ""), None);
        }
        let read = |policy, filters| {
            let interest = interest(filters).slow(policy);
            told(&log, &mut slow.clone(), &interest)
        };
        assert_eq!(read(SlowPolicy::Gap, ">"), ["gap 2-7 Some(5)", "8", "9", "10", "11"]);
        assert_eq!(read(SlowPolicy::KeepLatest, ">"), ["gap 2-10 Some(8)", "11"]);
        assert_eq!(read(SlowPolicy::KeepLatest, "even"), ["gap 2-9 None", "10"]);
        assert_eq!(read(SlowPolicy::Disconnect, ">"), ["goodbye too_slow"]);
    }

    #[test]
    fn a_seat_can_be_spared_its_own_words() {
        let log = log_of(0, 10);
        let mine = SeatId::default();
        log.append(Notification::text("chat".parse().unwrap(), "mine").from_seat(mine), None);
        log.append(Notification::text("chat".parse().unwrap(), "theirs"), None);
        let (cursor, _) = Cursor::open(&log, Position::Earliest, &interest("chat"));
        assert_eq!(told(&log, &mut cursor.clone(), &interest("chat")), ["1", "2"]);
        assert_eq!(told(&log, &mut cursor.clone(), &interest("chat").without_own()), ["2"]);
    }
}
