use proptest::prelude::*;

use super::ring::ENTRY_OVERHEAD;
use super::*;
use crate::{Budget, Filters, GapReason, Headers, Interest, SeatId, Snapshot};

fn log(entries: usize, bytes: usize) -> Log {
    Log::new(Epoch::from_number(1), Retention { entries, bytes }, WakerSet::default())
}

fn note(topic: &str, size: usize) -> Notification {
    Notification::binary(topic.parse().unwrap(), vec![0; size])
}

fn position(log: &Log, seq: u64) -> Snapshot {
    Snapshot { after: log.epoch().id(seq), upto: 0 }
}

const ALL: Budget = Budget { entries: usize::MAX, bytes: usize::MAX };

proptest! {
    /// The model is a vector of all notifications that were appended, from which the oldest are removed.
    #[test]
    fn the_log_reads_like_its_model(
        published in proptest::collection::vec((0..3_usize, 0..200_usize), 1..80),
        entries in 1..40_usize,
        bytes in 600..20_000_usize,
        after in 0..90_u64,
        wanted in 0..3_usize,
        budget in 1..20_usize,
    ) {
        let topics = ["a", "b", "c"];
        let log = log(entries, bytes);
        let mut model: Vec<(u64, usize, usize)> = Vec::new();
        for (index, &(topic, size)) in published.iter().enumerate() {
            log.append(note(topics[topic], size), None);
            model.push((index as u64 + 1, topic, ENTRY_OVERHEAD + 1 + size));
            while model.len() > 1
                && (model.len() > entries
                    || model.iter().map(|m| m.2).sum::<usize>() > bytes - bytes / COPIES_SHARE)
            {
                model.remove(0);
            }
        }
        prop_assert_eq!(log.size(), (model.len(), model.iter().map(|m| m.2).sum()));
        let (first, head) = (model[0].0, published.len() as u64);
        prop_assert_eq!((log.floor().seq, log.head().seq), (first - 1, head));

        let mut read = Vec::new();
        let filter: Filters = topics[wanted].parse().unwrap();
        let budget = Budget { entries: budget, bytes: usize::MAX };
        let reached = log.read(
            position(&log, after), u64::MAX, budget, &Interest::new(filter), SeatId::default(),
            |entry| read.push(entry.id().seq),
        );
        if after + 1 < first {
            let gone = ReadError::Gone { resume: log.floor(), reason: GapReason::Evicted };
            prop_assert_eq!(reached, Err(gone));
        } else {
            let expected: Vec<u64> = model.iter()
                .filter(|m| m.0 > after && m.1 == wanted).map(|m| m.0)
                .take(budget.entries).collect();
            prop_assert_eq!(&read, &expected);
            let reached = reached.unwrap();
            // No matching notification lies between the last one read and the position reached.
            prop_assert!(model.iter().all(|m| m.1 != wanted || m.0 <= after
                || m.0 > reached || expected.contains(&m.0)));
            prop_assert!(reached >= after);
        }
    }
}

#[test]
fn a_notification_larger_than_the_retention_is_kept_until_the_next_one() {
    let log = log(10, 1000);
    log.append(note("a", 5000), None);
    assert_eq!(log.size().0, 1);
    log.append(note("a", 1), None);
    assert_eq!((log.size().0, log.floor().seq), (1, 1));
}

#[test]
fn headers_count_as_retained_bytes() {
    let log = log(10, 100_000);
    log.append(note("a", 10), None);
    let plain = log.size().1;
    let headers = Headers::new().with_event("created").unwrap();
    log.append(note("a", 10).with_headers(headers), None);
    assert_eq!(log.size().1, 2 * plain + Headers::FIXED + "created".len());
}

#[test]
fn a_read_ends_at_the_byte_budget_and_continues_from_there() {
    let log = log(100, 1 << 20);
    for _ in 0..5 {
        log.append(note("a", 400), None);
    }
    let budget = Budget { entries: 100, bytes: 1000 };
    let all = Interest::new(">".parse().unwrap());
    let read =
        |after, budget| log.read(position(&log, after), 5, budget, &all, SeatId::default(), |_| {});
    assert_eq!([0, 2, 4].map(|after| read(after, budget)), [Ok(2), Ok(4), Ok(5)]);
    assert_eq!(read(5, ALL), Ok(5));
}

#[test]
fn a_reader_of_many_filters_looks_at_fewer_entries_under_one_lock() {
    let log = log(10_000, usize::MAX);
    for _ in 0..5000 {
        log.append(note("a", 0), None);
    }
    let reached = |filters: &str| {
        let interest = Interest::new(filters.parse().unwrap());
        let begin = position(&log, 0);
        log.read(begin, u64::MAX, ALL, &interest, SeatId::default(), |_| {}).unwrap()
    };
    assert_eq!(reached("b"), 4096);
    assert_eq!(reached(&vec!["b.*"; 64].join(",")), 455);
    let filters = vec!["a"; 64].join(",").parse().unwrap();
    assert_eq!(log.newest_match(&filters, 5000), Some(5000));
}
