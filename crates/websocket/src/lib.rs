//! The WebSocket transport of tidings (RFC 6455), with compression (RFC 7692).
//!
//! ```text
//! accept     the opening handshake: `tidings.v1`, or bare payloads
//! extension  the negotiation of `permessage-deflate` in it
//! encoder    events ─► frames
//! decoder    a client's frames ─► messages, pings and the close
//! message    the payloads of data frames ─► whole messages
//! inflate    a compressed message ─► its payload
//! ```
//!
//! Without a subprotocol, each notification is one frame with the bare payload, as `new WebSocket(url).onmessage`
//! expects. With the subprotocol `tidings.v1`, each frame is a JSON text: a notification with its id, a gap, a reply,
//! or a heartbeat that the script of a page can see.
//!
//! [`WebSocket`] is the server half, and [`WebSocketClient`] is the client half.

mod accept;
#[cfg(feature = "client")]
mod client;
mod decoder;
mod encoder;
mod extension;
mod frame;
mod inflate;
mod message;

pub use accept::{SUBPROTOCOL, WebSocket, WebSocketConfig};
#[cfg(feature = "client")]
pub use client::WebSocketClient;
