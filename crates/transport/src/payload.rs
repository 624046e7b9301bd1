//! The payload of a request to publish.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::Rejection;

/// Reads a body to its end. The result is a copy of exactly its size.
///
/// Not cancel safe: what has been read is lost.
///
/// # Errors
/// Returns a `413` if the body is longer than `limit` bytes or announces that it is, a `408` if it is not there within
/// `deadline`, and a `400` if it breaks off or if a trailer would change how it is delimited.
pub async fn read_payload<B>(
    body: &mut B,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Rejection>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Rejected before `100 Continue` is sent to a client that waits for it.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > limit) {
        return Err(too_big(limit));
    }
    match timeout(deadline, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) if body.trailers().is_some_and(decides_framing) => {
            let message = "a trailer may not be Content-Length, Transfer-Encoding or Host";
            Err(Rejection::bad_request("bad_body", message))
        }
        // A copy, because a body that came in one piece keeps all of the buffer that it was read into.
        Ok(Ok(body)) => Ok(Bytes::copy_from_slice(&body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_big(limit)),
        Ok(Err(error)) => {
            Err(Rejection::bad_request("bad_body", format!("the body broke off: {error}")))
        }
        Err(_) => Err(too_late(deadline)),
    }
}

/// Returns `true` if a trailer has a field that comes too late there (RFC 9110, section 6.5.1).
fn decides_framing(trailers: &HeaderMap) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST]
        .iter()
        .any(|name| trailers.contains_key(name))
}

pub(crate) fn too_big(limit: usize) -> Rejection {
    let message = format!("the body is larger than the limit of {limit} bytes");
    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
}

fn too_late(deadline: Duration) -> Rejection {
    let message = format!("the body was not there within {deadline:?}");
    Rejection::new(StatusCode::REQUEST_TIMEOUT, "too_late", message)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}
