//! When each notification is to be sent: decided before the first one is, so that a slow hub cannot
//! slow down the question.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many arrive at the same instant in [`Regime::Burst`].
pub(crate) const BURST: usize = 10;

/// How notifications are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// One at a time, evenly, below saturation.
    Steady,
    /// Ten at the same instant, at the same mean rate.
    Burst,
    /// As fast as everybody receives them: each publisher sends its next one when every client has the
    /// last.
    Saturation,
}

impl Regime {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Burst, Self::Saturation];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Burst => "burst",
            Self::Saturation => "saturation",
        }
    }
}

/// An open-loop schedule: offsets from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    group: usize,
    groups: usize,
    period_ns: f64,
}

impl Schedule {
    /// One every `1 / rate` seconds.
    pub(crate) fn steady(rate: f64, time: Duration) -> Self {
        Self::new(1, rate, time)
    }

    /// Ten every `10 / rate` seconds.
    pub(crate) fn burst(rate: f64, time: Duration) -> Self {
        Self::new(BURST, rate, time)
    }

    fn new(group: usize, rate: f64, time: Duration) -> Self {
        // A whisker, so that 40 a second for 2.5 s are a hundred whatever the rounding.
        let groups = (rate * time.as_secs_f64() / group as f64 + 1e-6) as usize;
        Self { group, groups, period_ns: group as f64 * 1e9 / rate }
    }

    /// How many notifications.
    pub(crate) fn len(&self) -> usize {
        self.group * self.groups
    }

    /// How long it takes, the pause behind the last included: at this pace the rate is as intended.
    pub(crate) fn nanoseconds(&self) -> u64 {
        (self.groups as f64 * self.period_ns) as u64
    }

    /// The intended instants, in nanoseconds from the start, never decreasing.
    pub(crate) fn instants(self) -> impl Iterator<Item = u64> {
        (0..self.groups).flat_map(move |at| {
            std::iter::repeat_n((at as f64 * self.period_ns) as u64, self.group)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_is_even() {
        let schedule = Schedule::steady(40.0, Duration::from_millis(2_500));
        let instants: Vec<u64> = schedule.instants().collect();
        assert_eq!((schedule.len(), instants.len()), (100, 100));
        assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == 25_000_000));
    }

    #[test]
    fn a_burst_is_ten_at_one_instant_and_the_mean_rate_stays() {
        let schedule = Schedule::burst(40.0, Duration::from_secs(1));
        let instants: Vec<u64> = schedule.instants().collect();
        assert_eq!(schedule.len(), 40);
        let groups: Vec<&[u64]> = instants.chunk_by(|a, b| a == b).collect();
        assert_eq!(groups.len(), 4);
        assert!(groups.iter().all(|group| group.len() == BURST));
        assert_eq!(groups[1][0] - groups[0][0], 250_000_000);
    }

    #[test]
    fn a_rate_that_does_not_divide_the_second_does_not_drift() {
        let last = Schedule::steady(3.0, Duration::from_secs(100)).instants().last().unwrap();
        assert_eq!(last, 99_666_666_666);
    }
}
