//! Serves an application with a graceful shutdown.

use std::io;
use std::time::Duration;

use axum::Router;
use tidings_core::{Hub, Reason};
use tidings_transport::mount::farewell;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::WriteDeadlineListener;

/// How long clients have to leave after the goodbye, and after that, how long connections have to end.
const GRACE: Duration = Duration::from_secs(5);

/// Serves an application on this listener until `shutdown` resolves.
///
/// Then it closes the hub, so that each client is sent a goodbye. When all clients have left, or after five seconds, it
/// stops accepting connections. It returns when the last connection has ended, or five seconds later.
///
/// A client that reads nothing for 30 s is disconnected: see [`WriteDeadlineListener`].
///
/// Dropping the future closes the listener. Clients are then sent no goodbye, and open connections continue in their
/// tasks.
///
/// # Errors
/// Fails if the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    hub: Hub,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (ending, is_ending) = oneshot::channel();
    let goodbye = async move {
        shutdown.await;
        farewell(&hub, Reason::GoingAway, GRACE).await;
        // Fails only if the future was dropped.
        let _ = ending.send(());
    };
    let serving = axum::serve(WriteDeadlineListener::new(listener), app);
    let cut_off = async {
        let Ok(()) = is_ending.await else { return std::future::pending().await };
        sleep(GRACE).await;
    };
    tokio::select! {
        served = serving.with_graceful_shutdown(goodbye) => served,
        () = cut_off => Ok(()),
    }
}
