//! Support for the tests of the server: a server in this process, clients over real sockets, and one loop that plays a
//! scenario for every transport by every mover.
#![allow(dead_code, unused_imports, reason = "each test crate uses its own part of this")]
#![allow(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]

mod bridge;
mod brokers;
mod cases;
mod compressed;
mod flood;
mod follower;
mod forwarder;
mod inflate;
mod message_client;
mod miniz;
mod mounts;
mod mover;
mod peer;
#[cfg(feature = "webtransport")]
mod quic;
mod raw;
mod running;
mod sessions;
mod tls;

use std::time::Duration;

use tokio::time::timeout;

pub(crate) use self::bridge::{Sender, connect, empty};
pub(crate) use self::brokers::{Broker, Brokers, hub_at};
pub(crate) use self::cases::{
    Case, MOVERS, all_listed, among, cases_of, cases_without_broker, every, every_also_mounted,
    every_compressed, every_compressed_stream, every_mover, every_mover_also_mounted,
    every_mover_and_session, every_mover_on_our_connections, every_mover_over_http1,
    every_mover_with_messages, every_mover_without_broker, every_mover_without_tls,
    every_on_our_connections, every_pipelining, every_poll_without_broker, every_shaped,
    every_websocket, every_without_broker, every_without_tls,
};
pub(crate) use self::compressed::{Accepts, Reader, subscribe};
pub(crate) use self::flood::{FILLING, NUMBER, PAYLOAD, flood, gaps};
pub(crate) use self::follower::Follower;
pub(crate) use self::inflate::{Failure, Frames, Gunzip, forward as forward_inflated};
pub(crate) use self::message_client::{Got, MessageClient};
pub(crate) use self::miniz::Inflate;
pub(crate) use self::mover::{Mover, Setup};
pub(crate) use self::peer::Peer;
#[cfg(feature = "webtransport")]
pub(crate) use self::quic::{closed, open_session};
pub(crate) use self::raw::{Answer, Raw, masked, subscribe_request};
pub(crate) use self::running::Running;
pub(crate) use self::sessions::{Sessions, trusting};
pub(crate) use self::tls::{Certificate, VERSIONS, client_that_trusts, connect_tls};

/// How long a test waits for an event before it fails. It must hold on a machine that is many times slower. An event
/// that arrives sooner is not waited for any longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a whole scenario may take before it fails. A scenario that waits for something that never comes would
/// keep the tests from ending, because heartbeats go on arriving.
const SCENARIO: Duration = Duration::from_secs(5 * PATIENCE.as_secs());

/// Runs a scenario with the time limit [`SCENARIO`].
pub(crate) async fn in_time<T>(scenario: impl Future<Output = T>) -> T {
    timeout(SCENARIO, scenario)
        .await
        .unwrap_or_else(|_| panic!("the scenario has not ended within {SCENARIO:?}"))
}

/// Waits until `is_so` returns `true`, by calling it every 2 ms.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    let looking = async {
        while !is_so().await {
            looks.tick().await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
