//! Distributions of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half are below.
    pub p50: f64,
    /// 90 % are below.
    pub p90: f64,
    /// 99 % are below.
    pub p99: f64,
    /// 99.9 % are below.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
    /// The whole curve: the time at each of a fixed list of quantiles.
    pub curve: Vec<(f64, f64)>,
}

/// The quantiles of every curve, closer in the tail.
const QUANTILES: [f64; 17] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
    0.999_99, 1.0,
];

impl Latency {
    /// Reads a histogram in nanoseconds. Returns `None` if it is empty.
    pub(crate) fn of(times: &Histogram<u64>) -> Option<Self> {
        if times.is_empty() {
            return None;
        }
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: times.max() as f64 / 1e3,
            curve: QUANTILES.map(|quantile| (quantile, at(quantile))).to_vec(),
        })
    }
}

/// Returns a histogram of nanoseconds up to a minute, with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_histogram_has_no_latency() {
        assert_eq!(Latency::of(&histogram()), None);
    }

    #[test]
    fn a_distribution_keeps_its_tail() {
        let mut times = histogram();
        times.record_n(1_000_000, 998).unwrap();
        times.record_n(50_000_000, 2).unwrap();
        let latency = Latency::of(&times).unwrap();
        assert!((latency.p50 - 1_000.0).abs() < 2.0, "{latency:?}");
        assert!((latency.p999 - 50_000.0).abs() < 60.0, "{latency:?}");
        assert_eq!(latency.curve.len(), QUANTILES.len());
    }
}
