//! `tidings compare`: the transports side by side, and message queues beside them; with `--backplane` hubs
//! that share one.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::to_string_pretty;
use tidings_compare::{HubUnderTest, Plan, Progress, Report, backplane, contenders, run};

use crate::args::CompareArgs;
use crate::limit;
use crate::output::Output;
use crate::serve::shutdown;

pub(crate) async fn compare(args: CompareArgs) -> anyhow::Result<ExitCode> {
    if args.limit {
        return limit::limit(args).await;
    }
    let (json, html, nodes) = (args.json.clone(), args.html.clone(), args.backplane);
    let plan = plan(args)?;
    if let Err(error) = plan.check() {
        return Ok(usage(&error.to_string()));
    }
    let outputs = open(json.as_deref()).and_then(|json| Ok((json, open(html.as_deref())?)));
    let (json, html) = match outputs {
        Ok((Some(json), Some(html))) if json.is_stdout() && html.is_stdout() => {
            return Ok(usage("only one of --json and --html can be - (standard output)"));
        }
        Ok(outputs) => outputs,
        Err(error) => return Ok(usage(&error)),
    };
    let progress = Progress::terminal();
    let report = measured(&plan, nodes, &progress).await?;
    drop(progress);
    let has_stdout = [&json, &html].into_iter().flatten().any(Output::is_stdout);
    print(&report.table(), has_stdout);
    if let Some(output) = json {
        output.write(&(to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(output) = html {
        output.write(&report.html())?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens the file that was asked for, if one was.
pub(crate) fn open(path: Option<&Path>) -> Result<Option<Output>, String> {
    path.map(Output::open).transpose()
}

/// Prints the table to standard output, or to standard error if a report goes to standard output.
pub(crate) fn print(table: &str, stdout_is_taken: bool) {
    if stdout_is_taken { eprintln!("{table}") } else { println!("{table}") }
}

/// Prints what is wrong with the command line and returns the exit code for that.
pub(crate) fn usage(error: &str) -> ExitCode {
    eprintln!("tidings: {error}");
    ExitCode::from(2)
}

async fn measured(plan: &Plan, nodes: bool, progress: &Progress) -> anyhow::Result<Report> {
    if nodes {
        let nodes = contenders::nodes();
        return Ok(Box::pin(backplane(plan, &nodes, progress, shutdown())).await?);
    }
    let mut all = contenders::hub();
    // A hub elsewhere and a queue of our own on this machine would be two machines compared.
    if let HubUnderTest::Child { .. } = plan.hub {
        all.extend(contenders::queues());
    }
    Ok(Box::pin(run(plan, &all, progress, shutdown())).await?)
}

fn plan(args: CompareArgs) -> anyhow::Result<Plan> {
    let mut hub = match args.url {
        Some(url) => {
            HubUnderTest::Url { url: url.url()?, pid: args.pid, options: args.remote.options()? }
        }
        None => HubUnderTest::this_program().context("cannot find this program to run the hub")?,
    };
    if let (true, HubUnderTest::Child { args, .. }) = (args.general_path, &mut hub) {
        args.push("--general-path".to_owned());
    }
    let mut plan = if args.quick { Plan::quick(hub) } else { Plan::new(hub) };
    plan.transports = args.transports;
    if args.backplane {
        plan.transports = args.rows;
        // There are more servers on the same core.
        plan.clients /= 2;
    }
    plan.clients = args.clients.unwrap_or(plan.clients);
    plan.rate = args.rate.unwrap_or(plan.rate);
    plan.payload = args.payload.unwrap_or(plan.payload);
    plan.rounds = args.rounds.unwrap_or(plan.rounds);
    if let Some(time) = args.seconds {
        (plan.steady, plan.burst, plan.saturation) = (time, time, time);
    }
    Ok(plan)
}
