//! All clients, each by its index.

use std::rc::Rc;

use anyhow::Context;
use rustix::fd::OwnedFd;

use super::gone::Gone;
use super::handshakes::Handshakes;
use super::order::Order;
use super::requests::Requests;
use super::score::Score;
use super::socket::{Connection, Intake, begin_to_connect};
use crate::protocol::Setup;

/// The clients of a load.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) requests: Requests,
    clients: Vec<Client>,
    own_topics: bool,
    /// How many clients there will be.
    planned: usize,
    epoll: Rc<OwnedFd>,
    /// How many clients receive.
    pub(crate) ready: usize,
    /// The reason for the end of the first connection that ended.
    pub(crate) reason: Option<Gone>,
    /// Everything that the clients received and sent in the current stage.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// The handshakes of the current stage.
    pub(crate) handshakes: Handshakes,
}

/// One client: a connection that subscribes and receives.
#[derive(Debug)]
struct Client {
    connection: Connection,
    stage: Stage,
    order: Order,
    /// The first bytes that it sends.
    request: String,
    /// The time of the last step of its connect.
    since: u64,
}

/// The progress of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// It has subscribed and has not been answered.
    Subscribing,
    /// It receives.
    Ready,
    /// Its connection has ended.
    Gone,
}

impl Crowd {
    pub(crate) fn new(requests: Requests, setup: &Setup, epoll: Rc<OwnedFd>) -> Self {
        Self {
            requests,
            clients: Vec::with_capacity(setup.clients),
            own_topics: setup.own_topics,
            planned: setup.clients,
            epoll,
            ready: 0,
            reason: None,
            received: 0,
            sent: 0,
            handshakes: Handshakes::default(),
        }
    }

    /// The number of clients in any stage.
    pub(crate) fn size(&self) -> usize {
        self.clients.len()
    }

    /// The number of clients that a publish is meant for, and how many of them are connected.
    pub(crate) fn audience(&self, sequence: u64) -> (u64, u64) {
        if !self.own_topics {
            return (self.clients.len() as u64, self.ready as u64);
        }
        let index = sequence as usize % self.planned;
        let is_ready = |client: &Client| client.stage == Stage::Ready;
        (1, self.clients.get(index).is_some_and(is_ready).into())
    }

    /// Starts to connect one more client. It is meant to receive everything that is published from now on, or the whole
    /// log if it resumes.
    ///
    /// # Errors
    /// Fails if the system has no free port or file descriptor.
    pub(crate) fn open(&mut self, score: &Score, now: u64) -> anyhow::Result<()> {
        let index = self.clients.len();
        let (request, reader) = self.requests.subscribe(index);
        let server = self.requests.server(index);
        let session = self.requests.session(server)?;
        let connection = begin_to_connect(server, index, self.requests.run)
            .and_then(|socket| Connection::new(socket, reader, session, &self.epoll, index as u64))
            .with_context(|| format!("cannot connect client {index}, use fewer clients"))?;
        let (stage, order) = (Stage::Connecting, self.order(index, score));
        self.clients.push(Client { connection, stage, order, request, since: now });
        Ok(())
    }

    fn order(&self, index: usize, score: &Score) -> Order {
        let first = if self.requests.from_start { score.log() } else { score.next() };
        if !self.own_topics {
            return Order::new(first, 1);
        }
        let (index, step) = (index as u64, self.planned as u64);
        Order::new(first + (index + step - first % step) % step, step)
    }

    /// Disconnects all clients.
    pub(crate) fn clear(&mut self) {
        self.clients.clear();
        self.ready = 0;
    }

    /// Continues with a client whose socket is readable or writable.
    pub(crate) fn attend(&mut self, index: usize, intake: &mut Intake, score: &mut Score) {
        let done = match self.clients[index].stage {
            Stage::Gone => Ok(()),
            Stage::Connecting => self.subscribe(index, intake, score),
            _ => self.receive(index, intake, score),
        };
        if let Err(gone) = done {
            self.lose(index, gone, score);
        }
    }

    /// Finishes the connect and subscribes. With TLS, the request is sent once the handshake is complete.
    fn subscribe(&mut self, index: usize, intake: &Intake, score: &mut Score) -> Result<(), Gone> {
        let Client { connection, stage, request, since, .. } = &mut self.clients[index];
        connection.finish_connecting()?;
        self.handshakes.tcp.record_since(since, intake.now());
        *stage = Stage::Subscribing;
        score.requests += 1;
        connection.out = std::mem::take(request).into_bytes();
        connection.flush()?;
        self.sent += connection.take_sent();
        Ok(())
    }

    fn receive(
        &mut self,
        index: usize,
        intake: &mut Intake,
        score: &mut Score,
    ) -> Result<(), Gone> {
        let Client { connection, stage, order, since, .. } = &mut self.clients[index];
        let was_handshaking = connection.is_handshaking();
        let exchange = connection.exchange(intake, order, score)?;
        self.received += exchange.received;
        self.sent += connection.take_sent();
        if was_handshaking && !connection.is_handshaking() {
            self.handshakes.tls.record_since(since, intake.now());
            self.handshakes.resumed += u64::from(connection.is_resumed());
        }
        if *stage == Stage::Subscribing && exchange.answers > 0 {
            self.handshakes.request.record_since(since, exchange.now);
            *stage = Stage::Ready;
            self.ready += 1;
        }
        // A client sends very little, so a full socket means that the server does not read.
        match connection.is_blocked() {
            true => Err(Gone::Invalid("the server does not read from a client")),
            false => Ok(()),
        }
    }

    /// Counts everything that a disconnected client has not received as lost.
    fn lose(&mut self, index: usize, gone: Gone, score: &mut Score) {
        let client = &mut self.clients[index];
        let is_ready = client.stage == Stage::Ready;
        self.ready -= usize::from(is_ready);
        // The log is meant for a client from its subscription on.
        if is_ready || (self.requests.from_start && client.stage == Stage::Subscribing) {
            let end = score.next();
            client.order.missing(end).for_each(|sequence| score.settle(sequence));
        }
        client.stage = Stage::Gone;
        self.reason.get_or_insert(gone);
    }
}
