//! A reader's place in the log.

use crate::{Entry, Event, Filters, Gap, GapReason, Id, Log, Position, Reason, SeatId};

/// A reader's place: everything up to it has been told. It is one integer, so a slow client costs no
/// more than a quick one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    seq: u64,
}

/// What a reader wants to be told, and what is to happen when it is too slow. Readers with the same
/// interest can share the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    filters: Filters,
    slow: SlowPolicy,
    without_own: bool,
}

/// What becomes of a reader past which the log has moved on: a slow consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlowPolicy {
    /// Tell it the gap and go on with the oldest that is left. The default: nothing more is lost than must
    /// be.
    #[default]
    Gap,
    /// Let it go, with [`Reason::TooSlow`]; it may come back with its position.
    Disconnect,
    /// Tell it the gap and go on with the newest that matches. For prices, positions, scores: where only
    /// the present counts.
    KeepLatest,
}

/// How much one read may return. The first notification is returned whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most notifications.
    pub entries: usize,
    /// The most payload bytes.
    pub bytes: usize,
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
        let (resume, reason) = match position {
            Position::Live => return (Self::at(head), None),
            Position::Earliest => return (Self::at(tail), None),
            // A position ahead of the log was not given out by this history either.
            Position::After(id) if id.epoch != head.epoch || id.seq > head.seq => {
                (tail, GapReason::Epoch)
            }
            Position::After(id) if id.seq < tail.seq => (tail, GapReason::Evicted),
            Position::After(id) => return (Self::at(id), None),
        };
        let Position::After(after) = position else { unreachable!("the others have returned") };
        let missed = match reason {
            GapReason::Epoch => None,
            _ => interest.count_between(after, resume),
        };
        (Self::at(resume), Some(Gap { after, resume, missed, reason }))
    }

    /// A cursor behind this id.
    pub fn at(id: Id) -> Self {
        Self { seq: id.seq }
    }

    /// The sequence number up to which everything has been told.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Appends to `out` what the reader must be told next, up to and including `upto`, and moves behind
    /// it. Call again while [`seq`](Self::seq) is below `upto`. A [`Event::Goodbye`] is the last.
    pub fn read(
        &mut self,
        log: &Log,
        interest: &Interest,
        seat: SeatId,
        upto: Id,
        budget: Budget,
        out: &mut Vec<Event>,
    ) {
        let read = log.read(
            self.seq,
            upto.seq,
            budget,
            |entry| interest.wants(entry, seat),
            |entry| out.push(Event::Deliver(entry.clone())),
        );
        match read {
            Ok(reached) => self.seq = reached,
            Err(evicted) => {
                let resume = match interest.slow {
                    SlowPolicy::Disconnect => {
                        out.push(Event::Goodbye(Reason::TooSlow));
                        return;
                    }
                    SlowPolicy::Gap => evicted.resume,
                    SlowPolicy::KeepLatest => {
                        let newest = log.newest(interest.filters(), upto.seq);
                        newest.map_or(upto.seq, |seq| seq - 1).max(evicted.resume)
                    }
                };
                let (after, resume) = (upto.epoch.id(self.seq), upto.epoch.id(resume));
                let missed = interest.count_between(after, resume);
                out.push(Event::Gap(Gap { after, resume, missed, reason: GapReason::Lagged }));
                self.seq = resume.seq;
            }
        }
    }
}

impl Interest {
    /// How many notifications lie in a hole: known only where every one of them would have matched.
    fn count_between(&self, after: Id, resume: Id) -> Option<u64> {
        let counts_all = self.filters.match_everything() && !self.without_own;
        counts_all.then(|| resume.seq - after.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bell, Epoch, Notification, Retention};

    fn log_of(published: u64, entries: usize) -> Log {
        let retention = Retention { entries, ..Retention::default() };
        let log = Log::new(Epoch::from_number(1), retention, Bell::default());
        for seq in 1..=published {
            let topic = if seq % 2 == 0 { "even" } else { "odd" };
            log.append(Notification::text(topic.parse().unwrap(), seq.to_string()));
        }
        log
    }

    fn told(log: &Log, cursor: &mut Cursor, interest: &Interest) -> Vec<String> {
        let mut out = Vec::new();
        let mut last = None;
        while cursor.seq() < log.head().seq && last != Some(cursor.seq()) {
            last = Some(cursor.seq());
            cursor.read(log, interest, SeatId::default(), log.head(), Budget::default(), &mut out);
        }
        let words = out.iter().map(|event| match event {
            Event::Deliver(entry) => entry.id().seq.to_string(),
            Event::Gap(gap) => format!("gap {}-{} {:?}", gap.after.seq, gap.resume.seq, gap.missed),
            Event::Heartbeat(_) => "heartbeat".into(),
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
            log.append(Notification::text(topic.parse().unwrap(), ""));
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
        log.append(Notification::text("chat".parse().unwrap(), "mine").from_seat(mine));
        log.append(Notification::text("chat".parse().unwrap(), "theirs"));
        let (cursor, _) = Cursor::open(&log, Position::Earliest, &interest("chat"));
        assert_eq!(told(&log, &mut cursor.clone(), &interest("chat")), ["1", "2"]);
        assert_eq!(told(&log, &mut cursor.clone(), &interest("chat").without_own()), ["2"]);
    }
}
