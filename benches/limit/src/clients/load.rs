//! The loop: one thread, one epoll, everything that is connected.

use std::net::SocketAddr;
use std::ops::Range;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::clients::clock::{self, Clock};
use crate::clients::control::{self, Control};
use crate::clients::crowd::{Crowd, INTEREST};
use crate::clients::failure::Failure;
use crate::clients::publisher::Publisher;
use crate::clients::report::Report;
use crate::clients::requests::{Requests, Transport};
use crate::clients::score::Score;
use crate::clients::socket::{Intake, Route};
use crate::clients::stamp::Run;

/// The keys that no client has.
const STDIN: u64 = u64::MAX;
const PUBLISHER: u64 = u64::MAX - 1;

/// How many sockets one turn attends to at most.
const TURN: usize = 1024;

/// When something must be that has no limit.
pub(crate) const NEVER: u64 = u64::MAX;

/// What a scenario wants of the load.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) clients: usize,
    /// How long a payload is.
    pub(crate) payload: usize,
    /// How long, in nanoseconds, what is not there yet is waited for.
    pub(crate) patience: u64,
    /// How many publishes there will be, the warm-up aside.
    pub(crate) publishes: u64,
    /// How many publishes may be unanswered.
    pub(crate) window: u64,
    /// How many topics the clients are spread over.
    pub(crate) topics: u64,
    /// Clients ask for all that the server still has.
    pub(crate) earliest: bool,
    /// Answered polls are renewed.
    pub(crate) renew: bool,
    /// The receive buffer that clients ask for, in bytes.
    pub(crate) receive_buffer: Option<usize>,
}

/// Everything there is.
pub(crate) struct Load {
    pub(crate) clock: Clock,
    pub(crate) crowd: Crowd,
    pub(crate) publisher: Publisher,
    pub(crate) score: Score,
    pub(crate) epoll: OwnedFd,
    events: Vec<Event>,
    control: Control,
    intake: Intake,
    clients: usize,
    patience: u64,
}

/// Where a measured part began.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) start: u64,
    cpu: u64,
    due: u64,
}

impl Load {
    /// Connects the publisher, and nobody else yet.
    pub(crate) fn new(plan: &Plan) -> Result<Self, Failure> {
        let run = Run::random();
        let Plan { server, transport, topics, earliest, renew, .. } = *plan;
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Failure::to("make an epoll"))?;
        epoll::add(&epoll, rustix::stdio::stdin(), EventData::new_u64(STDIN), EventFlags::IN)
            .map_err(|error| {
                Failure::new(format_args!("stdin must be a pipe or a terminal: {error}"))
            })?;
        let publisher = Publisher::connect(server, run, plan.payload, plan.window)?;
        epoll::add(&epoll, &publisher.socket, EventData::new_u64(PUBLISHER), INTEREST)
            .map_err(Failure::to("wait for answers"))?;
        let requests = Requests { transport, host: server, topics, earliest, renew };
        let route = Route::new(server, run.seed());
        Ok(Self {
            clock: Clock::start(),
            crowd: Crowd::new(requests, plan.clients, route, run, plan.receive_buffer),
            publisher,
            score: Score::new(plan.publishes + plan.topics),
            epoll,
            events: Vec::with_capacity(TURN),
            control: Control::default(),
            intake: Intake::new(),
            clients: plan.clients,
            patience: plan.patience,
        })
    }

    /// When patience ends that begins now.
    pub(crate) fn deadline(&self) -> u64 {
        self.clock.now() + self.patience
    }

    /// Connects all clients, at most `concurrency` of them at once on their way to their first answer.
    pub(crate) fn gather(&mut self, concurrency: usize) -> Result<(), Failure> {
        let deadline = self.deadline();
        while self.crowd.ready < self.clients {
            while self.crowd.size() < self.clients.min(self.crowd.ready + concurrency) {
                self.crowd.open(&self.epoll)?;
            }
            self.turn(deadline)?;
            self.require_all("answered", self.crowd.ready, deadline)?;
        }
        Ok(())
    }

    /// Connects all clients at once, and has nobody ask before all are connected.
    pub(crate) fn throng(&mut self) -> Result<(), Failure> {
        let deadline = self.deadline();
        self.crowd.eager = false;
        for _ in 0..self.clients {
            self.crowd.open(&self.epoll)?;
        }
        while self.crowd.connected < self.clients {
            self.turn(deadline)?;
            self.require_all("connected", self.crowd.connected, deadline)?;
        }
        Ok(())
    }

    /// Begins a part of the run, in which these publishes are due to everyone.
    pub(crate) fn begin(&mut self, publishes: Range<u64>) -> Part {
        self.crowd.begin(publishes, &mut self.score);
        self.publisher.begin();
        Part { start: self.clock.now(), cpu: clock::cpu(), due: self.score.due }
    }

    /// Publishes `count` as the window allows.
    pub(crate) fn pipeline(&mut self, count: u64) -> Result<(), Failure> {
        let now = self.clock.now();
        self.publisher.pipeline(count, &self.crowd.requests, &mut self.score, now)
    }

    /// Publishes `count` at once, which the schedule meant for `intended`.
    pub(crate) fn burst(&mut self, count: u64, intended: u64) -> Result<(), Failure> {
        self.publisher.burst(count, &self.crowd.requests, &mut self.score, intended)
    }

    /// Waits until all publishes are answered and everyone has what is due, or until the deadline.
    pub(crate) fn settle(&mut self, deadline: u64) -> Result<(), Failure> {
        while !(self.publisher.is_done() && self.score.due == 0) && self.clock.now() < deadline {
            self.turn(deadline)?;
        }
        Ok(())
    }

    /// Serves until the parent's next line.
    pub(crate) fn wait_for_line(&mut self) -> Result<(), Failure> {
        while !self.control.take_line() {
            if self.control.ended {
                return Err(Failure::new(
                    "stdin ended where a line was waited for; say `go` on it",
                ));
            }
            self.turn(NEVER)?;
        }
        Ok(())
    }

    /// Serves until the parent's next line, the end of stdin, or then, whichever is first.
    pub(crate) fn linger(&mut self, until: u64) -> Result<(), Failure> {
        while !self.control.take_line() && !self.control.ended && self.clock.now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// Ends a part: tells what came of it, with latencies where they mean something.
    pub(crate) fn end(&self, part: &Part, latencies: bool) -> Result<(), Failure> {
        let crowd = &self.crowd;
        if let Some(reason) = &crowd.reason {
            let (gone, all) = (crowd.gone, self.clients);
            eprintln!("tidings-load: {gone} of {all} clients are lost, the first because {reason}");
        }
        let quantile = |share| latencies.then(|| self.score.quantile(share)).flatten();
        let report = Report {
            deliveries: self.score.deliveries,
            lost: part.due - self.score.deliveries,
            duplicated: self.score.duplicated,
            reordered: self.score.reordered,
            publishes: self.publisher.answered,
            connections: crowd.ready as u64,
            requests: crowd.asked + self.publisher.answered,
            bytes: crowd.bytes,
            wall_ns: self.clock.now() - part.start,
            cpu_ns: clock::cpu() - part.cpu,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
        };
        control::tell(serde_json::to_string(&report).map_err(Failure::to("write the result"))?)
    }

    /// Attends to all that is ready; waits for something to be until then, at most.
    pub(crate) fn turn(&mut self, until: u64) -> Result<(), Failure> {
        let wait = (until != NEVER).then(|| {
            let wait = until.saturating_sub(self.clock.now());
            let (seconds, rest) = (wait / 1_000_000_000, wait % 1_000_000_000);
            Timespec { tv_sec: seconds as i64, tv_nsec: rest as i64 }
        });
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::to("wait for sockets")(error)),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                STDIN => self.hear_parent()?,
                PUBLISHER => {
                    let now = self.clock.now();
                    let requests = &self.crowd.requests;
                    self.publisher.attend(&mut self.intake, requests, &mut self.score, now)?;
                }
                client => {
                    let index = client as usize;
                    self.crowd.attend(index, &mut self.intake, &mut self.score, self.clock);
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn hear_parent(&mut self) -> Result<(), Failure> {
        self.control.read()?;
        if self.control.ended {
            // The end would be told again for ever.
            epoll::delete(&self.epoll, rustix::stdio::stdin())
                .map_err(Failure::to("leave stdin"))?;
        }
        Ok(())
    }

    fn require_all(&self, what: &str, count: usize, deadline: u64) -> Result<(), Failure> {
        let all = self.clients;
        if let Some(reason) = &self.crowd.reason {
            return Err(Failure::new(format_args!(
                "{count} of {all} clients {what}, then {reason}"
            )));
        }
        if count < all && self.clock.now() >= deadline {
            return Err(Failure::new(format_args!(
                "only {count} of {all} clients {what}; give it more --patience or fewer --clients"
            )));
        }
        Ok(())
    }
}
