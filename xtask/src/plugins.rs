//! Checks by cargo plugins. Each takes minutes to build, so a plugin that is not installed is skipped.

use anyhow::Result;

use crate::cargo;
use crate::runner::Outcome;

/// Checks the whole dependency tree against `deny.toml`.
pub(crate) fn deny() -> Result<Outcome> {
    run("deny", "check licenses bans sources")
}

/// Checks that every dependency in a manifest is used.
pub(crate) fn machete() -> Result<Outcome> {
    run("machete", "")
}

fn run(plugin: &str, args: &str) -> Result<Outcome> {
    if cargo::output(&mut cargo::command(&format!("{plugin} --version"))).is_err() {
        let how =
            format!("cargo-{plugin} is not installed (cargo install --locked cargo-{plugin})");
        return Ok(Outcome::Skipped(how));
    }
    cargo::run(&mut cargo::command(&format!("{plugin} {args}")))?;
    Ok(Outcome::Passed)
}
