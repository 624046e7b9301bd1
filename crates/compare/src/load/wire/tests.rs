//! Helpers for the tests of the readers.

use super::Reader;
use crate::load::inbox::Inbox;
use crate::load::order::Order;
use crate::load::score::Score;
use crate::load::stamp::Run;

const RUN: u32 = 0x5f0c_93d1;

pub(super) fn payload(sequence: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    Run::new(RUN).write(&mut payload, sequence, 300);
    payload
}

/// Passes `bytes` to a reader in pieces of this length, as a connection does. Asserts that notifications 0 to 4 are
/// received once and in order. Returns the bytes to send and the number of responses.
pub(super) fn five_by_cuts(bytes: &[u8], cut: usize, reader: &mut dyn Reader) -> (Vec<u8>, usize) {
    let mut order = Order::new(0, 1);
    let mut score = Score::default();
    score.begin(true);
    (0..5).for_each(|_| assert!(score.publish(0, 0, 1, 1) < 5));
    let (mut reply, mut carry) = (Vec::new(), Vec::new());
    let mut inbox = Inbox {
        run: Run::new(RUN),
        order: &mut order,
        score: &mut score,
        now: 1,
        answers: 0,
        reply: &mut reply,
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
