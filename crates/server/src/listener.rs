//! The options of listeners and their connections, and failures to accept, for lanes and the general path.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tidings_transport::ListenerKind;

/// The listener that accepted a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenerRef {
    pub(crate) kind: ListenerKind,
    /// The index of the QUIC endpoint at its address, among the endpoints of the server. `None` if it has none.
    pub(crate) endpoint: Option<u16>,
}

impl From<ListenerKind> for ListenerRef {
    /// Returns a listener of this kind without an endpoint.
    fn from(kind: ListenerKind) -> Self {
        Self { kind, endpoint: None }
    }
}

/// Sets the options of a listener, which its connections inherit. A connection that came before that is prepared
/// separately. A Unix socket needs none of the options, because it sends small writes at once and its peer cannot
/// vanish.
pub(crate) fn prepare(
    socket: &SockRef<'_>,
    kind: ListenerKind,
    write_deadline: Duration,
) -> io::Result<()> {
    if kind == ListenerKind::Unix {
        return Ok(());
    }
    socket.set_tcp_nodelay(true)?;
    // A peer that is gone acknowledges nothing, and a peer that does not read closes its window. With this option the
    // system detects both, even if the unsent bytes do not fill the socket (RFC 5482). The deadline of the server
    // starts when the socket is full. That of the system starts earlier, so it ends most of these connections. Both are
    // counted in the same way. If this were longer, a socket that the server has closed would stay in the kernel with
    // its buffers for the difference.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(write_deadline))?;
    #[cfg(not(target_os = "linux"))]
    let _ = write_deadline;
    Ok(())
}

/// Sets the backlog to the largest that the system allows (`net.core.somaxconn`). That of the standard library is 128. If
/// the backlog is full, as when many clients reconnect at the same time, the kernel drops the first packet of a client,
/// which tries again after a second.
///
/// # Errors
/// Fails if the system rejects the call.
pub(crate) fn raise_backlog(socket: &SockRef<'_>) -> io::Result<()> {
    socket.listen(i32::MAX)
}

/// How long to wait after a failure to accept, such as when the process has no more file descriptors.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Whether a failure to accept concerns only one peer, which has left before it was accepted, and not the listener.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    let kinds = [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted];
    kinds.contains(&error.kind())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_inherit_the_options_of_their_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&SockRef::from(&listener), ListenerKind::Loopback, Duration::from_secs(7)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    }
}
