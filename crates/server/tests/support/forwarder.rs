//! What the forwarders of TLS and of compression have in common: bytes in both directions between a client of a
//! scenario and a server, with the ends of both.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, split};
use tokio::net::TcpStream;

/// The buffers of a forwarder's sockets, in bytes.
pub(super) const BUFFER: usize = 64 << 10;

/// The same, for a reader that stalls: together they are smaller than a payload. Each packet of the loopback device is
/// larger, so they are slow.
pub(super) const NARROW: usize = 8 << 10;

/// Changes the bytes of one direction.
pub(super) trait Change {
    /// Appends to `out` what is forwarded of these bytes, and of bytes before them that were held back.
    fn change(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Appends to `out` what was held back, because this direction has ended.
    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// Forwards bytes as they are.
pub(super) struct Unchanged;

impl Change for Unchanged {
    fn change(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
    }
}

/// Sets the buffers of both sockets to this number of bytes. The system would let them grow to more than a flood, and
/// a slow reader would not be slow.
pub(super) fn set_buffers(client: &TcpStream, server: &TcpStream, bytes: usize) {
    SockRef::from(server).set_recv_buffer_size(bytes).unwrap();
    SockRef::from(client).set_send_buffer_size(bytes).unwrap();
}

/// Forwards in both directions until both are closed. A side that is closed is closed on the other connection as well,
/// and a reset is a reset there. `socket_of` returns the socket below `server`.
pub(super) async fn forward_both<S>(
    mut client: TcpStream,
    mut server: S,
    socket_of: impl Fn(&S) -> &TcpStream,
    (to_server, to_client): (impl Change, impl Change),
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let watched = SockRef::from(&client).try_clone().unwrap();
    let watched = TcpStream::from_std(watched.into()).unwrap();
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = split(&mut server);
    let copied = tokio::try_join!(
        copy(client_reads, server_writes, to_server),
        copy_until_reset(server_reads, client_writes, to_client, &watched),
    );
    if copied.is_err() {
        for socket in [&client, socket_of(&server)] {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Copies what the server sends, until its end. Fails at a reset by the client, which is how the system of a client that
/// has left responds to what it is sent.
async fn copy_until_reset(
    server: impl AsyncRead + Unpin,
    client: impl AsyncWrite + Unpin,
    change: impl Change,
    watched: &TcpStream,
) -> io::Result<()> {
    tokio::select! {
        copied = copy(server, client, change) => copied,
        reset = watched.ready(Interest::ERROR) => {
            reset?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// Copies until the end. A server that closes without `close_notify` ends the stream as well.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut change: impl Change,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    let mut changed = Vec::new();
    loop {
        let count = match from.read(&mut buffer).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            count => count?,
        };
        changed.clear();
        if count == 0 {
            change.end(&mut changed);
            to.write_all(&changed).await?;
            return to.shutdown().await;
        }
        change.change(&buffer[..count], &mut changed);
        to.write_all(&changed).await?;
        to.flush().await?;
    }
}
