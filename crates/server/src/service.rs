//! The contract between what reads requests and what answers them.

use bytes::Bytes;
use http::request::Parts;

use crate::answer::Answer;

/// Answers requests. A lane calls it for each whole request.
pub(crate) trait Service {
    /// Answers a request with this body. Does not block.
    fn call(&self, request: &Parts, body: Bytes) -> Answer;

    /// Returns the whole response to a connection for which there is no room, and whose request is not read.
    fn no_room(&self) -> Bytes;
}
