//! Runs Autobahn's WebSocket test suite against the example `echo` and compares the verdicts with the
//! committed ones.
//!
//! The suite itself needs Python 2. [kosoku](https://pypi.org/project/kosoku/) runs its case files in
//! Python 3.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::cargo;
use crate::runner::Outcome;

/// The version is pinned, because another one may have other cases.
const KOSOKU: &str = "kosoku==0.1.0";

/// Starts kosoku. It passes plain messages to a case as `str`, and the cases of compression expect `bytes`, as they would
/// be in Python 2. A server may send plain messages with the extension.
const LAUNCHER: &str = r#"
from kosoku import cases
from kosoku._cli import main

def with_bytes(original):
    def on_message(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        return original(self, message, binary)
    return on_message

for name, case in cases.CASES.items():
    if name.startswith(("12.", "13.")):
        case.onMessage = with_bytes(case.onMessage)
main()
"#;

const EXPECTED: &str = "xtask/autobahn.txt";

/// The two paths of a WebSocket in a server, and the arguments of the example for each.
const WAYS: [(&str, &[&str]); 2] = [("lanes", &[]), ("general-path", &["general-path"])];

/// Runs all cases on both paths.
///
/// # Errors
/// Fails if the verdicts differ from the expected ones.
pub(crate) fn check() -> Result<Outcome> {
    let expected = fs::read_to_string(cargo::root().join(EXPECTED)).context(EXPECTED)?;
    cargo::run(&mut cargo::command("build --workspace --all-features --example echo"))?;
    let python = install()?;
    let mut differences = Vec::new();
    for (way, args) in WAYS {
        let reports = folder()?.join(way);
        let differing = differences_of(&expected, &run(&python, args, &reports)?)?;
        println!("    {way}: {}", reports.join("index.html").display());
        differences.extend(differing.into_iter().map(|difference| format!("{way}: {difference}")));
    }
    ensure!(differences.is_empty(), "not as in {EXPECTED}\n{}", differences.join("\n"));
    Ok(Outcome::Passed)
}

/// Starts the example with these arguments, runs all cases against it, and reads the report.
fn run(python: &Path, args: &[&str], reports: &Path) -> Result<String> {
    if reports.exists() {
        fs::remove_dir_all(reports)?;
    }
    let mut echo = Command::new(cargo::built("examples/echo")?);
    let mut echo = Running(echo.arg("127.0.0.1:0").args(args).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(echo.0.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
    let address = line.trim_end().strip_prefix("listening on http://");
    let address =
        address.with_context(|| format!("expected an address, and echo wrote {line:?}"))?;

    let mut suite = Command::new(python);
    suite.args(["-c", LAUNCHER, "--mode", "fuzzingclient", "--outdir"]).arg(reports);
    suite.arg(format!("ws://{address}/topics/echo"));
    // kosoku exits with a failure if any case fails, including those for extensions that the server does not have. So
    // its report is compared instead.
    let suite = cargo::captured(&mut suite)?;
    fs::read_to_string(reports.join("index.json"))
        .with_context(|| format!("kosoku wrote no report: {}", suite.stderr.escape_ascii()))
}

/// A process. Dropping it kills the process.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs kosoku in a virtual environment in the target folder, and returns its Python.
fn install() -> Result<PathBuf> {
    let venv = folder()?.join("venv");
    let pip = venv.join("bin/pip");
    let installed = cargo::output(Command::new(&pip).arg("freeze"));
    if !installed.is_ok_and(|list| list.lines().any(|line| line == KOSOKU)) {
        cargo::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("Python 3.10 or later with venv is needed (on Debian: python3-venv)")?;
        let args = ["install", "--quiet", "--only-binary=:all:", KOSOKU];
        cargo::output(Command::new(&pip).args(args)).context("cannot install kosoku from PyPI")?;
    }
    Ok(venv.join("bin/python"))
}

/// The folder for the environment and the reports, in the target folder.
fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("this program is in TARGET/PROFILE")?;
    Ok(target.join("autobahn"))
}

/// The part of a report on one case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    /// The verdict on the messages.
    behavior: String,
    /// The verdict on the way in which the connection was closed.
    behavior_close: String,
}

/// A line for each line of the report that is not expected, with some of its cases, and for each expected line that is
/// not in the report.
fn differences_of(expected: &str, report: &str) -> Result<Vec<String>> {
    let servers: BTreeMap<String, BTreeMap<String, Verdict>> = serde_json::from_str(report)?;
    let mut groups: BTreeMap<[&str; 3], Vec<&str>> = BTreeMap::new();
    for (case, Verdict { behavior, behavior_close }) in servers.values().flatten() {
        let chapter = case.split('.').next().unwrap_or_default();
        groups.entry([chapter, behavior, behavior_close]).or_default().push(case);
    }
    let mut expected: Vec<Vec<&str>> = expected
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect();
    let mut differences = Vec::new();
    for ([chapter, behavior, close], cases) in groups {
        let count = cases.len().to_string();
        let line = [chapter, count.as_str(), behavior, close];
        match expected.iter().position(|other| *other == line) {
            Some(at) => drop(expected.remove(at)),
            None => {
                let some = cases[..cases.len().min(5)].join(", ");
                differences.push(format!("not expected: {} (such as {some})", line.join(" ")));
            }
        }
    }
    differences.extend(expected.iter().map(|line| format!("expected: {}", line.join(" "))));
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences<const N: usize>(expected: &str, verdicts: [(&str, &str); N]) -> Vec<String> {
        let verdicts = verdicts.map(|(case, word)| {
            format!(r#""{case}": {{"behavior": "{word}", "behaviorClose": "OK", "duration": 2}}"#)
        });
        let report = format!(r#"{{"server": {{{}}}}}"#, verdicts.join(","));
        differences_of(expected, &report).unwrap()
    }

    #[test]
    fn verdicts_are_compared_by_chapter() {
        let expected = "# a comment\n\n1   1 OK             OK\n12  2 UNIMPLEMENTED  OK\n";
        let (no, ok) = ("UNIMPLEMENTED", "OK");
        assert!(differences(expected, [("1.1", ok), ("12.1", no), ("12.2", no)]).is_empty());
        assert_eq!(
            differences(expected, [("1.1", "FAILED"), ("12.1", no), ("12.2", no)]),
            ["not expected: 1 1 FAILED OK (such as 1.1)", "expected: 1 1 OK OK"]
        );
        assert_eq!(differences(expected, [("12.1", no), ("12.2", no)]), ["expected: 1 1 OK OK"]);
    }
}
