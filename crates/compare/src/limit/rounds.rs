//! The whole measurement: every run of every round, and what became of it.

use std::error::Error;
use std::pin::pin;
use std::time::Instant;

use super::doubts;
use super::measure::Bench;
use super::plan::LimitPlan;
use super::programs::Programs;
use super::report::{LimitFailure, LimitReport, LimitRow};
use crate::RunError;
use crate::environment::Environment;
use crate::files;
use crate::pin::Cores;
use crate::progress::Progress;
use crate::run::circumstances;
use crate::warnings::Warning;

/// What both ends of a run have open beside one socket a client: publishers, and some room.
const PUBLISHERS: usize = 64;

/// Measures the rows of the plan with these programs.
///
/// A run that fails is told in the report and not tried again; the others go on, because the whole takes long.
/// Needs a tokio runtime. While it runs, the process keeps to all cores but one, and that one is the servers'.
/// Dropping the future ends whatever it started. When `interrupt` resolves, the run under way is dropped and the
/// report is made of those that are finished, with [`Warning::Interrupted`].
///
/// # Errors
/// [`RunError::Plan`] and [`RunError::OpenFiles`], before anything is started; [`RunError::Interrupted`] if no
/// run was finished.
pub async fn against_limit(
    plan: &LimitPlan,
    programs: &Programs,
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> Result<LimitReport, RunError> {
    plan.check()?;
    let schedule = plan.schedule();
    let most = schedule.iter().map(|(_, run)| run.load.clients).max().unwrap_or(0);
    files::allow(most + PUBLISHERS)?;

    let began = Instant::now();
    let cores = Cores::part(true);
    let mut environment = Environment::now(&cores);
    let _pinned = cores.pin_load();
    progress.start(schedule.len());

    let bench = Bench { programs, cores: &cores };
    let (mut samples, mut failures) = (Vec::new(), Vec::<LimitFailure>::new());
    let mut interrupted = None;
    let mut interrupt = pin!(interrupt);
    for (round, run) in schedule {
        let name = run.to_string();
        if !failures.iter().any(|failure| failure.run == name) {
            progress.say(run.server.side.name(), round, plan.rounds, &run.load.to_string());
            let measured = tokio::select! {
                measured = Box::pin(bench.measure(&run, round)) => measured,
                () = &mut interrupt => {
                    interrupted = Some(Warning::Interrupted { round, rounds: plan.rounds });
                    break;
                }
            };
            match measured {
                Ok(sample) => samples.push(sample),
                Err(error) => {
                    let failure = LimitFailure { run: name, round, error: with_source(&error) };
                    progress.note(&failure.to_string());
                    failures.push(failure);
                }
            }
        }
        progress.step();
    }
    environment.seconds = began.elapsed().as_secs_f64();
    if samples.is_empty() && interrupted.is_some() {
        return Err(RunError::Interrupted);
    }

    let rows = plan.chosen().into_iter();
    let rows = rows.map(|row| LimitRow::of(row, plan, &samples, &failures)).collect();
    let mut warnings = Vec::from_iter(interrupted);
    warnings.extend(circumstances(plan.rounds));
    warnings.extend(cores.hub.is_none().then_some(Warning::SharedCores));
    warnings.extend(doubts::of(plan, &samples));
    let (rounds, quick) = (plan.rounds, plan.quick);
    Ok(LimitReport { environment, rounds, quick, rows, warnings, failures, samples })
}

fn with_source(error: &dyn Error) -> String {
    error.source().map_or(error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::limit::Verdict;
    use crate::limit::programs::Program;

    const SERVER: &str = "echo listening on http://127.0.0.1:4242; exec sleep 600";
    const LOAD: &str = r#"echo ready; read go; echo '{"deliveries":12,"lost":0,"duplicated":0,
        "reordered":0,"publishes":3,"connections":4,"requests":7,"bytes":99,"wall_ns":5,"cpu_ns":6,
        "p50_ns":1,"p99_ns":8,"p999_ns":9}'; read end || :"#;

    async fn measured(rows: &[&str], hub: &str, load: &str) -> LimitReport {
        let rows = rows.iter().map(|&row| row.to_owned()).collect();
        let plan = LimitPlan { rounds: 2, rows, quick: true };
        let programs = Programs {
            hub: Program::shell(hub),
            limit: Program::shell(SERVER),
            load: Program::shell(&load.replace("\n        ", "")),
        };
        against_limit(&plan, &programs, &Progress::hidden(), pending()).await.unwrap()
    }

    /// Where a named pipe may be: by it, a load of these tests reaches its server.
    fn pipe(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()))
    }

    #[tokio::test]
    async fn hub_and_limit_take_turns_and_a_shared_run_is_measured_once() {
        let report = measured(&["sse.steady.plain", "sse.p99"], SERVER, LOAD).await;
        assert!(report.is_clean(), "{:?}", report.failures);
        let order: Vec<(usize, &str)> = report
            .samples
            .iter()
            .map(|sample| (sample.round, sample.run.split(" under ").next().unwrap()))
            .collect();
        let (plain, hub) = ("hub --workers 1 --no-io-uring", "hub --workers 1");
        assert_eq!(order, [(1, plain), (1, "limit"), (1, hub), (2, hub), (2, "limit"), (2, plain)]);
        let p99 = &report.rows[1];
        assert_eq!((p99.id.as_str(), p99.verdict), ("sse.p99", Verdict::Met));
        assert_eq!(p99.ratio.map(|ratio| (ratio.n, ratio.median)), Some((2, 1.0)));
    }

    #[tokio::test]
    async fn a_server_that_does_not_come_up_costs_only_its_own_rows() {
        let hub = "case \"$*\" in *uring*) echo unknown option >&2; exit 2;; esac; ";
        let report = measured(&["sse.steady", "sse.p99"], &(hub.to_owned() + SERVER), LOAD).await;
        assert!(!report.is_clean());
        let [failure] = &report.failures[..] else { panic!("{:?}", report.failures) };
        assert!(failure.error.contains("unknown option"), "{failure}");
        let failed: Vec<&str> =
            report.rows.iter().filter(|row| row.failed).map(|row| row.id.as_str()).collect();
        assert_eq!(failed, ["sse.steady.plain"]);
        assert!(report.rows.iter().any(|row| row.verdict == Verdict::Met));
    }

    #[tokio::test]
    async fn what_the_load_lost_is_in_the_row() {
        let load = LOAD.replace("\"lost\":0", "\"lost\":2");
        let report = measured(&["handshake"], SERVER, &load).await;
        assert!(!report.is_clean());
        assert_eq!(report.rows[0].lost, 2 * 2 * 2, "two of each side in each round");
        assert!(report.table().contains("! 8 lost"), "{}", report.table());
    }

    #[tokio::test]
    async fn a_load_that_fails_is_shown_with_its_words_and_not_tried_again() {
        let load = "echo ready; read go; echo client 7 was refused >&2; exit 1";
        let report = measured(&["handshake"], SERVER, load).await;
        let told: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|failure| failure.contains("client 7 was refused")), "{told:?}");
        assert!(report.table().contains("client 7 was refused"));
    }

    #[tokio::test]
    async fn a_server_that_dies_under_its_load_is_told_in_place_of_the_load_s_complaint() {
        let pipe = pipe("death");
        let pipe = pipe.display();
        let hub = format!(
            "[ -p {pipe} ] || mkfifo {pipe}; echo listening on http://127.0.0.1:4242; \
             read word < {pipe}; echo no memory >&2; exit 9"
        );
        let load = format!("echo ready; read go; echo die > {pipe}; echo no answer >&2; exit 1");
        let report = measured(&["growth"], &hub, &load).await;
        std::fs::remove_file(pipe.to_string()).unwrap();
        let told: Vec<&str> = report.failures.iter().map(|failure| &*failure.error).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|error| error.contains("no memory")), "{told:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_fan_out_of_a_flood_ends_with_the_server_s_last_work() {
        // The load sets the server to work by a named pipe, and leaves it alone.
        let pipe = pipe("flood");
        let pipe = pipe.display();
        let hub = format!(
            "[ -p {pipe} ] || mkfifo {pipe}; echo listening on http://127.0.0.1:4242; \
             read word < {pipe}; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exec sleep 600"
        );
        let go = format!("read go; echo work > {pipe}; echo published; read word;");
        let report = measured(&["workers"], &hub, &LOAD.replace("read go;", &go)).await;
        std::fs::remove_file(pipe.to_string()).unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        for sample in &report.samples {
            let (cpu, wall) = (sample.server_cpu_ns.unwrap(), sample.fan_out_ns.unwrap());
            assert!(wall > cpu / 2, "one thread worked for {cpu} ns within {wall} ns");
            assert!(sample.behind_fan_out.unwrap() < 0.1, "{sample:?}");
        }
        assert!(report.rows[0].ratio.is_some());
    }
}
