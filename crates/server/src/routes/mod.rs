//! The resources of the server, and the answers to requests for them.

mod publish;
mod reject;
mod rejections;
mod route;
mod streamed;
mod subscribe;

use bytes::Bytes;
use http::request::Parts;

pub(crate) use self::reject::{no_room, reject};
pub(crate) use self::streamed::{Streamed, answer_streamed};
use crate::answer::Answer;
use crate::shared::Shared;

/// Answers a request with this body. Does not block.
pub(crate) fn call(request: &Parts, body: Bytes, shared: &Shared) -> Answer {
    route::finish(route::answer(request, body, shared), request, shared)
}
