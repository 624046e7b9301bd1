//! The client of the SSE transport.

mod rejection;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tidings_core::{Filters, Gap, Headers, Id, Kind, ParseHeaderError, Position};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Received, Silence, Target,
    last_event_id, request, url_after,
};
use tidings_transport::path_segment;

use crate::{Event, Item, Parser};

/// Subscribes by server-sent events (HTML standard, section 9.2).
///
/// If the filters are a single topic, events do not contain it, and [`Received::topic`] is that of the URL. It is `None`
/// if the path of the URL does not end with `/topics/NAME`. Comments, and blocks that only change the last event id,
/// arrive as heartbeats.
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
        Position::Live | Position::After(_) => request(&target.url)?,
        _ => request(&url_after(&target.url, target.position))?,
    };
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Position::After(_) = target.position {
        last_event_id(headers, target.position);
    }

    let (head, mut body) = http.send(request).await?.into_parts();
    require_event_stream(&head.headers)?;
    if head.headers.contains_key(header::RETRY_AFTER) {
        let body = http.whole(body, rejection::MAX_BYTES).await?;
        return Err(rejection::read(&head.headers, &body));
    }
    let topic = topic(target.url.path());
    let arrivals = async_stream::try_stream! {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        let mut silence = Silence::default();
        while let Some(chunk) = silence.bound(http.chunk(&mut body)).await?? {
            let fed = parser.feed(&chunk, &mut items);
            // A comment only shows that the server is alive. A later event or id in the same chunk shows that too.
            let has_position = |item: &Item| matches!(item, Item::Event(_) | Item::Id(_));
            let last = items.iter().rposition(has_position).unwrap_or(0);
            for (at, item) in items.drain(..).enumerate() {
                if let Item::Ping(interval) = item {
                    silence = Silence::of(interval);
                }
                if matches!(item, Item::Comment | Item::Ping(_)) && at < last {
                    continue;
                }
                let Some(mut arrival) = arrival(item, parser.last_event_id())? else { continue };
                if let Arrival::Notification(received) = &mut arrival {
                    received.topic = received.topic.take().or_else(|| topic.clone());
                }
                let is_last = matches!(arrival, Arrival::Goodbye(_));
                yield arrival;
                if is_last {
                    return;
                }
            }
            fed.map_err(|error| protocol(error.to_string()))?;
        }
    };
    Ok(arrivals.boxed())
}

/// The topic of the notifications whose events do not contain one: that of the URL with this path, if its filters are a
/// single topic. An application that mounts the transport at another path may choose the filters itself.
fn topic(path: &str) -> Option<String> {
    let (_, name) = path.rsplit_once("/topics/")?;
    let filters: Filters = path_segment(name).ok()?.parse().ok()?;
    filters.as_topic().map(|topic| topic.as_str().to_owned())
}

/// Fails if the content type is not `text/event-stream` (HTML standard, section 9.2.3).
fn require_event_stream(headers: &HeaderMap) -> Result<(), ClientError> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.map_or("", |value| value.to_str().unwrap_or("not text"));
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("text/event-stream") {
        return Ok(());
    }
    Err(protocol(format!(
        "Content-Type is {given:?}, is this the address of a topic of a tidings server?"
    )))
}

/// The arrival that an item stands for, if any. If the type of an event is not one that tidings uses, it is the event
/// name of a notification. A reserved name cannot be an event name, so it counts as a heartbeat.
fn arrival(item: Item, last_event_id: &str) -> Result<Option<Arrival>, ClientError> {
    let event = match item {
        Item::Event(event) => event,
        Item::Comment | Item::Ping(_) => {
            return Ok(Some(Arrival::Heartbeat(last_event_id.parse().ok())));
        }
        // The parser's last event id may be that of a later block in the same chunk.
        Item::Id(id) => return Ok(Some(Arrival::Heartbeat(id.parse().ok()))),
        Item::Retry(_) => return Ok(None),
    };
    let id: Option<Id> = event.last_event_id.parse().ok();
    Ok(Some(match event.event.as_str() {
        "" | "message" => notification(id, event.topic, Kind::Text, event.data, event.headers),
        "binary" => {
            let payload = STANDARD.decode(&event.data);
            let payload = payload.map_err(|error| malformed(&event, &error))?;
            notification(id, event.topic, Kind::Binary, payload, event.headers)
        }
        "gap" => {
            let data: GapData = json(&event)?;
            Arrival::Gap(data.gap)
        }
        "goodbye" => {
            let data: GoodbyeData = json(&event)?;
            Arrival::Goodbye(data.goodbye)
        }
        name => {
            let others = event.headers.unwrap_or_default();
            let headers = match others.clone().with_event(name) {
                Err(ParseHeaderError::ReservedEvent(_)) => return Ok(Some(Arrival::Heartbeat(id))),
                // A server does not send such a name. The notification is delivered without it.
                Err(_) => others,
                Ok(headers) => headers,
            };
            let headers = Some(headers).filter(|headers| !headers.is_empty());
            notification(id, event.topic, Kind::Text, event.data, headers)
        }
    }))
}

fn notification(
    id: Option<Id>,
    topic: Option<String>,
    kind: Kind,
    payload: impl Into<Bytes>,
    headers: Option<Headers>,
) -> Arrival {
    let mut received = Received::new(kind, payload);
    (received.id, received.topic, received.headers) = (id, topic, headers);
    Arrival::Notification(received)
}

#[derive(Deserialize)]
struct GapData {
    gap: Gap,
}

#[derive(Deserialize)]
struct GoodbyeData {
    goodbye: Goodbye,
}

fn json<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, ClientError> {
    serde_json::from_str(&event.data).map_err(|error| malformed(event, &error))
}

fn malformed(event: &Event, error: &dyn std::error::Error) -> ClientError {
    protocol(format!("malformed data of event {:?}: {error}", event.event))
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "event stream", problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::GapReason;
    use tidings_testkit::{Script, scripted, scripted_until_silent};
    use tokio::task::JoinHandle;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";

    async fn server(script: Script) -> (Target, JoinHandle<Vec<String>>) {
        let (url, requests) = scripted(script).await;
        (Target::new(url), requests)
    }

    fn notified(seq: &str, kind: Kind, payload: &'static [u8]) -> Arrival {
        notification(seq.parse().ok(), Some("a".to_owned()), kind, payload, None)
    }

    #[tokio::test]
    async fn everything_that_a_server_sends_arrives_in_order() {
        let (target, requests) = server(&[&[&[
            HEAD,
            ":ping 25000\nretry: 900\nid: e-1\n\n",
            "id: e-2\ndata: seven\ndata: teapots\n\nid: e-3\nevent: bin",
            "ary\ndata: AP8=\n\n:\n\n",
            "id: e-9\nevent: gap\ndata: {\"gap\":{\"after\":\"e-3\",\"resume\":\"e-9\",\
             \"missed\":null,\"reason\":\"lagged\"}}\n\n",
            "event: heartbeat\ndata: rain\n\n",
            "event: goodbye\ndata: {\"goodbye\":{\"reason\":\"going_away\",\"message\":\"bye\"}}\n\n",
            "data: too late\n\n",
        ]]])
        .await;
        let arrivals = SseClient.connect(target).await.unwrap();
        let arrivals: Vec<_> = arrivals.map(Result::unwrap).collect().await;
        let id = |text: &str| text.parse::<Id>().unwrap();
        let gap =
            Gap { after: id("e-3"), resume: id("e-9"), missed: None, reason: GapReason::Lagged };
        let expected = [
            Arrival::Heartbeat(Some(id("e-1"))),
            notified("e-2", Kind::Text, b"seven\nteapots"),
            notified("e-3", Kind::Binary, b"\0\xFF"),
            Arrival::Heartbeat(Some(id("e-3"))),
            Arrival::Gap(gap),
            Arrival::Heartbeat(Some(id("e-9"))),
            Arrival::Goodbye(Goodbye { code: Some(1001), reason: "bye".to_owned() }),
        ];
        // A comment arrives as a heartbeat only if its chunk has no later event or id, which depends on the network.
        let is_certain = |arrival: &&Arrival| !matches!(arrival, Arrival::Heartbeat(_));
        let certain: Vec<_> = arrivals.iter().filter(is_certain).collect();
        assert_eq!(certain, expected.iter().filter(is_certain).collect::<Vec<_>>());
        assert!(arrivals.contains(&expected[0]) && arrivals.contains(&expected[5]), "{arrivals:?}");
        let request = &requests.await.unwrap()[0];
        assert!(request.contains("accept: text/event-stream\r\n"), "{request}");
        assert!(!request.contains("last-event-id"), "{request}");
    }

    #[tokio::test]
    async fn a_notification_with_an_event_name_is_never_lost() {
        const STREAM: Script = &[&[&[
            HEAD,
            "id: e-1\nevent: weather\ntime: 7\ndata: rain\n\n",
            "id: e-2\nevent: two words\ndata: a\n\nid: e-3\nevent: message\ndata: b\n\n",
            "id: e-4\nevent: binary\nevent-name: weather\ntime: 7\ndata: AP8=\n\n",
            "id: e-5\nevent: binary\nevent-name: gap\ndata: AP8=\n\n",
        ]]];
        let (target, _) = server(STREAM).await;
        let arrivals: Vec<_> = SseClient.connect(target).await.unwrap().collect().await;
        let arrivals: Vec<_> = arrivals.into_iter().map(Result::unwrap).collect();
        let weather = || Headers::new().with_event("weather").unwrap().with_time(7).ok();
        let notified = |id: &str, kind, payload: &'static [u8], headers| {
            notification(id.parse().ok(), Some("a".to_owned()), kind, payload, headers)
        };
        let expected = [
            notified("e-1", Kind::Text, b"rain", weather()),
            notified("e-2", Kind::Text, b"a", None),
            notified("e-3", Kind::Text, b"b", None),
            notified("e-4", Kind::Binary, b"\0\xFF", weather()),
            notified("e-5", Kind::Binary, b"\0\xFF", None),
        ];
        assert_eq!(arrivals, expected);
    }

    #[tokio::test]
    async fn the_field_topic_is_the_topic_of_a_notification() {
        const STREAM: Script = &[&[&[
            HEAD,
            "id: e-1\ntopic: orders.new\ndata: a\n\n",
            "id: e-2\ntopic: orders.old\nevent: binary\ndata: AP8=\n\nid: e-3\ndata: b\n\n",
        ]]];
        let (target, _) = server(STREAM).await;
        let arrivals: Vec<_> = SseClient.connect(target).await.unwrap().collect().await;
        let topics = arrivals.into_iter().map(|arrival| match arrival.unwrap() {
            Arrival::Notification(received) => received.topic,
            other => panic!("{other:?}"),
        });
        let named = ["orders.new", "orders.old"].map(|topic| Some(topic.to_owned()));
        // The last event has none, so it is that of the URL.
        let of_url = Some("a".to_owned());
        assert_eq!(topics.collect::<Vec<_>>(), [&named[..], &[of_url]].concat());
    }

    #[test]
    fn the_topic_of_a_url_is_its_only_filter_without_a_wildcard() {
        for (path, expected) in [
            ("/topics/orders.new", Some("orders.new")),
            ("/app/topics/orders%2Enew", Some("orders.new")),
            ("/topics/orders.*", None),
            ("/topics/orders.%3E", None),
            ("/topics/a,b", None),
            ("/topics/a%2Cb", None),
            ("/topics/", None),
            ("/feed", None),
        ] {
            assert_eq!(topic(path).as_deref(), expected, "{path}");
        }
    }

    #[tokio::test]
    async fn the_position_of_a_heartbeat_is_not_ahead_of_later_notifications() {
        const ONE_PIECE: Script =
            &[&[&[HEAD, ":\nretry: 900\nid: e-1\n\nid: e-2\ndata: a\n\nid: e-3\ndata: b\n\n"]]];
        let (target, _) = server(ONE_PIECE).await;
        let mut arrivals = SseClient.connect(target).await.unwrap();
        let first = arrivals.next().await.unwrap().unwrap();
        assert_eq!(first, Arrival::Heartbeat("e-1".parse().ok()));
        assert_eq!(arrivals.next().await.unwrap().unwrap(), notified("e-2", Kind::Text, b"a"));
    }

    #[tokio::test]
    async fn an_id_is_sent_as_a_header_and_other_positions_as_a_query() {
        for (position, expected) in [
            (Position::After("e-7".parse().unwrap()), "last-event-id: e-7\r\n"),
            (Position::Earliest, "GET /topics/a?after=earliest HTTP/1.1\r\n"),
            (Position::Latest, "GET /topics/a?after=latest HTTP/1.1\r\n"),
        ] {
            let (target, requests) = server(&[&[&[HEAD]]]).await;
            let arrivals = SseClient.connect(target.position(position)).await.unwrap();
            assert_eq!(arrivals.count().await, 0);
            let request = &requests.await.unwrap()[0];
            assert!(request.contains(expected), "{request}");
        }
    }

    #[tokio::test]
    async fn a_response_that_is_not_an_event_stream_is_an_error() {
        let (target, _) = server(&[&[&[
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        ]]])
        .await;
        let error = SseClient.connect(target).await.err().unwrap();
        assert!(error.to_string().contains("\"text/html\""), "{error}");
        let (target, _) = server(&[&[&["HTTP/1.1 204 No Content\r\n\r\n"]]]).await;
        assert!(SseClient.connect(target).await.err().unwrap().is_final());
    }

    #[tokio::test]
    async fn a_stream_with_retry_after_is_read_as_a_503() {
        const FULL: Script = &[&[&[
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nRetry-After: 5\r\n\r\n",
            "retry: 6000\nevent: goodbye\n",
            "data: {\"goodbye\":{\"reason\":\"full\",\"message\":\"try again later\"}}\n\n",
        ]]];
        let (target, _) = server(FULL).await;
        let error = SseClient.connect(target).await.err().unwrap();
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(5)));
        assert!(!error.is_final() && error.to_string().ends_with("try again later"), "{error}");
    }

    #[tokio::test]
    async fn a_silent_stream_times_out_by_the_heartbeat_that_it_announced() {
        const AFTER_HEAD: Script = &[&[&[HEAD, ":ping 1\n"]]];
        const AFTER_OPENING: Script = &[&[&[HEAD, ":ping 1\nretry: 900\nid: e-1\n\n"]]];
        const INSIDE_EVENT: Script = &[&[&[HEAD, ":ping 1\nid: e-1\n\nid: e-2\ndata: ha"]]];
        for (script, arrivals) in [(AFTER_HEAD, 1), (AFTER_OPENING, 1), (INSIDE_EVENT, 1)] {
            let (url, server) = scripted_until_silent(script).await;
            let stream = SseClient.connect(Target::new(url)).await.unwrap();
            let mut arrived: Vec<_> = stream.collect().await;
            let error = arrived.pop().unwrap().unwrap_err();
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
            assert_eq!(arrived.len(), arrivals, "{arrived:?}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_or_malformed_ends_with_an_error() {
        const CUT: Script = &[&[&[
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n:\n",
        ]]];
        for (script, words) in [
            (CUT, "broke"),
            (&[&[&[HEAD, "event: gap\ndata: {}\n\n"]]], "event \"gap\": missing field"),
            (&[&[&[HEAD, "event: binary\ndata: ?\n\n"]]], "event \"binary\": Invalid symbol"),
        ] {
            let (target, _) = server(script).await;
            let arrivals = SseClient.connect(target).await.unwrap();
            let error = arrivals.collect::<Vec<_>>().await.pop().unwrap().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
