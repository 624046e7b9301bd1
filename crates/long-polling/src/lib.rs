//! Tidings by long-polling: the server's encoder and the client.
//!
//! A poll says after which position it asks. It is answered at once with all that waits there, or held
//! until the first notification comes or its time is over; the answer brings the position for the next.
//! So nothing falls between two polls.
//!
//! [`LongPolling`] is the server half, [`LongPollingClient`] the client half.

mod accept;
#[cfg(feature = "client")]
mod client;
mod encoder;

pub use accept::LongPolling;
#[cfg(feature = "client")]
pub use client::LongPollingClient;
