//! Long-polling: each response carries the cursor of the next request.

use super::http::Head;
use crate::load::inbox::{Gone, Inbox};

/// The start of the body of every response.
const START: &[u8] = br#"{"cursor":""#;

/// The longest id that is accepted as a cursor.
const LONGEST_ID: usize = 52;

/// Reads responses.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    /// What is left of the present response's body.
    left: u64,
    cursor: Vec<u8>,
    /// Whether one response is complete.
    pub(crate) is_answered: bool,
}

impl Polls {
    /// At the end of a response the next poll is the reply.
    pub(crate) fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        if self.left == 0 {
            let Some(length) = self.begin(input)? else {
                return Ok(0);
            };
            at = length;
        }
        at += inbox.scan_body(&mut self.left, &input[at..]);
        if self.left == 0 {
            self.is_answered = true;
            inbox.score.requests += 1;
            inbox.requests.poll(inbox.reply, inbox.index, &self.cursor);
        }
        Ok(at)
    }

    /// Reads a head and the start of its body. Returns where the body starts.
    fn begin(&mut self, input: &[u8]) -> Result<Option<usize>, Gone> {
        let Some(head) = Head::read(input).map_err(Gone::Invalid)? else {
            return Ok(None);
        };
        if head.status != 200 {
            return Err(Gone::Rejected(head.status));
        }
        let length =
            head.body.ok_or(Gone::Invalid("the response to a poll has no Content-Length"))?;
        let body = &input[head.length..];
        let enough = length.min(START.len() + LONGEST_ID + 1);
        if body.len() < enough {
            return Ok(None);
        }
        let cursor = body.strip_prefix(START).and_then(|rest| rest.split(|&b| b == b'"').next());
        let cursor = cursor.filter(|id| id.len() <= LONGEST_ID && id.iter().all(is_of_an_id));
        let cursor = cursor.ok_or(Gone::Invalid("the response to a poll has no cursor"))?;
        self.cursor.clear();
        self.cursor.extend_from_slice(cursor);
        self.left = length as u64;
        Ok(Some(head.length))
    }
}

/// Returns `true` if a URL may contain the byte as it is.
fn is_of_an_id(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::inbox::fixture;

    fn response(notifications: &[u64]) -> Vec<u8> {
        let mut body = br#"{"cursor":"a-7","notifications":["#.to_vec();
        for &sequence in notifications {
            body.extend_from_slice(br#"{"id":"a-1","topic":"x","data":""#);
            body.extend(fixture::payload(sequence));
            body.extend_from_slice(br#""}"#);
        }
        body.extend_from_slice(b"]}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    }

    #[test]
    fn every_response_is_followed_by_one_poll_wherever_the_reads_cut() {
        let bytes = [response(&[]), response(&[0, 1, 2]), response(&[3]), response(&[4])].concat();
        // A read never brings two responses, because the next poll follows the first one.
        for cut in 1..response(&[]).len() {
            let mut polls = Polls::default();
            let reply = fixture::five_by_cuts(&bytes, cut, |input, inbox| {
                let mut at = 0;
                loop {
                    let used = polls.take(&input[at..], inbox)?;
                    at += used;
                    if used == 0 {
                        return Ok(at);
                    }
                }
            });
            let poll = "GET /topics/x?after=a-7&wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
            assert_eq!(String::from_utf8_lossy(&reply), poll.repeat(4));
        }
    }

    #[test]
    fn a_cursor_that_would_break_the_next_request_is_rejected() {
        let body = br#"{"cursor":"a b\r\n","notifications":[]}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let response = [head.as_bytes(), body].concat();
        assert!(matches!(Polls::default().begin(&response), Err(Gone::Invalid(_))));
    }
}
