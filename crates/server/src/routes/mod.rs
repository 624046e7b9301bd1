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
use crate::service::Service;
use crate::shared::Shared;

/// Answers requests from what all workers share.
pub(crate) struct Routes(Shared);

impl Routes {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(shared)
    }
}

impl Service for Routes {
    fn call(&self, request: &Parts, body: Bytes) -> Answer {
        route::finish(route::answer(request, body, &self.0), request, &self.0)
    }

    fn no_room(&self) -> Bytes {
        no_room(&self.0)
    }
}
