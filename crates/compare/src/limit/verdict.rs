//! A figure against its bar.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stats::Spread;

/// What a figure has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// It may be this much and no more.
    AtMost(f64),
    /// It has to be this much or more.
    AtLeast(f64),
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The median holds the bar.
    Met,
    /// The median does not.
    Missed,
    /// There is no bar.
    Unbarred,
    /// There is no figure: the system does not tell it, or a run failed.
    Unknown,
}

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl Verdict {
    /// Of the median: a single round proves as little as a single miss.
    pub(crate) fn of(judged: Option<Spread>, bar: Option<Bar>) -> Self {
        match (judged, bar) {
            (None, _) => Self::Unknown,
            (Some(_), None) => Self::Unbarred,
            (Some(spread), Some(bar)) if bar.holds(spread.median) => Self::Met,
            (Some(_), Some(_)) => Self::Missed,
        }
    }
}

/// One divided by the other, round by round: what slowed one round down slowed both sides of it. A round
/// that only one side has does not count.
pub(crate) fn ratios(run: &[(usize, f64)], against: &[(usize, f64)]) -> Option<Spread> {
    let pair = |(round, value): &(usize, f64)| {
        let (_, other) = against.iter().find(|(other, _)| other == round)?;
        (*other != 0.0).then(|| value / other)
    };
    Spread::of(run.iter().filter_map(pair))
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Unbarred => "",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        let spread =
            ratios(&[(1, 2.0), (2, 30.0), (3, 3.0)], &[(3, 2.0), (2, 10.0), (1, 1.0)]).unwrap();
        assert_eq!((spread.n, spread.min, spread.median, spread.max), (3, 1.5, 2.0, 3.0));
    }

    #[test]
    fn a_round_that_one_side_lacks_does_not_count() {
        let spread = ratios(&[(1, 2.0), (2, 9.0)], &[(1, 4.0)]).unwrap();
        assert_eq!((spread.n, spread.median), (1, 0.5));
        assert_eq!(ratios(&[(1, 2.0)], &[(2, 4.0)]), None);
        assert_eq!(ratios(&[(1, 2.0)], &[(1, 0.0)]), None);
    }

    #[test]
    fn the_bar_itself_is_still_met() {
        let spread = |value| Spread::of([value]);
        for (value, bar, verdict) in [
            (1.25, Bar::AtMost(1.25), Verdict::Met),
            (1.251, Bar::AtMost(1.25), Verdict::Missed),
            (1.7, Bar::AtLeast(1.7), Verdict::Met),
            (1.69, Bar::AtLeast(1.7), Verdict::Missed),
        ] {
            assert_eq!(Verdict::of(spread(value), Some(bar)), verdict, "{value} {bar}");
        }
    }

    #[test]
    fn without_a_figure_nothing_is_met_and_without_a_bar_nothing_is_missed() {
        assert_eq!(Verdict::of(None, Some(Bar::AtMost(1.0))), Verdict::Unknown);
        assert_eq!(Verdict::of(Spread::of([2.0]), None), Verdict::Unbarred);
    }
}
