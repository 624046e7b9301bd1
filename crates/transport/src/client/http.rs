//! One HTTP/1.1 connection, as small as a load of thousands wants it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::timeout;
use url::Url;

use super::{ClientError, Meter, Metered, Target, connect, error::with_causes};

/// The most that is buffered of what arrives, and so the longest head of an answer.
const BUFFER: usize = 16 * 1024;
/// The most that is read of a refusal's body, and for how long.
const REFUSAL: usize = 64 * 1024;
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// One HTTP/1.1 connection (RFC 9112), kept alive from request to request.
///
/// It has no task of its own: it moves while one of its methods is awaited. So a client is one task and
/// one wake-up for what arrives, and dropping it closes the connection.
#[derive(Debug)]
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    line: Line,
    meter: Arc<Meter>,
    host: HeaderValue,
}

/// Why a request has no answer.
#[derive(Debug)]
pub struct SendError {
    /// What went wrong.
    pub error: ClientError,
    /// The request, where not a byte of it was sent.
    pub unsent: Option<Request<Full<Bytes>>>,
}

/// The body of an answer, read with [`Http::chunk`] or [`Http::whole`].
#[derive(Debug)]
pub struct Body(Incoming);

/// What is left of a connection that has left HTTP.
#[derive(Debug)]
pub struct Upgraded {
    /// The answer that agreed to it.
    pub head: Response<()>,
    /// The connection.
    pub stream: Metered<TcpStream>,
    /// What arrived behind the answer's head.
    pub read: Bytes,
}

type Wire = Connection<TokioIo<Metered<TcpStream>>, Full<Bytes>>;

/// A request to the resource of `url`, in origin form (RFC 9112, section 3.2.1).
///
/// # Errors
/// [`ClientError::BadUrl`] where its path or query has characters that no request may have.
pub fn request(url: &Url) -> Result<Request<Full<Bytes>>, ClientError> {
    let origin = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let bad = |_| ClientError::BadUrl {
        url: url.to_string(),
        problem: "percent-encode the path and the query: they have characters that HTTP does not allow",
    };
    Request::get(origin).body(Full::default()).map_err(bad)
}

impl Http {
    /// Connects to the host of `target.url`.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn connect(target: &Target) -> Result<Self, ClientError> {
        let io = TokioIo::new(connect(target).await?);
        let (sender, connection) = Builder::new()
            .max_buf_size(BUFFER)
            .handshake(io)
            .await
            .map_err(|error| broken(&error))?;
        let authority = &target.url[url::Position::BeforeHost..url::Position::AfterPort];
        let host = HeaderValue::try_from(authority).map_err(|_| ClientError::BadUrl {
            url: target.url.to_string(),
            problem: "the host has characters that HTTP does not allow",
        })?;
        Ok(Self {
            sender,
            line: Line { wire: Some(Box::new(connection)), done: false },
            meter: target.meter.clone(),
            host,
        })
    }

    /// Sends a request and waits for the head of its `200`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the hub's words for any other status; [`ClientError::Broken`] where
    /// the connection breaks, and then the request may have been served or not.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, ClientError> {
        self.try_send(request).await.map_err(|failed| failed.error)
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
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::OK {
            return Err(SendError { error: self.refusal(response).await, unsent: None });
        }
        Ok(response.map(Body))
    }

    /// Whether a request can be sent on this connection, as far as this end can know.
    pub async fn is_open(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.line.advance(cx))).await
    }

    /// The next bytes of a body; `None` at its end. Cancel safe.
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
    /// [`ClientError::Protocol`] where it is longer, and the connection is of no more use then; else as
    /// [`chunk`](Self::chunk).
    pub async fn whole(&mut self, mut body: Body, limit: usize) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk(&mut body).await? {
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
        Ok(whole.freeze())
    }

    /// Sends a request to leave HTTP (RFC 9110, section 7.8) and waits for the `101`.
    ///
    /// # Errors
    /// As [`send`](Self::send), a `200` too is a refusal.
    pub async fn upgrade(mut self, request: Request<Full<Bytes>>) -> Result<Upgraded, ClientError> {
        let response = self.exchange(request).await.map_err(|failed| failed.error)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.refusal(response).await);
        }
        let parts = self.line.leave_http().await?;
        Ok(Upgraded {
            head: response.map(drop),
            stream: parts.io.into_inner(),
            read: parts.read_buf,
        })
    }

    async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        let closed = || ClientError::Broken("the hub closed it; connect again".to_owned());
        request.headers_mut().insert(header::HOST, self.host.clone());
        if !self.is_open().await || self.line.drive(|cx| self.sender.poll_ready(cx)).await.is_err()
        {
            return Err(SendError { error: closed(), unsent: Some(request) });
        }
        self.meter.requests.fetch_add(1, Relaxed);
        let mut answer = pin!(self.sender.try_send_request(request));
        let answer = self.line.drive(|cx| answer.as_mut().poll(cx)).await;
        answer.map_err(|mut error| {
            let unsent = error.take_message();
            SendError { error: broken(error.error()), unsent }
        })
    }

    async fn refusal(&mut self, response: Response<Incoming>) -> ClientError {
        let (head, body) = response.into_parts();
        let body = timeout(REFUSAL_PATIENCE, self.whole(Body(body), REFUSAL)).await;
        // The status alone is worth more to the caller than why its explanation did not arrive.
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        ClientError::refused(&head, &body)
    }
}

/// The connection proper.
#[derive(Debug)]
struct Line {
    /// Dropped when it is done and nobody took it over, which wakes whoever waits for it with an error.
    wire: Option<Box<Wire>>,
    done: bool,
}

impl Line {
    /// Moves the connection as far as it goes; whether it is still open.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.wire {
            Some(wire) if !self.done => {
                self.done = wire.poll_without_shutdown(cx).is_ready();
                !self.done
            }
            _ => {
                self.wire = None;
                false
            }
        }
    }

    /// Polls what waits for the connection, and moves the connection as long as that has to wait.
    async fn drive<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            loop {
                // Once the connection is done, what waits is there or will never be: a task whose budget is
                // used up must not be told the latter in place of the former.
                let polled = match self.done {
                    true => pin!(unconstrained(poll_fn(&mut poll))).poll(cx),
                    false => poll(cx),
                };
                if polled.is_ready() {
                    return polled;
                }
                if self.advance(cx) || self.wire.is_none() {
                    return poll(cx);
                }
            }
        })
        .await
    }

    /// The connection, behind the answer that agreed to leave HTTP.
    async fn leave_http(self) -> Result<Parts<TokioIo<Metered<TcpStream>>>, ClientError> {
        match self.wire {
            Some(wire) if self.done => Ok(wire.into_parts()),
            Some(wire) => wire.without_shutdown().await.map_err(|error| broken(&error)),
            None => Err(ClientError::Broken("it ended with the handshake".to_owned())),
        }
    }
}

fn broken(error: &hyper::Error) -> ClientError {
    let problem = with_causes(error);
    if error.is_parse() {
        return ClientError::Protocol { transport: "HTTP", problem };
    }
    ClientError::Broken(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::{Script, hub};

    async fn get(script: Script) -> Result<(Http, Response<Body>), ClientError> {
        let (target, _) = hub(script).await;
        let mut http = Http::connect(&target).await?;
        let response = http.send(request(&target.url)?).await?;
        Ok((http, response))
    }

    #[tokio::test]
    async fn requests_follow_each_other_on_one_connection_and_are_counted() {
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
        let sent: usize = requests.iter().map(String::len).sum();
        assert_eq!(target.meter.requests.load(Relaxed), 2);
        assert_eq!(target.meter.sent.load(Relaxed), sent as u64);
    }

    #[tokio::test]
    async fn a_refusal_has_the_hubs_words_and_when_to_come_back() {
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
    async fn a_body_that_is_cut_or_too_long_is_an_error_and_never_a_shorter_body() {
        const CUT: Script = &[&[&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"]]];
        let (mut http, response) = get(CUT).await.unwrap();
        let error = http.whole(response.into_body(), 9).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error}");

        let (mut http, response) = get(CUT).await.unwrap();
        let error = http.whole(response.into_body(), 4).await.unwrap_err();
        assert!(error.to_string().contains("longer than 4 bytes"), "{error}");
        assert!(!http.is_open().await);
    }

    #[tokio::test]
    async fn a_refusal_whose_words_are_cut_is_still_that_refusal() {
        let error = get(&[&[&["HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\ncut"]]])
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("403 Forbidden: it gave no reason"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_http_is_told_so() {
        let error = get(&[&[&["SSH-2.0-OpenSSH_9.6\r\n"]]]).await.unwrap_err();
        assert!(error.to_string().contains("no HTTP"), "{error}");
    }
}
