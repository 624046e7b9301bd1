//! Realtime notifications in an axum application: every transport on one route.
//!
//! A [`Mount`] holds the transports, and decides which requests may subscribe and publish. [`router`] returns a
//! [`Router`] for it, whose paths end with the filters or the topic:
//!
//! ```no_run
//! use axum::Router;
//! use tidings_axum::{Mount, router, serve};
//! use tidings_core::Hub;
//! use tidings_long_polling::LongPolling;
//! use tidings_sse::Sse;
//! use tidings_websocket::WebSocket;
//! use tokio::net::TcpListener;
//!
//! # async fn example() -> std::io::Result<()> {
//! let hub = Hub::default();
//! let mount = Mount::new(hub.clone())
//!     .transport(WebSocket::default())
//!     .transport(Sse::default())
//!     .transport(LongPolling::default());
//! let app = Router::new().nest("/events", router(mount));
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! serve(listener, app, hub, async { drop(tokio::signal::ctrl_c().await) }).await
//! # }
//! ```
//!
//! Clients subscribe with `GET /events/orders.*` over any of the transports. If the mount's [`Authorize`] allows it,
//! which it does not by default, they publish with `POST /events/orders.new`, or many notifications at once with `POST
//! /events`. For more control, a handler can take a [`Subscribe`] as its argument, or call
//! [`Hub::publish`](tidings_core::Hub::publish) and return `Result<_, Rejection>`.
//!
//! With the feature `http2`, [`serve`] also accepts HTTP/2 from clients that begin with it (prior knowledge), and a mount
//! accepts WebSockets over HTTP/2 (RFC 8441). Over TLS, which `serve` does not have, browsers use both.

mod hosts;
mod listener;
mod serve;
mod subscribe;

use axum::Router;
use axum::extract::Request;
use axum::routing::{any, any_service};

pub use hosts::check_host;
pub use listener::WriteDeadlineListener;
pub use serve::serve;
pub use subscribe::Subscribe;
pub use tidings_transport::mount::{Mount, farewell};
pub use tidings_transport::{
    Action, Authorize, Authorizer, HandleMessage, Hosts, Message, MessageSender, OnMessage,
    Origins, Rejection, token,
};

/// Returns a router with two routes: `/{name}`, for the requests of all transports and for publishing, and `/`, for
/// [publishing many](Mount::publish_many).
///
/// Nest the router, for example at `/events`, so that `POST /events` publishes many. A body may have as many bytes as
/// [`Hub::max_payload`](tidings_core::Hub::max_payload) returns.
///
/// All other paths, such as `/events/`, are left to the application: axum answers them by its fallback, which is an
/// empty `404` by default.
///
/// The application must not percent-decode the path, because the mount does: `%2C` separates filters as a comma does.
pub fn router<S: Clone + Send + Sync + 'static>(mount: Mount) -> Router<S> {
    let many = mount.clone();
    let publish_many = any(move |request: Request| async move { many.publish_many(request).await });
    Router::new().route("/{name}", any_service(mount)).route("/", publish_many)
}
