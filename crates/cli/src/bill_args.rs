//! The arguments of `tidings compare` about the bill.

use std::time::Duration;

use tidings_compare::Assumptions;

use crate::values::{number, seconds};

/// What the bill is for, and the prices.
#[derive(Debug, clap::Args)]
pub(crate) struct BillArgs {
    /// Print what clients cost in a month, from the figures in the folder of --output, and measure nothing
    #[arg(long, requires = "output", conflicts_with = "all")]
    pub(crate) bill: bool,
    /// Calculate the bill for N clients [default: 1000000]
    #[arg(long, value_name = "N", value_parser = number)]
    bill_clients: Option<f64>,
    /// Calculate the bill with this number of notifications per client and hour [default: 60]
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    bill_per_hour: Option<f64>,
    /// Calculate the bill with this interval of heartbeats and of empty answers [default: 25]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    bill_heartbeat: Option<Duration>,
    /// Calculate the bill with this price of a core for a month, in any currency [default: 25]
    #[arg(long, value_name = "PRICE", value_parser = number)]
    price_core: Option<f64>,
    /// Calculate the bill with this price of a GiB of memory for a month [default: 3]
    #[arg(long, value_name = "PRICE", value_parser = number)]
    price_gib: Option<f64>,
    /// Calculate the bill with this price of a GB (10^9 bytes) to clients [default: 0.09]
    #[arg(long, value_name = "PRICE", value_parser = number)]
    price_egress: Option<f64>,
}

impl BillArgs {
    pub(crate) fn assumptions(&self) -> Assumptions {
        let default = Assumptions::default();
        let heartbeat = self.bill_heartbeat.map(|interval| interval.as_secs_f64());
        Assumptions {
            clients: self.bill_clients.unwrap_or(default.clients),
            per_hour: self.bill_per_hour.unwrap_or(default.per_hour),
            heartbeat: heartbeat.unwrap_or(default.heartbeat),
            core: self.price_core.unwrap_or(default.core),
            gib: self.price_gib.unwrap_or(default.gib),
            egress: self.price_egress.unwrap_or(default.egress),
        }
    }
}
