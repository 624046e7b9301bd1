//! The inbox: what a client's reading tells, whatever the transport.

use std::fmt;
use std::io;

use memchr::memchr;

use crate::clients::order::Order;
use crate::clients::requests::Requests;
use crate::clients::score::Score;
use crate::clients::stamp::{self, Run};

/// Why a client is no longer there.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The server ended the connection.
    Closed,
    /// The server answered with another status than the one that goes on.
    Refused(u16),
    /// What the server said cannot be understood.
    Nonsense(&'static str),
    /// The socket failed.
    Broken(io::Error),
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Refused(status) => write!(f, "the server answered {status}"),
            Self::Nonsense(what) => f.write_str(what),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

/// Where one read of one client goes.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pub(crate) run: Run,
    pub(crate) requests: &'a Requests,
    pub(crate) index: usize,
    pub(crate) order: &'a mut Order,
    pub(crate) score: &'a mut Score,
    /// When the read was.
    pub(crate) now: u64,
    /// What the client is to say in return, as one write.
    pub(crate) reply: &'a mut Vec<u8>,
}

impl Inbox<'_> {
    /// Counts a payload, of which the stamp is enough. Returns whether it is one of this run.
    pub(crate) fn payload(&mut self, payload: &[u8]) -> bool {
        let sequence = self.run.read(payload);
        if let Some(sequence) = sequence {
            self.score.receive(self.order, sequence, self.now);
        }
        sequence.is_some()
    }

    /// Counts every payload in a text. Returns how much it used, which is all but a stamp that is cut by the end.
    pub(crate) fn scan(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(offset) = memchr(stamp::MARK, &text[at..]) {
            at += offset;
            let Some(stamp) = text[at..].get(..stamp::LENGTH) else {
                return at;
            };
            at += if self.payload(stamp) { stamp::LENGTH } else { 1 };
        }
        text.len()
    }
}

/// What tests of the transports' reading share.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    pub(crate) const RUN: u32 = 0x5f0c_93d1;

    /// The payload of a publish of this run.
    pub(crate) fn payload(sequence: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        Run::new(RUN).write(&mut payload, sequence, 300);
        payload
    }

    /// Gives `bytes` to a reading in cuts of this length, as a client would, and returns what it said in return.
    /// Asserts that notifications 0 to 4 came, once and in order.
    pub(crate) fn five_by_cuts(
        bytes: &[u8],
        cut: usize,
        mut take: impl FnMut(&[u8], &mut Inbox<'_>) -> Result<usize, Gone>,
    ) -> Vec<u8> {
        let mut order = Order::new(0..5, 1);
        let mut score = Score::new(5);
        score.begin(5);
        (0..5).for_each(|_| assert!(score.publish(0) < 5));
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
        let seen = (score.deliveries, score.duplicated, score.reordered, score.due);
        assert_eq!(seen, (5, 0, 0, 0), "cut by {cut}");
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{five_by_cuts, payload};

    #[test]
    fn a_scan_counts_every_stamp_wherever_the_reads_cut() {
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
