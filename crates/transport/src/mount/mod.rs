//! Serves transports inside of somebody's own hyper, axum or tower server.
//!
//! ```text
//! request ─► Mount ─┬─ GET  ─► authorize ─► transport.accept ─► a seat ─► MountBody, or an upgraded connection
//!                   └─ POST ─► authorize ─► read the body    ─► Hub::publish
//! ```
//!
//! A [`Mount`] is a [`tower_service::Service`]. The last segment of the path names the filters or the topic, as at
//! `/topics/NAME` of the server. axum takes it as it is:
//!
//! ```text
//! Router::new().route_service("/events/{filters}", mount)
//! ```
//!
//! [`Mount::publish_many`], at a separate path, publishes many notifications, each with its topic. An application that has
//! the filters from elsewhere than the path calls [`Mount::subscribe`]:
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
//! The server decides how connections end. Serve with hyper's `half_close(true)` if clients that close their side after a
//! request are to be served (RFC 9112, section 9.6); a poll of one that is gone is then held to its end. A mount does not
//! know its listener: an application that listens on a loopback address also calls
//! [`Hosts::check`](crate::Hosts::check).

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
use crate::{Authorize, Authorizer, OnMessage, Origins, Transport};

/// An error of any type, as in tower.
type BoxError = Box<dyn Error + Send + Sync>;

/// Transports on a hub, and who may use them. Cheap to clone.
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
    stalls: Stalls,
}

impl Mount {
    /// Returns a mount of this hub, without transports.
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
            stalls: Stalls::default(),
        }))
    }

    /// Adds a transport. A request is for the one that `?transport=` names, otherwise for the first that claims it. So
    /// long-polling, which claims every request, comes last.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }

    /// Adds a transport that others use as well.
    pub fn shared_transport(self, transport: Arc<dyn Transport>) -> Self {
        self.with(|settings| settings.transports.push(transport))
    }

    /// Decides who may subscribe and publish. Default: everyone may subscribe, and nobody may publish.
    pub fn authorize(self, authorize: impl Authorize) -> Self {
        self.authorizer(Authorizer::new(authorize))
    }

    /// Does the same with an authorizer of any type, such as [`Authorizer::allow_all`].
    pub fn authorizer(self, authorizer: Authorizer) -> Self {
        self.with(|settings| settings.authorizer = authorizer)
    }

    /// Which web pages may connect and publish. Default: those of the same host. A mount adds no CORS headers: for pages of
    /// other hosts, the application also needs a layer that does.
    pub fn origins(self, origins: Origins) -> Self {
        self.with(|settings| settings.origins = origins)
    }

    /// What happens to a client for which the log has moved on. Default: it is sent a gap.
    pub fn slow(self, slow: SlowPolicy) -> Self {
        self.with(|settings| settings.slow = slow)
    }

    /// Whether a WebSocket client is sent its own messages too. Default true.
    pub fn echo(self, echo: bool) -> Self {
        self.with(|settings| settings.echo = echo)
    }

    /// Changes what happens to the messages of WebSocket clients. Default: if a client subscribes to a single topic and
    /// [may publish](Self::authorize) to it, its messages are published there; other clients may not send messages. If this
    /// is set, the authorizer is not called for messages.
    pub fn on_message(self, on_message: OnMessage) -> Self {
        self.with(|settings| settings.on_message = Some(on_message))
    }

    /// How long a client may take nothing while there is something for it. After that it loses its seat. Default 30 s.
    ///
    /// A mount can end a response, but not the connection below it, and it notices only a client that leaves some 400 KB
    /// unread. Serve with a [`WriteDeadline`] as well.
    pub fn write_deadline(self, deadline: Duration) -> Self {
        self.with(|settings| settings.write_deadline = deadline)
    }

    /// How long the body of a request to publish may take. Default 30 s.
    pub fn body_deadline(self, deadline: Duration) -> Self {
        self.with(|settings| settings.body_deadline = deadline)
    }

    /// What counts deliveries and goodbyes, for metrics. Default: nothing does.
    pub fn observer(self, observer: Arc<dyn Observer>) -> Self {
        self.with(|settings| settings.observer = observer)
    }

    /// Hands WebSocket connections over to this adopter once they are upgraded. The lanes of a server are such an adopter:
    /// a connection costs less there than in a task. Default: each connection is served in a separate task.
    ///
    /// A connection with TLS is always served in a task. For the connections that the adopter serves, the settings of the
    /// adopter hold, such as its write deadline, and the [observer](Self::observer) of the mount is not called.
    ///
    /// # Panics
    /// If the adopter serves another hub.
    pub fn adopter(self, adopter: impl Adopter) -> Self {
        let is_of_this_hub = adopter.hub().is_same_as(self.hub());
        assert!(
            is_of_this_hub,
            "the adopter serves another hub: build both with clones of one Hub"
        );
        self.with(|settings| settings.adopter = Some(Arc::new(adopter)))
    }

    /// The hub.
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

    /// Is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Responds as [`respond`](Self::respond) does. The future panics outside of a tokio runtime.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mount = self.clone();
        Box::pin(async move { Ok(mount.respond(request).await) })
    }
}
