//! A lane: the connections of one worker thread, and the pass that serves all of their clients.
//!
//! ```text
//! epoll event ─► Connection::on_readable / on_writable / on_end ─► Next ─► Lane::apply
//! new entries ─► FanOut::pass ─► Deliveries ─► sends ─► Connection::on_sent ─► Next ─► Lane::apply
//! ```
//!
//! The parts return what happens next, and only `impl Lane` performs it. This file contains one turn of the lane, and
//! reads the sockets that epoll reports. `pass` sends new entries. `wakeups` handles everything else that wakes a
//! connection, and `admission` adds and removes connections. All of them call `Lane::apply`, in `apply`, which performs
//! each `Next`. `Connection` does no I/O, `FanOut` sends nothing, and `catch_up` returns bytes.
//!
//! A lane is itself a reader of the log. A client that has been sent everything is with the lane, and costs one send in
//! a pass. A client whose socket is full has its own cursor, and nothing is copied for it.

mod accept;
mod admission;
mod apply;
mod balancer;
mod catch_up;
mod client;
mod compressed;
mod connection;
mod drain;
mod epoll;
mod fan_out;
mod group;
mod groups;
mod input;
mod next;
mod output;
mod pass;
mod peer;
mod pending;
mod sender;
mod short;
mod status;
mod subscription;
#[cfg(test)]
mod tests;
mod timeout;
mod timers;
mod tls;
mod wakeups;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tidings_core::driver::Waiter;
use tokio::time::Instant;

use self::accept::Acceptor;
pub(crate) use self::balancer::{Balancer, Inbox};
use self::connection::Reads;
use self::drain::Drain;
use self::epoll::{Epoll, LISTENER, Ready};
use self::fan_out::{Deliveries, FanOut};
use self::groups::Groups;
use self::next::Next;
use self::peer::Peer;
use self::pending::PendingSet;
use self::sender::Sender;
use self::status::Status;
use self::timers::Timers;
use self::tls::Sealed;
use crate::bound::Bound;
use crate::handover::{HandOver, Turn};
use crate::metrics::Metrics;
use crate::peer_end::PeerEnd;
use crate::serve_by::ServeBy;
use crate::service::Service;
use crate::shared::Shared;
use crate::tls::Opened;
use tidings_transport::mount::Subscriber;

/// `true` because this program has lanes.
pub(crate) const IS_BUILT: bool = true;

/// A handle to a lane. Cloning is cheap. All clones stay on the thread of the lane.
#[derive(Clone)]
pub(crate) struct Handle(Rc<RefCell<Lane>>);

impl Handle {
    /// Starts a lane that accepts from these listeners, and serves requests by this service. Needs a tokio runtime.
    ///
    /// # Errors
    /// Fails if the system cannot create an epoll, or cannot watch a listener.
    pub(crate) fn new(
        listeners: Vec<Bound>,
        shared: &Shared,
        inbox: Inbox,
        service: Box<dyn Service>,
    ) -> io::Result<Self> {
        let lane = Lane::new(listeners, shared, inbox, service)?;
        Ok(Self(Rc::new(RefCell::new(lane))))
    }

    /// Serves the lane until it has connections for the general path, or has ended.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Fails if epoll fails.
    pub(crate) async fn serve(&self) -> io::Result<Turn> {
        poll_fn(|context| self.0.borrow_mut().poll_turn(context)).await
    }

    /// Serves a subscriber on this connection. If `is_last`, the connection ends with the answer to a poll.
    pub(crate) fn subscribe(
        &self,
        connection: HandOver,
        subscriber: Box<Subscriber>,
        is_last: bool,
    ) {
        self.0.borrow_mut().take_over(connection, Some(subscriber), is_last);
    }

    /// Takes over a connection after a response, for its next request.
    pub(crate) fn take_over(&self, connection: HandOver) {
        self.0.borrow_mut().take_over(connection, None, false);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().peers.len()
    }
}

/// The connections of one thread, and the state that serves them.
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
    /// The pool's number of `disconnect` calls when this lane last checked the sessions.
    disconnects: u64,
    /// The keys of connections with more work. A connection may have ended since.
    busy: VecDeque<usize>,
    /// The keys of connections whose clients wait until the lane has reached their position.
    ahead: BTreeSet<usize>,
    /// Connections for the general path.
    handed_over: Vec<HandOver>,
    /// Whether more connections may wait at a listener.
    may_have_connections: bool,
    /// Every socket is read into this buffer.
    buffer: Box<[u8]>,
    // Empty between two turns. Kept so that their memory is used again.
    ready: Vec<Ready>,
    deliveries: Deliveries,
    sent: Vec<io::Result<usize>>,
    opened: Opened,
    sealed: Sealed,
    /// Whether a listener is one for TLS.
    has_tls: bool,
    /// The reads of connections in their handshakes in this turn.
    handshakes: usize,
}

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadOutcome {
    /// There may be more to read.
    More,
    /// The socket is empty. epoll reports when there is more, unless the peer has closed its side.
    Drained,
    /// Nothing more is read now.
    Stop,
}

/// How often one turn polls epoll before the other tasks of the thread run.
const LOOKS: usize = 4;

/// The most reads in one call of `read`.
const READS: usize = 8;

impl Lane {
    fn new(
        listeners: Vec<Bound>,
        shared: &Shared,
        inbox: Inbox,
        service: Box<dyn Service>,
    ) -> io::Result<Self> {
        let config = &shared.config;
        let status = Status::new(config);
        let epoll = Epoll::new()?;
        let limit = shared.connection_limit.clone();
        let has_tls = listeners.iter().any(|listener| listener.tls.is_some());
        let acceptor = Acceptor::new(listeners, &epoll, config.write_deadline, limit, inbox)?;
        let groups = Groups::new(status.settings.keep_alive.clone());
        Ok(Self {
            metrics: shared.metrics.clone(),
            service,
            acceptor,
            epoll,
            peers: Slab::new(),
            timers: Timers::new(status.hub.heartbeat().interval),
            fan_out: FanOut::new(groups, status.position),
            sender: Sender::new(shared.serve_by == ServeBy::Lanes),
            pending: PendingSet::default(),
            waiter: status.hub.waiter(),
            waker: None,
            drain: None,
            disconnects: 0,
            busy: VecDeque::new(),
            ahead: BTreeSet::new(),
            handed_over: Vec::new(),
            may_have_connections: false,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            ready: Vec::new(),
            deliveries: Deliveries::default(),
            sent: Vec::new(),
            opened: Opened::default(),
            sealed: Sealed::default(),
            has_tls,
            handshakes: 0,
            status,
        })
    }

    /// Runs one turn: all work that is due now, each kind in bounded portions. Ready if there are connections for the
    /// general path, or the lane has ended.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        self.waker = Some(context.waker().clone());
        self.set_now();
        self.handshakes = 0;
        // Registered before the pass, so that an entry that is published during the pass wakes the lane again.
        self.waiter.register(context);
        for incoming in self.acceptor.inbox.take(context) {
            self.admit_incoming(incoming);
        }
        // Before the pass, so that one pass sends what many connections have published.
        self.poll_sockets(context)?;
        self.run_pass();
        self.wake_those_ahead();
        self.poll_outcomes(context);
        self.serve_busy();
        if std::mem::take(&mut self.may_have_connections) {
            self.accept();
        }
        self.fan_out.groups.sweep();
        // Connections that were handed over in this turn must still be served on the general path.
        if self.poll_drain(context).is_ready()
            && self.handed_over.is_empty()
            && self.acceptor.inbox.close_if_empty()
        {
            return Poll::Ready(Ok(Turn::Ended));
        }
        // Last, because a timer that is started after this poll would not wake the lane.
        self.poll_timers(context);
        let is_drained = self.drain.is_some() && self.peers.is_empty();
        if is_drained
            || !self.busy.is_empty()
            || self.may_have_connections
            || self.pending.has_new()
        {
            context.waker().wake_by_ref();
        }
        if self.handed_over.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Turn::HandOver(std::mem::take(&mut self.handed_over))))
    }

    /// Sets the time that is used in this whole turn.
    fn set_now(&mut self) {
        self.status.now = Instant::now();
        self.timers.set_now(self.status.now);
    }

    /// Serves the sockets that epoll reports.
    fn poll_sockets(&mut self, context: &mut Context<'_>) -> io::Result<()> {
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
                // `read` does not find the end if the connection is not read now.
                if is_closed
                    && let Some(peer) = self.peers.get_mut(key)
                    && peer.is_end_unread()
                {
                    let next = peer.connection.on_end(PeerEnd::Stream, &self.status);
                    self.apply(key, next);
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

    /// Reads the input of a connection. A read that does not fill the buffer has emptied the socket, and epoll reports
    /// further input. If the peer has closed its side, epoll reports nothing more, so `to_the_end` makes this read
    /// until the end of the stream.
    fn read(&mut self, key: usize, to_the_end: bool) {
        if self.has_tls && self.postpones_handshake(key) {
            return;
        }
        for _ in 0..READS {
            match self.read_once(key) {
                ReadOutcome::More => {}
                ReadOutcome::Drained if to_the_end => {}
                ReadOutcome::Drained | ReadOutcome::Stop => return,
            }
        }
        self.keep_busy(key);
    }

    fn read_once(&mut self, key: usize) -> ReadOutcome {
        let Some(Peer { socket, tls, connection, .. }) = self.peers.get_mut(key) else {
            return ReadOutcome::Stop;
        };
        let (status, mut none) = (&self.status, None);
        let spare = self.fan_out.groups.decoder(key).unwrap_or(&mut none);
        let reads = connection.prepare_read();
        let (next, outcome) = match reads {
            Reads::Nothing => return ReadOutcome::Stop,
            Reads::Buffered => (connection.on_buffered(spare, status), ReadOutcome::More),
            Reads::Peek | Reads::Bytes => {
                let peeks = reads == Reads::Peek;
                let room = if peeks { 1 } else { self.buffer.len() };
                match peer::receive(socket, &mut self.buffer[..room], peeks) {
                    Ok(None) => return ReadOutcome::Stop,
                    Ok(Some(0)) if tls.as_ref().is_some_and(|tls| !tls.is_ended()) => {
                        (Next::Remove, ReadOutcome::Stop)
                    }
                    Ok(Some(0)) => (connection.on_end(PeerEnd::Stream, status), ReadOutcome::Stop),
                    Ok(Some(_)) if peeks => (connection.on_peeked(), ReadOutcome::Stop),
                    Ok(Some(count)) => {
                        let bytes = &mut self.buffer[..count];
                        let is_full = count == room;
                        let outcome =
                            if is_full { ReadOutcome::More } else { ReadOutcome::Drained };
                        let next = match tls {
                            None => connection.on_readable(bytes, spare, status),
                            Some(tls) => {
                                let opened = &mut self.opened;
                                tls::on_records(tls, connection, bytes, opened, spare, status)
                            }
                        };
                        (next, outcome)
                    }
                    Err(error) => (Next::after(&error.into()), ReadOutcome::Stop),
                }
            }
        };
        self.apply(key, next);
        self.end_if_notified(key);
        // A busy connection finishes its work before its further input is read.
        let is_busy = self.peers.get(key).is_none_or(|peer| peer.is_busy);
        if is_busy { ReadOutcome::Stop } else { outcome }
    }
}
