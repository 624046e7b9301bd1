//! The results of parsing what a connection has read, for every transport.

use memchr::memchr;

use super::order::Order;
use super::score::Score;
use super::stamp::{self, Run};
use super::wire::inflate::Inflation;

/// The results of one read of one connection.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pub(crate) run: Run,
    pub(crate) order: &'a mut Order,
    pub(crate) score: &'a mut Score,
    /// The time of the current read, before what it has read is decrypted and inflated.
    pub(crate) now: u64,
    /// The number of complete responses. Notifications are not counted.
    pub(crate) answers: usize,
    /// Bytes to send after the read, with one write.
    pub(crate) reply: &'a mut Vec<u8>,
    pub(crate) inflation: &'a mut Inflation,
}

impl Inbox<'_> {
    /// Appends the next request of a client to the reply.
    pub(crate) fn request(&mut self, parts: &[&[u8]]) {
        self.score.requests += 1;
        parts.iter().for_each(|part| self.reply.extend_from_slice(part));
    }

    /// Records every stamp in a text. Returns the number of used bytes, which is all but an incomplete stamp at the
    /// end.
    pub(crate) fn scan(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(offset) = memchr(stamp::MARK, &text[at..]) {
            at += offset;
            let Some(stamp) = text[at..].get(..stamp::LENGTH) else {
                return at;
            };
            match self.run.read(stamp) {
                Some(sequence) => {
                    self.score.receive(self.order, sequence, self.now);
                    at += stamp::LENGTH;
                }
                None => at += 1,
            }
        }
        text.len()
    }

    /// Scans a body that has `left` more bytes. Returns the number of used bytes.
    pub(crate) fn scan_body(&mut self, left: &mut u64, input: &[u8]) -> usize {
        let is_whole = *left <= input.len() as u64;
        let body = if is_whole { &input[..*left as usize] } else { input };
        let scanned = self.scan(body);
        // An incomplete stamp at the end of the body is not continued.
        let used = if is_whole { body.len() } else { scanned };
        *left -= used as u64;
        used
    }
}
