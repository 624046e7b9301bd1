//! Redis Streams (RESP 2). A client sends `XREAD BLOCK` again after each response, with the id of the last entry.

use super::{KEPT, Reader, line};
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;
use crate::load::stamp;

/// The most entries of one response.
const AT_ONCE: u32 = 256;

const INVALID: Gone = Gone::Invalid("the server does not respond in RESP 2");

/// Reads replies. Sends the next `XREAD` after each list of entries.
#[derive(Debug)]
pub(crate) struct Redis {
    /// `XREAD` up to the id.
    read: String,
    /// How many bytes of a payload are missing.
    left: u64,
    /// How many elements of the current reply are missing.
    pending: usize,
    /// The id of the last entry of the current reply.
    after: Vec<u8>,
}

/// One element of a reply.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A simple string, a number or nil.
    Value,
    /// An array, with the number of its elements.
    Array(usize),
    /// A string, with the number of its bytes, which follow.
    Bulk(usize),
}

impl Redis {
    /// For a subscriber or a publisher of this topic.
    pub(crate) fn new(topic: &str) -> Self {
        Self { read: read(topic), left: 0, pending: 0, after: Vec::new() }
    }
}

impl Reader for Redis {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            at += inbox.scan_body(&mut self.left, &input[at..]);
            if self.left > 0 {
                return Ok(at);
            }
            let Some((line, length)) = line(&input[at..])? else { return Ok(at) };
            let token = token(line)?;
            if let Token::Bulk(size) = token {
                let Some(first) = input.get(at + length) else { return Ok(at) };
                if matches!(*first, stamp::MARK | b'{') {
                    // A payload, which begins with a stamp or is JSON.
                    self.left = size as u64 + 2;
                } else {
                    // A key, a field or an id. An id outside of an array is the response to a publish.
                    let Some(text) = input[at + length..].get(..size + 2) else { return Ok(at) };
                    if self.pending > 0 && text[0].is_ascii_digit() {
                        self.after.clear();
                        self.after.extend_from_slice(text.trim_ascii_end());
                    }
                    at += size + 2;
                }
            }
            at += length;
            let elements = if let Token::Array(length) = token { length } else { 0 };
            self.pending = self.pending.max(1) - 1 + elements;
            if self.pending == 0 {
                inbox.answers += 1;
                if !self.after.is_empty() {
                    let length = format!("${}\r\n", self.after.len());
                    inbox.request(&[self.read.as_bytes(), length.as_bytes(), &self.after, b"\r\n"]);
                    self.after.clear();
                }
            }
        }
    }
}

/// The first bytes of a subscriber. After the response to `PING`, the server runs the `XREAD`.
pub(crate) fn subscribe(topic: &str) -> String {
    format!("{}{}{}", command(&["PING"], 0), read(topic), bulk("0-0"))
}

fn read(topic: &str) -> String {
    let count = AT_ONCE.to_string();
    let key = format!("direct:{topic}");
    command(&["XREAD", "COUNT", &count, "BLOCK", "0", "STREAMS", &key], 1)
}

/// The start of a command with these words, and with `more` that follow.
fn command(words: &[&str], more: usize) -> String {
    let bulks: String = words.iter().map(|word| bulk(word)).collect();
    format!("*{}\r\n{bulks}", words.len() + more)
}

/// A word of a command.
fn bulk(word: &str) -> String {
    format!("${}\r\n{word}\r\n", word.len())
}

/// A publish up to its payload. A line end follows the payload.
pub(crate) fn publish(topic: &str, length: usize) -> String {
    let words = ["XADD", &format!("direct:{topic}"), "MAXLEN", "~", &KEPT.to_string(), "*", "d"];
    format!("{}${length}\r\n", command(&words, 1))
}

fn token(line: &[u8]) -> Result<Token, Gone> {
    let (kind, rest) = line.split_first().ok_or(INVALID)?;
    let number = || str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok());
    let size = |token: fn(usize) -> Token| match number() {
        // Nil.
        Some(-1) => Ok(Token::Value),
        size => size.and_then(|size| usize::try_from(size).ok()).map(token).ok_or(INVALID),
    };
    match kind {
        b'+' | b':' => Ok(Token::Value),
        b'-' => Err(Gone::Error(String::from_utf8_lossy(rest).into_owned())),
        b'*' => size(Token::Array),
        b'$' => size(Token::Bulk),
        _ => Err(INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{five_by_cuts, payload};
    use super::*;

    fn bulk(text: &[u8]) -> Vec<u8> {
        [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
    }

    fn response(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = b"*1\r\n*2\r\n".to_vec();
        bytes.extend(bulk(b"direct:x"));
        bytes.extend(format!("*{}\r\n", entries.len()).into_bytes());
        for (id, sequence) in entries {
            let fields = [b"*2\r\n".to_vec(), bulk(b"d"), bulk(&payload(*sequence))];
            bytes.extend([b"*2\r\n".to_vec(), bulk(id.as_bytes()), fields.concat()].concat());
        }
        bytes
    }

    #[test]
    fn every_list_of_entries_is_followed_by_one_read_at_every_split() {
        let first =
            response(&[("1795467750000-0", 0), ("1795467750000-1", 1), ("1795467750001-17", 2)]);
        let last = response(&[("19-0", 3), ("19-1", 4)]);
        let bytes = [b"+PONG\r\n".to_vec(), first, last, bulk(b"1795467750002-10")].concat();
        for cut in 1..=bytes.len() {
            let (reply, answers) = five_by_cuts(&bytes, cut, &mut Redis::new("x"));
            let words = ["XREAD", "COUNT", "256", "BLOCK", "0", "STREAMS", "direct:x"];
            let read = |id| command(&words, 1) + &super::bulk(id);
            assert_eq!(String::from_utf8_lossy(&reply), read("1795467750001-17") + &read("19-1"));
            assert_eq!(answers, 4);
        }
    }

    #[test]
    fn an_error_of_redis_differs_from_another_protocol() {
        let error = token(b"-ERR unknown command").unwrap_err().to_string();
        assert!(error.contains("unknown command"), "{error}");
        assert!(token(b"HTTP/1.1 400").is_err());
        assert_eq!(token(b"$-1").unwrap(), Token::Value);
    }
}
