//! Every command that the documents show would start. Nothing is served, measured or benchmarked: the
//! program is asked for help with the very arguments, and cargo for its list of targets.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::cargo;
use crate::markdown;
use crate::promise::{self, Kind, Promise};
use crate::runner::Outcome;
use crate::shell;
use crate::steps;

/// Tells all commands that would not start at once, each with its place.
pub(crate) fn check() -> Result<Outcome> {
    let program = cargo::build_program()?;
    let mut broken = Vec::new();
    let mut count = 0;
    for document in markdown::documents()? {
        for (first, block) in markdown::shell_blocks(&document.text) {
            for command in shell::commands(&block) {
                let Some(promise) = promise::of(&command.words) else {
                    continue;
                };
                count += 1;
                if let Err(error) = keeps(&promise, &program) {
                    broken.push(format!(
                        "{}:{}: `{}`: {error:#}",
                        document.path.display(),
                        first + command.line,
                        command.words.join(" ")
                    ));
                }
            }
        }
    }
    if !broken.is_empty() {
        bail!("\n{}", broken.join("\n"));
    }
    println!("    {count} commands");
    Ok(Outcome::Passed)
}

fn keeps(promise: &Promise, program: &Path) -> Result<()> {
    match promise {
        Promise::Program { cargo, args } => program_accepts(program, cargo, args),
        Promise::Target { package, kind, name } => {
            target_exists(package.as_deref(), *kind, name.as_deref())
        }
        Promise::Chore(name) => {
            ensure!(steps::knows(name), "xtask has no chore {name}");
            Ok(())
        }
    }
}

/// The program parses `args` up to a last `--help`, and that help tells each flag of them. It is run by way
/// of cargo if the command has options for cargo.
fn program_accepts(program: &Path, cargo: &[String], args: &[String]) -> Result<()> {
    let asked = question(args);
    let mut call = if cargo.is_empty() {
        Command::new(program)
    } else {
        let mut call = cargo::command();
        call.args(["run", "--quiet"]).args(cargo).arg("--");
        call
    };
    let (success, help, complaint) = cargo::capture_of(call.args(&asked).arg("--help"))?;
    ensure!(success, "{}", gist(&complaint));
    for flag in flags(args) {
        ensure!(tells(&help, flag), "{flag} is not in the help of `{}`", asked.join(" "));
    }
    Ok(())
}

/// All arguments, so that values are parsed too; only the subcommand where a shell would first have to
/// fill in a variable.
fn question(args: &[String]) -> Vec<&str> {
    let args = args.iter().map(String::as_str);
    let own: Vec<&str> = args.take_while(|arg| *arg != "--").collect();
    if own.iter().any(|arg| arg.contains('$')) {
        own.into_iter().take(1).filter(|arg| !arg.starts_with('-')).collect()
    } else {
        own
    }
}

fn flags(args: &[String]) -> impl Iterator<Item = &str> {
    args.iter()
        .take_while(|arg| *arg != "--")
        .filter(|arg| arg.starts_with("--"))
        .map(|arg| arg.split('=').next().unwrap_or(arg))
}

/// Whether `help` has `flag`, not as the start of a longer one.
fn tells(help: &str, flag: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '-';
    help.match_indices(flag).any(|(at, _)| !help[at + flag.len()..].starts_with(goes_on))
}

/// Asks cargo, which knows targets by any path they may have: an option without its value makes it list
/// them.
fn target_exists(package: Option<&str>, kind: Kind, name: Option<&str>) -> Result<()> {
    let (command, option) = match kind {
        Kind::Binary => ("run", "--bin"),
        Kind::Example => ("run", "--example"),
        Kind::Bench => ("bench", "--bench"),
    };
    let mut call = vec![command];
    call.extend(package.iter().flat_map(|package| ["-p", package]));
    call.push(option);
    let (_, _, answer) = cargo::capture(&call)?;
    ensure!(answer.contains("vailable"), "{}", gist(&answer));
    if let Some(name) = name {
        let names: Vec<_> = listed(&answer).collect();
        let place = package.unwrap_or("the default members, and no -p is given");
        ensure!(names.contains(&name), "there is no {option} {name} in {place}");
    }
    Ok(())
}

/// The first paragraph of a complaint; usage and hints follow it.
fn gist(complaint: &str) -> &str {
    complaint.trim().split("\n\n").next().unwrap_or_default()
}

/// The indented lines of cargo's `Available …:` list.
fn listed(answer: &str) -> impl Iterator<Item = &str> {
    let lines = answer.lines().filter(|line| line.starts_with("    "));
    lines.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_flag_is_not_told_by_a_longer_one() {
        let help = "  -c, --clients-max <N>  how many\n  --rate=<N>";
        assert!(!tells(help, "--clients"));
        assert!(tells(help, "--clients-max"));
        assert!(tells(help, "--rate"));
    }

    #[test]
    fn flags_come_without_their_values_and_end_with_the_arguments() {
        let args = args("serve --port=80 --topic a.b -- --not-a-flag");
        let flags: Vec<_> = flags(&args).collect();
        assert_eq!(flags, ["--port", "--topic"]);
    }

    #[test]
    fn values_are_tried_unless_a_shell_would_fill_them_in() {
        assert_eq!(question(&args("serve --port 80")), ["serve", "--port", "80"]);
        assert_eq!(question(&args("subscribe --after $ID")), ["subscribe"]);
        assert!(question(&args("--after $ID")).is_empty());
    }

    #[test]
    fn help_is_asked_before_a_double_dash_that_would_hide_it() {
        assert_eq!(question(&args("publish a.b -- --text")), ["publish", "a.b"]);
    }

    #[test]
    fn cargos_list_of_targets_is_read() {
        let answer = "error: \"--example\" takes one argument.\nAvailable examples:\n    sse\n    websocket\n\n";
        assert_eq!(listed(answer).collect::<Vec<_>>(), ["sse", "websocket"]);
    }
}
