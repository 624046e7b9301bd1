//! A build without brokers. `--broker` is an error that names the feature to build with.

use tidings::core::{BrokerError, Hub};
use tokio::sync::oneshot;

use crate::values::{NO_BROKERS, Unprinted};

#[derive(Debug, clap::Args)]
pub(crate) struct BrokerArgs {
    #[arg(long, value_name = "URL", hide = true, value_parser = Unprinted(reject))]
    broker: Option<String>,
}

impl BrokerArgs {
    /// Returns `false`, because [`reject`] accepts no URL.
    pub(crate) fn is_given(&self) -> bool {
        self.broker.is_some()
    }
}

/// Returns at once.
///
/// # Errors
/// Never fails. The signature is that of a build with brokers.
pub(crate) async fn attach(
    _: Hub,
    _: BrokerArgs,
    _: oneshot::Sender<()>,
) -> Result<(), BrokerError> {
    Ok(())
}

fn reject(_: &str) -> Result<(), String> {
    Err(NO_BROKERS.to_owned())
}
