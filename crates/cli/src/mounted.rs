//! `tidings mounted`: our transports in an axum application, for `compare`.

use std::process::ExitCode;

use axum::Router;
use tidings::axum::{Authorizer, Mount, router};
use tidings::core::{Heartbeat, Hub, HubConfig};
use tidings::server::{Server, transports};
use tokio::net::TcpListener;

use crate::args::MountedArgs;
use crate::serve::{allow_many_files, print, shutdown};

/// Prints its address and serves on a free loopback port until Ctrl-C.
///
/// # Errors
/// Fails if no socket can be bound, the address cannot be printed, or the server fails.
pub(crate) async fn mounted(args: MountedArgs) -> anyhow::Result<ExitCode> {
    allow_many_files();
    let heartbeat = Heartbeat::default().interval(args.heartbeat);
    let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
    let mut server = Server::builder(hub.clone()).build();
    let mount = Mount::new(hub.clone()).authorizer(Authorizer::allow_all()).adopter(server.lanes());
    let mount =
        transports().into_iter().fold(mount, |mount, listed| mount.shared_transport(listed.server));
    let app = Router::new().nest("/topics", router(mount));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print(&format!("listening on http://{}\n", listener.local_addr()?))?;
    // The lanes end when the hub is closed.
    let lanes = tokio::spawn(server.serve(std::future::pending()));
    tidings::axum::serve(listener, app, hub, shutdown()).await?;
    lanes.await??;
    Ok(ExitCode::SUCCESS)
}
