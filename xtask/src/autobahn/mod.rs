//! Autobahn's test suite for WebSockets against the example `echo`, held against the committed expectation.
//!
//! The suite itself needs Python 2. [kosoku](https://pypi.org/project/kosoku/) runs the suite's own case files, with
//! as few changes as Python 3 needs, by a runner of its own.

mod expectation;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;
use expectation::{Expectation, Verdict};
use server::Server;

/// The runner, pinned: another version may have other cases.
const KOSOKU: &str = "kosoku==0.1.0";

const EXPECTATION: &str = "xtask/autobahn.txt";

/// The ways from the decoder to the encoder that a server has, and the arguments of the example for each.
const WAYS: [(&str, &[&str]); 2] = [("lanes", &[]), ("general path", &["general-path"])];

/// Prints the verdicts of kosoku's report, one line each.
const VERDICTS: &str = r#"
import json, sys
for cases in json.load(open(sys.argv[1])).values():
    for case, verdict in cases.items():
        print(case, verdict["behavior"], verdict["behaviorClose"], sep="\t")
"#;

/// Runs all cases on each way. Fails if a verdict is not the expected one.
pub(crate) fn check() -> Result<Outcome> {
    let text = fs::read_to_string(cargo::root().join(EXPECTATION)).context(EXPECTATION)?;
    let expectation: Expectation = text.parse().context(EXPECTATION)?;
    let args = ["build", "--workspace", "--all-features", "--example", "echo"];
    ensure!(cargo::command().args(args).status()?.success(), "the example does not build");
    let python = install()?;
    let mut differences = Vec::new();
    for (way, args) in WAYS {
        let reports = folder()?.join(way.replace(' ', "-"));
        let verdicts = run(&python, &Server::start(args)?, &reports)?;
        println!("    {way}: {}", expectation::totals(&verdicts));
        println!("    report: {}", reports.join("index.html").display());
        let differing = expectation.differences(&verdicts);
        differences.extend(differing.into_iter().map(|difference| format!("{way}: {difference}")));
    }
    ensure!(differences.is_empty(), "not as {EXPECTATION} has it\n{}", differences.join("\n"));
    Ok(Outcome::Passed)
}

/// Runs all cases against this server and returns their verdicts.
fn run(python: &Path, server: &Server, reports: &Path) -> Result<Vec<Verdict>> {
    if reports.exists() {
        fs::remove_dir_all(reports)?;
    }
    let url = format!("ws://{}/topics/echo", server.address());
    let mut kosoku = Command::new(python.with_file_name("kosoku"));
    kosoku.args(["--mode", "fuzzingclient", "--outdir"]).arg(reports).arg(&url);
    // It fails if one case does, and an extension that a server does not have counts as that. The report has more.
    let (_, _, complaint) = cargo::capture_of(&mut kosoku)?;
    let index = reports.join("index.json");
    ensure!(index.exists(), "kosoku wrote no report: {}", complaint.trim());
    let (success, stdout, stderr) =
        cargo::capture_of(Command::new(python).args(["-c", VERDICTS]).arg(&index))?;
    ensure!(success, "cannot read {}: {}", index.display(), stderr.trim());
    expectation::verdicts(&stdout)
}

/// Returns the Python of a virtual environment in the target folder that has the runner.
fn install() -> Result<PathBuf> {
    let venv = folder()?.join("venv");
    let python = venv.join("bin/python");
    let is_there = |python: &Path| {
        let args =
            ["-c", "import importlib.metadata as m; print('kosoku==' + m.version('kosoku'))"];
        let found = cargo::capture_of(Command::new(python).args(args));
        found.is_ok_and(|(_, stdout, _)| stdout.trim() == KOSOKU)
    };
    if is_there(&python) {
        return Ok(python);
    }
    let make = |command: &mut Command| -> Result<()> {
        let (success, _, stderr) = cargo::capture_of(command)?;
        ensure!(success, "{command:?}: {}", stderr.trim());
        Ok(())
    };
    make(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .context("it needs Python 3.10 or later with venv (on Debian: python3-venv)")?;
    make(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
        KOSOKU,
    ]))
    .context("kosoku is installed from PyPI")?;
    Ok(python)
}

/// Where the environment and the reports are, in the target folder.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("this program is in TARGET/PROFILE")?;
    Ok(target.join("autobahn"))
}
