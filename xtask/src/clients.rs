//! What is written in JavaScript: the client, the live page, and their tests in a browser.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

/// The page as `crates/live-page` has it, which is made by the build and committed.
const BUILT: &str = "crates/live-page/built";

/// Types and tests, and that the committed page is the one that the sources make.
pub(crate) fn check() -> Result<Outcome> {
    install()?;
    let committed = files(Path::new(BUILT))?;
    npm(&["run", "build"])?;
    ensure!(
        files(Path::new(BUILT))? == committed,
        "{BUILT} was not what clients/ makes. It is now: commit it (`npm run build` in clients/ does the same)"
    );
    npm(&["run", "check"])?;
    npm(&["test", "-w", "tidings"])?;
    Ok(Outcome::Passed)
}

/// The client and the page in Chromium, against a hub of this build.
pub(crate) fn browser() -> Result<Outcome> {
    let program = prepare()?;
    run(node("npm").args(["test", "-w", "tidings-browser-tests"]).env("TIDINGS", program))
}

/// The images that the documents show.
pub(crate) fn screenshots() -> Result<Outcome> {
    let program = prepare()?;
    run(node("node").arg("browser-tests/screenshots.js").env("TIDINGS", program))
}

/// What the browser is to be shown: the client, and the program, whose path this tells.
fn prepare() -> Result<PathBuf> {
    install()?;
    npm(&["run", "build", "-w", "tidings"])?;
    cargo::build_program()
}

/// Installs what the lockfile says, where that has not been done since it changed.
fn install() -> Result<()> {
    let modified = |file| fs::metadata(folder().join(file)).and_then(|file| file.modified()).ok();
    // The last file that npm writes.
    if modified("node_modules/.package-lock.json") < modified("package-lock.json") {
        npm(&["ci"])?;
    }
    Ok(())
}

fn npm(args: &[&str]) -> Result<()> {
    run(node("npm").args(args)).map(drop)
}

fn node(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder()).env("PATH", cargo::search_path());
    command
}

fn run(command: &mut Command) -> Result<Outcome> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("{shown} does not start"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(Outcome::Passed)
}

fn folder() -> PathBuf {
    cargo::root().join("clients")
}

/// Every file of a folder of the workspace, by its name.
fn files(folder: &Path) -> Result<BTreeMap<OsString, Vec<u8>>> {
    let read = || {
        fs::read_dir(cargo::root().join(folder))?
            .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), fs::read(entry.path())?))))
            .collect::<std::io::Result<_>>()
    };
    read().with_context(|| format!("cannot read {}", folder.display()))
}
