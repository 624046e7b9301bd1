//! Serves transports inside an application's own hyper, axum or tower server.
//!
//! ```text
//! request ─► Mount ─┬─ GET  ─► authorize ─► transport.accept ─► a seat ─► MountBody, or an upgraded connection
//!                   └─ POST ─► authorize ─► read the body    ─► Hub::publish
//! ```
//!
//! A [`Mount`] is a [`tower_service::Service`]. The last segment of a request's path names the filters or the topic, as
//! in `/topics/NAME` of the server. In axum, route a path to it:
//!
//! ```text
//! Router::new().route_service("/events/{filters}", mount)
//! ```
//!
//! [`Mount::publish_many`], at a separate path, publishes many notifications, each with its topic. If the filters are
//! not in the path, call [`Mount::subscribe`]:
//!
//! ```no_run
//! use tidings_core::Hub;
//! use tidings_transport::mount::{Mount, MountBody};
//!
//! async fn orders(mount: Mount, request: http::Request<()>) -> http::Response<MountBody> {
//!     mount.subscribe(request, "orders.*".parse().expect("a filter")).await
//! }
//! ```
//!
//! The HTTP server decides how connections end. Enable hyper's `half_close(true)` to serve clients that close their
//! side after a request (RFC 9112, section 9.6). With it, the poll of a client that has left is held to its end.
//!
//! With the feature `http2`, a mount also accepts WebSockets over the HTTP/2 of hyper and axum (RFC 8441). In hyper,
//! call `enable_connect_protocol` of the HTTP/2 builder. `axum::serve` does that. The path must be routed for the
//! method `CONNECT` too, as `route_service` does. Each of these WebSockets is served in a separate task, because its
//! connection has other streams. If its client stops reading, the client loses its seat after the
//! [write deadline](Mount::write_deadline), but hyper keeps the stream and some unsent bytes until the connection ends.
//!
//! A mount does not know which listener a request came in through. An application that listens on a loopback address
//! should also call [`Hosts::check`](crate::Hosts::check).

mod adopter;
mod answer;
mod body;
mod conversation;
mod deadline;
mod farewell;
mod observer;
mod pending_message;
mod respond;
mod stall;
mod subscriber;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use tidings_core::{Hub, SlowPolicy};
use tower_service::Service;

pub use adopter::{Adopted, Adopter, Place};
pub use answer::{MAX_ANSWER, MAX_ANSWER_ENTRIES};
pub use body::MountBody;
pub use deadline::WriteDeadline;
pub use farewell::farewell;
pub use observer::Observer;
pub use respond::Client;
pub use subscriber::Subscriber;

use self::stall::Stalls;
use crate::compression::Compressor;
use crate::{Authorize, Authorizer, OnMessage, Origins, Transport};

/// An error of any type, as in tower.
type BoxError = Box<dyn Error + Send + Sync>;

/// Transports on a hub, and the checks of the requests for them. Cloning is cheap.
///
/// ```
/// use tidings_core::Hub;
/// use tidings_transport::mount::Mount;
/// # use tidings_transport::{Rejection, Accepted, SubscribeRequest, Transport};
/// # #[derive(Debug)]
/// # struct Sse;
/// # impl Transport for Sse {
/// #     fn name(&self) -> &'static str { "sse" }
/// #     fn claims(&self, _: &http::request::Parts) -> bool { true }
/// #     fn accept(&self, _: &http::request::Parts, _: &SubscribeRequest) -> Result<Accepted, Rejection> {
/// #         Err(Rejection::bad_request("never", "it is an example"))
/// #     }
/// # }
///
/// let mount = Mount::new(Hub::default()).transport(Sse);
/// ```
#[derive(Clone, Debug)]
pub struct Mount(Arc<Settings>);

#[derive(Clone, Debug)]
struct Settings {
    hub: Hub,
    transports: Vec<Arc<dyn Transport>>,
    authorizer: Authorizer,
    origins: Origins,
    slow: SlowPolicy,
    echo: bool,
    on_message: Option<OnMessage>,
    write_deadline: Duration,
    body_deadline: Duration,
    observer: Arc<dyn Observer>,
    adopter: Option<Arc<dyn Adopter>>,
    compressor: Option<Compressor>,
    stalls: Stalls,
}

impl Mount {
    /// Creates a mount of this hub without a transport.
    pub fn new(hub: Hub) -> Self {
        Self(Arc::new(Settings {
            hub,
            transports: Vec::new(),
            authorizer: Authorizer::subscribe_only(),
            origins: Origins::default(),
            slow: SlowPolicy::default(),
            echo: true,
            on_message: None,
            write_deadline: Duration::from_secs(30),
            body_deadline: Duration::from_secs(30),
            observer: Arc::new(()),
            adopter: None,
            compressor: None,
            stalls: Stalls::default(),
        }))
    }

    /// Adds a transport. A request is served by the transport that `?transport=` names, otherwise by the first that
    /// claims it. Add long-polling last, because it claims every request.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }

    /// Adds a transport that may be shared with other mounts.
    pub fn shared_transport(self, transport: Arc<dyn Transport>) -> Self {
        self.with(|settings| settings.transports.push(transport))
    }

    /// Sets the check of which requests may subscribe and publish. Default: all may subscribe, and none may publish.
    pub fn authorize(self, authorize: impl Authorize) -> Self {
        self.authorizer(Authorizer::new(authorize))
    }

    /// Sets that check to an existing [`Authorizer`], such as [`Authorizer::allow_all`].
    pub fn authorizer(self, authorizer: Authorizer) -> Self {
        self.with(|settings| settings.authorizer = authorizer)
    }

    /// Sets which web pages may connect and publish. Default: pages of the same host. A mount adds no CORS headers. For
    /// pages of other hosts, the application also needs a layer that adds them. At a listener with TLS it should add
    /// [`ListenerKind::Tls`](crate::ListenerKind::Tls) to the extensions of each request, so that a page of `http` is
    /// another origin.
    pub fn origins(self, origins: Origins) -> Self {
        self.with(|settings| settings.origins = origins)
    }

    /// Sets what happens when the log has evicted what a client reads next. Default: the client is sent a gap.
    pub fn slow(self, slow: SlowPolicy) -> Self {
        self.with(|settings| settings.slow = slow)
    }

    /// Sets whether a WebSocket client is also sent its own messages. Default `true`.
    pub fn echo(self, echo: bool) -> Self {
        self.with(|settings| settings.echo = echo)
    }

    /// Sets what happens to the messages of WebSocket clients. Default: the messages of a client that subscribes to a
    /// single topic, and [may publish](Self::authorize) to it, are published there. Other clients may not send
    /// messages. If this is set, the authorizer is not called for messages.
    pub fn on_message(self, on_message: OnMessage) -> Self {
        self.with(|settings| settings.on_message = Some(on_message))
    }

    /// Sets for how long a client may read nothing while bytes wait for it. After that it loses its seat. Default 30 s.
    ///
    /// A mount can end a response, but not the connection below it. It also detects a stalled client only if about 400
    /// KB are unread. So also wrap each connection in a [`WriteDeadline`].
    pub fn write_deadline(self, deadline: Duration) -> Self {
        self.with(|settings| settings.write_deadline = deadline)
    }

    /// Sets for how long the body of a request to publish may take. Default 30 s.
    pub fn body_deadline(self, deadline: Duration) -> Self {
        self.with(|settings| settings.body_deadline = deadline)
    }

    /// Compresses what clients are sent, if they accept that: WebSocket messages by permessage-deflate, and event
    /// streams and long answers to polls by gzip. Clients with the same filters are sent the same compressed bytes, so
    /// the cost does not grow with their number. Default: nothing is compressed. Mounts of one hub may share a
    /// compressor.
    pub fn compressor(self, compressor: Compressor) -> Self {
        self.with(|settings| settings.compressor = Some(compressor))
    }

    /// Sets the observer that counts deliveries and goodbyes, for metrics. Default: none.
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        self.with(|settings| settings.observer = observer)
    }

    /// Hands WebSocket connections over to this adopter once they are upgraded, for example to the lanes of a server.
    /// There a connection costs less than in a task. Default: each connection is served in a separate task.
    ///
    /// A connection with TLS and a stream of HTTP/2 are always served in a task. Connections that the adopter serves
    /// have its settings, such as its write deadline, and the [observer](Self::observer) of the mount is not called for
    /// them.
    ///
    /// # Panics
    /// Panics if the adopter serves another hub.
    pub fn adopter(self, adopter: impl Adopter) -> Self {
        let is_of_this_hub = adopter.hub().is_same_as(self.hub());
        assert!(
            is_of_this_hub,
            "the adopter serves another hub: build both with clones of one Hub"
        );
        self.with(|settings| settings.adopter = Some(Arc::new(adopter)))
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<B> Service<Request<B>> for Mount
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<MountBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Responds as [`respond`](Self::respond) does.
    ///
    /// # Panics
    /// The future panics if it is polled outside of a tokio runtime.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mount = self.clone();
        Box::pin(async move { Ok(mount.respond(request).await) })
    }
}
