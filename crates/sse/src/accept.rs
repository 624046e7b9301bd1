//! Accepts requests for an event stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use tidings_transport::{
    Accepted, Compression, Encoder, Rejection, Shape, SubscribeRequest, Transport, prefers,
};

use crate::encoder::{EVENT, EVENT_WITH_TOPIC, Stream};
use crate::rejection;

/// The server half of the SSE transport.
///
/// ```
/// use tidings_sse::Sse;
/// use tidings_transport::{SubscribeRequest, Transport};
///
/// let request = http::Request::get("/topics/t").header("accept", "text/event-stream").body(())?;
/// let request = request.into_parts().0;
/// let sse = Sse::default();
/// assert!(sse.claims(&request));
/// let accepted = sse.accept(&request, &SubscribeRequest::read("t", &request).expect("well-formed")).expect("a GET");
/// assert_eq!(accepted.head.headers()["content-type"], "text/event-stream");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct Sse {
    plain: Variant,
    gzip: Variant,
}

/// The head and the encoders of the streams with the same content coding.
#[derive(Debug)]
struct Variant {
    head: Arc<Response<()>>,
    of_one_topic: Arc<dyn Encoder>,
    of_several: Arc<dyn Encoder>,
}

/// The configuration of [`Sse`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SseConfig {
    /// The average time after which clients reconnect when the connection breaks. Each client is sent a random time
    /// between half of this and one and a half times this. Default 2 s.
    pub retry: Duration,
}

impl Default for SseConfig {
    fn default() -> Self {
        Self { retry: Duration::from_secs(2) }
    }
}

impl SseConfig {
    /// Changes the average time after which clients reconnect.
    pub fn retry(self, retry: Duration) -> Self {
        Self { retry }
    }
}

impl Default for Sse {
    fn default() -> Self {
        Self::new(SseConfig::default())
    }
}

impl Sse {
    /// Creates the transport with this configuration.
    pub fn new(config: SseConfig) -> Self {
        let SseConfig { retry } = config;
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Without `no-store`, Chromium's cache delays a second request for the same URL until the first one ends. With
        // `no-transform`, proxies do not compress the stream, which would delay events.
        let uncached = HeaderValue::from_static("no-store, no-transform");
        headers.insert(header::CACHE_CONTROL, uncached);
        // With these two headers, proxies forward each event at once. The first is of RFC 10036, the second of nginx.
        headers.insert("incremental", HeaderValue::from_static("?1"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        let mut gzip_head = head.clone();
        let gzip = HeaderValue::from_static("gzip");
        gzip_head.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        Self {
            plain: Variant::new(head, retry, None),
            gzip: Variant::new(gzip_head, retry, Some(Compression::Body)),
        }
    }
}

impl Variant {
    fn new(head: Response<()>, retry: Duration, compression: Option<Compression>) -> Self {
        let encoder = |event| Arc::new(Stream { retry, event, compression });
        Self {
            head: Arc::new(head),
            of_one_topic: encoder(&EVENT),
            of_several: encoder(&EVENT_WITH_TOPIC),
        }
    }
}

impl Transport for Sse {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn claims(&self, request: &Parts) -> bool {
        prefers(&request.headers, &header::ACCEPT, "text/event-stream", "application/json")
    }

    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection> {
        let variant = if subscribe.may_gzip(request) { &self.gzip } else { &self.plain };
        let encoder = match subscribe.filters.as_topic() {
            Some(_) => &variant.of_one_topic,
            None => &variant.of_several,
        };
        let (head, encoder) = (variant.head.clone(), encoder.clone());
        Ok(Accepted { head, header: None, encoder, shape: Shape::Stream })
    }

    fn reject_temporarily(&self, rejection: &Rejection) -> Option<Response<Bytes>> {
        Some(rejection::stream(rejection, &self.plain.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Entry, Epoch, Event, Notification};

    #[test]
    fn an_event_names_its_topic_unless_the_filters_are_one_topic() {
        let request = http::Request::get("/").body(()).unwrap().into_parts().0;
        let (sse, id) = (Sse::default(), Epoch::from_number(36).id(5));
        let entry = Arc::new(Entry::new(id, Notification::text("a.b".parse().unwrap(), "x")));
        for (filters, is_named) in [("a.b", false), ("a.*", true), ("a.b,c", true), ("%3E", true)] {
            let accepted =
                sse.accept(&request, &SubscribeRequest::read(filters, &request).unwrap()).unwrap();
            let bytes = accepted.encoder.encode(&[Event::Deliver(entry.clone())], id);
            assert_eq!(bytes.starts_with(b"id: 10-5\ntopic: a.b\n"), is_named, "{filters}");
        }
    }
}
