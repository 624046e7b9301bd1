//! The JavaScript client, the live page, and their tests in a browser.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

/// The folder of the built page and client, which is committed for builds without Node.
const BUILT: &str = "crates/live-page/built";

/// Checks the types and runs the tests.
///
/// # Errors
/// Fails if one of them fails, or if the committed page was not built from the current sources.
pub(crate) fn check() -> Result<Outcome> {
    install()?;
    let committed = built()?;
    npm("run build")?;
    ensure!(
        built()? == committed,
        "{BUILT} was not up to date with clients/, it was rebuilt now: commit it"
    );
    npm("run check")?;
    npm("test -w tidings")?;
    Ok(Outcome::Passed)
}

/// Tests the client and the page in Chromium, with a server of this build.
pub(crate) fn browser() -> Result<Outcome> {
    with_program("npm", "test -w tidings-browser-tests")
}

/// Writes the images of the documents.
pub(crate) fn screenshots() -> Result<Outcome> {
    with_program("node", "browser-tests/screenshots.js")
}

fn with_program(command: &str, args: &str) -> Result<Outcome> {
    install()?;
    npm("run build -w tidings")?;
    cargo::run(node(command, args).env("TIDINGS", cargo::build_program()?))?;
    Ok(Outcome::Passed)
}

/// Installs the packages of the lockfile if it has changed since the last time.
fn install() -> Result<()> {
    let modified = |file| fs::metadata(folder().join(file)).and_then(|file| file.modified()).ok();
    // npm writes this file last.
    if modified("node_modules/.package-lock.json") < modified("package-lock.json") {
        npm("ci")?;
    }
    Ok(())
}

fn npm(args: &str) -> Result<()> {
    cargo::run(&mut node("npm", args))
}

fn node(program: &str, args: &str) -> Command {
    let mut command = Command::new(program);
    command.args(args.split(' ')).current_dir(folder()).env("PATH", cargo::search_path());
    command
}

fn folder() -> PathBuf {
    cargo::root().join("clients")
}

fn built() -> Result<BTreeMap<OsString, Vec<u8>>> {
    let read = || {
        fs::read_dir(cargo::root().join(BUILT))?
            .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), fs::read(entry.path())?))))
            .collect::<std::io::Result<_>>()
    };
    read().with_context(|| format!("cannot read {BUILT}"))
}
