//! One thread that serves: its lane, and hyper for what is not the lane's.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpListener;
use socket2::SockRef;
use tokio::task::{LocalSet, spawn_local};
use tokio_util::task::TaskTracker;

use crate::connected::Connected;
use crate::lane::{Epoll, Lane, Manners, Reception, Sender};
use crate::shared::{Context, Shared};
use crate::{connection, head, routes};

/// How long connections have to end once the last goodbye is said.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// Serves on this thread until the hub stops.
pub(crate) fn run(listener: StdTcpListener, shared: Shared, lane: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listener, shared, lane))
}

async fn serve(listener: StdTcpListener, shared: Shared, lane: usize) -> io::Result<()> {
    let tasks = TaskTracker::new();
    let mut stopping = shared.is_stopping.clone();
    let config = shared.config.clone();
    let mut listener = TcpListener::from_std(listener);
    let epoll = Epoll::new()?;
    epoll.watch_listener(&mut listener)?;
    let context = Rc::new_cyclic(|context| {
        let lane = make_lane(&shared, lane, listener, epoll, context.clone());
        Context { shared: shared.clone(), lane, tasks: tasks.clone() }
    });
    let mut lane = spawn_local(context.lane.clone().drive());
    let lane_ended = tokio::select! {
        // It ends by itself once the hub is closed. Else it has failed, and a worker without its lane
        // serves nobody.
        ended = &mut lane => {
            let ended = flatten(ended);
            if ended.is_err() || config.hub.pool().closed().is_none() {
                return ended;
            }
            Some(ended)
        }
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    tasks.close();
    let ended = async {
        let lane = match lane_ended {
            Some(ended) => ended,
            None => flatten(lane.await),
        };
        tasks.wait().await;
        lane
    };
    // Connections that have not ended by then are cut off: the hub ends in bounded time.
    tokio::time::timeout(config.drain + GRACE, ended).await.unwrap_or_else(|_| {
        let connections = context.lane.len() + tasks.len();
        tracing::warn!(connections, "cut off connections that did not end in time");
        Ok(())
    })
}

/// What a task came to, a panic being a failure.
pub(crate) fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// The lane of a worker. What is not for it goes to hyper.
fn make_lane(
    shared: &Shared,
    lane: usize,
    listener: TcpListener,
    epoll: Epoll,
    context: Weak<Context>,
) -> Lane {
    let config = &shared.config;
    let manners = Manners {
        write_deadline: config.write_deadline,
        idle_timeout: config.idle_timeout,
        keep_alive: head::keep_alive(config.idle_timeout),
        max_head: config.max_head,
        drain: config.drain,
    };
    let (answering, refusing) = (shared.clone(), shared.clone());
    let reception = Reception {
        listener: Some(listener),
        has_early_ones: true,
        connections: shared.connections.clone(),
        neighbours: shared.neighbours.clone(),
        lane,
        general_path: config.general_path,
        answer: Box::new(move |request, body| routes::answer(request, body, &answering)),
        refuse: Box::new(move |request, refusal| routes::refuse(request, refusal, &refusing)),
        hand_over: Box::new(move |socket, connected, early| {
            if let Some(context) = context.upgrade() {
                converse(&context, socket, connected, early);
            }
        }),
    };
    let sender = Sender::new(config.io_uring);
    Lane::new(config.hub.clone(), manners, shared.metrics.clone(), reception, epoll, sender)
}

/// Leaves a connection to hyper.
fn converse(
    context: &Rc<Context>,
    socket: std::net::TcpStream,
    connected: Connected,
    early: Bytes,
) {
    match tokio::net::TcpStream::from_std(socket) {
        Ok(socket) => {
            let serving = connection::serve(socket, connected, early, context.clone());
            spawn_local(context.tasks.track_future(serving));
        }
        Err(error) => context.shared.metrics.unserved.add(error),
    }
}

/// Sets on a listener what each of its connections is to have. They inherit it, except for those that are
/// established already.
pub(crate) fn prepare(socket: &SockRef<'_>, patience: Duration) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // A peer that is gone acknowledges nothing, and one that does not read closes its window. The system finds both
    // by this, even if there is too little to write to fill the socket (RFC 5482). It is the write deadline as the
    // system keeps it: it begins earlier than the hub's own, which begins when the socket is full, so it ends most
    // connections of that kind. Both are counted in the same way. If it were longer, a socket that the hub has
    // closed would stay with its buffers in the kernel for the difference.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(patience))?;
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn connections_inherit_what_is_set_on_the_listener() {
        let listener = StdTcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&SockRef::from(&listener), Duration::from_secs(7)).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    }
}
