//! One session: its handshake, its request, its client and its end.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Version};
use quinn::Incoming;
use tidings_transport::Rejection;
use tidings_transport::mount::Subscriber;
use tidings_webtransport::Close;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use web_transport_quinn::{SendStream, Session};

use super::endpoint::Context;
use super::inbound::inbound;
use crate::connection_limit::ConnectionPermit;
use crate::general::subscription;
use crate::routes;

/// How long a client has to acknowledge its goodbye, and then again to close the session.
const LINGER: Duration = Duration::from_secs(2);

/// Closes the connection when it is dropped. A task of the library holds the connection too, so it would stay open.
struct ClosedOnDrop(quinn::Connection);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close(0_u32.into(), b"");
    }
}

/// Serves a connection to its end. `handshake` is released when its handshake has ended.
pub(super) async fn serve(
    incoming: Incoming,
    permit: ConnectionPermit,
    handshake: Option<OwnedSemaphorePermit>,
    context: Arc<Context>,
) {
    let address = incoming.remote_address();
    let opening = async {
        let connection = incoming.accept()?.await?;
        web_transport_quinn::Request::accept(connection).await
    };
    let request = match timeout(context.shared.config.head_deadline, opening).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            return tracing::debug!(%address, %error, "cannot open a WebTransport session");
        }
        Err(_) => return tracing::debug!(%address, "QUIC handshake timed out"),
    };
    drop(handshake);
    let _closed = ClosedOnDrop(request.conn().clone());
    if let Err(error) = respond(request, &permit, &context).await {
        tracing::debug!(%address, %error, "WebTransport session failed");
    }
}

/// Responds to the request of a session, and serves its client.
async fn respond(
    request: web_transport_quinn::Request,
    permit: &ConnectionPermit,
    context: &Context,
) -> Result<(), web_transport_quinn::ServerError> {
    let connection = request.conn().clone();
    let parts = parts(&request);
    let accepting = async {
        let parts = parts?;
        routes::open_session(&parts, permit.is_surplus(), &context.mount, &context.shared).await
    };
    let accepted = tokio::select! {
        accepted = accepting => accepted,
        error = connection.closed() => return Err(error.into()),
    };
    // A rejected session is accepted too, because a page does not see the status of the response, but the code of a
    // closed session. `reject` of the library drops the control stream, which is an error of the protocol.
    let Ok(session) = timeout(context.shared.config.head_deadline, request.ok()).await else {
        return Ok(());
    };
    let session = session?;
    match accepted {
        Ok(subscriber) => converse(&session, *subscriber, context).await,
        Err(rejection) => close(&session, &Close::rejection(&rejection)).await,
    }
    Ok(())
}

/// The request of a session in the form in which routes and authorizers read requests.
///
/// # Errors
/// Fails with `400` if its URL is not one of HTTP.
fn parts(request: &web_transport_quinn::Request) -> Result<Parts, Rejection> {
    let mut parts = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_3)
        .uri(request.url.as_str())
        .body(())
        .map_err(|error| Rejection::bad_request("bad_target", format!("malformed URL: {error}")))?
        .into_parts()
        .0;
    parts.headers = request.headers.clone();
    Ok(parts)
}

/// Serves a client until it is gone, or was sent a goodbye.
async fn converse(session: &Session, subscriber: Subscriber, context: &Context) {
    let config = &context.shared.config;
    let observer = Arc::new(context.shared.metrics.clone());
    let (accepted, client) = subscription::begin(subscriber, observer, config);
    let Ok(Ok(mut output)) = timeout(config.write_deadline, session.open_uni()).await else {
        return;
    };
    let messages = inbound(session.clone(), accepted.encoder.clone());
    let ended = tokio::select! {
        ended = client.converse_in_messages(&mut output, messages, accepted.encoder) => ended,
        // The client has left, or is gone.
        _ = session.closed() => return,
    };
    let reason = match ended {
        Ok(reason) => {
            acknowledged(output, session).await;
            reason
        }
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => tidings_core::Reason::TooSlow,
        Err(error) => return tracing::debug!(%error, "WebTransport session failed"),
    };
    close(session, &Close::goodbye(reason)).await;
}

/// Ends the stream of notifications, and waits until the client has received all of it. Otherwise the end of the session
/// could overtake the goodbye.
async fn acknowledged(mut output: SendStream, session: &Session) {
    // Fails only if it was ended already.
    let _ = output.finish();
    let received = async {
        tokio::select! {
            _ = output.stopped() => {}
            _ = session.closed() => {}
        }
    };
    let _ = timeout(LINGER, received).await;
}

/// Closes the session, and waits until the client has closed it too. The library waits for at least 100 ms or three
/// round trips.
async fn close(session: &Session, Close { code, reason }: &Close) {
    session.close(*code, reason.as_bytes());
    let _ = timeout(LINGER, session.closed()).await;
}
