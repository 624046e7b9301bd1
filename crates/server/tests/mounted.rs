//! Each transport mounted in a server that is not ours: order, resumption, limits and shutdown.

mod support;

use std::convert::Infallible;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_axum::{WriteDeadlineListener, router};
use tidings_core::{Hub, HubConfig, Kind, Limits, Notification, Position, Reason};
use tidings_server::Server;
use tidings_transport::OnMessage;
use tidings_transport::Transport;
use tidings_transport::client::{Client, ClientError, Publisher, Target};
use tidings_transport::mount::{Mount, WriteDeadline, farewell};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use support::{Follower, PATIENCE, Raw, all_listed, eventually, in_time};

/// Serves a mount at every path until the tasks are dropped.
async fn serve(hub: Hub, transport: Arc<dyn Transport>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let on_message = OnMessage::published_to("orders.sent".parse().unwrap());
    let mount = Mount::new(hub).shared_transport(transport).on_message(on_message);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mount = mount.clone();
            let service = service_fn(move |request| {
                let mount = mount.clone();
                let filters = "orders.*".parse().unwrap();
                async move { Ok::<_, Infallible>(mount.subscribe(request, filters).await) }
            });
            let io = TokioIo::new(WriteDeadline::new(stream, Duration::from_secs(10)));
            let mut http = http1::Builder::new();
            let serving = http.timer(TokioTimer::new()).serve_connection(io, service);
            connections.spawn(async move { drop(serving.with_upgrades().await) });
        }
    });
    (address, serving)
}

async fn follow(address: SocketAddr, client: &dyn Client, position: Position) -> Follower {
    let url = format!("http://{address}/wherever").parse().unwrap();
    let target = Target::new(url).position(position);
    Follower::new(client.connect(target).await.unwrap())
}

async fn publish(hub: &Hub, topic: &str, text: String) {
    hub.publish(Notification::text(topic.parse().unwrap(), text)).await.unwrap();
}

#[tokio::test]
async fn mounted_transports_keep_the_order_and_resume() {
    for listed in all_listed() {
        let name = listed.server.name();
        let hub = Hub::default();
        let (address, _serving) = serve(hub.clone(), listed.server).await;
        let mut follower = follow(address, &*listed.client, Position::Live).await;
        for number in 0..50 {
            publish(&hub, "orders.new", number.to_string()).await;
            publish(&hub, "invoices.new", "for others".to_owned()).await;
        }
        let mut last = None;
        for number in 0..20 {
            let received = follower.notification().await;
            assert_eq!(received.payload, number.to_string(), "{name}");
            assert_eq!(received.kind, Kind::Text);
            last = received.id;
        }
        drop(follower);
        publish(&hub, "orders.new", "50".to_owned()).await;
        let position = Position::After(last.unwrap());
        let mut follower = follow(address, &*listed.client, position).await;
        for number in 20..=50 {
            assert_eq!(follower.text().await.1, number.to_string(), "{name}");
        }
        drop(follower);
        let gone = async {
            while !hub.pool().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone)
            .await
            .unwrap_or_else(|_| panic!("{name}: a seat leaks"));
    }
}

#[tokio::test]
async fn a_position_of_one_mounted_transport_resumes_on_each_other() {
    let hub = Hub::default();
    let mut servers = Vec::new();
    for listed in all_listed() {
        let (address, serving) = serve(hub.clone(), listed.server).await;
        servers.push((address, serving, listed.client));
    }
    let mut expected = 0;
    for (here, _, one) in &servers {
        for (there, _, other) in &servers {
            let mut follower = follow(*here, &**one, Position::Live).await;
            publish(&hub, "orders.new", "received".to_owned()).await;
            expected += 1;
            let position = follower.notification().await.id.unwrap();
            assert_eq!(position.seq, expected);
            drop(follower);
            publish(&hub, "orders.new", "missed".to_owned()).await;
            expected += 1;
            let mut follower = follow(*there, &**other, Position::After(position)).await;
            assert_eq!(follower.text().await, (expected, "missed".to_owned()));
        }
    }
}

/// An `EventSource` gives up for good after any status but 200 (galaxyproject/galaxy#22629).
#[tokio::test]
async fn a_full_server_is_an_event_stream_that_ends_if_that_is_what_is_mounted() {
    for listed in all_listed() {
        let name = listed.server.name();
        let limits = Limits::default().total(0);
        let hub = Hub::new(HubConfig::default().limits(limits));
        let (address, _serving) = serve(hub.clone(), listed.server).await;
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer =
            Raw::request(address, format!("GET / HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n")).await;
        assert_eq!(answer.header("retry-after"), Some("5"), "{name}");
        if name == "sse" {
            assert_eq!(answer.status, 200);
            assert!(answer.text().contains("\nevent: goodbye\ndata: {"), "{answer:?}");
        } else {
            assert_eq!(answer.rejection(), (503, "full".to_owned()), "{name}");
        }
        let url = format!("http://{address}/wherever").parse().unwrap();
        let target = Target::new(url);
        for code in ["full", "going_away"] {
            let error = listed.client.connect(target.clone()).await.err().unwrap();
            let ClientError::Rejected { status, code: given, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!((status.as_u16(), given.as_deref()), (503, Some(code)), "{name}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(5)), "{name}: {error}");
            assert!(!error.is_final(), "{name}: {error}");
            hub.close(Reason::GoingAway);
        }
    }
}

#[tokio::test]
async fn a_farewell_reaches_the_clients_of_every_mounted_transport() {
    let hub = Hub::default();
    let mut servers = JoinSet::new();
    let mut goodbyes = JoinSet::new();
    let after = Position::After(hub.log().head());
    for listed in all_listed() {
        let (address, serving) = serve(hub.clone(), listed.server).await;
        servers.spawn(async move { drop(serving.join_all().await) });
        goodbyes.spawn(follow(address, &*listed.client, after).await.goodbye());
    }
    let all_here = async {
        while hub.pool().len() < goodbyes.len() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, all_here).await.unwrap();
    assert_eq!(farewell(&hub, Reason::GoingAway, PATIENCE).await, 0);
    for goodbye in goodbyes.join_all().await {
        assert_eq!(goodbye.code, Some(Reason::GoingAway.code()));
    }
}

/// The application has checked the filters. The mount checks the origin.
#[tokio::test]
async fn a_mount_serves_the_filters_it_is_given_and_only_to_pages_of_its_own_host() {
    for listed in all_listed() {
        let name = listed.server.name();
        let hub = Hub::default();
        publish(&hub, "invoices.new", "the secret".to_owned()).await;
        let (address, _serving) = serve(hub.clone(), listed.server).await;
        let ask = async |headers: &str| {
            let mut raw = Raw::connect(address).await;
            raw.send(format!(
                "GET /orders.*,invoices.*?after=earliest&wait=0 HTTP/1.1\r\nHost: hub.example\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
            ))
            .await;
            raw.head().await.status
        };
        assert_eq!(ask("Origin: https://evil.example\r\n").await, 403, "{name}");
        assert_eq!(ask("Sec-Fetch-Site: cross-site\r\n").await, 403, "{name}");
        assert!(hub.pool().is_empty(), "{name}");
        assert!(matches!(ask("Origin: https://hub.example\r\n").await, 101 | 200), "{name}");

        let mut follower = follow(address, &*listed.client, Position::Earliest).await;
        publish(&hub, "orders.new", "a teapot".to_owned()).await;
        assert_eq!(follower.text().await.1, "a teapot", "{name}: not the filters of the path");
    }
}

#[tokio::test]
async fn a_head_is_answered_at_once_and_takes_no_seat() {
    for listed in all_listed() {
        if listed.server.name() == "websocket" {
            // WebSocket does not accept HEAD.
            continue;
        }
        let hub = Hub::default();
        let (address, _serving) = serve(hub.clone(), listed.server).await;
        let mut raw = Raw::connect(address).await;
        raw.send("HEAD /wherever?wait=60 HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n")
            .await;
        let head = raw.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(hub.pool().len(), 0);
    }
}

/// hyper polls a body only when it has room, and the listener of axum has no limit for a write.
#[tokio::test]
async fn a_reader_that_stalls_in_axum_loses_its_seat_and_then_its_connection() {
    const PAYLOAD: usize = 512 << 10;
    const COUNT: usize = 16;
    for listed in all_listed() {
        let name = listed.server.name();
        for has_write_deadline in [false, true] {
            let hub = Hub::default();
            let mount = Mount::new(hub.clone())
                .shared_transport(listed.server.clone())
                .write_deadline(Duration::from_millis(500));
            let app = Router::new().nest("/topics", router(mount));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serving = match has_write_deadline {
                false => tokio::spawn(axum::serve(listener, app).into_future()),
                true => {
                    let listener = WriteDeadlineListener::new(listener);
                    let listener = listener.deadline(Duration::from_secs(1));
                    tokio::spawn(axum::serve(listener, app).into_future())
                }
            };
            for _ in 0..COUNT {
                publish(&hub, "t", "x".repeat(PAYLOAD)).await;
            }
            let mut stalled = Raw::connect_narrow(address).await;
            stalled
                .send(
                    "GET /topics/t?after=earliest HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                )
                .await;
            assert!(matches!(stalled.head().await.status, 101 | 200), "{name}");
            eventually("its seat is free", async || hub.pool().is_empty()).await;
            // The response to a poll fits into the socket, and frees the seat at once.
            if has_write_deadline && name != "long-polling" {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let read = stalled.rest().await;
                assert!(read.len() < COUNT * PAYLOAD, "{name}: it was sent everything");
            }
            serving.abort();
        }
    }
}

#[tokio::test]
async fn a_whole_server_is_a_service_below_a_path_of_an_application() {
    let hub = Hub::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Server::builder(hub.clone()).into_service(address);
    let app = Router::new().route("/hello", get(async || "hello"));
    let app = app.nest_service("/tidings", service);
    let mut serving = JoinSet::new();
    serving.spawn(axum::serve(listener, app).into_future());
    assert_eq!(Raw::get(address, "/hello").await.text(), "hello");
    let url = || format!("http://{address}/tidings/topics/t").parse().unwrap();
    let mut followers = Vec::new();
    for listed in all_listed() {
        let connected = listed.client.connect(Target::new(url())).await.unwrap();
        followers.push(Follower::new(connected).reading());
    }
    eventually("all have a seat", async || hub.pool().len() == 3).await;
    let mut publisher = Publisher::connect(Target::new(url())).await.unwrap();
    publisher.publish(Kind::Text, "news".into()).await.unwrap();
    for follower in &mut followers {
        assert_eq!(follower.text().await.1, "news");
    }
    let metrics = Raw::get(address, "/tidings/metrics").await.text();
    for listed in all_listed() {
        let name = listed.server.name();
        let line = format!("tidings_delivered_total{{transport=\"{name}\"}} 1\n");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
    let mut head = Raw::connect(address).await;
    head.send("HEAD /tidings/topics/t HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = head.head().await;
    assert_eq!((head.status, head.header("content-length")), (200, None));
    let request = "GET /tidings/transports HTTP/1.1\r\nHost: news.example\r\n\r\n";
    assert_eq!(Raw::request(address, request).await.status, 421);
    assert_eq!(Raw::get(address, "/tidings/readyz").await.status, 200);
    drop(followers);
    farewell(&hub, Reason::GoingAway, PATIENCE).await;
    assert_eq!(Raw::get(address, "/tidings/readyz").await.status, 503);
}

/// Serves `/t` by WebSocket in axum, and hands connections over to the lanes of a server that has no listener.
async fn follow_by_lanes_of(builder: tidings_server::Builder, hub: &Hub) {
    let mut server = builder.build();
    let mount = Mount::new(hub.clone())
        .transport(tidings_websocket::WebSocket::default())
        .adopter(server.lanes());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(axum::serve(listener, router(mount)).into_future());
    let lanes = tokio::spawn(server.serve(std::future::pending()));
    let url = format!("http://{address}/t").parse().unwrap();
    let listed =
        all_listed().into_iter().find(|listed| listed.server.name() == "websocket").unwrap();
    let mut follower = Follower::new(listed.client.connect(Target::new(url)).await.unwrap());
    for text in ["one", "two"] {
        let note = Notification::text("t".parse().unwrap(), text);
        hub.publish(note).await.unwrap();
        assert_eq!(follower.text().await.1, text);
    }
    assert!(!lanes.is_finished(), "a server without a listener serves until the hub is closed");
    hub.close(Reason::GoingAway);
    follower.goodbye().await;
    in_time(lanes).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_a_listener_serves_what_a_mount_hands_over() {
    let hub = Hub::default();
    follow_by_lanes_of(Server::builder(hub.clone()), &hub).await;
}

#[tokio::test]
async fn a_mount_serves_its_connections_itself_if_the_server_has_no_lanes() {
    let hub = Hub::default();
    let builder = Server::builder(hub.clone()).serve_by(tidings_server::ServeBy::GeneralPath);
    follow_by_lanes_of(builder, &hub).await;
}

#[test]
#[should_panic(expected = "the adopter serves another hub")]
fn the_lanes_of_another_hub_are_an_error_at_once() {
    let mut server = Server::builder(Hub::default()).build();
    let _ = Mount::new(Hub::default()).adopter(server.lanes());
}
