//! Numbers of 32 bits, because a lane keeps several for each client.

use std::num::NonZeroU32;
use std::time::Duration;

/// A number that takes four bytes, also in an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compact(NonZeroU32);

impl Compact {
    const MAX: u32 = u32::MAX - 1;

    /// Panics if a lane had 4,294 million connections. Their descriptors are only half as many.
    pub(super) fn index(index: usize) -> Self {
        let number = u32::try_from(index).ok().filter(|number| *number <= Self::MAX);
        Self::new(number.expect("an index of connections"))
    }

    pub(super) fn to_index(self) -> usize {
        (self.0.get() - 1) as usize
    }

    /// Rounds up to milliseconds, so that only no time is 0. A time of more than 49 days becomes 49 days.
    pub(super) fn time(time: Duration) -> Self {
        let millis = time.as_nanos().div_ceil(1_000_000);
        Self::new(u32::try_from(millis).unwrap_or(Self::MAX).min(Self::MAX))
    }

    pub(super) fn to_time(self) -> Duration {
        Duration::from_millis((self.0.get() - 1).into())
    }

    fn new(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_returned_as_they_were() {
        assert_eq!([0, 1, 1 << 31].map(|index| Compact::index(index).to_index()), [0, 1, 1 << 31]);
    }

    #[test]
    fn times_are_rounded_up_and_bounded() {
        let rounded = |time: Duration| Compact::time(time).to_time().as_millis();
        assert_eq!(rounded(Duration::ZERO), 0);
        assert_eq!(rounded(Duration::from_nanos(1)), 1);
        assert_eq!(rounded(Duration::from_millis(60_000)), 60_000);
        assert_eq!(rounded(Duration::MAX), Compact::MAX.into());
    }
}
