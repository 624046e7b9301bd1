//! Non-blocking connections that are read into one buffer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, socket_with,
    sockopt::{set_tcp_nodelay, socket_error},
};
use url::Url;

use super::gone::Gone;
use super::inbox::Inbox;
use super::order::Order;
use super::score::Score;
use super::stamp::Run;
use super::wire::Reader;

/// Edge-triggered: a socket that was read to its end is not reported again before more comes.
const INTEREST: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::ET);

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
pub(crate) fn resolve(url: &Url) -> anyhow::Result<SocketAddr> {
    let failed = || format!("cannot resolve {}", url.host_str().unwrap_or_default());
    let addresses = url.socket_addrs(|| None).with_context(failed)?;
    let is_chosen = |address: &&SocketAddr| {
        addresses.len() == 1 || TcpStream::connect_timeout(address, CONNECT).is_ok()
    };
    let chosen = addresses.iter().find(is_chosen).or(addresses.first());
    chosen.copied().with_context(failed)
}

/// Connects to a server, and waits for that, so that a missing server is reported at once.
pub(crate) fn connect_now(server: SocketAddr) -> io::Result<OwnedFd> {
    let socket = TcpStream::connect_timeout(&server, CONNECT)?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Begins to connect, as the `index`th client. The local address differs between loads, because the ports of a load
/// that has just ended stay taken for a minute. To a server on another machine the system chooses it.
pub(crate) fn begin_to_connect(server: SocketAddr, index: usize, run: Run) -> io::Result<OwnedFd> {
    let family = match server {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_tcp_nodelay(&socket, true)?;
    if matches!(server.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        let last = (2 + run.seed() % 200).saturating_add((index / CLIENTS_PER_ADDRESS) as u8);
        bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    }
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// A connection of a client or a publisher.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    reader: Box<dyn Reader>,
    /// What the reader left unused: a head or a stamp that is cut off. It takes memory only if a read is cut.
    carry: Vec<u8>,
    /// What the socket has not taken yet.
    pub(crate) out: Vec<u8>,
}

/// What came of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Responses that are complete.
    pub(crate) answers: usize,
    /// When the last read was.
    pub(crate) now: u64,
    /// Bytes received, and bytes replied.
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// What all connections read with.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) run: Run,
    /// The one buffer that every connection is read into, after the bytes that it carries over.
    buffer: Box<[u8]>,
    began: Instant,
}

impl Intake {
    pub(crate) fn new(run: Run) -> Self {
        Self { run, buffer: vec![0; CARRIED + READ].into(), began: Instant::now() }
    }

    /// Returns the time in nanoseconds since the load started.
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

impl Connection {
    /// Takes a socket, which the epoll reports with this key from now on.
    pub(crate) fn new(
        socket: OwnedFd,
        reader: Box<dyn Reader>,
        epoll: &OwnedFd,
        key: u64,
    ) -> io::Result<Self> {
        epoll::add(epoll, &socket, EventData::new_u64(key), INTEREST)?;
        Ok(Self { socket, reader, carry: Vec::new(), out: Vec::new() })
    }

    /// Finishes a connect once the socket is writable.
    pub(crate) fn finish_connecting(&self) -> Result<(), Gone> {
        match socket_error(&self.socket) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(Gone::Broken(error.into())),
        }
    }

    /// Sends what is left to send, reads all that has come, and sends what the reader replies.
    pub(crate) fn exchange(
        &mut self,
        intake: &mut Intake,
        order: &mut Order,
        score: &mut Score,
    ) -> Result<Exchange, Gone> {
        let mut exchange = Exchange::default();
        self.flush()?;
        loop {
            let length = match rustix::io::read(&self.socket, &mut intake.buffer[CARRIED..]) {
                Ok(0) => return Err(Gone::Closed),
                Ok(length) => length,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(exchange),
                Err(error) => return Err(Gone::Broken(error.into())),
            };
            let (run, now, reply) = (intake.run, intake.now(), &mut self.out);
            let too_long = Gone::Invalid("a head or a line of the server is too long");
            let start = CARRIED.checked_sub(self.carry.len()).ok_or(too_long)?;
            intake.buffer[start..CARRIED].copy_from_slice(&self.carry);
            let bytes = &intake.buffer[start..CARRIED + length];
            let unsent = reply.len();
            let mut inbox = Inbox { run, order, score, now, answers: 0, reply };
            let used = self.reader.take(bytes, &mut inbox)?;
            exchange.answers += inbox.answers;
            exchange.now = now;
            exchange.received += length as u64;
            exchange.sent += (self.out.len() - unsent) as u64;
            self.carry.clear();
            self.carry.extend_from_slice(&bytes[used..]);
            self.flush()?;
            // An edge-triggered epoll does not report again what is left.
            if length < READ {
                return Ok(exchange);
            }
        }
    }

    /// Writes as much as the socket takes of what is to be sent.
    pub(crate) fn flush(&mut self) -> Result<(), Gone> {
        if !self.out.is_empty() {
            match rustix::io::write(&self.socket, &self.out) {
                Ok(length) => drop(self.out.drain(..length)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(Gone::Broken(error.into())),
            }
        }
        Ok(())
    }
}
