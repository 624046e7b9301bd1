//! The server of tidings. It serves one notification stream by every realtime transport, over HTTP/1.1 and HTTP/2,
//! with or without TLS.
//!
//! ```text
//! listener ─► worker threads ─► the worker's lane ─► a whole request ─► routes ─┬─ publish ─► Hub
//!                                      │                                        └─ subscribe ─► the lane
//!                                      └─ anything else ─► hyper, or h2 for HTTP/2 ─► routes
//! ```
//!
//! A lane is the connections of one worker thread, and what serves them. It needs no task for each client.
//!
//! A [`Server`] is configured, bound and served. An [`HttpService`] serves the same requests in another HTTP server.
//! [`transports`] lists the transports.
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

// Code that only lanes use is compiled on every system.
#![cfg_attr(not(lane), allow(dead_code, unused_variables))]

mod bound;
mod config;
mod connection_limit;
mod cors;
mod general;
mod handover;
mod http_service;
#[cfg_attr(not(lane), path = "no_lane.rs")]
mod lane;
mod lanes;
mod listener;
mod metrics;
mod pages;
mod peer_end;
#[cfg_attr(not(feature = "webtransport"), path = "no_quic.rs")]
mod quic;
mod readiness;
mod request;
mod resource;
mod response;
mod routes;
mod run;
mod serve_by;
mod server;
mod service;
mod shared;
#[cfg(unix)]
mod socket_file;
mod tally;
mod tls;
mod transports;
mod worker;

pub use bound::Listener;
pub use config::Config;
pub use http_service::HttpService;
pub use lanes::Lanes;
pub use pages::clock;
/// The TLS library, for the types of [`Tls`].
pub use rustls;
#[doc(hidden)]
pub use serve_by::ServeBy;
pub use server::{Builder, Handle, Server};
pub use tidings_transport::{
    Action, Authorize, Authorizer, HandleMessage, Hosts, ListenerKind, Message, MessageSender,
    OnMessage, Origins,
};
pub use tls::Tls;
pub use transports::{Listed, transports};
