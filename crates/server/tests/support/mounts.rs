//! Mounts in servers that are not ours: in axum, and in a loop over connections of hyper.

use std::convert::Infallible;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_axum::{WriteDeadlineListener, router};
use tidings_core::Reason;
use tidings_server::{Config, Server};
use tidings_transport::mount::{Mount, MountBody, WriteDeadline, farewell};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower_service::Service;

/// How long a mount's server waits for its clients at the end.
const FAREWELL: Duration = Duration::from_secs(10);

/// A mount with the parts of this configuration that are about topics.
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
    serve_mount(mount(&config), listener, config, stopped).await
}

/// Serves by a mount in axum, with lanes for upgraded connections.
pub(super) async fn serve_axum_to_lanes(
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut server =
        Server::builder(config.hub.clone()).configure(|own| *own = config.clone()).build();
    let mount = mount(&config).adopter(server.lanes());
    let lanes = tokio::spawn(server.serve(std::future::pending()));
    serve_mount(mount, listener, config, stopped).await?;
    // The lanes end when the hub is closed.
    lanes.await?
}

async fn serve_mount(
    mount: Mount,
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let app = Router::new().nest("/topics", router(mount));
    let listener = WriteDeadlineListener::new(listener).deadline(config.write_deadline);
    let serving = axum::serve(listener, app);
    tokio::select! {
        served = serving => served,
        () = say_farewell(config, stopped) => Ok(()),
    }
}

/// Serves every path by a mount in hyper until it is stopped or the hub is closed.
pub(super) async fn serve_hyper(
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    serve_by(AtTopics(mount(&config)), listener, config, stopped).await
}

/// A mount at every path, except that `/topics` publishes many.
#[derive(Clone)]
struct AtTopics(Mount);

impl Service<Request<Incoming>> for AtTopics {
    type Response = Response<MountBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let mount = self.0.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/topics" => mount.publish_many(request).await,
                _ => mount.respond(request).await,
            })
        })
    }
}

/// Serves by the service of our server in hyper until it is stopped or the hub is closed.
pub(super) async fn serve_service(
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let service = Server::builder(config.hub.clone()).configure(|own| *own = config.clone());
    let service = service.into_service(listener.local_addr()?);
    serve_by(service, listener, config, stopped).await
}

async fn serve_by<S>(
    service: S,
    listener: TcpListener,
    config: Config,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<MountBody>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let deadline = config.write_deadline;
    let serving = async {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await?;
            let io = TokioIo::new(WriteDeadline::new(socket, deadline));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).half_close(true);
            let service = service.clone();
            let service =
                service_fn(move |request: Request<Incoming>| service.clone().call(request));
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
