//! One HTTP/1.1 connection, as small as a load of thousands wants it.
//!
//! The futures of connecting, of a request and of a whole body are boxed. An `async fn` would be compiled once more, with
//! hyper in it, in each crate that awaits it.

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

use super::line::{Line, broken};
use crate::publish::is_media;

use super::{ClientError, Stream, Target, TimeLimits, connect, shown};

pub use body::Body;

/// The most that is buffered of what arrives, and so the longest head of an answer.
const BUFFER: usize = 16 * 1024;
/// The most that is read of a rejection's body, and for how long.
const REFUSAL: usize = 64 * 1024;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);
/// The slowest upload that is waited for, in bytes per second. This is added to the time limit of the response's head, so
/// that a slow connection is not taken for a dead server.
const SLOWEST_UPLOAD: u64 = 16 * 1024;

/// One HTTP/1.1 connection (RFC 9112), kept alive from request to request.
///
/// It has no task of its own: it moves while one of its methods is awaited. So a client is one task and
/// one wake-up for what arrives, and dropping it closes the connection.
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    line: Line,
    url: Url,
    /// `Host`, and what the caller wants to send.
    headers: HeaderMap,
    limits: TimeLimits,
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct SendError {
    /// What went wrong.
    pub error: ClientError,
    /// The request, where not a byte of it was sent.
    pub unsent: Option<Box<Request<Full<Bytes>>>>,
}

/// What is left of a connection that has left HTTP.
#[derive(Debug)]
pub struct Upgraded {
    /// The answer that agreed to it.
    pub head: Response<()>,
    /// The connection.
    pub stream: Stream,
    /// What arrived behind the answer's head.
    pub read: Bytes,
}

/// A request to the resource of `url`, in origin form (RFC 9112, section 3.2.1).
///
/// # Errors
/// [`ClientError::BadUrl`] where its path or query has characters that no request may have.
pub fn request(url: &Url) -> Result<Request<Full<Bytes>>, ClientError> {
    let origin = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let bad = |_| ClientError::BadUrl {
        url: shown(url),
        problem: "percent-encode the path and the query: they have characters that HTTP does not allow",
    };
    Request::get(origin).body(Full::default()).map_err(bad)
}

impl Http {
    /// Connects to the host of `target.url`.
    ///
    /// # Errors
    /// As [`connect`].
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
                problem: "the host has characters that HTTP does not allow",
            })?;
            let mut headers = target.options.headers_for(&target.url);
            headers.entry(header::HOST).or_insert(host);
            Ok(Self {
                sender,
                line: Line { wire: Some(Box::new(connection)), done: false },
                url: target.url.clone(),
                headers,
                limits: target.options.limits,
            })
        })
    }

    /// Sends a request and waits for the head of its `200`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the hub's words for any other status; [`ClientError::Broken`] if the
    /// connection breaks and [`ClientError::TimedOut`] if the head does not come within
    /// [`TimeLimits::head`], and then the request may have been served or not.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, ClientError> {
        self.send_held(request, Duration::ZERO).await
    }

    /// Does the same as [`send`](Self::send) with a request that the hub may hold for this long before it
    /// answers.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_held(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> Result<Response<Body>, ClientError> {
        let response = self.exchange(request, hold).await.map_err(|failed| failed.error)?;
        self.accepted(response).await
    }

    /// As [`send`](Self::send), and gives the request back where not a byte of it was sent, as on a kept
    /// connection that the hub had closed. So it can be sent again without fear that it is served twice.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        let response = self.exchange(request, Duration::ZERO).await?;
        self.accepted(response).await.map_err(|error| SendError { error, unsent: None })
    }

    /// Sends a request as [`try_send`](Self::try_send) does, but waits `hold` longer for the answer. Also returns an answer
    /// with an error status if it has this media type.
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

    /// Returns the error for an answer with this head and body.
    pub(super) fn refused(&self, head: &Parts, body: &[u8]) -> ClientError {
        ClientError::refused(head, body, &self.headers, &self.url)
    }

    async fn accepted(
        &mut self,
        response: Response<Incoming>,
    ) -> Result<Response<Body>, ClientError> {
        match response.status() {
            StatusCode::OK => Ok(response.map(Body)),
            _ => Err(self.rejection(response).await),
        }
    }

    /// Reads what has come on the connection, and returns `true` if a request can still be sent on it.
    pub async fn check_open(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.line.advance(cx))).await
    }

    /// Sends a request to leave HTTP (RFC 9110, section 7.8) and waits for the `101`.
    ///
    /// # Errors
    /// As [`send`](Self::send), a `200` too is a rejection.
    pub async fn upgrade(mut self, request: Request<Full<Bytes>>) -> Result<Upgraded, ClientError> {
        let answered = self.exchange(request, Duration::ZERO).await;
        let response = answered.map_err(|failed| failed.error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.rejection(response).await);
        }
        let parts = self.line.leave_http().await?;
        Ok(Upgraded {
            head: response.map(drop),
            stream: parts.io.into_inner(),
            read: parts.read_buf,
        })
    }

    fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        hold: Duration,
    ) -> BoxFuture<'_, Result<Response<Incoming>, SendError>> {
        Box::pin(async move {
            let bytes = request.body().size_hint().exact().unwrap_or_default();
            let limit = self.limits.head + hold + Duration::from_secs(bytes / SLOWEST_UPLOAD);
            let answered = timeout(limit, self.exchange_unbounded(request)).await;
            answered.unwrap_or_else(|_| {
                self.line.wire = None;
                let error =
                    ClientError::TimedOut { waited_for: "the head of an answer", after: limit };
                Err(SendError { error, unsent: None })
            })
        })
    }

    async fn exchange_unbounded(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        let closed = || ClientError::Broken("the hub closed it; connect again".to_owned());
        request.headers_mut().extend(self.headers.clone());
        if !self.check_open().await
            || self.line.drive(|cx| self.sender.poll_ready(cx)).await.is_err()
        {
            return Err(SendError { error: closed(), unsent: Some(Box::new(request)) });
        }
        let mut answer = pin!(self.sender.try_send_request(request));
        let answer = self.line.drive(|cx| answer.as_mut().poll(cx)).await;
        answer.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            SendError { error: broken(error.error()), unsent }
        })
    }

    async fn rejection(&mut self, response: Response<Incoming>) -> ClientError {
        let (head, body) = response.into_parts();
        let body = timeout(REFUSAL_PATIENCE, self.whole(Body(body), REFUSAL)).await;
        // The status alone is worth more to the caller than why its explanation did not arrive.
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        self.refused(&head, &body)
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
    use crate::client::scripted::{Script, hub, mute};

    pub(super) async fn get(script: Script) -> Result<(Http, Response<Body>), ClientError> {
        let (target, _) = hub(script).await;
        let mut http = Http::connect(&target).await?;
        let response = http.send(request(&target.url)?).await?;
        Ok((http, response))
    }

    #[tokio::test]
    async fn requests_follow_each_other_on_one_connection() {
        let (target, requests) = hub(&[&[
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
    async fn a_rejection_has_the_hubs_words_and_when_to_come_back() {
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
    async fn a_rejection_whose_words_are_cut_is_still_that_rejection() {
        let error = get(&[&[&["HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\ncut"]]])
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("403 Forbidden: it gave no reason"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_in_an_answer_is_given_up() {
        for (said, waited_for) in [
            ("", "the head of an answer"),
            ("HTTP/1.1 200 OK\r\nContent-", "the head of an answer"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "the rest of an answer"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the rest of an answer"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", "the rest of an answer"),
        ] {
            let (target, server) = mute(said).await;
            let mut http = Http::connect(&target).await.unwrap();
            let body = match http.send(request(&target.url).unwrap()).await {
                Ok(response) => http.whole(response.into_body(), 9).await.map(drop),
                Err(error) => Err(error),
            };
            let error = body.unwrap_err();
            assert!(error.to_string().ends_with(waited_for), "{said:?}: {error}");
            assert!(!error.is_final());
            assert!(!http.check_open().await, "what comes late would be taken for the next answer");
            server.abort();
        }
    }

    #[tokio::test]
    async fn a_rejection_whose_words_do_not_come_is_still_that_rejection() {
        let (target, server) = mute("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nhalf").await;
        let mut http = Http::connect(&target).await.unwrap();
        let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
        server.abort();
    }

    #[tokio::test]
    async fn an_upgrade_that_is_not_answered_is_given_up() {
        let (target, server) =
            mute("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n").await;
        let http = Http::connect(&target).await.unwrap();
        let error = http.upgrade(request(&target.url).unwrap()).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        server.abort();
    }

    #[tokio::test]
    async fn a_held_poll_may_take_its_hold_in_addition() {
        let (target, server) = mute("").await;
        let mut http = Http::connect(&target).await.unwrap();
        let hold = Duration::from_millis(150);
        let error = http.send_held(request(&target.url).unwrap(), hold).await.unwrap_err();
        let ClientError::TimedOut { after, .. } = error else { panic!("{error}") };
        assert_eq!(after, hold + target.options.limits.head);
        server.abort();
    }

    #[tokio::test]
    async fn headers_go_with_each_request_and_come_back_in_no_error() {
        const REFUSED: Script = &[&[&[
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 47\r\n\r\n",
            "no entry for s3cret-token (Bearer s3cret-token)",
        ]]];
        let (mut target, requests) = hub(REFUSED).await;
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
        let (target, _) = hub(&[&[&[
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
    async fn what_is_no_http_is_told_so() {
        let error = get(&[&[&["SSH-2.0-OpenSSH_9.6\r\n"]]]).await.unwrap_err();
        assert!(error.to_string().contains("no HTTP"), "{error}");
    }
}
