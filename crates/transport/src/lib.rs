//! The contract of a transport: **words, not wires**.
//!
//! ```text
//! accept(request)   ─► Accepted { head, words, shape }      is this mine, and what is the answer's head
//! words.render(events, position) ─► Bytes                   what they look like on my wire
//! ear.hear(bytes)   ─► Said                                  what the client said
//! ```
//!
//! A [`Transport`] does no I/O: it owns no timer, no policy, no history, no list of clients and no socket.
//! So it is a page or two, it is tested without a network, and the same code serves both movers of bytes:
//! the lanes of `tidings-server`, and [`mount`] in somebody's own server.
//!
//! With the feature `client`, the module `client` is the contract of the other half: connect, and what arrives
//! as a stream.

#[cfg(feature = "client")]
pub mod client;
mod contract;
mod envelope;
mod fitted;
mod hosts;
pub mod mount;
mod negotiate;
mod origin;
mod refusal;
mod request;

pub use contract::{Accepted, Ear, Inbound, Said, Shape, Transport, Words, concatenated};
pub use envelope::{ENVELOPE, Envelope, base64_of, gap_json};
pub use fitted::fitted;
pub use hosts::Hosts;
pub use negotiate::prefers;
pub use origin::{OriginCheck, Origins};
pub use refusal::Refusal;
pub use request::{Ask, lists, path_segment, query};
