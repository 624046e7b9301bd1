//! One thread that serves: its lane, and hyper for what is not the lane's. Or hyper for everything.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio_util::task::TaskTracker;

use crate::accept;
use crate::lane::{self, Lane};
use crate::shared::{Context, Shared};

/// How long connections have to end once the last goodbye is said.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// Serves on this thread until the hub stops.
pub(crate) fn run(listener: StdTcpListener, shared: Shared, number: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listener, shared, number))
}

async fn serve(listener: StdTcpListener, shared: Shared, number: usize) -> io::Result<()> {
    let tasks = TaskTracker::new();
    if lane::IS_BUILT && !shared.config.general_path {
        let (context, lane) = lane::start(listener, shared, number, tasks)?;
        let serving = spawn_local(lane.drive());
        attend(&context, serving).await
    } else {
        let context = Rc::new(Context { shared, lane: None, tasks });
        let serving = spawn_local(accept::serve(listener, context.clone()));
        attend(&context, serving).await
    }
}

/// Waits until this has served everyone, or for as long as a hub that stops may take.
async fn attend(context: &Context, mut serving: JoinHandle<io::Result<()>>) -> io::Result<()> {
    let Context { shared, lane, tasks } = context;
    let (mut stopping, config) = (shared.is_stopping.clone(), &shared.config);
    let served = tokio::select! {
        // It ends by itself once the hub is closed. Else it has failed, and accepts no more connections.
        ended = &mut serving => {
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
        let served = match served {
            Some(ended) => ended,
            None => flatten(serving.await),
        };
        tasks.wait().await;
        served
    };
    // Connections that have not ended by then are cut off: the hub ends in bounded time.
    tokio::time::timeout(config.drain + GRACE, ended).await.unwrap_or_else(|_| {
        let connections = lane.as_ref().map_or(0, Lane::len) + tasks.len();
        tracing::warn!(connections, "cut off connections that did not end in time");
        Ok(())
    })
}

/// What a task came to, a panic being a failure.
pub(crate) fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|panic| Err(io::Error::other(panic)))
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
