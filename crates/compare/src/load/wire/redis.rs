//! Redis Streams: `XREAD BLOCK`, and again after each response, with the id of the last entry (RESP 2).

use std::io::Write;

use super::nats::KEPT;
use crate::load::inbox::{Gone, Inbox};
use crate::load::stamp;

/// The field of an entry that holds the payload.
const FIELD: &str = "d";

/// The most entries of one response.
const AT_ONCE: u32 = 256;

/// The longest line that is waited for.
const LINE: usize = 1000;

/// Reads the responses to `XREAD`.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// What is left of a payload.
    left: u64,
    reply: Reply,
    /// The id of the last entry.
    after: Vec<u8>,
    /// Whether the server has answered the first command.
    pub(crate) is_answered: bool,
}

/// Counts the elements of one reply.
#[derive(Debug, Default)]
struct Reply {
    /// Elements that are still to come.
    pending: usize,
}

/// One element of a reply.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A simple string, a number or nil.
    Value,
    /// An array of so many elements.
    Array(usize),
    /// A string of so many bytes, which follow.
    Bulk(usize),
}

impl Reads {
    /// At the end of a response the next `XREAD` is the reply.
    pub(crate) fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            at += inbox.scan_body(&mut self.left, &input[at..]);
            if self.left > 0 {
                return Ok(at);
            }
            let Some((token, length)) = token(&input[at..])? else { return Ok(at) };
            if let Token::Bulk(size) = token {
                if size >= stamp::LENGTH {
                    self.left = size as u64 + 2;
                } else {
                    // A key, a field or an id.
                    let Some(text) = input[at + length..].get(..size + 2) else { return Ok(at) };
                    if text[0].is_ascii_digit() {
                        self.after.clear();
                        self.after.extend_from_slice(text.trim_ascii_end());
                    }
                    at += size + 2;
                }
            }
            at += length;
            if self.reply.ends_with(&token) {
                self.is_answered = true;
                if !self.after.is_empty() {
                    inbox.score.requests += 1;
                    let after = str::from_utf8(&self.after).unwrap_or_default();
                    read(inbox.reply, &inbox.requests.topic(inbox.index as u64), after);
                    self.after.clear();
                }
            }
        }
    }
}

impl Reply {
    /// Returns `true` if the reply ends with this element.
    fn ends_with(&mut self, token: &Token) -> bool {
        let before = self.pending.max(1);
        self.pending = match token {
            Token::Array(length) => before - 1 + length,
            Token::Value | Token::Bulk(_) => before - 1,
        };
        self.pending == 0
    }
}

/// Reads what a publisher receives. Returns how much it used and how many replies there were.
pub(crate) fn take_answers(input: &[u8]) -> Result<(usize, usize), Gone> {
    let (mut at, mut answers) = (0, 0);
    while let Some((token, length)) = token(&input[at..])? {
        let size = if let Token::Bulk(size) = token { size + 2 } else { 0 };
        if input.len() < at + length + size {
            break;
        }
        at += length + size;
        answers += 1;
    }
    Ok((at, answers))
}

/// Appends what a subscriber sends first. The response to `PING` shows that the read is the next command.
pub(crate) fn subscribe(out: &mut Vec<u8>, topic: &str) {
    out.extend_from_slice(b"PING\r\n");
    read(out, topic, "0-0");
}

fn read(out: &mut Vec<u8>, topic: &str, after: &str) {
    write(out, format_args!("XREAD COUNT {AT_ONCE} BLOCK 0 STREAMS direct:{topic} {after}\r\n"));
}

/// Appends a publish up to its payload, which a line end follows.
pub(crate) fn publish(out: &mut Vec<u8>, topic: &str, length: usize) {
    let key = format!("direct:{topic}");
    let kept = KEPT.to_string();
    let words = ["XADD", &key, "MAXLEN", "~", &kept, "*", FIELD];
    write(out, format_args!("*{}\r\n", words.len() + 1));
    for word in words {
        write(out, format_args!("${}\r\n{word}\r\n", word.len()));
    }
    write(out, format_args!("${length}\r\n"));
}

/// Returns the first element and the length of its line.
fn token(input: &[u8]) -> Result<Option<(Token, usize)>, Gone> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        let is_endless = input.len() > LINE;
        return if is_endless {
            Err(Gone::Invalid("a line of Redis is too long"))
        } else {
            Ok(None)
        };
    };
    let line = input[..end].trim_ascii_end();
    let (kind, rest) = line.split_first().ok_or(Gone::Invalid("a line of Redis is empty"))?;
    let number = || str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok());
    let size = |token: fn(usize) -> Token| match number()? {
        // Nil.
        -1 => Some(Token::Value),
        size => usize::try_from(size).map(token).ok(),
    };
    let token = match kind {
        b'+' | b':' => Token::Value,
        b'-' => return Err(Gone::Error(String::from_utf8_lossy(rest).into_owned())),
        b'*' => size(Token::Array).ok_or(INVALID)?,
        b'$' => size(Token::Bulk).ok_or(INVALID)?,
        _ => return Err(INVALID),
    };
    Ok(Some((token, end + 1)))
}

const INVALID: Gone = Gone::Invalid("the server does not respond in RESP 2");

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("text written to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::inbox::fixture;

    fn bulk(text: &[u8]) -> Vec<u8> {
        [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
    }

    fn response(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = b"*1\r\n*2\r\n".to_vec();
        bytes.extend(bulk(b"direct:x"));
        bytes.extend(format!("*{}\r\n", entries.len()).into_bytes());
        for (id, sequence) in entries {
            let fields = [b"*2\r\n".to_vec(), bulk(b"d"), bulk(&fixture::payload(*sequence))];
            bytes.extend([b"*2\r\n".to_vec(), bulk(id.as_bytes()), fields.concat()].concat());
        }
        bytes
    }

    #[test]
    fn every_response_is_followed_by_one_read_wherever_the_reads_cut() {
        let first = response(&[("17-0", 0), ("17-1", 1), ("18-0", 2)]);
        let bytes = [b"+PONG\r\n".to_vec(), first, response(&[("19-0", 3), ("19-1", 4)])].concat();
        for cut in 1..=bytes.len() {
            let mut reads = Reads::default();
            let reply = fixture::five_by_cuts(&bytes, cut, |input, inbox| reads.take(input, inbox));
            let read = |id| format!("XREAD COUNT 256 BLOCK 0 STREAMS direct:x {id}\r\n");
            assert_eq!(String::from_utf8_lossy(&reply), read("18-0") + &read("19-1"));
            assert!(reads.is_answered);
        }
    }

    #[test]
    fn errors_and_other_protocols_are_told_apart() {
        let error = token(b"-ERR unknown command\r\n").unwrap_err().to_string();
        assert!(error.contains("unknown command"), "{error}");
        assert!(token(b"HTTP/1.1 400\r\n").is_err());
        assert_eq!(token(b"$-1\r\n").unwrap(), Some((Token::Value, 5)));
    }

    #[test]
    fn a_publisher_counts_complete_replies() {
        assert_eq!(take_answers(b"$4\r\n17-0\r\n$4\r\n17").unwrap(), (10, 1));
    }
}
