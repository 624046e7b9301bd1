//! Why a comparison could not be carried out.

use thiserror::Error;
use tidings_transport::client::ClientError;

use crate::child::ChildError;
use crate::plan::PlanError;

/// A comparison that came to no report.
///
/// Lost or duplicated notifications are no error of this kind: they are in the report, and
/// [`Report::is_clean`](crate::Report::is_clean) says so.
#[derive(Debug, Error)]
pub enum RunError {
    /// The plan cannot be carried out: the caller's fault.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The hub did not come up.
    #[error(transparent)]
    Hub(#[from] ChildError),
    /// This process may not open as many files as the plan needs sockets.
    #[error(
        "the plan needs {needed} open files and this process may have {limit}: raise the limit \
         (ulimit -n) or compare with fewer clients"
    )]
    OpenFiles {
        /// What the plan needs.
        needed: u64,
        /// What the system allows.
        limit: u64,
    },
    /// A client could not connect.
    #[error("{transport}: client {client} of {clients} could not connect")]
    Connect {
        /// The transport.
        transport: &'static str,
        /// Which client, from 1.
        client: usize,
        /// Of how many.
        clients: usize,
        /// Why.
        source: ClientError,
    },
    /// The hub did not answer a client that connects.
    #[error("{transport}: {clients} clients were not connected within {seconds} s")]
    ConnectTimeout {
        /// The transport.
        transport: &'static str,
        /// How many should have been.
        clients: usize,
        /// How long they had.
        seconds: u64,
    },
    /// A notification could not be published.
    #[error("{transport}: a notification could not be published")]
    Publish {
        /// The transport that was being measured.
        transport: &'static str,
        /// Why.
        source: ClientError,
    },
    /// Not even the first few notifications arrived.
    #[error("{transport}: a first notification did not arrive: {problem}")]
    Rehearsal {
        /// The transport.
        transport: &'static str,
        /// What happened in its place.
        problem: String,
    },
    /// Not one contender's server could be started.
    #[error("nothing could be measured: {problem}")]
    Nothing {
        /// What was missing, in the words of whoever could not start it.
        problem: String,
    },
    /// The run was interrupted before the first measurement was finished.
    #[error("interrupted before the first measurement was finished: there is nothing to report")]
    Interrupted,
    /// The hub's address takes no topic.
    #[error("{url} is no address of a hub: expected one such as http://127.0.0.1:8080")]
    BadUrl {
        /// What was given.
        url: String,
    },
}
