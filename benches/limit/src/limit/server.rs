//! The loop: one thread, one epoll, passes of reads that end in a delivery.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen, sockopt::set_tcp_nodelay};
use slab::Slab;

use crate::limit::call::Call;
use crate::limit::connection::{Closed, Connection, Role};
use crate::limit::encode;
use crate::limit::fan_out::FanOut;
use crate::limit::http::{self, Request};
use crate::limit::log::Id;
use crate::limit::websocket::{self, Discard};

/// The key of the listener, which no slab reaches.
const LISTENER: u64 = u64::MAX;

/// How many sockets one pass reads at most.
const PASS: usize = 1024;

/// How much one read takes in at most.
const READ: usize = 64 * 1024;

/// About how much payload one answer carries to a long-poll that fell behind, as on the hub: more than a socket takes
/// at once would only close it.
const PAGE: usize = 1024 * 1024;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Slab<Connection>,
    fan_out: FanOut,
    /// Where every socket is read into.
    buffer: Box<[u8]>,
    /// The answers to one connection's requests of this pass, which go out as one write.
    answers: Vec<u8>,
}

impl Server {
    /// Takes over a bound listener.
    pub(crate) fn new(listener: TcpListener, fan_out: FanOut) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        listener.set_nonblocking(true)?;
        // The standard library listens with a backlog of 128; a burst of connects would overflow it, and what a
        // measurement then shows is the kernel's retry after a second.
        listen(&listener, 4096)?;
        // Edge-triggered, so that a listener which cannot accept for want of descriptors does not spin.
        let interest = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), interest)?;
        Ok(Self {
            epoll,
            listener,
            connections: Slab::new(),
            fan_out,
            buffer: vec![0; READ].into(),
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

    /// Accepts all who wait, as an edge-triggered listener must.
    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match accept_with(&self.listener, flags) {
                Ok(socket) => {
                    if let Err(error) = self.admit(socket) {
                        eprintln!("tidings-limit: a connection is refused: {error}");
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    eprintln!("tidings-limit: cannot accept until the next connect: {error}");
                    return;
                }
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd) -> io::Result<()> {
        set_tcp_nodelay(&socket, true)?;
        let entry = self.connections.vacant_entry();
        let data = EventData::new_u64(entry.key() as u64);
        epoll::add(&self.epoll, &socket, data, EventFlags::IN)?;
        entry.insert(Connection::new(TcpStream::from(socket)));
        Ok(())
    }

    /// Reads one connection once. The key may be stale, where a delivery in this pass closed the connection, and may
    /// even have a new owner; that one then has nothing to read, which does no harm.
    fn read(&mut self, key: usize) {
        if self.connections.contains(key) && self.hear(key).is_err() {
            // To drop the socket closes it, which takes it out of the epoll too.
            self.connections.remove(key);
        }
    }

    fn hear(&mut self, key: usize) -> Result<(), Closed> {
        let connection = &mut self.connections[key];
        let bytes = connection.receive(&mut self.buffer)?;
        connection.hear(bytes)?;
        if let Role::Asking { input } = &mut connection.role {
            let input = std::mem::take(input);
            self.serve(key, input)?;
        }
        Ok(())
    }

    /// Answers every complete request of `input`. The connection's role meanwhile is to ask, so that no delivery
    /// touches it.
    fn serve(&mut self, key: usize, mut input: Vec<u8>) -> Result<(), Closed> {
        self.answers.clear();
        let mut used = 0;
        let mut last = false;
        let mut role = None;
        while role.is_none() && !last {
            match Request::parse(&input[used..]) {
                Ok(None) => break,
                Ok(Some(request)) => {
                    used += request.length;
                    last = request.is_last();
                    role = self.answer(&request);
                }
                Err(fault) => {
                    fault.write(&mut self.answers);
                    last = true;
                }
            }
        }

        let connection = &mut self.connections[key];
        if !self.answers.is_empty() {
            connection.send(&self.answers)?;
        }
        match role {
            Some(role) => {
                connection.role = role;
                connection.hear(&input[used..])
            }
            None if last => Err(Closed),
            None if used == input.len() => Ok(()),
            None => {
                input.drain(..used);
                connection.role = Role::Asking { input };
                Ok(())
            }
        }
    }

    /// Answers one request, and says what the connection has become where it goes on as something else.
    fn answer(&mut self, request: &Request<'_>) -> Option<Role> {
        let newest = self.fan_out.log().newest();
        let call = match Call::read(request) {
            Ok(call) => call,
            Err(fault) => {
                fault.write(&mut self.answers);
                return None;
            }
        };
        match call {
            Call::Publish(payload) => {
                let id = self.fan_out.publish(payload, &mut self.connections);
                let body = format!(r#"{{"id":"{id}"}}"#);
                http::json(&mut self.answers, "200 OK", "", &[body.as_bytes()]);
                None
            }
            Call::WebSocket { key, envelope } => {
                websocket::accept(&mut self.answers, key, envelope);
                Some(self.join(Role::WebSocket { envelope, frames: Discard::default() }))
            }
            Call::EventStream => {
                self.answers.extend_from_slice(http::EVENT_STREAM);
                Some(self.join(Role::EventStream))
            }
            Call::Poll { after: None } => {
                encode::page(&mut self.answers, Id(newest), std::iter::empty());
                None
            }
            Call::Poll { after: Some(after) } if after.0 < newest => {
                self.catch_up(after);
                None
            }
            Call::Poll { after: Some(_) } => {
                Some(self.join(Role::Parked { last: request.is_last() }))
            }
        }
    }

    /// Answers a long-poll with what waits: the oldest of it, up to [`PAGE`].
    fn catch_up(&mut self, after: Id) {
        let mut room = PAGE;
        let waiting = self.fan_out.log().after(after.0).take_while(|n| {
            let fits = room > 0;
            room = room.saturating_sub(n.payload.len());
            fits
        });
        encode::page(&mut self.answers, after, waiting);
    }

    /// Lets a client in behind everything published so far: what this pass brought before it is not for it.
    fn join(&mut self, role: Role) -> Role {
        self.fan_out.deliver(&mut self.connections);
        role
    }
}
