//! Why a connection has ended.

use std::{fmt, io};

#[derive(Debug)]
pub(crate) enum Gone {
    /// The server closed it.
    Closed,
    /// The server responded with this HTTP status.
    Rejected(u16),
    /// The server reported an error.
    Error(String),
    /// What the server sent does not follow the protocol.
    Invalid(&'static str),
    /// The socket failed.
    Broken(io::Error),
}

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Rejected(status) => write!(f, "the server responded with {status}"),
            Self::Error(error) => write!(f, "the server reported {error}"),
            Self::Invalid(problem) => f.write_str(problem),
            Self::Broken(error) => error.fmt(f),
        }
    }
}
