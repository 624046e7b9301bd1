//! A temporary rejection as an event stream.
//!
//! An `EventSource` reconnects after a stream that ends, but not after an error status (HTML standard, section 9.2.3).

use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use serde_json::json;
use tidings_transport::Rejection;

use crate::encoder::{control, millis};

/// How long clients wait after a rejection without `Retry-After`.
const WAIT: Duration = Duration::from_secs(5);

/// A stream of one goodbye that stands for this rejection. By the header `Retry-After` the client of this crate
/// recognizes it. The field `retry` is for an `EventSource`: it is a random time between once and twice `Retry-After`,
/// so that clients do not all reconnect at once.
pub(crate) fn stream(rejection: &Rejection, head: &Response<()>) -> Response<Bytes> {
    let seconds = rejection.headers.get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
    let wait = seconds.map_or(WAIT, Duration::from_secs);
    let retry = millis(wait);
    let jitter = getrandom::u64().unwrap_or_default() % retry.max(1);
    let goodbye = json!({"goodbye": {"reason": rejection.code, "message": rejection.message}});
    let goodbye = control(None, "goodbye", &goodbye.to_string());
    let body = [format!("retry: {}\n", retry + jitter).as_bytes(), &goodbye].concat();

    let mut response = head.clone().map(|()| Bytes::from(body));
    let headers = response.headers_mut();
    headers.extend(rejection.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(header::RETRY_AFTER, wait.as_secs().into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn full() -> Rejection {
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "full", "all 1 seats are taken")
            .with(header::RETRY_AFTER, 7)
    }

    #[test]
    fn an_event_source_waits_between_once_and_twice_the_time_of_retry_after() {
        let waits: std::collections::BTreeSet<u64> = (0..50)
            .map(|_| {
                let text =
                    String::from_utf8(stream(&full(), &Response::new(())).body().to_vec()).unwrap();
                text.lines().next().unwrap().strip_prefix("retry: ").unwrap().parse().unwrap()
            })
            .collect();
        assert!(
            waits.len() > 10 && waits.iter().all(|wait| (7000..14000).contains(wait)),
            "{waits:?}"
        );
    }
}
