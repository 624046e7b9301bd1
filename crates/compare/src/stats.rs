//! The median of a few samples and their spread.

use serde::{Deserialize, Serialize};

/// Median and spread of the samples of one figure, one sample per round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spread {
    /// The number of samples. With one sample, the median is that sample and the spread is empty.
    pub n: usize,
    /// The middle sample, or the mean of the two in the middle.
    pub median: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
    /// The distance between the quartiles as a part of the median. It is 0 if the median is 0.
    pub relative_iqr: f64,
}

impl Spread {
    /// Summarizes these samples. `None` if there are none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let median = quantile(&sorted, 0.5);
        let iqr = quantile(&sorted, 0.75) - quantile(&sorted, 0.25);
        let relative_iqr = if median == 0.0 { 0.0 } else { iqr / median.abs() };
        Some(Self { n: sorted.len(), median, min, max, relative_iqr })
    }
}

/// Linear between the two nearest ranks.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    below + (above - below) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_samples_no_spread() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn one_sample_is_its_own_median() {
        let spread = Spread::of([4.0]).unwrap();
        let expected = Spread { n: 1, median: 4.0, min: 4.0, max: 4.0, relative_iqr: 0.0 };
        assert_eq!(spread, expected);
    }

    #[test]
    fn samples_need_not_be_sorted() {
        let spread = Spread::of([9.0, 1.0, 5.0, 3.0, 7.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 5.0, 9.0));
        assert!((spread.relative_iqr - 0.8).abs() < 1e-9);
    }

    #[test]
    fn an_even_number_meets_in_the_middle() {
        assert_eq!(Spread::of([1.0, 2.0, 4.0, 8.0]).unwrap().median, 3.0);
    }

    #[test]
    fn a_median_of_zero_has_no_relative_spread() {
        assert_eq!(Spread::of([0.0, 0.0, 1.0]).unwrap().relative_iqr, 0.0);
    }
}
