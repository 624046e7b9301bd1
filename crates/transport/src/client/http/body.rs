//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::Http;
use crate::client::ClientError;
use crate::client::line::broken;

/// The slowest download of a whole body, in bytes per second. A server that is slower is given up, so one that sends single
/// bytes cannot keep a client waiting for ever.
const SLOWEST_DOWNLOAD: u64 = 4 * 1024;

/// The body of a response, read with [`Http::chunk`] or [`Http::whole`].
#[derive(Debug)]
pub struct Body(pub(super) Incoming);

impl Http {
    /// The next bytes of a body; `None` at its end. Cancel safe. It waits for as long as it takes: the
    /// caller knows how long a stream may be silent, see [`Silence`](crate::client::Silence).
    ///
    /// # Errors
    /// [`ClientError::Broken`] where the connection ends before the body does.
    pub async fn chunk(&mut self, body: &mut Body) -> Result<Option<Bytes>, ClientError> {
        let frame = |cx: &mut Context<'_>| {
            loop {
                match Pin::new(&mut body.0).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => break Poll::Ready(Ok(Some(data))),
                        Err(_trailers) => {}
                    },
                    Poll::Ready(Some(Err(error))) => break Poll::Ready(Err(broken(&error))),
                    Poll::Ready(None) => break Poll::Ready(Ok(None)),
                    Poll::Pending => break Poll::Pending,
                }
            }
        };
        self.line.drive(frame).await
    }

    /// A whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] if it is longer, and [`ClientError::TimedOut`] if no byte comes for
    /// [`TimeLimits::body`](crate::client::TimeLimits::body) or if all of it comes slower than 4 KiB a second. The connection is of no use
    /// after either. Otherwise as [`chunk`](Self::chunk).
    pub fn whole(
        &mut self,
        mut body: Body,
        limit: usize,
    ) -> BoxFuture<'_, Result<Bytes, ClientError>> {
        Box::pin(async move {
            let mut whole = BytesMut::new();
            let began = Instant::now();
            loop {
                let patience = self.limits.body;
                let latest =
                    began + patience + Duration::from_secs(whole.len() as u64 / SLOWEST_DOWNLOAD);
                let deadline = latest.min(Instant::now() + patience);
                let Ok(chunk) = timeout_at(deadline, self.chunk(&mut body)).await else {
                    self.line.wire = None;
                    return Err(ClientError::TimedOut {
                        waited_for: "the rest of an answer",
                        after: began.elapsed(),
                    });
                };
                let Some(chunk) = chunk? else { return Ok(whole.freeze()) };
                if whole.len() + chunk.len() > limit {
                    self.line.wire = None;
                    return Err(ClientError::Protocol {
                        transport: "answer of this hub",
                        problem: format!("it is longer than {limit} bytes"),
                    });
                }
                if whole.is_empty() && body.0.is_end_stream() {
                    return Ok(chunk);
                }
                whole.extend_from_slice(&chunk);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::http::tests::get;
    use crate::client::scripted::Script;

    #[tokio::test]
    async fn a_body_that_is_cut_or_too_long_is_an_error_and_never_a_shorter_body() {
        const CUT: Script = &[&[&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"]]];
        let (mut http, response) = get(CUT).await.unwrap();
        let error = http.whole(response.into_body(), 9).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error}");

        let (mut http, response) = get(CUT).await.unwrap();
        let error = http.whole(response.into_body(), 4).await.unwrap_err();
        assert!(error.to_string().contains("longer than 4 bytes"), "{error}");
        assert!(!http.check_open().await);
    }
}
