//! Accepts QUIC connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime};
use tidings_transport::mount::Mount;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Listener, session};
use crate::shared::Shared;
use crate::worker::GRACE;

/// The most handshakes from addresses that are not validated. While there are more, a further client must first show
/// that it receives packets at its address (RFC 9000, section 8.1.2).
const HANDSHAKES: usize = 256;

/// How long to wait until the clients have been sent that the endpoint is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all sessions of an endpoint share.
pub(super) struct Context {
    pub(super) shared: Shared,
    /// Checks the requests of sessions. It has no other transport.
    pub(super) mount: Mount,
    handshakes: Arc<Semaphore>,
}

/// Serves sessions until the server stops, and then waits until they have ended, for the time that connections have.
///
/// # Errors
/// Fails if the socket cannot be used.
pub(crate) async fn serve(listener: Listener, shared: Shared) -> io::Result<()> {
    let Listener { socket, config, transport, .. } = listener;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)?;
    let mount = shared.config.mount_of(&[transport]);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let context = Arc::new(Context { shared, mount, handshakes });
    let mut stopping = context.shared.is_stopping.clone();
    // Dropping the set ends the sessions.
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => admit(incoming, &context, &mut sessions),
                None => return Err(io::Error::other("the UDP socket for WebTransport has failed")),
            },
            Some(_) = sessions.join_next() => {}
            _ = stopping.wait_for(|stopping| *stopping) => break,
        }
    }
    endpoint.set_server_config(None);
    let ended = async { while sessions.join_next().await.is_some() {} };
    if timeout(context.shared.config.drain + GRACE, ended).await.is_err() {
        tracing::warn!(
            sessions = sessions.len(),
            "cut off WebTransport sessions that did not end in time"
        );
    }
    drop(sessions);
    endpoint.close(0_u32.into(), b"");
    // A client that is gone does not acknowledge it.
    let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
    Ok(())
}

fn admit(incoming: Incoming, context: &Arc<Context>, sessions: &mut JoinSet<()>) {
    let Some(permit) = context.shared.connection_limit.admit() else {
        incoming.refuse();
        return;
    };
    let handshake = context.handshakes.clone().try_acquire_owned().ok();
    if handshake.is_none() && !incoming.remote_address_validated() {
        // Fails only if the address is validated.
        let _ = incoming.retry();
        return;
    }
    sessions.spawn(Box::pin(session::serve(incoming, permit, handshake, context.clone())));
}
