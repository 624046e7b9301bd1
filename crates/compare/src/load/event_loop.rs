//! The loop: one thread, one epoll, everything that is connected.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::clock::Clock;
use super::control::Control;
use super::crowd::{Crowd, INTEREST};
use super::failure::Failure;
use super::publisher::Publishers;
use super::requests::Requests;
use super::score::Score;
use super::socket::Intake;
use super::stamp::Run;
use crate::protocol::Setup;

/// The keys that no client has. Publishers have those from [`PUBLISHERS`] on.
const STDIN: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const PUBLISHERS: u64 = 1 << 32;

/// The most sockets that one turn attends to.
const TURN: usize = 1024;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Everything that a load has running.
pub(crate) struct Load {
    pub(crate) clock: Clock,
    pub(crate) crowd: Crowd,
    pub(crate) publishers: Publishers,
    pub(crate) score: Score,
    pub(crate) clients: usize,
    epoll: OwnedFd,
    /// Ends a wait. The time limit of epoll itself is in whole milliseconds, so every publish would be late.
    timer: OwnedFd,
    /// The time of the timer.
    armed: u64,
    events: Vec<Event>,
    control: Control,
    intake: Intake,
    patience: u64,
}

impl Load {
    /// Connects the publishers. No client is connected yet.
    pub(crate) fn new(setup: Setup, control: Control) -> Result<Self, Failure> {
        let run = Run::random();
        let Setup { transport, clients, publishers, payload, own_topics, patience, .. } = setup;
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Failure::to("make an epoll"))?;
        epoll::add(&epoll, rustix::stdio::stdin(), EventData::new_u64(STDIN), EventFlags::IN)
            .map_err(Failure::to("wait for standard input, which must be a pipe"))?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
            .map_err(Failure::to("make a timer"))?;
        // Edge-triggered: it is not read.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)
            .map_err(Failure::to("wait for a timer"))?;
        let topics = if own_topics { clients as u64 } else { 1 };
        let requests = Requests::new(transport, &setup.urls, setup.headers, run, topics)?;
        let crowd = Crowd::new(requests, clients, own_topics, run);
        let publishers = Publishers::connect(&crowd, run, publishers, payload)?;
        for (index, socket) in publishers.sockets() {
            let data = EventData::new_u64(PUBLISHERS + index);
            epoll::add(&epoll, socket, data, INTEREST)
                .map_err(Failure::to("wait for responses"))?;
        }
        let mut load = Self {
            clock: Clock::start(),
            crowd,
            publishers,
            score: Score::new(),
            clients,
            epoll,
            timer,
            armed: NEVER,
            events: Vec::with_capacity(TURN),
            control,
            intake: Intake::new(),
            patience: (patience * 1e9) as u64,
        };
        let deadline = load.deadline();
        while !load.publishers.is_ready() {
            load.turn(deadline)?;
            if load.clock.now() >= deadline {
                return Err(Failure::new("the server does not answer the publishers"));
            }
        }
        Ok(load)
    }

    /// Returns the end of a wait that begins now.
    pub(crate) fn deadline(&self) -> u64 {
        self.clock.now() + self.patience
    }

    /// Connects clients until there are `count`. At most `concurrency` of them wait for their first response at the
    /// same time.
    pub(crate) fn gather(&mut self, count: usize, concurrency: usize) -> Result<(), Failure> {
        let deadline = self.deadline();
        while self.crowd.ready < count {
            while self.crowd.size() < count.min(self.crowd.ready + concurrency) {
                self.crowd.open(&self.epoll, &self.score)?;
            }
            self.turn(deadline)?;
            self.require_all("answered", self.crowd.ready, count, deadline)?;
        }
        Ok(())
    }

    /// Connects all clients at the same time. None of them subscribes yet.
    pub(crate) fn connect_all(&mut self) -> Result<(), Failure> {
        let deadline = self.deadline();
        self.crowd.is_eager = false;
        for _ in 0..self.clients {
            self.crowd.open(&self.epoll, &self.score)?;
        }
        while self.crowd.connected < self.clients {
            self.turn(deadline)?;
            self.require_all("connected", self.crowd.connected, self.clients, deadline)?;
        }
        Ok(())
    }

    /// Waits until all publishes are answered and every client has what is meant for it, or until the deadline.
    pub(crate) fn settle(&mut self, deadline: u64) -> Result<(), Failure> {
        while !(self.publishers.is_done() && self.score.due == 0) && self.clock.now() < deadline {
            self.turn(deadline)?;
        }
        // A notification that is not delivered is a loss. A publish that is not answered is a failure.
        if self.publishers.is_done() || self.publishers.give_up() {
            return Ok(());
        }
        Err(Failure::new("the server did not answer all publishes in time"))
    }

    /// Serves until the parent's next line. Returns `None` at the end of standard input.
    pub(crate) fn wait_for_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(line) = self.control.take_line() {
                return Ok(Some(line));
            }
            if self.control.has_ended() {
                return Ok(None);
            }
            self.turn(NEVER)?;
        }
    }

    /// Attends to all that is ready. Waits for that until `until` at most.
    pub(crate) fn turn(&mut self, until: u64) -> Result<(), Failure> {
        let now = self.clock.now();
        let no_wait = (until <= now).then(Timespec::default);
        if no_wait.is_none() && until != self.armed {
            self.arm(until, now)?;
        }
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), no_wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::to("wait for sockets")(error)),
        }
        for event in events.drain(..) {
            let key = event.data.u64();
            let Self { crowd, publishers, score, intake, .. } = self;
            if key < PUBLISHERS {
                crowd.attend(key as usize, intake, score, self.clock);
            } else if key == STDIN {
                self.control.read()?;
            } else if key != TIMER {
                let index = (key - PUBLISHERS) as u16;
                publishers.attend(index, intake, crowd, score, self.clock.now())?;
            }
        }
        self.events = events;
        self.publishers.take_complete(&self.crowd, &mut self.score, self.clock.now())
    }

    /// Sets the timer, or stops it if `until` never comes.
    fn arm(&mut self, until: u64, now: u64) -> Result<(), Failure> {
        let wait = if until == NEVER { 0 } else { until - now };
        let (seconds, rest) = (wait / 1_000_000_000, wait % 1_000_000_000);
        let it_value = Timespec { tv_sec: seconds as i64, tv_nsec: rest as i64 };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .map_err(Failure::to("set the timer"))?;
        self.armed = until;
        Ok(())
    }

    fn require_all(
        &self,
        what: &str,
        count: usize,
        all: usize,
        deadline: u64,
    ) -> Result<(), Failure> {
        if let Some(reason) = &self.crowd.reason {
            return Err(Failure::new(format_args!(
                "{count} of {all} clients were {what}, then {reason}"
            )));
        }
        if count < all && self.clock.now() >= deadline {
            return Err(Failure::new(format_args!(
                "only {count} of {all} clients were {what} in time: use fewer clients"
            )));
        }
        Ok(())
    }
}
