//! Encodes a notification for each transport: what the first client of a format costs, and what each further one does.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use http::Request;
use http::request::Parts;
use tidings_core::{Entry, Epoch, Event, Heartbeat, Id, Kind, Notification, Topic};
use tidings_server::transports;
use tidings_transport::{Encoder, SubscribeRequest};

const SIZES: [usize; 4] = [16, 256, 4 << 10, 64 << 10];
const ID: Id = Epoch::from_number(1_000_000_000).id(1042);

/// A format and its name.
type Named = (String, Arc<dyn Encoder>);

pub(crate) fn bench(criterion: &mut Criterion) {
    let formats = formats();
    let mut group = criterion.benchmark_group("encode for the first client");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(700));
    group.sample_size(50);
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for (name, encoder) in &formats {
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                // An entry keeps its encoded bytes, so each is encoded once.
                bencher.iter_batched_ref(
                    || [entry(size)],
                    |events| encoder.encode(black_box(events), ID),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("encode for a further client");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(700));
    group.sample_size(50);
    for size in [SIZES[0], SIZES[3]] {
        for (name, encoder) in &formats {
            let events = [entry(size)];
            encoder.encode(&events, ID);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| encoder.encode(black_box(&events), ID));
            });
        }
    }
    group.finish();
}

/// Returns the format of each transport, and of its subprotocol if it has one.
fn formats() -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    let mut encoded: Vec<Bytes> = Vec::new();
    for listed in transports(Heartbeat::default()) {
        for subprotocol in ["", "tidings.v1"] {
            let request = request(subprotocol);
            let subscribe =
                SubscribeRequest::read("orders.new", &request).expect("it is well-formed");
            let accepted =
                listed.server.accept(&request, &subscribe).expect("every transport accepts it");
            let bytes = accepted.encoder.encode(&[entry(16)], ID);
            if !encoded.contains(&bytes) {
                encoded.push(bytes);
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

/// Returns a notification of this size that has not been encoded. Its payload is JSON, as most payloads are: its
/// quotes make JSON inside JSON expensive.
fn entry(size: usize) -> Event {
    let topic: Topic = "orders.new".parse().expect("a topic");
    let json = br#"{"item":"teapot","count":7,"note":"blue, with a lid"},"#;
    let payload: Bytes = json.iter().copied().cycle().take(size).collect();
    let notification = Notification::checked(topic, Kind::Text, payload).expect("it is ASCII");
    Event::Deliver(Arc::new(Entry::new(ID, notification)))
}
