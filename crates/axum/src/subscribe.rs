//! An extractor for requests to subscribe.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use tidings_core::Filters;
use tidings_transport::mount::Mount;
use tidings_transport::{Rejection, last_segment};

/// A request to subscribe. The last segment of its path names the filters.
///
/// Over HTTP/2 a WebSocket is a `CONNECT`, so route the path by `any` instead of `get` to accept it.
///
/// ```
/// use axum::Router;
/// use axum::extract::State;
/// use axum::response::Response;
/// use axum::routing::get;
/// use tidings_axum::{Mount, Subscribe};
/// use tidings_core::Hub;
///
/// async fn orders(State(mount): State<Mount>, subscribe: Subscribe) -> Response {
///     println!("a client subscribes to {}", subscribe.filters);
///     subscribe.serve(&mount).await
/// }
///
/// let mount = Mount::new(Hub::default());
/// let app: Router = Router::new().route("/orders/{filters}", get(orders)).with_state(mount);
/// # drop(app);
/// ```
#[derive(Debug)]
pub struct Subscribe {
    /// The filters that the client requested. An application may change them.
    pub filters: Filters,
    request: Request,
}

impl Subscribe {
    /// Subscribes the client and returns the response: see [`Mount::subscribe`].
    pub async fn serve(self, mount: &Mount) -> Response {
        mount.subscribe(self.request, self.filters).await.into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for Subscribe {
    /// A `400` for malformed filters.
    type Rejection = Rejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Rejection> {
        let filters = last_segment(request.uri())?.parse()?;
        Ok(Self { filters, request })
    }
}
