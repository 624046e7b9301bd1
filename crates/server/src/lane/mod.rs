//! A lane: the connections of one worker thread, and the pass that serves all of their clients.
//!
//! ```text
//! epoll event ─► Connection::on_readable / on_writable / on_timer ─► Next ─► Lane::apply
//! new entries ─► FanOut::pass ─► sends ─► Connection::on_sent     ─► Next ─► Lane::apply
//! ```
//!
//! The parts return what happens next, and only this file makes it happen. No part knows the lane: `Connection` does no
//! I/O, `FanOut` sends nothing, and `catch_up` returns bytes.
//!
//! A lane is itself a reader of the log. A client that has taken everything is where the lane is, and costs a pass one
//! send. A client whose socket is full has a cursor of its own; nothing is copied for it.

mod accept;
mod actions;
mod admission;
mod balancer;
mod catch_up;
mod client;
mod connection;
mod drain;
mod epoll;
mod fan_out;
mod group;
mod handle;
mod input;
mod next;
mod output;
mod peer;
mod pending;
mod sender;
mod status;
mod subscription;
mod timeout;
mod timers;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::task::{Context, Poll, Waker};

use mio::net::TcpStream;
use slab::Slab;
use tidings_core::{Reason, Waiter};
use tokio::time::Instant;

use self::accept::Acceptor;
pub(crate) use self::balancer::{Balancer, Inbox};
use self::connection::Reads;
use self::drain::Drain;
use self::epoll::{Epoll, LISTENER, Ready};
use self::fan_out::{FanOut, Pass};
use self::group::Groups;
pub(crate) use self::handle::Handle;
use self::next::Next;
use self::peer::Peer;
use self::pending::{Outcome, PendingSet};
use self::sender::Sender;
use self::status::Status;
use self::timers::Timers;
use crate::answer::Answer;
use crate::handover::HandOver;
use crate::metrics::Metrics;
use crate::request::Whole;
use crate::service::Service;
use crate::shared::Shared;
use crate::subscriber::Subscriber;

/// Whether this program has lanes.
pub(crate) const IS_BUILT: bool = true;

struct Lane {
    status: Status,
    metrics: Metrics,
    service: Box<dyn Service>,
    acceptor: Acceptor,
    epoll: Epoll,
    peers: Slab<Peer>,
    timers: Timers,
    fan_out: FanOut,
    sender: Sender,
    pending: PendingSet,
    /// Wakes the lane when the log has grown or the hub is closed.
    waiter: Waiter,
    /// Wakes the lane when a task outside of it has left work.
    waker: Option<Waker>,
    drain: Option<Drain>,
    /// Connections to go on with in the next turn. Each is in it at most once.
    busy: VecDeque<usize>,
    /// Connections whose clients wait for the lane to come to where they are.
    ahead: BTreeSet<usize>,
    /// Connections for hyper.
    handed_over: Vec<HandOver>,
    /// Whether more connections may wait at the listener than one turn accepts.
    has_callers: bool,
    /// What follows is kept for its room. Every socket is read into this buffer.
    buffer: Box<[u8]>,
    ready: Vec<Ready>,
    pass: Pass,
    sent: Vec<io::Result<usize>>,
}

/// How often one turn looks at epoll before the rest of the thread has its turn.
const LOOKS: usize = 4;

/// How many busy connections one turn serves.
const BUSY: usize = 256;

/// How many outcomes of what is pending one turn takes.
const OUTCOMES: usize = 256;

/// How many reads, or portions from the log, one connection has in one turn.
const PORTIONS: usize = 8;

/// What one read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// As much as there was room for. There may be more.
    Full,
    /// Less than that. If the peer is not gone, epoll reports when there is more.
    Some,
    /// Nothing, or nothing that may be read now.
    Nothing,
}

impl Lane {
    fn new(
        listener: std::net::TcpListener,
        shared: &Shared,
        inbox: Inbox,
        service: Box<dyn Service>,
    ) -> io::Result<Self> {
        let config = &shared.config;
        let status = Status::new(config);
        let epoll = Epoll::new()?;
        let listener = mio::net::TcpListener::from_std(listener);
        let connections = shared.connections.clone();
        let acceptor = Acceptor::new(listener, &epoll, config.write_deadline, connections, inbox)?;
        let groups = Groups::new(status.settings.keep_alive.clone());
        Ok(Self {
            metrics: shared.metrics.clone(),
            service,
            acceptor,
            epoll,
            peers: Slab::new(),
            timers: Timers::new(status.hub.heartbeat().interval),
            fan_out: FanOut::new(groups, status.position),
            sender: Sender::new(config.io_uring),
            pending: PendingSet::default(),
            waiter: status.hub.waiter(),
            waker: None,
            drain: None,
            busy: VecDeque::new(),
            ahead: BTreeSet::new(),
            handed_over: Vec::new(),
            has_callers: false,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            ready: Vec::new(),
            pass: Pass::default(),
            sent: Vec::new(),
            status,
        })
    }

    fn len(&self) -> usize {
        self.peers.len()
    }

    /// One turn: everything that there is to do now, each kind in bounded portions. Returns connections for hyper, if there
    /// are any, and `None` once the lane has ended.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Vec<HandOver>>>> {
        self.waker = Some(context.waker().clone());
        self.set_now();
        // Registered before the look, so that an entry that comes during the pass wakes the lane again.
        self.waiter.register(context);
        for (socket, connected) in self.acceptor.inbox.take(context) {
            self.admit_handed(socket, connected);
        }
        // Before the pass, so that what many connections have published goes out together.
        self.sockets(context)?;
        self.run_pass();
        self.wake_those_ahead();
        self.outcomes(context);
        self.busy();
        if std::mem::take(&mut self.has_callers) {
            self.accept();
        }
        self.fan_out.groups.sweep();
        // What was handed over in this turn is still to be served by hyper.
        if self.drained(context) && self.handed_over.is_empty() {
            return Poll::Ready(Ok(None));
        }
        // Last, so that no timer is started after it that it does not know of.
        self.expired(context);
        let is_drained = self.drain.is_some() && self.peers.is_empty();
        if is_drained || !self.busy.is_empty() || self.has_callers || self.pending.has_new() {
            context.waker().wake_by_ref();
        }
        if self.handed_over.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Some(std::mem::take(&mut self.handed_over))))
    }

    fn set_now(&mut self) {
        self.status.now = Instant::now();
        self.timers.set_now(self.status.now);
    }

    /// Serves the sockets that epoll names.
    fn sockets(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..LOOKS {
            let Poll::Ready(looked) = self.epoll.poll(context, &mut self.ready) else {
                return Ok(());
            };
            looked?;
            let mut ready = std::mem::take(&mut self.ready);
            for Ready { key, is_readable, is_closed, is_writable, is_broken } in ready.drain(..) {
                if key == LISTENER {
                    self.accept();
                    continue;
                }
                if is_broken && let Some(peer) = self.peers.get(key) {
                    let next = peer.connection.on_reset();
                    self.apply(key, next);
                }
                if is_readable {
                    self.read(key, is_closed);
                }
                if is_writable && let Some(peer) = self.peers.get_mut(key) {
                    let next = peer.connection.on_writable(&self.status);
                    self.apply(key, next);
                }
            }
            self.ready = ready;
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    /// Serves everything up to the head of the log.
    fn run_pass(&mut self) {
        let head = self.status.hub.log().head();
        let mut pass = std::mem::take(&mut self.pass);
        while self.fan_out.pass(self.status.hub.log(), head, &mut self.peers, &mut pass) {
            self.status.position = self.fan_out.position();
            self.send(&mut pass);
            pass.clear();
        }
        self.pass = pass;
    }

    /// Sends what a pass has for its clients.
    fn send(&mut self, pass: &mut Pass) {
        let mut sent = std::mem::take(&mut self.sent);
        let sends = pass.sends.iter().map(|&(key, encoding)| {
            (self.peers[key].socket.as_fd(), &pass.encodings[encoding].bytes[..])
        });
        self.sender.send(sends, |_, result| sent.push(result));
        for (&(key, encoding), result) in pass.sends.iter().zip(sent.drain(..)) {
            let encoding = &mut pass.encodings[encoding];
            let connection = &mut self.peers[key].connection;
            let next = connection.on_sent(&encoding.bytes, result, &self.status);
            encoding.clients += u64::from(!matches!(next, Next::Remove | Next::CutOff));
            if !matches!(next, Next::Idle) {
                self.apply(key, next);
            }
        }
        self.sent = sent;
        for encoding in &pass.encodings {
            let group = self.fan_out.groups.get_mut(encoding.group);
            group.delivered.inc_by(encoding.notifications * encoding.clients);
        }
        for &key in &pass.left_behind {
            self.keep_busy(key);
        }
    }

    /// Goes on with those to whom the lane has come.
    fn wake_those_ahead(&mut self) {
        if self.ahead.is_empty() {
            return;
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.retain(|&key| {
            let peer = self.peers.get(key);
            let waits = peer.is_some_and(|peer| peer.connection.waits_for_lane(&self.status));
            if !waits {
                self.keep_busy(key);
            }
            waits
        });
        self.ahead = ahead;
    }

    /// Takes the outcomes that there are of what was pending.
    fn outcomes(&mut self, context: &mut Context<'_>) {
        for _ in 0..OUTCOMES {
            let Poll::Ready((key, outcome)) = self.pending.poll_next(context) else { return };
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let (connection, status) = (&mut peer.connection, &self.status);
            let next = match outcome {
                Outcome::Response(response) => connection.on_response(&response, status),
                Outcome::Published(outcome) => connection.on_published(outcome, status),
                Outcome::Fetched(fetched) => {
                    let Some(group) = self.fan_out.groups.of(key) else { continue };
                    let portion = catch_up::encode(group, &fetched.events, fetched.cursor);
                    portion.goodbye.into_iter().for_each(|reason| self.metrics.let_go(reason));
                    connection.on_fetched(portion, status)
                }
            };
            self.apply(key, next);
        }
        context.waker().wake_by_ref();
    }

    /// Goes on with some of those that had more to do than their last turn allowed.
    fn busy(&mut self) {
        for _ in 0..self.busy.len().min(BUSY) {
            let Some(key) = self.busy.pop_front() else { return };
            let Some(peer) = self.peers.get_mut(key) else { continue };
            peer.is_busy = false;
            self.read(key, true);
            if let Some(peer) = self.peers.get_mut(key) {
                let next = peer.connection.next(&self.status);
                self.apply(key, next);
            }
        }
    }

    fn keep_busy(&mut self, key: usize) {
        if let Some(peer) = self.peers.get_mut(key)
            && !std::mem::replace(&mut peer.is_busy, true)
        {
            self.busy.push_back(key);
        }
    }

    /// Says goodbye to every client, in steps, once the hub is closed. Returns `true` when the last one is gone.
    fn drained(&mut self, context: &mut Context<'_>) -> bool {
        let Some(reason) = self.status.hub.pool().closed() else { return false };
        let mut drain = self.drain.take().unwrap_or_else(|| {
            self.status.is_closing = true;
            self.acceptor.close();
            let keys = self.peers.iter().map(|(key, _)| key).collect();
            Drain::new(reason, keys, self.status.settings.drain)
        });
        while let Poll::Ready(keys) = drain.poll_next(context) {
            // A client that has joined since then, with the key of another, is sent one as well.
            keys.into_iter().for_each(|key| self.goodbye(key, reason));
        }
        self.drain = Some(drain);
        self.peers.is_empty()
    }

    fn goodbye(&mut self, key: usize, reason: Reason) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let next = peer.connection.on_goodbye(reason, &self.status);
        self.apply(key, next);
    }

    fn expired(&mut self, context: &mut Context<'_>) {
        // A failure starts a new pause, which must be polled to wake the lane.
        while self.acceptor.poll_resume(context).is_ready() {
            self.accept();
        }
        let again = self.status.hub.heartbeat().interval;
        while let Poll::Ready(key) = self.timers.poll_due(context, again) {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let next = peer.connection.on_timer(&self.status);
            self.apply(key, next);
        }
    }

    /// Takes over a connection from hyper, for its next request or for this subscriber.
    fn take_over(&mut self, connection: HandOver, subscriber: Option<Subscriber>, is_last: bool) {
        // After the goodbyes no further request is read.
        if self.status.is_closing && subscriber.is_none() {
            return;
        }
        self.set_now();
        let HandOver { socket, connected, input } = connection;
        self.acceptor.inbox.joined();
        let Some(key) = self.admit(TcpStream::from_std(socket), connected) else { return };
        self.peers[key].connection.resume(input, is_last);
        let next = match subscriber {
            Some(subscriber) => self.subscribe(key, subscriber),
            None => self.peers[key].connection.next(&self.status),
        };
        self.apply(key, next);
        if let Some(Drain { reason, .. }) = self.drain {
            self.goodbye(key, reason);
        }
        self.waker.iter().for_each(Waker::wake_by_ref);
    }

    /// Reads what has come on a connection. A socket that does not fill the buffer is empty, and epoll reports when more
    /// has come. But it reports nothing more of a socket that its peer has closed, and that is read to its end.
    fn read(&mut self, key: usize, to_the_end: bool) {
        let has_more = (0..PORTIONS).all(|_| match self.read_once(key) {
            Read::Full => true,
            Read::Some => to_the_end,
            Read::Nothing => false,
        });
        if has_more {
            self.keep_busy(key);
        }
    }

    fn read_once(&mut self, key: usize) -> Read {
        let Some(Peer { socket, connection, .. }) = self.peers.get_mut(key) else {
            return Read::Nothing;
        };
        let (status, mut none) = (&self.status, None);
        let spare = self.fan_out.groups.decoder(key).unwrap_or(&mut none);
        let reads = connection.reads();
        let (next, read) = match reads {
            Reads::Nothing => return Read::Nothing,
            Reads::Held => (connection.on_held(spare, status), Read::Full),
            Reads::Peek | Reads::Bytes => {
                let peeks = reads == Reads::Peek;
                let room = if peeks { 1 } else { self.buffer.len() };
                match peer::receive(socket, &mut self.buffer[..room], peeks) {
                    Ok(None) => return Read::Nothing,
                    Ok(Some(0)) => (connection.on_end(status), Read::Nothing),
                    Ok(Some(count)) => {
                        let bytes = &mut self.buffer[..count];
                        let read = match peeks {
                            true => Read::Nothing,
                            false if count == room => Read::Full,
                            false => Read::Some,
                        };
                        (connection.on_readable(bytes, spare, status), read)
                    }
                    Err(error) => (Next::after(&error.into()), Read::Nothing),
                }
            }
        };
        self.apply(key, next);
        // What the connection could not do in this turn comes before what it has sent since.
        let is_busy = self.peers.get(key).is_none_or(|peer| peer.is_busy);
        if is_busy { Read::Nothing } else { read }
    }

    /// Does what a connection returned, and what follows from that, until it is idle.
    fn apply(&mut self, key: usize, mut next: Next) {
        let mut portions = 0;
        loop {
            next = match next {
                Next::Idle => break,
                Next::Write => self.write(key),
                Next::Answer(whole) => self.answer(key, whole),
                Next::Publish(topic, message) => self.publish(key, topic, message),
                Next::CatchUp if portions < PORTIONS => {
                    portions += 1;
                    self.catch_up(key)
                }
                Next::CatchUp | Next::Yield => {
                    self.keep_busy(key);
                    break;
                }
                Next::Encode(event, position) => self.encode(key, event.as_slice(), position),
                Next::OpenAnswer => {
                    let head = self.fan_out.groups.open_answer(key).unwrap_or_default();
                    self.peers[key].connection.on_encoded(head, &self.status)
                }
                Next::Release => {
                    self.fan_out.groups.leave(key);
                    let connection = &mut self.peers[key].connection;
                    drop(connection.release());
                    connection.next(&self.status)
                }
                Next::AwaitPass => {
                    self.ahead.insert(key);
                    break;
                }
                Next::Close => match self.peers[key].socket.shutdown(Shutdown::Write) {
                    Ok(()) => self.peers[key].connection.next(&self.status),
                    Err(_) => Next::Remove,
                },
                Next::CutOff => {
                    // A client that was sent a goodbye is counted already.
                    if !self.peers[key].connection.is_let_go() {
                        self.metrics.cut_off();
                    }
                    Next::Remove
                }
                Next::HandOver(input) => return self.hand_over(key, input),
                Next::Remove => return drop(self.remove(key)),
            };
        }
        if let Some(patience) = self.peers[key].connection.take_timeout(&self.status) {
            self.timers.restart(key, patience);
        }
    }

    /// Writes the unsent bytes.
    fn write(&mut self, key: usize) -> Next {
        let Peer { socket, connection, watches_room, .. } = &mut self.peers[key];
        let count = match peer::write(socket, connection.unsent()) {
            Ok(count) => count,
            Err(error) => return Next::after(&error.into()),
        };
        let next = connection.on_written(count, &self.status);
        if connection.awaits_room()
            && !std::mem::replace(watches_room, true)
            && let Err(error) = self.epoll.watch_room(socket, key)
        {
            self.metrics.unserved.add(error);
            return Next::Remove;
        }
        next
    }

    /// Answers a request.
    fn answer(&mut self, key: usize, whole: Box<Whole>) -> Next {
        let connection = &mut self.peers[key].connection;
        match self.service.call(&whole.request, whole.body) {
            Answer::Response(response) => connection.on_response(&response, &self.status),
            Answer::Pending(response) => {
                let outcome = async { Outcome::Response(response.await) };
                let pending = self.pending.add(key, outcome);
                connection.on_response_pending(pending, &self.status)
            }
            Answer::Subscription(subscriber) => self.subscribe(key, *subscriber),
        }
    }
}
