//! Sockets: non-blocking, from addresses of our own, read into one buffer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, socket_with,
    sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_tcp_nodelay},
};

/// How many clients share an address: a port is sought for each, which takes the longer the fewer are free.
const CLIENTS_AN_ADDRESS: usize = 1000;

/// The most that may be carried over from one read to the next, which is the longest head.
const CARRIED: usize = 4 * 1024;

/// How much one read takes in at most.
const READ: usize = 256 * 1024;

/// Where connections come from and go to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    server: SocketAddr,
    /// The last byte of the first address. It differs between runs, because the ports of a run that has just ended
    /// stay taken for a minute.
    first: u8,
}

impl Route {
    pub(crate) fn new(server: SocketAddr, seed: u8) -> Self {
        Self { server, first: 2 + seed % 200 }
    }

    /// Begins to connect, as the `index`th client; a server on another machine is connected to from wherever the
    /// system likes. The receive buffer counts only before the connect, which offers the window.
    pub(crate) fn connect(self, index: usize, receive: Option<usize>) -> io::Result<OwnedFd> {
        let family = match self.server {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        set_tcp_nodelay(&socket, true)?;
        if let Some(size) = receive {
            // Beyond the system's limit is for root only; less than asked for shows as what the server kept.
            set_socket_recv_buffer_size_force(&socket, size)
                .or_else(|_| set_socket_recv_buffer_size(&socket, size))?;
        }
        if matches!(self.server.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            let last = self.first.saturating_add((index / CLIENTS_AN_ADDRESS) as u8);
            bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
        }
        match connect(&socket, &self.server) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    }
}

/// The one buffer that every socket is read into.
///
/// What a read leaves unused, a head or a stamp that is cut, is carried over by its connection and put in front of
/// its next read, so that whoever understands the bytes never sees the cut.
#[derive(Debug)]
pub(crate) struct Intake(Box<[u8]>);

/// What one read brought.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// What was carried, and what was read behind it.
    pub(crate) bytes: &'a [u8],
    /// How much was read.
    pub(crate) length: usize,
    /// Whether there may be more, which an edge-triggered epoll would not tell again.
    pub(crate) full: bool,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self(vec![0; CARRIED + READ].into())
    }

    /// Reads once. `None` where there is nothing yet; no bytes are the end.
    pub(crate) fn read(
        &mut self,
        socket: &OwnedFd,
        carry: &[u8],
    ) -> io::Result<Option<Received<'_>>> {
        let length = match rustix::io::read(socket, &mut self.0[CARRIED..]) {
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let start = CARRIED.checked_sub(carry.len()).ok_or(io::ErrorKind::InvalidData)?;
        self.0[start..CARRIED].copy_from_slice(carry);
        Ok(Some(Received { bytes: &self.0[start..CARRIED + length], length, full: length == READ }))
    }
}

/// Writes from `bytes`, and returns how much the socket took.
pub(crate) fn write(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match rustix::io::write(socket, bytes) {
        Ok(length) => Ok(length),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
