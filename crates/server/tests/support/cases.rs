//! The cases of a scenario: every transport by every mover, and selections of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_core::HubConfig;
use tidings_server::{Listed, transports};
use tidings_transport::{Shape, SubscribeRequest};

use super::mover::{Setup, Way};
use super::{Broker, Brokers, Mover, PATIENCE, Running, in_time};

/// A transport and a mover.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) listed: Listed,
    pub(crate) mover: Mover,
}

/// All movers of our server. There are fewer on systems without lanes.
pub(crate) const MOVERS: &[Mover] = if cfg!(lane) {
    &[
        Mover::LANE,
        Mover::PLAIN_LANE,
        Mover::STREAM,
        Mover::LANE.over(Broker::Nats),
        Mover::STREAM.over(Broker::Nats),
        Mover::LANE.over(Broker::Redis),
    ]
} else {
    &[Mover::STREAM, Mover::STREAM.over(Broker::Nats)]
};

/// The service of our server in a server that is not ours. It has every resource, but not the connections.
const SERVICE: Mover = Mover::of(Way::Service);

/// Our server over TLS. There are no lanes on some systems.
const TLS: &[Mover] = if cfg!(lane) {
    &[Mover::of(Way::TlsLane), Mover::of(Way::TlsStream)]
} else {
    &[Mover::of(Way::TlsStream)]
};

/// Our server over HTTP/2. The connections of the clients are those of the bridge.
const HTTP2: Mover = Mover::of(Way::Http2);

/// Mounts in servers that are not ours, for scenarios that need only topics.
const MOUNTS: &[Mover] =
    &[Mover::of(Way::Axum), Mover::of(Way::AxumToLanes), Mover::of(Way::Hyper)];

/// The transports of every server with default settings. [`Mover::SESSION`] has one more.
pub(crate) fn all_listed() -> Vec<Listed> {
    transports().into_iter().filter(|listed| !is_session(listed)).collect()
}

/// WebTransport needs a listener with TLS, and HTTP/3.
pub(super) fn is_session(listed: &Listed) -> bool {
    listed.server.name() == "webtransport"
}

/// The case of WebTransport, if it is compiled.
fn sessions() -> Vec<Case> {
    let case = |listed| Case { listed, mover: Mover::SESSION };
    transports().into_iter().filter(is_session).map(case).collect()
}

fn cases_of(movers: &[Mover]) -> Vec<Case> {
    let cases = |listed: Listed| {
        movers.iter().map(move |&mover| Case { listed: listed.clone(), mover }).collect::<Vec<_>>()
    };
    all_listed().into_iter().flat_map(cases).collect()
}

/// Every transport by every mover besides the mounts.
pub(crate) fn cases() -> Vec<Case> {
    [cases_of(&[MOVERS, TLS, &[SERVICE, HTTP2]].concat()), sessions()].concat()
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
    among(&[cases_of(MOVERS), sessions()].concat(), &scenario);
}

/// Plays a scenario that needs only topics, for every transport by every mover, including mounts in servers that are
/// not ours.
pub(crate) fn every_also_mounted(scenario: impl AsyncFn(&Case)) {
    // Only upgraded connections are handed over to lanes.
    let differs =
        |case: &Case| case.shape() == Shape::Upgrade || case.mover.way != Way::AxumToLanes;
    let mounted = cases_of(MOUNTS).into_iter().filter(differs);
    among(&cases().into_iter().chain(mounted).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that is about connections for every transport by the movers of our server that have no
/// broker, if a broker has no part in it.
pub(crate) fn every_without_broker(scenario: impl AsyncFn(&Case)) {
    let cases = [cases_of(MOVERS), sessions()].concat();
    let cases = cases.into_iter().filter(|case| case.mover.broker.is_none());
    among(&cases.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario for the cases whose response has a shape that fits.
pub(crate) fn every_shaped(fits: impl Fn(Shape) -> bool, scenario: impl AsyncFn(&Case)) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| fits(case.shape())).collect();
    among(&cases, &scenario);
}

/// Plays a scenario for the polling transports, by the movers that have no broker.
pub(crate) fn every_poll_without_broker(scenario: impl AsyncFn(&Case)) {
    let fits = |case: &Case| case.polls() && case.mover.broker.is_none();
    among(&cases().into_iter().filter(fits).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that does not depend on the transport, by every mover.
pub(crate) fn every_mover(scenario: impl AsyncFn(Mover)) {
    among_movers(&[MOVERS, &[SERVICE, HTTP2]].concat(), &scenario);
}

/// Plays a scenario that does not depend on the transport, by every mover without HTTP/2 and TLS.
pub(crate) fn every_mover_over_http1(scenario: impl AsyncFn(Mover)) {
    among_movers(&[MOVERS, &[SERVICE]].concat(), &scenario);
}

/// Plays a scenario about connections that does not depend on the transport, by every mover of our server.
pub(crate) fn every_mover_on_our_connections(scenario: impl AsyncFn(Mover)) {
    among_movers(MOVERS, &scenario);
}

/// Plays a scenario about connections that does not depend on the transport, by the movers of our server that
/// have no broker.
pub(crate) fn every_mover_without_broker(scenario: impl AsyncFn(Mover)) {
    let movers = MOVERS.iter().copied().filter(|mover| mover.broker.is_none());
    among_movers(&movers.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that does not depend on the transport and needs only topics, by every mover, including mounts in
/// servers that are not ours.
pub(crate) fn every_mover_also_mounted(scenario: impl AsyncFn(Mover)) {
    among_movers(&[MOVERS, &[SERVICE, HTTP2], MOUNTS].concat(), &scenario);
}

/// Plays a scenario by these movers. The transport of the case is ignored.
fn among_movers(movers: &[Mover], scenario: &impl AsyncFn(Mover)) {
    let cases = cases_of(movers);
    among(&cases[..movers.len()], &async |case: &Case| scenario(case.mover).await);
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
        format!(
            "GET /topics/{filters}?transport={}{query} HTTP/1.1\r\nHost: hub\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.transport()
        )
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

    /// Scenarios that write requests byte by byte leave out WebTransport.
    pub(crate) fn is_session(&self) -> bool {
        is_session(&self.listed)
    }

    /// A client that polls has a seat only during a request.
    pub(crate) fn polls(&self) -> bool {
        matches!(self.shape(), Shape::Answer { .. })
    }
}
