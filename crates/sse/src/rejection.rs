//! "Not now" as an event stream: an `EventSource` comes back after a stream that ends, and never after an error
//! status (HTML standard, section 9.2.3).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tidings_transport::Refusal;
use tidings_transport::client::{ClientError, retry_after};

use crate::words::{control, millis};
use crate::{Item, Parser};

/// How long clients wait if the rejection does not say it.
const WAIT: Duration = Duration::from_secs(5);

/// The longest such stream that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// Returns a stream of one goodbye that stands for this rejection. `Retry-After` shows our own client what it
/// is; `retry:`, which is as long or up to twice as long, is for an `EventSource`.
pub(crate) fn stream(rejection: &Refusal, head: &Response<()>) -> Response<Bytes> {
    let wait = retry_after(&rejection.headers).unwrap_or(WAIT);
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

/// Returns the error that a stream with these headers and this body stands for, if its `Retry-After` shows that
/// it is a rejection.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> ClientError {
    #[derive(Deserialize)]
    struct Told {
        goodbye: Goodbye,
    }
    #[derive(Deserialize)]
    struct Goodbye {
        reason: String,
        message: String,
    }
    let mut items = Vec::new();
    // If it is too long, what came before that counts.
    let _ = Parser::with_limit(MAX_BYTES).feed(body, &mut items);
    let goodbye = items.into_iter().find_map(|item| match item {
        Item::Event(event) if event.event == "goodbye" => serde_json::from_str(&event.data).ok(),
        _ => None,
    });
    let (code, message) = match goodbye {
        Some(Told { goodbye: Goodbye { reason, message } }) => (Some(reason), message),
        None => (None, "it gave no reason".to_owned()),
    };
    let status = StatusCode::SERVICE_UNAVAILABLE;
    ClientError::Refused { status, code, message, retry_after: retry_after(headers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "full", "all 1 seats are taken")
            .with(header::RETRY_AFTER, 7)
    }

    #[test]
    fn a_rejection_is_a_stream_of_one_goodbye_and_read_as_the_503_that_it_stands_for() {
        let response = stream(&full(), &Response::new(()));
        assert_eq!(
            (response.status(), &response.headers()["retry-after"]),
            (StatusCode::OK, &7.into())
        );
        let error = read(response.headers(), response.body());
        let ClientError::Refused { status, code, message, retry_after } = error else {
            panic!("{error}")
        };
        assert_eq!((status.as_u16(), code.as_deref()), (503, Some("full")));
        assert_eq!(
            (message.as_str(), retry_after),
            ("all 1 seats are taken", Some(Duration::from_secs(7)))
        );
    }

    #[test]
    fn an_event_source_waits_for_as_long_as_it_was_asked_to_and_not_all_for_the_same_time() {
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

    #[test]
    fn a_rejection_without_a_goodbye_is_still_one() {
        let headers = stream(&full(), &Response::new(())).headers().clone();
        assert!(matches!(
            read(&headers, b"data: whatever\n\n"),
            ClientError::Refused { code: None, retry_after: Some(_), .. }
        ));
    }
}
