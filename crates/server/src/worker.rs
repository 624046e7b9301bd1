//! One worker thread. It serves by a lane, and by the general path what a lane does not serve. Without lanes it serves
//! only by the general path.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio_util::task::TaskTracker;

use crate::bound::Bound;
use crate::general::{self, Context};
use crate::handover::Turn;
use crate::lane::{self, Inbox};
use crate::routes::Routes;
use crate::shared::Shared;

/// How long connections have to end after the last goodbye.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// Serves on this thread until the server stops.
///
/// # Errors
/// Fails if the runtime or the lane cannot be created, or the worker fails.
pub(crate) fn run(listeners: Vec<Bound>, shared: Shared, inbox: Inbox) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listeners, shared, inbox))
}

async fn serve(listeners: Vec<Bound>, shared: Shared, inbox: Inbox) -> io::Result<()> {
    let tasks = TaskTracker::new();
    if shared.serve_by.has_lanes() {
        let routes = Box::new(Routes::new(shared.clone()));
        let lane = lane::Handle::new(listeners, &shared, inbox, routes)?;
        let context = Rc::new(Context { shared, lane: Some(lane.clone()), tasks });
        let serving = spawn_local(drive(lane, context.clone()));
        attend(&context, serving).await
    } else {
        let context = Rc::new(Context { shared, lane: None, tasks });
        let (accepting, mut stopping) = (context.clone(), context.shared.is_stopping.clone());
        let serving = spawn_local(async move {
            let all = listeners.into_iter();
            let all = all.map(|listener| general::accept_all(listener, accepting.clone()));
            try_join_all(all).await?;
            // Without a listener this waits as well, because mounts of another HTTP server may serve the hub.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            Ok(())
        });
        attend(&context, serving).await
    }
}

/// Serves a lane until the hub is closed and the last connection has ended. Hands connections that the lane does not
/// serve over to the general path.
async fn drive(lane: lane::Handle, context: Rc<Context>) -> io::Result<()> {
    while let Turn::HandOver(connections) = lane.serve().await? {
        connections.into_iter().for_each(|connection| general::take_over(connection, &context));
        // The tasks that serve them run before the next turn of the lane.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Waits until `serving` has ended. After the server was stopped, waits for [`Config::drain`](crate::Config::drain) and
/// [`GRACE`] at most.
async fn attend(context: &Context, mut serving: JoinHandle<io::Result<()>>) -> io::Result<()> {
    let Context { shared, lane, tasks } = context;
    let (mut stopping, config) = (shared.is_stopping.clone(), &shared.config);
    let served = tokio::select! {
        // It ends once the hub is closed. If the hub is open, it has failed, and accepts no more connections.
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
    // Connections that have not ended by then are cut off, so that the server ends in bounded time.
    tokio::time::timeout(config.drain + GRACE, ended).await.unwrap_or_else(|_| {
        let connections = lane.as_ref().map_or(0, lane::Handle::len) + tasks.len();
        tracing::warn!(connections, "cut off connections that did not end in time");
        Ok(())
    })
}

/// The result of a task. A panic is an error.
pub(crate) fn flatten(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}
