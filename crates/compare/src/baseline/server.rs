//! The event loop: one thread and one epoll. Each pass reads sockets and then delivers.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen, sockopt::set_tcp_nodelay};
use slab::Slab;

use crate::baseline::call::Call;
use crate::baseline::connection::{Connection, Role};
use crate::baseline::encode;
use crate::baseline::fan_out::FanOut;
use crate::baseline::http::Request;
use crate::baseline::log::Id;
use crate::baseline::response::{self, Fault};
use crate::baseline::tls::Tls;
use crate::baseline::websocket;

/// The key of the listener. A slab never has that many entries.
const LISTENER: u64 = u64::MAX;

/// The most sockets that one pass reads.
const PASS: usize = 1024;

/// The approximate limit for payloads in one response to a poll, in bytes, as in the server. A response that does not
/// fit into the socket would close it.
const PAGE: usize = 1024 * 1024;

/// The state of the baseline.
#[derive(Debug)]
pub(crate) struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    tls: Option<Tls>,
    connections: Slab<Connection>,
    fan_out: FanOut,
    /// The responses to the requests of one connection in this pass, which are one write.
    answers: Vec<u8>,
}

impl Server {
    /// Creates the server with a bound listener.
    pub(crate) fn new(listener: TcpListener, tls: Option<Tls>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        listener.set_nonblocking(true)?;
        // The standard library listens with a backlog of 128. A burst of connects would overflow it, and a
        // measurement would then show the kernel's retry after a second.
        listen(&listener, 4096)?;
        // Edge-triggered, so that the loop does not spin if there is no free file descriptor.
        let interest = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), interest)?;
        Ok(Self {
            epoll,
            listener,
            tls,
            connections: Slab::new(),
            fan_out: FanOut::default(),
            answers: Vec::new(),
        })
    }

    /// Serves until the epoll itself fails.
    pub(crate) fn run(mut self) -> io::Result<Infallible> {
        let mut events = Vec::with_capacity(PASS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    key => self.read(key as usize),
                }
            }
            self.fan_out.deliver(&mut self.connections);
        }
    }

    /// Accepts all connections that wait, as an edge-triggered listener must.
    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match accept_with(&self.listener, flags) {
                Ok(socket) => {
                    if let Err(error) = self.admit(socket) {
                        eprintln!("cannot register a connection: {error}");
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    eprintln!("cannot accept until the next connect: {error}");
                    return;
                }
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd) -> io::Result<()> {
        set_tcp_nodelay(&socket, true)?;
        let session = self.tls.as_ref().map(Tls::session).transpose()?;
        let entry = self.connections.vacant_entry();
        let data = EventData::new_u64(entry.key() as u64);
        epoll::add(&self.epoll, &socket, data, EventFlags::IN)?;
        entry.insert(Connection::new(TcpStream::from(socket), session));
        Ok(())
    }

    /// Reads one connection once. The key may be stale if a delivery in this pass closed the connection. If the key
    /// belongs to a new connection, the read finds nothing, which does no harm.
    fn read(&mut self, key: usize) {
        if self.connections.contains(key) && self.receive(key).is_err() {
            // Dropping the socket closes it, which removes it from the epoll.
            self.connections.remove(key);
        }
    }

    fn receive(&mut self, key: usize) -> io::Result<()> {
        let connection = &mut self.connections[key];
        let bytes = connection.receive(&mut self.fan_out.buffers)?;
        connection.take(bytes)?;
        if let Role::Requesting { input } = &mut connection.role {
            let input = std::mem::take(input);
            self.serve(key, input)?;
        }
        Ok(())
    }

    /// Responds to every complete request of `input`. The role of the connection keeps deliveries from it meanwhile.
    fn serve(&mut self, key: usize, mut input: Vec<u8>) -> io::Result<()> {
        self.answers.clear();
        let mut used = 0;
        let role = self.answer_all(&input, &mut used);
        if let Err(fault) = role {
            fault.write(&mut self.answers);
        }
        let connection = &mut self.connections[key];
        if !self.answers.is_empty() {
            connection.send(&self.answers, &mut self.fan_out.buffers)?;
        }
        match role {
            Ok(Some(role)) => {
                connection.role = role;
                connection.take(&input[used..])
            }
            Ok(None) => {
                connection.role = Role::Requesting { input: input.split_off(used) };
                Ok(())
            }
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Responds to requests until one changes the role of the connection or is not complete. `used` is the length of
    /// the requests that have a response.
    ///
    /// # Errors
    /// Fails with the response to send if a request cannot be served. The connection must be closed then.
    fn answer_all(&mut self, input: &[u8], used: &mut usize) -> Result<Option<Role>, Fault> {
        while let Some(request) = Request::parse(&input[*used..])? {
            *used += request.length;
            if let Some(role) = self.answer(&request)? {
                return Ok(Some(role));
            }
        }
        Ok(None)
    }

    /// Responds to one request. Returns the new role of the connection, `None` if it does not change.
    fn answer(&mut self, request: &Request<'_>) -> Result<Option<Role>, Fault> {
        let newest = self.fan_out.log().newest();
        match Call::read(request)? {
            Call::Publish(payload) => {
                let id = self.fan_out.publish(payload, &mut self.connections);
                let body = format!(r#"{{"id":"{id}"}}"#);
                response::json(&mut self.answers, "200 OK", &[body.as_bytes()]);
            }
            Call::WebSocket { key } => {
                websocket::accept(&mut self.answers, key);
                return Ok(Some(self.join(Role::WebSocket)));
            }
            Call::EventStream => {
                self.answers.extend_from_slice(response::EVENT_STREAM);
                return Ok(Some(self.join(Role::EventStream)));
            }
            Call::Poll { after: None } => {
                encode::page(&mut self.answers, Id(newest), std::iter::empty());
            }
            Call::Poll { after: Some(after) } if after.0 < newest => self.catch_up(after),
            Call::Poll { after: Some(_) } => return Ok(Some(self.join(Role::Polling))),
        }
        Ok(None)
    }

    /// Answers a poll with the oldest notifications after its cursor, up to [`PAGE`] bytes.
    fn catch_up(&mut self, after: Id) {
        let mut room = PAGE;
        let waiting = self.fan_out.log().after(after.0).take_while(|n| {
            let fits = room > 0;
            room = room.saturating_sub(n.payload.len());
            fits
        });
        encode::page(&mut self.answers, after, waiting);
    }

    /// Adds a client after everything published so far. Publishes of this pass that were read before it are delivered
    /// to the other clients first.
    fn join(&mut self, role: Role) -> Role {
        self.fan_out.deliver(&mut self.connections);
        role
    }
}
