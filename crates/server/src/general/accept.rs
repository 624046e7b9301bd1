//! Accepts connections without a lane.

use std::future::poll_fn;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use socket2::SockRef;
use tidings_core::Hub;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::connection::serve;
use super::context::Context;
use crate::listener::{PAUSE, is_of_one_connection, prepare};
use crate::routes;

/// Accepts connections until the server stops.
///
/// # Errors
/// If the listener cannot be watched.
pub(crate) async fn accept_all(listener: StdTcpListener, context: Rc<Context>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut stopping = context.shared.is_stopping.clone();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => admit(socket, &context),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                context.shared.metrics.unserved.add(error);
                sleep(PAUSE).await;
            }
        }
    }
}

fn admit(socket: TcpStream, context: &Rc<Context>) {
    let shared = &context.shared;
    // A connection that is older than the server has not inherited them from the listener.
    if let Err(error) = prepare(&SockRef::from(&socket), shared.config.write_deadline) {
        tracing::debug!(%error, "a connection has other options than it should");
    }
    match shared.connection_limit.admit() {
        Some(permit) => serve(socket, permit, Bytes::new(), context),
        None => {
            // There are too many to wait for their requests. The answer may not arrive; the connection is closed.
            // Directly, because tokio may not know yet that the socket can be written.
            let _ = SockRef::from(&socket).send(&routes::no_room(shared));
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
