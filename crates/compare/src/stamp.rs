//! What each published payload says of itself, so that a receiver can time and check it.

use std::fmt::Write as _;

use bytes::Bytes;

/// Run, regime, lane, sequence number and intended send time, written as fixed-width text at the start
/// of the payload; the rest is padding.
///
/// Text, because every transport has to carry it and none shall pay for another's encoding of binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Random for each hub and transport under test: what another run published is not counted.
    pub(crate) run: u32,
    /// Index of the regime it belongs to.
    pub(crate) regime: u8,
    /// The publishing connection. Order is defined within one lane, not between two.
    pub(crate) lane: u16,
    /// Contiguous from 0 within the lane.
    pub(crate) seq: u32,
    /// When it was to be sent, in nanoseconds of the load process' clock.
    pub(crate) intended_ns: u64,
}

impl Stamp {
    /// Bytes that a stamp takes; no payload can be smaller.
    pub(crate) const LEN: usize = 8 + 2 + 4 + 8 + 16;

    /// The payload with this stamp, padded to `size` bytes.
    pub(crate) fn payload(&self, size: usize) -> Bytes {
        let mut text = String::with_capacity(size.max(Self::LEN));
        let Self { run, regime, lane, seq, intended_ns } = self;
        write!(text, "{run:08x}{regime:02x}{lane:04x}{seq:08x}{intended_ns:016x}")
            .expect("writing into a String cannot fail");
        text.extend(std::iter::repeat_n('.', size.saturating_sub(Self::LEN)));
        text.into()
    }

    /// Reads the stamp; `None` for a payload that carries none.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let text = payload.get(..Self::LEN)?;
        Some(Self {
            run: hex(&text[..8])? as u32,
            regime: hex(&text[8..10])? as u8,
            lane: hex(&text[10..14])? as u16,
            seq: hex(&text[14..22])? as u32,
            intended_ns: hex(&text[22..])?,
        })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp =
        Stamp { run: 0xdead_beef, regime: 2, lane: 63, seq: 1042, intended_ns: u64::MAX - 7 };

    #[test]
    fn a_payload_has_the_size_asked_for_and_its_stamp_comes_back() {
        let payload = STAMP.payload(128);
        assert_eq!(payload.len(), 128);
        assert_eq!(Stamp::read(&payload), Some(STAMP));
    }

    #[test]
    fn a_payload_is_never_too_small_for_its_stamp() {
        assert_eq!(STAMP.payload(0).len(), Stamp::LEN);
    }

    #[test]
    fn what_somebody_else_published_has_no_stamp() {
        assert_eq!(Stamp::read(b"good morning"), None);
        assert_eq!(Stamp::read(&[b'z'; 128]), None);
    }
}
