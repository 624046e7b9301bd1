//! Tidings by server-sent events (the HTML standard, section 9.2): the server's encoder and the client.
//!
//! A stream is one endless `200` answer. Each notification is an event with its id, so that a browser's
//! `EventSource` resumes by itself; heartbeats are comments; gaps and goodbyes are events of those names.
//!
//! [`Sse`] is the server half, [`SseClient`] the client half, and [`Parser`] reads any event stream.

mod accept;
#[cfg(feature = "client")]
mod client;
mod encoder;
mod field;
mod parser;
mod rejection;

pub use accept::{Sse, SseConfig};
#[cfg(feature = "client")]
pub use client::SseClient;
pub use parser::{Event, Item, MAX_EVENT_BYTES, Parser, TooLong};
