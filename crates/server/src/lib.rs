//! The server of tidings: one notification stream by every realtime transport, over HTTP/1.1.
//!
//! ```text
//! listener ─► worker threads ─► the worker's lane ─► a whole request ─► routes ─┬─ publish ─► Hub
//!                                      │                                        └─ subscribe ─► the lane
//!                                      └─ anything else ─► hyper ─► routes
//! ```
//!
//! A [`Server`] is configured, bound and served. [`transports`] is the list of transports.
//!
//! ```
//! use tidings_core::Hub;
//! use tidings_server::Server;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let a_signal = async {};
//! Server::builder(Hub::default()).bind("127.0.0.1:0").await?.serve(a_signal).await?;
//! # Ok(())
//! # }
//! ```

// What only a lane uses is compiled on every system.
#![cfg_attr(not(lane), allow(dead_code, unused_variables))]

mod answer;
mod config;
mod connection_limit;
mod cors;
mod general;
mod handover;
#[cfg_attr(not(lane), path = "no_lane.rs")]
mod lane;
mod listener;
mod metrics;
mod pages;
mod readiness;
mod request;
mod resource;
mod routes;
mod run;
mod server;
mod service;
mod shared;
mod tally;
mod transports;
mod worker;

pub use config::Config;
pub use pages::clock;
pub use server::{Builder, Handle, Server};
pub use tidings_transport::{
    Action, Authorize, Authorizer, HandleMessage, Hosts, Message, MessageSender, OnMessage, Origins,
};
pub use transports::{Listed, transports};
