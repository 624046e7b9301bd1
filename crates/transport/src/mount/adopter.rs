//! Hands upgraded connections over to an [`Adopter`], which serves them at a lower cost than a task for each.

use std::fmt;
use std::net::TcpStream as StdTcpStream;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tidings_core::{Hub, Position};
use tokio::net::TcpStream;

use super::{Mount, Subscriber, WriteDeadline, conversation};

/// Serves connections that another HTTP server has upgraded. The lanes of a tidings server are an adopter.
pub trait Adopter: fmt::Debug + Send + Sync + 'static {
    /// Returns the hub that the adopter serves. A mount of another hub cannot use this adopter.
    fn hub(&self) -> &Hub;

    /// Reserves a place for one more connection. If this returns `None`, the mount serves the connection in a task. The
    /// mount calls this before it sends the response, so it must not block.
    fn reserve(&self) -> Option<Place>;
}

/// A place for one connection at an [`Adopter`]. Calling it hands the connection over. Dropping it frees the place.
pub type Place = Box<dyn FnOnce(Adopted) + Send>;

/// An upgraded connection that is handed over by the HTTP server that accepted it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Adopted {
    /// The socket, which is non-blocking. The head of the `101` response has been written.
    pub socket: StdTcpStream,
    /// The bytes after the request that the HTTP server has already read.
    pub read_ahead: Bytes,
    /// The client of the connection.
    pub subscriber: Box<Subscriber>,
}

impl Mount {
    /// Reserves a place at the adopter. `None` without an adopter, or if it has no place.
    pub(super) fn reserve(&self) -> Option<Place> {
        self.0.adopter.as_ref()?.reserve()
    }

    /// Waits until the head has been written, and hands the connection over. A connection whose socket cannot be taken
    /// out, for example because of TLS, is served here.
    pub(super) fn hand_over(
        self,
        upgrade: OnUpgrade,
        mut subscriber: Box<Subscriber>,
        place: Place,
    ) -> impl Future<Output = ()> + Send {
        // Fixed now, so that the client also gets what is published during the hand-over.
        let log = self.hub().log();
        match subscriber.position {
            Position::Live => subscriber.position = Position::After(log.head()),
            Position::Latest => subscriber.position = Position::Snapshot(log.snapshot()),
            _ => {}
        }
        async move {
            let write_deadline = self.0.write_deadline;
            let Some(upgraded) = conversation::upgraded(upgrade, write_deadline).await else {
                return;
            };
            match into_socket(upgraded) {
                // Copied, because a slice would keep the whole buffer of the HTTP server alive.
                Ok((socket, read_ahead)) => match socket.into_std() {
                    Ok(socket) => {
                        let read_ahead = Bytes::copy_from_slice(&read_ahead);
                        place(Adopted { socket, read_ahead, subscriber });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "cannot take the socket of an upgraded connection");
                    }
                },
                Err(upgraded) => {
                    drop(place);
                    let (accepted, client) = self.client(subscriber);
                    conversation::converse(upgraded, client, accepted.encoder).await;
                }
            }
        }
    }
}

/// Takes the socket out of an upgraded connection, with the bytes that were read ahead. Fails with the connection if it
/// is not a TCP socket, with or without a [`WriteDeadline`].
fn into_socket(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    let upgraded = match into_io::<TcpStream>(upgraded) {
        Ok(parts) => return Ok(parts),
        Err(upgraded) => upgraded,
    };
    let (io, read_ahead) = into_io::<WriteDeadline<TcpStream>>(upgraded)?;
    Ok((io.into_inner(), read_ahead))
}

/// The transport that hyper, or hyper-util as in axum, has served, if it is of this type.
fn into_io<T>(upgraded: Upgraded) -> Result<(T, Bytes), Upgraded>
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let upgraded = match upgraded.downcast::<TokioIo<T>>() {
        Ok(Parts { io, read_buf, .. }) => return Ok((io.into_inner(), read_buf)),
        Err(upgraded) => upgraded,
    };
    let parts = downcast::<TokioIo<T>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}
