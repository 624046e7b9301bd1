//! An event stream that is one gzip member (RFC 1952), which the server flushes after each event.

use super::Reader;
use super::chunks::Chunks;
use super::http::Head;
use super::inflate::{GZIP_HEAD, Inflater, check_gzip};
use super::rest::Rest;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

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
    /// The incomplete head.
    head: Rest,
    has_head: bool,
    inflater: Inflater,
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
        let Self { head, has_head, inflater } = self;
        if *has_head {
            inflater.take(part, inbox)?;
            return Ok(());
        }
        head.take(part, |bytes| {
            let Some((head, content)) = bytes.split_at_checked(GZIP_HEAD) else { return Ok(0) };
            check_gzip(head)?;
            *has_head = true;
            inflater.take(content, inbox)?;
            Ok(bytes.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Stream;
    use super::super::tests::{Deflated, five_by_cuts, payload};
    use super::*;

    fn events() -> Vec<Vec<u8>> {
        let mut deflated = Deflated::default();
        let first = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &deflated.flush(b"retry: 1\n\n")];
        let mut parts = vec![first.concat()];
        for sequence in 0..5 {
            let event = [b"id: a-1\ndata: ", &payload(sequence)[..], b"\n\n"].concat();
            parts.push(deflated.flush(&event));
        }
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
