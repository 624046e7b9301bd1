//! Everything that the server answers, inside of another HTTP server.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body::Body;
use tidings_transport::ListenerKind;
use tidings_transport::mount::MountBody;
use tokio::sync::watch;
use tower_service::Service;

use crate::answer::Answer;
use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::metrics::Metrics;
use crate::routes::{Streamed, answer_streamed};
use crate::serve_by::ServeBy;
use crate::shared::Shared;

/// A [`tower_service::Service`] that answers everything that a [`Server`](crate::Server) answers: topics by every
/// transport, publishing, `/metrics`, `/transports`, `/healthz`, `/readyz`, `/client.js` and the live page, with the same
/// checks, CORS headers and errors. [`Builder::into_service`](crate::Builder::into_service) makes one. Cheap to clone;
/// all clones count together.
///
/// axum serves it besides the routes of an application, or below a path with `nest_service`:
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use tidings_core::Hub;
/// use tidings_server::Server;
///
/// let service = Server::builder(Hub::default()).into_service();
/// let app: Router =
///     Router::new().route("/hello", get(async || "hello")).fallback_service(service);
/// ```
///
/// # What is left to the outer server
/// The outer server accepts connections, reads requests and writes responses. So these parts of [`Config`] have no effect:
/// `max_connections`, `head_deadline`, `idle_timeout`, `max_head`, `workers`, `drain_delay` and `drain`.
/// `tidings_connections` of the metrics stays 0. In detail:
///
/// - **Heads and connections.** The outer server has to check the framing of requests, and to limit how many connections
///   there are, how long a head may take and how large it may be. [`Limits`](tidings_core::Limits) of the hub hold as always.
/// - **Stalled clients.** A client that takes nothing loses its seat after `write_deadline`. The connection below it is
///   ended by a [`WriteDeadline`](tidings_transport::mount::WriteDeadline), with which the outer server has to wrap it.
/// - **Shutdown.** Call [`farewell`](tidings_transport::mount::farewell), which sends each client a goodbye, before
///   the outer server ends. From then on `/readyz` answers `503`.
/// - **The host.** The service does not know the listener. With [`Hosts::ByListener`](crate::Hosts::ByListener), the
///   default, it accepts every name. If the outer server listens on a loopback address, add
///   [`ListenerKind::Loopback`] to the extensions of each request (in axum with `Extension`), or set
///   [`Hosts::Listed`](crate::Hosts::Listed).
/// - **Upgrades.** WebSocket needs HTTP/1.1 with upgrades enabled, as `axum::serve` does.
/// - **Lanes.** Each client is served by the task of its connection, which costs more memory and time than a lane does.
#[derive(Clone)]
pub struct HttpService(Arc<Shared>);

impl HttpService {
    pub(crate) fn new(config: Config) -> Self {
        let metrics = Metrics::new(&config);
        let limit = ConnectionLimit::new(metrics.connections.clone(), config.max_connections);
        // It never becomes true: the outer server ends the connections.
        let (_, is_stopping) = watch::channel(false);
        Self(Arc::new(Shared::new(config, ServeBy::GeneralPath, metrics, limit, is_stopping)))
    }

    async fn respond<B>(self, request: Request<B>) -> Response<MountBody>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let shared = &*self.0;
        let listener = request.extensions().get().copied().unwrap_or(ListenerKind::Network);
        let request = request.map(Box::pin);
        let Streamed { answer, request, .. } =
            answer_streamed(request, false, listener, shared).await;
        match answer {
            Answer::Response(response) => {
                let is_head = request.method == Method::HEAD && response.body().is_empty();
                response
                    .map(|body| if is_head { MountBody::head() } else { MountBody::whole(body) })
            }
            Answer::Subscription(subscriber) => shared.mount.serve(subscriber, request).await,
        }
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<MountBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Responds to a request. The response to a poll takes as long as the poll is held. The future panics outside of a
    /// tokio runtime. Dropping it gives the seat of a subscriber back; a notification may be published or not.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("config", &self.0.config).finish_non_exhaustive()
    }
}
