//! Redis Streams, from Redis 7 on, or a compatible server such as Valkey.
//!
//! One stream, `{NAME}:log`, contains all topics. Its entries have the ids `SEQ-0`, which the hubs assign. The hash
//! `{NAME}:meta` contains the epoch and the sequence, and `{NAME}:key:KEY` are the idempotency keys of the last two
//! minutes. Scripts change several of them atomically. The braces keep them on one node of a Redis Cluster.
//!
//! An acknowledged notification is as durable as the append-only file. With `appendfsync everysec`, a crash of the
//! machine loses those of the last second. The hubs detect this, and the stream gets a new epoch.
//!
//! ```no_run
//! use tidings_core::Notification;
//! use tidings_core::broker::Broker;
//! use tidings_message_queue::redis::{Redis, RedisConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::connect(RedisConfig::from_url("redis://127.0.0.1:6379?stream=tidings")?).await?;
//! let id = redis.publish(Notification::text("orders.new".parse()?, "seven teapots"), None).await?;
//! println!("stored as {id}");
//! # Ok(())
//! # }
//! ```

mod broker;
mod config;
mod connection;
mod doubts;
mod entry;
mod link;
pub(crate) mod login;
mod look;
mod publish;
mod replay;
mod tail;
mod trouble;

pub use broker::Redis;
pub use config::RedisConfig;
