//! One row of the table, and how it is run.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::future::LocalBoxFuture;
use tidings_core::HubConfig;
use tidings_server::Config;
use tokio::runtime::Builder;

use crate::support::{Answer, Mover, PATIENCE, Raw, Running, in_time};

/// The movers that run each row.
const MOVERS: [Mover; 3] = [Mover::LANE, Mover::PLAIN_LANE, Mover::STREAM];

/// Sent after the row's own bytes. It gets a response if the connection is still open and in step.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";

/// One public report.
pub(super) struct Row {
    name: String,
    report: &'static str,
    config: fn(&mut Config),
    segments: Vec<Vec<u8>>,
    statuses: Option<Vec<u16>>,
    stays_open: Option<bool>,
    holds: fn(&Seen),
    scenario: Option<Scenario>,
}

type Scenario = for<'a> fn(&'a Running) -> LocalBoxFuture<'a, ()>;

/// What the connection of a row has received.
pub(super) struct Seen {
    /// The responses to the bytes of the row.
    pub(super) answers: Vec<Answer>,
    /// All received bytes.
    pub(super) text: String,
    /// The number of notifications that the server has stored.
    pub(super) published: u64,
}

/// A row that sends nothing yet. `report` is the public report, as `owner/repository#number` or the section of an RFC.
pub(super) fn row(name: impl Into<String>, report: &'static str) -> Row {
    Row {
        name: name.into(),
        report,
        config: |_| {},
        segments: Vec::new(),
        statuses: None,
        stays_open: None,
        holds: |_| {},
        scenario: None,
    }
}

impl Row {
    /// Changes the settings of the server.
    pub(super) fn config(mut self, config: fn(&mut Config)) -> Self {
        self.config = config;
        self
    }

    /// Sends these bytes, together with what was sent before.
    pub(super) fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        match self.segments.last_mut() {
            Some(last) => last.extend_from_slice(bytes.as_ref()),
            None => self.segments.push(bytes.as_ref().to_vec()),
        }
        self
    }

    /// Sends these bytes in a later segment, after the server had time to act on the earlier ones.
    pub(super) fn later(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.segments.push(bytes.as_ref().to_vec());
        self
    }

    /// Expects responses with these statuses, in this order, and no others.
    pub(super) fn answers(mut self, statuses: &[u16]) -> Self {
        self.statuses = Some(statuses.to_vec());
        self
    }

    /// Expects that one more request on the connection gets a response.
    pub(super) fn stays_open(mut self) -> Self {
        self.stays_open = Some(true);
        self
    }

    /// Expects that the server ends the connection, and that nothing after the row's bytes gets a response.
    pub(super) fn closes(mut self) -> Self {
        self.stays_open = Some(false);
        self
    }

    /// Expects whatever this function asserts.
    pub(super) fn holds(mut self, holds: fn(&Seen)) -> Self {
        self.holds = holds;
        self
    }

    /// Runs this against the server, in addition to what is sent.
    pub(super) fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = Some(scenario);
        self
    }

    async fn run(&self, mover: Mover) {
        let mut config = mover.config(HubConfig::default()).await;
        (self.config)(&mut config);
        let hub = Running::start(config).await;
        if !self.segments.is_empty() {
            self.converse(&hub).await;
        }
        if let Some(scenario) = self.scenario {
            scenario(&hub).await;
        }
        hub.stop().await;
    }

    async fn converse(&self, hub: &Running) {
        let mut raw = Raw::connect(hub.address).await;
        raw.stream.set_nodelay(true).unwrap();
        for (number, segment) in self.segments.iter().enumerate() {
            if number > 0 {
                pause(hub).await;
            }
            raw.try_send(segment).await;
        }
        raw.try_send(LAST).await;
        let heard = raw.rest().await;
        let mut answers = Answer::all(&heard);
        let is_open = answers.last().is_some_and(|last| last.body == b"ok\n" && last.is_last())
            && answers.len() > self.statuses.as_ref().map_or(0, Vec::len);
        if is_open {
            answers.pop();
        }
        let text = String::from_utf8_lossy(&heard).into_owned();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        if let Some(expected) = &self.statuses {
            assert_eq!(&statuses, expected, "the responses are: {text}");
        }
        if let Some(stays_open) = self.stays_open {
            assert_eq!(is_open, stays_open, "whether the connection stays open: {text}");
        }
        (self.holds)(&Seen { answers, text, published: hub.hub.log().head().seq });
    }
}

/// Gives the server time to act on what was sent, by some requests on other connections. Without it the test would
/// pass as well, but test less.
async fn pause(hub: &Running) {
    for _ in 0..6 {
        assert_eq!(Raw::get(hub.address, "/healthz").await.status, 200);
    }
}

/// Runs all rows by every mover. Panics at the end with the rows that failed.
pub(super) fn run(rows: &[Row]) {
    assert!(!rows.is_empty(), "an area without rows");
    let mut failed = String::new();
    for row in rows {
        for mover in MOVERS {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let played = AssertUnwindSafe(|| runtime.block_on(in_time(row.run(mover))));
            let played = catch_unwind(played);
            // Dropping the runtime would wait without a limit for the threads of a server that has not ended.
            runtime.shutdown_timeout(PATIENCE);
            if let Err(panic) = played {
                let why = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic without a message");
                let Row { name, report, .. } = row;
                write!(failed, "\n\n{name} ({report}), by the {mover:?}:\n{why}").unwrap();
            }
        }
    }
    assert!(failed.is_empty(), "rows that failed:{failed}");
}
