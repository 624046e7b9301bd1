//! Helpers for the tests of the readers.

use flate2::{Compress, Compression, FlushCompress};

use super::Reader;
use super::inflate::Inflation;
use crate::load::inbox::Inbox;
use crate::load::order::Order;
use crate::load::payload;
use crate::load::score::Score;
use crate::load::stamp::Run;
use crate::workload::Payload;

const RUN: u32 = 0x5f0c_93d1;

pub(super) fn payload(sequence: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    payload::write(Payload::Plain(300), &mut payload, Run::new(RUN), sequence);
    payload
}

/// Compresses a stream with shared history.
#[derive(Debug)]
pub(super) struct Deflated(Compress);

impl Default for Deflated {
    fn default() -> Self {
        Self(Compress::new(Compression::new(6), false))
    }
}

impl Deflated {
    /// A stream whose next part can refer to this text.
    pub(super) fn after(text: &str) -> Self {
        let mut stream = Self::default();
        stream.0.set_dictionary(text.as_bytes()).expect("a new stream");
        stream
    }

    /// Compresses the next part of the stream, with a flush.
    pub(super) fn flush(&mut self, part: &[u8]) -> Vec<u8> {
        self.compress(part, FlushCompress::Sync)
    }

    /// Compresses the last part of the stream.
    pub(super) fn finish(&mut self, part: &[u8]) -> Vec<u8> {
        self.compress(part, FlushCompress::Finish)
    }

    fn compress(&mut self, part: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * part.len() + 64);
        self.0.compress_vec(part, &mut out, flush).expect("a valid state");
        out
    }
}

/// A stored block with this text.
pub(super) fn stored(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let length = text.len() as u16;
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), text].concat()
}

/// Passes `bytes` to a reader in pieces of this length, as a connection does. Asserts that notifications 0 to 4 are
/// received once and in order. Returns the bytes to send and the number of responses.
pub(super) fn five_by_cuts(bytes: &[u8], cut: usize, reader: &mut dyn Reader) -> (Vec<u8>, usize) {
    let mut order = Order::new(0, 1);
    let mut score = Score::default();
    score.begin(true);
    (0..5).for_each(|_| assert!(score.publish(0, 0, 1, 1) < 5));
    let (mut reply, mut carry) = (Vec::new(), Vec::new());
    let mut inflation = Inflation::default();
    let mut inbox = Inbox {
        run: Run::new(RUN),
        order: &mut order,
        score: &mut score,
        now: 1,
        answers: 0,
        reply: &mut reply,
        inflation: &mut inflation,
    };
    for part in bytes.chunks(cut) {
        carry.extend_from_slice(part);
        let used = reader.take(&carry, &mut inbox).expect("the bytes are well-formed");
        carry.drain(..used);
    }
    let answers = inbox.answers;
    assert!(carry.is_empty(), "all bytes are used at the end");
    let seen = (score.deliveries, score.duplicated, score.reordered, score.outstanding);
    assert_eq!(seen, (5, 0, 0, 0), "cut by {cut}");
    (reply, answers)
}
