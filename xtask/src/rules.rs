//! The dependencies that crates of this workspace must not have, as one table: [`RULES`].
//!
//! The rule against unbounded channels is in `clippy.toml`.

use anyhow::{Result, ensure};

use crate::cargo::{self, Package};
use crate::runner::Outcome;

struct Rule {
    crates: Crates,
    must_not: MustNot,
    on: Crates,
    why: &'static str,
}

enum Crates {
    /// The crates with these names, separated by spaces.
    Named(&'static str),
    /// Every crate in `crates/` that is not in [`OTHERS`]. The rules apply to a new transport without a change to this
    /// table.
    Transports,
}

enum MustNot {
    /// Directly or through other crates, outside of tests.
    Depend,
    /// In its own manifest, including for tests.
    Name,
}

const RULES: &[Rule] = &[
    Rule {
        crates: Crates::Named("tidings-core"),
        must_not: MustNot::Depend,
        on: Crates::Named(
            "hyper http h2 tungstenite tokio-tungstenite mio socket2 axum reqwest clap \
             async-nats redis",
        ),
        why: "core has no network and no command line, so its tests need neither",
    },
    Rule {
        crates: Crates::Named("tidings-core"),
        must_not: MustNot::Name,
        on: Crates::Named("tidings-transport tidings-server tidings-compare tidings"),
        why: "core is at the bottom, and its tests need no crate above it",
    },
    Rule {
        crates: Crates::Transports,
        must_not: MustNot::Name,
        on: Crates::Transports,
        why: "transports do not depend on each other, so any of them can be left out",
    },
    Rule {
        crates: Crates::Transports,
        must_not: MustNot::Name,
        on: Crates::Named("tidings-server tidings-compare tidings"),
        why: "a transport works in any server, not only in this one",
    },
];

/// The crates in `crates/` that are not transports.
const OTHERS: &str = "tidings tidings-axum tidings-batch tidings-core tidings-watchdog tidings-transport \
                      tidings-live-page tidings-server tidings-compare tidings-cli tidings-testkit \
                      tidings-message-queue";

/// Fails if a rule is violated. The error contains each violation with its crate and its rule.
pub(crate) fn check() -> Result<Outcome> {
    let packages = cargo::metadata()?.packages;
    let violations = violations(&packages, dependencies)?;
    ensure!(violations.is_empty(), "\n{}", violations.join("\n"));
    println!("    {} crates, {} rules", packages.len(), RULES.len());
    Ok(Outcome::Passed)
}

/// `depends` returns all crates that a crate depends on outside of tests.
fn violations(
    packages: &[Package],
    depends: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for Rule { crates, must_not, on, why } in RULES {
        let (crates, on) = (crates.names(packages), on.names(packages));
        let bound: Vec<_> = packages.iter().filter(|it| crates.contains(&&*it.name)).collect();
        if bound.is_empty() {
            violations.push(format!("the rule applies to no crate: {why}"));
        }
        for package in bound {
            let dependencies = match must_not {
                MustNot::Depend => depends(&package.name)?,
                MustNot::Name => package.dependencies.iter().map(|it| it.name.clone()).collect(),
            };
            for name in dependencies.iter().filter(|name| on.contains(&name.as_str())) {
                violations.push(format!("{} depends on {name}\n    rule: {why}", package.name));
            }
        }
    }
    Ok(violations)
}

/// The dependencies of a crate from `cargo tree`. In `cargo metadata`, a crate has all features that any crate of the
/// workspace enables, so tokio would include its network even for core.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let args = format!("tree -p {package} -e normal --all-features --prefix none");
    let tree = cargo::output(&mut cargo::command(&args))?;
    let mut names: Vec<String> =
        tree.lines().skip(1).filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

impl Crates {
    fn names<'a>(&self, packages: &'a [Package]) -> Vec<&'a str> {
        match self {
            Self::Named(names) => names.split_whitespace().collect(),
            Self::Transports => {
                packages.iter().filter(|it| is_transport(it)).map(|it| &*it.name).collect()
            }
        }
    }
}

fn is_transport(package: &Package) -> bool {
    let folder = package.manifest_path.parent().and_then(|own| own.parent());
    folder == Some(&cargo::root().join("crates"))
        && !OTHERS.split_whitespace().any(|name| name == package.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Dependency;

    /// The violations if the manifest of `package` has `dependency`, and all crates depend on `indirect`.
    fn violations(package: &str, dependency: &str, indirect: &str) -> String {
        let mut packages = cargo::metadata().unwrap().packages;
        let changed = packages.iter_mut().find(|it| it.name == package).unwrap();
        changed.dependencies.push(Dependency { name: dependency.to_owned() });
        super::violations(&packages, |_| Ok(vec![indirect.to_owned()])).unwrap().join("\n")
    }

    #[test]
    fn each_rule_finds_a_violation() {
        assert_eq!(violations("tidings-sse", "bytes", "bytes"), "");
        let core = violations("tidings-core", "tidings-server", "mio");
        assert!(core.contains("tidings-core depends on tidings-server"), "{core}");
        assert!(core.contains("tidings-core depends on mio"), "{core}");
        let sse = violations("tidings-sse", "tidings-websocket", "");
        assert!(sse.contains("tidings-sse depends on tidings-websocket"), "{sse}");
        assert!(violations("tidings-sse", "tidings-server", "").contains("any server"));
    }

    #[test]
    fn an_unlisted_crate_is_a_transport() {
        let mut packages = cargo::metadata().unwrap().packages;
        packages.retain(is_transport);
        let names: Vec<_> = packages.iter().map(|it| it.name.as_str()).collect();
        assert!(names.contains(&"tidings-sse") && !names.contains(&"tidings-benches"), "{names:?}");
        packages[0].name = "tidings-carrier-pigeon".to_owned();
        assert!(is_transport(&packages[0]));
    }
}
