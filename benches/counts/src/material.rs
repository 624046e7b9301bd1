//! Topics, payloads, entries and encoders for the scenarios.

use std::sync::Arc;

use http::Request;
use http::request::Parts;
use tidings_core::{Entry, Epoch, Event, Id, Notification, Topic};
use tidings_server::transports;
use tidings_transport::{Encoder, SubscribeRequest};

/// How often a scenario repeats its work. Once would be too few instructions for a tolerance in percent.
pub(crate) const ROUNDS: usize = 100;

/// The length of most payloads in bytes.
pub(crate) const SIZE: usize = 256;

/// Returns the topic of all notifications.
pub fn topic() -> Topic {
    "orders.new".parse().expect("a topic")
}

/// Returns a payload in JSON, like most payloads. Its quotes make JSON inside JSON expensive.
pub fn json() -> String {
    let json = r#"{"item":"teapot","count":7,"note":"blue, with a lid"},"#;
    json.chars().cycle().take(SIZE).collect()
}

pub(crate) fn id(seq: u64) -> Id {
    Epoch::from_number(1_000_000_000).id(1000 + seq)
}

/// An entry keeps its encoded bytes, so each is used only once.
pub(crate) fn entries(number: usize, payload: &str) -> Vec<Event> {
    let entry = |seq| Entry::new(id(seq), Notification::text(topic(), payload));
    (0..number as u64).map(|seq| Event::Deliver(Arc::new(entry(seq)))).collect()
}

pub(crate) fn encoder(transport: &str, subprotocol: &str) -> Arc<dyn Encoder> {
    let listed = transports();
    let listed = listed.iter().find(|listed| listed.server.name() == transport);
    let request = request(subprotocol);
    let subscribe = SubscribeRequest::read("orders.new", &request).expect("it is well-formed");
    let accepted = listed.expect("the transport is listed").server.accept(&request, &subscribe);
    accepted.expect("every transport accepts the request").encoder
}

/// Every transport accepts this request.
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
