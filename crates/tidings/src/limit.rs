//! `tidings compare --limit`: the hub against bare delivery.

use std::process::ExitCode;

use anyhow::Context;
use tidings_compare::{LimitPlan, Programs, Progress, against_limit};

use crate::args::CompareArgs;
use crate::serve::shutdown;

pub(crate) async fn limit(args: CompareArgs) -> anyhow::Result<ExitCode> {
    let mut plan = if args.quick { LimitPlan::quick() } else { LimitPlan::default() };
    plan.rounds = args.rounds.unwrap_or(plan.rounds);
    plan.rows = args.rows;
    if let Err(error) = plan.check() {
        eprintln!("tidings: {error}");
        return Ok(ExitCode::from(2));
    }
    let programs = Programs::beside_this_one()?;
    let progress = Progress::terminal();
    let report = tokio::select! {
        report = against_limit(&plan, &programs, &progress) => report?,
        () = shutdown() => anyhow::bail!("interrupted; nothing was measured to the end"),
    };
    drop(progress);
    println!("{}", report.table());
    if let Some(path) = args.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
