//! Tidings by WebSocket (RFC 6455): the encoder and decoder of the server, and the client.
//!
//! ```text
//! accept   the opening handshake; `tidings.v1` or bare payloads
//! encoder  an event ─► frames
//! decoder  a client's frames ─► messages, pings, close
//! message  the payload of data frames ─► whole messages
//! ```
//!
//! Without a subprotocol each notification is one frame with the bare payload, as
//! `new WebSocket(url).onmessage` expects. With `tidings.v1` each frame is one JSON text: a notification
//! with its id, a gap, or a heartbeat that page script can see.
//!
//! [`WebSocket`] is the server half, [`WebSocketClient`] the client half.

mod accept;
#[cfg(feature = "client")]
mod client;
mod decoder;
mod encoder;
mod frame;
mod message;

pub use accept::{SUBPROTOCOL, WebSocket, WebSocketConfig};
#[cfg(feature = "client")]
pub use client::WebSocketClient;
