//! Accepts connections if there are no lanes.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use tidings_core::Hub;
use tidings_transport::ListenerKind;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::time::sleep;

use super::connection::serve;
use super::context::Context;
use super::stream::Stream;
use crate::bound::Bound;
use crate::listener::{ListenerRef, PAUSE, is_of_one_connection, prepare};
use crate::routes;
use crate::tls::Tls;

/// Accepts connections until the server stops.
///
/// # Errors
/// Fails if the listener cannot be registered with tokio.
pub(crate) async fn accept_all(listener: Bound, context: Rc<Context>) -> io::Result<()> {
    let (at, tls) = (listener.listener_ref(), listener.tls.clone());
    let listener = Listening::new(listener)?;
    let mut stopping = context.shared.is_stopping.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => admit(stream, tls.as_ref(), at, &context),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                context.shared.metrics.unserved.add(error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// A listener that is registered with tokio.
enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listening {
    fn new(Bound { socket, kind, .. }: Bound) -> io::Result<Self> {
        match kind {
            #[cfg(unix)]
            ListenerKind::Unix => UnixListener::from_std(socket.into()).map(Self::Unix),
            _ => TcpListener::from_std(socket.into()).map(Self::Tcp),
        }
    }

    /// Accepts a connection.
    ///
    /// Cancel safe.
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

fn admit(stream: Stream, tls: Option<&Tls>, listener: ListenerRef, context: &Rc<Context>) {
    let shared = &context.shared;
    // A connection that came before the server started has not inherited the options of the listener.
    if let Err(error) = prepare(&stream.as_socket(), listener.kind, shared.config.write_deadline) {
        tracing::debug!(%error, "cannot set the socket options of a connection");
    }
    match shared.connection_limit.admit() {
        Some(permit) => match tls.map(Tls::session).transpose() {
            Ok(tls) => serve(stream, tls, listener, permit, Bytes::new(), context),
            Err(error) => shared.metrics.unserved.add(error),
        },
        // A client cannot be sent anything before the TLS handshake.
        None if tls.is_some() => {}
        None => {
            // There are too many connections to wait for the request of this one. The response may be lost, and the
            // connection is closed. Sent without tokio, which may not have seen yet that the socket is writable.
            let _ = stream.as_socket().send(&routes::no_room(shared));
        }
    }
}

/// Resolves once the hub is closed.
pub(crate) async fn closed(hub: &Hub) {
    let waiter = hub.waiter();
    poll_fn(|context| {
        waiter.register(context);
        if hub.pool().closed().is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
