//! An HTTP client for a single connection, by HTTP/1.1 or HTTP/2. It uses little memory, so that one process can have
//! thousands.
//!
//! The futures of connecting, of a request and of a whole body are boxed. Otherwise each crate that awaits them would
//! compile them again, with hyper and h2.

mod body;
mod http1;
mod http2;
mod rejection;
mod upgrade;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Body as _;
use http_body_util::Full;
use tokio::time::timeout;
use url::Url;

use super::{ClientError, Target, TimeLimits, shown, socket};
use crate::publish::is_media;
use http1::Http1;
use http2::Http2;

pub use body::Body;
pub use upgrade::Upgraded;

/// The limit of the head of a response, in bytes. For HTTP/1.1, it is also the size of the read buffer.
const MAX_HEAD: usize = 16 * 1024;
/// The slowest upload that is waited for, in bytes per second. The time for it is added to the time limit for the head
/// of the response, so that a slow connection is not taken for a dead server.
const SLOWEST_UPLOAD: u64 = 16 * 1024;

/// A connection for HTTP requests, which is kept alive between them.
///
/// Over `https`, the server chooses HTTP/2 or HTTP/1.1 in the TLS handshake. Over `http`, it is HTTP/1.1, or HTTP/2 if
/// [`ConnectOptions::http2_prior_knowledge`](super::ConnectOptions::http2_prior_knowledge) is set. Both have the same
/// time limits and the same errors. A GOAWAY of the server closes an HTTP/2 connection for new requests, like the end
/// of an HTTP/1.1 connection.
///
/// It spawns no task, and does I/O only while one of its methods is awaited. So each arrival wakes only the client's
/// task. Dropping it closes the connection.
pub struct Http {
    protocol: Protocol,
    url: Url,
    /// The headers of each request: `Host`, and those of the caller's options.
    headers: HeaderMap,
    limits: TimeLimits,
}

#[derive(Debug)]
enum Protocol {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// A request without a response.
#[derive(Debug)]
pub struct SendError {
    /// The error.
    pub error: ClientError,
    /// The request, if it can be sent again without the risk that it is served twice: no byte of it was sent, or the
    /// server has refused its HTTP/2 stream (by REFUSED_STREAM or GOAWAY).
    pub unsent: Option<Box<Request<Full<Bytes>>>>,
}

impl SendError {
    fn unsent(request: Request<Full<Bytes>>) -> Self {
        let error = ClientError::Broken("the server closed it, connect again".to_owned());
        Self { error, unsent: Some(Box::new(request)) }
    }
}

/// Returns a `GET` for the resource of `url`, in origin form (RFC 9112, section 3.2.1).
///
/// # Errors
/// Fails with [`ClientError::BadUrl`] if the path or the query has characters that a request may not have.
pub fn request(url: &Url) -> Result<Request<Full<Bytes>>, ClientError> {
    let origin = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let bad = |_| ClientError::BadUrl {
        url: shown(url),
        problem: "path or query has characters that HTTP does not allow, percent-encode them",
    };
    Request::get(origin).body(Full::default()).map_err(bad)
}

impl Http {
    /// Connects to the host of `target.url`.
    ///
    /// # Errors
    /// Any error of [`connect`](super::connect).
    pub fn connect(target: &Target) -> BoxFuture<'_, Result<Self, ClientError>> {
        Box::pin(async move {
            let stream = socket::open(target, &[socket::HTTP_2, socket::HTTP_1]).await?;
            let is_chosen = socket::is_http2(&stream);
            let is_assumed = target.options.http2_prior_knowledge && !target.is_tls();
            let (headers, authority) = headers_and_authority(target)?;
            let protocol = if is_chosen || is_assumed {
                let scheme = if target.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
                let http = Http2::new(stream, scheme, authority, is_assumed).await?;
                Protocol::Http2(Box::new(http))
            } else {
                Protocol::Http1(Box::new(Http1::new(stream).await?))
            };
            let (url, limits) = (target.url.clone(), target.options.limits);
            Ok(Self { protocol, url, headers, limits })
        })
    }

    /// Sends a request, waits for the head of its response, and returns it if the status is `200`.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`] with the server's message for any other status.
    /// - [`ClientError::Broken`] if the connection breaks. The request may or may not have been served.
    /// - [`ClientError::TimedOut`] if the head does not arrive within [`TimeLimits::head`], and one second more for
    ///   each 16 KiB of the request's body. The request may or may not have been served.
    /// - [`ClientError::Protocol`] if the response is not HTTP.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, ClientError> {
        self.send_held(request, Duration::ZERO).await
    }

    /// Sends a request as [`send`](Self::send) does, but waits `hold` longer for the head of the response.
    ///
    /// # Errors
    /// Any error of [`send`](Self::send).
    pub async fn send_held(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> Result<Response<Body>, ClientError> {
        let response = self.exchange(request, hold).await.map_err(|failed| failed.error)?;
        self.accepted(response).await
    }

    /// Sends a request as [`send`](Self::send) does, but returns the request with the error if it is certain that the
    /// server has not served it. This happens when the server has closed a connection that was kept alive, or has
    /// refused the HTTP/2 stream of the request.
    ///
    /// # Errors
    /// Any error of [`send`](Self::send).
    pub async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        let response = self.exchange(request, Duration::ZERO).await?;
        self.accepted(response).await.map_err(|error| SendError { error, unsent: None })
    }

    /// Sends a request as [`try_send`](Self::try_send) does, but waits `hold` longer for the head of the response. A
    /// response with this media type is returned whatever its status is.
    pub(super) async fn try_send_for(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
        media: &str,
    ) -> Result<Response<Body>, SendError> {
        let response = self.exchange(request, hold).await?;
        let given = response.headers().get(header::CONTENT_TYPE);
        if given.is_some_and(|given| is_media(given, media)) {
            return Ok(response);
        }
        self.accepted(response).await.map_err(|error| SendError { error, unsent: None })
    }

    /// Polls the connection once, and returns `true` if it is still open, so that a request can be sent on it.
    pub async fn check_open(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(http) => http.check_open().await,
            Protocol::Http2(http) => http.check_open().await,
        }
    }

    /// Closes the connection, so that no later request can be sent on it.
    fn close(&mut self) {
        match &mut self.protocol {
            Protocol::Http1(http) => http.close(),
            Protocol::Http2(http) => http.close(),
        }
    }

    /// Sends a request and waits for the head of its response, within the time limit.
    fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            let bytes = request.body().size_hint().exact().unwrap_or_default();
            let limit = self.limits.head + hold + Duration::from_secs(bytes / SLOWEST_UPLOAD);
            let response = timeout(limit, self.exchange_unbounded(request)).await;
            response.unwrap_or_else(|_| {
                self.close();
                let error =
                    ClientError::TimedOut { waited_for: "the head of a response", after: limit };
                Err(SendError { error, unsent: None })
            })
        })
    }

    async fn exchange_unbounded(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        request.headers_mut().extend(self.headers.clone());
        match &mut self.protocol {
            Protocol::Http1(http) => http.exchange(request).await,
            Protocol::Http2(http) => http.exchange(request).await,
        }
    }
}

/// The headers of each request, with `Host`, and the authority that `Host` has.
fn headers_and_authority(target: &Target) -> Result<(HeaderMap, Authority), ClientError> {
    let bad = || ClientError::BadUrl {
        url: shown(&target.url),
        problem: "host has characters that HTTP does not allow",
    };
    let host = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
    let host = HeaderValue::try_from(host).map_err(|_| bad())?;
    let mut headers = target.options.headers_for(&target.url);
    let host = headers.entry(header::HOST).or_insert(host);
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| bad())?;
    Ok((headers, authority))
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("url", &shown(&self.url)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::client::ConnectOptions;
    use crate::client::scripted::{Script, mute, server};

    pub(super) async fn get(script: Script) -> Result<(Http, Response<Body>), ClientError> {
        let (target, _) = server(script).await;
        let mut http = Http::connect(&target).await?;
        let response = http.send(request(&target.url)?).await?;
        Ok((http, response))
    }

    #[tokio::test]
    async fn requests_follow_each_other_on_one_connection() {
        let (target, requests) = server(&[&[
            &["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"],
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntw",
                "\r\n1\r\no\r\n0\r\n\r\n",
            ],
        ]])
        .await;
        let mut http = Http::connect(&target).await.unwrap();
        for expected in ["one", "two"] {
            let response = http.send(request(&target.url).unwrap()).await.unwrap();
            assert_eq!(http.whole(response.into_body(), 3).await.unwrap(), expected);
        }
        drop(http);
        let requests = requests.await.unwrap();
        let host = format!("host: {}\r\n", target.url.authority());
        assert!(requests[0].starts_with("GET /topics/a HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[0].contains(&host), "{requests:?}");
    }

    #[tokio::test]
    async fn a_server_that_is_silent_within_a_response_times_out() {
        const HEAD: &str = "the head of a response";
        const REST: &str = "the rest of a response";
        for (sent, waited_for) in [
            ("", HEAD),
            ("HTTP/1.1 200 OK\r\nContent-", HEAD),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", REST),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", REST),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", REST),
        ] {
            let (target, server) = mute(sent).await;
            let mut http = Http::connect(&target).await.unwrap();
            let body = match http.send(request(&target.url).unwrap()).await {
                Ok(response) => http.whole(response.into_body(), 9).await.map(drop),
                Err(error) => Err(error),
            };
            let error = body.unwrap_err();
            assert!(error.to_string().ends_with(waited_for), "{sent:?}: {error}");
            assert!(!error.is_final());
            assert!(!http.check_open().await, "late bytes would be read as the next response");
            server.abort();
        }
    }

    #[tokio::test]
    async fn the_time_limit_of_a_held_request_is_longer_by_the_hold() {
        let (target, server) = mute("").await;
        let mut http = Http::connect(&target).await.unwrap();
        let hold = Duration::from_millis(150);
        let error = http.send_held(request(&target.url).unwrap(), hold).await.unwrap_err();
        let ClientError::TimedOut { after, .. } = error else { panic!("{error}") };
        assert_eq!(after, hold + target.options.limits.head);
        server.abort();
    }

    #[tokio::test]
    async fn credentials_are_sent_with_each_request_and_appear_in_no_error() {
        const REJECTED: Script = &[&[&[
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 47\r\n\r\n",
            "no entry for s3cret-token (Bearer s3cret-token)",
        ]]];
        let (mut target, requests) = server(REJECTED).await;
        let options = ConnectOptions::default().bearer("s3cret-token").unwrap();
        target.options = Arc::new(options);
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("no entry for ***"), "{error}");
        assert!(!format!("{error:?} {http:?} {target:?}").contains("s3cret"));
        let sent = &requests.await.unwrap()[0];
        assert!(sent.contains("authorization: Bearer s3cret-token\r\n"), "{sent}");
    }

    #[tokio::test]
    async fn a_server_of_another_protocol_is_a_protocol_error() {
        let error = get(&[&[&["SSH-2.0-OpenSSH_9.6\r\n"]]]).await.unwrap_err();
        assert!(error.to_string().contains("invalid HTTP"), "{error}");
    }
}
