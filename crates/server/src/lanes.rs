//! The lanes of a server, for connections that another HTTP server has upgraded.

use std::fmt;
use std::time::Duration;

use socket2::SockRef;
use tidings_transport::ListenerKind;
use tidings_transport::mount::{Adopted, Adopter, Place};

use crate::connection_limit::ConnectionLimit;
use crate::handover::{Admitted, HandOver};
use crate::lane::Balancer;
use crate::listener::prepare;

/// The lanes of a [`Server`](crate::Server), which serve the WebSocket connections of a
/// [`Mount`](tidings_transport::mount::Mount) in somebody else's HTTP server. Cheap to clone.
///
/// They serve while [`Server::serve`](crate::Server::serve) runs. Connections that come before that wait, and after that
/// the mount serves its connections itself, as it does if there are as many connections as
/// [`Config::max_connections`](crate::Config::max_connections) allows. The configuration and the metrics of the server
/// hold for what they serve.
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
    /// `None` if the server has no lanes: then the mount serves its connections itself.
    pub(crate) balancer: Option<Balancer>,
    pub(crate) connection_limit: ConnectionLimit,
    pub(crate) write_deadline: Duration,
}

/// Which TCP listener it was does not matter, because no further request comes.
const TCP: ListenerKind = ListenerKind::Network;

impl Adopter for Lanes {
    fn reserve(&self) -> Option<Place> {
        let reserved = self.balancer.as_ref()?.reserve()?;
        let permit = self.connection_limit.admit().filter(|permit| !permit.is_surplus())?;
        let write_deadline = self.write_deadline;
        Some(Box::new(move |adopted: Adopted| {
            let Adopted { socket, read_ahead: input, subscriber, .. } = adopted;
            if let Err(error) = prepare(&SockRef::from(&socket), TCP, write_deadline) {
                tracing::debug!(%error, "an upgraded connection has other options than it should");
            }
            let connection = Admitted { socket: socket.into(), listener: TCP, permit };
            reserved.hand(HandOver { connection, input }, subscriber);
        }))
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("limit", &self.connection_limit).finish_non_exhaustive()
    }
}
