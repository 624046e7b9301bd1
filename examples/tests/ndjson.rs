//! Compiles and runs the code of `docs/adding-a-transport.md`.

#[expect(unreachable_pub, reason = "it is written as a library")]
#[path = "../ndjson/lib.rs"]
mod ndjson;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ndjson::{Ndjson, NdjsonClient};
use tidings::core::{Hub, Notification, Position};
use tidings::server::Server;
use tidings::transport::client::{Arrival, Arrivals, Client, Target};
use tokio::time::timeout;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn the_page_has_the_code_that_is_tested_here() {
    let page = include_str!("../../docs/adding-a-transport.md");
    for code in [include_str!("../ndjson/lib.rs"), include_str!("../ndjson/client.rs")] {
        let block = format!("```rust\n{code}```\n");
        assert!(page.contains(&block), "docs/adding-a-transport.md has no such block:\n{block}");
    }
}

async fn next(arrivals: &mut Arrivals) -> String {
    let next = async {
        loop {
            let arrival = arrivals.next().await.expect("the stream goes on");
            match arrival.expect("the client understands it") {
                Arrival::Notification(received) => {
                    return String::from_utf8_lossy(&received.payload).into_owned();
                }
                Arrival::Heartbeat(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("it arrives in time")
}

#[tokio::test]
async fn a_client_is_sent_what_is_published_and_resumes() {
    let hub = Hub::default();
    let server = Server::builder(hub.clone())
        .configure(|config| config.transports.insert(0, Arc::new(Ndjson::default())))
        .bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let url = format!("http://{}/topics/orders.*", server.local_addrs()[0]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    let publish = async |text: &'static str| {
        let notification = Notification::text("orders.new".parse().expect("a topic"), text);
        hub.publish(notification).await.expect("it is stored")
    };
    let connect = async |position| {
        let target = Target::new(url.parse().expect("a URL")).position(position);
        NdjsonClient.connect(target).await.expect("the server accepts it")
    };

    let first = publish("two\r\nlines").await;
    publish("second").await;
    let mut earliest = connect(Position::Earliest).await;
    assert_eq!(next(&mut earliest).await, "two\r\nlines");
    assert_eq!(next(&mut earliest).await, "second");
    let mut resumed = connect(Position::After(first)).await;
    assert_eq!(next(&mut resumed).await, "second");
    let mut latest = connect(Position::Latest).await;
    assert_eq!(next(&mut latest).await, "second");
    publish("third").await;
    for arrivals in [&mut earliest, &mut resumed, &mut latest] {
        assert_eq!(next(arrivals).await, "third");
    }

    drop(stop);
    let goodbye = async {
        loop {
            match earliest.next().await.expect("a goodbye comes first").expect("a line") {
                Arrival::Goodbye(goodbye) => return goodbye.code,
                Arrival::Heartbeat(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    };
    assert_eq!(timeout(PATIENCE, goodbye).await.expect("in time"), Some(1001));
    drop((earliest, resumed, latest));
    timeout(PATIENCE, serving).await.expect("in time").expect("it ends").expect("without an error");
}
