//! The general path: hyper reads the requests, and the stream adapters of a transport serve its clients.
//!
//! A connection is a task. With lanes a connection comes here for one request that is not plain, and goes back to
//! its lane with the answer or as a client. Without lanes it is here from its beginning to its end.

mod accept;
mod closing;
mod connection;
mod context;
mod exchange;
mod observer;
mod socket;
mod stream;
mod subscription;

pub(crate) use self::accept::{accept_all, closed};
pub(crate) use self::connection::take_over;
pub(crate) use self::context::Context;
