//! `tidings compare --limit`: the hub against bare delivery.

use std::process::ExitCode;

use serde_json::to_string_pretty;
use tidings_compare::{LimitPlan, Programs, Progress, against_limit};

use crate::args::CompareArgs;
use crate::compare::{open, print, usage};
use crate::output::Output;
use crate::serve::shutdown;

pub(crate) async fn limit(args: CompareArgs) -> anyhow::Result<ExitCode> {
    let mut plan = if args.quick { LimitPlan::quick() } else { LimitPlan::default() };
    plan.rounds = args.rounds.unwrap_or(plan.rounds);
    plan.rows = args.rows;
    if let Err(error) = plan.check() {
        return Ok(usage(&error.to_string()));
    }
    let json = match open(args.json.as_deref()) {
        Ok(json) => json,
        Err(error) => return Ok(usage(&error)),
    };
    let programs = Programs::beside_this_one()?;
    let progress = Progress::terminal();
    let report = against_limit(&plan, &programs, &progress, shutdown()).await?;
    drop(progress);
    print(&report.table(), json.as_ref().is_some_and(Output::is_stdout));
    if let Some(output) = json {
        output.write(&(to_string_pretty(&report)? + "\n"))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
