//! Serves an application, and ends it in order.

use std::io;
use std::time::Duration;

use axum::Router;
use tidings_core::{Hub, Reason};
use tidings_transport::mount::farewell;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::WriteDeadlineListener;

/// How long clients have to leave once they were sent a goodbye, and then how long connections have to end.
const GRACE: Duration = Duration::from_secs(5);

/// Serves an application on this listener until `shutdown` resolves. Then the hub is closed, so that each client is sent a
/// goodbye. Once all clients have left, at the latest after five seconds, no further connections are accepted. Returns
/// when the last connection has ended, at the latest five seconds after that.
///
/// A client that takes nothing for 30 s is disconnected: see [`WriteDeadlineListener`].
///
/// Dropping the future closes the listener, without a goodbye. Connections are served on, each in a task of its own.
///
/// # Errors
/// If the listener fails.
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
        // Fails only if nobody serves any more.
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
