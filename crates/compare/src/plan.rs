//! The plan: what to measure, and for how long.

use std::path::PathBuf;

use url::{Position, Url};

use crate::contender::Contender;
use crate::protocol::{Command, MAX_SOCKETS};
use crate::rows::Figure;
use crate::scenario::Scenario;
use crate::sequence::{Clients, Sequence};
use crate::workload::{PlanError, Workload, wrong};

/// The folder of other servers in a clone of the repository.
const PEERS: &str = "benches/peers";

/// The plan of a comparison. Start from [`Plan::of`] and change fields.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A program with the subcommands `serve`, `baseline` and `load`.
    pub program: PathBuf,
    /// Additional arguments of `serve`. Default: empty.
    pub serve_args: Vec<String>,
    /// A server of ours that is already running. Default: `None`, which means a fresh one for each cell.
    pub running: Option<RunningServer>,
    /// What is measured.
    pub scenario: &'static Scenario,
    /// The names of contenders or of families of them, in this order. Default: empty, which means those of the scenario,
    /// without message queues if `running`, `baseline`, `compression` or `workload.tls` is set.
    pub contenders: Vec<String>,
    /// `true` measures the baseline next to each of our transports and shows targets. Default: that of the scenario.
    pub baseline: bool,
    /// Measures contenders with and without compression. `None` means none with compression, unless `contenders` names
    /// it. Default: that of the scenario.
    pub compression: Option<Compression>,
    /// Parts of the keys of rows. Only these rows are measured. Default: empty, which means all rows.
    pub rows: Vec<String>,
    /// The most times that a cell is measured again if other work on the machine has disturbed it. In one run,
    /// there are at most half as many repeats as cells. Default: 0.
    pub repeats: usize,
    /// The folder with the start scripts of other servers. Default: `benches/peers` in the current directory.
    pub peers: PathBuf,
    /// The clients and what is published to them. Default: those of the scenario.
    pub workload: Workload,
}

/// Which of the contenders are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Each with compression instead of without.
    On,
    /// Each without compression.
    Off,
    /// Each without and with compression.
    Both,
}

/// A server that this program has not started.
#[derive(Clone, Debug)]
pub struct RunningServer {
    /// Its address, such as `http://127.0.0.1:8080`.
    pub url: Url,
    /// Its process, if it is on this machine. CPU time and memory are unknown without it.
    pub pid: Option<u32>,
    /// Header lines of every request, each with its line end.
    pub headers: String,
}

impl RunningServer {
    /// The address without user, password, query and fragment, which may contain secrets.
    pub(crate) fn shown(&self) -> String {
        let address = &self.url[Position::BeforeHost..Position::AfterPath];
        format!("{}://{address}", self.url.scheme())
    }
}

impl Plan {
    /// Returns the plan of a scenario.
    pub fn of(program: PathBuf, scenario: &'static Scenario) -> Self {
        Self {
            program,
            serve_args: Vec::new(),
            running: None,
            scenario,
            contenders: Vec::new(),
            baseline: scenario.baseline,
            compression: scenario.compression,
            rows: Vec::new(),
            repeats: 0,
            peers: PEERS.into(),
            workload: scenario.workload.clone(),
        }
    }

    /// Makes it a first look: one round, so that its medians are single samples, and a fifth of the clients at twice the
    /// rate.
    pub fn make_quick(&mut self) {
        let workload = &mut self.workload;
        workload.clients = (workload.clients / 5).max(1);
        workload.rate *= 2.0;
        workload.rounds = 1;
    }

    /// Checks the plan.
    ///
    /// # Errors
    /// Fails if a name, a number or the combination of options is invalid.
    pub fn check(&self) -> Result<(), PlanError> {
        self.workload.check()?;
        if let Some(running) = &self.running
            && !(running.url.scheme() == "http" && running.url.has_host())
        {
            return wrong(format!(
                "invalid server URL {}: expected one such as http://127.0.0.1:8080, \
                 without TLS",
                running.shown()
            ));
        }
        self.check_rows()?;
        for stage in self.scenario.stages().filter(|stage| self.has_stage(stage.name)) {
            let (rate, seconds, least) = match (stage.command)(&self.workload) {
                Command::Publish { rate, burst, seconds, .. } => (rate, seconds, burst),
                Command::RollingRestart { rate, seconds } => (rate, seconds, 1),
                _ => continue,
            };
            if rate * seconds < least as f64 {
                let name = stage.name;
                return wrong(format!(
                    "{name} at {rate} notifications a second for {seconds} s publishes fewer than \
                     {least}: raise --rate or --seconds, or choose other rows with --rows"
                ));
            }
        }
        match self.cells()?.is_empty() {
            true => wrong(
                "none of the contenders has any of these rows: choose other rows, other contenders \
                 or another scenario"
                    .to_owned(),
            ),
            false => Ok(()),
        }
    }

    /// # Errors
    /// Fails if a part occurs in no key of the scenario. The error names the scenarios that have such a row.
    fn check_rows(&self) -> Result<(), PlanError> {
        let keys = |scenario: &Scenario| {
            let figures = scenario.figures().into_iter();
            figures.filter(|it| it.stage().is_some()).map(|it| it.key).collect::<Vec<_>>()
        };
        let known = keys(self.scenario);
        let is_part = |key: &str, part: &str| !part.is_empty() && key.contains(part);
        let is_unknown = |part: &&String| !known.iter().any(|key| is_part(key, part));
        let Some(part) = self.rows.iter().find(is_unknown) else { return Ok(()) };
        let has_it = |it: &&Scenario| keys(it).iter().any(|key| is_part(key, part));
        let others: Vec<&str> = Scenario::all().filter(has_it).map(|it| it.name).collect();
        let remedy = match others[..] {
            [] => String::new(),
            _ => format!(", or one of these scenarios, which have it: {}", others.join(", ")),
        };
        let (name, known) = (self.scenario.name, known.join(", "));
        wrong(format!(
            "unknown row {part:?} of scenario {name}: expected a part of one of {known}{remedy}"
        ))
    }

    /// The figures that are measured.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let is_chosen = |figure: &Figure| {
            figure.stage().is_none()
                || self.rows.is_empty()
                || self.rows.iter().any(|part| figure.key.contains(part.as_str()))
        };
        self.scenario.figures().into_iter().filter(is_chosen).collect()
    }

    /// `true` if a figure of this stage is chosen.
    pub(crate) fn has_stage(&self, stage: &str) -> bool {
        self.figures().iter().any(|figure| figure.stage() == Some(stage))
    }

    /// The cells of one round: each contender in each sequence of which a stage is chosen.
    ///
    /// # Errors
    /// Fails if the contenders are invalid.
    pub(crate) fn cells(&self) -> Result<Vec<(&'static Contender, &'static Sequence)>, PlanError> {
        let contenders = self.contenders()?;
        let is_possible = |one: &Sequence| {
            // The arguments of a running server cannot be changed, and it has no TLS.
            let can_start = self.running.is_none() || (one.serve_args.is_empty() && !one.tls);
            let has_clients = match one.clients {
                Clients::Exactly(clients) => clients <= 10 * self.workload.clients,
                Clients::Times(_) => true,
            };
            can_start && has_clients
        };
        let is_chosen = |sequence: &&Sequence| {
            is_possible(sequence) && sequence.stages.iter().any(|one| self.has_stage(one.name))
        };
        let cells = self.scenario.sequences.iter().filter(is_chosen).flat_map(|sequence| {
            let takes_part = |one: &&&'static Contender| self.takes_part(one, sequence);
            contenders.iter().filter(takes_part).map(move |one| (*one, sequence))
        });
        Ok(cells.collect())
    }

    fn takes_part(&self, contender: &Contender, sequence: &Sequence) -> bool {
        let tls = self.is_over_tls(sequence);
        (sequence.includes)(contender)
            && if tls { contender.has_tls() } else { !contender.is_webtransport() }
    }

    /// The number of connections of clients in this sequence.
    pub(crate) fn clients(&self, sequence: &Sequence, contender: &Contender) -> usize {
        // Each topic has one client in this sequence. The baseline has only one topic, so it gets one client.
        if sequence.own_topics && contender.is_baseline() {
            return 1;
        }
        let Workload { clients, publishers, .. } = self.workload;
        let connections = sequence.streams / sequence.streams_per_connection(contender);
        match sequence.clients {
            Clients::Exactly(clients) => clients * connections,
            Clients::Times(times) => (clients * times).min(MAX_SOCKETS - publishers).max(clients),
        }
    }

    pub(crate) fn is_over_tls(&self, sequence: &Sequence) -> bool {
        sequence.tls || self.workload.tls
    }

    /// `true` if something is measured over TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.workload.tls || self.scenario.sequences.iter().any(|one| one.tls)
    }

    /// The workload of a sequence.
    pub(crate) fn workload_of(&self, sequence: &Sequence) -> Workload {
        let payload = sequence.payload.unwrap_or(self.workload.payload);
        Workload { payload, ..self.workload.clone() }
    }

    /// `true` if the sequence of this figure has fewer clients than intended, because of the limit of one load.
    pub(crate) fn is_capped(&self, key: &str) -> bool {
        let sequence = key.split('.').next().and_then(|stage| self.scenario.sequence_of(stage));
        let Workload { clients, publishers, .. } = self.workload;
        sequence.is_some_and(|one| match one.clients {
            Clients::Times(times) => clients * times + publishers > MAX_SOCKETS,
            Clients::Exactly(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Payload;

    fn of(scenario: &str) -> Plan {
        Plan::of("tidings".into(), Scenario::named(scenario).unwrap())
    }

    fn plan() -> Plan {
        of("fan-out")
    }

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.contenders().unwrap().iter().map(|one| one.name).collect()
    }

    #[test]
    fn every_scenario_is_a_valid_plan_also_as_a_first_look() {
        for scenario in Scenario::all() {
            let mut plan = Plan::of("tidings".into(), scenario);
            assert_eq!(plan.check(), Ok(()), "{}", scenario.name);
            plan.make_quick();
            assert_eq!(plan.check(), Ok(()), "{}", scenario.name);
            assert_eq!(plan.workload.rounds, 1);
        }
    }

    #[test]
    fn every_contender_of_a_scenario_takes_part_in_one_of_its_sequences() {
        for scenario in Scenario::all() {
            let plan = Plan::of("tidings".into(), scenario);
            let cells = plan.cells().unwrap();
            for contender in plan.contenders().unwrap() {
                let is_its = |cell: &(&Contender, &Sequence)| cell.0 == contender;
                assert!(cells.iter().any(is_its), "{} of {}", contender.name, scenario.name);
            }
        }
    }

    #[test]
    fn the_number_of_clients_is_fixed_up_to_ten_times_the_plan_s() {
        let clients = |plan: &Plan| {
            let cells = plan.cells().unwrap().into_iter();
            let fixed = cells.filter_map(|(contender, sequence)| match sequence.clients {
                Clients::Exactly(_) => Some(plan.clients(sequence, contender)),
                Clients::Times(_) => None,
            });
            fixed.collect::<Vec<_>>()
        };
        let compression = Some(Compression::On);
        let one = Plan { contenders: vec!["sse".into()], compression, ..of("compression") };
        assert_eq!(clients(&one), [1, 10, 1_000, 10_000]);
        let few = Workload { clients: 5, ..Workload::default() };
        assert_eq!(clients(&Plan { workload: few, ..one }), [1, 10]);
    }

    #[test]
    fn a_sequence_over_tls_has_only_contenders_that_can_have_it() {
        let cells = of("idle").cells().unwrap();
        let of_stage = |stage: &str| {
            let is_it = |it: &&(&Contender, &Sequence)| it.1.stages[0].name == stage;
            cells.iter().filter(is_it).map(|it| it.0.name).collect::<Vec<_>>()
        };
        assert_eq!(of_stage("quiet"), ["websocket", "sse", "long-polling"]);
        assert_eq!(of_stage("quiet-tls").len(), 7);
        let queues = Plan { contenders: vec!["nats".into(), "sse".into()], ..of("tls") };
        assert_eq!(queues.cells().unwrap().len(), 3, "queues have no TLS here");
    }

    fn changed(change: impl FnOnce(&mut Workload)) -> Plan {
        let mut plan = plan();
        change(&mut plan.workload);
        plan
    }

    #[test]
    fn too_many_sockets_for_one_process_are_rejected_with_the_numbers() {
        let error = changed(|it| it.clients = 20_000).check().unwrap_err();
        assert!(error.to_string().contains("20064 sockets, and one load holds 19900"), "{error}");
    }

    #[test]
    fn a_rate_or_a_payload_out_of_range_is_rejected() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            assert!(changed(|it| it.rate = rate).check().is_err(), "{rate}");
        }
        assert!(changed(|it| it.payload = Payload::Plain(10)).check().is_err());
        assert!(changed(|it| it.steady_seconds = 0.01).check().is_err());
    }

    #[test]
    fn a_rate_needs_a_burst_only_if_bursts_are_measured() {
        let slow = changed(|it| it.rate = 4.0);
        let error = slow.check().unwrap_err().to_string();
        assert!(error.starts_with("burst at 4 notifications"), "{error}");
        assert_eq!(Plan { rows: vec!["steady".into()], ..slow }.check(), Ok(()));
        let mut short = of("networks");
        short.workload.steady_seconds = 0.05;
        let error = short.check().unwrap_err().to_string();
        assert!(error.starts_with("fibre at 10 notifications a second for 0.05 s"), "{error}");
    }

    #[test]
    fn rows_choose_the_stages_that_are_measured() {
        let rows = |scenario, part: &str| Plan { rows: vec![part.to_owned()], ..of(scenario) };
        let plan = rows("fan-out", "steady.p99");
        assert!(plan.has_stage("steady") && !plan.has_stage("burst"));
        let queues = Plan { contenders: vec!["nats".into()], ..rows("idle", "quiet.memory") };
        assert!(queues.check().is_err(), "message queues take no part");
        let error = rows("fan-out", "pigeon").check().unwrap_err().to_string();
        assert!(error.contains("pigeon") && error.contains("steady.p99"), "{error}");
        let error = rows("fan-out", "quiet").check().unwrap_err().to_string();
        assert!(error.contains("one of these scenarios, which have it: idle, "), "{error}");
        for part in ["", "integrity"] {
            assert!(rows("fan-out", part).check().is_err(), "{part}");
        }
    }

    #[test]
    fn a_running_server_is_measured_by_our_transports() {
        let running = |url: &str| {
            Some(RunningServer { url: url.parse().unwrap(), pid: None, headers: String::new() })
        };
        let plan = Plan { running: running("http://127.0.0.1:8080"), ..plan() };
        assert_eq!(names(&plan), ["websocket", "sse", "long-polling"]);
        assert!(Plan { contenders: vec!["nats".into()], ..plan.clone() }.check().is_err());
        let quiet =
            Plan { running: plan.running.clone(), rows: vec!["quiet".into()], ..of("idle") };
        let quiet = Plan { contenders: vec!["sse".into()], ..quiet };
        assert!(quiet.check().is_err(), "its heartbeats are its own");
        let error = Plan { running: running("https://u:secret@h/?t=secret"), ..plan }.check();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("without TLS") && !error.contains("secret"), "{error}");
    }
}
