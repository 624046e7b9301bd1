//! What a log takes of the allocator is what its retention says, whatever its readers ask for; and what filters take.

use std::alloc::System;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cap::Cap;
use tidings_core::driver::{Budget, Cursor, FilterIndex, WakerSet};
use tidings_core::{
    Entry, Epoch, Event, Filter, Format, Interest, Log, Notification, Retention, SeatId,
};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The allocator counts for the whole process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

/// As JSON writes a control character.
static SIX_TIMES: Format = Format::new("six times", |entry| {
    let payload = entry.notification().payload();
    b"\\u0001".repeat(payload.len()).into()
});

static FRAMED: Format = Format::new("framed", |entry| {
    Bytes::from([&b"\x81\x7f12345678"[..], &entry.encoded(&SIX_TIMES)].concat())
});

static ONCE: [Format; 4] = [
    Format::new("1", once),
    Format::new("2", once),
    Format::new("3", once),
    Format::new("4", once),
];

fn once(entry: &Entry) -> Bytes {
    let payload = entry.notification().payload();
    [format!("id: {}\ndata: ", entry.id()).as_bytes(), payload, b"\n\n"].concat().into()
}

fn log() -> Log {
    Log::new(Epoch::random(), Retention::default(), WakerSet::default())
}

fn note(size: usize) -> Notification {
    Notification::text("news".parse().unwrap(), "\u{1}".repeat(size))
}

/// Reads everything that the log has, as a client that comes back does, and calls `read` with each entry.
fn read_all(log: &Log, read: impl Fn(&Arc<Entry>)) {
    let (interest, seat) = (Interest::new(">".parse().unwrap()), SeatId::default());
    let (mut cursor, head) = (Cursor::at(log.tail()), log.head());
    while cursor.position() != head {
        let mut events = Vec::new();
        let _ = cursor.read(log, &interest, seat, head, Budget::default(), &mut events);
        events.iter().for_each(|event| match event {
            Event::Deliver(entry) => read(entry),
            other => panic!("{other:?}"),
        });
    }
}

/// Holds what the log takes against its retention, and against what it says itself.
fn check(log: &Log, before: usize) {
    let (taken, counted) = (ALLOCATOR.allocated() - before, log.size().1);
    let limit = Retention::default().bytes;
    assert!(counted <= limit, "{counted} bytes are counted");
    assert!(taken <= limit, "{taken} bytes are taken");
    // The ring itself has room for some more entries.
    assert!(taken <= counted + 64 * 1024, "{taken} bytes are taken, {counted} are counted");
}

#[test]
fn large_payloads_in_formats_of_six_times_their_length_stay_within_the_retention() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ALLOCATOR.allocated();
    let log = log();
    for _ in 0..120 {
        log.append(note(MIB), None);
    }
    for _ in 0..2 {
        read_all(&log, |entry| {
            assert_eq!(entry.encoded(&FRAMED).len(), 6 * MIB + 10);
            assert_eq!(entry.encoded(&SIX_TIMES).len(), 6 * MIB);
        });
        check(&log, before);
    }
    assert_eq!(log.size().0, 47, "readers have not shortened the history");
    drop(log);
    assert!(ALLOCATOR.allocated() < before + MIB, "all of it is given back");
}

#[test]
fn small_payloads_in_many_formats_stay_within_the_retention() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ALLOCATOR.allocated();
    let log = log();
    for _ in 0..150_000 {
        log.append(note(200), None);
    }
    check(&log, before);
    let entries = log.size().0;
    read_all(&log, |entry| {
        ONCE.iter().for_each(|format| drop(entry.encoded(format)));
    });
    check(&log, before);
    assert_eq!(log.size().0, entries, "readers have not shortened the history");
}

#[test]
fn the_newest_is_shared_however_long_the_log_has_been_full_and_read() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ALLOCATOR.allocated();
    let log = log();
    for number in 1..=3000 {
        log.append(note(20_000), None);
        let newest = newest(&log);
        for format in &ONCE {
            let first = newest.encoded(format);
            assert_eq!(first.as_ptr(), newest.encoded(format).as_ptr(), "after {number}");
        }
        if number % 500 == 0 {
            // Clients that come back ask for all of it.
            read_all(&log, |entry| drop(entry.encoded(&ONCE[3])));
        }
    }
    check(&log, before);
}

#[test]
fn copies_that_a_slow_reader_holds_are_counted_until_it_drops_them() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let log = log();
    log.append(note(MIB), None);
    let held = newest(&log);
    held.encoded(&ONCE[0]);
    for _ in 0..100 {
        log.append(note(1), None);
    }
    let counted = log.size().1;
    let _ = log.append(note(60 * MIB), None);
    assert_eq!(log.size().0, 1, "it has evicted all others");
    let with_copy = log.size().1;
    drop(held);
    assert!(counted > 2 * MIB && with_copy - log.size().1 > MIB);
}

fn newest(log: &Log) -> Arc<Entry> {
    let head = log.head();
    let (mut cursor, mut events) = (Cursor::at(log.epoch().id(head.seq - 1)), Vec::new());
    let (interest, seat) = (Interest::new(">".parse().unwrap()), SeatId::default());
    let _ = cursor.read(log, &interest, seat, head, Budget::default(), &mut events);
    match events.pop() {
        Some(Event::Deliver(entry)) => entry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_filter_takes_at_most_100_bytes_of_an_index_besides_its_text_and_gives_them_back() {
    const FILTERS: usize = 5000 * 64;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let filter = |number| format!("c{}.*.x{}.>", number / 64, number % 64).parse().unwrap();
    let filters: Vec<Filter> = (0..FILTERS).map(filter).collect();
    let before = ALLOCATOR.allocated();
    let mut index = FilterIndex::default();
    for filter in &filters {
        index.insert(filter.clone(), [0_usize; 2]);
    }
    let each = (ALLOCATOR.allocated() - before) / FILTERS;
    assert!(each <= 100, "{each} bytes");
    println!("a filter takes {each} bytes of the index");
    filters.iter().for_each(|filter| assert!(index.remove(filter).is_some()));
    assert!(ALLOCATOR.allocated() < before + 10_000, "they are given back");
}
