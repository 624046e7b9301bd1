//! The stamp: what a payload begins with, so that whoever receives it knows which publish it was.
//!
//! ```text
//! @ 000000000000002a 5f0c93d1 ..........................
//!   sequence number  run      padding, to the length asked for
//! ```

use std::hash::{BuildHasher, Hasher, RandomState};

/// What a stamp starts with, and nothing else in a payload has, so that a scan can look for it.
pub(crate) const MARK: u8 = b'@';

/// How long a stamp is.
pub(crate) const LENGTH: usize = 1 + 16 + 8;

/// What tells this run's notifications from those that another run left in the server's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run([u8; 8]);

impl Run {
    /// One of four thousand million, by what the standard library seeds its hash maps with.
    pub(crate) fn random() -> Self {
        Self::new(RandomState::new().build_hasher().finish() as u32)
    }

    pub(crate) fn new(number: u32) -> Self {
        let mut digits = [0; 8];
        digits.copy_from_slice(format!("{number:08x}").as_bytes());
        Self(digits)
    }

    /// A byte that differs between runs, for what else should.
    pub(crate) fn seed(self) -> u8 {
        number(self.0) as u8
    }

    /// Appends the payload of a publish, `length` bytes long in all.
    pub(crate) fn write(self, out: &mut Vec<u8>, sequence: u64, length: usize) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let end = out.len() + length;
        out.push(MARK);
        out.extend((0..16).rev().map(|place| DIGITS[(sequence >> (4 * place)) as usize & 15]));
        out.extend_from_slice(&self.0);
        out.resize(end, b'.');
    }

    /// The sequence number that a stamp carries, or `None` where it is not one of this run.
    pub(crate) fn read(self, stamp: &[u8]) -> Option<u64> {
        let (&mark, rest) = stamp.split_first()?;
        let (high, rest) = rest.split_first_chunk::<8>()?;
        let (low, rest) = rest.split_first_chunk::<8>()?;
        let ours = mark == MARK && rest.first_chunk() == Some(&self.0);
        ours.then(|| number(*high) << 32 | number(*low))
    }
}

/// Eight hexadecimal digits at once, as a register of bytes: a branch for each of millions of them is what would
/// show in a profile. What is no digit gives some number, which is why the run is compared first.
fn number(digits: [u8; 8]) -> u64 {
    let bytes = u64::from_be_bytes(digits);
    let letters = (bytes >> 6) & 0x0101_0101_0101_0101;
    let nibbles = (bytes & 0x0f0f_0f0f_0f0f_0f0f) + 9 * letters;
    let pairs = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (quads | quads >> 16) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_the_number_it_was_given() {
        let run = Run::new(0x5f0c_93d1);
        for sequence in [0, 42, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut payload = Vec::new();
            run.write(&mut payload, sequence, 64);
            assert_eq!(payload.len(), 64);
            assert_eq!(run.read(&payload), Some(sequence));
            assert_eq!(Run::new(7).read(&payload), None, "another run's");
            assert_eq!(run.read(&payload[..LENGTH - 1]), None, "cut");
        }
    }
}
