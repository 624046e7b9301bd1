//! One HTTP/1.1 connection in hyper's hands, until it ends or a client leaves HTTP on it.
//!
//! On the lane path it comes here with a request that is not plain, and may stay for further ones. Where
//! one is from a client that stays, the connection is taken over from hyper: it is polled until everything
//! written before is out, and then taken apart.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_transport::mount::{MountBody, Observer, OnMessage, Visit, WriteDeadline};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::connected::Connected;
use crate::counted::Counted;
use crate::lane::{Newcomer, Visitor};
use crate::routes::{self, Answer};
use crate::shared::Context;
use crate::watched::Watched;

/// The smallest buffer that hyper takes.
const MIN_HEAD: usize = 8192;

/// Serves one connection, on which these bytes have come already.
pub(crate) async fn serve(
    socket: TcpStream,
    connected: Connected,
    early: Bytes,
    context: Rc<Context>,
) {
    // hyper tries once to answer what it cannot read: it must not find tokio still unaware that the socket
    // can be written.
    if let Err(error) = socket.writable().await {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let observer: Arc<dyn Observer> = Arc::new(Watched::new(context.shared.metrics.clone()));
    let socket = WriteDeadline::new(socket, context.shared.config.write_deadline);
    let socket = socket.observed_by(observer.clone());
    let ended = if context.shared.config.general_path {
        let socket = Counted::new(socket, connected, context.tasks.token());
        serve_general(socket, &observer, &context).await
    } else {
        serve_lane(socket, connected, early, &context).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

fn http(context: &Context) -> http1::Builder {
    let config = &context.shared.config;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.head_deadline)
        .max_buf_size(config.max_head.max(MIN_HEAD));
    http
}

/// Everything through hyper, as in anybody's server.
async fn serve_general(
    socket: Counted<WriteDeadline<TcpStream>>,
    observer: &Arc<dyn Observer>,
    context: &Rc<Context>,
) -> hyper::Result<()> {
    let service = service_fn(|request| async {
        Ok::<_, Infallible>(answer_general(request, observer, context).await)
    });
    let connection = http(context).serve_connection(TokioIo::new(socket), service).with_upgrades();
    let mut connection = pin!(connection);
    let mut stopping = context.shared.is_stopping.clone();
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stopping.wait_for(|stopping| *stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn answer_general(
    mut request: Request<Incoming>,
    observer: &Arc<dyn Observer>,
    context: &Context,
) -> Response<MountBody> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    match routes::answer_once_read(request, &context.shared).await {
        Answer::Whole(response) => response.map(MountBody::whole),
        Answer::Later(later) => later.await.map(MountBody::whole),
        Answer::Stays(visitor) => {
            let Visitor { accepted, seat, interest, position, publishes_to, .. } = *visitor;
            let config = &context.shared.config;
            let subscription = config.hub.read(seat, interest, position);
            let subscription = subscription.with_goodbye_within(config.drain);
            let write_deadline = config.write_deadline;
            let on_message = publishes_to.map_or_else(OnMessage::refused, OnMessage::published_to);
            let observer = observer.clone();
            let visit = Visit { subscription, on_message, write_deadline, observer };
            visit.respond(accepted, upgrade).await
        }
    }
}

/// Clients that stay leave hyper for the lane.
async fn serve_lane(
    socket: WriteDeadline<TcpStream>,
    connected: Connected,
    early: Bytes,
    context: &Rc<Context>,
) -> hyper::Result<()> {
    let socket = Borrowed(Rc::new(RefCell::new(Socket { io: socket, early })));
    let visitor = Cell::new(None::<Box<Visitor>>);
    // Boxed, because hyper lets only a connection that can be moved be polled in this way.
    let service = service_fn(|request| {
        Box::pin(async {
            match routes::answer_once_read(request, &context.shared).await {
                Answer::Whole(response) => Ok::<_, Infallible>(response.map(MountBody::whole)),
                Answer::Later(later) => Ok(later.await.map(MountBody::whole)),
                // The answer is the lane's: whoever polls takes the connection over.
                Answer::Stays(arrived) => {
                    visitor.set(Some(arrived));
                    std::future::pending().await
                }
            }
        })
    });
    let mut connection = http(context).serve_connection(TokioIo::new(socket.clone()), service);
    let mut stopping = context.shared.is_stopping.clone();
    let mut stopped = pin!(stopping.wait_for(|stopping| *stopping));
    let mut is_stopping = false;
    let ended = std::future::poll_fn(|task| {
        if !is_stopping && stopped.as_mut().poll(task).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let ended = connection.poll_without_shutdown(task);
        match visitor.take() {
            // The answer to an earlier request of the same connection has to be out first.
            Some(waiting) if ended.is_pending() && socket.0.borrow().io.is_waiting() => {
                visitor.set(Some(waiting));
                Poll::Pending
            }
            Some(taken) if ended.is_pending() => Poll::Ready(Ok(Some(taken))),
            // With a connection that broke on the way out of an earlier answer there is nothing to take.
            _ => ended.map_ok(|()| None),
        }
    })
    .await?;
    let read = connection.into_parts().read_buf;
    if let (Some(visitor), Some(socket)) = (ended, Rc::into_inner(socket.0)) {
        let Socket { io, early } = socket.into_inner();
        let early = if early.is_empty() { read } else { [read, early].concat().into() };
        match io.into_inner().into_std() {
            Ok(socket) => context.lane.join(Newcomer { socket, connected, early, visitor }),
            Err(error) => context.shared.metrics.unserved.add(error),
        }
    }
    Ok(())
}

/// A connection that can be looked at while hyper has it. Both are of one thread.
#[derive(Clone)]
struct Borrowed(Rc<RefCell<Socket>>);

struct Socket {
    io: WriteDeadline<TcpStream>,
    /// What was read before hyper had it.
    early: Bytes,
}

impl AsyncRead for Borrowed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Socket { io, early } = &mut *self.0.borrow_mut();
        if early.is_empty() {
            return Pin::new(io).poll_read(context, buffer);
        }
        buffer.put_slice(&early.split_to(early.len().min(buffer.remaining())));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Borrowed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_write_vectored(context, slices)
    }
}
