//! A listener whose connections find readers that have stalled.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tidings_transport::mount::WriteDeadline;
use tokio::net::{TcpListener, TcpStream};

/// A listener for [`axum::serve()`] on whose connections no write may wait for longer than a deadline.
///
/// A [`Mount`](crate::Mount) ends a stream whose client takes nothing, and gives the client's seat back. It cannot end the
/// connection, which axum would keep until the system gives up on the client. This listener ends it.
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

    /// Changes the deadline.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }
}

impl Listener for WriteDeadlineListener {
    type Io = WriteDeadline<TcpStream>;
    type Addr = SocketAddr;

    /// Accepts the next connection. After an error it tries again, in a second if there are too many open files.
    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (socket, address) = Listener::accept(&mut self.listener).await;
        // Small writes go out at once. A connection where that cannot be set is broken, and its first read says so.
        let _ = socket.set_nodelay(true);
        (WriteDeadline::new(socket, self.deadline), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
