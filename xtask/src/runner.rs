//! Runs steps, each whether or not those before it failed, and reports at the end how each of them
//! ended, how long it took, and how to repeat those that failed.

use std::env;
use std::process::{Command, ExitCode, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cargo;

/// One named step.
pub(crate) struct Step {
    /// `cargo xtask NAME` runs it alone.
    pub(crate) name: &'static str,
    /// What holds once it has passed, in a line.
    pub(crate) about: &'static str,
    pub(crate) action: Action,
}

/// How a step is done.
pub(crate) enum Action {
    /// By one call of cargo, whose output goes straight to the terminal.
    Cargo { env: &'static [(&'static str, &'static str)], args: &'static [&'static str] },
    /// By code of this crate.
    Check(fn() -> Result<Outcome>),
}

/// How a step ended that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// With the reason.
    Skipped(String),
}

/// A step that has ended.
struct Ended {
    name: &'static str,
    result: Result<Outcome>,
    took: Duration,
}

/// Runs all `steps` in order. Returns a failure if one of them failed.
pub(crate) fn run(steps: &[Step]) -> ExitCode {
    run_beside(steps, &[], &[])
}

/// Runs the steps of `first` in order, and then those of `main` in order while those of `beside` run in
/// order as well. Returns a failure if one of them failed.
///
/// What a step of `beside` prints is kept, and printed when the step has ended.
pub(crate) fn run_beside(first: &[Step], main: &[Step], beside: &[Step]) -> ExitCode {
    let started = Instant::now();
    let mut ended: Vec<Ended> = first.iter().map(run_step).collect();
    thread::scope(|scope| {
        let beside = scope.spawn(|| beside.iter().map(run_aside).collect::<Vec<_>>());
        ended.extend(main.iter().map(run_step));
        ended.extend(beside.join().expect("a step that fails is no panic"));
    });
    print!("\n{}", report(&ended, started.elapsed()));
    let has_failed = ended.iter().any(|step| step.result.is_err());
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs a step in a process of its own, and prints its output at once when it has ended.
fn run_aside(step: &Step) -> Ended {
    let Step { name, about, action } = step;
    println!("\n==> {name}, beside the others: {}\n    {about}", action.command(name));
    let started = Instant::now();
    let ran = env::current_exe().and_then(|program| Command::new(program).arg(name).output());
    let took = started.elapsed();
    let result = ran.map_err(Into::into).and_then(|Output { status, stdout, stderr }| {
        let text = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        println!("\n<== {name} ended after {}\n{}", seconds(took), text.concat());
        ensure!(status.success(), "{status}");
        Ok(Outcome::Passed)
    });
    Ended { name, result, took }
}

fn run_step(Step { name, about, action }: &Step) -> Ended {
    println!("\n==> {name}: {}\n    {about}", action.command(name));
    let started = Instant::now();
    let result = action.run();
    let ended = Ended { name, result, took: started.elapsed() };
    println!("<== {name} {} after {}", ended.word(), seconds(ended.took));
    match &ended.result {
        Ok(Outcome::Passed) => {}
        Ok(Outcome::Skipped(why)) => println!("    {why}"),
        Err(error) => println!("    {error:#}"),
    }
    ended
}

impl Ended {
    fn word(&self) -> &'static str {
        match self.result {
            Ok(Outcome::Passed) => "passed",
            Ok(Outcome::Skipped(_)) => "skipped",
            Err(_) => "FAILED",
        }
    }
}

impl Action {
    /// As one would type it.
    fn command(&self, name: &str) -> String {
        match self {
            Self::Check(_) => format!("cargo xtask {name}"),
            Self::Cargo { env, args } => {
                let env = env.iter().map(|(key, value)| format!("{key}=\"{value}\" "));
                format!("{}cargo {}", env.collect::<String>(), args.join(" "))
            }
        }
    }

    fn run(&self) -> Result<Outcome> {
        match self {
            Self::Check(check) => check(),
            Self::Cargo { env, args } => {
                let status = cargo::command().args(*args).envs(env.to_vec()).status()?;
                ensure!(status.success(), "`{}`: {status}", self.command(""));
                Ok(Outcome::Passed)
            }
        }
    }
}

/// The last lines of the output: a table of times, the failed steps, and the counts on a line of their
/// own, which is the last.
fn report(ended: &[Ended], took: Duration) -> String {
    let mut text = String::new();
    for step in ended {
        text += &format!("{:<12} {:<8} {:>12}\n", step.name, step.word(), seconds(step.took));
    }
    text += &format!("{:<12} {:<8} {:>12}\n\n", "all", "", seconds(took));

    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for Ended { name, result, .. } in ended {
        match result {
            Ok(Outcome::Passed) => passed += 1,
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                text += &format!("{name} was skipped: {why}\n");
            }
            Err(error) => {
                failed += 1;
                text +=
                    &format!("{name} FAILED: {error:#}\n    to repeat it: cargo xtask {name}\n");
            }
        }
    }
    text += &format!("{passed} passed, {failed} failed");
    if skipped > 0 {
        text += &format!(", {skipped} skipped");
    }
    text + "\n"
}

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::{anyhow, bail};

    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let doc =
            Action::Cargo { env: &[("RUSTDOCFLAGS", "-D warnings")], args: &["doc", "--no-deps"] };
        assert_eq!(doc.command("doc"), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
        let check = Action::Check(|| Ok(Outcome::Passed));
        assert_eq!(check.command("tree"), "cargo xtask tree");
    }

    #[test]
    fn a_failed_step_does_not_keep_later_ones_from_running() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let fails = || {
            RUNS.fetch_add(1, Ordering::Relaxed);
            bail!("broken")
        };
        let passes = || {
            RUNS.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome::Passed)
        };
        let step = |name, check| Step { name, about: "", action: Action::Check(check) };
        let code = run(&[step("first", fails), step("second", passes), step("third", fails)]);
        assert_eq!(code, ExitCode::FAILURE);
        assert_eq!(RUNS.load(Ordering::Relaxed), 3);
        assert_eq!(run(&[step("second", passes)]), ExitCode::SUCCESS);
    }

    #[test]
    fn the_last_lines_name_what_failed_and_count() {
        let ended =
            |name, result, seconds| Ended { name, result, took: Duration::from_secs(seconds) };
        let all = [
            ended("suite", Ok(Outcome::Passed), 61),
            ended("browser", Err(anyhow!("2 of 122 tests failed")), 30),
            ended("deny", Ok(Outcome::Skipped("not installed".to_owned())), 0),
        ];
        let expected = "\
suite        passed      1 min 1 s
browser      FAILED         30.0 s
deny         skipped         0.0 s
all                     1 min 31 s

browser FAILED: 2 of 122 tests failed
    to repeat it: cargo xtask browser
deny was skipped: not installed
1 passed, 1 failed, 1 skipped
";
        assert_eq!(report(&all, Duration::from_secs(91)), expected);
        assert!(report(&all[..1], Duration::ZERO).ends_with("\n1 passed, 0 failed\n"));
    }
}
