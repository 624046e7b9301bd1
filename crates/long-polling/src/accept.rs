//! Accepts polls, and determines how long each is held.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Response, header};
use tidings_core::Position;
use tidings_transport::{
    Accepted, Compression, Encoder, Rejection, Shape, SubscribeRequest, Transport, query,
};

use crate::encoder::Answer;

/// The server half of the long-polling transport.
///
/// ```
/// use std::time::Duration;
/// use tidings_long_polling::LongPolling;
/// use tidings_transport::{SubscribeRequest, Shape, Transport};
///
/// let request = http::Request::get("/topics/t?after=b7k2q9-7&wait=40").body(())?.into_parts().0;
/// let subscribe = SubscribeRequest::read("t", &request).expect("well-formed");
/// let accepted = LongPolling::default().accept(&request, &subscribe).expect("a poll");
/// assert_eq!(accepted.shape, Shape::Answer { hold: Duration::from_secs(40) });
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct LongPolling {
    default_hold: Duration,
    max_hold: Duration,
    head: Arc<Response<()>>,
    plain: Arc<dyn Encoder>,
    gzip: Arc<dyn Encoder>,
}

impl LongPolling {
    /// Creates a transport that holds a poll for `default_hold` unless the request names a time, and never for longer
    /// than `max_hold`.
    pub fn new(default_hold: Duration, max_hold: Duration) -> Self {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let encoder = |compression| Arc::new(Answer { snapshot: None, compression });
        let (plain, gzip) = (encoder(None), encoder(Some(Compression::Body)));
        Self { default_hold, max_hold, head: Arc::new(head), plain, gzip }
    }
}

impl Default for LongPolling {
    /// Creates a transport that holds a poll for 25 s by default, and for at most 60 s. Most proxies wait that long for
    /// a response.
    fn default() -> Self {
        Self::new(Duration::from_secs(25), Duration::from_secs(60))
    }
}

impl Transport for LongPolling {
    fn name(&self) -> &'static str {
        "long-polling"
    }

    /// Always `true`, because a poll needs nothing but HTTP.
    fn claims(&self, _: &Parts) -> bool {
        true
    }

    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection> {
        let hold = wait(request)?.unwrap_or(self.default_hold).min(self.max_hold);
        // Only a poll that continues from a position is held. Any other is answered at once, with the current position
        // or with a part of a snapshot. So a client never waits without a position, and loses nothing between two
        // polls.
        let has_position = matches!(subscribe.position, Position::After(_) | Position::Earliest);
        let hold = if has_position { hold } else { Duration::ZERO };
        let is_gzip = subscribe.may_gzip(request);
        let encoder = match subscribe.position {
            Position::Snapshot(snapshot) => {
                let compression = is_gzip.then_some(Compression::Body);
                Arc::new(Answer { snapshot: Some(snapshot), compression })
            }
            _ if is_gzip => self.gzip.clone(),
            _ => self.plain.clone(),
        };
        let head = self.head.clone();
        Ok(Accepted { head, header: None, encoder, shape: Shape::Answer { hold } })
    }
}

/// The hold time that the request names: `?wait=SECONDS`, otherwise `Prefer: wait=SECONDS` (RFC 7240, section 4.3).
/// Fails with a `400` if the query parameter is not a number of seconds.
fn wait(request: &Parts) -> Result<Option<Duration>, Rejection> {
    if let Some(text) = query(request, "wait") {
        let seconds = text.parse::<u32>().map_err(|_| {
            Rejection::bad_request(
                "bad_wait",
                format!("invalid wait {text:?}: expected whole seconds, 0 or more"),
            )
        })?;
        return Ok(Some(Duration::from_secs(seconds.into())));
    }
    // A malformed preference is ignored (section 2).
    let preferences = request.headers.get_all("prefer").into_iter();
    let seconds = preferences
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, value)| value.trim().trim_matches('"').parse::<u32>().ok());
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(uri: &str, prefer: Option<&str>) -> Result<u64, &'static str> {
        let mut request = http::Request::get(uri);
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let accepted =
            LongPolling::default().accept(&parts, &SubscribeRequest::read("t", &parts).unwrap());
        match accepted.map_err(|rejection| rejection.code)?.shape {
            Shape::Answer { hold } => Ok(hold.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_names_the_hold_time_which_is_bounded_and_zero_without_a_position() {
        assert_eq!(hold("/topics/t?after=e-1", None), Ok(25));
        assert_eq!(hold("/topics/t?after=e-1&wait=0", None), Ok(0));
        assert_eq!(hold("/topics/t?after=e-1&wait=3", Some("wait=9")), Ok(3));
        assert_eq!(hold("/topics/t?after=e-1", Some("respond-async, wait=9")), Ok(9));
        assert_eq!(hold("/topics/t?after=e-1", Some("wait=soon")), Ok(25));
        assert_eq!(hold("/topics/t?after=e-1&wait=86400", None), Ok(60));
        assert_eq!(hold("/topics/t?after=e-1&wait=-1", None), Err("bad_wait"));
        assert_eq!(hold("/topics/t", None), Ok(0));
        assert_eq!(hold("/topics/t?after=latest&wait=9", None), Ok(0));
        assert_eq!(hold("/topics/t?after=e-1.7&wait=9", None), Ok(0));
        assert_eq!(hold("/topics/t?after=earliest&wait=9", None), Ok(9));
    }
}
