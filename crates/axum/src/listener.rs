//! A listener whose connections end when their client stops reading.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tidings_transport::mount::WriteDeadline;
use tokio::net::{TcpListener, TcpStream};

/// A listener for [`axum::serve()`]. It ends a connection on which a write makes no progress within a deadline.
///
/// A [`Mount`](crate::Mount) ends a stream whose client reads nothing, and frees the client's seat. It cannot end the
/// connection, which axum would keep until the operating system ends it. This listener ends it.
#[derive(Debug)]
pub struct WriteDeadlineListener {
    listener: TcpListener,
    deadline: Duration,
}

impl WriteDeadlineListener {
    /// Wraps a listener, with a deadline of 30 s.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, deadline: Duration::from_secs(30) }
    }

    /// Changes the deadline. Default 30 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

impl Listener for WriteDeadlineListener {
    type Io = WriteDeadline<TcpStream>;
    type Addr = SocketAddr;

    /// Accepts the next connection. It tries again at once if a connection fails, and after one second for any other
    /// error, such as too many open files.
    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (socket, address) = Listener::accept(&mut self.listener).await;
        // If this fails, the connection is broken, and its first read returns an error.
        let _ = socket.set_nodelay(true);
        (WriteDeadline::new(socket, self.deadline), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
