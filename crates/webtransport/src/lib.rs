//! The WebTransport transport of tidings, over HTTP/3 (draft-ietf-webtrans-http3). **Experimental**: the standard is a
//! draft, and browsers implement different versions of it.
//!
//! ```text
//! accept   the request of a session
//! encoder  events ─► lines of JSON, on one stream of the server
//! decoder  a stream of the client ─► one message
//! close    a goodbye or a rejection ─► the code and the reason of the session's end
//! ```
//!
//! A session is one client. The server opens one unidirectional stream, on which each line is a JSON text as in the
//! WebSocket subprotocol `tidings.v1`. Each unidirectional stream of the client is one message.
//!
//! [`WebTransport`] is the server half, and `WebTransportClient` is the client half. The server half does not listen.
//! QUIC has encryption, loss recovery and timers, so `tidings-server` owns the sockets and the sessions.

mod accept;
#[cfg(feature = "client")]
mod client;
mod close;
mod decoder;
mod encoder;

pub use accept::{NAME, WebTransport, WebTransportConfig};
#[cfg(feature = "client")]
pub use client::WebTransportClient;
pub use close::Close;
