//! A server in this process.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as TcpListenerOfStd};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::Poll;

use futures::{StreamExt, TryFutureExt};
use tidings_core::{Hub, Id, Notification, Position, Reason};
use tidings_server::{Listed, Tls};
use tidings_transport::client::{ClientError, Publisher, Target};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use super::cases::is_session;
use super::forwarder::{BUFFER, NARROW};
use super::inflate::Failure;
use super::mover::{Setup, Way};
use super::sessions::free_for_both;
use super::{
    Certificate, Follower, PATIENCE, Raw, Sessions, VERSIONS, bridge, inflate, mounts, tls,
};

/// A server that runs.
pub(crate) struct Running {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    /// The address of the server below the forwarder of compression, and otherwise the same.
    pub(crate) direct: SocketAddr,
    /// The address for clients with the smallest receive buffers.
    pub(crate) narrow: SocketAddr,
    /// The address for sessions of WebTransport, if the server has it.
    pub(crate) sessions: Option<Sessions>,
    /// Whether the forwarder of compression has failed.
    failure: Failure,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<io::Result<()>>,
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
        let (mut direct, mut narrow) = (address, address);
        let mut sessions = None;
        let failure = Failure::default();
        let ended = match way {
            Way::Axum => tokio::spawn(mounts::serve_axum(listener, config, stopped)),
            Way::AxumToLanes => {
                tokio::spawn(mounts::serve_axum_to_lanes(listener, config, stopped))
            }
            Way::Hyper => tokio::spawn(mounts::serve_hyper(listener, config, stopped)),
            Way::Service => tokio::spawn(mounts::serve_service(listener, config, stopped)),
            Way::TlsLane | Way::TlsStream => {
                let certificate = Certificate::new();
                let server = free_for_both();
                let tls_address = server.local_addr().unwrap();
                let client = Arc::new(certificate.client(VERSIONS[1]));
                let narrow_listener = TcpListenerOfStd::bind("127.0.0.1:0").unwrap();
                narrow_listener.set_nonblocking(true).unwrap();
                let narrow_listener = TcpListener::from_std(narrow_listener).unwrap();
                narrow = narrow_listener.local_addr().unwrap();
                let forwarding = [(listener, BUFFER), (narrow_listener, NARROW)];
                let forwarding = forwarding.map(|(listener, buffer)| {
                    tokio::spawn(tls::forward(listener, tls_address, client.clone(), buffer))
                });
                let server =
                    Setup { config, way }.server().listen_tls(server, &certificate.tls).unwrap();
                tokio::spawn(async move {
                    let ended = server.serve(async { drop(stopped.await) }).await;
                    forwarding.iter().for_each(JoinHandle::abort);
                    ended
                })
            }
            Way::CompressedLane | Way::CompressedStream => {
                // The same interface, because it decides which hosts are accepted.
                let below = TcpListenerOfStd::bind((address.ip(), 0)).unwrap();
                direct = (Ipv4Addr::LOCALHOST, below.local_addr().unwrap().port()).into();
                let narrow_listener = TcpListenerOfStd::bind("127.0.0.1:0").unwrap();
                narrow_listener.set_nonblocking(true).unwrap();
                let narrow_listener = TcpListener::from_std(narrow_listener).unwrap();
                narrow = narrow_listener.local_addr().unwrap();
                let listeners = [(listener, BUFFER), (narrow_listener, NARROW)];
                let forwarding = listeners.map(|(listener, buffer)| {
                    let (ends, ended) = oneshot::channel();
                    let failure = failure.clone();
                    let forwarding = inflate::forward(listener, direct, buffer, failure, ended);
                    (ends, tokio::spawn(forwarding))
                });
                let server = Setup { config, way }.server().listen(below).unwrap();
                tokio::spawn(async move {
                    let ended = server.serve(async { drop(stopped.await) }).await;
                    for (ends, forwarding) in forwarding {
                        drop(ends);
                        forwarding.await.unwrap();
                    }
                    ended
                })
            }
            Way::Http2 => {
                let certificate = Certificate::new();
                let below = free_for_both();
                let client = certificate.client(VERSIONS[1]);
                let bridge = bridge::serve(listener, below.local_addr().unwrap(), client);
                let server = Setup { config, way }.server();
                let server = server.listen_tls(below, &certificate.tls).unwrap();
                let serving = server.serve(async { drop(stopped.await) });
                tokio::spawn(async move {
                    tokio::select! {
                        served = serving => served,
                        bridged = bridge => bridged,
                    }
                })
            }
            Way::Session => {
                let server = Setup { config, way }.server();
                let server = server.listen(listener.into_std().unwrap()).unwrap();
                let certificate = Certificate::new();
                let (server, added) = Sessions::add(server, &certificate.tls, &certificate.pem);
                sessions = Some(added);
                tokio::spawn(server.serve(async { drop(stopped.await) }))
            }
            Way::Lane | Way::PlainLane | Way::Stream => {
                let server = Setup { config, way }.server();
                let server = server.listen(listener.into_std().unwrap()).unwrap();
                tokio::spawn(server.serve(async { drop(stopped.await) }))
            }
        };
        Self { hub, address, direct, narrow, sessions, failure, stop: Some(stop), ended }
    }

    /// Serves by TLS on a free port, without a forwarder. The URLs of this server have the wrong scheme.
    pub(crate) async fn start_tls(setup: Setup, tls: &Tls) -> Self {
        let hub = setup.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = setup.server().bind_tls("127.0.0.1:0", tls).await.unwrap();
        let address = server.local_addrs()[0];
        let ended = tokio::spawn(server.serve(async { drop(stopped.await) }));
        let failure = Failure::default();
        let (direct, narrow) = (address, address);
        Self { hub, address, direct, narrow, sessions: None, failure, stop: Some(stop), ended }
    }

    /// Serves on two free ports, and at one of them sessions with this certificate.
    pub(crate) async fn start_sessions(setup: Setup, tls: &Tls, pem: &str) -> Self {
        let hub = setup.hub.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = setup.server().bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let (server, sessions) = Sessions::add(server, tls, pem);
        let ended = tokio::spawn(server.serve(async { drop(stopped.await) }));
        let (sessions, failure) = (Some(sessions), Failure::default());
        let (direct, narrow) = (address, address);
        Self { hub, address, direct, narrow, sessions, failure, stop: Some(stop), ended }
    }

    pub(crate) fn url(&self, filters: &str) -> Url {
        format!("http://{}/topics/{filters}", self.address).parse().unwrap()
    }

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

    /// The value of a gauge or counter of `GET /metrics`, or 0 if it does not exist yet.
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
    /// Closes the hub, so that the server also ends if the test fails. Panics if the forwarder has failed.
    fn drop(&mut self) {
        self.hub.close(Reason::GoingAway);
        if !std::thread::panicking() {
            self.failure.check();
        }
    }
}
