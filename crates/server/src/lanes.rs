//! The lanes of a server, for connections that another HTTP server has upgraded.

use std::fmt;
use std::time::Duration;

use socket2::SockRef;
use tidings_core::Hub;
use tidings_transport::ListenerKind;
use tidings_transport::mount::{Adopted, Adopter, Place};

use crate::connection_limit::ConnectionLimit;
use crate::handover::{Admitted, HandOver};
use crate::lane::Balancer;
use crate::listener::prepare;

/// The lanes of a [`Server`](crate::Server), which serve the WebSocket connections of a
/// [`Mount`](tidings_transport::mount::Mount) in another HTTP server. Cloning is cheap.
///
/// The lanes serve while [`Server::serve`](crate::Server::serve) runs. Connections that are handed over before that
/// wait. The mount serves a connection in a task if the server has ended or already has
/// [`Config::max_connections`](crate::Config::max_connections), or if the system has no lanes. The configuration and
/// the metrics of the server apply to the connections on its lanes.
///
/// ```
/// use tidings_core::Hub;
/// use tidings_server::Server;
/// use tidings_transport::mount::Mount;
///
/// let hub = Hub::default();
/// let mut server = Server::builder(hub.clone()).build();
/// let mount = Mount::new(hub).adopter(server.lanes());
/// ```
#[derive(Clone)]
pub struct Lanes {
    /// `None` if the server has no lanes.
    pub(crate) balancer: Option<Balancer>,
    pub(crate) hub: Hub,
    pub(crate) connection_limit: ConnectionLimit,
    pub(crate) write_deadline: Duration,
}

/// The kind of listener for all connections. The kind of a TCP listener matters only for the check of requests, and an
/// upgraded connection has no further requests.
const TCP: ListenerKind = ListenerKind::Network;

impl Adopter for Lanes {
    fn hub(&self) -> &Hub {
        &self.hub
    }

    fn reserve(&self) -> Option<Place> {
        let reserved = self.balancer.as_ref()?.reserve()?;
        let permit = self.connection_limit.admit().filter(|permit| !permit.is_surplus())?;
        let write_deadline = self.write_deadline;
        Some(Box::new(move |adopted: Adopted| {
            let Adopted { socket, read_ahead: input, subscriber, .. } = adopted;
            if let Err(error) = prepare(&SockRef::from(&socket), TCP, write_deadline) {
                tracing::debug!(%error, "cannot set the socket options of an upgraded connection");
            }
            let (socket, listener) = (socket.into(), TCP.into());
            let connection = Admitted { socket, tls: None, listener, permit };
            reserved.hand_over(HandOver { connection, input }, subscriber);
        }))
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("limit", &self.connection_limit).finish_non_exhaustive()
    }
}
