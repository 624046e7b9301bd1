//! Long-polling with the cursor in headers of each response.

use std::rc::Rc;

use httparse::Header;

use super::Reader;
use super::head::{Head, SUCCESS};
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// Reads the responses to the polls of one client, and replies to each with the next poll.
#[derive(Debug)]
pub(crate) struct HeaderPolls {
    template: Rc<[Piece]>,
    /// The next poll.
    next: Vec<u8>,
    /// How many bytes of the current body are missing. `None` before a head.
    left: Option<u64>,
}

/// A part of a request.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The value of the header with this name. It is empty if the response does not have it.
    Header(String),
}

impl HeaderPolls {
    /// A poll is this request, with the value of a header of the last response for each `{name}`.
    pub(crate) fn new(request: &str) -> Self {
        Self { template: pieces(request), next: Vec::new(), left: None }
    }

    /// Reads a head and prepares the next poll. Returns the length of the head.
    fn begin(&mut self, input: &[u8]) -> Result<Option<usize>, Gone> {
        let Self { template, next, .. } = self;
        let head = Head::read_with(input, SUCCESS, |headers| fill(template, headers, next))?;
        let Some(head) = head else { return Ok(None) };
        let length = head.body.ok_or(Gone::Invalid("a response has no Content-Length"))?;
        self.left = Some(length as u64);
        Ok(Some(head.length))
    }
}

impl Reader for HeaderPolls {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            if self.left.is_none() {
                let Some(length) = self.begin(&input[at..])? else { return Ok(at) };
                at += length;
            }
            if let Some(left) = &mut self.left {
                at += inbox.scan_body(left, &input[at..]);
                if *left > 0 {
                    return Ok(at);
                }
            }
            self.left = None;
            inbox.answers += 1;
            inbox.request(&[&self.next]);
        }
    }
}

/// Splits a request at its `{name}`.
fn pieces(request: &str) -> Rc<[Piece]> {
    let mut pieces = Vec::new();
    for part in request.split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some(name) => pieces.push(Piece::Header(name.to_owned())),
            None => pieces.push(Piece::Text(part.trim_end_matches('{').to_owned())),
        }
    }
    pieces.into()
}

/// Writes the request with the values of these headers. Values of visible characters cannot end a line.
fn fill(pieces: &[Piece], headers: &[Header<'_>], out: &mut Vec<u8>) {
    out.clear();
    for piece in pieces {
        let bytes = match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Header(name) => {
                let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                header.map_or(&b""[..], |header| header.value)
            }
        };
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{five_by_cuts, payload};
    use super::*;

    /// What durable-streams 0.1.5 answers, with these messages.
    fn response(messages: &[u64], offset: &str) -> Vec<u8> {
        let body: Vec<u8> = messages.iter().flat_map(|&sequence| payload(sequence)).collect();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nstream-next-offset: {offset}\r\n\
             stream-cursor: 3380797\r\nstream-up-to-date: true\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    #[test]
    fn each_response_is_followed_by_a_poll_with_its_own_cursor_at_every_split() {
        let timeout = "HTTP/1.1 204 No Content\r\nstream-next-offset: 0_9\r\n\r\n";
        let bytes = [
            response(&[], "0_0"),
            response(&[0, 1], "0_6"),
            timeout.into(),
            response(&[2, 3, 4], "0_9"),
        ];
        let bytes = bytes.concat();
        for cut in 1..bytes.len() {
            let mut polls =
                HeaderPolls::new("GET /x?offset={stream-next-offset}&cursor={Stream-Cursor}\r\n");
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut polls);
            let expected = "GET /x?offset=0_0&cursor=3380797\r\nGET /x?offset=0_6&cursor=3380797\r\n\
                            GET /x?offset=0_9&cursor=\r\nGET /x?offset=0_9&cursor=3380797\r\n";
            assert_eq!((String::from_utf8_lossy(&reply).as_ref(), answers), (expected, 4));
        }
    }
}
