//! Brokers on this machine for tests, examples and measurements: `nats-server` and `redis-server`, started from the
//! search path.
//!
//! Each server has a directory and a free port of its own, so that any number run at the same time. Dropping its
//! handle ends the server and removes the directory.
//!
//! ```no_run
//! use tidings_testkit::{LocalConfig, LocalNats};
//!
//! # async fn example() -> Result<(), tidings_testkit::LocalError> {
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
mod local;
mod nats;
mod process;
mod program;
mod redis;

pub use cluster::LocalNatsCluster;
pub use config::LocalConfig;
pub use error::LocalError;
pub use local::Local;
pub use nats::LocalNats;
pub use program::{LIMIT, TestProgram, connect};
pub use redis::LocalRedis;
