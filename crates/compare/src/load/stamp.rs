//! The stamp in each payload, which identifies the publish to the client that receives it.
//!
//! ```text
//! @ 0000002a         f0c93d1
//!   sequence number  run
//! ```

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The first byte of a stamp. It does not occur in the rest of a payload, so a scan can search for it.
pub(crate) const MARK: u8 = b'@';

/// Bytes of a stamp.
pub(crate) const LENGTH: usize = 1 + 8 + 7;

/// Distinguishes the notifications of this load from those of another load that are still in the server's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run([u8; 7]);

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl Run {
    /// One of 2^28 numbers, from the seed of the standard library's hash maps.
    pub(crate) fn random() -> Self {
        Self::new(RandomState::new().build_hasher().finish() as u32)
    }

    pub(crate) fn new(number: u32) -> Self {
        let mut digits = [0; 7];
        digits.copy_from_slice(format!("{:07x}", number & 0xfff_ffff).as_bytes());
        Self(digits)
    }

    /// A byte that differs between loads.
    pub(crate) fn seed(self) -> u8 {
        let [.., high, low] = self.0;
        number([b'0', b'0', b'0', b'0', b'0', b'0', high, low]) as u8
    }

    /// Appends a stamp. Only the lower 32 bits of the sequence number are written, which are more than a load can count.
    pub(crate) fn write(self, out: &mut Vec<u8>, sequence: u64) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        out.push(MARK);
        out.extend((0..8).rev().map(|place| DIGITS[(sequence >> (4 * place)) as usize & 15]));
        out.extend_from_slice(&self.0);
    }

    /// The sequence number of a stamp, or `None` if it is not a stamp of this load.
    pub(crate) fn read(self, stamp: &[u8]) -> Option<u64> {
        let (&mark, rest) = stamp.split_first()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let ours = mark == MARK && rest.first_chunk() == Some(&self.0);
        ours.then(|| number(*sequence))
    }
}

/// Reads eight hexadecimal digits at once, without a branch for each. Other bytes yield an arbitrary number, so the
/// caller compares the run first.
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
    fn a_stamp_contains_its_sequence_number() {
        let run = Run::new(0x5f0c_93d1);
        for sequence in [0, 42, 0x89ab_cdef, u64::from(u32::MAX)] {
            let mut payload = Vec::new();
            run.write(&mut payload, sequence);
            assert_eq!(payload.len(), LENGTH);
            payload.push(b'.');
            assert_eq!(run.read(&payload), Some(sequence));
            assert_eq!(Run::new(7).read(&payload), None, "of another load");
            assert_eq!(run.read(&payload[..LENGTH - 1]), None, "cut");
        }
    }
}
