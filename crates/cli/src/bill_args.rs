//! The arguments of `tidings compare` about the bill.

use tidings_compare::Assumptions;

use crate::values::{number, seconds};

/// What the bill is for, and the prices.
#[derive(Debug, clap::Args)]
pub(crate) struct BillArgs {
    /// Print what clients cost in a month, from the figures in the folder of --output, and measure nothing
    #[arg(long = "bill", requires = "output", conflicts_with = "all")]
    pub(crate) print: bool,
    /// Calculate the bill for N clients
    #[arg(long, value_name = "N", value_parser = number, default_value_t = Assumptions::default().clients)]
    bill_clients: f64,
    /// Calculate the bill with this number of notifications per client and hour
    #[arg(long, value_name = "NUMBER", value_parser = number, default_value_t = Assumptions::default().per_hour)]
    bill_per_hour: f64,
    /// Calculate the bill with this interval of heartbeats and of empty answers
    #[arg(long, value_name = "SECONDS", value_parser = interval, default_value_t = Assumptions::default().heartbeat)]
    bill_heartbeat: f64,
    /// Calculate the bill with this price of a core for a month, in any currency
    #[arg(long, value_name = "PRICE", value_parser = number, default_value_t = Assumptions::default().core)]
    price_core: f64,
    /// Calculate the bill with this price of a GiB of memory for a month
    #[arg(long, value_name = "PRICE", value_parser = number, default_value_t = Assumptions::default().gib)]
    price_gib: f64,
    /// Calculate the bill with this price of a GB (10^9 bytes) to clients
    #[arg(long, value_name = "PRICE", value_parser = number, default_value_t = Assumptions::default().egress)]
    price_egress: f64,
}

impl BillArgs {
    pub(crate) fn assumptions(&self) -> Assumptions {
        Assumptions {
            clients: self.bill_clients,
            per_hour: self.bill_per_hour,
            heartbeat: self.bill_heartbeat,
            core: self.price_core,
            gib: self.price_gib,
            egress: self.price_egress,
        }
    }
}

/// Parses a time as [`seconds`] does.
///
/// # Errors
/// Fails with what is expected if the text is not such a time.
fn interval(text: &str) -> Result<f64, String> {
    Ok(seconds(text)?.as_secs_f64())
}
