//! Support for the tests of the server: a server in this process, clients over real sockets, and one loop that plays a
//! scenario for every transport by every mover.
#![allow(dead_code, unused_imports, reason = "each test crate uses its own part of this")]
#![allow(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]

mod brokers;
mod flood;
mod follower;
mod mounts;
mod raw;
mod sessions;
mod tls;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut, RangeInclusive};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

use futures::{StreamExt, TryFutureExt};

use tidings_core::{Hub, HubConfig, Id, Notification, Position, Reason};
use tidings_server::{Config, Listed, ServeBy, Server, Tls, transports};
use tidings_transport::client::{ClientError, Publisher, Target};
use tidings_transport::{Shape, SubscribeRequest};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

pub(crate) use self::brokers::{Broker, Brokers, hub_at};
pub(crate) use self::flood::{NUMBER, PAYLOAD, flood, gaps};
pub(crate) use self::follower::Follower;
pub(crate) use self::raw::{Answer, Raw, masked};
pub(crate) use self::sessions::{Sessions, trusting};
pub(crate) use self::tls::{Certificate, VERSIONS, connect};

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

/// A way in which a server moves bytes, and the broker of its hub.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mover {
    way: Way,
    pub(crate) broker: Option<Broker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By lanes, with many sends in one system call if the kernel has io_uring.
    Lane,
    /// By lanes, with one system call for each send.
    PlainLane,
    /// By the general path.
    Stream,
    /// By a mount in axum.
    Axum,
    /// By a mount in axum that hands upgraded connections over to lanes.
    AxumToLanes,
    /// By a mount in hyper.
    Hyper,
    /// By the service of our server in hyper.
    Service,
    /// By sessions of WebTransport. The same server has lanes, at another address.
    Session,
}

/// A configuration, and the way to serve it.
#[derive(Clone)]
pub(crate) struct Setup {
    config: Config,
    way: Way,
}

impl Deref for Setup {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Setup {
    /// Returns a server of tidings without a listener.
    pub(crate) fn server(self) -> Server {
        let Self { config, way } = self;
        let serve_by = match way {
            Way::Lane | Way::Session => ServeBy::Lanes,
            Way::PlainLane => ServeBy::LanesWithoutIoUring,
            Way::Stream => ServeBy::GeneralPath,
            Way::Axum | Way::AxumToLanes | Way::Hyper | Way::Service => {
                panic!("{way:?} is not served by a server of tidings")
            }
        };
        let builder = Server::builder(config.hub.clone()).configure(|own| *own = config);
        builder.serve_by(serve_by).build()
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut Config {
        &mut self.config
    }
}

/// A transport and a mover.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) listed: Listed,
    pub(crate) mover: Mover,
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    /// The address for sessions of WebTransport, if the server has it.
    pub(crate) sessions: Option<Sessions>,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<io::Result<()>>,
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

/// Mounts in servers that are not ours, for scenarios that need only topics.
const MOUNTS: &[Mover] =
    &[Mover::of(Way::Axum), Mover::of(Way::AxumToLanes), Mover::of(Way::Hyper)];

/// Returns the transports of every server with default settings. [`Mover::SESSION`] has one more.
pub(crate) fn all_listed() -> Vec<Listed> {
    transports().into_iter().filter(|listed| !is_session(listed)).collect()
}

/// Returns `true` for WebTransport, which needs a listener with TLS, and HTTP/3.
fn is_session(listed: &Listed) -> bool {
    listed.server.name() == "webtransport"
}

/// Returns the case of WebTransport if it is compiled.
fn sessions() -> Vec<Case> {
    let case = |listed| Case { listed, mover: Mover::SESSION };
    transports().into_iter().filter(is_session).map(case).collect()
}

/// Returns every transport by these movers.
fn cases_of(movers: &[Mover]) -> Vec<Case> {
    let cases = |listed: Listed| {
        movers.iter().map(move |&mover| Case { listed: listed.clone(), mover }).collect::<Vec<_>>()
    };
    all_listed().into_iter().flat_map(cases).collect()
}

/// Returns every transport by every mover.
pub(crate) fn cases() -> Vec<Case> {
    [cases_of(&[MOVERS, &[SERVICE]].concat()), sessions()].concat()
}

/// Plays a scenario for every transport by every mover. Panics at the end with the cases for which it failed.
pub(crate) fn every(scenario: impl AsyncFn(&Case)) {
    among(&cases(), &scenario);
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

/// Plays a scenario for the cases whose response has a shape for which `fits` returns `true`.
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
    among_movers(&[MOVERS, &[SERVICE], MOUNTS].concat(), &scenario);
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
    /// Returns the name of the case for panics.
    pub(crate) fn name(&self) -> String {
        format!("{} by the {:?}", self.transport(), self.mover)
    }

    /// Returns the name of the transport.
    pub(crate) fn transport(&self) -> &'static str {
        self.listed.server.name()
    }

    /// Returns a configuration for this mover, with a short drain.
    pub(crate) async fn config(&self, hub: HubConfig) -> Setup {
        self.mover.config(hub).await
    }

    /// Starts a server whose hub has the defaults.
    pub(crate) async fn hub(&self) -> Running {
        Running::start(self.config(HubConfig::default()).await).await
    }

    /// Returns a request that this transport accepts. It has the headers that any of the transports requires.
    pub(crate) fn request(&self, filters: &str, query: &str) -> String {
        format!(
            "GET /topics/{filters}?transport={}{query} HTTP/1.1\r\nHost: hub\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.transport()
        )
    }

    /// Returns the shape of this transport's response.
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

    /// Returns `true` for WebTransport. Scenarios that write requests byte by byte leave it out.
    pub(crate) fn is_session(&self) -> bool {
        is_session(&self.listed)
    }

    /// Returns `true` if a client of this transport polls, so that it has a seat only during a request.
    pub(crate) fn polls(&self) -> bool {
        matches!(self.shape(), Shape::Answer { .. })
    }
}

impl Mover {
    pub(crate) const LANE: Self = Self::of(Way::Lane);
    pub(crate) const PLAIN_LANE: Self = Self::of(Way::PlainLane);
    pub(crate) const STREAM: Self = Self::of(Way::Stream);
    pub(crate) const SESSION: Self = Self::of(Way::Session);

    const fn of(way: Way) -> Self {
        Self { way, broker: None }
    }

    /// Returns this mover with a broker for its hub.
    pub(crate) const fn over(self, broker: Broker) -> Self {
        Self { way: self.way, broker: Some(broker) }
    }

    /// Returns a configuration with a new hub, over the broker of this mover if it has one.
    pub(crate) async fn config(self, hub: HubConfig) -> Setup {
        let hub = match self.broker {
            None => Hub::new(hub),
            Some(broker) => broker.hub(hub).await,
        };
        self.config_of(hub)
    }

    /// Returns a configuration for an existing hub.
    pub(crate) fn config_of(self, hub: Hub) -> Setup {
        let mut config = Config::new(hub);
        config.workers = NonZeroUsize::new(2).unwrap();
        config.drain = Duration::from_millis(100);
        Setup { config, way: self.way }
    }

    /// Starts a server whose hub has the defaults.
    pub(crate) async fn hub(self) -> Running {
        Running::start(self.config(HubConfig::default()).await).await
    }
}

impl fmt::Debug for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.broker {
            None => write!(f, "{:?}", self.way),
            Some(broker) => write!(f, "{:?} over {broker:?}", self.way),
        }
    }
}

impl Running {
    /// Serves on a free port.
    pub(crate) async fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, setup)
    }

    /// Serves by TLS on a free port. The URLs of this server have the wrong scheme.
    pub(crate) async fn start_tls(setup: Setup, tls: &Tls) -> Self {
        let hub = setup.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = setup.server().bind_tls("127.0.0.1:0", tls).await.unwrap();
        let address = server.local_addrs()[0];
        let ended = tokio::spawn(server.serve(async { drop(stopped.await) }));
        Self { hub, address, sessions: None, stop: Some(stop), ended }
    }

    /// Serves on two free ports, and at one of them sessions with this certificate.
    pub(crate) async fn start_sessions(setup: Setup, tls: &Tls, pem: &str) -> Self {
        let hub = setup.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = setup.server().bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let (server, sessions) = Sessions::add(server, tls, pem);
        let ended = tokio::spawn(server.serve(async { drop(stopped.await) }));
        Self { hub, address, sessions: Some(sessions), stop: Some(stop), ended }
    }

    /// Serves on this listener.
    pub(crate) fn start_on(listener: TcpListener, setup: Setup) -> Self {
        let address = listener.local_addr().unwrap();
        let Setup { config, way } = setup;
        let hub = config.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut sessions = None;
        let ended = match way {
            Way::Axum => tokio::spawn(mounts::serve_axum(listener, config, stopped)),
            Way::AxumToLanes => {
                tokio::spawn(mounts::serve_axum_to_lanes(listener, config, stopped))
            }
            Way::Hyper => tokio::spawn(mounts::serve_hyper(listener, config, stopped)),
            Way::Service => tokio::spawn(mounts::serve_service(listener, config, stopped)),
            Way::Lane | Way::PlainLane | Way::Stream => {
                let server = Setup { config, way }.server();
                let server = server.listen(listener.into_std().unwrap()).unwrap();
                tokio::spawn(server.serve(async { drop(stopped.await) }))
            }
            Way::Session => {
                let server = Setup { config, way }.server();
                let server = server.listen(listener.into_std().unwrap()).unwrap();
                let certificate = Certificate::new();
                let (server, added) = Sessions::add(server, &certificate.tls, &certificate.pem);
                sessions = Some(added);
                tokio::spawn(server.serve(async { drop(stopped.await) }))
            }
        };
        Self { hub, address, sessions, stop: Some(stop), ended }
    }

    pub(crate) fn url(&self, filters: &str) -> Url {
        format!("http://{}/topics/{filters}", self.address).parse().unwrap()
    }

    /// Returns the target of a client of this transport.
    pub(crate) fn target(&self, listed: &Listed, filters: &str) -> Target {
        match &self.sessions {
            Some(sessions) if is_session(listed) => sessions.target(filters),
            _ => Target::new(self.url(filters)),
        }
    }

    /// Publishes in this process, and waits until the notification is in the log of the hub.
    /// [`publisher`](Self::publisher) publishes by a request.
    pub(crate) async fn publish(&self, topic: &str, text: impl Into<String>) -> Id {
        let notification = Notification::text(topic.parse().unwrap(), text);
        let id = self.hub.publish(notification).await.unwrap();
        self.comes_to(id.seq).await;
        id
    }

    /// Publishes `count` notifications, 50 at a time. With many more at a time, the last of them would exceed the
    /// deadline of a broker on a slow machine.
    pub(crate) async fn publish_many(&self, topic: &str, count: u64) {
        let publishing = futures::stream::iter(0..count).map(|number| {
            let text = number.to_string();
            self.hub.publish(Notification::text(topic.parse().unwrap(), text))
        });
        let before = self.hub.log().head().seq;
        publishing.buffered(50).for_each(async |id| _ = id.unwrap()).await;
        self.comes_to(before + count).await;
    }

    /// Waits until the log has this sequence number. With a broker, that is a little later than the response to a
    /// publish.
    pub(crate) async fn comes_to(&self, seq: u64) {
        let waiter = self.hub.waiter();
        let has_come = poll_fn(|context| {
            waiter.register(context);
            if self.hub.log().head().seq >= seq { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout(PATIENCE, has_come).await.expect("the log does not come to this sequence number");
    }

    /// Publishes these numbers to the topic `t`.
    pub(crate) async fn publish_numbers(&self, numbers: RangeInclusive<u64>) {
        for number in numbers {
            self.publish("t", number.to_string()).await;
        }
    }

    pub(crate) async fn publisher(&self, topic: &str) -> Publisher {
        Publisher::connect(Target::new(self.url(topic))).await.unwrap()
    }

    /// Connects a client of ours.
    pub(crate) async fn follow(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        self.try_follow(listed, filters, position).await.unwrap()
    }

    /// Connects a client of ours that reads ahead.
    pub(crate) async fn follow_at_once(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        self.follow(listed, filters, position).await.reading()
    }

    /// Connects a client of ours that reads ahead, without waiting for the connection. The first response to a poll
    /// may have to wait for the broker.
    pub(crate) fn follow_in_background(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        let target = self.target(listed, filters).position(position);
        Follower::new(listed.client.connect(target).try_flatten_stream().boxed()).reading()
    }

    pub(crate) async fn try_follow(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Result<Follower, ClientError> {
        let target = self.target(listed, filters).position(position);
        let connected = timeout(PATIENCE, listed.client.connect(target)).await;
        connected.expect("it never connected").map(Follower::new)
    }

    /// Returns the value of a gauge or counter of `GET /metrics`, or 0 if it does not exist yet.
    pub(crate) async fn metric(&self, name: &str) -> i64 {
        let text = Raw::get(self.address, "/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Starts the shutdown, without waiting for its end.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end of the shutdown. Asserts that no client is left.
    pub(crate) async fn ended(&mut self) {
        let ended = timeout(PATIENCE, &mut self.ended).await;
        ended.expect("the server ends in time").unwrap().unwrap();
        assert!(self.hub.pool().is_empty(), "the hub has ended: {:?}", self.hub.pool().counts());
    }

    /// Shuts down and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.ask_to_stop();
        self.ended().await;
    }
}

impl Drop for Running {
    /// Closes the hub, so that the server also ends if the test fails.
    fn drop(&mut self) {
        self.hub.close(Reason::GoingAway);
    }
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
