//! What a listener and its connections have in common on every path.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tidings_transport::ListenerKind;

/// Sets on a listener the options that its connections inherit. A connection that is older than that is given them by
/// itself. A Unix socket has none of them: it sends small writes at once, and its peer cannot vanish.
///
/// # Errors
/// If the system rejects an option.
pub(crate) fn prepare(
    socket: &SockRef<'_>,
    kind: ListenerKind,
    write_deadline: Duration,
) -> io::Result<()> {
    if kind == ListenerKind::Unix {
        return Ok(());
    }
    socket.set_tcp_nodelay(true)?;
    // A peer that is gone acknowledges nothing, and one that does not read closes its window. The system finds both
    // by this, even if there is too little to write to fill the socket (RFC 5482). It is the write deadline as the
    // system keeps it: it begins earlier than the server's own, which begins when the socket is full, so it ends most
    // connections of that kind. Both are counted in the same way. If it were longer, a socket that the server has
    // closed would stay with its buffers in the kernel for the difference.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(write_deadline))?;
    #[cfg(not(target_os = "linux"))]
    let _ = write_deadline;
    Ok(())
}

/// How long to wait after a failure to accept, such as when the process has no more file descriptors.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Returns `true` if a failure to accept concerns one peer, which has left before it was accepted, and not the
/// listener.
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
    fn connections_inherit_what_is_set_on_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&SockRef::from(&listener), ListenerKind::Loopback, Duration::from_secs(7)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7)));
    }
}
