//! Runs steps. A failed step does not stop later ones. The report at the end has the result and the time of each step,
//! and the commands that repeat the failed ones.

use std::env;
use std::fs::{self, File};
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cargo;

pub(crate) struct Step {
    /// `cargo xtask NAME` runs the step alone.
    pub(crate) name: &'static str,
    /// A line with what is true if the step passes.
    pub(crate) about: &'static str,
    pub(crate) action: Action,
}

pub(crate) enum Action {
    /// Runs this command line, which is `cargo` after optional assignments of variables. Its output goes to the
    /// terminal.
    Cargo(&'static str),
    /// Calls a function of this crate.
    Check(fn() -> Result<Outcome>),
}

/// The result of a step that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// The step was skipped for this reason.
    Skipped(String),
}

struct Ended {
    name: &'static str,
    result: Result<Outcome>,
    took: Duration,
}

/// Steps, and the order in which they run.
pub(crate) struct Plan {
    /// Runs before all others.
    pub(crate) first: &'static [Step],
    /// Runs next. Its output goes to the terminal.
    pub(crate) main: &'static [Step],
    /// Lists of steps that run at the same time as `main`, with a lower priority. The output of such a step is printed
    /// when it has ended.
    pub(crate) beside: &'static [&'static [Step]],
    /// Runs after all others.
    pub(crate) last: &'static [Step],
}

/// Runs all steps in order, including those after a failed one.
pub(crate) fn run(steps: &[Step]) -> ExitCode {
    let started = Instant::now();
    let ended: Vec<Ended> = steps.iter().map(run_step).collect();
    finish(&ended, started)
}

pub(crate) fn run_plan(plan: &Plan) -> ExitCode {
    let started = Instant::now();
    let mut ended: Vec<Ended> = plan.first.iter().map(run_step).collect();
    thread::scope(|scope| {
        let beside: Vec<_> = plan
            .beside
            .iter()
            .map(|steps| scope.spawn(|| steps.iter().map(run_aside).collect::<Vec<_>>()))
            .collect();
        ended.extend(plan.main.iter().map(run_step));
        for steps in beside {
            ended.extend(steps.join().expect("a failed step does not panic"));
        }
    });
    ended.extend(plan.last.iter().map(run_step));
    finish(&ended, started)
}

fn finish(ended: &[Ended], started: Instant) -> ExitCode {
    print!("\n{}", report(ended, started.elapsed()));
    let has_failed = ended.iter().any(|step| step.result.is_err());
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs a step in a separate process, so that its output can be printed in one piece.
fn run_aside(step: &Step) -> Ended {
    let Step { name, about, action } = step;
    println!("\n==> {name}, at the same time: {}\n    {about}", action.command(name));
    let started = Instant::now();
    let result = run_in_process(name);
    let took = started.elapsed();
    let result = result.and_then(|(status, text)| {
        println!("\n<== {name} ended after {}\n{text}", seconds(took));
        let status = status?;
        ensure!(status.success(), "{status}");
        Ok(Outcome::Passed)
    });
    Ended { name, result, took }
}

/// Runs `cargo xtask NAME`. Returns how it ended, or an error if it was killed, and what it printed.
fn run_in_process(name: &str) -> Result<(Result<ExitStatus>, String)> {
    let program = env::current_exe()?;
    let path = program.with_file_name(format!("xtask-{name}.log"));
    let log = File::create(&path)?;
    // A lower priority than the main steps, which take the longest because tests wait.
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(program).arg(name);
    let status = cargo::run_into(&mut command, &log, &log);
    Ok((status, String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
}

fn run_step(Step { name, about, action }: &Step) -> Ended {
    println!("\n==> {name}: {}\n    {about}", action.command(name));
    let started = Instant::now();
    let result = action.run();
    let ended = Ended { name, result, took: started.elapsed() };
    println!("<== {name} {} after {}", ended.word(), seconds(ended.took));
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
    fn command(&self, name: &str) -> String {
        match self {
            Self::Check(_) => format!("cargo xtask {name}"),
            Self::Cargo(line) => (*line).to_owned(),
        }
    }

    fn run(&self) -> Result<Outcome> {
        match self {
            Self::Check(check) => check(),
            Self::Cargo(line) => {
                let words = shlex::split(line).context("a quote is open")?;
                let mut parts = words.splitn(2, |word| word == "cargo");
                let variables = parts.next().unwrap_or_default().iter();
                let mut cargo = cargo::command("");
                cargo.envs(variables.filter_map(|word| word.split_once('=')));
                cargo::run(cargo.args(parts.next().context("the command is not cargo")?))?;
                Ok(Outcome::Passed)
            }
        }
    }
}

/// The last lines of the output: a table of times, the failed and the skipped steps, and their numbers in the last
/// line.
fn report(ended: &[Ended], took: Duration) -> String {
    let mut text = String::new();
    for step in ended {
        text += &format!("{:<12} {:<8} {:>12}\n", step.name, step.word(), seconds(step.took));
    }
    text += &format!("{:<12} {:<8} {:>12}\n\n", "all", "", seconds(took));

    for Ended { name, result, .. } in ended {
        match result {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::Skipped(why)) => text += &format!("{name} was skipped: {why}\n"),
            Err(error) => {
                text += &format!("{name} FAILED: {error:#}\n    repeat it: cargo xtask {name}\n");
            }
        }
    }
    let count = |word| ended.iter().filter(|step| step.word() == word).count();
    text += &format!("{} passed, {} failed", count("passed"), count("FAILED"));
    match count("skipped") {
        0 => text + "\n",
        skipped => format!("{text}, {skipped} skipped\n"),
    }
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
    fn a_failed_step_does_not_stop_later_ones() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let passes = || {
            RUNS.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome::Passed)
        };
        let step = |name, check| Step { name, about: "", action: Action::Check(check) };
        let fails = || bail!("broken");
        assert_eq!(run(&[step("first", fails), step("second", passes)]), ExitCode::FAILURE);
        assert_eq!(RUNS.load(Ordering::Relaxed), 1);
        assert_eq!(run(&[step("second", passes)]), ExitCode::SUCCESS);
    }

    #[test]
    fn the_report_names_failed_steps_and_ends_with_the_numbers() {
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
    repeat it: cargo xtask browser
deny was skipped: not installed
1 passed, 1 failed, 1 skipped
";
        assert_eq!(report(&all, Duration::from_secs(91)), expected);
        assert!(report(&all[..1], Duration::ZERO).ends_with("\n1 passed, 0 failed\n"));
    }
}
