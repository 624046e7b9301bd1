//! `tidings compare`: transports, message queues and the baseline side by side.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use tidings_compare::{
    Compression, Folder, Plan, Progress, Report, RunningServer, Scenario, bill_text, merged, page,
    run,
};

use crate::compare_args::{CompareArgs, Compressed, HttpVersion};
use crate::output::Output;
use crate::serve::shutdown;
use crate::values::{NO_AXUM, NO_BROKERS, NO_WEBTRANSPORT};

/// Measures each scenario, prints its table and writes the reports.
///
/// # Errors
/// Fails if nothing could be measured, or a report cannot be written.
pub(crate) async fn compare(args: CompareArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    }
    if !args.merge.is_empty() {
        print!("{}", merge(&args.merge)?);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.http.is_empty() && !args.transports.is_empty() {
        return Ok(usage(HTTP_AND_TRANSPORTS));
    }
    let plans = match plans(&args)? {
        Ok(plans) => plans,
        Err(error) => return Ok(usage(&error)),
    };
    if plans.len() > 1 && (args.json.is_some() || args.html.is_some()) {
        return Ok(usage("--json and --html are for one scenario, write several with --output"));
    }
    let outputs =
        open(args.json.as_deref()).and_then(|json| Ok((json, open(args.html.as_deref())?)));
    let (mut json, mut html) = match outputs {
        Ok((Some(json), Some(html))) if json.is_stdout() && html.is_stdout() => {
            return Ok(usage("only one of --json and --html can be - (standard output)"));
        }
        Ok(outputs) => outputs,
        Err(error) => return Ok(usage(&error)),
    };
    let output = args.output.as_deref().or(args.all.then_some(Path::new("comparison")));
    let assumptions = args.bill.assumptions();
    let open_folder = if args.bill.print { Folder::open } else { Folder::create };
    let mut folder = output.map(open_folder).transpose()?;
    if let Some(folder) = &mut folder {
        folder.assumptions = assumptions;
    }
    if let (Some(folder), true) = (&folder, args.bill.print) {
        return show_bill(folder);
    }
    if let Some(reason) = without_queues(&args) {
        eprintln!("message queues are left out: {reason}");
    }
    // Standard output belongs to the report if `-` is given.
    let is_quiet = [&json, &html].into_iter().flatten().any(Output::is_stdout);
    let mut is_clean = true;
    for plan in plans {
        let earlier = match &folder {
            Some(folder) => folder.report(plan.scenario)?,
            None => None,
        };
        let progress = Progress::terminal();
        let report = Box::pin(run(&plan, earlier, &progress, shutdown())).await?;
        drop(progress);
        if is_quiet {
            eprintln!("{}", report.table());
        } else {
            println!("{}", report.table());
        }
        if let Some(folder) = &folder {
            folder.write(&report)?;
        }
        if let Some(output) = json.take() {
            output.write(&report.json())?;
        }
        if let Some(output) = html.take() {
            output.write(&page(std::slice::from_ref(&report), false, assumptions))?;
        }
        is_clean &= report.is_clean();
        if report.is_interrupted() {
            break;
        }
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The figures of several files side by side.
///
/// # Errors
/// Fails if a file is not a report, or if the reports cannot be compared.
fn merge(files: &[PathBuf]) -> anyhow::Result<String> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let json = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let report = Report::from_json(&json).with_context(|| name.clone())?;
        anyhow::Ok((name, report))
    };
    let reports: anyhow::Result<Vec<_>> = files.iter().map(read).collect();
    merged(&reports?)
}

/// Prints what clients cost in a month, from the reports of a folder.
///
/// # Errors
/// Fails if a report cannot be read, or if one of the scenarios that are needed is missing.
fn show_bill(folder: &Folder) -> anyhow::Result<ExitCode> {
    let bill = bill_text(&folder.reports()?, folder.assumptions);
    let bill = bill
        .context("the bill needs the scenarios tls, topics, idle and wire: measure them first")?;
    print!("{bill}");
    Ok(ExitCode::SUCCESS)
}

/// The plan of each scenario, or an error of the command line.
///
/// # Errors
/// Fails if this program cannot be found, or a file with credentials cannot be read.
fn plans(args: &CompareArgs) -> anyhow::Result<Result<Vec<Plan>, String>> {
    let scenarios: Result<Vec<_>, _> = match args.all {
        true => Ok(Scenario::all().collect()),
        false => args.scenario.iter().map(|name| Scenario::named(name)).collect(),
    };
    let scenarios = match scenarios {
        Ok(scenarios) => scenarios,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut plans = Vec::new();
    for scenario in scenarios {
        let plan = plan(args, scenario)?;
        if let Some(error) = invalid(&plan) {
            return Ok(Err(error));
        }
        plans.push(plan);
    }
    Ok(Ok(plans))
}

/// The reason why this program cannot measure a plan.
fn invalid(plan: &Plan) -> Option<String> {
    if let Err(error) = plan.check() {
        return Some(error.to_string());
    }
    if cfg!(not(feature = "brokers")) && plan.needs_broker() {
        return Some(format!("a contender of --transports {NO_BROKERS}"));
    }
    if cfg!(not(feature = "webtransport")) && plan.needs_webtransport() {
        return Some(format!("WebTransport {NO_WEBTRANSPORT}"));
    }
    if cfg!(not(feature = "axum")) && plan.needs_axum() {
        return Some(format!("a contender of --transports {NO_AXUM}"));
    }
    None
}

/// A line for each scenario.
fn list() -> String {
    let width = Scenario::all().map(|it| it.name.len()).max().unwrap_or(0) + 1;
    Scenario::all().map(|it| format!("{:<width$}{}\n", it.name, it.question)).collect()
}

/// The most times that a disturbed measurement is repeated if its figures are written to a folder.
const REPEATS: usize = 2;

/// The error for both options, which name the contenders in two ways.
const HTTP_AND_TRANSPORTS: &str = "--http cannot be used with --transports: leave out --http, and name our transports \
                                   over other versions of HTTP as http2 or http3, such as --transports \
                                   transports,http2,message-queue";

/// Why message queues are not measured, although no contenders are named. `None` if they are, or if the help names the
/// option as one without them.
fn without_queues(args: &CompareArgs) -> Option<&'static str> {
    let is_default = args.transports.is_empty()
        && args.url.is_none()
        && !args.baseline
        && args.scenario == ["fan-out"]
        && !args.all;
    if is_default && args.compression.is_some() {
        return Some("they have no compression");
    }
    match (is_default, args.tls, args.http.is_empty()) {
        (false, _, _) | (true, false, true) => None,
        (true, true, _) => Some("they cannot be measured over TLS"),
        (true, false, false) => Some(
            "they have no version of HTTP, measure them with --transports transports,http2,message-queue",
        ),
    }
}

fn open(path: Option<&Path>) -> Result<Option<Output>, String> {
    path.map(Output::open).transpose()
}

/// Prints an error of the command line.
fn usage(error: &str) -> ExitCode {
    eprintln!("tidings: {error}");
    ExitCode::from(2)
}

fn plan(args: &CompareArgs, scenario: &'static Scenario) -> anyhow::Result<Plan> {
    let program = std::env::current_exe().context("cannot find this program to start servers")?;
    let mut plan = Plan::of(program, scenario);
    if args.quick {
        plan.make_quick();
    }
    if let Some(url) = &args.url {
        let headers = args.credentials.header_lines()?;
        plan.running = Some(RunningServer { url: url.url()?, pid: args.pid, headers });
    }
    let families = args.http.iter().map(|version| match version {
        HttpVersion::One => "transports".to_owned(),
        HttpVersion::Two => "http2".to_owned(),
        HttpVersion::Three => "http3".to_owned(),
    });
    plan.contenders = families.chain(args.transports.iter().cloned()).collect();
    plan.baseline |= args.baseline;
    plan.rows.clone_from(&args.rows);
    plan.peers.clone_from(&args.peers);
    if (args.output.is_some() || args.all) && !args.quick {
        plan.repeats = REPEATS;
    }
    if let Some(compression) = args.compression {
        plan.compression = Some(match compression {
            Compressed::On => Compression::On,
            Compressed::Off => Compression::Off,
            Compressed::Both => Compression::Both,
        });
    }
    let workload = &mut plan.workload;
    workload.tls |= args.tls;
    workload.clients = args.clients.unwrap_or(workload.clients);
    workload.rate = args.rate.unwrap_or(workload.rate);
    workload.payload = args.payload.unwrap_or(workload.payload);
    workload.rounds = args.rounds.unwrap_or(workload.rounds);
    if let Some(seconds) = args.seconds.map(|time| time.as_secs_f64()) {
        workload.steady_seconds = seconds;
        workload.burst_seconds = seconds;
        workload.saturation_seconds = seconds;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn each_scenario_has_a_line_with_a_question_that_fits_a_terminal() {
        let list = list();
        assert!(list.starts_with("fan-out           What does it cost to send "), "{list}");
        assert!(list.contains("\nidle              What does"), "{list}");
        for line in list.lines() {
            assert!(line.contains('?') && line.len() <= 120, "{line}");
            let (name, _) = line.split_once(' ').unwrap();
            assert!(Scenario::all().any(|it| it.name == name), "{line}");
        }
    }

    #[test]
    fn the_examples_in_the_help_are_valid() {
        let args = Args::command();
        let help = args.find_subcommand("compare").unwrap().get_after_help().unwrap().to_string();
        let examples =
            help.lines().map(str::trim).filter(|line| line.starts_with("tidings compare"));
        let examples: Vec<_> = examples.collect();
        assert!(examples.len() > 5, "{help}");
        for example in examples {
            let Command::Compare(args) = Args::parse_from(example.split_whitespace()).command
            else {
                panic!("{example}");
            };
            assert!(plans(&args).unwrap().is_ok(), "{example}");
        }
    }
}
