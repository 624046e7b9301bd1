//! Tests of a whole lane on a real socket, with a simple service in place of the routes.

use std::future::ready;
use std::net::TcpListener;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use tidings_core::{Hub, Reason, Session};
use tidings_sse::Sse;
use tidings_transport::mount::Mount;
use tidings_transport::{ListenerKind, SubscribeRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::subscription::Head;
use super::*;
use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::listener::ListenerRef;
use crate::request::Whole;
use crate::response::{Routed, text};

/// Responds to each request with its path and its body.
struct Echo;

impl Service for Echo {
    fn call(&self, whole: Box<Whole>, _: ListenerRef) -> LocalBoxFuture<'static, Routed> {
        let Whole { request, body, .. } = *whole;
        let echo = format!("{} {}", request.uri.path(), String::from_utf8_lossy(&body));
        Box::pin(ready(Routed::Response(text("text/plain", echo))))
    }

    fn no_room(&self) -> Bytes {
        Bytes::from_static(b"no room")
    }
}

/// Starts a lane with a client that is connected to it.
async fn start() -> (Handle, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (listener, address) = Bound::new(listener.into()).unwrap();
    let config = Config::new(Hub::default());
    let metrics = Metrics::new(&config);
    let connection_limit = ConnectionLimit::new(metrics.connections.clone(), 1);
    let (_, is_stopping) = watch::channel(false);
    let shared = Shared::new(config, ServeBy::default(), metrics, connection_limit, is_stopping);
    let inbox = Balancer::new(1).inbox(0);
    let lane = Handle::new(vec![listener], &shared, inbox, Box::new(Echo)).unwrap();
    (lane, TcpStream::connect(address.unwrap()).await.unwrap())
}

#[tokio::test]
async fn plain_requests_are_served_by_the_service_and_others_leave_the_lane() {
    let (lane, mut client) = start().await;
    let exchange = async {
        let plain = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
        client.write_all(plain).await.unwrap();
        let mut response = [0; 1024];
        let count = client.read(&mut response).await.unwrap();
        assert!(response[..count].ends_with(b"\r\n\r\n/a hi"));
        client.write_all(b"HEAD /b HTTP/1.1\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let turn = tokio::select! {
        turn = lane.serve() => turn.unwrap(),
        () = exchange => unreachable!("it is pending"),
    };
    let Turn::HandOver(connections) = turn else { panic!("the hub is open") };
    assert_eq!(lane.len(), 0);
    let [connection] = &connections[..] else { panic!("one connection") };
    assert_eq!(connection.input, "HEAD /b HTTP/1.1\r\n");
}

#[tokio::test]
async fn a_lane_has_ended_once_its_hub_is_closed_and_its_connections_are_gone() {
    let (lane, mut client) = start().await;
    let hub = lane.0.borrow().status.hub.clone();
    let closing = async {
        hub.close(Reason::GoingAway);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await
    };
    let (turn, _) = tokio::join!(lane.serve(), closing);
    assert!(matches!(turn.unwrap(), Turn::Ended));
}

struct User;

impl Session for User {}

#[tokio::test]
async fn a_subscriber_whose_session_has_ended_is_sent_a_goodbye_at_once() {
    let (lane, mut client) = start().await;
    let hub = lane.0.borrow().status.hub.clone();
    let request = http::Request::get("/topics/t").header("accept", "text/event-stream");
    let parts = request.body(()).unwrap().into_parts().0;
    let subscribe = SubscribeRequest::read("t", &parts).unwrap();
    let mount = Mount::new(hub.clone()).transport(Sse::default());
    let mut subscriber = mount.accept(&parts, subscribe, ListenerKind::Loopback).await.unwrap();
    subscriber.seat.set_session(std::sync::Arc::new(User));
    assert_eq!(hub.pool().disconnect(|_: &User| true), 1);
    {
        let mut lane = lane.0.borrow_mut();
        lane.accept();
        lane.end_disconnected();
        let (key, _) = lane.peers.iter().next().unwrap();
        let next = lane.subscribe(key, subscriber, Head::Unsent);
        lane.apply(key, next);
        assert_eq!(lane.disconnects, hub.pool().disconnects());
    }
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("event: goodbye"), "{text}");
}
