//! A middleware against DNS rebinding.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tidings_transport::{Hosts, Rejection};

/// A middleware that rejects requests whose host is not a name of this server. Without it, a page of any site can read
/// from a server on a loopback address, if the site's name is changed to that address: see [`Hosts`].
///
/// ```no_run
/// use axum::{Router, middleware};
/// use tidings_axum::{Hosts, check_host};
/// use tokio::net::TcpListener;
///
/// # async fn serve(app: Router) -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// let state = (Hosts::default(), listener.local_addr()?);
/// let app = app.layer(middleware::from_fn_with_state(state, check_host));
/// # axum::serve(listener, app).await
/// # }
/// ```
///
/// # Errors
/// Fails with a `421` if the host is not a name of the server.
pub async fn check_host(
    State((hosts, listener)): State<(Hosts, SocketAddr)>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    let (parts, body) = request.into_parts();
    hosts.check(&parts, listener)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}
