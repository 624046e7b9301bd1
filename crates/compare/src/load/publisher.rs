//! The publishers: connections with one notification in flight each.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use anyhow::Context;
use rustix::fd::OwnedFd;

use super::crowd::Crowd;
use super::gone::Gone;
use super::order::Order;
use super::requests::Requests;
use super::score::Score;
use super::socket::{Connection, Intake, connect_now};
use crate::network::Namespace;
use crate::protocol::Setup;

/// The first key of the epoll for publishers. Lower keys are clients.
pub(crate) const PUBLISHERS: u64 = 1 << 32;

/// The status of a server that shuts down.
const UNAVAILABLE: u16 = 503;

/// All publishers, and the schedule of notifications.
#[derive(Debug)]
pub(crate) struct Publishers {
    all: Vec<Publisher>,
    idle: VecDeque<u16>,
    /// The scheduled times of the notifications that no publisher has sent yet.
    due: VecDeque<u64>,
    /// A publisher waits until every client has its notification.
    pub(crate) wait_for_delivery: bool,
    /// The ids of the notifications that were published while servers are restarted, by their sequence number. `None` if
    /// no server is restarted, so that a server that closes a connection before it answers is an error.
    pub(crate) ids: Option<HashMap<u64, String>>,
    /// The publishers whose connection has ended before the answer. They send their notification again.
    broken: Vec<u16>,
    epoll: Rc<OwnedFd>,
    /// The network namespace in which they connect. `None` means that of this process.
    namespace: Option<Namespace>,
}

/// One connection.
#[derive(Debug)]
struct Publisher {
    connection: Connection,
    /// The number of its server.
    server: usize,
    /// The server has closed it.
    is_closed: bool,
    /// `true` until the first request is answered.
    is_beginning: bool,
    in_flight: Option<InFlight>,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    sequence: u64,
    is_answered: bool,
    is_delivered: bool,
}

impl Publishers {
    /// Connects all publishers. They are ready once the server has answered the first request of each.
    ///
    /// # Errors
    /// Fails if nothing listens at the address.
    pub(crate) fn connect(
        setup: &Setup,
        requests: &Requests,
        epoll: Rc<OwnedFd>,
    ) -> anyhow::Result<Self> {
        let namespace = setup.publishers_in.as_deref().map(Namespace::open).transpose()?;
        let idle: VecDeque<u16> = (0..setup.publishers as u16).collect();
        let connect = || {
            let all = idle.iter().map(|index| Publisher::connect(*index, requests, &epoll));
            all.collect::<Result<_, _>>()
        };
        let all = inside(namespace.as_ref(), connect)?;
        Ok(Self {
            all,
            idle,
            due: VecDeque::new(),
            wait_for_delivery: false,
            ids: None,
            broken: Vec::new(),
            epoll,
            namespace,
        })
    }

    /// `true` once each has completed its TLS handshake and has its first response.
    pub(crate) fn is_ready(&self) -> bool {
        let is_ready = |one: &Publisher| !one.is_beginning && !one.connection.is_handshaking();
        self.all.iter().all(is_ready)
    }

    /// `true` once everything is published and answered.
    pub(crate) fn is_done(&self) -> bool {
        self.due.is_empty() && self.idle.len() == self.all.len()
    }

    /// The id of the notification that was published last, if the server has returned it.
    pub(crate) fn last_id(&self) -> Option<String> {
        // Publishers take turns, and the last one that was answered is the last in the queue.
        let publisher = &self.all[usize::from(*self.idle.back()?)];
        Some(String::from_utf8_lossy(publisher.connection.last_id()?).into_owned())
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Publishes a notification that was scheduled for `intended`, as soon as a publisher is idle.
    pub(crate) fn publish(
        &mut self,
        intended: u64,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> anyhow::Result<()> {
        self.due.push_back(intended);
        self.publish_due(crowd, score, now)
    }

    /// Continues with a publisher whose socket is readable or writable.
    pub(crate) fn attend(
        &mut self,
        index: u16,
        intake: &mut Intake,
        score: &mut Score,
    ) -> anyhow::Result<()> {
        let publisher = &mut self.all[usize::from(index)];
        match publisher.receive(intake, score) {
            // A server may close a connection after its answer. The next publish reconnects.
            Err(Gone::Closed)
                if publisher.in_flight.is_none_or(|it| it.is_answered)
                    && !publisher.is_beginning =>
            {
                publisher.is_closed = true;
            }
            Err(Gone::Closed | Gone::Broken(_) | Gone::Rejected(UNAVAILABLE))
                if self.ids.is_some() =>
            {
                if !std::mem::replace(&mut publisher.is_closed, true) {
                    self.broken.extend(publisher.in_flight.map(|_| index));
                }
            }
            received => received.context("cannot publish")?,
        }
        if let Some(ids) = &mut self.ids
            && let Some(InFlight { sequence, is_answered: true, .. }) = publisher.in_flight
            && let Some(id) = publisher.connection.last_id()
        {
            ids.insert(sequence, String::from_utf8_lossy(id).into_owned());
        }
        self.release(index);
        Ok(())
    }

    /// Makes publishers idle whose notification every client has received, and publishes scheduled notifications.
    pub(crate) fn advance(
        &mut self,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> anyhow::Result<()> {
        while let Some(index) = score.complete.pop() {
            if let Some(in_flight) = &mut self.all[usize::from(index)].in_flight {
                in_flight.is_delivered = true;
            }
            self.release(index);
        }
        self.publish_due(crowd, score, now)
    }

    /// Makes a publisher idle if it has nothing in flight.
    fn release(&mut self, index: u16) {
        let in_flight = &mut self.all[usize::from(index)].in_flight;
        let waits = self.wait_for_delivery;
        if in_flight.is_some_and(|one| one.is_answered && (one.is_delivered || !waits)) {
            *in_flight = None;
            self.idle.push_back(index);
        }
    }

    /// Stops waiting for deliveries that did not arrive in time. Returns `false` if a publish is still unanswered.
    pub(crate) fn give_up(&mut self) -> bool {
        self.wait_for_delivery = false;
        (0..self.all.len() as u16).for_each(|index| self.release(index));
        self.is_done()
    }

    fn publish_due(&mut self, crowd: &Crowd, score: &mut Score, now: u64) -> anyhow::Result<()> {
        for index in std::mem::take(&mut self.broken) {
            self.send(index, crowd)?;
        }
        while let Some(&intended) = self.due.front()
            && let Some(index) = self.idle.pop_front()
        {
            self.due.pop_front();
            score.late.record(now.saturating_sub(intended));
            let (expected, live) = crowd.audience(score.next());
            let sequence = score.publish(intended, index, expected, live);
            let is_answered = !crowd.requests.transport.answers_publishes();
            self.all[usize::from(index)].in_flight =
                Some(InFlight { sequence, is_answered, is_delivered: false });
            self.send(index, crowd)?;
            self.release(index);
        }
        Ok(())
    }

    /// Sends the notification that this publisher has in flight. Connects first if the server has closed the connection.
    fn send(&mut self, index: u16, crowd: &Crowd) -> anyhow::Result<()> {
        let publisher = &mut self.all[usize::from(index)];
        let Some(in_flight) = publisher.in_flight else { return Ok(()) };
        if publisher.is_closed {
            let connect = || Publisher::connect(index, &crowd.requests, &self.epoll);
            *publisher = inside(self.namespace.as_ref(), connect)?;
            publisher.in_flight = Some(in_flight);
        }
        let Publisher { connection, server, .. } = publisher;
        crowd.requests.publish(&mut connection.out, index, *server, in_flight.sequence);
        match connection.flush() {
            // The end of the connection is read next.
            Err(_) if self.ids.is_some() => Ok(()),
            sent => sent.context("cannot publish"),
        }
    }
}

/// Connects in a network namespace, if there is one.
fn inside<T>(
    namespace: Option<&Namespace>,
    connect: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    match namespace {
        Some(namespace) => namespace.inside(connect)?,
        None => connect(),
    }
}

impl Publisher {
    /// Connects to the first server that accepts the connection, and sends the first request of a publisher.
    fn connect(index: u16, requests: &Requests, epoll: &OwnedFd) -> anyhow::Result<Self> {
        let (first, reader) = requests.begin_publishing(index);
        let key = PUBLISHERS + u64::from(index);
        let mut server = 0;
        let socket = loop {
            let address = requests.address(server);
            match connect_now(address) {
                Ok(socket) => break socket,
                Err(_) if server + 1 < requests.servers() => server += 1,
                Err(error) => return Err(error).context(format!("no server at {address}")),
            }
        };
        let session = requests.tls_session(requests.address(server), false)?;
        let mut connection = Connection::new(socket, reader, session, epoll, key)?;
        let is_beginning = !first.is_empty();
        connection.out = first.into_bytes();
        connection.flush().context("cannot publish")?;
        Ok(Self { connection, server, is_closed: false, is_beginning, in_flight: None })
    }

    /// Reads all responses that have arrived.
    fn receive(&mut self, intake: &mut Intake, score: &mut Score) -> Result<(), Gone> {
        // No notification is meant for a publisher.
        let exchange = self.connection.exchange(intake, &mut Order::new(0, 1), score);
        (0..exchange.answers).for_each(|_| self.answered(score, exchange.now));
        exchange.ended.map_or(Ok(()), Err)
    }

    fn answered(&mut self, score: &mut Score, now: u64) {
        if std::mem::take(&mut self.is_beginning) {
            return;
        }
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.is_answered = true;
            let intended = score.intended(in_flight.sequence);
            score.answered.record(now.saturating_sub(intended));
        }
    }
}
