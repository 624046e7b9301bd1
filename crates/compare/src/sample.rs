//! The raw figures: one [`Sample`] for each contender, stage and round.

use serde::{Deserialize, Serialize};

use crate::network_counts::{Checked, Counts};
use crate::protocol::{Command, Outcome};
use crate::warnings::{CROWDED, STOLEN};
use crate::workload::Payload;

/// One stage of one contender in one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sample {
    /// The contender's title.
    pub contender: String,
    /// The stage, such as `steady`.
    pub stage: String,
    /// What the load was told to do.
    #[serde(default)]
    pub command: Option<Command>,
    /// The round, from 1.
    pub round: usize,
    /// Connected clients.
    pub clients: usize,
    /// The content of each payload. `None` means that of the plan.
    #[serde(default)]
    pub payload: Option<Payload>,
    /// `true` if they were connected over TLS.
    #[serde(default)]
    pub tls: bool,
    /// What the simulated network between servers and clients did. `None` if there was none.
    #[serde(default)]
    pub network: Option<NetworkSample>,
    /// The counts of the load.
    #[serde(flatten)]
    pub load: Outcome,
    /// CPU time of the servers that clients are connected to.
    pub server_cpu_ns: Option<u64>,
    /// CPU time of the broker that our servers share.
    pub broker_cpu_ns: Option<u64>,
    /// Memory of the servers before the stage in bytes: proportional set size, without socket buffers of the kernel.
    pub pss_before: Option<u64>,
    /// Memory of the servers after the stage in bytes.
    pub pss_after: Option<u64>,
    /// Memory that the kernel keeps for the servers before the stage in bytes: sockets, files, events. `None` if it is
    /// not known, because the servers are not in a control group of their own.
    #[serde(default)]
    pub kernel_before: Option<u64>,
    /// Memory that the kernel keeps for the servers after the stage in bytes.
    #[serde(default)]
    pub kernel_after: Option<u64>,
    /// The part of one core that the load used.
    pub load_busy: Option<f64>,
    /// The part of one core that the servers and their broker used.
    pub server_busy: Option<f64>,
    /// The part of all CPU time that the hypervisor gave to other machines.
    pub stolen: f64,
    /// The part of all CPU time that other processes used. `None` if one of our processes is unknown.
    pub others: Option<f64>,
    /// The number of scheduling periods in which the CPU quota was used up.
    pub throttled: u64,
    /// `true` if the server has an io_uring. `None` if that is unknown.
    pub io_uring: Option<bool>,
}

/// A simulated network during one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkSample {
    /// The name of its profile.
    pub profile: String,
    /// What was measured on it before the first stage.
    pub checked: Checked,
    /// Its packets in the stage. Those of publishers are not among them.
    pub counts: Counts,
}

/// Seconds of stolen time, divided by two cores, that may be much less: the kernel counts time in ticks of 10 ms. This is
/// one tick and a half.
const UNSURE_STOLEN: f64 = 0.0075;
/// The same for the time of other processes, which is a difference of several counters: four ticks.
const UNSURE_OTHERS: f64 = 0.02;

impl Sample {
    /// Returns `true` if everything was received, once and in order.
    pub fn is_clean(&self) -> bool {
        self.load.lost == 0 && self.load.duplicated == 0 && self.load.reordered == 0
    }

    /// The bytes of IP packets in both directions for each of `count`. `None` without a simulated network.
    pub(crate) fn wire_bytes_each(&self, count: u64) -> Option<f64> {
        let Counts { down, up } = self.network.as_ref()?.counts;
        each((down.bytes + up.bytes) as f64, count)
    }

    /// The bytes of IP packets to the clients for each of `count`. `None` without a simulated network.
    pub(crate) fn egress_each(&self, count: u64) -> Option<f64> {
        each(self.network.as_ref()?.counts.down.bytes as f64, count)
    }

    /// How much other work on the machine has disturbed it. It counts as disturbed from 1 on.
    pub(crate) fn disturbance(&self) -> f64 {
        let quota = if self.throttled > 0 { f64::INFINITY } else { 0.0 };
        let part_of = |part: f64, limit: f64, unsure: f64| {
            // A stage without a duration is short, and may be disturbed.
            let is_sure = self.load.seconds == 0.0 || part * self.load.seconds > unsure;
            if is_sure { part / limit } else { 0.0 }
        };
        let stolen = part_of(self.stolen, STOLEN, UNSURE_STOLEN);
        stolen.max(part_of(self.others.unwrap_or(0.0), CROWDED, UNSURE_OTHERS)).max(quota)
    }

    /// Returns `true` if other work disturbed this sample, and another round of its stage was not disturbed. Figures use
    /// only the undisturbed rounds then.
    pub(crate) fn is_left_out(&self, samples: &[Self]) -> bool {
        let is_same = |it: &&Self| it.contender == self.contender && it.stage == self.stage;
        self.disturbance() >= 1.0
            && samples.iter().filter(is_same).any(|other| other.disturbance() < 1.0)
    }

    /// The rate of `count` events per second.
    pub(crate) fn rate(&self, count: u64) -> Option<f64> {
        (self.load.seconds > 0.0).then(|| count as f64 / self.load.seconds)
    }

    /// The server's CPU time for each of `count` events, in microseconds.
    pub(crate) fn cpu_each(&self, count: u64) -> Option<f64> {
        each(self.server_cpu_ns? as f64 / 1e3, count)
    }

    pub(crate) fn for_a_delivery(&self, total: u64) -> Option<f64> {
        each(total as f64, self.load.deliveries)
    }

    /// The growth of the servers' memory in bytes.
    pub(crate) fn memory_growth(&self) -> Option<f64> {
        Some(self.pss_after? as f64 - self.pss_before? as f64)
    }

    /// The growth of the memory that the kernel keeps for the servers in bytes.
    pub(crate) fn kernel_memory_growth(&self) -> Option<f64> {
        Some(self.kernel_after? as f64 - self.kernel_before? as f64)
    }

    /// The growth of the servers' memory for each client, in bytes.
    pub(crate) fn memory_each(&self) -> Option<f64> {
        each(self.memory_growth()?, self.clients as u64)
    }

    /// The growth of the renderers' memory for each tab after the first, in bytes.
    pub(crate) fn tab_memory(&self) -> Option<f64> {
        let browser = self.load.browser.as_ref()?;
        let growth = browser.memory? as f64 - browser.first_memory? as f64;
        each(growth, (self.clients as u64).saturating_sub(1))
    }

    /// The growth of the memory that the kernel keeps for the servers, for each client in bytes.
    pub(crate) fn kernel_memory_each(&self) -> Option<f64> {
        each(self.kernel_memory_growth()?, self.clients as u64)
    }
}

/// The part of `total` for each of `count`, or `None` if there are none.
pub(crate) fn each(total: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| total / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_per_nothing_is_unknown() {
        let sample = Sample { server_cpu_ns: Some(6_000_000), ..Sample::default() };
        assert_eq!((sample.cpu_each(0), sample.cpu_each(4_000)), (None, Some(1.5)));
        assert_eq!(sample.memory_each(), None);
    }
}
