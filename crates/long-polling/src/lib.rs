//! The long-polling transport of tidings.
//!
//! A poll names the position after which it reads. If notifications after it are in the log, the response has them and
//! is sent at once. Otherwise the request is held until the first notification is published or the hold time is over.
//! The response contains the position for the next poll, so no notification is lost between two polls.
//!
//! [`LongPolling`] is the server half, and [`LongPollingClient`] is the client half.

mod accept;
#[cfg(feature = "client")]
mod client;
mod encoder;

pub use accept::LongPolling;
#[cfg(feature = "client")]
pub use client::LongPollingClient;
