//! What was counted and measured on a simulated network.

use std::ops::Sub;

use serde::{Deserialize, Serialize};

/// What a relay counted in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counts {
    /// From the server to the clients.
    pub down: LinkCounts,
    /// From the clients to the server.
    pub up: LinkCounts,
}

/// What a relay counted in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinkCounts {
    /// The packets that were sent into the link, including those that did not arrive.
    pub packets: u64,
    /// The bytes of these packets, with the headers of IP and of TCP or UDP.
    pub bytes: u64,
    /// Of these packets, those that were lost on their way.
    pub lost: u64,
    /// Of these packets, those that were dropped because the queue of the link was full.
    pub dropped: u64,
}

impl Sub for LinkCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            packets: self.packets - earlier.packets,
            bytes: self.bytes - earlier.bytes,
            lost: self.lost - earlier.lost,
            dropped: self.dropped - earlier.dropped,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    /// Returns what was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self { down: self.down - earlier.down, up: self.up - earlier.up }
    }
}

/// The result of a check: what probes measured while nothing else used the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checked {
    /// The number of probes from the server to the clients. Each one that arrives is sent back.
    pub sent: u64,
    /// The median of the round trips, in microseconds.
    pub rtt_p50: f64,
    /// The 95th percentile of the round trips, in microseconds.
    pub rtt_p95: f64,
    /// The 99th percentile of the round trips, in microseconds.
    pub rtt_p99: f64,
    /// The fraction of probes that were lost on the way to the clients.
    pub loss_down: f64,
    /// The fraction of replies that were lost on the way to the server.
    pub loss_up: f64,
}
