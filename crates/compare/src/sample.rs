//! The raw figures: one [`Sample`] for each contender, stage and round.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::protocol::Outcome;

/// One stage of one contender in one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The contender's title.
    pub contender: String,
    /// The stage, such as `steady`.
    pub stage: String,
    /// The round, from 1.
    pub round: usize,
    /// Connected clients.
    pub clients: usize,
    /// What the load counted.
    #[serde(flatten)]
    pub load: Outcome,
    /// CPU time of the servers that clients are connected to.
    pub server_cpu_ns: Option<u64>,
    /// CPU time of the broker below our servers.
    pub broker_cpu_ns: Option<u64>,
    /// Memory of the servers before the stage: proportional set size, without socket buffers of the kernel.
    pub pss_before: Option<u64>,
    /// Memory of the servers after the stage.
    pub pss_after: Option<u64>,
    /// The part of one core that the load used.
    pub load_busy: Option<f64>,
    /// The part of one core that the servers and their broker used.
    pub server_busy: Option<f64>,
    /// The part of all CPU time that the hypervisor gave to other machines.
    pub stolen: f64,
    /// The part of all CPU time that other processes used, if all of ours are known.
    pub others: Option<f64>,
    /// Periods of the scheduler that ended early because the CPU quota was used up.
    pub throttled: u64,
    /// Whether the server has an io_uring.
    pub io_uring: Option<bool>,
}

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

impl Sample {
    /// Returns `true` if everything was received, once and in order.
    pub fn is_clean(&self) -> bool {
        self.load.lost == 0 && self.load.duplicated == 0 && self.load.reordered == 0
    }

    /// Returns the events of a kind a second.
    pub(crate) fn rate(&self, count: u64) -> Option<f64> {
        (self.load.seconds > 0.0).then(|| count as f64 / self.load.seconds)
    }

    /// Returns the server's CPU time for each of `count` events, in microseconds.
    pub(crate) fn cpu_each(&self, count: u64) -> Option<f64> {
        each(self.server_cpu_ns? as f64 / 1e3, count)
    }

    /// Returns the part of `total` for each delivery.
    pub(crate) fn for_a_delivery(&self, total: u64) -> Option<f64> {
        each(total as f64, self.load.deliveries)
    }

    /// Returns the growth of the servers' memory for each client.
    pub(crate) fn memory_each(&self) -> Option<f64> {
        each(self.pss_after? as f64 - self.pss_before? as f64, self.clients as u64)
    }
}

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

/// Returns the part of `total` for each of `count`, or `None` if there are none.
pub(crate) fn each(total: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| total / count as f64)
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

    #[test]
    fn what_did_not_happen_has_no_cost() {
        let sample = Sample { server_cpu_ns: Some(6_000_000), ..Sample::default() };
        assert_eq!((sample.cpu_each(0), sample.cpu_each(4_000)), (None, Some(1.5)));
        assert_eq!(sample.memory_each(), None);
    }
}
