//! The resources of the server, and the answers to requests for them.

mod publish;
mod redirect;
mod reject;
mod rejections;
mod route;
mod streamed;
mod subscribe;

pub(crate) use self::reject::{no_room, reject};
pub(crate) use self::route::Routes;
pub(crate) use self::streamed::{BoxError, Streamed, answer_streamed};
