//! What the tests of the hub stand on: a hub in this process, followers over real sockets, and one loop
//! over every transport by every mover of bytes.
#![allow(dead_code, unused_imports, reason = "each test crate uses its own part of this")]
#![allow(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]

mod brokers;
mod flood;
mod follower;
mod mounts;
mod raw;

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
use tidings_server::{Config, Listed, ServeBy, Server, transports};
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

/// How long a test waits for an event before it fails. It must hold on a machine that is many times slower;
/// an event that arrives sooner is not waited for any longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How the hub moves bytes, and what its stream is kept by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mover {
    way: Way,
    pub(crate) broker: Option<Broker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the lanes, many sends in one system call where the kernel has that.
    Lane,
    /// By the lanes, one system call each.
    PlainLane,
    /// By the stream adapters.
    Stream,
    /// By a mount in axum.
    Axum,
    /// By a mount in axum that hands upgraded connections over to lanes.
    AxumToLanes,
    /// By a mount in hyper.
    Hyper,
    /// By the service of our server, in hyper.
    Service,
}

/// A configuration, and who serves it.
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
    /// A server of tidings without a listener.
    pub(crate) fn server(self) -> Server {
        let Self { config, way } = self;
        let serve_by = match way {
            Way::Lane => ServeBy::Lanes,
            Way::PlainLane => ServeBy::LanesWithoutIoUring,
            Way::Stream => ServeBy::GeneralPath,
            Way::Axum | Way::AxumToLanes | Way::Hyper | Way::Service => {
                panic!("{way:?} is served by others")
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

/// One transport by one mover.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) listed: Listed,
    pub(crate) mover: Mover,
}

/// A hub that serves.
pub(crate) struct Running {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<io::Result<()>>,
}

/// All of them. Without lanes they are fewer.
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

/// The service of our server in one that is not ours. It has every resource, and not the connections.
const SERVICE: Mover = Mover::of(Way::Service);

/// Mounts in servers that are not ours, for scenarios that need topics and nothing else.
const MOUNTS: &[Mover] =
    &[Mover::of(Way::Axum), Mover::of(Way::AxumToLanes), Mover::of(Way::Hyper)];

/// Everything in THE list, with default settings.
pub(crate) fn all_listed() -> Vec<Listed> {
    transports()
}

/// Every transport by these movers.
fn cases_of(movers: &[Mover]) -> Vec<Case> {
    let cases = |listed: Listed| {
        movers.iter().map(move |&mover| Case { listed: listed.clone(), mover }).collect::<Vec<_>>()
    };
    all_listed().into_iter().flat_map(cases).collect()
}

/// Every transport by every mover.
pub(crate) fn cases() -> Vec<Case> {
    cases_of(&[MOVERS, &[SERVICE]].concat())
}

/// Plays a scenario for every transport by every mover, and then says for which it failed.
pub(crate) fn every(scenario: impl AsyncFn(&Case)) {
    among(&cases(), &scenario);
}

/// Plays a scenario that is about connections for every transport by every mover of our own server.
pub(crate) fn every_on_our_connections(scenario: impl AsyncFn(&Case)) {
    among(&cases_of(MOVERS), &scenario);
}

/// Plays a scenario that needs topics and nothing else of a server: mounts in servers that are not ours are movers as well.
pub(crate) fn every_also_mounted(scenario: impl AsyncFn(&Case)) {
    // Only upgraded connections come to lanes.
    let differs =
        |case: &Case| case.shape() == Shape::Upgrade || case.mover.way != Way::AxumToLanes;
    let mounted = cases_of(MOUNTS).into_iter().filter(differs);
    among(&cases().into_iter().chain(mounted).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that is about connections for every transport by the movers of our own server that have no broker, if a
/// broker has no part in it.
pub(crate) fn every_without_broker(scenario: impl AsyncFn(&Case)) {
    let cases = cases_of(MOVERS).into_iter().filter(|case| case.mover.broker.is_none());
    among(&cases.collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario for the cases whose answers have such a shape.
pub(crate) fn every_shaped(fits: impl Fn(Shape) -> bool, scenario: impl AsyncFn(&Case)) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| fits(case.shape())).collect();
    among(&cases, &scenario);
}

/// Plays a scenario for the transports that answer polls, by the movers that have no broker.
pub(crate) fn every_poll_without_broker(scenario: impl AsyncFn(&Case)) {
    let fits = |case: &Case| case.polls() && case.mover.broker.is_none();
    among(&cases().into_iter().filter(fits).collect::<Vec<_>>(), &scenario);
}

/// Plays a scenario that is not of one transport, by every mover.
pub(crate) fn every_mover(scenario: impl AsyncFn(Mover)) {
    among_movers(&[MOVERS, &[SERVICE]].concat(), &scenario);
}

/// Plays a scenario that is about connections and not of one transport, by every mover of our own server.
pub(crate) fn every_mover_on_our_connections(scenario: impl AsyncFn(Mover)) {
    among_movers(MOVERS, &scenario);
}

/// Plays a scenario that does not depend on a transport, by the movers without a broker.
pub(crate) fn every_mover_without_broker(scenario: impl AsyncFn(Mover)) {
    let movers = [MOVERS, &[SERVICE]].concat();
    let movers: Vec<_> = movers.into_iter().filter(|mover| mover.broker.is_none()).collect();
    among_movers(&movers, &scenario);
}

/// Plays a scenario that is not of one transport and needs topics and nothing else of a server, by every mover and mount.
pub(crate) fn every_mover_also_mounted(scenario: impl AsyncFn(Mover)) {
    among_movers(&[MOVERS, &[SERVICE], MOUNTS].concat(), &scenario);
}

/// Plays a scenario by these movers. Which transport it is does not matter.
fn among_movers(movers: &[Mover], scenario: &impl AsyncFn(Mover)) {
    let cases = cases_of(movers);
    among(&cases[..movers.len()], &async |case: &Case| scenario(case.mover).await);
}

/// Plays a scenario for these cases, and then says for which it failed.
pub(crate) fn among(cases: &[Case], scenario: &impl AsyncFn(&Case)) {
    assert!(!cases.is_empty(), "there is nothing to play this for");
    let _brokers = Brokers::started();
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| {
            eprintln!("-- {}", case.name());
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let played = AssertUnwindSafe(|| runtime.block_on(scenario(case)));
            catch_unwind(played).is_err()
        })
        .map(Case::name)
        .collect();
    assert!(failed.is_empty(), "it failed over {}; the panics are above", failed.join(", "));
}

impl Case {
    /// For panics.
    pub(crate) fn name(&self) -> String {
        format!("{} by the {:?}", self.transport(), self.mover)
    }

    /// The transport's name.
    pub(crate) fn transport(&self) -> &'static str {
        self.listed.server.name()
    }

    /// A configuration for this mover, for quick tests.
    pub(crate) async fn config(&self, hub: HubConfig) -> Setup {
        self.mover.config(hub).await
    }

    /// A hub with the defaults.
    pub(crate) async fn hub(&self) -> Running {
        Running::start(self.config(HubConfig::default()).await).await
    }

    /// A request that this transport accepts, with all that any of them asks for in its head.
    pub(crate) fn request(&self, filters: &str, query: &str) -> String {
        format!(
            "GET /topics/{filters}?transport={}{query} HTTP/1.1\r\nHost: hub\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.transport()
        )
    }

    /// How this transport answers.
    pub(crate) fn shape(&self) -> Shape {
        let request = http::Request::get("/topics/t?after=earliest")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(());
        let request = request.unwrap().into_parts().0;
        let ask = SubscribeRequest::read("t", &request).unwrap();
        self.listed.server.accept(&request, &ask).unwrap().shape
    }

    /// Whether a client of this transport is there only while it asks.
    pub(crate) fn polls(&self) -> bool {
        matches!(self.shape(), Shape::Answer { .. })
    }
}

impl Mover {
    pub(crate) const LANE: Self = Self::of(Way::Lane);
    pub(crate) const PLAIN_LANE: Self = Self::of(Way::PlainLane);
    pub(crate) const STREAM: Self = Self::of(Way::Stream);

    const fn of(way: Way) -> Self {
        Self { way, broker: None }
    }

    /// The same over a broker.
    pub(crate) const fn over(self, broker: Broker) -> Self {
        Self { way: self.way, broker: Some(broker) }
    }

    pub(crate) async fn config(self, hub: HubConfig) -> Setup {
        let hub = match self.broker {
            None => Hub::new(hub),
            Some(broker) => broker.hub(hub).await,
        };
        self.config_of(hub)
    }

    /// A configuration for a hub that is there already.
    pub(crate) fn config_of(self, hub: Hub) -> Setup {
        let mut config = Config::new(hub);
        config.workers = NonZeroUsize::new(2).unwrap();
        config.drain = Duration::from_millis(100);
        Setup { config, way: self.way }
    }

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

    /// Serves on this listener.
    pub(crate) fn start_on(listener: TcpListener, setup: Setup) -> Self {
        let address = listener.local_addr().unwrap();
        let Setup { config, way } = setup;
        let hub = config.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
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
        };
        Self { hub, address, stop: Some(stop), ended }
    }

    pub(crate) fn url(&self, filters: &str) -> Url {
        format!("http://{}/topics/{filters}", self.address).parse().unwrap()
    }

    /// Publishes in this process, and waits until it is in the hub's log; through the wire it is
    /// [`Publisher`]'s.
    pub(crate) async fn publish(&self, topic: &str, text: impl Into<String>) -> Id {
        let notification = Notification::text(topic.parse().unwrap(), text);
        let id = self.hub.publish(notification).await.unwrap();
        self.comes_to(id.seq).await;
        id
    }

    /// Publishes so many, some at a time if a broker has to answer each. With many more at a time, the last
    /// of them would wait for longer than the deadline of the broker on a slow machine.
    pub(crate) async fn publish_many(&self, topic: &str, count: u64) {
        let publishing = futures::stream::iter(0..count).map(|number| {
            let text = number.to_string();
            self.hub.publish(Notification::text(topic.parse().unwrap(), text))
        });
        let before = self.hub.log().head().seq;
        publishing.buffered(50).for_each(async |id| _ = id.unwrap()).await;
        self.comes_to(before + count).await;
    }

    /// Waits until the log has so many: from a broker they come a little later than the answer.
    pub(crate) async fn comes_to(&self, seq: u64) {
        let waiter = self.hub.waiter();
        let has_come = poll_fn(|context| {
            waiter.register(context);
            if self.hub.log().head().seq >= seq { Poll::Ready(()) } else { Poll::Pending }
        });
        timeout(PATIENCE, has_come).await.expect("it never came back from the broker");
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

    /// Connects with our client half.
    pub(crate) async fn follow(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        self.try_follow(listed, filters, position).await.unwrap()
    }

    /// The same, with a client that is there at once and reads ahead.
    pub(crate) async fn follow_at_once(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        self.follow(listed, filters, position).await.reading()
    }

    /// Does the same without waiting for the connection: the first answer to a poll may have to wait for the
    /// broker.
    pub(crate) fn follow_in_background(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Follower {
        let target = Target::new(self.url(filters)).position(position);
        Follower::new(listed.client.connect(target).try_flatten_stream().boxed()).reading()
    }

    pub(crate) async fn try_follow(
        &self,
        listed: &Listed,
        filters: &str,
        position: Position,
    ) -> Result<Follower, ClientError> {
        let target = Target::new(self.url(filters)).position(position);
        let connected = timeout(PATIENCE, listed.client.connect(target)).await;
        connected.expect("it never connected").map(Follower::new)
    }

    /// What a gauge or counter of `GET /metrics` says; 0 where it is not there yet.
    pub(crate) async fn metric(&self, name: &str) -> i64 {
        let text = Raw::get(self.address, "/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Asks the hub to end, without waiting for it.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end, which has to come in bounded time and leave nobody in the pool.
    pub(crate) async fn ended(&mut self) {
        let ended = timeout(PATIENCE, &mut self.ended).await;
        ended.expect("the hub did not end in time").unwrap().unwrap();
        assert!(self.hub.pool().is_empty(), "the hub has ended: {:?}", self.hub.pool().counts());
    }

    /// Stops and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.ask_to_stop();
        self.ended().await;
    }
}

impl Drop for Running {
    /// Where a test fails, its hub ends all the same, and at once.
    fn drop(&mut self) {
        self.hub.close(Reason::GoingAway);
    }
}

/// Waits until something is so that nobody tells.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    let looking = async {
        while !is_so().await {
            looks.tick().await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
