//! Non-blocking sockets that are read into one buffer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt::set_tcp_nodelay,
};
use url::Url;

use super::failure::Failure;

/// How many connections share a local address: the fewer ports are free, the longer the system searches for one.
const CLIENTS_PER_ADDRESS: usize = 1000;

/// The most bytes that are carried over from one read to the next: the longest head or line.
const CARRIED: usize = 8 * 1024;

/// The most bytes of one read.
const READ: usize = 256 * 1024;

/// Returns the address of a server.
///
/// # Errors
/// If its name cannot be resolved.
pub(crate) fn resolve(url: &Url) -> Result<SocketAddr, Failure> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::new(format_args!("cannot resolve {host}: {problem}"))
    };
    let mut addresses =
        (host, port.unwrap_or_default()).to_socket_addrs().map_err(|error| failed(&error))?;
    addresses.next().ok_or_else(|| failed(&"it has no address"))
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

/// The one buffer that every socket is read into.
///
/// A connection carries over what a reader leaves unused (a head or a stamp that is cut off), and the next read puts
/// it in front of the new bytes.
#[derive(Debug)]
pub(crate) struct Intake(Box<[u8]>);

/// The result of one read.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// What was carried over, and what was read after it.
    pub(crate) bytes: &'a [u8],
    /// How many bytes were read.
    pub(crate) length: usize,
    /// Whether there may be more, which an edge-triggered epoll does not report again.
    pub(crate) full: bool,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self(vec![0; CARRIED + READ].into())
    }

    /// Reads once. Returns `None` if there is nothing yet; no bytes are the end.
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

/// Writes from `bytes` and returns how many of them the socket took.
pub(crate) fn write(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match rustix::io::write(socket, bytes) {
        Ok(length) => Ok(length),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
