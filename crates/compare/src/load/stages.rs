//! The commands of the parent, each from top to bottom as it happens.

use super::event_loop::Load;
use super::failure::Failure;
use crate::protocol::{Command, Outcome};

/// Handshakes at the same time: enough to keep a server busy, few enough for any listen backlog.
const AT_ONCE: usize = 64;

/// Clients of the rehearsal, and its notifications, which may be for one client each. They are few, because the memory
/// of a client is what the server needs more after the rehearsal.
const REHEARSAL: usize = 4;

/// Time between the start of a stage and its first publish, so that no publish is late from the start.
const LEAD_TIME: u64 = 10_000_000;

impl Load {
    /// Carries out a command.
    pub(crate) fn run(&mut self, command: Command) -> Result<Outcome, Failure> {
        match command {
            Command::Rehearse => self.rehearse(),
            Command::Connect => self.connect(),
            Command::Publish { rate, burst, seconds } => self.publish(rate, burst, seconds),
            Command::Saturate { seconds } => self.saturate(seconds),
            Command::Fill { count } => self.fill(count),
            Command::Resume => self.resume(),
            Command::Watch { seconds } => self.watch(seconds),
        }
    }

    fn rehearse(&mut self) -> Result<Outcome, Failure> {
        let start = self.begin(false, false);
        self.crowd.requests.set_topic("rehearsal");
        self.gather(REHEARSAL.min(self.clients), REHEARSAL)?;
        for _ in 0..REHEARSAL {
            let now = self.clock.now();
            self.publishers.publish(now, &self.crowd, &mut self.score, now)?;
        }
        self.settle()?;
        let outcome = self.end(start, 0);
        if outcome.lost > 0 {
            let reason = match &self.crowd.reason {
                Some(reason) => format!(": {reason}"),
                None => String::new(),
            };
            return Err(Failure::new(format_args!(
                "the first notifications did not arrive{reason}"
            )));
        }
        self.crowd.clear();
        self.crowd.requests.set_topic("compare");
        Ok(outcome)
    }

    fn connect(&mut self) -> Result<Outcome, Failure> {
        let start = self.begin(false, false);
        self.gather(self.clients, AT_ONCE)?;
        self.score.last = self.clock.now();
        Ok(self.end(start, 0))
    }

    fn publish(&mut self, rate: f64, burst: usize, seconds: f64) -> Result<Outcome, Failure> {
        let start = self.begin(true, false) + LEAD_TIME;
        let period = burst as f64 * 1e9 / rate;
        // A little more, so that 40 a second for 2.5 s are a hundred in spite of rounding.
        let bursts = (rate * seconds / burst as f64 + 1e-6) as u64;
        for index in 0..bursts {
            // From the start, so that delays do not add up.
            let at = start + (index as f64 * period) as u64;
            self.serve_until(at)?;
            for _ in 0..burst {
                let now = self.clock.now();
                self.publishers.publish(at, &self.crowd, &mut self.score, now)?;
            }
        }
        self.settle()?;
        Ok(self.end(start, (bursts as f64 * period) as u64))
    }

    fn saturate(&mut self, seconds: f64) -> Result<Outcome, Failure> {
        let start = self.begin(false, true);
        let end = start + (seconds * 1e9) as u64;
        loop {
            let now = self.clock.now();
            if now >= end {
                break;
            }
            for _ in 0..self.publishers.idle() {
                self.publishers.publish(now, &self.crowd, &mut self.score, now)?;
            }
            self.turn(end)?;
        }
        self.settle()?;
        Ok(self.end(start, 0))
    }

    fn fill(&mut self, count: u64) -> Result<Outcome, Failure> {
        let start = self.begin(false, false);
        self.score.begin_log();
        for _ in 0..count {
            if !self.wait_until(|load| load.publishers.idle() > 0)? {
                return Err(Failure::new("the server did not answer all publishes in time"));
            }
            let now = self.clock.now();
            self.publishers.publish(now, &self.crowd, &mut self.score, now)?;
        }
        self.settle()?;
        Ok(self.end(start, 0))
    }

    fn resume(&mut self) -> Result<Outcome, Failure> {
        self.crowd.requests.from_start = true;
        let start = self.begin(false, false);
        self.score.begin_resume(self.clients);
        // All at the same time.
        self.gather(self.clients, self.clients)?;
        self.settle()?;
        Ok(self.end(start, 0))
    }

    fn watch(&mut self, seconds: f64) -> Result<Outcome, Failure> {
        let start = self.begin(false, false);
        let before = self.crowd.ready;
        let schedule = (seconds * 1e9) as u64;
        self.serve_until(start + schedule)?;
        let (ready, reason) = (self.crowd.ready, &self.crowd.reason);
        match reason {
            Some(reason) if ready < before => Err(Failure::new(format_args!(
                "{} of {before} clients lost their connection; the first: {reason}",
                before - ready
            ))),
            _ => Ok(self.end(start, schedule)),
        }
    }

    /// Begins a stage and returns the time. Duplicates that have arrived since the last stage count to this one.
    fn begin(&mut self, is_timed: bool, wait_for_delivery: bool) -> u64 {
        self.score.begin(is_timed);
        self.publishers.wait_for_delivery = wait_for_delivery;
        (self.crowd.received, self.crowd.sent) = (0, 0);
        self.clock.now()
    }

    fn end(&mut self, start: u64, schedule: u64) -> Outcome {
        let (score, crowd) = (&self.score, &self.crowd);
        let outcome = Outcome {
            connections: crowd.ready as u64,
            published: score.published(),
            deliveries: score.deliveries,
            lost: score.expected.saturating_sub(score.deliveries),
            duplicated: score.duplicated,
            reordered: score.reordered,
            requests: score.requests,
            received_bytes: crowd.received,
            sent_bytes: crowd.sent,
            seconds: score.last.saturating_sub(start).max(schedule) as f64 / 1e9,
            latency: score.latency.summary(),
            late: score.late.summary().filter(|_| schedule > 0),
            answered: score.answered.summary().filter(|_| schedule > 0),
            first_ending: crowd.reason.as_ref().map(ToString::to_string),
        };
        self.score.end();
        outcome
    }
}
