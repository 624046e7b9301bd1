//! Non-blocking connections that are read into one buffer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, socket_with,
    sockopt::{set_tcp_nodelay, socket_error},
};
use url::Url;

use super::clock::Clock;
use super::failure::Failure;
use super::gone::Gone;
use super::inbox::Inbox;
use super::wire::Reader;

/// Edge-triggered: a socket that was read to its end is not reported again before more comes.
pub(crate) const INTEREST: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::ET);

/// How long a publisher waits for its connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How many connections share a local address: the fewer ports are free, the longer the system searches for one.
const CLIENTS_PER_ADDRESS: usize = 1000;

/// The most bytes that are carried over from one read to the next: the longest head or line.
const CARRIED: usize = 8 * 1024;

/// The most bytes of one read.
const READ: usize = 256 * 1024;

/// Returns the address of a server. If its name has several, it is the first that accepts a connection.
///
/// # Errors
/// If the name cannot be resolved.
pub(crate) fn resolve(url: &Url) -> Result<SocketAddr, Failure> {
    let failed = |problem: &dyn std::fmt::Display| {
        let host = url.host_str().unwrap_or_default();
        Failure::new(format_args!("cannot resolve {host}: {problem}"))
    };
    let addresses = url.socket_addrs(|| None).map_err(|error| failed(&error))?;
    let accepts = |address: &&SocketAddr| TcpStream::connect_timeout(address, CONNECT).is_ok();
    match &addresses[..] {
        [] => Err(failed(&"it has no address")),
        [only] => Ok(*only),
        [first, ..] => Ok(*addresses.iter().find(accepts).unwrap_or(first)),
    }
}

/// Connects to a server, and waits for that, so that a missing server is reported at once.
pub(crate) fn connect_now(server: SocketAddr) -> io::Result<OwnedFd> {
    let socket = TcpStream::connect_timeout(&server, CONNECT)?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The local addresses of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    /// The last byte of the first address. It differs between loads, because the ports of a load that has just ended
    /// stay taken for a minute.
    first: u8,
}

impl Local {
    pub(crate) fn new(seed: u8) -> Self {
        Self { first: 2 + seed % 200 }
    }

    /// Begins to connect, as the `index`th client. To a server on another machine the system chooses the local
    /// address.
    pub(crate) fn connect(self, server: SocketAddr, index: usize) -> io::Result<OwnedFd> {
        let family = match server {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        set_tcp_nodelay(&socket, true)?;
        if matches!(server.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            let last = self.first.saturating_add((index / CLIENTS_PER_ADDRESS) as u8);
            bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
        }
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    }
}

/// A connection of a client or a publisher.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    reader: Box<dyn Reader>,
    /// What the reader left unused: a head or a stamp that is cut off. It takes memory only if a read is cut.
    carry: Vec<u8>,
}

/// The one buffer that every connection is read into, after the bytes that it carries over.
#[derive(Debug)]
pub(crate) struct Intake(Box<[u8]>);

impl Intake {
    pub(crate) fn new() -> Self {
        Self(vec![0; CARRIED + READ].into())
    }
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd, reader: Box<dyn Reader>) -> Self {
        Self { socket, reader, carry: Vec::new() }
    }

    /// Finishes a connect once the socket is writable.
    pub(crate) fn finish_connecting(&self) -> Result<(), Gone> {
        match socket_error(&self.socket) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(Gone::Broken(error.into())),
        }
    }

    /// Reads once into the inbox. Returns how many bytes came, and whether there may be more, which an edge-triggered
    /// epoll does not report again.
    pub(crate) fn receive(
        &mut self,
        Intake(buffer): &mut Intake,
        clock: Clock,
        inbox: &mut Inbox<'_>,
    ) -> Result<(usize, bool), Gone> {
        let length = match rustix::io::read(&self.socket, &mut buffer[CARRIED..]) {
            Ok(0) => return Err(Gone::Closed),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok((0, false)),
            Err(error) => return Err(Gone::Broken(error.into())),
        };
        let too_long = Gone::Invalid("a head or a line of the server is too long");
        let start = CARRIED.checked_sub(self.carry.len()).ok_or(too_long)?;
        buffer[start..CARRIED].copy_from_slice(&self.carry);
        let bytes = &buffer[start..CARRIED + length];
        inbox.now = clock.now();
        let used = self.reader.take(bytes, inbox)?;
        self.carry.clear();
        self.carry.extend_from_slice(&bytes[used..]);
        Ok((length, length == READ))
    }

    /// Writes from `bytes` and returns how many of them the socket took.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.socket, bytes) {
            Ok(length) => Ok(length),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends all of `bytes`. They are so few that a socket which does not take them is not read by the server.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Gone> {
        match self.write(bytes)? {
            length if length == bytes.len() => Ok(()),
            _ => Err(Gone::Invalid("the server does not read what a client sends")),
        }
    }
}
