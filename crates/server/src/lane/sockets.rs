//! Reads the sockets that have news.

use std::io;
use std::task::{Context, Poll};

use super::connection::Reads;
use super::epoll::{LISTENER, Ready};
use super::next::Next;
use super::peer::{self, Peer};
use super::turn::Lane;

/// How often one turn looks at epoll before the rest of the thread has its turn.
const LOOKS: usize = 4;

/// How many reads one connection has in one turn.
const READS: usize = 8;

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// The buffer is full. There may be more.
    Full,
    /// The buffer is not full. If the peer is not gone, epoll reports when there is more.
    Some,
    /// Nothing, or nothing that may be read now.
    Nothing,
}

impl Lane {
    /// Serves the sockets that epoll names.
    pub(super) fn poll_sockets(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..LOOKS {
            let Poll::Ready(looked) = self.epoll.poll(context, &mut self.ready) else {
                return Ok(());
            };
            looked?;
            let mut ready = std::mem::take(&mut self.ready);
            for Ready { key, is_readable, is_closed, is_writable, is_broken } in ready.drain(..) {
                if key == LISTENER {
                    self.accept();
                    continue;
                }
                if is_broken && let Some(peer) = self.peers.get(key) {
                    let next = peer.connection.on_reset();
                    self.apply(key, next);
                }
                if is_readable {
                    self.read(key, is_closed);
                }
                if is_writable && let Some(peer) = self.peers.get_mut(key) {
                    let next = peer.connection.on_writable(&self.status);
                    self.apply(key, next);
                }
            }
            self.ready = ready;
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    /// Reads what has come on a connection. A socket that does not fill the buffer is empty, and epoll reports when more
    /// has come. But it reports nothing more of a socket that its peer has closed, and that is read to its end.
    pub(super) fn read(&mut self, key: usize, to_the_end: bool) {
        let has_more = (0..READS).all(|_| match self.read_once(key) {
            Read::Full => true,
            Read::Some => to_the_end,
            Read::Nothing => false,
        });
        if has_more {
            self.keep_busy(key);
        }
    }

    fn read_once(&mut self, key: usize) -> Read {
        let Some(Peer { socket, connection, .. }) = self.peers.get_mut(key) else {
            return Read::Nothing;
        };
        let (status, mut none) = (&self.status, None);
        let spare = self.fan_out.groups.decoder(key).unwrap_or(&mut none);
        let reads = connection.reads();
        let (next, read) = match reads {
            Reads::Nothing => return Read::Nothing,
            Reads::Buffered => (connection.on_buffered(spare, status), Read::Full),
            Reads::Peek | Reads::Bytes => {
                let peeks = reads == Reads::Peek;
                let room = if peeks { 1 } else { self.buffer.len() };
                match peer::receive(socket, &mut self.buffer[..room], peeks) {
                    Ok(None) => return Read::Nothing,
                    Ok(Some(0)) => (connection.on_end(status), Read::Nothing),
                    Ok(Some(count)) => {
                        let bytes = &mut self.buffer[..count];
                        let read = match peeks {
                            true => Read::Nothing,
                            false if count == room => Read::Full,
                            false => Read::Some,
                        };
                        (connection.on_readable(bytes, spare, status), read)
                    }
                    Err(error) => (Next::after(&error.into()), Read::Nothing),
                }
            }
        };
        self.apply(key, next);
        // What the connection could not do in this turn comes before what it has sent since.
        let is_busy = self.peers.get(key).is_none_or(|peer| peer.is_busy);
        if is_busy { Read::Nothing } else { read }
    }
}
