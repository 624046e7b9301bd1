//! A lane: the connections of one worker thread, and the one pass that serves them all.
//!
//! ```text
//! epoll ─► a socket is readable ─► door: a whole request ─► an answer, or a client that stays
//!                                ─► ear: what a client says
//! wake-up ─► pass: new entries ─► groups of equal words and interest ─► one rendering a group
//!                                                                 ─► one send a client
//! epoll ─► a socket is writable ─► what is left, then the client's own cursor
//! timer ─► heartbeat, end of a hold, write deadline, idle connections
//! ```
//!
//! A lane is itself a reader of the log: `seen` is its cursor. A client that has taken everything stands
//! where the lane stands and costs a pass one send. A client whose socket is full is left behind with a
//! cursor of its own; nothing is copied for it.

mod awaited;
mod behind;
mod client;
mod door;
mod ending;
mod epoll;
mod group;
mod join;
mod leave;
mod neighbours;
mod pass;
mod sender;
mod start;
mod timers;
mod timing;
mod traffic;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use tidings_core::{Cursor, Hub, Id, Interest, Waiter};

use self::awaited::Awaited;
use self::client::Connection;
use self::door::LISTENER;
use self::door::Reception;
use self::epoll::Epoll;
use self::epoll::Ready;
use self::group::Groups;
pub(crate) use self::neighbours::Neighbours;
use self::pass::Outgoing;
use self::sender::Sender;
pub(crate) use self::start::start;
use self::timers::Timers;
use self::timing::Drain;
use crate::connected::Connected;
use crate::metrics::Metrics;
use crate::visitor::Newcomer;

/// Whether this program has lanes.
pub(crate) const IS_BUILT: bool = true;

/// The lane of this thread, shared by its tasks.
#[derive(Clone)]
pub(crate) struct Lane(Rc<RefCell<State>>);

/// What a lane is told about how to treat its clients.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) write_deadline: Duration,
    pub(crate) idle_timeout: Duration,
    /// The lines of a head that keep a connection open.
    pub(crate) keep_alive: Bytes,
    pub(crate) max_head: usize,
    pub(crate) drain: Duration,
}

struct State {
    hub: Hub,
    manners: Manners,
    metrics: Metrics,
    reception: Reception,
    connections: Slab<Connection>,
    groups: Groups,
    sender: Sender,
    outgoing: Outgoing,
    /// Up to here the lane has served everyone who can keep up.
    seen: Cursor,
    /// The lane wants everything; what matches whom is the groups' business.
    everything: Interest,
    /// Clients whose position is one that another hub has given out, and this one has not come to yet.
    ahead: BTreeSet<usize>,
    awaited: Awaited,
    waiter: Waiter,
    epoll: Epoll,
    /// Whether the system has no more connections to give at the moment.
    is_out_of_descriptors: bool,
    /// Whether more connections may wait outside than one turn takes in.
    has_callers: bool,
    /// What the last look at epoll found.
    found: Vec<Ready>,
    timers: Timers,
    /// Connections with more to do than one turn allows them. Each is in it at most once.
    busy: VecDeque<usize>,
    /// Borrowed by whichever connection is read at the moment.
    read_buffer: Box<[u8]>,
    /// Wakes the driver when a task outside of it has left work.
    waker: Option<Waker>,
    drain: Option<Drain>,
}

/// How often one turn looks at epoll before the rest of the thread has its turn.
const LOOKS_PER_TURN: usize = 4;

/// How many busy connections one turn serves before others of the thread have theirs.
const BUSY_PER_TURN: usize = 256;

impl Lane {
    pub(crate) fn new(
        hub: Hub,
        manners: Manners,
        metrics: Metrics,
        reception: Reception,
        epoll: Epoll,
        sender: Sender,
    ) -> Self {
        let everything = Interest::new(every_topic());
        let state = State {
            seen: Cursor::at(hub.log().head()),
            waiter: hub.waiter(),
            groups: Groups::new(manners.keep_alive.clone()),
            manners,
            metrics,
            reception,
            connections: Slab::new(),
            sender,
            outgoing: Outgoing::default(),
            everything,
            ahead: BTreeSet::new(),
            awaited: Awaited::default(),
            epoll,
            is_out_of_descriptors: false,
            has_callers: false,
            found: Vec::new(),
            timers: Timers::new(hub.heartbeat().interval),
            busy: VecDeque::new(),
            read_buffer: vec![0; 64 << 10].into_boxed_slice(),
            waker: None,
            drain: None,
            hub,
        };
        Self(Rc::new(RefCell::new(state)))
    }

    /// Takes a client in that hyper has read. What it must be told first is written at once.
    pub(crate) fn join(&self, newcomer: Newcomer) {
        let mut state = self.0.borrow_mut();
        state.timers.look_at_the_clock();
        state.join(newcomer);
        state.wake();
    }

    /// Returns the number of connections.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().connections.len()
    }

    /// Takes a connection back whose request hyper has read and which is open for the next one, with what has
    /// come of that.
    pub(crate) fn take_back(
        &self,
        socket: std::net::TcpStream,
        connected: Connected,
        early: &[u8],
    ) {
        let mut state = self.0.borrow_mut();
        state.timers.look_at_the_clock();
        state.take_back(socket, connected, early);
        state.wake();
    }

    /// Serves the lane until the hub is closed and the last connection is gone.
    pub(crate) async fn drive(self) -> io::Result<()> {
        poll_fn(|context| self.0.borrow_mut().turn(context)).await
    }
}

impl State {
    /// One turn: everything that is there to do now, each kind in bounded portions.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waker = Some(context.waker().clone());
        self.timers.look_at_the_clock();
        // Registered before the look, so that an entry that comes during the pass wakes us again.
        self.waiter.register(context);
        self.take_handed(context);
        // Before the pass, so that what many have published goes out together.
        self.sockets(context)?;
        self.pass();
        self.come_to_those_ahead();
        self.take_outcomes(context);
        self.catch_up();
        if std::mem::take(&mut self.has_callers) {
            self.accept();
        }
        self.groups.sweep();
        if self.drained(context) {
            return Poll::Ready(Ok(()));
        }
        // Last, so that no timer is set behind it that it does not know of.
        self.expired(context);
        if self.drain.is_some() && self.connections.is_empty() {
            context.waker().wake_by_ref();
        }
        if !self.busy.is_empty() || self.has_callers || self.awaited.has_new() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Looks at the sockets that epoll names.
    fn sockets(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..LOOKS_PER_TURN {
            let Poll::Ready(looked) = self.epoll.poll(context, &mut self.found) else {
                return Ok(());
            };
            looked?;
            let mut found = std::mem::take(&mut self.found);
            for Ready { key, is_readable, is_closed, is_writable, is_broken } in found.drain(..) {
                if key == LISTENER {
                    self.accept();
                    continue;
                }
                if is_broken && self.connections.get(key).is_some_and(|one| one.is_half_closed) {
                    self.remove(key);
                    continue;
                }
                if is_readable {
                    self.read(key, is_closed);
                }
                if is_writable {
                    self.write(key);
                }
            }
            self.found = found;
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    /// Serves some of those who had more to do than their last turn allowed.
    fn catch_up(&mut self) {
        for _ in 0..self.busy.len().min(BUSY_PER_TURN) {
            let Some(key) = self.busy.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_busy = false;
                self.read(key, true);
                self.write(key);
            }
        }
    }

    /// Comes back to this connection in the next turn.
    fn keep_busy(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.is_busy, true)
        {
            self.busy.push_back(key);
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn position(&self) -> Id {
        self.seen.position()
    }
}

fn every_topic() -> tidings_core::Filters {
    ">".parse().unwrap_or_else(|_| unreachable!("> is a filter"))
}
