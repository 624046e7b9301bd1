//! The general path: hyper reads the requests, and the stream adapters of a transport serve its clients.
//!
//! A connection is a task. With lanes a connection comes here for one request that is not plain, and goes back to
//! its lane with the answer or as a client. Without lanes it is here from its beginning to its end.

mod accept;
mod closing;
mod connection;
mod exchange;
mod observer;
mod socket;
mod subscription;

use tokio_util::task::TaskTracker;

pub(crate) use self::accept::{accept_all, closed};
pub(crate) use self::connection::take_over;
use crate::lane;
use crate::shared::Shared;

/// What the connections of one worker share.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    /// `None` on the general path.
    pub(crate) lane: Option<lane::Handle>,
    pub(crate) tasks: TaskTracker,
}
