//! What was measured, raw: one [`Cell`] for each transport and round.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::check::Integrity;
use crate::schedule::Regime;

/// One transport in one round: connect, idle, then the three regimes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The transport.
    pub transport: String,
    /// The round, from 1.
    pub round: usize,
    /// What connecting cost.
    pub connect: Connect,
    /// What the connected clients cost while nothing is published; `None` where the server's process is
    /// not known.
    pub idle: Option<Idle>,
    /// One notification at a time.
    pub steady: Measured,
    /// Ten at a time.
    pub burst: Measured,
    /// As fast as everybody receives.
    pub saturation: Measured,
    /// What did not arrive, or not once, or not in order.
    pub integrity: Integrity,
    /// How the first connection that ended early ended, in the client's or the server's words.
    pub first_ending: Option<String>,
}

/// What connecting all clients cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connect {
    /// How many.
    pub clients: usize,
    /// Until the last subscription stood.
    pub seconds: f64,
    /// CPU time of the server, until it was at rest again.
    #[serde(alias = "hub_cpu_ns")]
    pub server_cpu_ns: Option<u64>,
    /// Bytes that the clients received for it.
    pub received_bytes: u64,
    /// Bytes that the clients sent for it.
    pub sent_bytes: u64,
}

/// Memory of the server around connecting: proportional set size, in which kernel memory (socket buffers
/// above all) does not count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// Bytes before.
    pub pss_before: u64,
    /// Bytes with all clients connected and nothing published.
    pub pss_after: u64,
}

/// One regime of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Notifications published.
    pub published: u64,
    /// Deliveries, each counted once.
    pub deliveries: u64,
    /// From the first intended send to the last delivery, and no less than the schedule took: a server
    /// that is early is no faster for it.
    pub seconds: f64,
    /// CPU time of what clients are connected to: the hub, all hubs, or the engine that is read directly.
    #[serde(alias = "hub_cpu_ns")]
    pub server_cpu_ns: Option<u64>,
    /// CPU time of the engine below the hubs, where there is one.
    #[serde(default)]
    pub engine_cpu_ns: Option<u64>,
    /// CPU time of the load process as a part of what its cores had to give.
    pub load_busy: f64,
    /// CPU time that the hypervisor gave to somebody else, as a part of all cores' time.
    pub stolen: f64,
    /// CPU time that other processes of this machine spent, as a part of all cores' time; `None` where
    /// the server's process is not known, and with it who the others are.
    pub others: Option<f64>,
    /// Periods of the scheduler that ended early because the CPU quota was used up.
    #[serde(default)]
    pub throttled: u64,
    /// Bytes that the clients received, counted at the socket.
    pub received_bytes: u64,
    /// Bytes that the clients sent, counted at the socket.
    pub sent_bytes: u64,
    /// Requests that the clients made.
    pub requests: u64,
    /// From the intended send to each delivery; `None` at saturation, where nothing is intended.
    pub latency: Option<Latency>,
    /// How late the publishers began to send; `None` at saturation.
    pub late: Option<Latency>,
    /// From the intended send to the answer that it was accepted; `None` at saturation.
    #[serde(default)]
    pub answered: Option<Latency>,
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
    /// The whole curve: at each of a fixed list of quantiles, the time.
    pub curve: Vec<(f64, f64)>,
}

/// The quantiles of every curve, closer where tails are looked at.
const QUANTILES: [f64; 17] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
    0.999_99, 1.0,
];

impl Cell {
    /// The figures of this regime.
    pub fn regime(&self, regime: Regime) -> &Measured {
        match regime {
            Regime::Steady => &self.steady,
            Regime::Burst => &self.burst,
            Regime::Saturation => &self.saturation,
        }
    }
}

impl Connect {
    /// Connections a second.
    pub fn rate(&self) -> f64 {
        ratio(self.clients as f64, self.seconds)
    }

    /// Microseconds of the server's CPU for one connection.
    pub fn server_cpu_us(&self) -> Option<f64> {
        self.server_cpu_ns.map(|ns| ratio(ns as f64 / 1e3, self.clients as f64))
    }
}

impl Idle {
    /// Bytes for one of so many clients.
    pub fn bytes_each(&self, clients: usize) -> f64 {
        ratio(self.pss_after as f64 - self.pss_before as f64, clients as f64)
    }
}

impl Measured {
    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        ratio(self.deliveries as f64, self.seconds)
    }

    /// Microseconds of the server's CPU for one delivery, its part of the publishing included.
    pub fn server_cpu_us(&self) -> Option<f64> {
        self.server_cpu_ns.map(|ns| self.each(ns) / 1e3)
    }

    /// Microseconds of the engine's CPU for one publish, its passing it on to every hub included.
    pub fn engine_cpu_us(&self) -> Option<f64> {
        self.engine_cpu_ns.map(|ns| ratio(ns as f64 / 1e3, self.published as f64))
    }

    /// `total` for one delivery.
    pub fn each(&self, total: u64) -> f64 {
        ratio(total as f64, self.deliveries as f64)
    }
}

impl Latency {
    /// Of a histogram in nanoseconds; `None` where it is empty.
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

/// A histogram of nanoseconds to a minute, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_histogram_is_no_latency() {
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
