//! What a shown command promises: that there is something for it to run.

/// What must exist for a command to start.
#[derive(Debug, PartialEq)]
pub(crate) enum Promise {
    /// The program `tidings` accepts these arguments.
    Program {
        /// What stands before the `--`, without the choice of profile.
        cargo: Vec<String>,
        args: Vec<String>,
    },
    /// The package has that target.
    Target { package: Option<String>, kind: Kind, name: Option<String> },
    /// This crate knows the chore.
    Chore(String),
}

/// The kinds of cargo's targets that commands in documents run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Binary,
    Example,
    Bench,
}

const PROGRAM: &str = "tidings";

/// The promise of `words`, where it is a command of this project.
pub(crate) fn of(words: &[String]) -> Option<Promise> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["cargo", "run" | "r", ref rest @ ..] => Some(run(rest)),
        ["cargo", "bench", ref rest @ ..] => {
            let (cargo, _) = split(rest);
            Some(Promise::Target {
                package: package(cargo),
                kind: Kind::Bench,
                name: value(cargo, &["--bench"]),
            })
        }
        ["cargo", "xtask"] => Some(Promise::Chore("help".to_owned())),
        ["cargo", "xtask", chore, ..] => Some(Promise::Chore(chore.to_owned())),
        [PROGRAM, ref args @ ..] => Some(Promise::Program { cargo: Vec::new(), args: owned(args) }),
        _ => None,
    }
}

fn run(rest: &[&str]) -> Promise {
    let (cargo, args) = split(rest);
    let package = package(cargo);
    if let Some(name) = value(cargo, &["--example"]) {
        return Promise::Target { package, kind: Kind::Example, name: Some(name) };
    }
    if package.as_deref().is_some_and(|name| name != PROGRAM) {
        return Promise::Target { package, kind: Kind::Binary, name: value(cargo, &["--bin"]) };
    }
    Promise::Program { cargo: without_profile(cargo), args: owned(args) }
}

/// What is for cargo and, after the first `--`, what is for the program.
fn split<'a, 'w>(words: &'a [&'w str]) -> (&'a [&'w str], &'a [&'w str]) {
    match words.iter().position(|word| *word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[]),
    }
}

fn package(cargo: &[&str]) -> Option<String> {
    value(cargo, &["-p", "--package"])
}

/// The value of an option that has these names: `--name value` or `--name=value`.
fn value(words: &[&str], names: &[&str]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*word, None),
        };
        if names.contains(&name) {
            return value.or_else(|| words.next().copied()).map(str::to_owned);
        }
    }
    None
}

/// A debug build accepts the same arguments and is there sooner.
fn without_profile(cargo: &[&str]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = cargo.iter();
    while let Some(word) = words.next() {
        match *word {
            "--release" | "-r" => {}
            "--profile" => drop(words.next()),
            word if word.starts_with("--profile=") => {}
            word => kept.push(word.to_owned()),
        }
    }
    kept
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(line: &str) -> Option<Promise> {
        let words: Vec<&str> = line.split(' ').collect();
        of(&owned(&words))
    }

    fn target(package: Option<&str>, kind: Kind, name: Option<&str>) -> Option<Promise> {
        Some(Promise::Target {
            package: package.map(str::to_owned),
            kind,
            name: name.map(str::to_owned),
        })
    }

    #[test]
    fn the_program_keeps_features_and_loses_the_profile() {
        assert_eq!(
            promise("cargo run --release --profile bench --features x -- serve --port 1"),
            Some(Promise::Program {
                cargo: owned(&["--features", "x"]),
                args: owned(&["serve", "--port", "1"]),
            })
        );
    }

    #[test]
    fn the_installed_program_promises_the_same_as_cargo_run() {
        assert_eq!(promise("tidings serve"), promise("cargo run -r -- serve"));
    }

    #[test]
    fn examples_and_benches_and_other_programs_are_targets_of_their_package() {
        assert_eq!(
            promise("cargo run -p tidings-examples --example sse -- --port 1"),
            target(Some("tidings-examples"), Kind::Example, Some("sse"))
        );
        assert_eq!(
            promise("cargo bench --package=tidings-benches --bench=log -- fan"),
            target(Some("tidings-benches"), Kind::Bench, Some("log"))
        );
        assert_eq!(
            promise("cargo run --release -p tidings-limit"),
            target(Some("tidings-limit"), Kind::Binary, None)
        );
    }

    #[test]
    fn an_example_named_to_the_program_is_not_one_of_cargo() {
        let promise = promise("cargo run -- --example x");
        assert!(matches!(promise, Some(Promise::Program { .. })));
    }

    #[test]
    fn other_commands_promise_nothing() {
        assert_eq!(promise("curl -N localhost"), None);
        assert_eq!(promise("cargo test --workspace"), None);
    }
}
