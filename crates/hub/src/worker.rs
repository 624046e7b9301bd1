//! One thread that serves: it accepts, speaks HTTP, and has a lane of its own.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_util::task::TaskTracker;

use crate::connected::Connected;
use crate::connection;
use crate::lane::{Epoll, Lane, Manners};
use crate::shared::{Context, Shared};

/// How long connections have to end once the last goodbye is said.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// How long to wait where the system has no more connections to give, before asking again.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

const HUB_IS_FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
    content-type: application/json\r\ncontent-length: 77\r\nconnection: close\r\n\r\n\
    {\"error\":{\"code\":\"full\",\"message\":\"too many connections: try again later\"}}\r\n";

/// Serves on this thread until the hub stops.
pub(crate) fn run(listener: std::net::TcpListener, shared: Shared) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listener, shared))
}

async fn serve(listener: std::net::TcpListener, shared: Shared) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let Shared { config, metrics, .. } = &shared;
    let tasks = TaskTracker::new();
    let mut stopping = shared.is_stopping.clone();
    let epoll = Epoll::new()?;
    let context = Rc::new_cyclic(|context: &std::rc::Weak<Context>| {
        let context = context.clone();
        let give_back = Rc::new(move |socket: StdTcpStream, connected| {
            if let Some(context) = context.upgrade() {
                match TcpStream::from_std(socket) {
                    Ok(socket) => converse(&context, socket, connected),
                    Err(error) => tracing::warn!(%error, "a connection could not be taken back"),
                }
            }
        });
        let manners = Manners { write_deadline: config.write_deadline, drain: config.drain };
        let lane = Lane::new(config.hub.clone(), manners, metrics.clone(), give_back, epoll);
        Context { shared: shared.clone(), lane, tasks: tasks.clone() }
    });
    let mut lane = spawn_local(context.lane.clone().drive());

    let lane_ended = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => welcome(&context, socket),
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            },
            // It ends by itself once the hub is closed. Else it has failed, and a worker without its lane
            // serves nobody.
            ended = &mut lane => {
                let ended = flatten(ended);
                if ended.is_err() || config.hub.pool().closed().is_none() {
                    return ended;
                }
                break Some(ended);
            }
            _ = stopping.wait_for(|stopping| *stopping) => break None,
        }
    };
    drop(listener);
    tasks.close();
    let ended = async {
        let lane = match lane_ended {
            Some(ended) => ended,
            None => flatten(lane.await),
        };
        tasks.wait().await;
        lane
    };
    // Whoever has not gone by then is cut off: the hub ends in bounded time.
    tokio::time::timeout(config.drain + GRACE, ended).await.unwrap_or(Ok(()))
}

/// What a task came to, a panic being a failure.
pub(crate) fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

fn welcome(context: &Rc<Context>, socket: TcpStream) {
    let Shared { config, metrics, connections, .. } = &context.shared;
    let Ok(permit) = connections.clone().try_acquire_owned() else {
        // As a courtesy: whether it goes out or not, the connection is closed.
        let _ = socket.try_write(HUB_IS_FULL);
        metrics.refused.inc();
        return;
    };
    let connected = Connected::new(metrics.clone(), permit);
    if let Err(error) = prepare(&socket, config.write_deadline) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    converse(context, socket, connected);
}

fn converse(context: &Rc<Context>, socket: TcpStream, connected: Connected) {
    let serving = connection::serve(socket, connected, context.clone());
    spawn_local(context.tasks.track_future(serving));
}

fn prepare(socket: &TcpStream, patience: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // A peer that is gone without a word acknowledges nothing: the system finds it by this, even where
    // there is too little to write to fill the socket (RFC 5482).
    #[cfg(target_os = "linux")]
    SockRef::from(socket).set_tcp_user_timeout(Some(patience))?;
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    Ok(())
}
