//! Where the bytes that a connection reads go, whatever the transport.

use memchr::memchr;

use super::order::Order;
use super::score::Score;
use super::stamp::{self, Run};

/// The destination of what one connection reads.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pub(crate) run: Run,
    pub(crate) order: &'a mut Order,
    pub(crate) score: &'a mut Score,
    /// When the present read was.
    pub(crate) now: u64,
    /// Responses that are complete. Notifications are none.
    pub(crate) answers: usize,
    /// What the connection sends after the read, as one write.
    pub(crate) reply: &'a mut Vec<u8>,
}

impl Inbox<'_> {
    /// Appends the next request of a client to the reply.
    pub(crate) fn request(&mut self, parts: &[&[u8]]) {
        self.score.requests += 1;
        parts.iter().for_each(|part| self.reply.extend_from_slice(part));
    }

    /// Records every stamp in a text. Returns how many bytes it used: all but a stamp that is cut off by the end.
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

    /// Scans a body of which `left` bytes are still to come. Returns how many bytes it used.
    pub(crate) fn scan_body(&mut self, left: &mut u64, input: &[u8]) -> usize {
        let is_whole = *left <= input.len() as u64;
        let body = if is_whole { &input[..*left as usize] } else { input };
        let scanned = self.scan(body);
        // A stamp that is cut off by the end of the body does not continue.
        let used = if is_whole { body.len() } else { scanned };
        *left -= used as u64;
        used
    }
}
