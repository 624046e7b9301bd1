//! The general path: hyper reads the requests, and the stream adapters of a transport serve its clients.
//!
//! Each connection is a task. If the server has lanes, a connection is handed over to this path for one request that is
//! not plain. The lane takes it over again after the response, or with the subscriber. Without lanes this path serves a
//! connection from its beginning to its end.

mod accept;
mod closing;
mod connection;
mod context;
mod exchange;
mod http2;
mod observer;
mod secured;
mod socket;
mod stream;
pub(crate) mod subscription;

pub(crate) use self::accept::{accept_all, closed};
pub(crate) use self::connection::take_over;
pub(crate) use self::context::Context;
