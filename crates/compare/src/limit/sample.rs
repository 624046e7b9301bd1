//! The raw figures of one run in one round.

use serde::{Deserialize, Serialize};

/// What the load program tells of its own, in one line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadFigures {
    /// Notifications received, over all clients.
    pub deliveries: u64,
    /// Published and not received, over the clients that each should have reached.
    pub lost: u64,
    /// Received more than once.
    pub duplicated: u64,
    /// Received behind something that was published later.
    pub reordered: u64,
    /// Notifications published.
    pub publishes: u64,
    /// Connections opened.
    pub connections: u64,
    /// Requests sent.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
    /// How long it took.
    pub wall_ns: u64,
    /// The load's own CPU time.
    pub cpu_ns: u64,
    /// Latency, the median; `None` where the work has no schedule to count it from.
    pub p50_ns: Option<u64>,
    /// Latency that one in a hundred exceeds.
    pub p99_ns: Option<u64>,
    /// Latency that one in a thousand exceeds.
    pub p999_ns: Option<u64>,
}

/// One run in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Which run: the server with its flags, and what the load was asked for.
    pub run: String,
    /// The round, from 1.
    pub round: usize,
    /// Clients that were asked for.
    pub clients: usize,
    /// What the load told.
    pub load: LoadFigures,
    /// The server's CPU time between `go` and the load's figures.
    pub server_cpu_ns: Option<u64>,
    /// Bytes of the server's proportional set size before `go`.
    pub pss_before: Option<u64>,
    /// The same behind the load's figures.
    pub pss_after: Option<u64>,
    /// The time that quiet clients were watched for, where the run has one.
    pub window: Option<Window>,
    /// From `go` until the server had nothing more to do while nobody read.
    pub fan_out_ns: Option<u64>,
    /// The part of the server's CPU time that came when reading had begun: work that the wall time of the
    /// fan-out does not hold.
    pub behind_fan_out: Option<f64>,
    /// Whether the server had an io_uring, which it does without where the kernel refuses it.
    pub io_uring: Option<bool>,
    /// The part of its cores' time that the load used.
    pub load_busy: Option<f64>,
    /// The part of all CPU time that the hypervisor gave to somebody else.
    pub stolen: f64,
    /// The part of all CPU time that other processes of this machine took.
    pub others: Option<f64>,
    /// Periods of the scheduler that ended early because the CPU quota was used up.
    #[serde(default)]
    pub throttled: u64,
}

/// The server's CPU time while clients were connected and nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How long.
    pub wall_ns: u64,
    /// The server's CPU time in it.
    pub server_cpu_ns: Option<u64>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sample of a calm machine, none of it measured.
    pub(crate) fn sample(run: &str, round: usize) -> Sample {
        let load = LoadFigures {
            deliveries: 200_000,
            publishes: 200,
            connections: 1_000,
            wall_ns: 5_000_000_000,
            cpu_ns: 1_000_000_000,
            p50_ns: Some(1_000_000),
            p99_ns: Some(2_000_000),
            p999_ns: Some(3_000_000),
            ..LoadFigures::default()
        };
        Sample {
            run: run.to_owned(),
            round,
            clients: 1_000,
            load,
            server_cpu_ns: Some(400_000_000),
            pss_before: Some(4 << 20),
            pss_after: Some(5 << 20),
            window: None,
            fan_out_ns: None,
            behind_fan_out: None,
            io_uring: Some(true),
            load_busy: Some(0.4),
            stolen: 0.0,
            others: Some(0.01),
            throttled: 0,
        }
    }
}
