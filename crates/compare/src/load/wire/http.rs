//! HTTP: a stream after a head, or one response after another.

use super::Reader;
use super::chunks::Chunks;
use super::head::{Head, SUCCESS};
use super::inflate::Inflation;
use super::rest::Rest;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The start of the body of every response to a poll, and to a publish.
const START: &[u8] = br#"{"cursor":""#;
const ID: &[u8] = br#"{"id":""#;

/// The longest cursor in bytes.
const LONGEST_ID: usize = 52;

/// Reads the head of a response and then a stream.
#[derive(Debug)]
pub(crate) struct Stream<R> {
    /// The expected status, until the head is read.
    status: Option<u16>,
    body: R,
}

/// Reads an event stream.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// `None` if the body is not chunked.
    chunked: Option<Box<Chunked>>,
}

#[derive(Debug, Default)]
struct Chunked {
    chunks: Chunks,
    /// A stamp that a chunk has cut.
    rest: Rest,
}

/// Reads responses that have a body.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// How many bytes of the current body are missing.
    left: u64,
    /// `true` if the current body is compressed.
    is_gzip: bool,
    /// The beginning of a compressed body. Takes no memory otherwise.
    member: Vec<u8>,
    polls: Option<Polls>,
    /// The id in the last response to a publish, if ids are kept.
    id: Option<Vec<u8>>,
}

/// Long-polling. Each response contains the cursor for the next request.
#[derive(Debug)]
pub(crate) struct Polls {
    cursor: Vec<u8>,
    before_cursor: String,
    after_cursor: String,
}

impl<R> Stream<R> {
    pub(crate) fn new(status: u16, body: R) -> Self {
        Self { status: Some(status), body }
    }
}

impl<R: Reader> Reader for Stream<R> {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        if let Some(status) = self.status {
            let Some(head) = Head::read(input, status..=status)? else { return Ok(0) };
            self.status = None;
            self.body.begin(&head)?;
            match self.body.opening() {
                Some(opening) => inbox.request(&[&opening]),
                None => inbox.answers += 1,
            }
            at = head.length;
        }
        Ok(at + self.body.take(&input[at..], inbox)?)
    }
}

impl Reader for Events {
    fn begin(&mut self, head: &Head) -> Result<(), Gone> {
        self.chunked = head.is_chunked.then(Box::default);
        Ok(())
    }

    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let Some(chunked) = &mut self.chunked else { return Ok(inbox.scan(input)) };
        let Chunked { chunks, rest } = &mut **chunked;
        chunks.take(input, |part| rest.take(part, |bytes| Ok(inbox.scan(bytes))))
    }
}

impl Responses {
    /// The reader of a publisher. It keeps the id in the last response. Servers of other projects return none.
    pub(crate) fn to_publishes() -> Self {
        Self { id: Some(Vec::new()), ..Self::default() }
    }

    /// The reader of a client that polls. A poll consists of the cursor between these two parts.
    pub(crate) fn to_polls(before_cursor: String, after_cursor: String) -> Self {
        Self { polls: Some(Polls::new(before_cursor, after_cursor)), ..Self::default() }
    }

    /// Reads a head, and the cursor of a poll. Returns the offset of the body.
    fn begin(&mut self, input: &[u8]) -> Result<Option<usize>, Gone> {
        let Some(head) = Head::read(input, SUCCESS)? else { return Ok(None) };
        let length = head.body.ok_or(Gone::Invalid("a response has no Content-Length"))?;
        self.is_gzip = head.is_gzip;
        if let (Some(polls), false) = (&mut self.polls, head.is_gzip) {
            let body = &input[head.length..];
            if body.len() < length.min(Polls::START) {
                return Ok(None);
            }
            polls.read(body)?;
        }
        if let Some(id) = &mut self.id {
            let body = &input[head.length..];
            if body.len() < length.min(ID.len() + LONGEST_ID + 1) {
                return Ok(None);
            }
            id.clear();
            id.extend_from_slice(quoted_after(ID, body).unwrap_or_default());
        }
        self.left = length as u64;
        Ok(Some(head.length))
    }

    /// Collects a compressed body and inflates it once it is whole. Returns the number of used bytes.
    fn take_member(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let part = &input[..input.len().min(self.left as usize)];
        self.left -= part.len() as u64;
        if self.left > 0 {
            self.member.extend_from_slice(part);
            return Ok(part.len());
        }
        let polls = &mut self.polls;
        let content = |content: &[u8], inbox: &mut Inbox<'_>| {
            polls.as_mut().map_or(Ok(()), |polls| polls.read(content))?;
            inbox.scan(content);
            Ok(())
        };
        let mut member = std::mem::take(&mut self.member);
        if member.is_empty() {
            Inflation::member(inbox, part, content)?;
        } else {
            member.extend_from_slice(part);
            Inflation::member(inbox, &member, content)?;
        }
        Ok(part.len())
    }
}

impl Polls {
    /// The bytes at the start of a body that are enough for its cursor.
    pub(crate) const START: usize = START.len() + LONGEST_ID + 1;

    /// A poll consists of the cursor between these two parts.
    pub(crate) fn new(before_cursor: String, after_cursor: String) -> Self {
        Self { cursor: Vec::new(), before_cursor, after_cursor }
    }

    /// Reads the cursor at the start of a body.
    pub(crate) fn read(&mut self, body: &[u8]) -> Result<(), Gone> {
        let cursor = quoted_after(START, body)
            .ok_or(Gone::Invalid("the response to a poll has no cursor"))?;
        self.cursor.clear();
        self.cursor.extend_from_slice(cursor);
        Ok(())
    }

    /// The parts of the next poll.
    pub(crate) fn next(&self) -> [&[u8]; 3] {
        [self.before_cursor.as_bytes(), &self.cursor, self.after_cursor.as_bytes()]
    }
}

impl Reader for Responses {
    /// At the end of the response to a poll, replies with the next poll.
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            if self.left == 0 {
                let Some(length) = self.begin(&input[at..])? else { return Ok(at) };
                at += length;
            }
            at += match self.is_gzip {
                true => self.take_member(&input[at..], inbox)?,
                false => inbox.scan_body(&mut self.left, &input[at..]),
            };
            if self.left > 0 {
                return Ok(at);
            }
            inbox.answers += 1;
            if let Some(polls) = &self.polls {
                inbox.request(&polls.next());
            }
        }
    }

    fn last_id(&self) -> Option<&[u8]> {
        self.id.as_deref().filter(|id| !id.is_empty())
    }
}

/// The id between `start` and the next quote.
fn quoted_after<'a>(start: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    let id = body.strip_prefix(start)?.split(|&byte| byte == b'"').next()?;
    (id.len() <= LONGEST_ID && id.iter().all(is_of_an_id)).then_some(id)
}

/// `true` for a byte that a URL may contain unescaped.
fn is_of_an_id(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Deflated, five_by_cuts, payload};
    use super::*;
    use crate::load::order::Order;
    use crate::load::score::Score;
    use crate::load::stamp::Run;

    fn response(notifications: &[u64]) -> Vec<u8> {
        let mut body = br#"{"cursor":"a-7","notifications":["#.to_vec();
        for &sequence in notifications {
            body.extend_from_slice(match sequence {
                0 => br#"{"id":"a-1","topic":"x","headers":{"event":"created","time":7},"data":""#,
                _ => &br#"{"id":"a-1","topic":"x","data":""#[..],
            });
            body.extend(payload(sequence));
            body.extend_from_slice(br#""}"#);
        }
        body.extend_from_slice(b"]}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    }

    #[test]
    fn every_response_is_followed_by_one_poll_at_every_split() {
        let bytes = [response(&[]), response(&[0, 1, 2]), response(&[3]), response(&[4])].concat();
        for cut in 1..bytes.len() {
            let mut polls = Responses::to_polls("GET /?after=".to_owned(), "\r\n".to_owned());
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut polls);
            let poll = "GET /?after=a-7\r\n";
            assert_eq!((String::from_utf8_lossy(&reply).as_ref(), answers), (&*poll.repeat(4), 4));
        }
    }

    #[test]
    fn compressed_responses_to_polls_are_inflated_at_every_split() {
        let compressed = |notifications: &[u64]| {
            let plain = response(notifications);
            let body = plain.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
            let mut deflated = Deflated::default();
            let member = [
                &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..],
                &deflated.finish(&plain[body..]),
                &[0; 8],
            ];
            let member = member.concat();
            let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ";
            [format!("{head}{}\r\n\r\n", member.len()).as_bytes(), &member].concat()
        };
        let bytes =
            [response(&[]), compressed(&[0, 1, 2]), response(&[3]), compressed(&[4])].concat();
        for cut in 1..bytes.len() {
            let mut polls = Responses::to_polls("GET /?after=".to_owned(), "\r\n".to_owned());
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut polls);
            assert_eq!((reply.len(), answers), (4 * "GET /?after=a-7\r\n".len(), 4));
        }
    }

    #[test]
    fn every_event_counts_once_after_the_head_at_every_split_and_in_chunks() {
        let mut bytes =
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nretry: 1\n\n: it@is\n\n".to_vec();
        for sequence in 0..5 {
            bytes.extend_from_slice(match sequence {
                0 => b"id: a-1\nevent: created\ntime: 7\ncontent-type: a/b\ndata: ",
                _ => &b"id: a-1\ndata: "[..],
            });
            bytes.extend(payload(sequence));
            bytes.extend_from_slice(b"\n\n");
        }
        for cut in 1..=bytes.len() {
            let (reply, answers) =
                five_by_cuts(&bytes, cut, &mut Stream::new(200, Events::default()));
            assert_eq!((reply.len(), answers), (0, 1));
        }
        let head = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        for size in [1, 2, 7, 26, 300, 4_000] {
            let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in bytes[head..].chunks(size) {
                chunked.extend_from_slice(format!("{:X};x=y\r\n", chunk.len()).as_bytes());
                chunked.extend([chunk, b"\r\n"].concat());
            }
            for cut in 1..100 {
                five_by_cuts(&chunked, cut, &mut Stream::new(200, Events::default()));
            }
        }
        let rejected = Head::read(b"HTTP/1.1 404 Not Found\r\n\r\n", SUCCESS);
        assert!(matches!(rejected, Err(Gone::Rejected(404))));
    }

    #[test]
    fn the_id_of_the_last_publish_is_kept_at_every_split() {
        let response =
            |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let bytes = response(r#"{"id":"a-1"}"#) + &response(r#"{"id":"a-12"}"#);
        for cut in 1..bytes.len() {
            let mut publishes = Responses::to_publishes();
            let (run, mut order) = (Run::new(1), Order::new(0, 1));
            let (score, inflation) = (&mut Score::default(), &mut Inflation::default());
            let reply = &mut Vec::new();
            let order = &mut order;
            let mut inbox = Inbox { run, order, score, now: 0, answers: 0, reply, inflation };
            let (first, _) = bytes.as_bytes().split_at(cut);
            let used = publishes.take(first, &mut inbox).unwrap();
            publishes.take(&bytes.as_bytes()[used..], &mut inbox).unwrap();
            assert_eq!(inbox.answers, 2, "{cut}");
            assert_eq!(publishes.last_id(), Some(&b"a-12"[..]));
        }
        assert_eq!(Responses::default().last_id(), None);
    }

    #[test]
    fn a_cursor_with_invalid_characters_is_rejected() {
        let body = br#"{"cursor":"a b\r\n","notifications":[]}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let response = [head.as_bytes(), body].concat();
        let mut polls = Responses::to_polls(String::new(), String::new());
        assert!(matches!(polls.begin(&response), Err(Gone::Invalid(_))));
    }
}
