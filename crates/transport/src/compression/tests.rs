use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;
use tidings_core::{Entry, Epoch, Event, Filters, Id, Interest, Notification, Reason};
use tokio::time::advance;

use super::{CompressedStream, CompressionConfig, Compressor, Place, Writer};
use crate::{Compression, Encoder};

/// Encodes a payload as one message: a mark, its length and its bytes. The mark is `C` if they are deflated.
#[derive(Debug)]
struct Messages;

/// Encodes a payload as one line.
#[derive(Debug)]
struct Lines;

fn message(mark: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(mark);
    message.put_u32(bytes.len() as u32);
    message.put_slice(bytes);
    message.freeze()
}

impl Encoder for Messages {
    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        crate::concatenated(events, |event| match event {
            Event::Deliver(entry) => message(b'P', entry.notification().payload()),
            other => panic!("{other:?}"),
        })
    }

    fn compression(&self) -> Option<Compression> {
        Some(Compression::Messages)
    }

    fn plain(&self, entry: &Arc<Entry>) -> Bytes {
        entry.notification().payload().clone()
    }

    fn compressed(&self, _: &Entry, deflated: &[u8]) -> Bytes {
        message(b'C', deflated)
    }
}

impl Encoder for Lines {
    fn opening(&self, _: Option<Id>, _: Duration) -> Bytes {
        Bytes::from_static(b"open\n")
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        crate::concatenated(events, |event| match event {
            Event::Deliver(entry) => [entry.notification().payload(), &b"\n"[..]].concat().into(),
            Event::Heartbeat { .. } => Bytes::from_static(b"beat\n"),
            Event::Gap(_) => Bytes::from_static(b"gap\n"),
            Event::Goodbye(_) => Bytes::from_static(b"bye\n"),
        })
    }

    fn compression(&self) -> Option<Compression> {
        Some(Compression::Body)
    }
}

/// Reads messages as a receiver of permessage-deflate does: with the history of those that were compressed.
struct Receiver(Decompress);

impl Receiver {
    fn new() -> Self {
        Self(Decompress::new_with_window_bits(false, 12))
    }

    /// The payloads, and how many of them were compressed.
    fn read(&mut self, mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut payloads, mut compressed) = (Vec::new(), 0);
        while let [mark, a, b, c, d, rest @ ..] = bytes {
            let (payload, next) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            bytes = next;
            payloads.push(match mark {
                b'P' => payload.to_vec(),
                _ => {
                    compressed += 1;
                    let mut plain = Vec::with_capacity(1 << 18);
                    self.0.decompress_vec(payload, &mut plain, FlushDecompress::Sync).unwrap();
                    plain
                }
            });
        }
        (payloads, compressed)
    }
}

fn id(seq: u64) -> Id {
    Epoch::from_number(36).id(seq)
}

fn deliver(seq: u64, payload: &[u8]) -> Event {
    let notification = Notification::binary("t".parse().unwrap(), payload.to_vec());
    Event::Deliver(Arc::new(Entry::new(id(seq), notification)))
}

fn order(seq: u64) -> String {
    let (id, total) = (seq * 7919 % 9973, seq * 31 % 997);
    format!(
        r#"{{"type":"order.updated","order":{{"id":"ord_{id}","status":"paid","total":{total}}}}}"#
    )
}

fn stream(encoder: impl Encoder, config: CompressionConfig) -> (Compressor, Arc<CompressedStream>) {
    let (compressor, encoder): (_, Arc<dyn Encoder>) = (Compressor::new(config), Arc::new(encoder));
    let interest = Interest::new(">".parse().unwrap());
    let stream = compressor.stream(&encoder, &interest).unwrap();
    assert!(Arc::ptr_eq(&stream, &compressor.stream(&encoder, &interest).unwrap()));
    (compressor, stream)
}

/// What happens next to one of the readers.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(usize),
    /// The reader reads this many notifications.
    Read(usize, usize),
    /// The reader is sent this many notifications plain, as after a lag.
    Lag(usize, usize),
    /// The reader leaves, and another one joins at the end.
    Replace(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let reader = 0..4_usize;
    prop_oneof![
        4 => (1..4_usize).prop_map(Step::Publish),
        6 => (reader.clone(), 1..6_usize).prop_map(|(reader, count)| Step::Read(reader, count)),
        1 => (reader.clone(), 1..3_usize).prop_map(|(reader, count)| Step::Lag(reader, count)),
        1 => reader.prop_map(Step::Replace),
        1 => (0..8_u64).prop_map(Step::Advance),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..50_u64).prop_map(|seq| order(seq).into_bytes()),
        1 => Just(Vec::new()),
        1 => proptest::collection::vec(any::<u8>(), 0..3000),
        1 => (0..9000_usize).prop_map(|length| vec![b'x'; length]),
    ]
}

proptest! {
    #[test]
    fn a_reader_that_joins_lags_or_leaves_at_any_time_reads_exactly_the_payloads(
        steps in proptest::collection::vec(step(), 1..120),
        payloads in proptest::collection::vec(payload(), 40),
        reset_after in 1..20_u32,
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let config = CompressionConfig::default().reset_after(reset_after);
            let (_compressor, stream) = stream(Messages, config.reset_interval(Duration::from_secs(5)));
            let mut published = 0;
            let mut readers: Vec<_> =
                (0..4).map(|_| (Receiver::new(), Place::default(), 0_usize)).collect();
            for step in steps {
                match step {
                    Step::Publish(count) => published += count,
                    Step::Advance(seconds) => advance(Duration::from_secs(seconds)).await,
                    Step::Replace(reader) => {
                        readers[reader] = (Receiver::new(), Place::default(), published);
                    }
                    Step::Read(reader, count) | Step::Lag(reader, count) => {
                        let (receiver, place, at) = &mut readers[reader];
                        let end = published.min(*at + count);
                        let expected: Vec<_> =
                            (*at..end).map(|index| payloads[index % 40].clone()).collect();
                        let events: Vec<_> = (*at..end)
                            .map(|index| deliver(index as u64 + 1, &payloads[index % 40]))
                            .collect();
                        *at = end;
                        let bytes = if matches!(step, Step::Lag(..)) {
                            *place = Place::default();
                            Messages.encode(&events, id(end as u64))
                        } else {
                            stream.encode(&events, id(end as u64), place, 1).bytes
                        };
                        assert_eq!(receiver.read(&bytes).0, expected);
                    }
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_one_gzip_member_whatever_the_client_is_sent() {
    let (compressor, _) = stream(Lines, CompressionConfig::default());
    let encoder: Arc<dyn Encoder> = Arc::new(Lines);
    let interest = Interest::new(">".parse().unwrap());
    let writer = || Writer::new(encoder.clone(), compressor.stream(&encoder, &interest));
    let interval = Duration::from_secs(25);
    let (mut first, mut late) = (writer(), writer());
    let mut bodies = [first.opening(None, interval).to_vec(), Vec::new()];
    let mut expected = ["open\n".to_owned(), String::new()];
    let heartbeat = Event::Heartbeat { position: id(0), interval };
    let beat = std::slice::from_ref(&heartbeat);
    for seq in 1..=300 {
        if seq == 150 {
            bodies[1].extend(late.opening(None, interval));
            expected[1] += "open\n";
        }
        let event = [deliver(seq, order(seq).as_bytes())];
        bodies[0].extend(first.encode(&event, id(seq)));
        expected[0] += &format!("{}\n", order(seq));
        if seq >= 150 {
            bodies[1].extend(late.encode(&event, id(seq)));
            expected[1] += &format!("{}\n", order(seq));
        }
        if seq % 70 == 0 {
            // The first is left out, because a notification was just sent.
            assert!(first.encode(beat, id(seq)).is_empty());
            advance(interval / 3).await;
            bodies[0].extend(first.encode(beat, id(seq)));
            expected[0] += "beat\n";
        }
    }
    for (writer, (body, expected)) in
        [first, late].iter_mut().zip(bodies.iter_mut().zip(&mut expected))
    {
        body.extend(writer.encode(&[Event::Goodbye(Reason::GoingAway)], id(300)));
        *expected += "bye\n";
        let mut plain = String::new();
        // It fails if the checksum or the length at the end is wrong.
        MultiGzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, *expected);
        let ratio = body.len() as f64 / expected.len() as f64;
        assert!(ratio < 0.5, "{ratio}");
    }
}

/// The number of the first notification, if any, that a client is sent compressed if it joins after `joined` ones.
fn waited(stream: &Arc<CompressedStream>, clients_in_sync: usize, joined: u64) -> Option<u64> {
    let (mut place, mut late) = (Place::default(), Place::default());
    (1..=500).find(|&seq| {
        let event = [deliver(seq, order(seq).as_bytes())];
        stream.encode(&event, id(seq), &mut place, clients_in_sync);
        assert!(place.is_in_sync());
        seq > joined && {
            stream.encode(&event, id(seq), &mut late, 1);
            late.is_in_sync()
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_waits_for_no_more_than_a_reset_costs() {
    for (clients_in_sync, joins, expected) in [(1, 7, 9), (5, 7, 13), (1000, 7, 101)] {
        let (_compressor, stream) = stream(Messages, CompressionConfig::default());
        let first = waited(&stream, clients_in_sync, joins);
        assert_eq!(first, Some(expected), "{clients_in_sync} in sync");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reset_unless_a_client_waits() {
    let (_compressor, stream) = stream(Messages, CompressionConfig::default().reset_after(3));
    let mut place = Place::default();
    let mut lengths = (1..=50).map(|seq| {
        let event = [deliver(seq, order(1).as_bytes())];
        stream.encode(&event, id(seq), &mut place, 10).bytes.len()
    });
    let first = lengths.next().unwrap();
    assert!(lengths.all(|length| length < first / 3), "a reset makes a chunk long again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reset_for_a_client_that_has_left() {
    let (_compressor, stream) = stream(Messages, CompressionConfig::default().reset_after(20));
    let (mut place, mut waiting) = (Place::default(), Place::default());
    let lengths = (1..=50).map(|seq| {
        let event = [deliver(seq, order(1).as_bytes())];
        let length = stream.encode(&event, id(seq), &mut place, 1000).bytes.len();
        if (5..10).contains(&seq) {
            stream.encode(&event, id(seq), &mut waiting, 1);
            assert!(!waiting.is_in_sync());
        }
        length
    });
    let lengths: Vec<_> = lengths.collect();
    assert!(lengths[1..].iter().all(|&length| length < lengths[0] / 3), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_chunks_take_a_bounded_memory() {
    for size in [1, 100, 10_000] {
        let (_compressor, stream) = stream(Messages, CompressionConfig::default());
        let mut place = Place::default();
        let mut random = 1_u32;
        for seq in 1..=3000 {
            let mut payload = vec![0; size];
            payload.fill_with(|| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            });
            stream.encode(&[deliver(seq, &payload)], id(seq), &mut place, 1);
        }
        let (chunks, memory) = stream.newest();
        assert!(chunks > 10 && memory <= 128 << 10, "{chunks} chunks of {size}: {memory} B");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_compressed_once_for_all_readers() {
    let (_compressor, stream) = stream(Messages, CompressionConfig::default());
    let mut places = [Place::default(); 3];
    for seq in 1..=20 {
        let event = [deliver(seq, order(seq).as_bytes())];
        let chunks: Vec<_> =
            places.iter_mut().map(|place| stream.encode(&event, id(seq), place, 1).bytes).collect();
        assert!(chunks.iter().all(|chunk| chunk.as_ptr() == chunks[0].as_ptr()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_excluded_or_too_large_is_sent_plain_and_does_not_end_the_sync() {
    let secret: Filters = "secret.*".parse().unwrap();
    let (_compressor, stream) = stream(Messages, CompressionConfig::default().exclude(secret));
    let (mut place, mut receiver) = (Place::default(), Receiver::new());
    let mut sent =
        |event: Event, seq| receiver.read(&stream.encode(&[event], id(seq), &mut place, 1).bytes);
    let secret = Notification::text("secret.a".parse().unwrap(), order(2));
    let secret = Event::Deliver(Arc::new(Entry::new(id(2), secret)));
    assert_eq!(sent(deliver(1, order(1).as_bytes()), 1), (vec![order(1).into_bytes()], 1));
    assert_eq!(sent(secret, 2), (vec![order(2).into_bytes()], 0));
    assert_eq!(sent(deliver(3, &[b'x'; 65 << 10]), 3).1, 0);
    assert_eq!(sent(deliver(4, order(4).as_bytes()), 4), (vec![order(4).into_bytes()], 1));
}

#[tokio::test(start_paused = true)]
async fn the_contexts_are_bounded_and_idle_ones_are_taken_back() {
    let compressor = Compressor::new(CompressionConfig::default().contexts(2));
    let encoder: Arc<dyn Encoder> = Arc::new(Messages);
    let streams: Vec<_> = (0..10_000)
        .map(|number| {
            let interest = Interest::new(format!("t,own.{number}").parse().unwrap());
            (compressor.stream(&encoder, &interest).unwrap(), Place::default())
        })
        .collect();
    let mut streams = streams;
    let mut send = |index: usize, seq, clients| {
        let (stream, place) = &mut streams[index];
        stream.encode(&[deliver(seq, order(seq).as_bytes())], id(seq), place, clients);
        place.is_in_sync()
    };
    let in_sync: Vec<_> = (0..10_000).map(|index| send(index, 1, 1)).collect();
    assert_eq!(in_sync.iter().filter(|&&is_in_sync| is_in_sync).count(), 2);
    assert_eq!((compressor.contexts(), compressor.without_context()), (2, 9_998));
    assert!(in_sync[0] && in_sync[1] && !send(9, 2, 1));

    // A stream with many more clients is preferred.
    advance(Duration::from_secs(2)).await;
    assert!(send(0, 2, 3) && send(1, 2, 1));
    assert!(send(5, 2, 100), "the context of stream 1");
    assert_eq!(compressor.contexts(), 2);

    advance(Duration::from_secs(10)).await;
    assert!(send(7, 2, 1) && send(8, 2, 1), "the others are idle");
    assert_eq!(compressor.contexts(), 2);
    advance(Duration::from_secs(4)).await;
    assert!(send(7, 3, 1));
    advance(Duration::from_secs(4)).await;
    assert_eq!(compressor.contexts(), 1, "one is idle");
    assert!(send(8, 3, 1) && send(7, 4, 1), "both stay in sync");
    drop(streams);
    assert_eq!(compressor.contexts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_clients_read_one_by_one_gets_the_context_of_one_with_fewer_clients() {
    let compressor = Compressor::new(CompressionConfig::default().contexts(1));
    let encoder: Arc<dyn Encoder> = Arc::new(Messages);
    let writers = |filters: &str, count| -> Vec<_> {
        let interest = Interest::new(filters.parse().unwrap());
        let stream = || compressor.stream(&encoder, &interest);
        (0..count).map(|_| Writer::new(encoder.clone(), stream())).collect()
    };
    let mut few = writers("a", 2);
    let mut many = writers("b", 6);
    let compressed = |writers: &mut [Writer], seq| {
        let events = [deliver(seq, order(seq).as_bytes())];
        let first = |writer: &mut Writer| writer.encode(&events, id(seq))[0];
        writers.iter_mut().map(first).filter(|&mark| mark == b'C').count()
    };
    assert_eq!((compressed(&mut few, 1), compressed(&mut many, 1)), (2, 0));
    advance(Duration::from_secs(2)).await;
    assert_eq!((compressed(&mut few, 2), compressed(&mut many, 2)), (2, 6));
    assert_eq!(compressed(&mut few, 3), 0, "the other stream has more clients");
}

#[test]
fn without_a_stream_a_gzip_body_has_stored_blocks() {
    let mut writer = Writer::new(Arc::new(Lines), None);
    let mut body = writer.opening(None, Duration::from_secs(25)).to_vec();
    body.extend(writer.encode(&[deliver(1, b"one"), deliver(2, b"two")], id(2)));
    body.extend(writer.encode(&[Event::Goodbye(Reason::GoingAway)], id(2)));
    let mut plain = String::new();
    MultiGzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
    assert_eq!(plain, "open\none\ntwo\nbye\n");
}
