//! Accepts the connections of a lane.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};
use socket2::{SockRef, Socket};
use tokio::time::{Sleep, sleep};

use super::balancer::Inbox;
use super::epoll::{Epoll, LISTENER};
use crate::bound::Bound;
use crate::connection_limit::ConnectionLimit;
use crate::handover::Admitted;
use crate::listener::{ListenerRef, PAUSE, is_of_one_connection, prepare};
use crate::tls::{Session, Tls};
use tidings_transport::ListenerKind;

/// The listeners of a lane, until the hub is closed.
pub(super) struct Acceptor {
    listeners: Vec<Bound>,
    /// Whether connections may wait that came before the options of the listeners were set.
    has_early_ones: bool,
    write_deadline: Duration,
    connection_limit: ConnectionLimit,
    pub(super) inbox: Inbox,
    /// The pause after a failure to accept.
    pause: Option<Pin<Box<Sleep>>>,
}

/// The outcome of one accept.
pub(super) enum Accepted {
    /// A connection for this lane, which is counted.
    Connection(Admitted),
    /// A connection for which there is no room. It may get a response if it has no TLS, and must be closed.
    NoRoom(Socket, ListenerKind),
    /// A connection that was given to another lane, or whose peer has left already.
    Elsewhere,
    /// No connection waits at a listener, or none may be accepted now.
    Nothing,
}

impl Acceptor {
    /// Watches the listeners with this epoll.
    pub(super) fn new(
        listeners: Vec<Bound>,
        epoll: &Epoll,
        write_deadline: Duration,
        connection_limit: ConnectionLimit,
        inbox: Inbox,
    ) -> io::Result<Self> {
        for listener in &listeners {
            epoll.watch(&listener.socket, LISTENER)?;
        }
        Ok(Self {
            listeners,
            has_early_ones: true,
            write_deadline,
            connection_limit,
            inbox,
            pause: None,
        })
    }

    /// Accepts one connection.
    ///
    /// # Errors
    /// Fails if the system has no more descriptors, or if a listener fails and no connection waits at the others.
    /// [`poll_pause`](Self::poll_pause) is ready once it is time to try again.
    pub(super) fn accept(&mut self) -> io::Result<Accepted> {
        if self.pause.is_some() {
            return Ok(Accepted::Nothing);
        }
        // If a listener fails, the others are still tried.
        let mut failure = None;
        let found = self.listeners.iter().map(accept_at).find_map(|accepted| match accepted {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if !is_of_one_connection(&error) => {
                failure.get_or_insert(error);
                None
            }
            accepted => Some(accepted),
        });
        if found.is_some() {
            // The next accept begins with another listener, so that a busy one does not delay the others.
            let one = usize::from(self.listeners.len() > 1);
            self.listeners.rotate_left(one);
        }
        let (socket, tls, listener) = match (found, failure) {
            (Some(Ok(accepted)), _) => accepted,
            (Some(Err(_)), _) => return Ok(Accepted::Elsewhere),
            (None, Some(error)) => {
                self.pause = Some(Box::pin(sleep(PAUSE)));
                return Err(error);
            }
            (None, None) => {
                self.has_early_ones = false;
                return Ok(Accepted::Nothing);
            }
        };
        if self.has_early_ones
            && let Err(error) = prepare(&SockRef::from(&socket), listener.kind, self.write_deadline)
        {
            tracing::debug!(%error, "cannot set the options of a connection that came before the server started");
        }
        let Some(permit) = self.connection_limit.admit() else {
            return Ok(Accepted::NoRoom(socket, listener.kind));
        };
        Ok(match self.inbox.balance(Admitted { socket, tls, listener, permit }) {
            Some(connection) => Accepted::Connection(connection),
            None => Accepted::Elsewhere,
        })
    }

    /// Ready once after each failure to accept, when it is time to try again.
    pub(super) fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.pause {
            None => Poll::Pending,
            Some(pause) => {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
                Poll::Ready(())
            }
        }
    }

    /// Closes the listeners.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
    }
}

/// Accepts a connection at this listener. The socket is non-blocking.
fn accept_at(listener: &Bound) -> io::Result<(Socket, Option<Session>, ListenerRef)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = accept_with(&listener.socket, flags)?.into();
    let tls = listener.tls.as_ref().map(Tls::session).transpose()?;
    Ok((socket, tls, listener.listener_ref()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use socket2::{Domain, Type};
    use tidings_core::Hub;

    use super::*;
    use crate::config::Config;
    use crate::lane::Balancer;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_fails_does_not_keep_connections_from_the_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (good, address) = Bound::new(listener.into()).unwrap();
        // It does not listen, so each accept fails.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let failing = Bound { socket, kind: ListenerKind::Loopback, tls: None, endpoint: None };
        let config = Config::new(Hub::default());
        let limit = ConnectionLimit::new(Metrics::new(&config).connections, 9);
        let (epoll, inbox) = (Epoll::new().unwrap(), Balancer::new(1).inbox(0));
        let listeners = vec![failing, good];
        let mut acceptor = Acceptor::new(listeners, &epoll, PAUSE, limit, inbox).unwrap();
        let clients = [(); 3].map(|()| TcpStream::connect(address.unwrap()).unwrap());
        for _ in &clients {
            assert!(matches!(acceptor.accept(), Ok(Accepted::Connection(_))));
        }
        assert!(acceptor.accept().is_err(), "the failure is reported once nothing else waits");
        assert!(matches!(acceptor.accept(), Ok(Accepted::Nothing)), "it pauses");
        std::future::poll_fn(|context| acceptor.poll_pause(context)).await;
        let _client = TcpStream::connect(address.unwrap()).unwrap();
        assert!(matches!(acceptor.accept(), Ok(Accepted::Connection(_))));
    }
}
