use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    Budget, Cursor, Epoch, Event, Interest, Kept, Log, Notification, Position, Retention, SeatId,
    SlowPolicy, Snapshot, Stored, WakerSet,
};

const TOPICS: [&str; 5] = ["a", "b", "c.x", "c.y", "d"];

fn log(entries: usize) -> Log {
    let retention = Retention { entries, ..Retention::default() };
    Log::new(Epoch::from_number(10), retention, WakerSet::default())
}

fn note(topic: &str) -> Notification {
    Notification::text(topic.parse().unwrap(), "")
}

fn publish(log: &Log, topics: &[&str]) {
    for topic in topics {
        log.append(note(topic), None);
    }
}

/// One change of a log. Topics are indices of [`TOPICS`].
#[derive(Clone, Debug)]
enum Change {
    Append(usize),
    /// An entry from a broker, after this many missing ones. `None` is an unreadable entry.
    Store(u64, Option<usize>),
    /// Indexes at most this many entries.
    Index(u64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0..TOPICS.len()).prop_map(Change::Append),
        2 => (0..TOPICS.len()).prop_map(|topic| Change::Store(0, Some(topic))),
        1 => Just(Change::Store(0, None)),
        1 => (1..4_u64, 0..TOPICS.len()).prop_map(|(hole, topic)| Change::Store(hole, Some(topic))),
        3 => (1..6_u64).prop_map(Change::Index),
    ]
}

proptest! {
    /// The model is the list of all notifications that were added. Which of them are retained is read from the log.
    #[test]
    fn the_index_equals_that_of_a_model(
        changes in proptest::collection::vec(change(), 1..120),
        entries in 1..30_usize,
    ) {
        let log = log(entries);
        let mut model: BTreeMap<u64, &str> = BTreeMap::new();
        let mut has_index = false;
        // The last lost entry, and the last entry that the incomplete index may count as lost although it was not.
        let (mut lost, mut unknown) = (0, 0);
        for change in changes {
            let was_complete = has_index && log.inspect_index(|it| it.is_complete(log.own_floor().seq + 1)).unwrap();
            let (floor, head) = (log.own_floor().seq, log.head().seq);
            match change {
                Change::Append(topic) => {
                    let id = log.append(note(TOPICS[topic]), None).unwrap();
                    model.insert(id.seq, TOPICS[topic]);
                }
                Change::Store(hole, topic) => {
                    let seq = head + 1 + hole;
                    let notification = topic.map(|topic| note(TOPICS[topic]));
                    log.store([Stored { seq, notification }]);
                    model.extend(topic.map(|topic| (seq, TOPICS[topic])));
                }
                Change::Index(most) => {
                    log.index_portion(most);
                    has_index = true;
                }
            }
            let now = log.own_floor().seq;
            // An evicted entry is lost if its topic had no later entry by then. After missing entries, the whole
            // log is lost.
            let is_hole = now > head;
            let is_lost = |seq: &u64| is_hole || model.get(seq).is_some_and(|topic| {
                !model.range(seq + 1..).any(|(_, later)| later == topic)
            });
            lost = (floor + 1..=now).rev().find(is_lost).unwrap_or(lost);
            if !was_complete {
                unknown = now;
            }
            let Some(is_complete) = log.inspect_index(|it| it.is_complete(now + 1)) else { continue };
            let last_lost = log.inspect_index(|it| it.last_lost).unwrap();
            prop_assert!(lost <= last_lost, "{lost} was lost, the index has {last_lost}");
            prop_assert!(last_lost <= lost.max(unknown), "{last_lost} was not lost");
            let mut expected = BTreeMap::new();
            expected.extend(model.range(now + 1..).map(|(&seq, &topic)| (topic.to_owned(), seq)));
            let rows: BTreeMap<String, u64> = log.inspect_index(|it| {
                it.by_topic.iter().map(|(topic, &seq)| (topic.as_str().to_owned(), seq)).collect()
            }).unwrap();
            if is_complete {
                prop_assert_eq!(rows, expected);
            } else {
                // An incomplete index has no wrong rows.
                prop_assert!(rows.iter().all(|(topic, seq)| expected.get(topic) == Some(seq)));
            }
        }
    }

    /// Reads a snapshot and then the rest, while notifications are added and evicted.
    #[test]
    fn a_snapshot_has_the_newest_of_each_topic_and_everything_follows(
        before in proptest::collection::vec(0..TOPICS.len(), 0..60),
        // A topic to publish to, or, if the second number is not 0, a read of this many entries.
        then in proptest::collection::vec((0..TOPICS.len(), 0..4_usize), 0..80),
        filters in prop_oneof![Just(">"), Just("a"), Just("a,c.*"), Just("*"), Just("c.>,d,x")],
        entries in 1..50_usize,
    ) {
        let log = log(entries);
        let filters: Filters = filters.parse().unwrap();
        let interest = Interest::new(filters.clone());
        let mut topics = vec![""];
        let append = |topic: usize, topics: &mut Vec<&str>| {
            log.append(note(TOPICS[topic]), None).unwrap();
            topics.push(TOPICS[topic]);
        };
        before.iter().for_each(|&topic| append(topic, &mut topics));
        let begin = log.head().seq;
        let (mut cursor, gap) = Cursor::open(&log, Position::Latest, &interest);
        prop_assert_eq!(gap, None);
        let later = |seq: u64, topics: &[&str]| {
            topics[seq as usize + 1..].contains(&topics[seq as usize])
        };
        let mut delivered: Vec<u64> = Vec::new();
        // Entries up to here may be missing: they were evicted before the first read, or a gap reports them.
        let mut excused = None;
        let mut read = |entries: usize, topics: &[&str]| {
            let floor = log.own_floor().seq;
            excused.get_or_insert(floor.min(begin));
            let mut events = Vec::new();
            let budget = Budget { entries, ..Budget::default() };
            let kept = cursor.read(&log, &interest, SeatId::default(), log.head(), budget, &mut events);
            assert_eq!(kept, Kept::Log);
            for event in events {
                match event {
                    Event::Deliver(entry) => {
                        let seq = entry.id().seq;
                        assert!(delivered.last().is_none_or(|&last| last < seq), "{delivered:?}, {seq}");
                        assert!(seq > begin || !later(seq, topics), "{seq} of {topics:?}");
                        delivered.push(seq);
                    }
                    Event::Gap(gap) => {
                        assert!(gap.resume.seq <= floor);
                        assert!(gap.after.seq >= begin || gap.missed.is_none());
                        excused = Some(gap.resume.seq);
                    }
                    other => panic!("{other:?}"),
                }
            }
            cursor.seq()
        };
        for (topic, reads) in then {
            if reads > 0 { read(reads, &topics); } else { append(topic, &mut topics); }
        }
        while read(3, &topics) < log.head().seq {}
        let excused = excused.unwrap_or_default();
        for seq in 1..topics.len() as u64 {
            let is_wanted = filters.matches(&topics[seq as usize].parse().unwrap());
            let is_due = is_wanted && (seq > begin || !later(seq, &topics));
            prop_assert!(
                !is_due || seq <= excused || delivered.contains(&seq),
                "{seq} of {topics:?}, delivered {delivered:?}"
            );
        }
    }
}

fn read_all(log: &Log, cursor: &mut Cursor, interest: &Interest) -> Vec<String> {
    let mut events = Vec::new();
    while cursor.seq() < log.head().seq && !matches!(events.last(), Some(Event::Goodbye(_))) {
        let (seat, head, all) = (SeatId::default(), log.head(), Budget::default());
        let kept = cursor.read(log, interest, seat, head, all, &mut events);
        assert_eq!(kept, Kept::Log);
    }
    let texts = events.iter().map(|event| match event {
        Event::Deliver(entry) => entry.id().seq.to_string(),
        Event::Gap(gap) => format!("gap {}-{} {:?}", gap.after.seq, gap.resume.seq, gap.missed),
        Event::Heartbeat { .. } => "heartbeat".into(),
        Event::Goodbye(reason) => format!("goodbye {}", reason.name()),
    });
    texts.collect()
}

fn all() -> Interest {
    Interest::new(">".parse().unwrap())
}

/// With more topics than [`matching`](NewestByTopic::matching) looks at, the entries are read one by one.
#[test]
fn a_snapshot_of_many_topics_has_each_once() {
    let log = log(20_000);
    for number in 0..12_000 {
        log.append(note(&format!("t.{}", number % 5_000)), None);
    }
    let (mut cursor, _) = Cursor::open(&log, Position::Latest, &all());
    log.append(note("t.0"), None);
    let expected = (7_001..=12_001_u64).filter(|&seq| seq != 10_001);
    let expected: Vec<_> = expected.map(|seq| seq.to_string()).collect();
    assert_eq!(read_all(&log, &mut cursor, &all()), expected);
    assert!(!cursor.is_in_snapshot());
}

#[test]
fn a_slow_reader_gets_a_gap_only_if_the_newest_of_a_topic_is_evicted() {
    let log = log(3);
    publish(&log, &["a", "b", "a"]);
    let (mut slow, _) = Cursor::open(&log, Position::Latest, &all());
    let one = Budget { entries: 1, ..Budget::default() };
    let _ = slow.read(&log, &all(), SeatId::default(), log.head(), one, &mut Vec::new());
    assert_eq!((slow.seq(), slow.is_in_snapshot()), (2, true), "b");

    publish(&log, &["a", "b"]);
    assert_eq!(read_all(&log, &mut slow.clone(), &all()), ["4", "5"]);
    // 3 was evicted, and 4 is a later notification of its topic.
    publish(&log, &["c"]);
    assert_eq!(read_all(&log, &mut slow.clone(), &all()), ["4", "5", "6"]);
    // 4 was evicted, which was published after the snapshot.
    publish(&log, &["c"]);
    assert_eq!(read_all(&log, &mut slow.clone(), &all()), ["gap 2-4 None", "5", "6", "7"]);
    let strict = all().slow(SlowPolicy::Disconnect);
    assert_eq!(read_all(&log, &mut slow, &strict), ["goodbye too_slow"]);
}

#[test]
fn a_reader_gets_a_gap_if_the_newest_of_a_topic_is_evicted_before_it_is_read() {
    let log = log(4);
    publish(&log, &["a", "b", "c", "d"]);
    let rest = Snapshot { after: log.epoch().id(1), upto: 4 };
    let open = |position| Cursor::open(&log, position, &all()).0;
    let (mut begun, mut fresh) = (open(Position::Snapshot(rest)), open(Position::Latest));
    publish(&log, &["a", "a"]);
    assert_eq!(read_all(&log, &mut begun, &all()), ["gap 1-2 None", "3", "4", "5", "6"]);
    // A reader that has read nothing begins with what is retained now.
    assert_eq!(read_all(&log, &mut fresh, &all()), ["3", "4", "5", "6"]);
}

#[test]
fn notifications_evicted_before_the_index_existed_are_a_gap_in_a_snapshot() {
    for is_building in [false, true] {
        let log = log(4);
        publish(&log, &["a", "b", "a", "c"]);
        if is_building {
            log.index_portion(1);
        }
        publish(&log, &["c", "c"]);
        let rest = Snapshot { after: log.epoch().id(1), upto: 4 };
        let (mut cursor, _) = Cursor::open(&log, Position::Snapshot(rest), &all());
        assert_eq!(read_all(&log, &mut cursor, &all()), ["gap 1-2 None", "3", "5", "6"]);
    }
}

#[test]
fn a_snapshot_of_another_epoch_is_a_gap_and_one_that_is_read_is_a_plain_position() {
    let log = log(9);
    publish(&log, &["a", "a"]);
    let after = |epoch, seq, upto| {
        let after = Epoch::from_number(epoch).id(seq);
        Cursor::open(&log, Position::Snapshot(Snapshot { after, upto }), &all())
    };
    let (mut cursor, gap) = after(11, 1, 2);
    assert_eq!(gap.map(|gap| gap.reason), Some(crate::GapReason::Epoch));
    assert_eq!(read_all(&log, &mut cursor, &all()), ["1", "2"]);
    assert!(after(10, 3, 4).1.is_some(), "ahead of the log");
    // Nothing after the head is skipped, even if the position names a later `upto`.
    let (mut cursor, _) = after(10, 0, 99);
    publish(&log, &["a", "a"]);
    assert_eq!(read_all(&log, &mut cursor, &all()), ["3", "4"]);
    assert!(!after(10, 2, 2).0.is_in_snapshot());
}
