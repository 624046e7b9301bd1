//! `tidings compare`: the transports side by side, and message queues beside them; with `--backplane` hubs
//! that share one.

use std::process::ExitCode;

use anyhow::Context;
use tidings_compare::{HubUnderTest, Plan, Progress, Report, backplane, run};

use crate::args::CompareArgs;
use crate::contenders;
use crate::limit;
use crate::serve::shutdown;

pub(crate) async fn compare(args: CompareArgs) -> anyhow::Result<ExitCode> {
    if args.limit {
        return limit::limit(args).await;
    }
    let (json, html, nodes) = (args.json.clone(), args.html.clone(), args.backplane);
    let plan = plan(args)?;
    if let Err(error) = plan.check() {
        eprintln!("tidings: {error}");
        return Ok(ExitCode::from(2));
    }
    let progress = Progress::terminal();
    let report = tokio::select! {
        report = measured(&plan, nodes, &progress) => report?,
        () = shutdown() => anyhow::bail!("interrupted; nothing was measured to the end"),
    };
    println!("{}", report.table());
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = html {
        report.write_html(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measured(plan: &Plan, nodes: bool, progress: &Progress) -> anyhow::Result<Report> {
    if nodes {
        return Ok(Box::pin(backplane(plan, &contenders::nodes()?, progress)).await?);
    }
    let mut all = contenders::hub();
    // A hub elsewhere and a queue of our own on this machine would be two machines compared.
    if let HubUnderTest::Child { .. } = plan.hub {
        all.extend(contenders::queues());
    }
    Ok(Box::pin(run(plan, &all, progress)).await?)
}

fn plan(args: CompareArgs) -> anyhow::Result<Plan> {
    let mut hub = match args.url {
        Some(url) => HubUnderTest::Url { url, pid: args.pid },
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
