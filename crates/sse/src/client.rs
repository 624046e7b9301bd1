//! The client half.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tidings_core::{Gap, Id, Kind, Position};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Received, Target, last_event_id,
    request, url_after,
};

use crate::{Event, Item, Parser};

/// Subscribes by server-sent events (HTML standard, section 9.2).
///
/// The topic is not on this wire, so [`Received::topic`] is `None`. Comments and blocks that only move the
/// last event id arrive as heartbeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct SseClient;

impl Client for SseClient {
    fn transport(&self) -> &'static str {
        "sse"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        connect(target).boxed()
    }
}

async fn connect(target: Target) -> Result<Arrivals, ClientError> {
    let mut http = Http::connect(&target).await?;
    let mut request = match target.position {
        Position::Earliest => request(&url_after(&target.url, target.position))?,
        Position::Live | Position::After(_) => request(&target.url)?,
    };
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Position::After(_) = target.position {
        last_event_id(headers, target.position);
    }

    let (head, mut body) = http.send(request).await?.into_parts();
    require_event_stream(&head.headers)?;
    let arrivals = async_stream::try_stream! {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        while let Some(chunk) = http.chunk(&mut body).await? {
            let read = parser.feed(&chunk, &mut items);
            for item in items.drain(..) {
                let Some(arrival) = arrival(item, parser.last_event_id())? else { continue };
                let is_last = matches!(arrival, Arrival::Goodbye(_));
                yield arrival;
                if is_last {
                    return;
                }
            }
            read.map_err(|error| protocol(error.to_string()))?;
        }
    };
    Ok(arrivals.boxed())
}

/// A stream of another type is none (HTML standard, section 9.2.3).
fn require_event_stream(headers: &HeaderMap) -> Result<(), ClientError> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.map_or("", |value| value.to_str().unwrap_or("no text"));
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/event-stream") {
        return Ok(());
    }
    Err(protocol(format!("its Content-Type is {given:?}; is this address a topic of the hub?")))
}

/// What an item means to a subscriber. Events of a type that is not ours are for somebody else, as with
/// the `EventSource` of a page, and show that the hub is there.
fn arrival(item: Item, last_event_id: &str) -> Result<Option<Arrival>, ClientError> {
    let event = match item {
        Item::Event(event) => event,
        Item::Comment | Item::Id => {
            return Ok(Some(Arrival::Heartbeat(last_event_id.parse().ok())));
        }
        Item::Retry(_) => return Ok(None),
    };
    let id: Option<Id> = event.last_event_id.parse().ok();
    Ok(Some(match event.event.as_str() {
        "" | "message" => notification(id, Kind::Text, Bytes::from(event.data)),
        "binary" => {
            let payload = STANDARD.decode(&event.data);
            let payload = payload.map_err(|error| malformed(&event, &error))?;
            notification(id, Kind::Binary, Bytes::from(payload))
        }
        "gap" => {
            let told: ToldGap = json(&event)?;
            Arrival::Gap(told.gap)
        }
        "goodbye" => {
            let told: ToldGoodbye = json(&event)?;
            Arrival::Goodbye(Goodbye::named(&told.goodbye.reason, told.goodbye.message))
        }
        _ => Arrival::Heartbeat(id),
    }))
}

fn notification(id: Option<Id>, kind: Kind, payload: Bytes) -> Arrival {
    Arrival::Notification(Received { id, topic: None, kind, payload })
}

#[derive(Deserialize)]
struct ToldGap {
    gap: Gap,
}

#[derive(Deserialize)]
struct ToldGoodbye {
    goodbye: Words,
}

#[derive(Deserialize)]
struct Words {
    reason: String,
    #[serde(default)]
    message: String,
}

fn json<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, ClientError> {
    serde_json::from_str(&event.data).map_err(|error| malformed(event, &error))
}

fn malformed(event: &Event, error: &dyn std::error::Error) -> ClientError {
    protocol(format!("data of the event {:?}: {error}", event.event))
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "event stream", problem }
}
