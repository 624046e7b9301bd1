//! An event stream that is one gzip member (RFC 1952), which the server flushes after each event.

use super::Reader;
use super::chunks::Chunks;
use super::head::Head;
use super::inflate::{GZIP_HEAD, Place, check_gzip};
use super::rest::Rest;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The end of a flush: the lengths of an empty stored block.
const FLUSH: &[u8] = &[0, 0, 0xff, 0xff];

/// The most bytes between two flushes.
const LONGEST: usize = 4 << 20;

/// Reads a compressed event stream, chunked or not.
#[derive(Debug, Default)]
pub(crate) struct GzipEvents {
    /// `None` if the body is not chunked.
    chunks: Option<Chunks>,
    member: Member,
}

/// The content.
#[derive(Debug, Default)]
struct Member {
    /// An incomplete part of the stream.
    rest: Rest,
    has_head: bool,
    is_ended: bool,
    place: Place,
}

impl Reader for GzipEvents {
    fn begin(&mut self, head: &Head) -> Result<(), Gone> {
        if !head.is_gzip {
            return Err(Gone::Invalid("the server does not compress its response"));
        }
        self.chunks = head.is_chunked.then(Chunks::default);
        Ok(())
    }

    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let Self { chunks, member } = self;
        match chunks {
            Some(chunks) => chunks.take(input, |part| member.take(part, inbox)),
            None => member.take(input, inbox).map(|()| input.len()),
        }
    }
}

impl Member {
    fn take(&mut self, part: &[u8], inbox: &mut Inbox<'_>) -> Result<(), Gone> {
        let Self { rest, has_head, is_ended, place } = self;
        rest.take(part, |bytes| {
            let mut at = 0;
            if !*has_head {
                let Some(head) = bytes.get(..GZIP_HEAD) else { return Ok(0) };
                check_gzip(head)?;
                *has_head = true;
                at = GZIP_HEAD;
            }
            while !*is_ended && let Some(length) = part_length(&bytes[at..]) {
                *is_ended = place.take(&bytes[at..at + length], &[], inbox)?;
                at += length;
            }
            if bytes.len() - at > LONGEST {
                return Err(Gone::Invalid("the server does not flush what it compresses"));
            }
            // After the last block come a checksum and a length.
            Ok(if *is_ended { bytes.len() } else { at })
        })
    }
}

/// The length of the part of a stream at the start of these bytes, which begin with a block. It is a stored block, or
/// everything until the server flushed. `None` means that it is not complete.
fn part_length(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    match first & 0b111 {
        // A stored block (RFC 1951, section 3.2.4).
        0 => {
            let length = u16::from_le_bytes(*bytes[1..].first_chunk()?);
            let end = 5 + usize::from(length);
            (end <= bytes.len()).then_some(end)
        }
        // The last block.
        kind if kind & 1 == 1 => Some(bytes.len()),
        _ => {
            let flush = bytes.windows(FLUSH.len()).position(|bytes| bytes == FLUSH);
            flush.map(|at| at + FLUSH.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Stream;
    use super::super::tests::{Deflated, five_by_cuts, payload, stored};
    use super::*;

    /// Five events and the end of the member. The second event is in a stored block without a flush, and the third in
    /// one that ends within the stamp. The second part of the fourth refers to a stored comment.
    fn events() -> Vec<Vec<u8>> {
        let mut deflated = Deflated::default();
        let first = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &deflated.flush(b"retry: 1\n\n")];
        let mut parts = vec![first.concat()];
        for sequence in 0..5 {
            let event = [b"id: a-1\ndata: ", &payload(sequence)[..], b"\n\n"].concat();
            parts.push(match sequence {
                1 | 2 => {
                    let length = if sequence == 1 { event.len() } else { 24 };
                    // The compressor does not know of it and begins again.
                    deflated = Deflated::default();
                    let mut part = stored(&event[..length]);
                    if length < event.len() {
                        part.extend(deflated.flush(&event[length..]));
                    }
                    part
                }
                3 => {
                    let comment = format!(":{}\n\n", ".".repeat(40));
                    deflated = Deflated::after(&comment);
                    let (first, second) = event.split_at(24);
                    [stored(&comment), deflated.flush(first), deflated.flush(second)].concat()
                }
                _ => deflated.flush(&event),
            });
        }
        parts.push([3, 0, 1, 2, 3, 4, 5, 6, 7, 8].to_vec());
        parts
    }

    #[test]
    fn every_event_of_a_gzip_member_counts_once_at_every_split() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".to_vec();
        let bytes = [head, events().concat()].concat();
        for cut in 1..=bytes.len() {
            let mut reader = Stream::new(200, GzipEvents::default());
            assert_eq!(five_by_cuts(&bytes, cut, &mut reader).1, 1);
        }
    }

    #[test]
    fn every_event_counts_once_if_chunks_end_anywhere() {
        let head =
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
        for size in 1..40 {
            let mut bytes = head.to_vec();
            for chunk in events().concat().chunks(size) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            for cut in [1, 2, 7, 31, bytes.len()] {
                let mut reader = Stream::new(200, GzipEvents::default());
                assert_eq!(five_by_cuts(&bytes, cut, &mut reader).1, 1);
            }
        }
    }

    #[test]
    fn a_response_that_is_not_compressed_is_rejected() {
        let head =
            Head { length: 0, body: None, is_gzip: false, is_chunked: false, deflates: false };
        assert!(matches!(GzipEvents::default().begin(&head), Err(Gone::Invalid(_))));
    }
}
