//! A long-polling client's reading: answers, each of which asks for the next.

use crate::clients::answer::Head;
use crate::clients::inbox::{Gone, Inbox};

/// What the body of every answer starts with, and the longest id that is taken for a cursor behind it.
const START: &[u8] = br#"{"cursor":""#;
const LONGEST_ID: usize = 52;

/// Reads answers, wherever the reads cut them.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    /// What is left of the present answer's body.
    left: usize,
    cursor: Vec<u8>,
    /// Whether one answer is whole.
    pub(crate) answered: bool,
}

impl Polls {
    /// Takes in what is whole: a head with the cursor, stamps. Returns how much it used; the rest is to come again,
    /// in front of what is read next. At the end of an answer the next poll is the reply.
    pub(crate) fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        if self.left == 0 {
            let Some(length) = self.begin(input)? else {
                return Ok(0);
            };
            at = length;
        }
        let rest = &input[at..];
        let body = &rest[..self.left.min(rest.len())];
        let scanned = inbox.scan(body);
        // What looks like a cut stamp at the end of a body will not go on.
        let used = if body.len() == self.left { body.len() } else { scanned };
        self.left -= used;
        if self.left == 0 {
            self.answered = true;
            inbox.requests.poll(inbox.reply, inbox.index, &self.cursor);
        }
        Ok(at + used)
    }

    /// Reads a head and the start of its body. Returns where the body starts.
    fn begin(&mut self, input: &[u8]) -> Result<Option<usize>, Gone> {
        let Some(head) = Head::read(input).map_err(Gone::Nonsense)? else {
            return Ok(None);
        };
        if head.status != 200 {
            return Err(Gone::Refused(head.status));
        }
        let length = head.body.ok_or(Gone::Nonsense("a poll's answer has no Content-Length"))?;
        let body = &input[head.length..];
        let enough = length.min(START.len() + LONGEST_ID + 1);
        if body.len() < enough {
            return Ok(None);
        }
        let cursor = body.strip_prefix(START).and_then(|rest| rest.split(|&b| b == b'"').next());
        let cursor = cursor.filter(|id| id.len() <= LONGEST_ID && id.iter().all(is_of_an_id));
        self.cursor.clear();
        self.cursor
            .extend_from_slice(cursor.ok_or(Gone::Nonsense("a poll's answer has no cursor"))?);
        self.left = length;
        Ok(Some(head.length))
    }
}

/// What may stand in a URL as it is.
fn is_of_an_id(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::inbox::fixture;

    fn answer(notifications: &[u64]) -> Vec<u8> {
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
    fn every_answer_is_followed_by_one_poll_wherever_the_reads_cut() {
        let bytes = [answer(&[]), answer(&[0, 1, 2]), answer(&[3]), answer(&[4])].concat();
        // A read never brings two answers, for nobody asks before the first has come.
        for cut in 1..answer(&[]).len() {
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
            let asked = "GET /topics/x?after=a-7&wait=60 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n";
            assert_eq!(String::from_utf8_lossy(&reply), asked.repeat(4));
        }
    }

    #[test]
    fn a_cursor_that_would_break_the_next_request_is_refused() {
        let body = br#"{"cursor":"a b\r\n","notifications":[]}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), body].concat();
        assert!(matches!(Polls::default().begin(&answer), Err(Gone::Nonsense(_))));
    }
}
