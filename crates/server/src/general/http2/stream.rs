//! One stream of HTTP/2: a request and its response.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tidings_transport::Shape;
use tidings_transport::mount::{MountBody, Observer, Subscriber};

use super::body::Incoming;
use super::duplex::Duplex;
use super::window::Window;
use super::{Peer, head, io_error};
use crate::general::observer::ConnectionObserver;
use crate::general::subscription;
use crate::response::Routed;
use crate::routes::{self, Streamed};
use crate::shared::Shared;

/// Serves a stream until its response is sent, its subscriber has left, or the peer has reset it.
pub(super) async fn serve(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: Peer,
    shared: &Shared,
) {
    let (request, incoming) = request.into_parts();
    let observer = Arc::new(ConnectionObserver::new(shared.metrics.clone()));
    let stream = Stream { incoming, respond: RefCell::new(respond), observer, shared };
    if let Err(error) = stream.respond(request, peer).await {
        tracing::debug!(%error, "HTTP/2 stream failed");
    }
}

/// A stream without a response yet.
struct Stream<'a> {
    incoming: RecvStream,
    /// Shared with the body of the request, which sends `100 Continue`.
    respond: RefCell<SendResponse<Bytes>>,
    /// Counts deliveries and goodbyes of the client.
    observer: Arc<dyn Observer>,
    shared: &'a Shared,
}

impl Stream<'_> {
    /// Responds to the request.
    ///
    /// # Errors
    /// Fails if the stream or its connection breaks, or the peer reads nothing for the write deadline.
    async fn respond(mut self, mut request: Parts, peer: Peer) -> io::Result<()> {
        let (routed, method) = match head::check(&mut request) {
            Ok(()) => {
                let body = Incoming::new(&mut self.incoming, &request, &self.respond);
                let request = Request::from_parts(request, body);
                // Boxed, so that a subscriber does not keep its memory.
                let routing = Box::pin(routes::route_streamed(
                    request,
                    peer.is_surplus,
                    peer.listener,
                    self.shared,
                ));
                let streamed = tokio::select! {
                    streamed = routing => streamed,
                    () = reset(&self.respond) => return Ok(()),
                };
                let Streamed { routed, request, .. } = streamed;
                (routed, request.method)
            }
            Err(rejection) => {
                let rejected = routes::reject(Some(&request), rejection, self.shared);
                (Routed::Response(rejected), request.method)
            }
        };
        match routed {
            Routed::Response(response) => self.send_whole(&response, method == Method::HEAD).await,
            Routed::Subscription(subscriber) => self.subscribe(*subscriber).await,
        }
    }

    /// Sends a whole response. The response to a `HEAD` has no body.
    async fn send_whole(self, response: &Response<Bytes>, is_head: bool) -> io::Result<()> {
        let (mut head, body) = (head::response(response), response.body());
        // A length would be that of the body of a `200`, which is not known here (RFC 9110, section 8.6).
        let has_length = response.status() != StatusCode::NOT_MODIFIED;
        if has_length && !(is_head && body.is_empty()) {
            head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if is_head || body.is_empty() {
            let sent = self.respond.into_inner().send_response(head, true);
            return sent.map(drop).map_err(io_error);
        }
        let observer = self.observer.clone();
        self.open(head, &*observer)?.1.send(body.clone(), true).await
    }

    /// Sends a head that a body follows.
    fn open<'o>(
        self,
        head: Response<()>,
        observer: &'o dyn Observer,
    ) -> io::Result<(RecvStream, Window<'o>)> {
        let Self { incoming, respond, shared, .. } = self;
        let stream = respond.into_inner().send_response(head, false).map_err(io_error)?;
        let deadline = shared.config.write_deadline;
        Ok((incoming, Window { stream, deadline, observer }))
    }

    /// Serves a subscriber until its poll is answered, its stream has ended, or it is gone.
    async fn subscribe(self, subscriber: Subscriber) -> io::Result<()> {
        let observer = self.observer.clone();
        let config = &self.shared.config;
        let (accepted, client) = subscription::begin(subscriber, observer.clone(), config);
        let mut response = accepted.response(());
        match accepted.shape {
            Shape::Upgrade => {
                let (incoming, window) = self.open(head::response(&response), &*observer)?;
                let duplex = Duplex::new(incoming, window.stream);
                // Boxed, because it is much larger than the others.
                Box::pin(client.converse(duplex, accepted.encoder)).await
            }
            Shape::Stream => {
                let (_incoming, window) = self.open(head::response(&response), &*observer)?;
                send_events(window, client.stream(accepted.encoder)).await
            }
            Shape::Answer { hold } => {
                let mut body = tokio::select! {
                    body = client.answer(&*accepted.encoder, hold) => body,
                    () = reset(&self.respond) => return Ok(()),
                };
                let encoding = body.compress().map(|encoding| (header::CONTENT_ENCODING, encoding));
                response.headers_mut().extend(encoding);
                let body = whole(body).await;
                self.send_whole(&response.map(|()| body), false).await
            }
        }
    }
}

/// Waits until the peer resets the stream, or the connection ends.
///
/// Cancel safe.
async fn reset(respond: &RefCell<SendResponse<Bytes>>) {
    // Both results end the stream.
    let _ = poll_fn(|context| respond.borrow_mut().poll_reset(context)).await;
}

/// Sends events until the stream ends.
async fn send_events(mut window: Window<'_>, mut body: MountBody) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = window.reset() => return Ok(()),
        };
        match frame {
            Some(Ok(frame)) => window.send(frame.into_data().unwrap_or_default(), false).await?,
            Some(Err(never)) => match never {},
            None => return window.send(Bytes::new(), true).await,
        }
    }
}

async fn whole(body: MountBody) -> Bytes {
    match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    }
}
