//! Redis Streams, from Redis 7 on; any server that speaks the same, such as Valkey, will do.
//!
//! One stream holds all topics: `{NAME}:log`, whose entries are numbered by us, `SEQ-0`. Beside it,
//! `{NAME}:meta` has the epoch and the sequence, and `{NAME}:key:KEY` the keys of the last two minutes. A
//! script does what must be done at once. Braces keep them together on one node of a Redis Cluster.
//!
//! What Redis has acknowledged is as safe as its append-only file: with `appendfsync everysec`, a crash of the
//! machine takes the last second. That is noticed, and the stream has a new epoch.
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
