//! One notification stream over every realtime transport.
//!
//! This crate re-exports the others. [`core`] has the [`Hub`], and [`transport`] what all transports share. The others
//! each have a feature:
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `server` | the server, with every transport | yes |
//! | `websocket`, `sse`, `long-polling` | one transport, to mount in your own server | with `server` |
//! | `axum` | a router and an extractor for an axum application: begin with [`axum::Mount`] | no |
//! | `http2` | WebSockets over HTTP/2 in your own server of hyper or axum; `server` includes those in hyper | no |
//! | `brokers` | NATS JetStream and Redis Streams as brokers for many servers | no |
//! | `client` | the clients of the transports | no |
//! | `webtransport` | WebTransport, experimental: see [`webtransport`] | no |
//! | `tls` | `https` and `wss` in the clients; the server has TLS without it | no |
//!
//! `docs/getting-started.md` of the repository is a guide. A program can also subscribe itself:
//!
//! ```
//! use tidings::{Event, Hub, Notification};
//! use tidings::core::Interest;
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

#[doc(inline)]
pub use tidings_core::{
    Event, Filters, Gap, Hub, HubConfig, Id, Notification, Position, Source, Topic,
};

#[cfg(feature = "axum")]
pub use tidings_axum as axum;
pub use tidings_core as core;
#[cfg(feature = "long-polling")]
pub use tidings_long_polling as long_polling;
#[cfg(feature = "brokers")]
pub use tidings_message_queue as message_queue;
#[cfg(feature = "server")]
pub use tidings_server as server;
#[cfg(feature = "sse")]
pub use tidings_sse as sse;
pub use tidings_transport as transport;
#[cfg(feature = "websocket")]
pub use tidings_websocket as websocket;
#[cfg(feature = "webtransport")]
pub use tidings_webtransport as webtransport;

/// Compiles the Rust code of the README.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Compiles the Rust code of the guide.
#[cfg(all(doctest, feature = "axum", feature = "brokers", feature = "server"))]
#[doc = include_str!("../../../docs/getting-started.md")]
struct GettingStarted;
