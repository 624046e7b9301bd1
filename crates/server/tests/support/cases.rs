//! The cases of a scenario: every transport by every mover, and selections of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_core::HubConfig;
use tidings_server::{Listed, transports};
use tidings_transport::{Shape, SubscribeRequest};

use super::mover::{Setup, Way};
use super::raw::subscribe_request;
use super::{Broker, Brokers, Mover, PATIENCE, Running, in_time};

/// A transport and a mover.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) listed: Listed,
    pub(crate) mover: Mover,
}

/// The movers of our server. Lanes and the general path read what only the broker has in different ways, so both have a
/// broker. There are no lanes on some systems.
pub(crate) const MOVERS: &[Mover] = if cfg!(lane) {
    &[
        Mover::LANE,
        Mover::PLAIN_LANE,
        Mover::STREAM,
        Mover::LANE.over(Broker::Nats),
        Mover::STREAM.over(Broker::Redis),
    ]
} else {
    &[Mover::STREAM, Mover::STREAM.over(Broker::Nats), Mover::STREAM.over(Broker::Redis)]
};

/// Our server over TLS.
const TLS: &[Way] = if cfg!(lane) { &[Way::TlsLane, Way::TlsStream] } else { &[Way::TlsStream] };

/// Our server with compression. The forwarder checks that what the server sends can be decoded.
const COMPRESSED: &[Way] = if cfg!(lane) {
    &[Way::CompressedLane, Way::CompressedStream]
} else {
    &[Way::CompressedStream]
};

/// The service of our server in a server that is not ours, and our server over HTTP/2. They have every resource, but
/// the connections of the clients are those of another server, or of the bridge.
const OTHERS: &[Way] = &[Way::Service, Way::Http2];

/// Mounts in servers that are not ours, for scenarios that need only topics.
const MOUNTS: &[Way] = &[Way::Axum, Way::AxumToLanes, Way::Hyper];

/// The hubs of WebTransport, which is one transport by one way.
const SESSIONS: [Mover; 3] =
    [Mover::SESSION, Mover::SESSION.over(Broker::Nats), Mover::SESSION.over(Broker::Redis)];

/// The transports of every server with default settings. [`Mover::SESSION`] has one more.
pub(crate) fn all_listed() -> Vec<Listed> {
    transports().into_iter().filter(|listed| !is_session(listed)).collect()
}

/// WebTransport needs a listener with TLS, and HTTP/3.
pub(super) fn is_session(listed: &Listed) -> bool {
    listed.server.name() == "webtransport"
}

/// The cases of WebTransport, if it is compiled.
fn sessions() -> Vec<Case> {
    SESSIONS.into_iter().flat_map(cases_of).collect()
}

/// WebTransport for [`Mover::SESSION`], if it is compiled, and all other transports for any other mover.
pub(crate) fn cases_of(mover: Mover) -> Vec<Case> {
    let by_session = mover.way == Way::Session;
    let listed = transports().into_iter().filter(|listed| is_session(listed) == by_session);
    listed.map(|listed| Case { listed, mover }).collect()
}

/// Every transport by these ways, each pair once: over NATS, over Redis and without a broker in turn. So a way is
/// played with each broker, but not with each broker for each transport, because a hub reads a broker in the same way
/// for all of them.
fn in_turn(ways: &[Way]) -> Vec<Case> {
    let cases = |way: Way| {
        let cases = cases_of(Mover::of(way)).into_iter().enumerate();
        cases.map(move |(index, case)| Case { mover: way.in_turn(index), ..case })
    };
    ways.iter().copied().flat_map(cases).collect()
}

fn on_our_connections() -> Vec<Case> {
    let movers = MOVERS.iter().copied().filter(|mover| mover.way != Way::PlainLane);
    let plain: &[Way] = if cfg!(lane) { &[Way::PlainLane] } else { &[] };
    movers
        .flat_map(cases_of)
        .chain(in_turn(&[plain, TLS, COMPRESSED].concat()))
        .chain(sessions())
        .collect()
}

/// Every transport by every mover besides the mounts.
fn cases() -> Vec<Case> {
    [on_our_connections(), in_turn(OTHERS)].concat()
}

fn on_our_connections_without_broker() -> Vec<Case> {
    let further = TLS.iter().chain(COMPRESSED).copied().map(Mover::of);
    let movers = MOVERS.iter().copied().chain(further).flat_map(cases_of).chain(sessions());
    movers.filter(|case| case.mover.broker.is_none()).collect()
}

/// Every transport by every way besides the mounts, without a broker.
pub(crate) fn cases_without_broker() -> Vec<Case> {
    let others = OTHERS.iter().copied().map(Mover::of).flat_map(cases_of);
    on_our_connections_without_broker().into_iter().chain(others).collect()
}

/// Plays a scenario for every transport by every mover. Panics at the end with the cases for which it failed.
pub(crate) fn every(scenario: impl AsyncFn(&Case)) {
    among(&cases(), &scenario);
}

/// Plays a scenario for every transport by every mover without TLS.
pub(crate) fn every_without_tls(scenario: impl AsyncFn(&Case)) {
    let cases = cases().into_iter().filter(|case| !case.mover.is_tls());
    among(&cases.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that is about connections for every transport by every mover of our server.
pub(crate) fn every_on_our_connections(scenario: impl AsyncFn(&Case)) {
    among(&on_our_connections(), &scenario);
}

/// Plays a scenario that needs only topics, for every transport by every mover, including mounts in servers that are
/// not ours.
pub(crate) fn every_also_mounted(scenario: impl AsyncFn(&Case)) {
    // Only upgraded connections are handed over to lanes.
    let differs =
        |case: &Case| case.shape() == Shape::Upgrade || case.mover.way != Way::AxumToLanes;
    let mounted = in_turn(MOUNTS).into_iter().filter(differs);
    among(&cases().into_iter().chain(mounted).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that is about connections for every transport by the movers of our server that have no
/// broker, if a broker has no part in it.
pub(crate) fn every_without_broker(scenario: impl AsyncFn(&Case)) {
    among(&on_our_connections_without_broker(), &scenario);
}

/// Plays a scenario for the cases whose response has a shape that fits.
pub(crate) fn every_shaped(fits: impl Fn(Shape) -> bool, scenario: impl AsyncFn(&Case)) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| fits(case.shape())).collect();
    among(&cases, &scenario);
}

/// Plays a scenario about frames for WebSocket by every mover. A session of WebTransport has no frames: QUIC
/// acknowledges packets, and each message is a stream.
pub(crate) fn every_websocket(scenario: impl AsyncFn(&Case)) {
    among(&cases().into_iter().filter(Case::is_bare).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario about several requests on one connection for every transport by every mover. A session of
/// WebTransport has a connection to itself.
pub(crate) fn every_pipelining(scenario: impl AsyncFn(&Case)) {
    let fits = |case: &Case| !case.is_session();
    among(&cases().into_iter().filter(fits).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario for the polling transports, by the movers that have no broker.
pub(crate) fn every_poll_without_broker(scenario: impl AsyncFn(&Case)) {
    let cases = cases_without_broker().into_iter().filter(Case::polls);
    among(&cases.collect::<Vec<_>>(), &scenario);
}

/// Our own movers, those over TLS, one with compression, and one for each of these ways, for scenarios that do not
/// depend on the transport. Such a scenario has little that is compressed.
fn movers(others: &[Way]) -> Vec<Mover> {
    let others = TLS.iter().chain(&COMPRESSED[..1]).chain(others).map(|way| way.in_turn(0));
    MOVERS.iter().copied().chain(others).collect()
}

/// Plays a scenario that does not depend on the transport, by every mover.
pub(crate) fn every_mover(scenario: impl AsyncFn(Mover)) {
    among_movers(&movers(OTHERS), &scenario);
}

/// Plays a scenario about the headers `Upgrade` and `Connection` by the movers whose clients read them as the server
/// sends them. HTTP/2 and HTTP/3 do not have them.
pub(crate) fn every_mover_over_http1(scenario: impl AsyncFn(Mover)) {
    among_movers(&movers(&[Way::Service]), &scenario);
}

/// Plays a scenario that does not depend on the transport, by every mover without TLS.
pub(crate) fn every_mover_without_tls(scenario: impl AsyncFn(Mover)) {
    let movers = movers(OTHERS).into_iter().filter(|mover| !mover.is_tls());
    among_movers(&movers.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario about connections that does not depend on the transport, by every mover of our server.
pub(crate) fn every_mover_on_our_connections(scenario: impl AsyncFn(Mover)) {
    among_movers(&movers(&[]), &scenario);
}

/// Plays a scenario about connections that does not depend on the transport, by the movers of our server that
/// have no broker and no TLS.
pub(crate) fn every_mover_without_broker(scenario: impl AsyncFn(Mover)) {
    let movers = MOVERS.iter().copied().filter(|mover| mover.broker.is_none());
    among_movers(&movers.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that does not depend on the transport and needs only topics, by every mover, including mounts in
/// servers that are not ours.
pub(crate) fn every_mover_also_mounted(scenario: impl AsyncFn(Mover)) {
    among_movers(&movers(&[OTHERS, MOUNTS].concat()), &scenario);
}

/// Plays a scenario about connections that does not depend on the transport, by every mover of our server, and by
/// sessions of WebTransport if they are compiled.
pub(crate) fn every_mover_and_session(scenario: impl AsyncFn(Mover)) {
    let session = cases_of(Mover::SESSION).into_iter().map(|case| case.mover);
    among_movers(&movers(&[]).into_iter().chain(session).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario about messages of clients, by WebSocket and by WebTransport if it is compiled, by every mover,
/// including mounts in servers that are not ours.
pub(crate) fn every_mover_with_messages(scenario: impl AsyncFn(Mover)) {
    let movers = movers(&[OTHERS, MOUNTS].concat()).into_iter();
    // A broker has no part in how a session is read, and QUIC is slow in a test build.
    let sessions = sessions().into_iter().map(|case| case.mover);
    let sessions = sessions.filter(|mover| mover.broker != Some(Broker::Redis));
    among_movers(&movers.chain(sessions).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario by these movers. The transport of the case is the first that the mover has.
fn among_movers(movers: &[Mover], scenario: &impl AsyncFn(Mover)) {
    let case = |&mover| cases_of(mover).swap_remove(0);
    let cases: Vec<_> = movers.iter().map(case).collect();
    among(&cases, &async |case: &Case| scenario(case.mover).await);
}

/// Plays a scenario about compression for every transport by lanes and by the general path.
pub(crate) fn every_compressed(scenario: impl AsyncFn(&Case)) {
    among(&in_turn(COMPRESSED), &scenario);
}

/// The same for the transports whose connections stay open.
pub(crate) fn every_compressed_stream(scenario: impl AsyncFn(&Case)) {
    let cases = in_turn(COMPRESSED).into_iter().filter(|case| !case.polls());
    among(&cases.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario for these cases. Panics at the end with the cases for which it failed.
pub(crate) fn among(cases: &[Case], scenario: &impl AsyncFn(&Case)) {
    assert!(!cases.is_empty(), "there is no case for this scenario");
    let _brokers = Brokers::started();
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| {
            eprintln!("-- {}", case.name());
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let played = AssertUnwindSafe(|| runtime.block_on(in_time(scenario(case))));
            let has_failed = catch_unwind(played).is_err();
            // Dropping the runtime would wait without a limit for the threads of a server that has not ended.
            runtime.shutdown_timeout(PATIENCE);
            has_failed
        })
        .map(Case::name)
        .collect();
    assert!(failed.is_empty(), "it failed for {}; the panics are above", failed.join(", "));
}

impl Case {
    pub(crate) fn name(&self) -> String {
        format!("{} by the {:?}", self.transport(), self.mover)
    }

    pub(crate) fn transport(&self) -> &'static str {
        self.listed.server.name()
    }

    /// A configuration for this mover, with a short drain.
    pub(crate) async fn config(&self, hub: HubConfig) -> Setup {
        self.mover.config(hub).await
    }

    /// Starts a server whose hub has the defaults.
    pub(crate) async fn hub(&self) -> Running {
        Running::start(self.config(HubConfig::default()).await).await
    }

    /// A request that this transport accepts. It has the headers that any of the transports requires.
    pub(crate) fn request(&self, filters: &str, query: &str) -> String {
        self.request_with(filters, query, "")
    }

    /// The same with these further lines in its head.
    pub(crate) fn request_with(&self, filters: &str, query: &str, lines: &str) -> String {
        let filters = format!("{filters}?transport={}{query}", self.transport());
        subscribe_request(&filters, lines)
    }

    pub(crate) fn shape(&self) -> Shape {
        if self.is_session() {
            return Shape::Upgrade;
        }
        let request = http::Request::get("/topics/t?after=earliest")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(());
        let request = request.unwrap().into_parts().0;
        let subscribe = SubscribeRequest::read("t", &request).unwrap();
        self.listed.server.accept(&request, &subscribe).unwrap().shape
    }

    pub(crate) fn is_session(&self) -> bool {
        is_session(&self.listed)
    }

    /// Whether the client of [`subscribe`](Self::subscribe) is sent payloads only, without ids and gaps, as a WebSocket
    /// without a subprotocol is.
    pub(crate) fn is_bare(&self) -> bool {
        self.shape() == Shape::Upgrade && !self.is_session()
    }

    /// Whether the forwarder of compression reads a whole message or answer from the server before its client reads
    /// any of it. So a client that reads nothing does not stall the server.
    pub(crate) fn is_read_whole(&self) -> bool {
        self.mover.is_compressed() && self.shape() != Shape::Stream
    }

    /// A client that polls has a seat only during a request.
    pub(crate) fn polls(&self) -> bool {
        matches!(self.shape(), Shape::Answer { .. })
    }
}
