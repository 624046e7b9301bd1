//! Brokers that several hubs share: NATS JetStream and Redis Streams.
//!
//! Each implements [`Broker`](tidings_core::broker::Broker). The broker stores the notifications in one of its streams
//! and numbers them. That number is the sequence number of each id, so clients of any hub on a stream receive the same
//! notifications with the same ids, and can continue on another hub.
//!
//! ```no_run
//! use tidings_core::Notification;
//! use tidings_message_queue::{BrokerConfig, connect};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = connect("nats://127.0.0.1:4222?stream=tidings", BrokerConfig::default()).await?;
//! let id = broker.publish(Notification::text("orders.new".parse()?, "seven teapots"), None).await?;
//! println!("stored as {id}");
//! # Ok(())
//! # }
//! ```

mod address;
mod connect;
mod fault;
mod keep;
mod key;
mod login;
pub mod nats;
mod overlap;
pub mod redis;
mod replay;
mod seen;
mod stored;

pub use address::{Server, Tls};
pub use connect::{BrokerConfig, check, connect};
pub use keep::Keep;
pub use login::{Login, Secret};
