//! Mounts in servers that are not ours: axum, and a loop over hyper's connections.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tidings_axum::{WriteDeadlineListener, router};
use tidings_core::Reason;
use tidings_server::Config;
use tidings_transport::mount::{Mount, WriteDeadline, farewell};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long a mount's server waits for its clients at the end.
const FAREWELL: Duration = Duration::from_secs(10);

/// Returns a mount with the parts of this configuration that are about topics.
fn mount(config: &Config) -> Mount {
    let mount = Mount::new(config.hub.clone())
        .authorizer(config.authorizer.clone())
        .origins(config.origins.clone())
        .slow(config.slow)
        .echo(config.echo)
        .write_deadline(config.write_deadline)
        .body_deadline(config.body_deadline);
    let mount = match &config.on_message {
        Some(on_message) => mount.on_message(on_message.clone()),
        None => mount,
    };
    config.transports.iter().cloned().fold(mount, Mount::shared_transport)
}

/// Serves at `/topics/NAME` in axum until it is stopped or the hub is closed.
pub(super) async fn serve_axum(
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let app = Router::new().nest("/topics", router(mount(&config)));
    let listener = WriteDeadlineListener::new(listener).deadline(config.write_deadline);
    let serving = axum::serve(listener, app);
    tokio::select! {
        served = serving => served,
        () = say_farewell(config, stopped) => Ok(()),
    }
}

/// Serves every path by hyper until it is stopped or the hub is closed.
pub(super) async fn serve_hyper(
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let mount = mount(&config);
    let deadline = config.write_deadline;
    let serving = async {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await?;
            let io = TokioIo::new(WriteDeadline::new(socket, deadline));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).half_close(true);
            let service = TowerToHyperService::new(mount.clone());
            let connection = http.serve_connection(io, service).with_upgrades();
            connections.spawn(async move { drop(connection.await) });
        }
    };
    tokio::select! {
        served = serving => served,
        () = say_farewell(config, stopped) => Ok(()),
    }
}

async fn say_farewell(config: Config, stopped: oneshot::Receiver<()>) {
    if stopped.await.is_err() {
        // The test has failed.
        return;
    }
    farewell(&config.hub, Reason::GoingAway, FAREWELL).await;
}
