//! The head of an event stream.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Response, header};
use tidings_transport::{Accepted, Ask, Refusal, Shape, Transport, Words};

use crate::words::Stream;

/// The server half of the SSE transport.
///
/// ```
/// use tidings_sse::Sse;
/// use tidings_transport::{Ask, Transport};
///
/// let request = http::Request::get("/topics/t").header("accept", "text/event-stream").body(())?;
/// let request = request.into_parts().0;
/// let sse = Sse::default();
/// assert!(sse.claims(&request));
/// let accepted = sse.accept(&request, &Ask::read("t", &request).expect("well-formed")).expect("a GET");
/// assert_eq!(accepted.head.headers()["content-type"], "text/event-stream");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct Sse {
    head: Arc<Response<()>>,
    words: Arc<dyn Words>,
}

impl Sse {
    /// A transport whose clients come back after about this time when they are cut, each after another
    /// part of it.
    pub fn new(retry: Duration) -> Self {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // no-transform keeps compressing proxies from holding events back; the next line, nginx.
        let uncached = HeaderValue::from_static("no-cache, no-transform");
        headers.insert(header::CACHE_CONTROL, uncached);
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Self { head: Arc::new(head), words: Arc::new(Stream { retry }) }
    }
}

impl Default for Sse {
    /// With a reconnection time of 2 s, jittered between 1 s and 3 s.
    fn default() -> Self {
        Self::new(Duration::from_secs(2))
    }
}

impl Transport for Sse {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn claims(&self, request: &Parts) -> bool {
        let accepts = request.headers.get_all(header::ACCEPT).into_iter();
        accepts
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|media| media.trim().eq_ignore_ascii_case("text/event-stream"))
    }

    fn accept(&self, _: &Parts, _: &Ask) -> Result<Accepted, Refusal> {
        let (head, words) = (self.head.clone(), self.words.clone());
        Ok(Accepted { head, words, shape: Shape::Stream })
    }
}
