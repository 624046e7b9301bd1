//! Runs the server, from its listener to the end of its shutdown.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use socket2::SockRef;
use tidings_core::Reason;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::cors::OpenHeads;
use crate::general;
use crate::lane::{self, Balancer};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::worker::{self, flatten};

/// Serves the hub on this listener until `shutdown` resolves, then shuts down in three steps:
///
/// 1. For [`Config::drain_delay`] everything is served as before, except that `GET /readyz` answers `503`.
/// 2. The listener is closed, and so is the hub: it takes no further clients or notifications. The goodbyes
///    are spread over [`Config::drain`].
/// 3. Connections have four more seconds to end. Then the rest are cut off, and this returns.
///
/// Each step is logged at INFO. A shutdown that is already complete when this is called is fine.
///
/// Dropping the future before that ends the workers as well, without a goodbye.
///
/// # Errors
/// Returns an error if the listener cannot be shared among the workers, or if a worker fails.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let listener = listener.into_std()?;
    crate::listener::prepare(&SockRef::from(&listener), config.write_deadline)?;
    let (stop, is_stopping) = watch::channel(false);
    let (hub, workers) = (config.hub.clone(), config.workers.get());
    let metrics = Metrics::new(&config);
    let connection_limit =
        ConnectionLimit::new(metrics.connections.clone(), config.max_connections);
    let balancer = Balancer::new(workers);
    let (mount, config) = (config.mount(), Arc::new(config));
    let (open_heads, is_draining) = (OpenHeads::default(), Arc::default());
    let shared = Shared {
        config,
        mount,
        address,
        metrics,
        is_draining,
        open_heads,
        connection_limit,
        is_stopping,
    };
    let mut logging = JoinSet::new();
    logging.spawn(log_tallies(shared.clone()));
    let mut running = JoinSet::new();
    for number in 0..workers {
        let (listener, shared) = (listener.try_clone()?, shared.clone());
        let inbox = balancer.inbox(number);
        running.spawn_blocking(move || worker::run(listener, shared, inbox));
    }
    drop(listener);
    let failed = tokio::select! {
        () = last_call(shutdown, &shared) => None,
        ended = running.join_next() => ended,
        // The application may close the hub. A lane notices that, but tasks that wait for a request do not. Each publish
        // wakes this future, so it is used only if there are such tasks.
        () = general::closed(&hub), if shared.config.general_path || !lane::IS_BUILT => None,
    };
    let begun = Instant::now();
    tracing::info!(clients = hub.pool().len(), over = ?shared.config.drain, "draining");
    hub.close(Reason::GoingAway);
    // Fails only if every worker has ended already.
    let _ = stop.send(true);
    let mut outcome = failed.map_or(Ok(()), flatten);
    while let Some(ended) = running.join_next().await {
        outcome = outcome.and(flatten(ended));
    }
    logging.abort_all();
    let Metrics { cut_off, unserved, .. } = &shared.metrics;
    cut_off.log(|count, _| log_cut_off(count, &shared.config));
    unserved.log(log_unserved);
    tracing::info!(clients = hub.pool().len(), took = ?begun.elapsed(), "drained");
    outcome
}

/// Resolves when the listener is to be closed: [`Config::drain_delay`] after the shutdown signal.
async fn last_call(shutdown: impl Future<Output = ()>, shared: &Shared) {
    shutdown.await;
    shared.is_draining.store(true, Ordering::Release);
    let delay = shared.config.drain_delay;
    if !delay.is_zero() {
        let clients = shared.config.hub.pool().len();
        tracing::info!(clients, ?delay, "shutting down: not ready, and still serving");
        sleep(delay).await;
    }
}

async fn log_tallies(shared: Shared) {
    let Metrics { cut_off, unserved, .. } = &shared.metrics;
    tokio::join!(
        cut_off.log_each_period(|count, _| log_cut_off(count, &shared.config)),
        unserved.log_each_period(log_unserved),
    );
}

fn log_cut_off(clients: u64, config: &Config) {
    let deadline = config.write_deadline;
    tracing::warn!(clients, ?deadline, "cut off clients that took nothing for the write deadline");
}

fn log_unserved(attempts: u64, error: &str) {
    tracing::warn!(
        attempts,
        error,
        "could not accept or serve connections; if files are used up, raise the limit (ulimit -n, LimitNOFILE=)"
    );
}
