//! The listeners of a server.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use socket2::Socket;
use tidings_transport::ListenerKind;

use crate::listener::ListenerRef;
use crate::tls::Tls;

/// A listener that [`Server::listen`](crate::Server::listen) accepts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// A non-blocking listener, its kind, and the certificates if its connections use TLS.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: Socket,
    pub(crate) kind: ListenerKind,
    pub(crate) tls: Option<Tls>,
    /// The index of the QUIC endpoint at its address, among the endpoints of the server.
    pub(crate) endpoint: Option<u16>,
}

impl Bound {
    /// Makes a listener non-blocking. The address is `None` for a Unix socket.
    ///
    /// # Errors
    /// Fails if the socket does not listen, has no address, or cannot be set to non-blocking.
    pub(crate) fn new(listener: Listener) -> io::Result<(Self, Option<SocketAddr>)> {
        let (socket, address) = match listener {
            Listener::Tcp(listener) => {
                let address = listener.local_addr()?;
                (Socket::from(listener), Some(address))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => (Socket::from(listener), None),
        };
        // If it does not listen, each accept would fail.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        if !socket.is_listener()? {
            let problem =
                "the socket does not listen; in a systemd socket unit, leave Accept= at no";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        socket.set_nonblocking(true)?;
        let kind = address.map_or(ListenerKind::Unix, ListenerKind::from);
        Ok((Self { socket, kind, tls: None, endpoint: None }, address))
    }

    /// Like [`new`](Self::new), for connections with TLS. `endpoint` is the index of its QUIC endpoint.
    ///
    /// # Errors
    /// Any error of [`new`](Self::new).
    pub(crate) fn with_tls(
        listener: TcpListener,
        tls: &Tls,
        endpoint: Option<u16>,
    ) -> io::Result<(Self, Option<SocketAddr>)> {
        let (bound, address) = Self::new(listener.into())?;
        Ok((Self { kind: ListenerKind::Tls, tls: Some(tls.clone()), endpoint, ..bound }, address))
    }

    pub(crate) fn listener_ref(&self) -> ListenerRef {
        ListenerRef { kind: self.kind, endpoint: self.endpoint }
    }

    /// Duplicates the listener, for another thread.
    ///
    /// # Errors
    /// Fails if the process has no more descriptors.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let Self { socket, kind, tls, endpoint } = self;
        let socket = socket.try_clone()?;
        Ok(Self { socket, kind: *kind, tls: tls.clone(), endpoint: *endpoint })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_does_not_listen_is_rejected() {
        let socket = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let error = Bound::new(TcpListener::from(socket).into()).unwrap_err();
        assert!(error.to_string().contains("does not listen"), "{error}");
    }
}
