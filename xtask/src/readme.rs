//! Checks that every documented command of this project is valid. Nothing is served or measured. `tidings` is called
//! with the documented arguments and `--help`, and the names of packages, targets, features and steps are looked up.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cargo::{self, Metadata, Package, Target};
use crate::documents;
use crate::runner::Outcome;
use crate::steps;

/// Words between two commands, or before a redirection, which is not checked.
const SEPARATORS: [&str; 9] = ["&&", "||", "|", ";", "&", ">", ">>", "2>", "<"];

/// Checks all documents.
///
/// # Errors
/// Fails if a command is invalid. The error contains all of them.
pub(crate) fn check() -> Result<Outcome> {
    let checker = Checker { program: cargo::build_program()?, metadata: cargo::metadata()? };
    let mut broken = Vec::new();
    let mut count = 0;
    for document in documents::all()? {
        for (line, block) in documents::shell_blocks(&document.text) {
            for command in commands(&block) {
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                match checker.check(&words) {
                    Ok(is_ours) => count += usize::from(is_ours),
                    Err(error) => {
                        let (path, words) = (document.path.display(), words.join(" "));
                        // The first paragraph is the error. Usage and hints follow it.
                        let error = format!("{error:#}");
                        let error = error.split("\n\n").next().unwrap_or_default();
                        broken.push(format!("block at {path}:{line}: `{words}`\n    {error}"));
                    }
                }
            }
        }
    }
    ensure!(broken.is_empty(), "\n{}", broken.join("\n"));
    println!("    {count} commands");
    Ok(Outcome::Passed)
}

/// The words of each command in a shell block. A line with an open quote is left out. Variables are not expanded, and
/// assignments before the program are left out.
fn commands(block: &str) -> Vec<Vec<String>> {
    let block = block.replace("\\\n", " ");
    let mut commands = Vec::new();
    for words in block.lines().filter_map(shlex::split) {
        for command in words.split(|word| SEPARATORS.contains(&word.as_str())) {
            commands.push(command.iter().skip_while(|word| word.contains('=')).cloned().collect());
        }
    }
    commands
}

struct Checker {
    program: PathBuf,
    metadata: Metadata,
}

impl Checker {
    /// Checks a command. Returns `false` if it is not a command of this project.
    ///
    /// # Errors
    /// Fails if the command is invalid.
    fn check(&self, words: &[&str]) -> Result<bool> {
        match words {
            ["taskset", "-c", _, rest @ ..] => return self.check(rest),
            ["tidings" | "target/release/tidings", args @ ..] => self.program_accepts(args)?,
            ["cargo", "xtask", name, ..] => ensure!(steps::knows(name), "unknown step {name}"),
            ["cargo", command @ ("run" | "bench" | "build" | "test"), rest @ ..] => {
                let mut parts = rest.splitn(2, |word| *word == "--");
                let options = pairs(parts.next().unwrap_or_default());
                let packages = self.chosen(&options);
                names_exist(&options, &packages)?;
                let mut targets = packages.iter().flat_map(|it| &it.targets);
                let is_other = |(option, value): &(&str, &str)| {
                    *option == "--example" || (*option == "--bin" && *value != "tidings")
                };
                if *command == "run"
                    && targets.any(|it| it.name == "tidings" && it.kind[0] == "bin")
                    && !options.iter().any(is_other)
                {
                    self.program_accepts(parts.next().unwrap_or_default())?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn program_accepts(&self, args: &[&str]) -> Result<()> {
        let args = args.split(|arg| *arg == "--").next().unwrap_or_default();
        cargo::output(Command::new(&self.program).args(args).arg("--help")).map(drop)
    }

    /// The packages that a call of cargo names, or the default ones.
    fn chosen(&self, options: &[(&str, &str)]) -> Vec<&Package> {
        let Metadata { packages, workspace_default_members: default } = &self.metadata;
        let named: Vec<_> = options.iter().filter(|it| it.0 == "-p").map(|it| it.1).collect();
        let is_chosen = |it: &&Package| match named[..] {
            [] => default.contains(&it.id),
            _ => named.contains(&it.name.as_str()),
        };
        packages.iter().filter(is_chosen).collect()
    }
}

/// Fails if a package, target or feature in cargo's options does not exist.
fn names_exist(options: &[(&str, &str)], packages: &[&Package]) -> Result<()> {
    for (option, value) in options {
        let is_target = |it: &Target| it.name == *value && option[2..] == it.kind[0];
        let has_feature = |name| packages.iter().any(|it| it.features.contains_key(name));
        let exists = match *option {
            "-p" => packages.iter().any(|it| it.name == *value),
            "--bin" | "--example" | "--bench" | "--test" => {
                packages.iter().flat_map(|it| &it.targets).any(is_target)
            }
            "--features" => value.split(',').all(has_feature),
            _ => true,
        };
        ensure!(exists, "the packages of this command have no `{option} {value}`");
    }
    Ok(())
}

/// Each word with the next one. These include all options with their values.
fn pairs<'w>(options: &[&'w str]) -> Vec<(&'w str, &'w str)> {
    let words: Vec<&str> = options.iter().flat_map(|word| word.split('=')).collect();
    let short = |word| if word == "--package" { "-p" } else { word };
    words.windows(2).map(|pair| (short(pair[0]), pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let block = "RUST_LOG=debug tidings serve \\\n  --topic 'a b'  # why\n# more\n\
                     cd x && cargo run > out.txt\ncurl -d 'two\nlines'\n";
        let commands: Vec<_> = commands(block).iter().map(|words| words.join("_")).collect();
        assert_eq!(commands, ["tidings_serve_--topic_a b", "", "cd_x", "cargo_run", "out.txt"]);
    }

    #[test]
    fn invalid_commands_are_rejected() {
        // `true` and `false` accept and reject all arguments.
        let check = |program: &str, command: &str| {
            let checker = Checker { program: program.into(), metadata: cargo::metadata().unwrap() };
            checker.check(&command.split(' ').collect::<Vec<_>>())
        };
        for command in [
            "taskset -c 0 target/release/tidings serve",
            "cargo xtask test",
            "cargo run --release -- compare",
            "cargo test -p tidings --features=client,tls",
            "cargo run -p tidings-examples --example sse -- --port 1",
            "cargo bench --package=tidings-benches --bench=tidings",
            "cargo build --release -p tidings -p tidings-benches",
        ] {
            assert!(check("true", command).unwrap(), "{command}");
        }
        assert!(!check("true", "curl -N localhost").unwrap());
        for (program, command) in [
            ("false", "tidings serve"),
            ("false", "cargo run -- serve"),
            ("true", "cargo xtask launch"),
            ("true", "cargo run --example sse"),
            ("true", "cargo run -p tidings-examples --example gone"),
            ("true", "cargo bench --bench gone"),
            ("true", "cargo run --features gone -- serve"),
            ("true", "cargo test -p gone"),
        ] {
            check(program, command).expect_err(command);
        }
    }
}
