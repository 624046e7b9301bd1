//! Compression once for all clients that are sent the same notifications.
//!
//! ```text
//! notification ─► Encoder::plain ─► deflate, with the history of the stream ─► Encoder::compressed ─► one chunk
//!                                                                                                      │
//! a client that is in sync: it was sent each chunk since the last reset        ◄───────────────────────┤
//! any other client: the plain encoding, until a chunk that begins with a reset ◄───────────────────────┘
//! ```
//!
//! A [`CompressedStream`] compresses the notifications for one encoder and one interest, each as one chunk. A chunk
//! refers to the bytes of earlier chunks, so a receiver must have read all of them since the last reset. A reset
//! forgets the history of the stream, so any client can be sent the chunks from there on. What a client is sent until
//! then is valid too: a WebSocket message without the bit RSV1 (RFC 7692, section 6), or stored blocks of deflate (RFC 1951,
//! section 3.2.4).
//!
//! A client has no state for this besides whether it is in sync, and for gzip the checksum of what it was sent.

mod answers;
mod config;
mod context;
mod gzip;
mod registry;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub use config::CompressionConfig;
pub use gzip::GzipBody;
pub use registry::Compressor;
pub use stream::{CompressedStream, Encoded, Place};
pub(crate) use writer::Writer;
pub use writer::is_alive;
