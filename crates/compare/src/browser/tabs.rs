//! The commands of the parent, for clients that are tabs.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure};
use serde_json::json;

use super::chromium::{Chromium, Spent};
use super::publisher::Publisher;
use super::tab::{Client, Meant, Tab};
use crate::load::order::Order;
use crate::load::requests::Requests;
use crate::load::score::Score;
use crate::load::stamp::Run;
use crate::protocol::{BrowserUse, Command, Outcome, Setup, Transport};

/// The notifications of the rehearsal.
const REHEARSAL: usize = 4;

/// A tab that is not connected in this time waits for a connection that the browser does not open.
const STALLED: Duration = Duration::from_millis(1500);

/// The time between the start of a stage and its first publish, so that the first publish is not late.
const LEAD_TIME: u64 = 10_000_000;

/// A browser and its tabs.
#[derive(Debug)]
pub(super) struct Tabs {
    setup: Setup,
    run: Run,
    requests: Requests,
    publisher: Publisher,
    chromium: Chromium,
    client: Client,
    tabs: Vec<Tab>,
    score: Score,
    /// The requests, the first reason for the end of a stream, and the use of the browser in the current stage.
    stage: Outcome,
}

impl Tabs {
    /// Starts the browser and connects the publisher. No tab is open yet.
    ///
    /// # Errors
    /// Fails if the browser cannot be started or there is no server.
    pub(super) fn new(setup: Setup) -> anyhow::Result<Self> {
        let run = Run::random();
        let requests = Requests::new(&setup, run)?;
        let transport = match setup.transport {
            Transport::Sse => "sse",
            Transport::WebSocket => "websocket",
            Transport::LongPolling => "long-polling",
            other => bail!("a browser has no client for {other:?}"),
        };
        let client = Client {
            // It has no Content-Security-Policy and no script.
            page: setup.urls[0].join("healthz")?.to_string(),
            protocol: if setup.http2 { "h2" } else { "http/1.1" },
            options: json!({ "transport": transport, "run": run.to_string() }),
        };
        let certificate = setup.certificate.as_deref();
        Ok(Self {
            publisher: Publisher::connect(&requests, certificate.map(Path::new))?,
            chromium: Chromium::start(setup.http2)?,
            setup,
            run,
            requests,
            client,
            tabs: Vec::new(),
            score: Score::default(),
            stage: Outcome::default(),
        })
    }

    /// Runs a command. Duplicates and reordered notifications since the previous command count for this one.
    ///
    /// # Errors
    /// Fails if the browser fails, a stream ends, or the server rejects a publish.
    pub(super) fn run(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.score.begin(matches!(command, Command::Publish { .. }));
        self.stage = Outcome { browser: Some(BrowserUse::default()), ..Outcome::default() };
        let began = now();
        let before = self.chromium.cpu_times();
        let mut schedule = 0;
        match command {
            Command::Rehearse => self.rehearse()?,
            Command::Connect { resumes: false, .. } => {
                self.load(true)?;
                self.connect(self.setup.clients)?;
                self.record(|it, tabs| it.memory = Some(tabs.chromium.renderer_memory()));
            }
            Command::Open { tabs } => {
                if self.tabs.is_empty() {
                    self.load(false)?;
                }
                self.connect(tabs)?;
            }
            Command::Disconnect => self.close()?,
            Command::Publish { rate, burst, seconds, hidden } => {
                schedule = self.publish(rate, burst, seconds, hidden)?;
            }
            Command::Saturate { seconds } => {
                let end = now() + (seconds * 1e9) as u64;
                while now() < end {
                    self.deliver(&[now()])?;
                }
            }
            Command::Watch { seconds } => {
                sleep(Duration::from_secs_f64(seconds));
                self.collect()?;
                if let Some(ending) = &self.stage.first_ending {
                    bail!("a tab lost its stream: {ending}");
                }
            }
            Command::Connect { .. }
            | Command::Stall { .. }
            | Command::Fill { .. }
            | Command::Leave { .. }
            | Command::Cut { .. }
            | Command::RollingRestart { .. }
            | Command::Resume => {
                bail!("a browser cannot run {command:?}")
            }
        }
        let all = self.chromium.cpu_times().since(&before).all;
        self.record(|it, _| it.cpu_ns = all);
        let outcome = self.outcome(schedule, began);
        self.score.end();
        Ok(outcome)
    }

    fn rehearse(&mut self) -> anyhow::Result<()> {
        self.set_topic("rehearsal")?;
        let devtools = &mut self.chromium.devtools;
        let mut tab = Tab::load(devtools, &self.client, true)?;
        if self.setup.transport == Transport::WebSocket {
            let status = tab.handshake_status(devtools)?;
            let expected = if self.setup.http2 { 200 } else { 101 };
            ensure!(
                status == expected,
                "a WebSocket handshake was answered with {status}, expected {expected}"
            );
        }
        self.tabs.push(tab);
        self.connect(1)?;
        self.deliver(&[now(); REHEARSAL])?;
        if self.score.lost() > 0 || self.connected() == 0 {
            let reason = self.stage.first_ending.as_deref().unwrap_or("no tab is connected");
            bail!("the first notifications did not arrive: {reason}");
        }
        self.set_topic("compare")?;
        self.close()
    }

    /// Changes the topic of all publishes, and of the pages that are loaded later.
    fn set_topic(&mut self, name: &str) -> anyhow::Result<()> {
        self.requests.set_topic(name)?;
        self.client.options["path"] = format!("/topics/{name}.{}", self.run).into();
        Ok(())
    }

    /// Loads all pages. They do not connect yet: over HTTP/1.1, a page could not be loaded while other tabs use all
    /// connections.
    fn load(&mut self, own_windows: bool) -> anyhow::Result<()> {
        while self.tabs.len() < self.setup.clients {
            let own_window = own_windows || self.tabs.is_empty();
            let tab = Tab::load(&mut self.chromium.devtools, &self.client, own_window)?;
            self.tabs.push(tab);
            if self.tabs.len() == 1 {
                self.chromium.wait_until_idle();
                self.record(|it, tabs| it.first_memory = Some(tabs.chromium.renderer_memory()));
            }
        }
        Ok(())
    }

    /// Connects the first `count` tabs, one after the other. After the first one that waits for a connection, the others
    /// are not waited for.
    fn connect(&mut self, count: usize) -> anyhow::Result<()> {
        let devtools = &mut self.chromium.devtools;
        let mut is_stalled = false;
        for tab in self.tabs.iter_mut().take(count) {
            if !tab.is_open {
                tab.open(devtools)?;
            }
            is_stalled = is_stalled || !tab.is_connected_within(devtools, STALLED)?;
        }
        self.chromium.wait_until_idle();
        self.notice()
    }

    fn close(&mut self) -> anyhow::Result<()> {
        for tab in self.tabs.drain(..) {
            tab.close(&mut self.chromium.devtools)?;
        }
        Ok(())
    }

    /// Returns the length of the schedule in nanoseconds.
    fn publish(
        &mut self,
        rate: f64,
        burst: usize,
        seconds: f64,
        hidden: bool,
    ) -> anyhow::Result<u64> {
        if hidden {
            self.hide(true)?;
        }
        let period = burst as f64 * 1e9 / rate;
        // Slightly more, so that 40 per second for 2.5 s is 100 in spite of rounding.
        let bursts = (rate * seconds / burst as f64 + 1e-6) as u64;
        self.notice()?;
        let began = now() + LEAD_TIME;
        let at = |index: u64| began + (index as f64 * period) as u64;
        let times: Vec<u64> =
            (0..bursts).flat_map(|index| std::iter::repeat_n(at(index), burst)).collect();
        let spent = self.deliver(&times)?;
        self.record(|it, _| {
            it.renderer_cpu_ns = spent.renderers;
            it.network_cpu_ns = spent.network;
        });
        if hidden {
            self.hide(false)?;
        }
        Ok((bursts as f64 * period) as u64)
    }

    fn hide(&mut self, is_hidden: bool) -> anyhow::Result<()> {
        for tab in &self.tabs {
            tab.hide(&mut self.chromium.devtools, is_hidden)?;
        }
        self.chromium.wait_until_idle();
        Ok(())
    }

    /// Publishes at these times and waits until all connected tabs have received everything, or until they have had
    /// time enough. Returns the CPU time of the browser from the first publish on.
    fn deliver(&mut self, times: &[u64]) -> anyhow::Result<Spent> {
        self.notice()?;
        let (first, live) = (self.score.next(), self.connected());
        let devtools = &mut self.chromium.devtools;
        let connected = self.tabs.iter().filter(|tab| tab.meant.is_some());
        let waits = connected.map(|tab| tab.until(devtools, first, times.len()));
        let waits: Vec<u64> = waits.collect::<Result<_, _>>()?;
        let before = self.chromium.cpu_times();
        for &at in times {
            sleep(Duration::from_nanos(at.saturating_sub(now())));
            self.score.late.record(now().saturating_sub(at));
            let sequence = self.score.publish(at, 0, live, live);
            self.publisher.publish(&self.requests, sequence)?;
            self.score.answered.record(now().saturating_sub(at));
        }
        let deadline = Instant::now() + Duration::from_secs_f64(self.setup.patience);
        for id in waits {
            let rest = deadline.saturating_duration_since(Instant::now());
            if self.chromium.devtools.answer(id, rest)?.is_none() {
                break;
            }
        }
        let spent = self.chromium.cpu_times().since(&before);
        self.collect()?;
        Ok(spent)
    }

    /// Counts tabs as clients that have connected since the last look.
    fn notice(&mut self) -> anyhow::Result<()> {
        let first = self.score.next();
        for tab in self.tabs.iter_mut().filter(|tab| tab.is_open && tab.meant.is_none()) {
            if tab.is_connected(&mut self.chromium.devtools)? {
                tab.meant = Some(Meant { first, order: Order::new(first, 1) });
            }
        }
        Ok(())
    }

    /// The number of tabs that are clients.
    fn connected(&self) -> u64 {
        self.tabs.iter().filter(|tab| tab.meant.is_some()).count() as u64
    }

    /// Counts what has arrived in all tabs, in the order of the arrivals.
    fn collect(&mut self) -> anyhow::Result<()> {
        let stage_began = self.score.next() - self.score.published();
        let (mut arrivals, mut receiving) = (Vec::new(), 0);
        for (index, tab) in self.tabs.iter().enumerate().filter(|(_, tab)| tab.is_open) {
            let taken = tab.take(&mut self.chromium.devtools)?;
            self.stage.requests += taken.requests;
            if let Some(ending) = taken.ending {
                self.stage.first_ending.get_or_insert(ending);
            }
            let has_received = taken.arrivals.iter().any(|(number, _)| *number >= stage_began);
            receiving += u64::from(has_received);
            let arrived = |(number, at): (u64, f64)| ((at * 1e6) as u64, index, number);
            arrivals.extend(taken.arrivals.into_iter().map(arrived));
        }
        self.record(|it, _| it.receiving = receiving);
        // The arrivals of a tab remain in their order.
        arrivals.sort_by_key(|(at, ..)| *at);
        for (at, index, number) in arrivals {
            if let Some(Meant { first, order }) = &mut self.tabs[index].meant
                && number >= *first
            {
                self.score.receive(order, number, at);
            }
        }
        self.score.complete.clear();
        Ok(())
    }

    fn record(&mut self, change: impl FnOnce(&mut BrowserUse, &Self)) {
        let mut browser = self.stage.browser.take().unwrap_or_default();
        change(&mut browser, self);
        self.stage.browser = Some(browser);
    }

    fn outcome(&mut self, schedule: u64, began: u64) -> Outcome {
        let score = &self.score;
        Outcome {
            connections: self.connected(),
            published: score.published(),
            deliveries: score.deliveries,
            lost: score.lost(),
            duplicated: score.duplicated,
            reordered: score.reordered,
            seconds: score.last.saturating_sub(began).max(schedule) as f64 / 1e9,
            latency: score.latency.summary(),
            late: score.late.summary().filter(|_| schedule > 0),
            answered: score.answered.summary().filter(|_| schedule > 0),
            ..std::mem::take(&mut self.stage)
        }
    }
}

/// Nanoseconds since 1970, which is also the clock of the pages.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
