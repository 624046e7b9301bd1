//! Hands upgraded connections over to what serves them at a lower cost than a task for each.

use std::fmt;
use std::net::TcpStream as StdTcpStream;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tidings_core::Position;
use tokio::net::TcpStream;

use super::{Mount, Subscriber, WriteDeadline, conversation};
use crate::Shape;

/// Serves connections that an HTTP server has upgraded: the lanes of a server of tidings.
pub trait Adopter: fmt::Debug + Send + Sync + 'static {
    /// Reserves a place for one more connection. Returns `None` if there is none. Then the mount serves the connection
    /// itself.
    fn reserve(&self) -> Option<Place>;
}

/// A place for one connection at an [`Adopter`]. Calling it hands the connection over. Dropping it gives the place back.
pub type Place = Box<dyn FnOnce(Adopted) + Send>;

/// A connection that leaves the server that has accepted it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Adopted {
    /// Its socket, which is non-blocking. The head that switches protocols has been written.
    pub socket: StdTcpStream,
    /// What the client has sent after its request, as far as it was read.
    pub read_ahead: Bytes,
    /// Its client.
    pub subscriber: Box<Subscriber>,
}

impl Mount {
    /// Reserves a place at the adopter, if there is one and if this subscriber leaves HTTP.
    pub(super) fn reserve(&self, subscriber: &Subscriber) -> Option<Place> {
        let is_upgraded = subscriber.accepted.shape == Shape::Upgrade;
        self.0.adopter.as_ref().filter(|_| is_upgraded)?.reserve()
    }

    /// Waits until the head has been written, and hands the connection over. A connection that is not plain TCP in a type
    /// that is known here, for example because it has TLS, is served here.
    pub(super) fn hand_over(
        self,
        upgrade: OnUpgrade,
        mut subscriber: Box<Subscriber>,
        place: Place,
    ) -> impl Future<Output = ()> + Send {
        // What is published from now on is for the client, however long the way to its place is.
        if subscriber.position == Position::Live {
            subscriber.position = Position::After(self.hub().log().head());
        }
        async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return tracing::debug!(%error, "a client left before the upgrade"),
            };
            match into_socket(upgraded) {
                // What is read ahead is a part of the buffer of the server, which ends with the copy.
                Ok((socket, read_ahead)) => match socket.into_std() {
                    Ok(socket) => {
                        let read_ahead = Bytes::copy_from_slice(&read_ahead);
                        place(Adopted { socket, read_ahead, subscriber });
                    }
                    Err(error) => tracing::debug!(%error, "an upgraded connection is broken"),
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

/// Returns the socket below an upgraded connection: bare, or with a write deadline.
fn into_socket(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    let upgraded = match into_io::<TcpStream>(upgraded) {
        Ok(parts) => return Ok(parts),
        Err(upgraded) => upgraded,
    };
    let (io, read_ahead) = into_io::<WriteDeadline<TcpStream>>(upgraded)?;
    Ok((io.into_inner(), read_ahead))
}

/// Returns what hyper, or hyper-util as in axum, has served.
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
