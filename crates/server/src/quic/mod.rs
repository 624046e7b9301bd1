//! The driver of WebTransport: a QUIC endpoint at the address of each listener with TLS, and a task for each session.
//!
//! ```text
//! UDP socket ─► endpoint ─► handshake ─► the request of a session ─► Mount::accept ─► a subscriber
//!                                                                                       │
//! lines of JSON ◄─ one stream ◄─ Client::converse_in_messages ◄─ streams of the client ─┘
//! ```
//!
//! It runs in the runtime that polls [`Server::serve`](crate::Server::serve), and not in the worker threads, so that
//! encryption and loss recovery do not delay the lanes.

mod endpoint;
mod inbound;
mod listener;
mod offer;
mod session;

pub(crate) use endpoint::serve;
pub(crate) use listener::Listener;
pub(crate) use offer::Offer;
