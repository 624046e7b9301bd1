//! Local brokers for tests, examples and measurements: `nats-server` and `redis-server`, started from the search
//! path. [`TestProgram`] runs any other program for a test, and [`scripted`] is a server for the tests of a client.
//!
//! Each broker has its own directory and a free port, so that any number can run at the same time. Dropping its
//! handle ends the broker and removes the directory.
//!
//! ```no_run
//! use tidings_testkit::{LocalConfig, LocalNats};
//!
//! # async fn example() -> Result<(), tidings_testkit::LocalError> {
//! let mut nats = LocalNats::start(LocalConfig::default()).await?;
//! println!("{} is process {:?}", nats.url(), nats.pid());
//! nats.kill().await?;
//! nats.start_again().await?; // with the same port, and with what it has stored
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
mod scripted;

pub use cluster::LocalNatsCluster;
pub use config::LocalConfig;
pub use error::LocalError;
pub use local::Local;
pub use nats::LocalNats;
pub use program::{COMPARE_LIMIT, LIMIT, TestProgram, connect};
pub use redis::LocalRedis;
pub use scripted::{Script, scripted, scripted_until_silent};
