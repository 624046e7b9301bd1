//! The commands of the parent.

use anyhow::{bail, ensure};

use super::event_loop::Load;
use super::session_event::Traffic;
use crate::protocol::{Command, Outcome};

/// The number of clients of the rehearsal, and of its notifications, each of which may be for only one client. There
/// are few, because the memory of a client is measured as the growth after the rehearsal.
const REHEARSAL: usize = 4;

/// The time between the start of a stage and its first publish, so that the first publish is not late.
const LEAD_TIME: u64 = 10_000_000;

impl Load {
    /// Runs a command. Duplicates and reordered notifications since the previous command count for this one.
    ///
    /// # Errors
    /// Fails if clients or publishers are rejected, disconnected or not answered.
    pub(crate) fn run(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.score
            .begin(matches!(command, Command::Publish { .. } | Command::RollingRestart { .. }));
        self.publishers.wait_for_delivery = matches!(command, Command::Saturate { .. });
        self.crowd.begin();
        self.began = self.now();
        let mut schedule = 0;
        match command {
            Command::Rehearse => self.rehearse()?,
            Command::Connect { at_once, resumes } => self.connect(at_once, resumes)?,
            Command::Disconnect => self.crowd.clear(),
            Command::Publish { hidden: true, .. } | Command::Open { .. } => {
                bail!("only the load in a browser has tabs")
            }
            Command::Cut { .. } => bail!("the load cannot cut the network"),
            Command::Publish { rate, burst, seconds, hidden: false } => {
                schedule = self.publish(rate, burst, seconds)?;
            }
            Command::RollingRestart { rate, seconds } => {
                schedule = self.publish_through_restarts(rate, seconds)?;
            }
            Command::Saturate { seconds } => self.saturate(seconds)?,
            Command::Stall { clients } => self.crowd.stall(clients)?,
            Command::Fill { count } => self.fill(count)?,
            Command::Leave { count } => self.leave(count)?,
            Command::Resume => self.resume()?,
            Command::Watch { seconds } => {
                schedule = (seconds * 1e9) as u64;
                self.watch(schedule)?;
            }
        }
        let outcome = self.outcome(schedule);
        self.score.end();
        Ok(outcome)
    }

    fn rehearse(&mut self) -> anyhow::Result<()> {
        self.crowd.requests.set_topic("rehearsal")?;
        self.gather(REHEARSAL.min(self.clients), REHEARSAL)?;
        for _ in 0..REHEARSAL {
            self.publish_one(self.now())?;
        }
        self.settle()?;
        if self.score.lost() > 0 {
            let reason = self.crowd.reason.as_ref().map(|reason| format!(": {reason}"));
            bail!("the first notifications did not arrive{}", reason.unwrap_or_default());
        }
        self.crowd.clear();
        self.crowd.requests.set_topic("compare")
    }

    fn connect(&mut self, at_once: usize, resumes: bool) -> anyhow::Result<()> {
        self.crowd.requests.resume_sessions(resumes);
        self.gather(self.clients, at_once)?;
        self.score.last = self.now();
        let (clients, resumed) = (self.clients, self.crowd.handshakes.resumed);
        let expected = if resumes { clients as u64 } else { 0 };
        ensure!(
            resumed == expected,
            "{resumed} of {clients} clients resumed a TLS session, expected {expected}"
        );
        Ok(())
    }

    /// Returns the length of the schedule in nanoseconds.
    fn publish(&mut self, rate: f64, burst: usize, seconds: f64) -> anyhow::Result<u64> {
        self.began += LEAD_TIME;
        let period = burst as f64 * 1e9 / rate;
        // Slightly more, so that 40 per second for 2.5 s is 100 in spite of rounding.
        let bursts = (rate * seconds / burst as f64 + 1e-6) as u64;
        for index in 0..bursts {
            // Relative to the start, so that delays do not add up.
            let at = self.began + (index as f64 * period) as u64;
            self.serve_until(at)?;
            for _ in 0..burst {
                self.publish_one(at)?;
            }
        }
        self.settle()?;
        Ok((bursts as f64 * period) as u64)
    }

    /// Publishes while servers are restarted. From now on, clients and publishers whose connection ends continue with
    /// another server.
    ///
    /// # Errors
    /// Fails if a publish is not answered, or clients use WebTransport.
    fn publish_through_restarts(&mut self, rate: f64, seconds: f64) -> anyhow::Result<u64> {
        ensure!(self.crowd.quic.is_none(), "clients by WebTransport cannot move to another server");
        self.publishers.ids.get_or_insert_default();
        self.crowd.requests.has_keys = true;
        self.crowd.moves = true;
        self.publish(rate, 1, seconds)
    }

    fn saturate(&mut self, seconds: f64) -> anyhow::Result<()> {
        let end = self.began + (seconds * 1e9) as u64;
        while self.now() < end {
            for _ in 0..self.publishers.idle() {
                self.publish_one(self.now())?;
            }
            self.turn(end)?;
        }
        self.settle()
    }

    fn fill(&mut self, count: u64) -> anyhow::Result<()> {
        self.score.begin_log();
        for _ in 0..count {
            if !self.wait_until(|load| load.publishers.idle() > 0)? {
                bail!("the server did not respond to all publishes in time");
            }
            self.publish_one(self.now())?;
        }
        self.settle()
    }

    /// Disconnects all clients after they have received one more notification, which is their position.
    ///
    /// # Errors
    /// Fails if the server does not answer the publish of that notification with its id.
    fn leave(&mut self, count: u64) -> anyhow::Result<()> {
        self.publish_one(self.now())?;
        self.settle()?;
        ensure!(
            self.score.lost() == 0,
            "a client has not received the notification before it leaves"
        );
        self.crowd.clear();
        self.crowd.requests.after = self.publishers.last_id();
        ensure!(self.crowd.requests.after.is_some(), "the server returns no id for a publish");
        self.fill(count)
    }

    fn resume(&mut self) -> anyhow::Result<()> {
        self.crowd.requests.after.get_or_insert("earliest".to_owned());
        self.score.begin_resume(self.clients);
        // All handshakes at the same time.
        self.gather(self.clients, self.clients)?;
        self.settle()
    }

    fn watch(&mut self, schedule: u64) -> anyhow::Result<()> {
        let before = self.crowd.ready;
        self.serve_until(self.began + schedule)?;
        let lost = before.saturating_sub(self.crowd.ready);
        match &self.crowd.reason {
            Some(reason) if lost > 0 => {
                bail!(
                    "{lost} of {before} clients lost their connection, the first because {reason}"
                )
            }
            _ => Ok(()),
        }
    }

    fn outcome(&self, schedule: u64) -> Outcome {
        let Self { score, crowd, began, .. } = self;
        let Traffic { received, sent } = crowd.traffic();
        Outcome {
            connections: crowd.ready as u64,
            published: score.published(),
            deliveries: score.deliveries,
            lost: score.lost(),
            duplicated: score.duplicated,
            reordered: score.reordered,
            moved: crowd.handshakes.moved,
            requests: score.requests,
            received_bytes: received,
            sent_bytes: sent,
            seconds: score.last.saturating_sub(*began).max(schedule) as f64 / 1e9,
            tcp_time: crowd.handshakes.tcp.summary(),
            tls_time: crowd.handshakes.tls.summary(),
            request_time: crowd.handshakes.request.summary(),
            resumed: crowd.handshakes.resumed,
            latency: score.latency.summary(),
            late: score.late.summary().filter(|_| schedule > 0),
            answered: score.answered.summary().filter(|_| schedule > 0),
            first_ending: crowd.reason.as_ref().map(ToString::to_string),
            noticed_half: None,
            noticed_all: None,
            browser: None,
        }
    }
}
