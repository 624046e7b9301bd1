//! Tests of compressed messages.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tidings_core::Kind;
use tidings_transport::Message;

use super::tests::client_frame;
use super::*;
use crate::inflate::tests::deflate;

const RSV1: u8 = 0x40;

/// Decodes the bytes. The result also has whether the decoder is at rest after them.
fn decode(bytes: &[u8], cuts: &[usize]) -> (Vec<Inbound>, bool) {
    let mut decoder = FrameDecoder::new(2000, 2000, true);
    let (mut inbound, mut rest) = (Vec::new(), bytes);
    for &cut in cuts.iter().chain([&usize::MAX]) {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        assert_eq!(decoder.decode(&mut now.to_vec(), &mut inbound), now.len());
        rest = later;
    }
    (inbound, decoder.is_at_rest())
}

fn decode_whole(bytes: &[u8]) -> Vec<Inbound> {
    decode(bytes, &[]).0
}

/// The frames of a message, with a ping between two frames. The last frame has what the sizes leave.
fn fragments(opcode: u8, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut frames, mut rest, mut first) = (Vec::new(), payload, opcode);
    for &size in sizes {
        let (now, later) = rest.split_at(size.min(rest.len()));
        frames.extend(client_frame(first, now));
        frames.extend(client_frame(0x89, b"?"));
        (rest, first) = (later, 0);
    }
    frames.extend(client_frame(0x80 | first, rest));
    frames
}

/// Compresses a message in parts, with a flush after each. A message ends with a sync flush or with a final block
/// (RFC 7692, sections 7.2.1 and 7.2.3.4).
fn deflate_in_parts(
    payload: &[u8],
    level: u32,
    parts: &[(usize, FlushCompress)],
    is_final: bool,
) -> Vec<u8> {
    let mut deflater = Compress::new(Compression::new(level), false);
    let mut compressed = Vec::with_capacity(4000);
    let mut rest = payload;
    for &(size, flush) in parts {
        let (now, later) = rest.split_at(size.min(rest.len()));
        deflater.compress_vec(now, &mut compressed, flush).unwrap();
        rest = later;
    }
    if is_final {
        deflater.compress_vec(rest, &mut compressed, FlushCompress::Finish).unwrap();
        compressed.push(0);
    } else {
        deflater.compress_vec(rest, &mut compressed, FlushCompress::Sync).unwrap();
        // After a flush, a sync flush adds nothing if there is nothing new.
        assert!(compressed.ends_with(&[0, 0, 0xff, 0xff]));
        compressed.truncate(compressed.len() - 4);
    }
    compressed
}

/// A message, and the bytes that a client sends for it.
#[derive(Clone, Debug)]
struct Sent {
    inbound: Vec<Inbound>,
    bytes: Vec<u8>,
}

fn some_message() -> impl Strategy<Value = Sent> {
    let payload = prop_oneof![
        "[a-c☃]{0,300}".prop_map(|text| (Kind::Text, text.into_bytes())),
        vec(any::<u8>(), 0..1000).prop_map(|bytes| (Kind::Binary, bytes)),
        (any::<u8>(), 1000..2000_usize)
            .prop_map(|(byte, length)| (Kind::Binary, vec![byte; length])),
    ];
    let flush = select(vec![
        FlushCompress::None,
        FlushCompress::Partial,
        FlushCompress::Sync,
        FlushCompress::Full,
    ]);
    let compression = proptest::option::weighted(
        0.8,
        (0..=9_u32, vec((0..300_usize, flush), 0..3), any::<bool>()),
    );
    (payload, compression, vec(0..400_usize, 0..4)).prop_map(
        |((kind, payload), compression, sizes)| {
            let opcode = if kind == Kind::Text { 1 } else { 2 };
            let bytes = match &compression {
                None => fragments(opcode, &payload, &sizes),
                Some((level, parts, is_final)) => {
                    let compressed = deflate_in_parts(&payload, *level, parts, *is_final);
                    fragments(RSV1 | opcode, &compressed, &sizes)
                }
            };
            let mut inbound = vec![Inbound::Reply(Bytes::from_static(b"\x8a\x01?")); sizes.len()];
            inbound.push(Inbound::Message(Message::new(kind, payload)));
            Sent { inbound, bytes }
        },
    )
}

proptest! {
    #[test]
    fn messages_are_decoded_however_they_are_compressed_fragmented_and_cut(
        sent in vec(some_message(), 0..4),
        cuts in vec(0..300_usize, 0..12),
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
        let expected: Vec<_> = sent.into_iter().flat_map(|sent| sent.inbound).collect();
        prop_assert_eq!(decode(&bytes, &cuts), (expected, true));
    }

    #[test]
    fn a_part_of_the_last_message_is_not_decoded(sent in some_message(), part in 0.0..1.0_f64) {
        let count = 1 + ((sent.bytes.len() - 1) as f64 * part) as usize;
        prop_assume!(count < sent.bytes.len());
        let (inbound, is_at_rest) = decode(&sent.bytes[..count], &[]);
        prop_assert!(inbound.iter().all(|inbound| matches!(inbound, Inbound::Reply(_))));
        prop_assert!(!is_at_rest);
    }

    #[test]
    fn any_compressed_bytes_are_a_message_within_the_limit_or_a_fault(
        payload in vec(any::<u8>(), 0..100),
        opcode in select(vec![0xc1_u8, 0xc2]),
    ) {
        match &decode_whole(&client_frame(opcode, &payload))[..] {
            [Inbound::Message(message)] => prop_assert!(message.payload.len() <= 2000),
            [Inbound::Fault(Reason::Protocol | Reason::TooBig)] => {}
            [Inbound::Fault(Reason::BadUtf8)] => prop_assert_eq!(opcode, 0xc1),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn rsv1_is_only_for_the_first_frame_of_a_message() {
    let compressed = deflate(b"hello", 6);
    let (begin, end) = compressed.split_at(3);
    let first = client_frame(RSV1 | 1, begin);
    let hello = Message::text("hello");
    let whole = [&first[..], &client_frame(0x80, end)].concat();
    assert_eq!(decode_whole(&whole), [Inbound::Message(hello)]);

    let protocol = [Inbound::Fault(Reason::Protocol)];
    let continued = [&first[..], &client_frame(0x80 | RSV1, end)].concat();
    assert_eq!(decode_whole(&continued), protocol, "a continuation");
    let plain = [client_frame(1, b"hel"), client_frame(0x80 | RSV1, b"lo")].concat();
    assert_eq!(decode_whole(&plain), protocol, "a continuation of a plain message");
    for (opcode, name) in [(8, "close"), (9, "ping"), (10, "pong"), (0, "no message")] {
        assert_eq!(decode_whole(&client_frame(0x80 | RSV1 | opcode, b"")), protocol, "{name}");
    }
    for other in [0x20, 0x10] {
        let frame = client_frame(0x81 | RSV1 | other, &compressed);
        assert_eq!(decode_whole(&frame), protocol, "another reserved bit");
    }
}

#[test]
fn without_the_extension_a_compressed_message_is_a_protocol_error() {
    let mut decoder = FrameDecoder::new(2000, 2000, false);
    let mut inbound = Vec::new();
    decoder.decode(&mut client_frame(0x81 | RSV1, &deflate(b"hello", 6)), &mut inbound);
    assert_eq!(inbound, [Inbound::Fault(Reason::Protocol)]);
}

#[test]
fn a_compressed_text_is_checked_after_decompression() {
    let bytes = deflate(b"hello \xff", 6);
    assert_eq!(decode_whole(&client_frame(0xc1, &bytes)), [Inbound::Fault(Reason::BadUtf8)]);
    let binary = Message::binary(&b"hello \xff"[..]);
    assert_eq!(decode_whole(&client_frame(0xc2, &bytes)), [Inbound::Message(binary)]);
}

#[test]
fn a_plain_text_after_a_compressed_message_is_checked_as_it_arrives() {
    let mut bytes = client_frame(0xc1, &deflate(b"hello", 6));
    bytes.extend(&client_frame(0x81, b"\xff and much more")[..7]);
    let hello = Message::text("hello");
    let expected = [Inbound::Message(hello), Inbound::Fault(Reason::BadUtf8)];
    assert_eq!(decode_whole(&bytes), expected);
}

#[test]
fn a_message_is_too_big_by_its_decompressed_bytes() {
    let largest = Message::binary(vec![0; 2000]);
    let frame = client_frame(0xc2, &deflate(&[0; 2000], 9));
    assert_eq!(decode_whole(&frame), [Inbound::Message(largest)]);
    for length in [2001, 2_000_000] {
        let bomb = deflate(&vec![0; length], 9);
        assert!(bomb.len() < 2000);
        let frame = client_frame(0xc2, &bomb);
        assert_eq!(decode_whole(&frame), [Inbound::Fault(Reason::TooBig)], "{length}");
    }
}

#[test]
fn a_read_with_many_bombs_is_decoded_one_bomb_at_a_time() {
    const MIB: usize = 1 << 20;
    let bomb = client_frame(0xc2, &deflate(&vec![0; MIB], 9));
    let small = client_frame(0xc1, &deflate(b"hello", 6));
    let mut read = [&bomb[..], &small, &small, &bomb, &bomb].concat();
    let mut decoder = FrameDecoder::new(MIB, MIB, true);
    // The first bytes arrive alone, so that the decoder holds a part of the header.
    let mut inbound = Vec::new();
    assert_eq!(decoder.decode(&mut read[..3], &mut inbound), 3);
    let mut rest = &mut read[3..];
    let mut counts = Vec::new();
    while !rest.is_empty() {
        let known = inbound.len();
        let decoded = decoder.decode(rest, &mut inbound);
        rest = &mut rest[decoded..];
        counts.push(inbound.len() - known);
    }
    assert_eq!(counts, [1, 3, 1]);
    let size = |inbound: &Inbound| match inbound {
        Inbound::Message(message) => message.payload.len(),
        other => panic!("{other:?}"),
    };
    let sizes: Vec<_> = inbound.iter().map(size).collect();
    assert_eq!(sizes, [MIB, 5, 5, MIB, MIB]);
    assert!(decoder.is_at_rest());
}

#[test]
fn compressed_bytes_over_the_allowance_are_a_fault_at_the_header_of_their_frame() {
    let allowed = crate::inflate::max_compressed(2000);
    let mut bytes = client_frame(RSV1 | 2, &[0; 2000]);
    let at_limit = client_frame(0, &vec![0; allowed - 2000]);
    bytes.extend(&at_limit[..]);
    assert_eq!(decode_whole(&bytes), []);
    bytes.extend(&client_frame(0x80, b"x")[..6]);
    assert_eq!(decode_whole(&bytes), [Inbound::Fault(Reason::TooBig)]);
}

#[test]
fn a_frame_of_a_compressed_message_may_be_as_long_as_its_limit_becomes() {
    let decode = |max_frame, bytes: &[u8]| {
        let mut inbound = Vec::new();
        FrameDecoder::new(2000, max_frame, true).decode(&mut bytes.to_vec(), &mut inbound);
        inbound
    };
    let longest = Message::binary(vec![7; 2000]);
    let stored = deflate(&longest.payload, 0);
    assert!(stored.len() > 2000, "level 0 makes it longer");
    assert_eq!(decode(2000, &client_frame(0xc2, &stored)), [Inbound::Message(longest)]);

    let too_long = vec![0; crate::inflate::max_compressed(500) + 1];
    let first = client_frame(0xc2, &too_long);
    let second = [client_frame(RSV1 | 2, b"x"), client_frame(0x80, &too_long)].concat();
    let plain = client_frame(0x82, &[0; 501]);
    for bytes in [first, second, plain] {
        assert_eq!(decode(500, &bytes), [Inbound::Fault(Reason::TooBig)]);
    }
}

#[test]
fn messages_of_a_client_that_keeps_its_history_are_a_protocol_error() {
    let mut deflater = Compress::new(Compression::new(6), false);
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let mut compressed = Vec::with_capacity(100);
        deflater.compress_vec(b"hello, hello", &mut compressed, FlushCompress::Sync).unwrap();
        bytes.extend(client_frame(0xc1, &compressed[..compressed.len() - 4]));
    }
    let hello = Message::text("hello, hello");
    let expected = [Inbound::Message(hello), Inbound::Fault(Reason::Protocol)];
    assert_eq!(decode_whole(&bytes), expected);
}
