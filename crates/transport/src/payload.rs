//! The payload of a request to publish.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::Rejection;

/// Reads a body to its end, and returns a copy of exactly its length.
///
/// Not cancel safe: dropping the future loses the bytes that were read.
///
/// # Errors
/// - `413` if the body, or its announced length, is longer than `limit` bytes.
/// - `408` if the body has not arrived completely within `deadline`.
/// - `400` if the body ends early, or has a trailer that must be a header.
pub async fn read_payload<B>(
    body: &mut B,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Rejection>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Reject it before the server sends `100 Continue` to a client that waits for it.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > limit) {
        return Err(too_big(limit));
    }
    match timeout(deadline, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) if body.trailers().is_some_and(has_framing_field) => {
            let message = "Content-Length, Transfer-Encoding and Host may not be trailers";
            Err(Rejection::bad_request("bad_body", message))
        }
        // A body that arrived in one piece is a slice of the whole read buffer. The copy frees that buffer.
        Ok(Ok(body)) => Ok(Bytes::copy_from_slice(&body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_big(limit)),
        Ok(Err(error)) => {
            Err(Rejection::bad_request("bad_body", format!("cannot read the body: {error}")))
        }
        Err(_) => Err(too_late(deadline)),
    }
}

/// Whether the trailers have a field that a server needs before the body (RFC 9110, section 6.5.1).
fn has_framing_field(trailers: &HeaderMap) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST]
        .iter()
        .any(|name| trailers.contains_key(name))
}

pub(crate) fn too_big(limit: usize) -> Rejection {
    let message = format!("the body is larger than the limit of {limit} bytes");
    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
}

fn too_late(deadline: Duration) -> Rejection {
    let message = format!("the body did not arrive within {deadline:?}");
    Rejection::new(StatusCode::REQUEST_TIMEOUT, "too_late", message)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}
