//! The reason for the end of a connection.

use std::io;

use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Gone {
    #[error("the server closed the connection")]
    Closed,
    #[error("the server responded with {0}")]
    Rejected(u16),
    #[error("the server reported {0}")]
    Error(String),
    /// The server has violated the protocol.
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Broken(#[from] io::Error),
}
