//! The interface between lanes, which read requests, and the routes, which respond to them.

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use crate::listener::ListenerRef;
use crate::request::Whole;
use crate::response::Routed;

/// Responds to requests. A lane calls it for each whole request.
pub(crate) trait Service {
    /// Responds to a request that came in through this listener. The future does not block. It is ready at
    /// the first poll unless it waits for a broker or for the application's authorizer.
    fn call(&self, whole: Box<Whole>, listener: ListenerRef) -> LocalBoxFuture<'static, Routed>;

    /// The response to a connection for which there is no room, and whose request is not read.
    fn no_room(&self) -> Bytes;
}
