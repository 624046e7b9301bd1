//! Requests whose body hyper reads.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tidings_transport::Rejection;

use super::publish;
use super::rejections::too_many_connections;
use super::route::{answer, check_host, finish};
use crate::answer::Answer;
use crate::config::Config;
use crate::request::is_last;
use crate::resource::{Resource, is_probe};
use crate::shared::Shared;

/// The answer to a request that hyper has read.
pub(crate) struct Streamed {
    pub(crate) answer: Answer,
    /// Whether the connection ends with the answer: the client asked for that, or the body was not read to its end, so
    /// that the next request cannot be found (RFC 9112, section 9.3).
    pub(crate) is_last: bool,
    /// Whether the answer has no body.
    pub(crate) is_head: bool,
}

/// Answers a request whose body is not read yet. Reads the body to its end first, whatever the method, unless the request
/// is rejected without it. `is_surplus` is `true` if the connection is over the limit.
pub(crate) async fn answer_streamed(
    request: Request<Incoming>,
    is_surplus: bool,
    shared: &Shared,
) -> Streamed {
    let (request, mut body) = request.into_parts();
    let mut is_read = body.is_end_stream();
    let answering = async {
        if is_surplus && !is_probe(&request) {
            return Err(too_many_connections());
        }
        let resource = Resource::of(&request);
        check_host(&request, &resource, shared)?;
        let mut read = async || {
            let payload = read(&mut body, &shared.config).await?;
            is_read = true;
            Ok::<_, Rejection>(payload)
        };
        match resource {
            Resource::Topics(name) if request.method == Method::POST => {
                let topic = publish::check(&request, name, shared)?;
                publish::publish(&request, topic, read().await?, shared)
            }
            _ => answer(&request, read().await?, shared),
        }
    };
    let answer = finish(answering.await, &request, shared);
    let is_last = is_last(&request) || !is_read || is_surplus;
    Streamed { answer, is_last, is_head: request.method == Method::HEAD }
}

async fn read(body: &mut Incoming, config: &Config) -> Result<Bytes, Rejection> {
    let limit = config.hub.max_payload();
    // Rejected before `100 Continue` is sent to a client that waits for it.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > limit) {
        return Err(too_big(limit));
    }
    let body = tokio::time::timeout(config.body_deadline, Limited::new(body, limit).collect());
    match body.await {
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
        Err(_) => Err(too_late(config)),
    }
}

/// Returns `true` if a trailer has a field that comes too late there (RFC 9110, section 6.5.1).
fn decides_framing(trailers: &HeaderMap) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST]
        .iter()
        .any(|name| trailers.contains_key(name))
}

fn too_big(limit: usize) -> Rejection {
    let message = format!("the body is larger than the limit of {limit} bytes");
    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
}

fn too_late(config: &Config) -> Rejection {
    let message = format!("the body was not there within {:?}", config.body_deadline);
    Rejection::new(StatusCode::REQUEST_TIMEOUT, "too_late", message)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}
