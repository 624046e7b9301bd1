//! The plan: what to measure, and for how long.

use std::path::PathBuf;

use url::{Position, Url};

use crate::contender::Contender;
use crate::protocol::MAX_SOCKETS;
use crate::rows::{FIGURES, Figure};
use crate::scenario::{BURST, SCENARIOS, Scenario};
use crate::workload::{PlanError, Workload, check_names, wrong};

/// The most notifications in the log from which clients resume, and the most bytes, including what a server keeps of
/// each besides its payload. By default our server keeps more of both.
const LOG: usize = 10_000;
const LOG_BYTES: usize = 32 << 20;
const ENTRY_BYTES: usize = 700;

/// The plan of a comparison. Start from [`Plan::new`] or [`Plan::quick`] and change fields.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// A program with the subcommands `serve`, `baseline` and `load`.
    pub program: PathBuf,
    /// Additional arguments of `serve`.
    pub serve_args: Vec<String>,
    /// A server of ours that is already running. Default: `None`, which means a fresh one for each cell.
    pub running: Option<RunningServer>,
    /// The names of contenders or of families of them, in this order. Default: empty, which means our transports, and
    /// message queues if `running`, `baseline`, `compression` and `workload.tls` are not set.
    pub contenders: Vec<String>,
    /// `true` measures the baseline next to each of our transports and shows targets. Default: `false`.
    pub baseline: bool,
    /// Measures contenders with and without compression. Default: `None`, which means none with compression, unless
    /// `contenders` names it.
    pub compression: Option<Compression>,
    /// `true` measures the long scenarios as well. Default: `false`.
    pub full: bool,
    /// The names of [scenarios](crate::scenarios()). Only these are measured. Default: empty, which means the default
    /// ones, or with `full` all.
    pub scenarios: Vec<String>,
    /// Parts of the keys of rows. Only these rows are measured. Default: empty, which means all rows.
    pub rows: Vec<String>,
    /// The clients and what is published to them.
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
    /// Returns the default plan.
    pub fn new(program: PathBuf) -> Self {
        Self { program, ..Self::default() }
    }

    /// Returns a plan with 200 clients and one round, so that its medians are single samples.
    pub fn quick(program: PathBuf) -> Self {
        let workload = Workload { clients: 200, rate: 40.0, rounds: 1, ..Workload::default() };
        Self { workload, ..Self::new(program) }
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
        let of_stages = FIGURES.iter().filter(|figure| figure.stage().is_some());
        let known: Vec<&str> = of_stages.map(|figure| figure.key).collect();
        let parts = self.rows.iter().map(String::as_str);
        let is_part = |key: &str, part: &str| !part.is_empty() && key.contains(part);
        check_names("row", parts, "a part of one of", &known, is_part)?;
        self.check_scenarios()?;
        let Workload { rate, steady_seconds, burst_seconds, .. } = self.workload;
        for (stage, seconds, least) in
            [("steady", steady_seconds, 1), ("burst", burst_seconds, BURST)]
        {
            if self.has_stage(stage) && rate * seconds < least as f64 {
                return wrong(format!(
                    "{stage} at {rate} notifications a second for {seconds} s publishes fewer than \
                     {least}: raise --rate or --seconds, or choose other rows with --rows"
                ));
            }
        }
        match self.cells()?.is_empty() {
            true => wrong(
                "none of the contenders has any of the rows of these scenarios, some of which need \
                 --tls or --compression"
                    .to_owned(),
            ),
            false => Ok(()),
        }
    }

    /// # Errors
    /// Fails if the name of a scenario is unknown, or if the scenario needs an option that is not set.
    fn check_scenarios(&self) -> Result<(), PlanError> {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        let names = self.scenarios.iter().map(String::as_str);
        check_names("scenario", names, "one of", &known, |known, name| known == name)?;
        let chosen = |scenario: &&Scenario| self.scenarios.iter().any(|name| name == scenario.name);
        for Scenario { name, needs_tls, needs_compression, .. } in SCENARIOS.iter().filter(chosen) {
            if *needs_tls && !self.workload.tls {
                return wrong(format!("scenario {name} is measured only over TLS: add --tls"));
            }
            if *needs_compression && self.compression.is_none() {
                return wrong(format!(
                    "scenario {name} is measured only with compression: add --compression both"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn figures(&self) -> Vec<&'static Figure> {
        let is_measured = |scenario: &Scenario| match &self.scenarios[..] {
            [] if self.rows.is_empty() && !self.full => {
                std::ptr::eq(scenario, &SCENARIOS[0])
                    || (scenario.needs_compression && self.compression.is_some())
            }
            [] => true,
            names => names.iter().any(|name| name == scenario.name),
        };
        let is_measured = |stage| {
            let mut scenarios = SCENARIOS.iter().filter(|scenario| is_measured(scenario));
            scenarios.any(|scenario| scenario.stages.iter().any(|one| one.name == stage))
        };
        let is_row = |figure: &Figure| {
            self.rows.is_empty() || self.rows.iter().any(|part| figure.key.contains(part.as_str()))
        };
        let is_chosen = |figure: &&Figure| match figure.stage() {
            None => true,
            Some(stage) => is_measured(stage) && is_row(figure),
        };
        FIGURES.iter().filter(is_chosen).collect()
    }

    /// `true` if a figure of this stage is chosen.
    pub(crate) fn has_stage(&self, stage: &str) -> bool {
        self.figures().iter().any(|figure| figure.stage() == Some(stage))
    }

    /// The cells of one round: each contender under each scenario of which a stage is chosen.
    pub(crate) fn cells(&self) -> Result<Vec<(&'static Contender, &'static Scenario)>, PlanError> {
        let contenders = self.contenders()?;
        // The arguments of a running server cannot be changed.
        let is_possible = |one: &Scenario| {
            let can_start = self.running.is_none() || one.serve_args.is_empty();
            can_start
                && (self.workload.tls || !one.needs_tls)
                && (self.compression.is_some() || !one.needs_compression)
                && one.clients.is_none_or(|clients| clients <= 10 * self.workload.clients)
        };
        let is_chosen = |scenario: &&Scenario| {
            is_possible(scenario) && scenario.stages.iter().any(|one| self.has_stage(one.name))
        };
        let cells = SCENARIOS.iter().filter(is_chosen).flat_map(|scenario| {
            let includes = |one: &&&'static Contender| (scenario.includes)(one);
            contenders.iter().filter(includes).map(move |one| (*one, scenario))
        });
        Ok(cells.collect())
    }

    pub(crate) fn clients(&self, scenario: &Scenario, contender: &Contender) -> usize {
        // Each topic has one client in this scenario. The baseline has only one topic, so it gets one client.
        if scenario.own_topics && contender.is_baseline() {
            return 1;
        }
        if let Some(clients) = scenario.clients {
            return clients;
        }
        let Workload { clients, publishers, .. } = self.workload;
        (clients * scenario.times).min(MAX_SOCKETS - publishers).max(clients)
    }

    /// `true` if the scenario of this figure has fewer clients than intended, because of the limit of one load.
    pub(crate) fn is_capped(&self, key: &str) -> bool {
        let stage = key.split('.').next();
        let of_stage = |one: &&Scenario| one.stages.iter().any(|it| Some(it.name) == stage);
        let scenario = SCENARIOS.iter().find(of_stage);
        let Workload { clients, publishers, .. } = self.workload;
        scenario.is_some_and(|one| clients * one.times + publishers > MAX_SOCKETS)
    }

    /// The number of notifications in the log from which clients resume.
    pub(crate) fn log(&self) -> u64 {
        LOG.min(LOG_BYTES / (self.workload.payload.about() + ENTRY_BYTES)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Payload;
    fn plan() -> Plan {
        Plan::new("tidings".into())
    }

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.contenders().unwrap().iter().map(|one| one.name).collect()
    }

    #[test]
    fn the_presets_are_valid() {
        assert_eq!(plan().check(), Ok(()));
        assert_eq!(
            Plan { baseline: true, full: true, ..Plan::quick("tidings".into()) }.check(),
            Ok(())
        );
    }

    #[test]
    fn the_number_of_clients_is_varied_with_compression_up_to_ten_times_the_plan_s() {
        let clients = |plan: &Plan| {
            let fixed = |(contender, scenario): (&Contender, &Scenario)| {
                scenario.clients.map(|_| plan.clients(scenario, contender))
            };
            plan.cells()
                .unwrap()
                .into_iter()
                .filter_map(|(one, it)| fixed((one, it)))
                .collect::<Vec<_>>()
        };
        let one =
            Plan { contenders: vec!["sse".into()], compression: Some(Compression::On), ..plan() };
        assert_eq!(clients(&one), [1, 10, 1_000, 10_000]);
        let few = Workload { clients: 5, ..Workload::default() };
        assert_eq!(clients(&Plan { workload: few, ..one.clone() }), [1, 10]);
        assert_eq!(clients(&Plan { compression: None, full: true, ..one }), [0; 0]);
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
    }

    #[test]
    fn rows_choose_the_stages_that_are_measured() {
        let plan = Plan { rows: vec!["steady.p99".into()], ..plan() };
        assert!(plan.has_stage("steady") && !plan.has_stage("burst"));
        let quiet = Plan { rows: vec!["quiet".into()], ..plan.clone() };
        assert_eq!(quiet.cells().unwrap().len(), 3, "message queues take no part");
        let error = Plan { rows: vec!["pigeon".into()], ..plan }.check().unwrap_err().to_string();
        assert!(error.contains("pigeon") && error.contains("steady.p99"), "{error}");
        for part in ["", "integrity"] {
            assert!(Plan { rows: vec![part.into()], ..self::plan() }.check().is_err(), "{part}");
        }
    }

    #[test]
    fn scenarios_are_chosen_by_name_and_further_by_rows() {
        let stages = |plan: &Plan| {
            let figures = plan.figures().into_iter().filter_map(Figure::stage);
            let mut stages: Vec<_> = figures.collect();
            stages.dedup();
            stages
        };
        let named = |names: &[&str]| Plan {
            scenarios: names.iter().map(|&name| name.to_owned()).collect(),
            ..plan()
        };
        assert_eq!(stages(&named(&["many", "idle"])), ["quiet", "heartbeat", "many"]);
        let rows = vec!["memory".to_owned()];
        assert_eq!(stages(&Plan { rows: rows.clone(), ..named(&["idle"]) }), ["quiet"]);
        assert_eq!(Plan { rows, ..named(&["idle"]) }.check(), Ok(()));
        for (names, expected) in [
            (
                ["idle", "pigeon"],
                "unknown scenario \"pigeon\": expected one of fan-out, idle, topics",
            ),
            (["idle", "reconnect"], "scenario reconnect is measured only over TLS: add --tls"),
            (["idle", "clients-1"], "scenario clients-1 is measured only with compression"),
        ] {
            let error = named(&names).check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let other = Plan { rows: vec!["steady".into()], ..named(&["idle"]) };
        assert!(other.check().unwrap_err().to_string().contains("rows of these scenarios"));
    }

    #[test]
    fn a_running_server_is_measured_by_our_transports() {
        let running = |url: &str| {
            Some(RunningServer { url: url.parse().unwrap(), pid: None, headers: String::new() })
        };
        let plan = Plan { running: running("http://127.0.0.1:8080"), ..plan() };
        assert_eq!(names(&plan), ["websocket", "sse", "long-polling"]);
        assert!(Plan { contenders: vec!["nats".into()], ..plan.clone() }.check().is_err());
        let quiet = Plan { rows: vec!["quiet".into()], ..plan.clone() };
        assert!(quiet.check().is_err(), "its heartbeats are its own");
        let error = Plan { running: running("https://u:secret@h/?t=secret"), ..plan }.check();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("without TLS") && !error.contains("secret"), "{error}");
    }
}
