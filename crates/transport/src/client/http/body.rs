//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use h2::RecvStream;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{Http, Protocol, http1, http2};
use crate::client::ClientError;

/// The slowest download of a whole body that is waited for, in bytes per second. So a server that sends single bytes
/// cannot keep a client waiting without end.
const SLOWEST_DOWNLOAD: u64 = 4 * 1024;

/// The body of a response, read with [`Http::chunk`] or [`Http::whole`].
#[derive(Debug)]
pub struct Body(Content);

#[derive(Debug)]
enum Content {
    Http1(Incoming),
    Http2(RecvStream),
}

impl Body {
    pub(super) fn http1(body: Incoming) -> Self {
        Self(Content::Http1(body))
    }

    pub(super) fn http2(body: RecvStream) -> Self {
        Self(Content::Http2(body))
    }

    /// Polls for the next bytes. They arrive only while the connection is polled.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientError>>> {
        let body = match &mut self.0 {
            Content::Http1(body) => body,
            Content::Http2(body) => return http2::poll_chunk(body, cx),
        };
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(http1::broken(&error)))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Http1(body) => body.is_end_stream(),
            Content::Http2(body) => body.is_end_stream(),
        }
    }
}

impl Http {
    /// Returns the next bytes of a body, or `None` at its end.
    ///
    /// There is no time limit. The caller should set one with [`Silence`](crate::client::Silence). Cancel safe.
    ///
    /// # Errors
    /// Fails with [`ClientError::Broken`] if the connection ends before the body, and with [`ClientError::Protocol`] if
    /// the body is malformed.
    pub async fn chunk(&mut self, body: &mut Body) -> Result<Option<Bytes>, ClientError> {
        let chunk = |cx: &mut Context<'_>| body.poll_chunk(cx);
        match &mut self.protocol {
            Protocol::Http1(http) => http.drive(chunk).await,
            Protocol::Http2(http) => http.drive(chunk).await,
        }
        .transpose()
    }

    /// Reads a whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// Any error of [`chunk`](Self::chunk), and the following, which also close the connection:
    ///
    /// - [`ClientError::Protocol`] for a longer body.
    /// - [`ClientError::TimedOut`] if no byte arrives for [`TimeLimits::body`](crate::client::TimeLimits::body), or the
    ///   body arrives slower than 4 KiB per second.
    pub fn whole(
        &mut self,
        mut body: Body,
        limit: usize,
    ) -> BoxFuture<'_, Result<Bytes, ClientError>> {
        Box::pin(async move {
            let mut whole = BytesMut::new();
            let began = Instant::now();
            loop {
                let limit_of_silence = self.limits.body;
                let slowest = Duration::from_secs(whole.len() as u64 / SLOWEST_DOWNLOAD);
                let latest = began + limit_of_silence + slowest;
                let deadline = latest.min(Instant::now() + limit_of_silence);
                let Ok(chunk) = timeout_at(deadline, self.chunk(&mut body)).await else {
                    self.close();
                    return Err(ClientError::TimedOut {
                        waited_for: "the rest of a response",
                        after: began.elapsed(),
                    });
                };
                let Some(chunk) = chunk? else { return Ok(whole.freeze()) };
                if whole.len() + chunk.len() > limit {
                    self.close();
                    return Err(ClientError::Protocol {
                        transport: "response",
                        problem: format!("the body is longer than {limit} bytes"),
                    });
                }
                if whole.is_empty() && body.is_end_stream() {
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
    async fn a_body_that_ends_early_or_is_too_long_is_an_error() {
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
