//! Our clients over HTTP/2: with prior knowledge, and as the server chooses in the TLS handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use http::Version;
use tidings_core::{HubConfig, Kind, Position};
use tidings_server::Listed;
use tidings_transport::client::{
    Arrival, Backoff, ConnectOptions, Followed, Http, Publisher, Target, Tls, follow, request,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{
    Certificate, Mover, PATIENCE, Running, all_listed, every_mover_without_broker,
};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug)]
enum Reach {
    PriorKnowledge,
    /// By TLS. The server accepts both versions.
    ChosenHttp2,
    /// By TLS. The server accepts only HTTP/1.1.
    ChosenHttp1,
}

const REACHES: [Reach; 3] = [Reach::PriorKnowledge, Reach::ChosenHttp2, Reach::ChosenHttp1];

/// Forwards the bytes of connections to a server, and can cut them.
struct Wire {
    address: SocketAddr,
    cut: broadcast::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = broadcast::channel(1).0;
        let cuts = cut.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(server).await.unwrap();
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { address, cut, accepting }
    }

    /// Closes the connections of now.
    fn cut(&self) {
        self.cut.send(()).expect("there is a connection");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Place {
    hub: Running,
    wire: Wire,
    scheme: &'static str,
    options: Arc<ConnectOptions>,
}

impl Place {
    async fn new(mover: Mover, reach: Reach) -> Self {
        let setup = mover.config(HubConfig::default()).await;
        let (hub, scheme, options) = match reach {
            Reach::PriorKnowledge => {
                let options = ConnectOptions::default().http2_prior_knowledge(true);
                (Running::start(setup).await, "http", options)
            }
            Reach::ChosenHttp2 | Reach::ChosenHttp1 => {
                let certificate = Certificate::new();
                let tls = match reach {
                    Reach::ChosenHttp1 => &certificate.tls_of_http1(),
                    _ => &certificate.tls,
                };
                let trusted = Tls::with_authorities(certificate.pem.as_bytes()).unwrap();
                let options = ConnectOptions::default().tls(trusted);
                (Running::start_tls(setup, tls).await, "https", options)
            }
        };
        let wire = Wire::to(hub.address).await;
        Self { hub, wire, scheme, options: Arc::new(options) }
    }

    fn target(&self, path: &str) -> Target {
        let url = format!("{}://{}{path}", self.scheme, self.wire.address);
        Target::new(url.parse().unwrap()).options(self.options.clone())
    }

    fn follow(&self, listed: &Listed, position: Position) -> BoxStream<'static, Followed> {
        let target = self.target("/topics/t").position(position);
        let backoff = Backoff::default().shortest(Duration::from_millis(1));
        follow(listed.client.clone(), target, backoff).boxed()
    }
}

/// Plays a scenario by each mover and each way to reach it.
#[expect(clippy::needless_pass_by_value, reason = "a scenario is written where it is handed over")]
fn every_reach(scenario: impl AsyncFn(&Place, Reach)) {
    every_mover_without_broker(async |mover| {
        for reach in REACHES {
            eprintln!("-- {mover:?}, {reach:?}");
            let place = Place::new(mover, reach).await;
            scenario(&place, reach).await;
            place.hub.stop().await;
        }
    });
}

/// The text of the next notification. Panics at a gap.
async fn text(followed: &mut BoxStream<'static, Followed>) -> String {
    let next = async {
        loop {
            match followed.next().await.expect("it follows without end") {
                Followed::Arrived(Arrival::Notification(received)) => {
                    return String::from_utf8(received.payload.to_vec()).unwrap();
                }
                Followed::Arrived(Arrival::Gap(gap)) => panic!("{gap:?}"),
                other => eprintln!("   {other:?}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("a notification")
}

#[test]
fn the_version_is_the_one_that_the_server_chose() {
    every_reach(async |place, reach| {
        let target = place.target("/healthz");
        let mut http = Http::connect(&target).await.unwrap();
        let expected = match reach {
            Reach::PriorKnowledge | Reach::ChosenHttp2 => Version::HTTP_2,
            Reach::ChosenHttp1 => Version::HTTP_11,
        };
        for _ in 0..3 {
            let response = http.send(request(&target.url).unwrap()).await.unwrap();
            assert_eq!(response.version(), expected);
            assert_eq!(http.whole(response.into_body(), 64).await.unwrap(), "ok\n");
        }
    });
}

#[test]
fn every_transport_resumes_after_a_cut() {
    every_reach(async |place, _| {
        for listed in all_listed() {
            let before = place.hub.publish("t", "before").await;
            let mut followed = place.follow(&listed, Position::After(before));
            place.hub.publish("t", "one").await;
            assert_eq!(text(&mut followed).await, "one");
            for number in 0..3 {
                place.wire.cut();
                place.hub.publish("t", number.to_string()).await;
                assert_eq!(text(&mut followed).await, number.to_string());
            }
            // It reads on while nothing is cut.
            place.hub.publish("t", "last").await;
            assert_eq!(text(&mut followed).await, "last");
        }
    });
}

#[test]
fn publishes_share_a_connection_and_a_cut_one_is_replaced() {
    every_reach(async |place, _| {
        let mut publisher = Publisher::connect(place.target("/topics/t")).await.unwrap();
        for seq in 1..=20 {
            let published = publisher.publish(Kind::Text, "tea".into()).await.unwrap();
            assert_eq!(published.seq, seq);
        }
        place.wire.cut();
        let key = "k-1".parse().unwrap();
        let again = async {
            loop {
                // The cut may reach the client only after it has sent the request.
                match publisher.publish_once(Kind::Text, "tea".into(), &key).await {
                    Ok(id) => return id,
                    Err(error) => eprintln!("   {error}"),
                }
            }
        };
        assert_eq!(timeout(PATIENCE, again).await.unwrap().seq, 21);
        let lines = Bytes::from("{\"topic\":\"a\",\"data\":\"x\"}\n".repeat(100));
        let mut publisher = Publisher::connect(place.target("/topics")).await.unwrap();
        let many = publisher.publish_many(lines).await.unwrap();
        assert!(many.ids.len() == 100 && many.failed.is_none());
    });
}

#[test]
fn a_large_payload_arrives_whole() {
    every_reach(async |place, _| {
        let payload = "tea ".repeat(200_000);
        let listed = all_listed();
        let before = place.hub.publish("t", "before").await;
        let mut publisher = Publisher::connect(place.target("/topics/t")).await.unwrap();
        publisher.publish(Kind::Text, payload.clone().into()).await.unwrap();
        for listed in &listed {
            let mut followed = place.follow(listed, Position::After(before));
            assert!(text(&mut followed).await == payload, "{listed:?}");
        }
    });
}

#[test]
fn a_rejection_has_the_servers_words() {
    every_reach(async |place, _| {
        let target = place.target("/topics/a..b");
        let mut publisher = Publisher::connect(target.clone()).await.unwrap();
        let error = publisher.publish(Kind::Text, "tea".into()).await.unwrap_err();
        assert!(error.to_string().contains("empty token") && error.is_final(), "{error}");
        for listed in all_listed() {
            let connected = listed.client.connect(target.clone()).map(|it| it.map(drop)).await;
            let error = connected.unwrap_err();
            assert!(error.to_string().contains("empty token") && error.is_final(), "{error}");
        }
    });
}

#[test]
fn a_client_of_a_server_that_stops_gets_its_goodbye() {
    every_mover_without_broker(async |mover| {
        for reach in REACHES {
            let mut place = Place::new(mover, reach).await;
            let listed = all_listed().into_iter().find(|it| it.server.name() == "sse").unwrap();
            let mut followed = place.follow(&listed, Position::Live);
            assert!(matches!(followed.next().await, Some(Followed::Connected)));
            place.hub.ask_to_stop();
            let goodbye = async {
                loop {
                    match followed.next().await.unwrap() {
                        Followed::Arrived(Arrival::Goodbye(goodbye)) => return goodbye,
                        Followed::Disconnected { error, .. } => panic!("{reach:?}: {error:?}"),
                        _ => {}
                    }
                }
            };
            let goodbye = timeout(PATIENCE, goodbye).await.expect("a goodbye");
            assert_eq!(goodbye.code, Some(1001));
            drop(followed);
            place.hub.ended().await;
        }
    });
}
