//! The loop: one thread, one epoll, everything that is connected.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::clock::Clock;
use super::control::Control;
use super::crowd::Crowd;
use super::failure::Failure;
use super::publisher::{PUBLISHERS, Publishers};
use super::requests::Requests;
use super::score::Score;
use super::socket::Intake;
use super::stamp::Run;
use crate::protocol::Setup;

/// The keys that neither a client nor a publisher has.
const STDIN: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// The most sockets that one turn attends to.
const EVENTS_PER_TURN: usize = 1024;

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
    pub(crate) fn new(setup: &Setup, control: Control) -> Result<Self, Failure> {
        let run = Run::random();
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Failure::to("make an epoll"))?;
        epoll::add(&epoll, rustix::stdio::stdin(), EventData::new_u64(STDIN), EventFlags::IN)
            .map_err(Failure::to("wait for standard input, which must be a pipe"))?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
            .map_err(Failure::to("make a timer"))?;
        // Edge-triggered: it is not read.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)
            .map_err(Failure::to("wait for a timer"))?;
        let requests = Requests::new(setup, run)?;
        let shared = epoll.try_clone().map_err(Failure::to("share the epoll"))?;
        let publishers =
            Publishers::connect(&requests, run, setup.publishers, setup.payload, shared)?;
        let mut load = Self {
            clock: Clock::start(),
            crowd: Crowd::new(requests, setup.clients, setup.own_topics, run),
            publishers,
            score: Score::default(),
            clients: setup.clients,
            epoll,
            timer,
            armed: NEVER,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            control,
            intake: Intake::new(),
            patience: (setup.patience * 1e9) as u64,
        };
        if !load.wait_until(|load| load.publishers.is_ready())? {
            return Err(Failure::new("the server does not answer the publishers"));
        }
        Ok(load)
    }

    /// Serves until `is_done`. Returns `false` if nothing has happened for as long as the load waits for a server.
    pub(crate) fn wait_until(&mut self, is_done: impl Fn(&Self) -> bool) -> Result<bool, Failure> {
        let (mut before, mut deadline) = (self.progress(), self.clock.now() + self.patience);
        while !is_done(self) {
            let now = self.clock.now();
            if now >= deadline {
                let progress = self.progress();
                if progress == before {
                    return Ok(false);
                }
                (before, deadline) = (progress, now + self.patience);
            }
            self.turn(deadline)?;
        }
        Ok(true)
    }

    /// Returns a number that changes if a client is answered or receives something, or a publish is answered.
    fn progress(&self) -> u64 {
        let Self { crowd, score, .. } = self;
        crowd.ready as u64 + score.deliveries + score.answered.count()
    }

    /// Serves until `end`.
    pub(crate) fn serve_until(&mut self, end: u64) -> Result<(), Failure> {
        while self.clock.now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Connects clients until `count` of them are answered. At most `concurrency` of them wait for that at the same time.
    pub(crate) fn gather(&mut self, count: usize, concurrency: usize) -> Result<(), Failure> {
        while self.crowd.ready < count {
            let before = self.crowd.ready;
            while self.crowd.size() < count.min(before + concurrency) {
                self.crowd.open(&self.epoll, &self.score)?;
            }
            self.wait_until(|load| load.crowd.ready > before || load.crowd.reason.is_some())?;
            let ready = self.crowd.ready;
            if let Some(reason) = &self.crowd.reason {
                let line = format_args!("{ready} of {count} clients were answered, then {reason}");
                return Err(Failure::new(line));
            }
            if ready == before {
                return Err(Failure::new(format_args!(
                    "only {ready} of {count} clients were answered in time: use fewer clients"
                )));
            }
        }
        Ok(())
    }

    /// Waits until all publishes are answered and every client has what is meant for it, or until nothing arrives any
    /// more.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        self.wait_until(|load| load.publishers.is_done() && load.score.outstanding == 0)?;
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
                if self.control.has_ended() {
                    // Its end would be reported again and again.
                    epoll::delete(&self.epoll, rustix::stdio::stdin())
                        .map_err(Failure::to("forget standard input"))?;
                }
            } else if key != TIMER {
                let index = (key - PUBLISHERS) as u16;
                publishers.attend(index, intake, score, self.clock)?;
            }
        }
        self.events = events;
        self.publishers.advance(&self.crowd, &mut self.score, self.clock.now())
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
}
