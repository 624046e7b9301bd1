//! The wire of each transport: what a client sends, and how it finds the stamps in what it receives.
//!
//! A reader takes the bytes of one read, wherever the reads cut them, and returns how many it has used. The rest
//! comes again in front of the next read.

pub(crate) mod http;
pub(crate) mod long_polling;
pub(crate) mod nats;
pub(crate) mod redis;
pub(crate) mod websocket;
