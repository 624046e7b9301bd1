//! NATS JetStream, from server 2.9 on.
//!
//! A topic is a subject below the name of the stream (`tidings.orders.new`). A binary payload has the header
//! `Content-Type: application/octet-stream`. The sequence number of an id is that of the stream. The headers of a
//! notification are headers of the message, as the table in `docs/protocol.md` shows.
//!
//! ```no_run
//! use tidings_core::Notification;
//! use tidings_core::broker::Broker;
//! use tidings_message_queue::nats::{Nats, NatsConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let nats = Nats::connect(NatsConfig::from_url("nats://127.0.0.1:4222?stream=tidings")?).await?;
//! let id = nats.publish(Notification::text("orders.new".parse()?, "seven teapots"), None).await?;
//! println!("stored as {id}");
//! # Ok(())
//! # }
//! ```

mod api;
mod broker;
mod config;
mod connection;
mod doubts;
mod epoch;
mod events;
mod fault;
mod link;
pub(crate) mod login;
mod look;
mod message;
mod publish;
mod pull;
mod replay;
mod stream;
mod tail;

pub use broker::Nats;
pub use config::NatsConfig;
