//! From a notification to bytes, in the words of every transport.
//!
//! `fresh` is what the first client of a transport costs, `shared` what every further one does.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::Request;
use http::request::Parts;
use tidings_core::{Entry, Epoch, Event, Heartbeat, Id, Kind, Notification, Topic};
use tidings_server::transports;
use tidings_transport::{Encoder, SubscribeRequest};

const SIZES: [usize; 4] = [16, 256, 4 << 10, 64 << 10];
const ID: Id = Epoch::from_number(1_000_000_000).id(1042);

/// One way to render, and its name.
type Spoken = (String, Arc<dyn Encoder>);

fn encode(criterion: &mut Criterion) {
    let spoken = every_words();
    let mut group = criterion.benchmark_group("encode/fresh");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for (name, encoder) in &spoken {
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                // An entry remembers its bytes, so each is rendered once.
                bencher.iter_batched_ref(
                    || [entry(size)],
                    |events| encoder.encode(black_box(events), ID),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("encode/shared");
    for size in [SIZES[0], SIZES[3]] {
        for (name, encoder) in &spoken {
            let events = [entry(size)];
            encoder.encode(&events, ID);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| encoder.encode(black_box(&events), ID));
            });
        }
    }
    group.finish();
}

/// The words of every transport, those of its subprotocol too where it has one.
fn every_words() -> Vec<Spoken> {
    let mut all: Vec<Spoken> = Vec::new();
    let mut rendered: Vec<Bytes> = Vec::new();
    for listed in transports(Heartbeat::default()) {
        for subprotocol in ["", "tidings.v1"] {
            let request = request(subprotocol);
            let subscribe =
                SubscribeRequest::read("orders.new", &request).expect("it is well-formed");
            let accepted =
                listed.server.accept(&request, &subscribe).expect("it is everybody's request");
            let bytes = accepted.encoder.encode(&[entry(16)], ID);
            if !rendered.contains(&bytes) {
                rendered.push(bytes);
                let name = [listed.server.name(), subprotocol].join(" ").trim_end().to_owned();
                all.push((name, accepted.encoder));
            }
        }
    }
    all
}

/// A request that every transport can accept.
fn request(subprotocol: &str) -> Parts {
    let request = Request::get("/topics/orders.new")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", subprotocol)
        .header("accept", "text/event-stream");
    request.body(()).expect("it is well-formed").into_parts().0
}

/// A notification of this size that nobody has asked for yet: JSON, for that is what most payloads are,
/// and its quotes are what makes JSON inside JSON dear.
fn entry(size: usize) -> Event {
    let topic: Topic = "orders.new".parse().expect("a topic");
    let json = br#"{"item":"teapot","count":7,"note":"blue, with a lid"},"#;
    let payload: Bytes = json.iter().copied().cycle().take(size).collect();
    let notification = Notification::checked(topic, Kind::Text, payload).expect("it is ASCII");
    Event::Deliver(Arc::new(Entry::new(ID, notification)))
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700))
        .sample_size(50);
    targets = encode
}
criterion_main!(benches);
