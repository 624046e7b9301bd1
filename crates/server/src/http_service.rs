//! The server as a service in another HTTP server.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body::Body;
use tidings_transport::ListenerKind;
use tidings_transport::mount::MountBody;
use tokio::sync::watch;
use tower_service::Service;

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::metrics::Metrics;
use crate::response::Routed;
use crate::routes::{BoxError, Streamed, route_streamed};
use crate::serve_by::ServeBy;
use crate::shared::Shared;

/// A [`tower_service::Service`] that serves everything that a [`Server`](crate::Server) serves: topics by every
/// transport, publishing, `/metrics`, `/transports`, `/healthz`, `/readyz`, `/client.js`, `/webtransport.js` and the
/// live page, with the same checks, CORS headers and errors.
/// [`Builder::into_service`](crate::Builder::into_service) creates one. Cloning is cheap, and all clones share their
/// metrics.
///
/// In axum, use it as the fallback of an application's routes, or below a path with `nest_service`:
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use tidings_core::Hub;
/// use tidings_server::Server;
///
/// // The address of the listener decides which hosts a request may name.
/// let address: std::net::SocketAddr = "127.0.0.1:8080".parse()?;
/// let service = Server::builder(Hub::default()).into_service(address);
/// let app: Router =
///     Router::new().route("/hello", get(async || "hello")).fallback_service(service);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # What the outer server must do
/// The outer server accepts connections, reads requests and writes responses. So these fields of [`Config`] have no
/// effect: `max_connections`, `head_deadline`, `idle_timeout`, `max_head`, `workers`, `drain_delay` and `drain`. The
/// metric `tidings_connections` stays 0. In detail:
///
/// - **Heads and connections.** The outer server must check the framing of requests, and limit the number of
///   connections and the time and the size of a head. The [`Limits`](tidings_core::Limits) of the hub still hold.
/// - **Stalled clients.** A client that reads nothing loses its seat after `write_deadline`. To end its connection too,
///   the outer server must wrap each connection in a [`WriteDeadline`](tidings_transport::mount::WriteDeadline).
/// - **Shutdown.** Call [`farewell`](tidings_transport::mount::farewell), which sends each client a goodbye, before the
///   outer server ends. From then on `/readyz` responds with `503`.
/// - **The host.** [`Hosts::ByListener`](crate::Hosts::ByListener), the default, decides by the kind of listener that
///   [`Builder::into_service`](crate::Builder::into_service) is given. An outer server with listeners of several kinds
///   must add a [`ListenerKind`] to the extensions of each request.
/// - **Upgrades.** WebSocket needs HTTP/1.1 with upgrades enabled, as `axum::serve` does. Over HTTP/2 it needs
///   `enable_connect_protocol` of hyper's builder, which `axum::serve` calls. A server that is not built on hyper must
///   add a [`ConnectProtocol`](tidings_transport::ConnectProtocol) to the extensions of the request.
/// - **Lanes.** Each client is served by the task of its connection, which costs more memory and processor time than a
///   lane.
#[derive(Clone)]
pub struct HttpService {
    shared: Arc<Shared>,
    /// The kind of the listener, if the extensions of a request contain no other.
    listener: ListenerKind,
}

impl HttpService {
    pub(crate) fn new(config: Config, listener: ListenerKind) -> Self {
        let metrics = Metrics::new(&config);
        let limit = ConnectionLimit::new(metrics.connections.clone(), config.max_connections);
        // Never becomes true, because the outer server ends the connections.
        let (_, is_stopping) = watch::channel(false);
        let shared = Shared::new(config, ServeBy::GeneralPath, metrics, limit, is_stopping);
        Self { shared: Arc::new(shared), listener }
    }

    async fn respond<B>(self, request: Request<B>) -> Response<MountBody>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let shared = &*self.shared;
        let listener = request.extensions().get().copied().unwrap_or(self.listener);
        let request = request.map(Box::pin);
        let Streamed { routed, request, .. } =
            route_streamed(request, false, listener.into(), shared).await;
        match routed {
            Routed::Response(response) => {
                let is_head = request.method == Method::HEAD && response.body().is_empty();
                response
                    .map(|body| if is_head { MountBody::head() } else { MountBody::whole(body) })
            }
            Routed::Subscription(subscriber) => shared.mount.serve(subscriber, request).await,
        }
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<MountBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    /// Always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Responds to a request. The response to a poll takes as long as the poll is held.
    ///
    /// Cancel safe for a client that subscribes: dropping the future frees the seat. Not cancel safe for a client that
    /// publishes: the notification may be published or not.
    ///
    /// # Panics
    /// The future panics if it is polled outside of a tokio runtime.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
