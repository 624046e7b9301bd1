//! Has hyper read one request.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body_util::Empty;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::socket::{Lent, Socket};
use crate::routes::{self, Streamed};
use crate::shared::Shared;

/// The smallest buffer that hyper accepts.
const MIN_HEAD: usize = 8192;

/// Has hyper read the next request on this socket, whose head is complete and well-formed, and routes it. The socket
/// that is returned has the bytes that came after the request. It is `None` if hyper has not released it.
///
/// hyper reads the body and sends `100 Continue`, but it does not write the response. When the request is read, hyper's
/// connection is taken apart, so that the bytes after the request are kept.
///
/// # Errors
/// Any error of hyper while it reads the request.
pub(crate) async fn read_and_route(
    socket: Socket,
    shared: &Shared,
) -> (Option<Socket>, hyper::Result<Option<Streamed>>) {
    let (is_surplus, listener) = (socket.permit.is_surplus(), socket.listener);
    let lent = Lent::new(socket);
    let streamed = Cell::new(None::<Streamed>);
    // Boxed, because `poll_without_shutdown` needs a future that is `Unpin`.
    let service = service_fn(|request: hyper::Request<Incoming>| {
        lent.allow_writes();
        Box::pin(async {
            let routed = routes::route_streamed(request, is_surplus, listener, shared).await;
            streamed.set(Some(routed));
            std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
        })
    });
    let mut http = http1::Builder::new();
    // The size of the head was checked already. An encoded `>` has three bytes.
    http.half_close(true).max_buf_size(3 * shared.config.max_head.max(MIN_HEAD));
    let mut connection = http.serve_connection(TokioIo::new(lent.clone()), service);
    let ended = poll_fn(|task| {
        let ended = connection.poll_without_shutdown(task);
        match streamed.take() {
            // `100 Continue` must be written first.
            Some(routed) if ended.is_pending() && lent.is_waiting() => {
                streamed.set(Some(routed));
                Poll::Pending
            }
            Some(routed) => Poll::Ready(Ok(Some(routed))),
            None => ended.map_ok(|()| None),
        }
    })
    .await;
    let read = connection.into_parts().read_buf;
    let mut socket = lent.into_socket();
    if let Some(socket) = &mut socket
        && !read.is_empty()
    {
        let early = std::mem::replace(&mut socket.early, BytesMut::from(read));
        socket.early.extend_from_slice(&early);
    }
    (socket, ended)
}
