//! The event loop: one thread and one epoll for all connections.

use std::rc::Rc;

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::crowd::Crowd;
use super::publisher::{PUBLISHERS, Publishers};
use super::requests::Requests;
use super::score::Score;
use super::session_event::SessionEvent;
use super::socket::Intake;
use super::stamp::Run;
use crate::protocol::Setup;

/// Keys of the epoll that belong to neither a client nor a publisher.
const STDIN: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// The most sockets that one turn serves.
const EVENTS_PER_TURN: usize = 1024;

/// A time that never comes.
const NEVER: u64 = u64::MAX;

/// The state of a load.
pub(crate) struct Load {
    pub(crate) crowd: Crowd,
    pub(crate) publishers: Publishers,
    pub(crate) score: Score,
    pub(crate) clients: usize,
    /// The start of the current stage.
    pub(crate) began: u64,
    epoll: Rc<OwnedFd>,
    /// The timer that ends a wait. The timeout of epoll has a resolution of a millisecond, which would delay publishes.
    timer: OwnedFd,
    /// The time of the timer.
    armed: u64,
    events: Vec<Event>,
    /// `true` if the last turn may have left events in the epoll.
    is_full: bool,
    /// The events of clients by WebTransport.
    session_events: Vec<SessionEvent>,
    /// Whether standard input has a line or has ended.
    has_input: bool,
    intake: Intake,
    patience: u64,
}

impl Load {
    /// Connects the publishers. No client is connected yet.
    pub(crate) fn new(setup: &Setup) -> anyhow::Result<Self> {
        let run = Run::random();
        let epoll = Rc::new(epoll::create(CreateFlags::CLOEXEC).context("cannot create an epoll")?);
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
            .context("cannot create a timer")?;
        // Edge-triggered, because it is never read.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)
            .context("cannot wait for a timer")?;
        let requests = Requests::new(setup, run)?;
        let intake = Intake::new(run);
        let mut load = Self {
            publishers: Publishers::connect(setup, &requests, epoll.clone())?,
            crowd: Crowd::new(requests, setup, epoll.clone(), intake.began)?,
            score: Score::default(),
            clients: setup.clients,
            began: 0,
            epoll,
            timer,
            armed: NEVER,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            has_input: false,
            is_full: false,
            session_events: Vec::new(),
            intake,
            patience: (setup.patience * 1e9) as u64,
        };
        if !load.wait_until(|load| load.publishers.is_ready())? {
            bail!("the server does not respond to the publishers");
        }
        Ok(load)
    }

    pub(crate) fn now(&self) -> u64 {
        self.intake.now()
    }

    /// Publishes a notification that was scheduled for this time, as soon as a publisher is idle.
    pub(crate) fn publish_one(&mut self, intended: u64) -> anyhow::Result<()> {
        let now = self.now();
        self.publishers.publish(intended, &self.crowd, &mut self.score, now)
    }

    /// Serves until `is_done`. Returns `false` if there is no progress for as long as the load waits for a server.
    pub(crate) fn wait_until(&mut self, is_done: impl Fn(&Self) -> bool) -> anyhow::Result<bool> {
        let (mut before, mut deadline) = (self.progress(), self.now() + self.patience);
        while !is_done(self) {
            let now = self.now();
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

    /// A number that changes when a client is answered or receives something, and when a publish is answered.
    fn progress(&self) -> u64 {
        let Self { crowd, score, .. } = self;
        crowd.ready as u64 + score.deliveries + score.answered.count()
    }

    /// Serves until `end`.
    pub(crate) fn serve_until(&mut self, end: u64) -> anyhow::Result<()> {
        while self.now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Connects clients until `count` of them are answered. At most `concurrency` handshakes are open at the same time.
    ///
    /// # Errors
    /// Fails if a client is rejected or disconnected, or the server stops responding.
    pub(crate) fn gather(&mut self, count: usize, concurrency: usize) -> anyhow::Result<()> {
        while self.crowd.ready < count {
            let before = self.crowd.ready;
            while self.crowd.size() < count.min(before + concurrency) {
                self.crowd.open(&self.score, self.intake.now())?;
            }
            self.wait_until(|load| load.crowd.ready > before || load.crowd.reason.is_some())?;
            let ready = self.crowd.ready;
            if let Some(reason) = &self.crowd.reason {
                bail!("{ready} of {count} clients got a response, then {reason}");
            }
            if ready == before {
                bail!("only {ready} of {count} clients got a response in time, use fewer clients");
            }
        }
        Ok(())
    }

    /// Waits until all publishes are answered and every client has received everything that is meant for it, or until
    /// nothing arrives any longer.
    ///
    /// # Errors
    /// Fails if a publish is not answered. A notification that is not delivered is counted as lost instead.
    pub(crate) fn settle(&mut self) -> anyhow::Result<()> {
        self.wait_until(|load| load.publishers.is_done() && load.score.outstanding == 0)?;
        if !self.publishers.is_done() && !self.publishers.give_up() {
            bail!("the server did not respond to all publishes in time");
        }
        Ok(())
    }

    /// Serves until standard input has a line or has ended.
    pub(crate) fn wait_for_input(&mut self) -> anyhow::Result<()> {
        let stdin = rustix::stdio::stdin();
        epoll::add(&self.epoll, stdin, EventData::new_u64(STDIN), EventFlags::IN)
            .context("cannot wait for standard input, which must be a pipe")?;
        self.has_input = false;
        while !self.has_input {
            self.turn(NEVER)?;
        }
        // The end of standard input would be reported repeatedly during a stage.
        epoll::delete(&self.epoll, stdin).context("cannot stop waiting for standard input")
    }

    /// Serves all connections that are ready. Waits for one until `until` at the latest.
    pub(crate) fn turn(&mut self, until: u64) -> anyhow::Result<()> {
        let now = self.now();
        let mut no_wait = (until <= now).then(Timespec::default);
        if no_wait.is_none() && until != self.armed {
            self.arm(until, now)?;
        }
        if let Some(quic) = &mut self.crowd.quic {
            // If the last turn has left events, the epoll does not announce them again.
            let waits = no_wait.is_none() && !self.is_full;
            quic.run(waits, &mut self.session_events).context("cannot wait for sessions")?;
            for event in self.session_events.drain(..) {
                self.crowd.on_session_event(event, self.intake.run, &mut self.score);
            }
            no_wait = Some(Timespec::default());
        }
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), no_wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for sockets"),
        }
        self.is_full = events.len() == EVENTS_PER_TURN;
        for event in events.drain(..) {
            let Self { crowd, publishers, score, intake, .. } = self;
            let flags = event.flags;
            intake.is_ending = flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
            match event.data.u64() {
                STDIN => self.has_input = true,
                TIMER => {}
                key if key < PUBLISHERS => crowd.attend(key as usize, intake, score),
                key => publishers.attend((key - PUBLISHERS) as u16, intake, score)?,
            }
        }
        self.events = events;
        let now = self.now();
        if let Some(ids) = &self.publishers.ids {
            self.crowd.move_clients(ids, now)?;
        }
        self.publishers.advance(&self.crowd, &mut self.score, now)
    }

    /// Sets the timer, or stops it for [`NEVER`].
    fn arm(&mut self, until: u64, now: u64) -> anyhow::Result<()> {
        let wait = if until == NEVER { 0 } else { until - now };
        let (seconds, rest) = (wait / 1_000_000_000, wait % 1_000_000_000);
        let it_value = Timespec { tv_sec: seconds as i64, tv_nsec: rest as i64 };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .context("cannot set the timer")?;
        self.armed = until;
        Ok(())
    }
}
