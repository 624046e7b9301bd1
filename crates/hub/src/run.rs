//! From a listener to a served hub, and to its end.

use std::io;
use std::sync::Arc;

use tidings_core::Reason;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::connected::Connections;
use crate::cors::OpenHeads;
use crate::lane::Neighbours;
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::worker::{self, flatten};

/// Serves the hub on this listener until `shutdown` is ready; then says goodbye on every transport and
/// returns, within [`Config::drain`] and four seconds.
///
/// Closes the hub: after this it takes no further clients or notifications.
///
/// Dropping the future before that ends the hub's workers as well, without a goodbye.
///
/// # Errors
/// Where the listener cannot be shared among the workers, or a worker fails.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let listener = listener.into_std()?;
    worker::prepare(&listener, config.write_deadline)?;
    let (stop, is_stopping) = watch::channel(false);
    let (hub, workers) = (config.hub.clone(), config.workers.get());
    let metrics = Metrics::default();
    let connections = Connections::new(metrics.connections.clone(), config.max_connections);
    let neighbours = Neighbours::new(workers);
    let config = Arc::new(config);
    let open_heads = OpenHeads::default();
    let shared =
        Shared { config, address, metrics, open_heads, connections, neighbours, is_stopping };
    let mut running = JoinSet::new();
    for lane in 0..workers {
        let (listener, shared) = (listener.try_clone()?, shared.clone());
        running.spawn_blocking(move || worker::run(listener, shared, lane));
    }
    drop(listener);
    let failed = tokio::select! {
        () = shutdown => None,
        ended = running.join_next() => ended,
    };
    hub.close(Reason::GoingAway);
    // Fails only where every worker has ended already.
    let _ = stop.send(true);
    let mut outcome = failed.map_or(Ok(()), flatten);
    while let Some(ended) = running.join_next().await {
        outcome = outcome.and(flatten(ended));
    }
    outcome
}
