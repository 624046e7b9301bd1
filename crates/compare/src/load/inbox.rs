//! Where the bytes that a client reads go, whatever the transport.

use std::fmt;
use std::io;

use memchr::memchr;

use super::order::Order;
use super::requests::Requests;
use super::score::Score;
use super::stamp::{self, Run};

/// Why a connection has ended.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The server closed it.
    Closed,
    /// The server responded with this HTTP status.
    Rejected(u16),
    /// The server reported an error.
    Error(String),
    /// What the server sent does not follow the protocol.
    Invalid(&'static str),
    /// The socket failed.
    Broken(io::Error),
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Rejected(status) => write!(f, "the server responded with {status}"),
            Self::Error(error) => write!(f, "the server reported {error}"),
            Self::Invalid(problem) => f.write_str(problem),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

/// The destination of one read of one client.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pub(crate) run: Run,
    pub(crate) requests: &'a Requests,
    pub(crate) index: usize,
    pub(crate) order: &'a mut Order,
    pub(crate) score: &'a mut Score,
    /// When the read was.
    pub(crate) now: u64,
    /// What the client sends after the read, as one write.
    pub(crate) reply: &'a mut Vec<u8>,
}

impl Inbox<'_> {
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

/// What the tests of the readers share.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    pub(crate) const RUN: u32 = 0x5f0c_93d1;

    /// Returns the payload of a publish.
    pub(crate) fn payload(sequence: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        Run::new(RUN).write(&mut payload, sequence, 300);
        payload
    }

    /// Passes `bytes` to a reader in cuts of this length, as a client does, and returns what the client sends.
    /// Asserts that notifications 0 to 4 are received, once and in order.
    pub(crate) fn five_by_cuts(
        bytes: &[u8],
        cut: usize,
        mut take: impl FnMut(&[u8], &mut Inbox<'_>) -> Result<usize, Gone>,
    ) -> Vec<u8> {
        let mut order = Order::new(0, 1);
        let mut score = Score::new();
        score.begin(true);
        (0..5).for_each(|_| assert!(score.publish(0, 0, 1, 1) < 5));
        let requests = Requests::fixture();
        let (mut reply, mut carry) = (Vec::new(), Vec::new());
        for part in bytes.chunks(cut) {
            carry.extend_from_slice(part);
            let mut inbox = Inbox {
                run: Run::new(RUN),
                requests: &requests,
                index: 0,
                order: &mut order,
                score: &mut score,
                now: 1,
                reply: &mut reply,
            };
            let used = take(&carry, &mut inbox).expect("it is well-formed");
            carry.drain(..used);
        }
        assert!(carry.is_empty(), "all is used at the end");
        let seen = (score.deliveries, score.duplicated, score.reordered, score.outstanding);
        assert_eq!(seen, (5, 0, 0, 0), "cut by {cut}");
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{five_by_cuts, payload};

    #[test]
    fn a_scan_records_every_stamp_wherever_the_reads_cut() {
        let mut text = b"retry: 1\n\n: it@is\n\n".to_vec();
        for sequence in 0..5 {
            text.extend_from_slice(b"id: a-1\ndata: ");
            text.extend(payload(sequence));
            text.extend_from_slice(b"\n\n");
        }
        for cut in 1..=text.len() {
            let reply = five_by_cuts(&text, cut, |input, inbox| Ok(inbox.scan(input)));
            assert!(reply.is_empty());
        }
    }
}
