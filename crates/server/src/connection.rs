//! One connection that is not in a lane: its heads are checked here, its requests are read by hyper.
//!
//! ```text
//! socket ─► head: whole and well-formed? ─► exchange: hyper reads the request ─► routes ─► the answer
//!                                                                                      └─► a client that stays
//! ```
//!
//! On the lane path a connection comes here with a request that is not plain, and goes back to its lane after
//! the answer, or as a client that stays. On the general path it is here from its beginning to its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_transport::Rejection;
use tidings_transport::mount::{Observer, WriteDeadline};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use crate::connected::Connected;
use crate::routes::{Answer, Asked};
use crate::shared::Context;
use crate::socket::Socket;
use crate::visitor::Newcomer;
use crate::watched::Watched;
use crate::{closing, exchange, head, held, request, routes};

/// How a connection goes on after an answer.
pub(crate) enum Next {
    /// With the next request.
    Request(Socket),
    /// It does not: this side is closed in stages.
    Close(Socket),
    /// It is somebody else's, or over.
    Nothing,
}

/// Starts the task that serves one connection, on which these bytes have come already.
pub(crate) fn start(socket: TcpStream, connected: Connected, early: Bytes, context: &Rc<Context>) {
    let serving = serve(socket, connected, early, context.clone());
    spawn_local(context.tasks.track_future(serving));
}

async fn serve(socket: TcpStream, connected: Connected, early: Bytes, context: Rc<Context>) {
    let observer: Arc<dyn Observer> = Arc::new(Watched::new(context.shared.metrics.clone()));
    let io = WriteDeadline::new(socket, context.shared.config.write_deadline);
    let io = io.observed_by(observer.clone());
    let socket = Socket { io, early: BytesMut::from(early), observer };
    if let Err(error) = serve_all(socket, connected, &context).await {
        tracing::debug!(%error, "a connection broke");
    }
}

async fn serve_all(
    mut socket: Socket,
    connected: Connected,
    context: &Rc<Context>,
) -> io::Result<()> {
    let idle_timeout = connected.idle_timeout(context.shared.config.idle_timeout);
    let mut connected = Some(connected);
    loop {
        let next = match head_of_next(&mut socket, idle_timeout, context).await? {
            None => return Ok(()),
            Some(Err(rejection)) => refuse(socket, rejection, context).await?,
            Some(Ok(())) => answer(socket, &mut connected, context).await?,
        };
        socket = match next {
            Next::Request(socket) => socket,
            Next::Close(socket) => {
                let is_stopping = *context.shared.is_stopping.borrow();
                closing::close(socket, is_stopping).await;
                return Ok(());
            }
            Next::Nothing => return Ok(()),
        };
        if let Some(lane) = &context.lane {
            let Some(connected) = connected.take() else { return Ok(()) };
            let Socket { io, early, .. } = socket;
            match io.into_inner().into_std() {
                Ok(socket) => lane.take_back(socket, connected, &early),
                Err(error) => context.shared.metrics.unserved.add(error),
            }
            return Ok(());
        }
    }
}

/// Waits until the head of the next request is whole, and checks it. Returns `None` if it does not come: the
/// peer has left, its time is over, or the hub stops.
async fn head_of_next(
    socket: &mut Socket,
    idle_timeout: Duration,
    context: &Context,
) -> io::Result<Option<Result<(), Rejection>>> {
    let config = &context.shared.config;
    let mut stopping = context.shared.is_stopping.clone();
    let is_idle = socket.early.is_empty();
    let patience = if is_idle { idle_timeout } else { config.head_deadline };
    let mut deadline = Instant::now() + patience;
    loop {
        match request::head(&socket.early, config.max_head) {
            Ok(Some(_)) => {
                request::encode_target(&mut socket.early);
                return Ok(Some(Ok(())));
            }
            Ok(None) => {}
            Err(rejection) => return Ok(Some(Err(rejection))),
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

/// Answers a request that is refused for its form. Where the next one begins is not known.
async fn refuse(mut socket: Socket, rejection: Rejection, context: &Context) -> io::Result<Next> {
    let mut bytes = BytesMut::new();
    head::whole(&mut bytes, &routes::refuse(None, rejection, &context.shared), head::CLOSE);
    socket.write_all(&bytes).await?;
    Ok(Next::Close(socket))
}

/// Reads the request whose head is there, and answers it.
async fn answer(
    socket: Socket,
    connected: &mut Option<Connected>,
    context: &Rc<Context>,
) -> io::Result<Next> {
    let is_surplus = connected.as_ref().is_some_and(Connected::is_surplus);
    let (socket, asked) = exchange::ask(socket, is_surplus, &context.shared).await;
    let Some(mut socket) = socket else { return Ok(Next::Nothing) };
    let Asked { answer, is_last, is_head } = match asked {
        Ok(Some(asked)) => asked,
        Ok(None) => return Ok(Next::Nothing),
        Err(error) if error.is_parse() => {
            let message = format!("the request is not HTTP/1.1: {error}");
            return refuse(socket, Rejection::bad_request("bad_request", message), context).await;
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let response = match answer {
        Answer::Whole(response) => response,
        Answer::Later(later) => later.await,
        Answer::Stays(visitor) => {
            let Some(lane) = &context.lane else {
                return held::serve(socket, *visitor, context).await;
            };
            let Some(connected) = connected.take() else { return Ok(Next::Nothing) };
            let Socket { io, early, .. } = socket;
            let early = early.freeze();
            match io.into_inner().into_std() {
                Ok(socket) => lane.join(Newcomer { socket, connected, early, visitor }),
                Err(error) => context.shared.metrics.unserved.add(error),
            }
            return Ok(Next::Nothing);
        }
    };
    let is_last = is_last || head::is_last(&response) || *context.shared.is_stopping.borrow();
    let keep_alive = head::keep_alive(context.shared.config.idle_timeout);
    let ending = if is_last { head::CLOSE } else { &keep_alive };
    let mut bytes = BytesMut::new();
    match is_head {
        true => head::without_body(&mut bytes, &response, ending),
        false => head::whole(&mut bytes, &response, ending),
    }
    socket.write_all(&bytes).await?;
    Ok(if is_last { Next::Close(socket) } else { Next::Request(socket) })
}
