//! Decompresses the messages of clients (RFC 7692, section 7.2.2).
//!
//! A client keeps no history between messages (`client_no_context_takeover`), so each message is decompressed at its
//! end, and nothing remains after it.

use flate2::{Decompress, FlushDecompress, Status};
use tidings_core::Reason;

/// The end of an empty block, which the client has removed from the end of a message (section 7.2.1).
const REMOVED: [u8; 4] = [0, 0, 0xff, 0xff];

/// An empty final block. It shows that the message does not end within a block.
const FINAL: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// Returns how many bytes a compressed message or frame may have if it must not have more than `max` bytes before
/// compression. zlib needs at most 14 % more for bytes that cannot be compressed (`deflateBound`), and a flush five
/// bytes.
pub(crate) fn max_compressed(max: usize) -> usize {
    max.saturating_add(max / 7).saturating_add(1024)
}

/// Decompresses a message.
///
/// # Errors
/// Fails with [`Reason::TooBig`] once there are more than `max_message` bytes, and with [`Reason::Protocol`] if the
/// bytes are not valid deflate data, or end within a block.
pub(crate) fn inflate(mut compressed: Vec<u8>, max_message: usize) -> Result<Vec<u8>, Reason> {
    let end = compressed.len();
    // No block at all. Programs that use zlib decode this as an empty message.
    if end == 0 {
        return Ok(compressed);
    }
    compressed.extend_from_slice(&REMOVED);
    let end_of_message = compressed.len();
    compressed.extend_from_slice(&FINAL);
    let limit = max_message.saturating_add(1);
    let (mut inflater, mut message, mut taken) = (Decompress::new(false), Vec::new(), 0);
    // The length of the message, once everything before the final block is decompressed.
    let mut length = None;
    loop {
        if message.len() == message.capacity() {
            let step = message.len().max(2 * compressed.len()).min(limit - message.len());
            message.reserve_exact(step);
        }
        let before = inflater.total_in();
        let input = if length.is_none() { taken..end_of_message } else { taken..compressed.len() };
        let status = inflater
            .decompress_vec(&compressed[input], &mut message, FlushDecompress::None)
            .map_err(|_| Reason::Protocol)?;
        taken += (inflater.total_in() - before) as usize;
        if message.len() > max_message {
            return Err(Reason::TooBig);
        }
        match status {
            // Some clients end with a final block and without the empty one.
            Status::StreamEnd if taken == end => return Ok(message),
            // Otherwise a block of the client has taken the final one as its content.
            Status::StreamEnd if taken == compressed.len() && length == Some(message.len()) => {
                return Ok(message);
            }
            // A final block is allowed within a message. The next one begins at the next byte, without history.
            Status::StreamEnd => inflater.reset(false),
            _ if message.len() == message.capacity() => {}
            _ if length.is_none() => length = Some(message.len()),
            // There was space for more, so the end of the block is missing.
            _ => return Err(Reason::Protocol),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    /// The bytes of a message, as most clients compress them (section 7.2.1).
    pub(crate) fn deflate(payload: &[u8], level: u32) -> Vec<u8> {
        let mut compressed = Vec::with_capacity(max_compressed(payload.len()));
        let mut deflater = Compress::new(Compression::new(level), false);
        deflater.compress_vec(payload, &mut compressed, FlushCompress::Sync).unwrap();
        assert!(compressed.ends_with(&REMOVED), "{level}");
        compressed.truncate(compressed.len() - 4);
        compressed
    }

    #[test]
    fn the_examples_of_the_rfc_are_decompressed() {
        // From sections 7.2.3.1 to 7.2.3.6. The second one of 7.2.3.2 refers to an earlier message.
        let examples: &[(&[u8], &[u8])] = &[
            (b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"Hello"),
            (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"Hello"),
            (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b"Hello"),
            (b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b"Hello"),
            (b"\x00", b""),
            (b"\x02\x00", b""),
        ];
        for (compressed, message) in examples {
            assert_eq!(inflate(compressed.to_vec(), 5).as_deref(), Ok(*message), "{compressed:?}");
        }
    }

    #[test]
    fn a_message_of_several_final_blocks_is_decompressed() {
        let hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(inflate(hello.to_vec(), 5).as_deref(), Ok(&b"Hello"[..]), "without a last one");
        let twice = [&hello[..], hello, b"\x00"].concat();
        assert_eq!(inflate(twice, 10).as_deref(), Ok(&b"HelloHello"[..]));
    }

    #[test]
    fn an_empty_payload_is_an_empty_message() {
        assert_eq!(inflate(Vec::new(), 5), Ok(Vec::new()));
    }

    #[test]
    fn an_end_within_a_block_is_a_protocol_error() {
        let text = "{\"order\":1847,\"state\":\"filled\"}".repeat(20);
        // Not level 0, because the bytes that end a message can complete a block that is not compressed.
        for level in [1, 6, 9] {
            let compressed = deflate(text.as_bytes(), level);
            for end in 1..compressed.len() {
                let part = compressed[..end].to_vec();
                assert_eq!(
                    inflate(part, 1000),
                    Err(Reason::Protocol),
                    "level {level}, {end} bytes"
                );
            }
            let more = [&compressed[..], &REMOVED].concat();
            assert_eq!(inflate(more, 1000), Err(Reason::Protocol), "level {level}, whole");
        }
    }

    #[test]
    fn invalid_blocks_are_a_protocol_error() {
        let invalid: &[&[u8]] = &[
            b"\x07",
            b"\xff\xff",
            b"\x00\x05\x00\xfa\xfe\x48",
            // A block that is not compressed, with 1 of its 255 bytes.
            b"\x00\xff\x00\x00\xff\x48",
            // A final block that is not compressed, without its 9 bytes. As many follow the message.
            b"\x01\x09\x00\xf6\xff",
            // Refers to a byte before the first one, as a client with context takeover does.
            b"\xf2\x00\x11\x00\x00",
        ];
        for compressed in invalid {
            assert_eq!(inflate(compressed.to_vec(), 1000), Err(Reason::Protocol), "{compressed:?}");
        }
    }

    #[test]
    fn a_message_may_have_the_limit_and_not_a_byte_more() {
        for level in [0, 1, 6, 9] {
            for length in [0, 1, 4095, 4096, 4097, 100_000] {
                let message = vec![b'x'; length];
                let compressed = deflate(&message, level);
                assert_eq!(inflate(compressed.clone(), length), Ok(message), "{length}");
                if let Some(limit) = length.checked_sub(1) {
                    assert_eq!(inflate(compressed, limit), Err(Reason::TooBig), "{length}");
                }
            }
        }
    }

    #[test]
    fn a_small_message_uses_a_small_buffer() {
        let message = inflate(deflate(b"hello", 6), 1 << 30).unwrap();
        assert!(message == b"hello" && message.capacity() <= 64, "{}", message.capacity());
    }

    #[test]
    fn a_buffer_for_the_message_has_at_most_the_limit() {
        let bomb = deflate(&vec![0; 4 << 20], 9);
        assert!(bomb.len() < 4200, "{}", bomb.len());
        assert_eq!(inflate(bomb.clone(), 1 << 20), Err(Reason::TooBig));
        let message = inflate(bomb, 4 << 20).unwrap();
        assert!(message.len() == 4 << 20 && message.capacity() <= (4 << 20) + 1);
    }

    #[test]
    fn bytes_that_cannot_be_compressed_fit_into_the_allowance() {
        let mut seed = 1_u32;
        let noise = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed as u8
        });
        let noise: Vec<u8> = noise.take(200_000).collect();
        for length in [0, 1, 100, 16_384, 200_000] {
            for level in [0, 1, 6] {
                let compressed = deflate(&noise[..length], level);
                assert!(compressed.len() <= max_compressed(length), "{length}");
                assert_eq!(inflate(compressed, length).as_deref(), Ok(&noise[..length]));
            }
        }
        assert_eq!(max_compressed(usize::MAX), usize::MAX);
        assert_eq!(inflate(vec![0], usize::MAX), Ok(Vec::new()));
    }
}
