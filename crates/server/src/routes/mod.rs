//! The resources of the server, and the responses to requests for them.

mod publish;
mod redirect;
mod reject;
mod rejections;
mod route;
#[cfg(feature = "webtransport")]
mod session;
mod streamed;
mod subscribe;

pub(crate) use self::reject::{no_room, reject};
pub(crate) use self::route::Routes;
#[cfg(feature = "webtransport")]
pub(crate) use self::session::open_session;
pub(crate) use self::streamed::{BoxError, Streamed, route_streamed};
