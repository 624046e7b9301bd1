//! Runs steps: says what runs, how long it took, and on failure how to repeat that step alone.

use std::process::ExitCode;
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
    /// With what the reader should know of it.
    Skipped(String),
}

/// Runs `steps` in order and stops at the first that fails.
pub(crate) fn run(steps: &[Step]) -> ExitCode {
    let started = Instant::now();
    let mut skipped = Vec::new();
    for Step { name, about, action } in steps {
        println!("\n==> {name}: {}\n    {about}", action.command(name));
        let step_started = Instant::now();
        let outcome = action.run();
        let took = seconds(step_started.elapsed());
        match outcome {
            Ok(Outcome::Passed) => println!("<== {name} passed in {took}"),
            Ok(Outcome::Skipped(why)) => {
                println!("<== {name} skipped: {why}");
                skipped.push(*name);
            }
            Err(error) => {
                println!("<== {name} FAILED after {took}");
                eprintln!("\n{name} failed: {error:#}\nTo repeat it alone: cargo xtask {name}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("\n{}", summary(steps.len(), &skipped, started.elapsed()));
    ExitCode::SUCCESS
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

fn summary(steps: usize, skipped: &[&str], took: Duration) -> String {
    let took = seconds(took);
    let passed = steps - skipped.len();
    let skipped = skipped.join(", ");
    match passed {
        0 => format!("nothing was run: skipped {skipped}"),
        _ if skipped.is_empty() => format!("all steps passed: {passed} in {took}"),
        _ => format!("all steps passed: {passed} in {took}, skipped {skipped}"),
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
    fn the_summary_does_not_count_what_was_skipped_as_passed() {
        let took = Duration::from_millis(61_900);
        assert_eq!(summary(10, &[], took), "all steps passed: 10 in 1 min 1 s");
        assert_eq!(summary(10, &["deny"], took), "all steps passed: 9 in 1 min 1 s, skipped deny");
        assert_eq!(summary(1, &["deny"], took), "nothing was run: skipped deny");
    }
}
