//! Clients that are not ours. They require that the server follows the standards.

use std::time::Duration;

use bytes::Bytes;
use eventsource_client::{Client, ClientBuilder, ReconnectOptions, SSE};
use futures::TryStreamExt;
use futures::stream;
use http::{Request, Response};
use launchdarkly_sdk_transport::{HttpTransport, ResponseFuture, TransportError};
use serde_json::Value;
use tidings_core::{Hub, Notification, Reason};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::{PATIENCE, Running, every_mover};

/// The HTTP client for `eventsource-client`. With it, hyper's HTTP/2 is not needed.
#[derive(Clone, Default)]
struct Reqwest(reqwest::Client);

impl HttpTransport for Reqwest {
    fn request(&self, request: Request<Option<Bytes>>) -> ResponseFuture {
        let request = request.map(Option::unwrap_or_default).try_into().unwrap();
        // The future must be `Sync`, and those of reqwest are not.
        let sent = tokio::spawn(self.0.execute(request));
        Box::pin(async {
            let mut response = sent.await.unwrap().map_err(TransportError::new)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let (chunks, received) = mpsc::channel(1);
            tokio::spawn(async move {
                let dropped = chunks.clone();
                let relay = async {
                    while let Some(chunk) = response.chunk().await.transpose() {
                        let _ = chunks.send(chunk.map_err(TransportError::new)).await;
                    }
                };
                tokio::select! { () = relay => {}, () = dropped.closed() => {} }
            });
            let next = |mut body: mpsc::Receiver<_>| async { Some((body.recv().await?, body)) };
            let body: launchdarkly_sdk_transport::ByteStream =
                Box::pin(stream::unfold(received, next));
            let mut response = Response::new(body);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok(response)
        })
    }
}

/// An event of `eventsource-client`: its id, type and data.
type Received = (String, String, String);

/// The next event, which may come over a further connection.
async fn event<S>(events: &mut S) -> Received
where
    S: futures::Stream<Item = eventsource_client::Result<SSE>> + Unpin,
{
    let next = async {
        loop {
            match events.try_next().await {
                Ok(Some(SSE::Event(event))) => {
                    return (event.id.unwrap_or_default(), event.event_type, event.data);
                }
                Ok(Some(SSE::Comment(_) | SSE::Connected(_))) => {}
                // This client reports the end of a stream as an error, and reconnects.
                Ok(None) | Err(eventsource_client::Error::Eof) => {}
                Err(error) => eprintln!("   error of the client: {error}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("no event")
}

async fn serve_at(listener: TcpListener, hub: Hub, mover: crate::support::Mover) -> Running {
    let mut config = mover.config(Default::default()).await;
    config.hub = hub;
    Running::start_on(listener, config)
}

#[test]
fn eventsource_client_reads_everything_and_reconnects_with_its_last_event_id() {
    every_mover(async |mover| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let first = serve_at(listener, Hub::default(), mover).await;
        let delay = Duration::from_millis(10);
        let options = ReconnectOptions::reconnect(true).retry_initial(true).delay(delay);
        let client = ClientBuilder::for_url(first.url("t").as_str())
            .unwrap()
            .reconnect(options.delay_max(delay).build())
            .build_with_transport(Reqwest::default());
        let mut events = client.stream();
        // It reports a failed attempt as an error, and tries again.
        let connected =
            async { while !matches!(events.try_next().await, Ok(Some(SSE::Connected(_)))) {} };
        timeout(PATIENCE, connected).await.expect("it connects");
        let id = first.publish("t", "one\ntwo: \u{1f9c7}\r\n").await;
        let message = "message".to_owned();
        let received = event(&mut events).await;
        assert_eq!(received, (id.to_string(), message.clone(), "one\ntwo: \u{1f9c7}\n".to_owned()));
        first
            .hub
            .publish(Notification::binary("t".parse().unwrap(), &b"\0\xff"[..]))
            .await
            .unwrap();
        let received = event(&mut events).await;
        assert_eq!((received.1.as_str(), received.2.as_str()), ("binary", "AP8="));

        // The server ends, and another one with a new epoch uses its address.
        let epoch = first.hub.epoch();
        first.stop().await;
        let received = event(&mut events).await;
        assert_eq!(received.1, "goodbye");
        let goodbye: Value = serde_json::from_str(&received.2).unwrap();
        assert_eq!(goodbye["goodbye"]["reason"], Reason::GoingAway.name());
        let second = Hub::default();
        second.publish(Notification::text("t".parse().unwrap(), "of the second")).await.unwrap();
        let second = serve_at(TcpListener::bind(address).await.unwrap(), second, mover).await;
        let received = event(&mut events).await;
        assert_eq!(received.1, "gap", "{received:?}");
        let gap: Value = serde_json::from_str(&received.2).unwrap();
        assert_eq!(gap["gap"]["reason"], "epoch");
        assert_eq!(gap["gap"]["after"], epoch.id(2).to_string(), "it reconnected with its last id");
        assert_eq!(event(&mut events).await.2, "of the second");
        drop(events);
        second.stop().await;
    });
}

#[test]
fn reqwest_polls() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let poll = async |query: &str| -> Value {
            let url = format!("{}{query}", hub.url("t"));
            let response = client.get(url).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let headers = response.headers();
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["content-type"], "application/json");
            serde_json::from_str(&response.text().await.unwrap()).unwrap()
        };
        let empty = |cursor: &str| serde_json::json!({"cursor": cursor, "notifications": []});
        let id = |seq| hub.hub.epoch().id(seq).to_string();
        assert_eq!(poll("").await, empty(&id(0)), "a poll without a position is answered at once");

        let post = client.post(hub.url("t")).body("text \"1\"");
        let answer = post.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, serde_json::json!({"id": id(1)}));
        let binary = client.post(hub.url("t")).header("content-type", "application/octet-stream");
        assert_eq!(binary.body(&b"\0\xff"[..]).send().await.unwrap().status(), 200);
        hub.comes_to(2).await;

        let expected = serde_json::json!({
            "cursor": id(2),
            "notifications": [
                {"id": id(1), "topic": "t", "data": "text \"1\""},
                {"id": id(2), "topic": "t", "data_base64": "AP8="},
            ],
        });
        // A lane that has not run its pass yet responds with the first notification only.
        for query in [format!("?after={}", id(0)), "?after=earliest".to_owned()] {
            let is_whole = async || poll(&query).await == expected;
            crate::support::eventually("the response has both", is_whole).await;
        }
        assert_eq!(poll(&format!("?last_event_id={}&wait=0", id(2))).await, empty(&id(2)));

        // A poll is held until a notification matches. Others move its cursor when the hold ends.
        let query = format!("?after={}", id(2));
        let (held, ()) = tokio::join!(poll(&query), async {
            crate::support::eventually("it is held", async || hub.hub.pool().len() == 1).await;
            hub.publish("t", "news").await;
        });
        assert_eq!(held["notifications"][0]["data"], "news");
        let query = format!("?after={}&wait=1", id(3));
        let (held, ()) = tokio::join!(poll(&query), async {
            crate::support::eventually("it is held", async || hub.hub.pool().len() == 1).await;
            hub.publish("another", "not for it").await;
        });
        assert_eq!(held, empty(&id(4)));
        let gap = poll("?after=zz-7").await;
        assert_eq!(gap["gap"]["reason"], "epoch");
        drop(client);
        hub.stop().await;
    });
}

#[test]
fn the_response_to_a_poll_is_bounded_and_the_next_poll_continues_after_it() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let payload = "x".repeat(300 << 10);
        for _ in 0..10 {
            hub.publish("t", payload.clone()).await;
        }
        let (mut cursor, mut seqs, mut answers) = ("earliest".to_owned(), Vec::new(), 0);
        while seqs.len() < 10 {
            let url = format!("{}?after={cursor}", hub.url("t"));
            let text = client.get(url).send().await.unwrap().text().await.unwrap();
            assert!(text.len() < (1 << 20) + 1024, "{} bytes in one response", text.len());
            let answer: Value = serde_json::from_str(&text).unwrap();
            let notifications = answer["notifications"].as_array().unwrap();
            seqs.extend(notifications.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            cursor = answer["cursor"].as_str().unwrap().to_owned();
            answers += 1;
        }
        let expected = (1..=10).map(|seq| hub.hub.epoch().id(seq).to_string());
        assert_eq!(seqs, expected.collect::<Vec<_>>());
        assert!(answers >= 4, "three of them fit into 1 MiB");
        drop(client);
        hub.stop().await;
    });
}
