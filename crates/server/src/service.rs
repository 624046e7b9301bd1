//! The contract between what reads requests and what answers them.

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use tidings_transport::ListenerKind;

use crate::answer::Answer;
use crate::request::Whole;

/// Answers requests. A lane calls it for each whole request.
pub(crate) trait Service {
    /// Answers a request that has come in through a listener of this kind. The future does not block. It is ready at once
    /// unless it waits for a broker or for the application's authorizer.
    fn call(&self, whole: Box<Whole>, listener: ListenerKind) -> LocalBoxFuture<'static, Answer>;

    /// Returns the whole response to a connection for which there is no room, and whose request is not read.
    fn no_room(&self) -> Bytes;
}
