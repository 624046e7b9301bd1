//! Instructions of the scenarios in `benches/counts`, held against a committed baseline. In seconds the
//! same code differs by more than a change makes, where other programs run; its instructions do not.

mod baseline;
mod callgrind;
mod made_with;
mod verdict;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;
use baseline::{Baseline, Counts};
use made_with::MadeWith;
use verdict::Verdict;

const BASELINE: &str = "benches/counts/baseline.txt";

/// Fails where a count is further from the baseline than the tolerance, in either direction: a gain that
/// is not written down could be lost again unseen.
pub(crate) fn check() -> Result<Outcome> {
    if !callgrind::is_installed() {
        return Ok(Outcome::Skipped("valgrind is not installed".to_owned()));
    }
    let text = fs::read_to_string(path()).with_context(|| BASELINE)?;
    let baseline: Baseline = text.parse().context(BASELINE)?;
    let differing = MadeWith::here()?.differing(&baseline.made_with);
    if !differing.is_empty() {
        let differing = differing.join(", ");
        return Ok(Outcome::Skipped(format!("the baseline was made with another {differing}")));
    }
    let verdict = Verdict::of(&measure()?, &baseline.counts);
    println!("{}", verdict.table());
    let complaints = verdict.complaints();
    ensure!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    Ok(Outcome::Passed)
}

/// Makes the counts of now the baseline.
pub(crate) fn write() -> Result<Outcome> {
    let baseline = Baseline { made_with: MadeWith::here()?, counts: measure()? };
    print!("{baseline}");
    fs::write(path(), baseline.to_string()).with_context(|| BASELINE)?;
    Ok(Outcome::Passed)
}

fn measure() -> Result<Counts> {
    let names = cargo::output(&callgrind::PROGRAM)?;
    let count = |name: &str| Ok((name.to_owned(), callgrind::count(name)?));
    names.lines().map(count).collect()
}

fn path() -> PathBuf {
    cargo::root().join(BASELINE)
}
