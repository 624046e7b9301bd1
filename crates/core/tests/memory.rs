//! A log allocates no more than its retention allows, whatever formats its readers use. Also measures filters.

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

/// The allocator counts all threads of the process, so one test runs at a time.
static SERIAL: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

/// Six bytes for each byte, as JSON encodes a control character.
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

/// Reads all entries of the log, as a client that resumes does, and calls `read` with each.
fn read_all(log: &Log, read: impl Fn(&Arc<Entry>)) {
    let (interest, seat) = (Interest::new(">".parse().unwrap()), SeatId::default());
    let (mut cursor, head) = (Cursor::at(log.floor()), log.head());
    while cursor.position() != head {
        let mut events = Vec::new();
        let _ = cursor.read(log, &interest, seat, head, Budget::default(), &mut events);
        events.iter().for_each(|event| match event {
            Event::Deliver(entry) => read(entry),
            other => panic!("{other:?}"),
        });
    }
}

/// Compares the bytes that the log has allocated with its retention and with the bytes that it counts.
fn check(log: &Log, before: usize) {
    let (taken, counted) = (ALLOCATOR.allocated() - before, log.size().1);
    let limit = Retention::default().bytes;
    assert!(counted <= limit, "{counted} bytes are counted");
    assert!(taken <= limit, "{taken} bytes are allocated");
    // The ring has capacity for more entries than it has.
    assert!(taken <= counted + 64 * 1024, "{taken} bytes are allocated, {counted} are counted");
}

#[test]
fn large_payloads_in_formats_six_times_as_long_stay_within_the_retention() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
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
    assert_eq!(log.size().0, 47, "the number of retained notifications does not depend on readers");
    drop(log);
    assert!(ALLOCATOR.allocated() < before + MIB, "all of it is freed");
}

#[test]
fn small_payloads_in_many_formats_stay_within_the_retention() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
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
    assert_eq!(
        log.size().0,
        entries,
        "the number of retained notifications does not depend on readers"
    );
}

#[test]
fn the_copies_of_the_newest_are_shared_even_if_the_log_is_full_and_read() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
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
            // A client that resumes reads all of it.
            read_all(&log, |entry| drop(entry.encoded(&ONCE[3])));
        }
    }
    check(&log, before);
}

#[test]
fn copies_that_a_slow_reader_holds_are_counted_until_it_drops_them() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let log = log();
    log.append(note(MIB), None);
    let held = newest(&log);
    held.encoded(&ONCE[0]);
    for _ in 0..100 {
        log.append(note(1), None);
    }
    let counted = log.size().1;
    let _ = log.append(note(60 * MIB), None);
    assert_eq!(log.size().0, 1, "the others are evicted");
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
fn a_filter_takes_at_most_100_bytes_of_an_index_besides_its_text() {
    const FILTERS: usize = 5000 * 64;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
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
    assert!(ALLOCATOR.allocated() < before + 10_000, "they are freed");
}
