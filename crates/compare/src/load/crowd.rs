//! All clients, each by its index.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail};
use rustix::fd::OwnedFd;

use super::gone::Gone;
use super::handshakes::Handshakes;
use super::inbox::Inbox;
use super::order::Order;
use super::quic::{Quic, Session};
use super::requests::{Requests, Subscriber};
use super::score::Score;
use super::session_event::{Event, SessionEvent, Traffic};
use super::socket::{Connection, Intake, begin_to_connect};
use super::stamp::Run;
use super::wire::inflate::Inflation;
use crate::protocol::{Setup, Transport};

/// The most servers that a client moves to.
const MOST_MOVES: usize = 10;

/// The clients of a load.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) requests: Requests,
    clients: Vec<Client>,
    own_topics: bool,
    /// How many clients there will be.
    planned: usize,
    epoll: Rc<OwnedFd>,
    /// The connections by WebTransport, if that is the transport.
    pub(crate) quic: Option<Quic>,
    /// How many clients receive.
    pub(crate) ready: usize,
    /// How many have stopped reading. They are the last ones.
    stalled: usize,
    /// `true` if clients whose connection ends connect to the next server. Others are lost.
    pub(crate) moves: bool,
    /// The clients that have to connect to the next server.
    waiting: Vec<usize>,
    /// How many clients are moving to the next server. A publish still expects them to receive it.
    away: usize,
    /// The reason for the end of the first connection that ended.
    pub(crate) reason: Option<Gone>,
    /// Everything that sockets of clients received and sent in the current stage.
    traffic: Traffic,
    /// The handshakes of the current stage.
    pub(crate) handshakes: Handshakes,
}

/// One client, which subscribes and receives.
#[derive(Debug)]
struct Client {
    link: Link,
    stage: Stage,
    order: Order,
    /// The time of the last step of its connect.
    since: u64,
    /// The number of its server.
    server: usize,
    /// `true` while it moves to another server.
    is_moving: bool,
}

/// The connection of a client.
#[derive(Debug)]
enum Link {
    Socket {
        connection: Connection,
        /// The first bytes that it sends.
        request: Vec<u8>,
    },
    Session(Session),
}

/// The progress of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// It has subscribed and has not been answered.
    Subscribing,
    /// It receives.
    Ready,
    /// It has stopped reading.
    Stalled,
    /// Its connection has ended, and it is about to connect to the next server.
    Waiting,
    /// Its connection has ended.
    Gone,
}

impl Crowd {
    /// # Errors
    /// Fails if clients use WebTransport and the program was built without it.
    pub(crate) fn new(
        requests: Requests,
        setup: &Setup,
        epoll: Rc<OwnedFd>,
        began: Instant,
    ) -> anyhow::Result<Self> {
        let quic = match setup.transport {
            Transport::WebTransport => {
                Some(Quic::new(requests.tls.as_ref(), epoll.clone(), began)?)
            }
            _ => None,
        };
        Ok(Self {
            requests,
            quic,
            clients: Vec::with_capacity(setup.clients),
            own_topics: setup.own_topics,
            planned: setup.clients,
            epoll,
            ready: 0,
            stalled: 0,
            moves: false,
            waiting: Vec::new(),
            away: 0,
            reason: None,
            traffic: Traffic::default(),
            handshakes: Handshakes::default(),
        })
    }

    /// Begins a stage.
    pub(crate) fn begin(&mut self) {
        self.traffic = Traffic::default();
        self.handshakes.reset();
        for client in &mut self.clients {
            if let Link::Session(session) = &mut client.link {
                session.begin();
            }
        }
    }

    /// Everything that the clients received and sent in the current stage.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut all = self.traffic;
        for client in &self.clients {
            if let Link::Session(session) = &client.link {
                let traffic = session.traffic();
                all.received += traffic.received;
                all.sent += traffic.sent;
            }
        }
        all
    }

    /// The number of clients in any stage.
    pub(crate) fn size(&self) -> usize {
        self.clients.len()
    }

    /// The number of clients that a publish is meant for, and how many of them are connected or will be.
    pub(crate) fn audience(&self, sequence: u64) -> (u64, u64) {
        if !self.own_topics {
            return ((self.clients.len() - self.stalled) as u64, (self.ready + self.away) as u64);
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
        let subscriber = Subscriber { index, server: index, after: self.requests.after.as_deref() };
        let link = match &mut self.quic {
            Some(quic) => {
                let url = self.requests.webtransport_url(subscriber);
                let session = quic.open(index, self.requests.address(index), &url);
                session.map(Link::Session)
            }
            None => self.connect(subscriber),
        };
        let link =
            link.with_context(|| format!("cannot connect client {index}, use fewer clients"))?;
        let (stage, order) = (Stage::Connecting, self.order(index, score));
        let (since, server, is_moving) = (now, index, false);
        self.clients.push(Client { link, stage, order, since, server, is_moving });
        Ok(())
    }

    fn connect(&self, subscriber: Subscriber<'_>) -> anyhow::Result<Link> {
        let Subscriber { index, server, .. } = subscriber;
        let (request, reader) = self.requests.subscribe(subscriber);
        let server = self.requests.address(server);
        let session = self.requests.tls_session(server, self.requests.http2)?;
        let socket = begin_to_connect(server, index, self.requests.run)?;
        let connection = Connection::new(socket, reader, session, &self.epoll, index as u64)?;
        Ok(Link::Socket { connection, request })
    }

    /// Starts to connect the clients whose connection has ended to the next server, each once the id of the last
    /// notification that it has received is among `ids`.
    ///
    /// # Errors
    /// Fails if the system has no free port or file descriptor.
    pub(crate) fn move_clients(
        &mut self,
        ids: &HashMap<u64, String>,
        now: u64,
    ) -> anyhow::Result<()> {
        for index in std::mem::take(&mut self.waiting) {
            let Client { order, server, .. } = &self.clients[index];
            let Some(after) = order.last().and_then(|last| ids.get(&last)) else {
                self.waiting.push(index);
                continue;
            };
            let server = server + 1;
            let link = self.connect(Subscriber { index, server, after: Some(after) })?;
            let client = &mut self.clients[index];
            (client.link, client.stage) = (link, Stage::Connecting);
            (client.server, client.since) = (server, now);
        }
        Ok(())
    }

    fn order(&self, index: usize, score: &Score) -> Order {
        let first = if self.requests.after.is_some() { score.log() } else { score.next() };
        if !self.own_topics {
            return Order::new(first, 1);
        }
        let (index, step) = (index as u64, self.planned as u64);
        Order::new(first + (index + step - first % step) % step, step)
    }

    /// Makes the last `count` clients stop reading.
    ///
    /// # Errors
    /// Fails if one of them is not connected, or if clients use WebTransport, whose library reads by itself.
    pub(crate) fn stall(&mut self, count: usize) -> anyhow::Result<()> {
        let first = self.clients.len().saturating_sub(count);
        for (index, client) in self.clients.iter_mut().enumerate().skip(first) {
            let (Stage::Ready, Link::Socket { connection, .. }) = (client.stage, &client.link)
            else {
                let reason = self.reason.as_ref().map(|reason| format!(", because {reason}"));
                let reason = reason.unwrap_or_default();
                bail!("client {index} cannot stop reading: it is not connected by TCP{reason}");
            };
            connection.ignore(&self.epoll).context("cannot stop waiting for a client")?;
            client.stage = Stage::Stalled;
            self.stalled += 1;
            self.ready -= 1;
        }
        Ok(())
    }

    /// Disconnects all clients.
    pub(crate) fn clear(&mut self) {
        self.clients.clear();
        (self.ready, self.stalled, self.away) = (0, 0, 0);
        self.waiting.clear();
        if let Some(quic) = &mut self.quic {
            quic.clear();
        }
    }

    /// Continues with a client whose socket is readable or writable.
    pub(crate) fn attend(&mut self, index: usize, intake: &mut Intake, score: &mut Score) {
        let done = match self.clients[index].stage {
            Stage::Gone | Stage::Stalled | Stage::Waiting => Ok(()),
            Stage::Connecting => self.subscribe(index, intake, score),
            _ => self.receive(index, intake, score),
        };
        if let Err(gone) = done {
            self.lose(index, gone, score);
        }
    }

    /// Finishes the connect and subscribes. With TLS, the request is sent once the handshake is complete.
    fn subscribe(&mut self, index: usize, intake: &Intake, score: &mut Score) -> Result<(), Gone> {
        let Client { link, stage, since, .. } = &mut self.clients[index];
        let Link::Socket { connection, request } = link else { return Ok(()) };
        connection.finish_connecting()?;
        self.handshakes.tcp.record_since(since, intake.now());
        *stage = Stage::Subscribing;
        score.requests += self.requests.streams();
        connection.out = std::mem::take(request);
        connection.flush()?;
        self.traffic.sent += connection.take_sent();
        Ok(())
    }

    fn receive(
        &mut self,
        index: usize,
        intake: &mut Intake,
        score: &mut Score,
    ) -> Result<(), Gone> {
        let Client { link, order, since, .. } = &mut self.clients[index];
        let Link::Socket { connection, .. } = link else { return Ok(()) };
        let was_handshaking = connection.is_handshaking();
        let exchange = connection.exchange(intake, order, score);
        self.traffic.received += exchange.received;
        self.traffic.sent += connection.take_sent();
        if was_handshaking && !connection.is_handshaking() {
            self.handshakes.tls.record_since(since, intake.now());
            self.handshakes.resumed += u64::from(connection.is_resumed());
        }
        // A client sends very little, so a full socket means that the server does not read.
        let is_blocked = connection.is_blocked();
        if exchange.answers > 0 {
            self.answered(index, exchange.now);
        }
        match exchange.ended {
            Some(gone) => Err(gone),
            None if is_blocked => Err(Gone::Invalid("the server does not read from a client")),
            None => Ok(()),
        }
    }

    /// Makes a client ready that has its first response.
    fn answered(&mut self, index: usize, now: u64) {
        let Client { stage, since, is_moving, .. } = &mut self.clients[index];
        if *stage == Stage::Subscribing {
            self.handshakes.request.record_since(since, now);
            *stage = Stage::Ready;
            self.ready += 1;
            if std::mem::take(is_moving) {
                self.away -= 1;
                self.handshakes.moved += 1;
            }
        }
    }

    /// Continues with a client by WebTransport.
    pub(crate) fn on_session_event(&mut self, event: SessionEvent, run: Run, score: &mut Score) {
        let SessionEvent { client: index, now, event } = event;
        let Client { link, stage, order, since, .. } = &mut self.clients[index];
        let Link::Session(session) = link else { return };
        match event {
            Event::Connected => {
                self.handshakes.tls.record_since(since, now);
                *stage = Stage::Subscribing;
                score.requests += 1;
            }
            Event::Received(bytes) => {
                let reply = &mut Vec::new();
                let inflation = &mut Inflation::default();
                let mut inbox = Inbox { run, order, score, now, answers: 0, reply, inflation };
                match session.take(&bytes, &mut inbox) {
                    // The server sends a line at once.
                    Ok(()) => self.answered(index, now),
                    Err(gone) => self.lose(index, gone, score),
                }
            }
            Event::Ended(gone) => self.lose(index, gone, score),
        }
    }

    /// Makes a disconnected client wait for its move to the next server if it can, or counts everything that it has not
    /// received as lost.
    fn lose(&mut self, index: usize, gone: Gone, score: &mut Score) {
        let client = &mut self.clients[index];
        let is_ready = client.stage == Stage::Ready;
        self.ready -= usize::from(is_ready);
        if self.moves && client.server < index + MOST_MOVES {
            self.away += usize::from(!std::mem::replace(&mut client.is_moving, true));
            client.stage = Stage::Waiting;
            self.waiting.push(index);
            return;
        }
        let was_moving = std::mem::take(&mut client.is_moving);
        self.away -= usize::from(was_moving);
        let is_ready = is_ready || was_moving;
        // The log is meant for a client from its subscription on.
        if is_ready || (self.requests.after.is_some() && client.stage == Stage::Subscribing) {
            let end = score.next();
            client.order.missing(end).for_each(|sequence| score.settle(sequence));
        }
        client.stage = Stage::Gone;
        self.reason.get_or_insert(gone);
    }
}
