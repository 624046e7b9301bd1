//! Reads a stream that stands for a rejection: see [`crate::rejection`].

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tidings_transport::client::{ClientError, retry_after};

use crate::{Item, Parser};

/// The most that is read of such a stream, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// The error that a stream with these headers and this body stands for. Call it only for a stream with `Retry-After`.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> ClientError {
    #[derive(Deserialize)]
    struct Data {
        goodbye: Goodbye,
    }
    #[derive(Deserialize)]
    struct Goodbye {
        reason: String,
        message: String,
    }
    let mut items = Vec::new();
    // If the body is too long, the items before that are still used.
    let _ = Parser::with_limit(MAX_BYTES).feed(body, &mut items);
    let goodbye = items.into_iter().find_map(|item| match item {
        Item::Event(event) if event.event == "goodbye" => serde_json::from_str(&event.data).ok(),
        _ => None,
    });
    let (code, message) = match goodbye {
        Some(Data { goodbye: Goodbye { reason, message } }) => (Some(reason), message),
        None => (None, "no reason given".to_owned()),
    };
    let status = StatusCode::SERVICE_UNAVAILABLE;
    ClientError::Rejected { status, code, message, retry_after: retry_after(headers) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use http::{Response, header};
    use tidings_transport::Rejection;

    use crate::rejection::stream;

    fn full() -> Rejection {
        Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "full", "all 1 seats are taken")
            .with(header::RETRY_AFTER, 7)
    }

    #[test]
    fn a_stream_of_one_goodbye_is_read_as_the_503_that_it_stands_for() {
        let response = stream(&full(), &Response::new(()));
        assert_eq!(
            (response.status(), &response.headers()["retry-after"]),
            (StatusCode::OK, &7.into())
        );
        let error = read(response.headers(), response.body());
        let ClientError::Rejected { status, code, message, retry_after } = error else {
            panic!("{error}")
        };
        assert_eq!((status.as_u16(), code.as_deref()), (503, Some("full")));
        assert_eq!(
            (message.as_str(), retry_after),
            ("all 1 seats are taken", Some(Duration::from_secs(7)))
        );
    }

    #[test]
    fn a_stream_with_retry_after_and_no_goodbye_is_still_a_rejection() {
        let headers = stream(&full(), &Response::new(())).headers().clone();
        assert!(matches!(
            read(&headers, b"data: whatever\n\n"),
            ClientError::Rejected { code: None, retry_after: Some(_), .. }
        ));
    }
}
