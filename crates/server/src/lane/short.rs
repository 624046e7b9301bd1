//! Numbers of 32 bits, because a lane keeps several for each client.

use std::num::NonZeroU32;
use std::time::Duration;

/// A number that takes four bytes, also in an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short(NonZeroU32);

impl Short {
    /// Panics if a lane had 4,294 million connections, but the system has only half as many descriptors.
    pub(super) fn index(index: usize) -> Self {
        Self(NonZeroU32::MIN.checked_add(key(index)).expect(TOO_MANY))
    }

    pub(super) fn to_index(self) -> usize {
        (self.0.get() - 1) as usize
    }

    /// Rounds up to milliseconds, so that only no time is 0. A time of more than 49 days becomes 49 days.
    pub(super) fn time(time: Duration) -> Self {
        let millis = time.as_nanos().div_ceil(1_000_000);
        Self(NonZeroU32::MIN.saturating_add(u32::try_from(millis).unwrap_or(u32::MAX)))
    }

    pub(super) fn to_time(self) -> Duration {
        Duration::from_millis((self.0.get() - 1).into())
    }
}

/// The key of a connection, for a list of keys. Panics as [`Short::index`] does.
pub(super) fn key(key: usize) -> u32 {
    u32::try_from(key).expect(TOO_MANY)
}

const TOO_MANY: &str = "a lane has fewer connections than a process has descriptors";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_returned_as_they_were() {
        assert_eq!([0, 1, 1 << 31].map(|index| Short::index(index).to_index()), [0, 1, 1 << 31]);
    }

    #[test]
    fn times_are_rounded_up_and_bounded() {
        let rounded = |time: Duration| Short::time(time).to_time().as_millis();
        assert_eq!(rounded(Duration::ZERO), 0);
        assert_eq!(rounded(Duration::from_nanos(1)), 1);
        assert_eq!(rounded(Duration::from_millis(60_000)), 60_000);
        assert_eq!(rounded(Duration::MAX), u128::from(u32::MAX - 1));
    }
}
