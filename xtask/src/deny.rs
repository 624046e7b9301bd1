//! cargo-deny, where it is installed: it takes minutes to build, so nobody is made to have it.

use anyhow::{Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

const CHECKS: [&str; 5] = ["deny", "check", "licenses", "bans", "sources"];

/// Runs cargo-deny over the whole dependency tree.
pub(crate) fn check() -> Result<Outcome> {
    let (installed, ..) = cargo::capture(&["deny", "--version"])?;
    if !installed {
        let how = "cargo-deny is not installed (cargo install --locked cargo-deny)";
        return Ok(Outcome::Skipped(how.to_owned()));
    }
    let status = cargo::command().args(CHECKS).status()?;
    ensure!(status.success(), "`cargo {}` ended with {status}", CHECKS.join(" "));
    Ok(Outcome::Passed)
}
