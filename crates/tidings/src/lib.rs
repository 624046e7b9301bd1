//! One notification stream by every realtime transport. This crate is the face of the workspace: it
//! re-exports the others, each transport behind a feature of its name, the whole hub behind `hub`, and
//! the program behind `program`. Embed what you need:
//!
//! ```toml
//! tidings = { version = "0.1", default-features = false, features = ["sse", "websocket"] }
//! ```
//!
//! ```
//! use tidings::core::{Event, Hub, Interest, Notification};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::default();
//! let mut news = hub.subscribe("mine", Interest::new("news.>".parse()?))?;
//! hub.publish(Notification::text("news.local".parse()?, "the fair is open")).await?;
//! assert!(matches!(news.next().await, Some(Event::Deliver(_))));
//! # Ok(())
//! # }
//! ```

pub use tidings_core as core;
#[cfg(feature = "hub")]
pub use tidings_hub as hub;
#[cfg(feature = "long-polling")]
pub use tidings_long_polling as long_polling;
#[cfg(feature = "message-queue")]
pub use tidings_message_queue as message_queue;
#[cfg(feature = "sse")]
pub use tidings_sse as sse;
pub use tidings_transport as transport;
#[cfg(feature = "websocket")]
pub use tidings_websocket as websocket;

/// Compiles the README's Rust, so that it cannot drift.
#[cfg(all(doctest, feature = "hub"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
