//! Requests by the HTTP/2 client of hyper.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tidings_core::HubConfig;
use tidings_server::{Action, Authorizer};
use tokio::time::timeout;

use crate::support::{
    PATIENCE, Running, Sender, connect, empty, eventually, every_mover_without_broker,
};

async fn send(sender: &Sender, request: http::request::Builder, body: &str) -> Response<Incoming> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let request = request.body(body.map_err(|never| match never {}).boxed()).unwrap();
    let answered = timeout(PATIENCE, sender.clone().send_request(request)).await;
    answered.expect("an answer").unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

fn uri(hub: &Running, path: &str) -> String {
    format!("http://{}{path}", hub.address)
}

/// Reads a body until it contains `wanted`.
async fn until(body: &mut Incoming, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let frame = timeout(PATIENCE, body.frame()).await.unwrap().expect("more").unwrap();
        text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
}

#[test]
fn many_streams_of_events_polls_and_publishes_share_a_connection() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let sender = connect(hub.address).await;
        let stream = |number: usize| {
            let path = format!("/topics/news,own.{number}?transport=sse");
            send(&sender, Request::get(uri(&hub, &path)), "")
        };
        let mut streams = join_all((0..40).map(stream)).await;
        let polls: Vec<_> = (0..20)
            .map(|_| {
                let (sender, uri) = (sender.clone(), uri(&hub, "/topics/news?after=earliest"));
                tokio::spawn(async move { text(send(&sender, Request::get(uri), "").await).await })
            })
            .collect();
        eventually("they have their seats", async || hub.hub.pool().len() == 60).await;
        assert_eq!(hub.metric("tidings_connections").await, 2, "one is that of this request");
        let publish = Request::post(uri(&hub, "/topics/news"));
        assert_eq!(send(&sender, publish, "to everyone").await.status(), 200);
        for stream in &mut streams {
            assert_eq!(stream.status(), 200);
            assert_eq!(stream.headers()["content-type"], "text/event-stream");
            until(stream.body_mut(), "to everyone").await;
        }
        for poll in polls {
            assert!(poll.await.unwrap().contains("to everyone"));
        }
        hub.publish("own.7", "to one").await;
        until(streams[7].body_mut(), "to one").await;
        drop(streams);
        eventually("all have left", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn responses_have_no_headers_of_connections() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        hub.publish("t", "kept").await;
        let sender = connect(hub.address).await;
        let get = |path: &str| Request::get(uri(&hub, path));
        let post = |path: &str| Request::post(uri(&hub, path));
        for (request, status, length) in [
            (get("/"), 200, true),
            (get("/topics/t?transport=sse"), 200, false),
            (get("/topics/t?after=earliest"), 200, true),
            (post("/topics/t"), 200, true),
            (get("/elsewhere"), 404, true),
            (Request::delete(uri(&hub, "/topics/t")), 405, true),
            (Request::head(uri(&hub, "/healthz")), 200, true),
            (Request::head(uri(&hub, "/topics/t")), 200, false),
            (get("/topics/t?transport=websocket"), 400, true),
            (get("/topics/t?after=nonsense"), 400, true),
        ] {
            let response = send(&sender, request, "").await;
            let headers = response.headers();
            assert_eq!(response.status(), status, "{headers:?}");
            for name in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
                assert!(!headers.contains_key(name), "{headers:?}");
            }
            assert!(headers.contains_key("date"), "{headers:?}");
            assert_eq!(headers.contains_key("content-length"), length, "{headers:?}");
        }
        hub.stop().await;
    });
}

#[test]
fn the_authority_is_the_host() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let sender = connect(hub.address).await;
        let get = |uri: String| Request::get(uri);
        let own = hub.address;
        for (request, status, code) in [
            (get("http://evil.example/topics/t".into()), 421, "unknown_host"),
            (get(uri(&hub, "/topics/t")).header("host", "elsewhere"), 400, "ambiguous_request"),
            (get("http://ann@localhost/topics/t".into()), 400, "bad_host"),
            (get(uri(&hub, "/topics/t")).header("origin", "http://evil.example"), 403, "origin"),
        ] {
            let response = send(&sender, request, "").await;
            assert_eq!(response.status(), status);
            let text = text(response).await;
            assert!(text.contains(code), "{text}");
        }
        let same = get(uri(&hub, "/topics/t?after=earliest&transport=sse"));
        let same = same.header("origin", format!("http://{own}")).header("host", own.to_string());
        assert_eq!(send(&sender, same, "").await.status(), 200);
        hub.stop().await;
    });
}

#[test]
fn cookies_of_several_headers_arrive_as_one() {
    every_mover_without_broker(async |mover| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut config = mover.config(HubConfig::default()).await;
        let log = seen.clone();
        config.authorizer = Authorizer::from_fn(move |request, _: Action<'_>| {
            let cookies = request.headers.get_all("cookie").iter();
            let cookies = cookies.map(|it| it.to_str().unwrap().to_owned());
            log.lock().unwrap().push(cookies.collect::<Vec<_>>());
            Ok(())
        });
        let hub = Running::start(config).await;
        let sender = connect(hub.address).await;
        let publish = Request::post(uri(&hub, "/topics/t"));
        let publish = publish.header("cookie", "a=1").header("cookie", "b=2; c=3");
        assert_eq!(send(&sender, publish, "").await.status(), 200);
        assert_eq!(*seen.lock().unwrap(), [["a=1; b=2; c=3"]]);
        hub.stop().await;
    });
}

#[test]
fn a_body_that_waits_for_100_continue_is_requested() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let stream = tokio::net::TcpStream::connect(hub.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = |length: usize| {
            let request = Request::post(uri(&hub, "/topics/t")).header("expect", "100-continue");
            request.header("content-length", length).body(()).unwrap()
        };
        let (mut response, mut body) = client.send_request(request(4), false).unwrap();
        let interim = std::future::poll_fn(|context| response.poll_informational(context));
        let interim = timeout(PATIENCE, interim).await.unwrap().unwrap().unwrap();
        assert_eq!(interim.status(), 100);
        body.send_data("news".into(), true).unwrap();
        assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 200);
        assert_eq!(hub.hub.log().head().seq, 1);
        // A body that is too large is not requested.
        let (mut response, _body) = client.send_request(request(1 << 30), false).unwrap();
        let interim = std::future::poll_fn(|context| response.poll_informational(context));
        assert!(timeout(PATIENCE, interim).await.unwrap().is_none());
        assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 413);
        hub.stop().await;
    });
}

#[test]
fn a_body_that_does_not_end_is_rejected_and_the_connection_stays() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.body_deadline = Duration::from_millis(200);
        let hub = Running::start(config).await;
        let stream = tokio::net::TcpStream::connect(hub.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = || Request::post(uri(&hub, "/topics/t")).body(()).unwrap();
        let (response, _body) = client.send_request(request(), false).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 408);
        // Over HTTP/1.1 it has this header.
        assert!(!response.headers().contains_key("connection"));
        let (response, _) = client.send_request(request(), true).unwrap();
        assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 200);
        hub.stop().await;
    });
}

#[test]
fn a_plain_connect_is_rejected() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let sender = connect(hub.address).await;
        let connect = Request::connect("elsewhere.example:443").body(empty()).unwrap();
        let response = timeout(PATIENCE, sender.clone().send_request(connect)).await.unwrap();
        assert_eq!(response.unwrap().status(), 400);
        hub.stop().await;
    });
}
