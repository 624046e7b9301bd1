//! Runs the server until the end of its shutdown.

use std::io;
use std::sync::atomic::Ordering;

use socket2::SockRef;
use tidings_core::Reason;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::bound::Bound;
use crate::config::Config;
use crate::general;
use crate::metrics::Metrics;
use crate::quic;
use crate::server::Server;
use crate::shared::Shared;
use crate::tls::Tls;
use crate::worker::{self, flatten};

/// Serves until `shutdown` resolves, and then shuts down: see [`Server::serve`].
pub(crate) async fn run(server: Server, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Server {
        mut config,
        serve_by,
        listeners,
        endpoints,
        #[cfg(unix)]
        files,
        metrics,
        connection_limit,
        inboxes,
        has_mounts,
        ..
    } = server;
    if listeners.is_empty() && !has_mounts {
        let problem = "the server has no listener: add one with bind or listen";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    for Bound { socket, kind, .. } in &listeners {
        crate::listener::prepare(&SockRef::from(socket), *kind, config.write_deadline)?;
    }
    if config.redirect_to_https == Some(0) {
        config.redirect_to_https = Some(https_port(&listeners)?);
    }
    let (stop, is_stopping) = watch::channel(false);
    let hub = config.hub.clone();
    let mut shared = Shared::new(config, serve_by, metrics, connection_limit, is_stopping);
    shared.offer = quic::Offer::of(&endpoints);
    // Runs beside the workers, and is ended with them.
    let mut side = JoinSet::new();
    side.spawn(log_tallies(shared.clone()));
    watch_certificates(&listeners, &mut side);
    let mut running = JoinSet::new();
    for inbox in inboxes {
        let own: Vec<_> = listeners.iter().map(Bound::try_clone).collect::<Result<_, _>>()?;
        let shared = shared.clone();
        running.spawn_blocking(move || worker::run(own, shared, inbox));
    }
    for endpoint in endpoints {
        running.spawn(quic::serve(endpoint, shared.clone()));
    }
    drop(listeners);
    let failed = tokio::select! {
        () = last_call(shutdown, &shared) => None,
        ended = running.join_next() => ended,
        // The application may close the hub. A lane notices that, but tasks that wait for a request do not. Each
        // publish wakes this future, so it is used only if there are such tasks.
        () = general::closed(&hub), if !shared.serve_by.has_lanes() => None,
    };
    let begun = Instant::now();
    tracing::info!(clients = hub.pool().len(), over = ?shared.config.drain, "draining");
    // Before the listeners are closed, so that another server can already bind the same path.
    #[cfg(unix)]
    drop(files);
    hub.close(Reason::GoingAway);
    // Fails only if every worker has ended already.
    let _ = stop.send(true);
    let mut outcome = failed.map_or(Ok(()), flatten);
    while let Some(ended) = running.join_next().await {
        outcome = outcome.and(flatten(ended));
    }
    side.abort_all();
    let Metrics { cut_off, unserved, .. } = &shared.metrics;
    cut_off.log(|count, _| log_cut_off(count, &shared.config));
    unserved.log(log_unserved);
    tracing::info!(clients = hub.pool().len(), took = ?begun.elapsed(), "drained");
    outcome
}

/// Resolves when the listeners must be closed: [`Config::drain_delay`] after the shutdown signal.
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

/// The port of the first listener with TLS.
///
/// # Errors
/// Fails if there is none.
fn https_port(listeners: &[Bound]) -> io::Result<u16> {
    let first = listeners.iter().find(|listener| listener.tls.is_some());
    let address = first.map(|first| first.socket.local_addr()).transpose()?;
    address.and_then(|address| address.as_socket()).map(|address| address.port()).ok_or_else(|| {
        let problem =
            "requests cannot be redirected to https: add a listener with bind_tls, or set the port";
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    })
}

/// Reloads the certificates of the listeners when their files change.
fn watch_certificates(listeners: &[Bound], side: &mut JoinSet<()>) {
    let mut watched: Vec<&Tls> = Vec::new();
    for tls in listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        if tls.has_files() && !watched.iter().any(|one| one.is_clone_of(tls)) {
            watched.push(tls);
            side.spawn(tls.watch(Tls::WATCH_PERIOD));
        }
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
