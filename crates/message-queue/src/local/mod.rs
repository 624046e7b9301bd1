//! Message queues of one's own on this machine, for tests, examples and measurements.
//!
//! Each has a directory and a free port of its own, so that any number run side by side, and goes away
//! when it is dropped.
//!
//! ```no_run
//! use tidings_message_queue::local::{LocalConfig, LocalNats};
//!
//! # async fn example() -> Result<(), tidings_message_queue::local::LocalError> {
//! let mut nats = LocalNats::start(LocalConfig::default()).await?;
//! println!("{} is process {:?}", nats.url(), nats.pid());
//! nats.kill().await?;
//! nats.start_again().await?; // with the same port and what it had stored
//! # Ok(())
//! # }
//! ```

mod cluster;
mod config;
mod error;
mod nats;
mod process;
mod redis;

pub use cluster::LocalNatsCluster;
pub use config::LocalConfig;
pub use error::LocalError;
pub use nats::LocalNats;
pub use redis::LocalRedis;
