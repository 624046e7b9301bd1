//! The SSE transport of tidings: server-sent events (HTML standard, section 9.2).
//!
//! A stream is a `200` response without end. Each notification is an event with its id, so a browser's `EventSource`
//! resumes without further code. Heartbeats are comments. Gaps and goodbyes are events named `gap` and `goodbye`.
//!
//! [`Sse`] is the server half, [`SseClient`] is the client half, and [`Parser`] parses any event stream.

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
