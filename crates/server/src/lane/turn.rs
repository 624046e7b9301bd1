//! The lane, and one turn of it: everything that there is to do now, each kind in bounded portions.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tidings_core::{Reason, Waiter};
use tokio::time::Instant;

use super::accept::Acceptor;
use super::balancer::Inbox;
use super::catch_up;
use super::drain::Drain;
use super::epoll::{Epoll, Ready};
use super::fan_out::{FanOut, Pass};
use super::group::Groups;
use super::peer::Peer;
use super::pending::{Outcome, PendingSet};
use super::sender::Sender;
use super::status::Status;
use super::timers::Timers;
use crate::handover::HandOver;
use crate::shared::Shared;

/// The connections of one thread and all that serves them.
pub(super) struct Lane {
    pub(super) status: Status,
    pub(super) shared: Shared,
    pub(super) acceptor: Acceptor,
    pub(super) epoll: Epoll,
    pub(super) peers: Slab<Peer>,
    pub(super) timers: Timers,
    pub(super) fan_out: FanOut,
    pub(super) sender: Sender,
    pub(super) pending: PendingSet,
    /// Wakes the lane when the log has grown or the hub is closed.
    waiter: Waiter,
    /// Wakes the lane when a task outside of it has left work.
    pub(super) waker: Option<Waker>,
    pub(super) drain: Option<Drain>,
    /// Connections to go on with in the next turn. Each is in it at most once.
    busy: VecDeque<usize>,
    /// Connections whose clients wait for the lane to come to where they are.
    pub(super) ahead: BTreeSet<usize>,
    /// Connections for hyper.
    pub(super) handed_over: Vec<HandOver>,
    /// Whether more connections may wait at the listener than one turn accepts.
    pub(super) has_callers: bool,
    /// What follows is kept for its room. Every socket is read into this buffer.
    pub(super) buffer: Box<[u8]>,
    pub(super) ready: Vec<Ready>,
    pub(super) pass: Pass,
    pub(super) sent: Vec<io::Result<usize>>,
}

/// How many busy connections one turn serves.
const BUSY: usize = 256;

/// How many outcomes of what is pending one turn takes.
const OUTCOMES: usize = 256;

impl Lane {
    /// Returns a lane that accepts from this listener. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system has no epoll for it.
    pub(super) fn new(
        listener: std::net::TcpListener,
        shared: Shared,
        inbox: Inbox,
    ) -> io::Result<Self> {
        let config = &shared.config;
        let status = Status::new(config);
        let epoll = Epoll::new()?;
        let listener = mio::net::TcpListener::from_std(listener);
        let limit = shared.connection_limit.clone();
        let acceptor = Acceptor::new(listener, &epoll, config.write_deadline, limit, inbox)?;
        let groups = Groups::new(status.settings.keep_alive.clone());
        Ok(Self {
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
            shared,
        })
    }

    /// Returns the number of connections.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// One turn: everything that there is to do now, each kind in bounded portions. Returns connections for hyper, if there
    /// are any, and `None` once the lane has ended.
    pub(super) fn poll_turn(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Vec<HandOver>>>> {
        self.waker = Some(context.waker().clone());
        self.set_now();
        // Registered before the look, so that an entry that comes during the pass wakes the lane again.
        self.waiter.register(context);
        for (socket, permit) in self.acceptor.inbox.take(context) {
            self.admit_handed(socket, permit);
        }
        // Before the pass, so that what many connections have published goes out together.
        self.poll_sockets(context)?;
        self.run_pass();
        self.wake_those_ahead();
        self.poll_outcomes(context);
        self.resume_busy();
        if std::mem::take(&mut self.has_callers) {
            self.accept();
        }
        self.fan_out.groups.sweep();
        // What was handed over in this turn is still to be served by hyper.
        if self.poll_drain(context).is_ready() && self.handed_over.is_empty() {
            return Poll::Ready(Ok(None));
        }
        // Last, so that no timer is started after it that it does not know of.
        self.poll_timers(context);
        let is_drained = self.drain.is_some() && self.peers.is_empty();
        if is_drained || !self.busy.is_empty() || self.has_callers || self.pending.has_new() {
            context.waker().wake_by_ref();
        }
        if self.handed_over.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Some(std::mem::take(&mut self.handed_over))))
    }

    /// Sets the time that everything in this turn has in common.
    pub(super) fn set_now(&mut self) {
        self.status.now = Instant::now();
        self.timers.set_now(self.status.now);
    }

    /// Lets clients go on that were ahead of the lane, if it has come to where they are.
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

    /// Reports to connections what the broker has answered, in a bounded number.
    fn poll_outcomes(&mut self, context: &mut Context<'_>) {
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
                    if let Some(reason) = portion.goodbye {
                        self.shared.metrics.let_go(reason);
                    }
                    connection.on_fetched(portion, status)
                }
            };
            self.apply(key, next);
        }
        context.waker().wake_by_ref();
    }

    /// Serves connections that had more to do than their last turn allowed, in a bounded number.
    fn resume_busy(&mut self) {
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

    /// Serves a connection again in the next turn.
    pub(super) fn keep_busy(&mut self, key: usize) {
        if let Some(peer) = self.peers.get_mut(key)
            && !std::mem::replace(&mut peer.is_busy, true)
        {
            self.busy.push_back(key);
        }
    }

    /// Sends a goodbye to every client, in steps, once the hub is closed. Ready when the last connection has ended.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(reason) = self.status.hub.pool().closed() else { return Poll::Pending };
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
        if self.peers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Lets the client of a connection go. A connection without a client is closed.
    pub(super) fn goodbye(&mut self, key: usize, reason: Reason) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let next = peer.connection.on_goodbye(reason, &self.status);
        self.apply(key, next);
    }

    /// Serves the connections whose timer has expired, and the listener after a failure.
    fn poll_timers(&mut self, context: &mut Context<'_>) {
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
}
