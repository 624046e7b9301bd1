//! Distributions of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The maximum.
    pub max: f64,
    /// The time at each of a fixed list of quantiles.
    pub curve: Vec<(f64, f64)>,
}

/// The quantiles of every curve. They are denser in the tail.
const QUANTILES: [f64; 17] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
    0.999_99, 1.0,
];

/// Records times in nanoseconds, up to a minute, with three significant digits.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1_000, 60_000_000_000, 3);
        Self(histogram.expect("the bounds are in order"))
    }
}

impl Times {
    pub(crate) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Records the time from `since` to `now`, and sets `since` to `now`.
    pub(crate) fn record_since(&mut self, since: &mut u64, now: u64) {
        self.record(now.saturating_sub(*since));
        *since = now;
    }

    /// `None` if no time was recorded.
    pub(crate) fn summary(&self) -> Option<Latency> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max() as f64 / 1e3,
            curve: QUANTILES.map(|quantile| (quantile, at(quantile))).to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_times_have_no_distribution() {
        assert_eq!(Times::default().summary(), None);
    }

    #[test]
    fn a_distribution_keeps_its_tail() {
        let mut times = Times::default();
        (0..998).for_each(|_| times.record(1_000_000));
        (0..2).for_each(|_| times.record(50_000_000));
        let latency = times.summary().unwrap();
        assert!((latency.p50 - 1_000.0).abs() < 2.0, "{latency:?}");
        assert!((latency.p999 - 50_000.0).abs() < 60.0, "{latency:?}");
        assert_eq!(latency.curve.len(), QUANTILES.len());
    }
}
