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
use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use url::Url;

use super::gone::Gone;
use super::inbox::Inbox;
use super::order::Order;
use super::score::Score;
use super::stamp::Run;
use super::wire::Reader;
use super::wire::inflate::Inflation;
use crate::tls::Session;

/// Edge-triggered. A socket that was read completely is not reported again until more arrives.
const INTEREST: EventFlags =
    EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::OUT).union(EventFlags::ET);

/// How long a publisher waits for its connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How many connections share a local address. The fewer ports are free, the longer the system searches for one.
const CLIENTS_PER_ADDRESS: usize = 1000;

/// The most bytes that are kept from one read for the next. This limits the length of a head or a line.
const CARRIED: usize = 8 * 1024;

/// The most bytes of one read.
const READ: usize = 256 * 1024;

/// The address of a server. If its name has several addresses, it is the first that accepts a connection.
///
/// # Errors
/// Fails if the name cannot be resolved.
pub(crate) fn resolve(url: &Url) -> anyhow::Result<SocketAddr> {
    let failed = || format!("cannot resolve {}", url.host_str().unwrap_or_default());
    let addresses = url.socket_addrs(|| None).with_context(failed)?;
    let is_chosen = |address: &&SocketAddr| {
        addresses.len() == 1 || TcpStream::connect_timeout(address, CONNECT).is_ok()
    };
    let chosen = addresses.iter().find(is_chosen).or(addresses.first());
    chosen.copied().with_context(failed)
}

/// Connects to a server and waits until the connection is established, so that a missing server is reported at once.
///
/// # Errors
/// Fails if the server does not accept the connection in time.
pub(crate) fn connect_now(server: SocketAddr) -> io::Result<OwnedFd> {
    let socket = TcpStream::connect_timeout(&server, CONNECT)?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Starts to connect the client with this index. The local address differs between loads, because the ports of a load
/// that has just ended cannot be used for a minute. The system chooses the address if the server is on another machine.
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
    /// Bytes that the reader has not used: an incomplete head or stamp. Takes no memory otherwise.
    carry: Vec<u8>,
    /// Bytes that are not sent yet. With TLS, bytes that are not sealed yet.
    pub(crate) out: Vec<u8>,
    tls: Option<Box<Sealed>>,
    /// Bytes sent since [`take_sent`](Self::take_sent).
    sent: u64,
}

/// The TLS of a connection.
#[derive(Debug)]
struct Sealed {
    session: Session<UnbufferedClientConnection>,
    /// Records that are not sent yet.
    records: Vec<u8>,
}

/// The result of an exchange.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// The number of complete responses.
    pub(crate) answers: usize,
    /// The time of the last read.
    pub(crate) now: u64,
    /// Bytes received.
    pub(crate) received: u64,
    /// The reason, if the connection has ended or the server violates the protocol. What arrived before is counted.
    pub(crate) ended: Option<Gone>,
}

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) run: Run,
    /// The buffer for all reads. It begins with the unused bytes of the connection.
    buffer: Box<[u8]>,
    /// The buffer for everything that TLS has opened. It begins with the unused bytes of the connection.
    opened: Vec<u8>,
    inflation: Inflation,
    pub(crate) began: Instant,
    /// `true` if the current connection is at its end, so that reading it finds the end.
    pub(crate) is_ending: bool,
}

impl Intake {
    pub(crate) fn new(run: Run) -> Self {
        let buffer = vec![0; CARRIED + READ].into();
        let (opened, inflation) = (Vec::new(), Inflation::default());
        Self { run, buffer, opened, inflation, began: Instant::now(), is_ending: false }
    }

    /// Nanoseconds since the load started.
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

impl Connection {
    /// Registers a socket at the epoll with this key. With a session, the connection uses TLS.
    pub(crate) fn new(
        socket: OwnedFd,
        reader: Box<dyn Reader>,
        session: Option<Session<UnbufferedClientConnection>>,
        epoll: &OwnedFd,
        key: u64,
    ) -> io::Result<Self> {
        epoll::add(epoll, &socket, EventData::new_u64(key), INTEREST)?;
        let tls = session.map(|session| Box::new(Sealed { session, records: Vec::new() }));
        Ok(Self { socket, reader, carry: Vec::new(), out: Vec::new(), tls, sent: 0 })
    }

    /// Never reports the connection as ready again, so that nothing is read from it.
    pub(crate) fn ignore(&self, epoll: &OwnedFd) -> io::Result<()> {
        Ok(epoll::delete(epoll, &self.socket)?)
    }

    /// The id in the last response, if its reader keeps it.
    pub(crate) fn last_id(&self) -> Option<&[u8]> {
        self.reader.last_id()
    }

    /// `true` until the TLS handshake is complete, and `false` without TLS.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.session.connection.is_handshaking())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.session.connection.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// The socket was too full for everything that could be sent.
    pub(crate) fn is_blocked(&self) -> bool {
        let unsent = self.tls.as_ref().map_or(&self.out, |tls| &tls.records);
        !unsent.is_empty()
    }

    /// The number of bytes sent since the last call.
    pub(crate) fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    /// Finishes a connect once the socket is writable.
    pub(crate) fn finish_connecting(&self) -> Result<(), Gone> {
        match socket_error(&self.socket) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(Gone::Broken(error.into())),
        }
    }

    /// Sends unsent bytes, reads everything that has arrived, and sends the replies of the reader.
    pub(crate) fn exchange(
        &mut self,
        intake: &mut Intake,
        order: &mut Order,
        score: &mut Score,
    ) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.ended = self.exchange_all(intake, order, score, &mut exchange).err();
        exchange
    }

    fn exchange_all(
        &mut self,
        intake: &mut Intake,
        order: &mut Order,
        score: &mut Score,
        exchange: &mut Exchange,
    ) -> Result<(), Gone> {
        self.flush()?;
        loop {
            let length = match rustix::io::read(&self.socket, &mut intake.buffer[CARRIED..]) {
                Ok(0) => return Err(Gone::Closed),
                Ok(length) => length,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(error) => return Err(Gone::Broken(error.into())),
            };
            let (run, now, reply) = (intake.run, intake.now(), &mut self.out);
            let too_long = Gone::Invalid("a head or a line of the server is too long");
            let start = CARRIED.checked_sub(self.carry.len()).ok_or(too_long)?;
            let bytes = match &mut self.tls {
                None => {
                    intake.buffer[start..CARRIED].copy_from_slice(&self.carry);
                    &intake.buffer[start..CARRIED + length]
                }
                Some(tls) => {
                    let Sealed { session, records } = &mut **tls;
                    intake.opened.clear();
                    intake.opened.extend_from_slice(&self.carry);
                    let received = &mut intake.buffer[CARRIED..CARRIED + length];
                    session.open(received, &mut intake.opened, records)?;
                    &intake.opened
                }
            };
            let inflation = &mut intake.inflation;
            let mut inbox = Inbox { run, order, score, now, answers: 0, reply, inflation };
            let used = self.reader.take(bytes, &mut inbox)?;
            exchange.answers += inbox.answers;
            exchange.now = now;
            exchange.received += length as u64;
            self.carry.clear();
            self.carry.extend_from_slice(&bytes[used..]);
            self.flush()?;
            // An edge-triggered epoll does not report unread bytes again.
            if length < READ && !intake.is_ending {
                return Ok(());
            }
        }
    }

    /// Writes as many of the unsent bytes as the socket accepts. Before a TLS handshake is complete, writes only its
    /// records.
    pub(crate) fn flush(&mut self) -> Result<(), Gone> {
        let is_handshaking = self.is_handshaking();
        let unsent = match &mut self.tls {
            None => &mut self.out,
            Some(tls) => {
                let Sealed { session, records } = &mut **tls;
                if (is_handshaking || !self.out.is_empty()) && session.seal(&self.out, records)? {
                    self.out.clear();
                }
                records
            }
        };
        if !unsent.is_empty() {
            match rustix::io::write(&self.socket, &unsent[..]) {
                Ok(length) => {
                    unsent.drain(..length);
                    self.sent += length as u64;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(Gone::Broken(error.into())),
            }
        }
        Ok(())
    }
}
