//! One connection on the general path. Its heads are checked here, and its requests are read by hyper.
//!
//! ```text
//! socket ─► head: whole and well-formed? ─► exchange: hyper reads the request ─► routes ─► the response
//!                                                                                      └─► a subscriber
//! ```

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use tidings_transport::Rejection;
use tidings_transport::mount::{Observer, WriteDeadline};
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout, timeout_at};

use super::context::Context;
use super::observer::ConnectionObserver;
use super::secured::Secured;
use super::socket::{AfterResponse, Socket};
use super::stream::Stream;
use super::{closing, exchange, http2, subscription};
use crate::connection_limit::ConnectionPermit;
use crate::handover::{Admitted, HandOver};
use crate::listener::ListenerRef;
use crate::peer_end::PeerEnd;
use crate::response::{self, Routed};
use crate::routes::Streamed;
use crate::tls::Session;
use crate::{request, routes};

/// How long the end of an idle connection may take.
const END: Duration = Duration::from_secs(1);

/// Takes over a connection from a lane.
pub(crate) fn take_over(connection: HandOver, context: &Rc<Context>) {
    let HandOver { connection, input } = connection;
    let Admitted { socket, tls, listener, permit } = connection;
    match Stream::new(socket, listener.kind) {
        Ok(stream) => serve(stream, tls, listener, permit, input, context),
        Err(error) => context.shared.metrics.unserved.add(error),
    }
}

/// Starts the task that serves one connection, from which `input` was read already.
pub(super) fn serve(
    stream: Stream,
    tls: Option<Session>,
    listener: ListenerRef,
    permit: ConnectionPermit,
    input: Bytes,
    context: &Rc<Context>,
) {
    let observer: Arc<dyn Observer> =
        Arc::new(ConnectionObserver::new(context.shared.metrics.clone()));
    let io = WriteDeadline::new(stream, context.shared.config.write_deadline);
    let io = io.observed_by(observer.clone());
    let tls = tls.map(Secured::new);
    let (early, peer_end) = (BytesMut::from(input), PeerEnd::None);
    let socket = Socket { io, tls, early, observer, listener, permit, peer_end };
    let running = context.clone();
    spawn_local(context.tasks.track_future(async move {
        if let Err(error) = serve_all(socket, &running).await {
            tracing::debug!(%error, "connection broke");
        }
    }));
}

/// Serves requests until the connection ends. If there is a lane, serves one request and then hands the connection over
/// to the lane.
async fn serve_all(mut socket: Socket, context: &Context) -> io::Result<()> {
    let idle_timeout = socket.permit.idle_timeout(context.shared.config.idle_timeout);
    timeout(context.shared.config.head_deadline, socket.handshake()).await??;
    loop {
        let next = match head_of_next(&mut socket, idle_timeout, context).await? {
            None => {
                // With TLS the peer must be able to distinguish the end from a truncation (RFC 8446, section 6.1).
                return timeout(END, socket.shutdown()).await?;
            }
            Some(Beginning::Rejected(rejection)) => reject(socket, rejection, context).await?,
            Some(Beginning::Http1) => respond(socket, context).await?,
            Some(Beginning::Http2) => {
                let peer = http2::Peer::of(&socket, &context.shared.config);
                if let Err(error) = http2::serve(&mut socket, peer, &context.shared).await {
                    tracing::debug!(%error, "HTTP/2 connection broke");
                }
                AfterResponse::Close(socket)
            }
        };
        socket = match next {
            AfterResponse::NextRequest(socket) => socket,
            AfterResponse::Close(socket) => {
                let is_stopping = *context.shared.is_stopping.borrow();
                closing::close(socket, is_stopping).await;
                return Ok(());
            }
            AfterResponse::Done => return Ok(()),
        };
        if let Some(lane) = &context.lane {
            lane.take_over(socket.into_hand_over().await?);
            return Ok(());
        }
    }
}

/// What a peer has sent.
enum Beginning {
    /// A complete and well-formed head of HTTP/1.1.
    Http1,
    /// The preface of HTTP/2.
    Http2,
    /// A head that is rejected.
    Rejected(Rejection),
}

/// Waits until the head of the next request is complete, and checks it. `None` if the peer has left, its time is over,
/// or the server stops.
async fn head_of_next(
    socket: &mut Socket,
    idle_timeout: Duration,
    context: &Context,
) -> io::Result<Option<Beginning>> {
    let config = &context.shared.config;
    let mut stopping = context.shared.is_stopping.clone();
    let is_idle = socket.early.is_empty();
    let patience = if is_idle { idle_timeout } else { config.head_deadline };
    let mut deadline = Instant::now() + patience;
    loop {
        if http2::is_preface(&socket.early) {
            return Ok(Some(Beginning::Http2));
        }
        if !http2::may_become_preface(&socket.early) {
            match request::head(&socket.early, config.max_head) {
                Ok(Some(_)) => {
                    request::encode_target(&mut socket.early);
                    return Ok(Some(Beginning::Http1));
                }
                Ok(None) => {}
                Err(rejection) => return Ok(Some(Beginning::Rejected(rejection))),
            }
        }
        let has_begun = !socket.early.is_empty();
        let count = tokio::select! {
            read = timeout_at(deadline, socket.fill()) => match read {
                Ok(count) => count?,
                Err(_) => return Ok(None),
            },
            _ = stopping.wait_for(|stopping| *stopping), if !has_begun => return Ok(None),
        };
        if count == 0 {
            return Ok(None);
        }
        if is_idle && !has_begun {
            deadline = Instant::now() + config.head_deadline;
        }
    }
}

/// Responds to a request whose head is rejected. The connection ends then, because the next request cannot be found.
async fn reject(
    mut socket: Socket,
    rejection: Rejection,
    context: &Context,
) -> io::Result<AfterResponse> {
    let mut bytes = BytesMut::new();
    response::write(&mut bytes, &routes::reject(None, rejection, &context.shared), response::CLOSE);
    socket.send(&bytes).await?;
    Ok(AfterResponse::Close(socket))
}

/// Reads a request whose head is complete, and responds to it.
async fn respond(socket: Socket, context: &Context) -> io::Result<AfterResponse> {
    let (socket, streamed) = exchange::read_and_route(socket, &context.shared).await;
    let Some(mut socket) = socket else { return Ok(AfterResponse::Done) };
    let Streamed { routed, is_last, request } = match streamed {
        Ok(Some(streamed)) => streamed,
        Ok(None) => return Ok(AfterResponse::Done),
        Err(error) if error.is_parse() => {
            let message = format!("the request is not HTTP/1.1: {error}");
            return reject(socket, Rejection::bad_request("bad_request", message), context).await;
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let response = match routed {
        Routed::Response(response) => response,
        Routed::Subscription(subscriber) => {
            let Some(lane) = &context.lane else {
                return subscription::serve(socket, *subscriber, is_last, context).await;
            };
            lane.subscribe(socket.into_hand_over().await?, subscriber, is_last);
            return Ok(AfterResponse::Done);
        }
    };
    let is_last = is_last || response::is_last(&response) || *context.shared.is_stopping.borrow();
    let keep_alive = response::keep_alive(context.shared.config.idle_timeout);
    let ending = if is_last { response::CLOSE } else { &keep_alive };
    let mut bytes = BytesMut::new();
    match request.method {
        Method::HEAD => response::without_body(&mut bytes, &response, ending),
        _ => response::write(&mut bytes, &response, ending),
    }
    socket.send(&bytes).await?;
    Ok(if is_last { AfterResponse::Close(socket) } else { AfterResponse::NextRequest(socket) })
}
