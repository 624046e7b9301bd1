//! An HTTP client for a single HTTP/1.1 connection. It uses little memory, so that one process can have thousands.
//!
//! The futures of connecting, of a request and of a whole body are boxed. Otherwise each crate that awaits them would
//! compile them again, with hyper.

mod body;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use url::Url;

use super::connection::{Connection, broken};
use super::{ClientError, Stream, Target, TimeLimits, connect, shown};
use crate::publish::is_media;

pub use body::Body;

/// The size of the read buffer in bytes, which also limits the head of a response.
const BUFFER: usize = 16 * 1024;
/// The most that is read of the body of a rejection, in bytes.
const MAX_REJECTION: usize = 64 * 1024;
/// How long the body of a rejection is waited for.
const REJECTION_LIMIT: Duration = Duration::from_secs(5);
/// The slowest upload that is waited for, in bytes per second. The time for it is added to the time limit for the head
/// of the response, so that a slow connection is not taken for a dead server.
const SLOWEST_UPLOAD: u64 = 16 * 1024;

/// A connection for HTTP/1.1 requests (RFC 9112), which is kept alive between them.
///
/// It spawns no task, and does I/O only while one of its methods is awaited. So each arrival wakes only the client's
/// task. Dropping it closes the connection.
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection,
    url: Url,
    /// The headers of each request: `Host`, and those of the caller's options.
    headers: HeaderMap,
    limits: TimeLimits,
}

/// A request without a response.
#[derive(Debug)]
pub struct SendError {
    /// The error.
    pub error: ClientError,
    /// The request, if no byte of it was sent. It can then be sent again without the risk that it is served twice.
    pub unsent: Option<Box<Request<Full<Bytes>>>>,
}

/// A connection that was upgraded from HTTP to another protocol.
#[derive(Debug)]
pub struct Upgraded {
    /// The head of the `101`.
    pub head: Response<()>,
    /// The connection.
    pub stream: Stream,
    /// The bytes that have already been read after the head.
    pub read: Bytes,
}

/// Returns a `GET` for the resource of `url`, in origin form (RFC 9112, section 3.2.1).
///
/// # Errors
/// Returns [`ClientError::BadUrl`] if the path or the query has characters that a request may not have.
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
    /// Returns the errors of [`connect`](super::connect).
    pub fn connect(target: &Target) -> BoxFuture<'_, Result<Self, ClientError>> {
        Box::pin(async move {
            let io = TokioIo::new(connect(target).await?);
            let (sender, connection) = Builder::new()
                .max_buf_size(BUFFER)
                .handshake(io)
                .await
                .map_err(|error| broken(&error))?;
            let authority = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
            let host = HeaderValue::try_from(authority).map_err(|_| ClientError::BadUrl {
                url: shown(&target.url),
                problem: "host has characters that HTTP does not allow",
            })?;
            let mut headers = target.options.headers_for(&target.url);
            headers.entry(header::HOST).or_insert(host);
            Ok(Self {
                sender,
                connection: Connection::new(connection),
                url: target.url.clone(),
                headers,
                limits: target.options.limits,
            })
        })
    }

    /// Sends a request, waits for the head of its response, and returns it if the status is `200`.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`] with the server's message if the response has any other status.
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
    /// Returns the errors of [`send`](Self::send).
    pub async fn send_held(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> Result<Response<Body>, ClientError> {
        let response = self.exchange(request, hold).await.map_err(|failed| failed.error)?;
        self.accepted(response).await
    }

    /// Sends a request as [`send`](Self::send) does, but returns the request with the error if no byte of it was sent.
    /// This happens if the server has closed a connection that was kept alive.
    ///
    /// # Errors
    /// Returns the errors of [`send`](Self::send).
    pub async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        let response = self.exchange(request, Duration::ZERO).await?;
        self.accepted(response).await.map_err(|error| SendError { error, unsent: None })
    }

    /// Sends a request as [`try_send`](Self::try_send) does, but waits `hold` longer for the head of the response. If
    /// the response has this media type, it is returned whatever its status is.
    pub(super) async fn try_send_for(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
        media: &str,
    ) -> Result<Response<Body>, SendError> {
        let response = self.exchange(request, hold).await?;
        let given = response.headers().get(header::CONTENT_TYPE);
        if given.is_some_and(|given| is_media(given, media)) {
            return Ok(response.map(Body));
        }
        self.accepted(response).await.map_err(|error| SendError { error, unsent: None })
    }

    /// Returns the error for a response with this head and body.
    pub(super) fn rejected(&self, head: &Parts, body: &[u8]) -> ClientError {
        ClientError::rejected(head, body, &self.headers, &self.url)
    }

    /// Returns the response if its status is `200`, otherwise the error that it stands for.
    async fn accepted(
        &mut self,
        response: Response<Incoming>,
    ) -> Result<Response<Body>, ClientError> {
        match response.status() {
            StatusCode::OK => Ok(response.map(Body)),
            _ => Err(self.rejection(response).await),
        }
    }

    /// Polls the connection once, and returns `true` if it is still open, so that a request can be sent on it.
    pub async fn check_open(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.connection.advance(cx))).await
    }

    /// Sends a request to upgrade to another protocol (RFC 9110, section 7.8) and waits for the `101`.
    ///
    /// # Errors
    /// Returns the errors of [`send`](Self::send). Any status except `101` is [`ClientError::Rejected`], even `200`.
    pub async fn upgrade(mut self, request: Request<Full<Bytes>>) -> Result<Upgraded, ClientError> {
        let response = self.exchange(request, Duration::ZERO).await;
        let response = response.map_err(|failed| failed.error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.rejection(response).await);
        }
        let parts = self.connection.leave_http().await?;
        Ok(Upgraded {
            head: response.map(drop),
            stream: parts.io.into_inner(),
            read: parts.read_buf,
        })
    }

    /// Sends a request and waits for the head of its response, within the time limit.
    fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> BoxFuture<'_, Result<Response<Incoming>, SendError>> {
        Box::pin(async move {
            let bytes = request.body().size_hint().exact().unwrap_or_default();
            let limit = self.limits.head + hold + Duration::from_secs(bytes / SLOWEST_UPLOAD);
            let response = timeout(limit, self.exchange_unbounded(request)).await;
            response.unwrap_or_else(|_| {
                self.connection.close();
                let error =
                    ClientError::TimedOut { waited_for: "the head of a response", after: limit };
                Err(SendError { error, unsent: None })
            })
        })
    }

    async fn exchange_unbounded(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        let closed = || ClientError::Broken("the server closed it, connect again".to_owned());
        request.headers_mut().extend(self.headers.clone());
        if !self.check_open().await
            || self.connection.drive(|cx| self.sender.poll_ready(cx)).await.is_err()
        {
            return Err(SendError { error: closed(), unsent: Some(Box::new(request)) });
        }
        let mut response = pin!(self.sender.try_send_request(request));
        let response = self.connection.drive(|cx| response.as_mut().poll(cx)).await;
        response.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            SendError { error: broken(error.error()), unsent }
        })
    }

    /// Reads the body of a response that is not accepted, and returns the error.
    async fn rejection(&mut self, response: Response<Incoming>) -> ClientError {
        let (head, body) = response.into_parts();
        let body = timeout(REJECTION_LIMIT, self.whole(Body(body), MAX_REJECTION)).await;
        // If the body does not arrive, the status alone is more useful to the caller than the reason for that.
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        self.rejected(&head, &body)
    }
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
    async fn a_rejection_has_the_servers_message_and_retry_after() {
        let error = get(&[&[&[
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 59\r\n\r\n",
            "{\"error\":{\"code\":\"full\",\"message\":\"come back a bit later\"}}",
        ]]])
        .await
        .unwrap_err();
        assert!(error.to_string().ends_with("503 Service Unavailable: come back a bit later"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
        assert!(!error.is_final());
    }

    #[tokio::test]
    async fn a_rejection_with_an_incomplete_body_is_still_that_rejection() {
        let error = get(&[&[&["HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\ncut"]]])
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("403 Forbidden: no reason given"), "{error}");
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
    async fn a_rejection_whose_body_does_not_arrive_is_still_that_rejection() {
        let (target, server) = mute("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
        server.abort();
    }

    #[tokio::test]
    async fn an_upgrade_without_a_response_times_out() {
        let (target, server) =
            mute("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n").await;
        let http = Http::connect(&target).await.unwrap();
        let error = http.upgrade(request(&target.url).unwrap()).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        server.abort();
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
    async fn a_redirect_is_named_and_not_followed() {
        let (target, _) = server(&[&[&[
            "HTTP/1.1 302 Found\r\nLocation: http://other.example/a?access_token=s3cret\r\n\
             Content-Length: 0\r\n\r\n",
        ]]])
        .await;
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        let words = "connect to http://other.example/a?access_token=***";
        assert!(error.to_string().ends_with(words), "{error}");
        assert!(error.is_final());
    }

    #[tokio::test]
    async fn a_server_of_another_protocol_is_a_protocol_error() {
        let error = get(&[&[&["SSH-2.0-OpenSSH_9.6\r\n"]]]).await.unwrap_err();
        assert!(error.to_string().contains("invalid HTTP"), "{error}");
    }
}
