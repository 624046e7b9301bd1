//! The list of all steps. To add a step, add an entry.

use crate::runner::{Action, Plan, Step};
use crate::{
    api, autobahn, clients, counts, figures, links, lints, needs, plugins, readme, rules, wording,
};

/// The name that runs all steps.
pub(crate) const ALL: &str = "test";

/// The plan of `cargo xtask test`. Tests wait more than they compute, so other steps compile while they run.
pub(crate) const PLAN: Plan =
    Plan { first: &FIRST, main: &MAIN, beside: &[&COMPILED, &BROWSER], last: &LAST };

const FIRST: [Step; 2] = [
    Step {
        name: "needs",
        about: "the programs that the tests need are installed",
        action: Action::Check(needs::check),
    },
    Step {
        name: "fmt",
        about: "the code is formatted",
        action: Action::Cargo("cargo fmt --all --check"),
    },
];

/// The tests, and then the documents, whose commands use what was built.
const MAIN: [Step; 8] = [
    Step {
        name: "suite",
        about: "unit, integration and doc tests pass, and smoke tests of the examples",
        // More tests run at once than there are cores.
        action: Action::Cargo(
            "RUSTC_WORKSPACE_WRAPPER=clippy-driver RUST_TEST_THREADS=12 \
             cargo test --workspace --all-features --no-fail-fast",
        ),
    },
    Step {
        name: "tree",
        about: "no crate depends on one that it must not depend on",
        action: Action::Check(rules::check),
    },
    Step {
        name: "readme",
        about: "every documented command is valid",
        action: Action::Check(readme::check),
    },
    Step {
        name: "figures",
        about: "the figures in the documents are those of the runs in docs/comparison",
        action: Action::Check(figures::check),
    },
    Step {
        name: "links",
        about: "every relative link in the documents is the path of a file and the anchor of a heading",
        action: Action::Check(links::check),
    },
    Step {
        name: "wording",
        about: "no comment or document has a phrase that CONTRIBUTING.md rules out",
        action: Action::Check(wording::check),
    },
    Step {
        name: "deny",
        about: "dependencies are as deny.toml allows, if cargo-deny is installed",
        action: Action::Check(plugins::deny),
    },
    Step {
        name: "machete",
        about: "every dependency is used, if cargo-machete is installed",
        action: Action::Check(plugins::machete),
    },
];

/// Steps that compile. The first has its own profile, so it does not wait until the suite is compiled.
const COMPILED: [Step; 4] = [
    Step {
        name: "counts",
        about: "no scenario needs 3 % more or fewer instructions than its baseline",
        action: Action::Check(counts::check),
    },
    Step {
        name: "doc",
        about: "the documentation builds without a broken link",
        action: Action::Cargo(
            "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps",
        ),
    },
    Step {
        name: "api",
        about: "the public names of the libraries are those of xtask/api.txt",
        action: Action::Check(api::check),
    },
    // All packages, and not only the program, so that dependencies have the same features as in the previous step.
    Step {
        name: "defaults",
        about: "no lint fires in libraries and programs with their default features",
        action: Action::Cargo("cargo clippy --workspace --lib --bins -- -D warnings"),
    },
];

/// Steps that compile little, because the suite is already compiled. The first two wait for Node and for a browser.
const BROWSER: [Step; 4] = [
    Step {
        name: "clients",
        about: "client and live page pass their tests, and the built page is committed",
        action: Action::Check(clients::check),
    },
    Step {
        name: "browser",
        about: "the client and the live page work in Chromium, even through faulty proxies",
        action: Action::Check(clients::browser),
    },
    Step {
        name: "bench-smoke",
        about: "every benchmark runs once, and nothing is measured",
        // With the profile and the features of the suite, so that only the benchmarks are compiled.
        action: Action::Cargo(
            "RUSTC_WORKSPACE_WRAPPER=clippy-driver \
             cargo test --workspace --all-features --bench '*' -- --test",
        ),
    },
    Step {
        name: "clippy",
        about: "no lint fires in any target, and no channel is unbounded",
        action: Action::Check(lints::check),
    },
];

/// Runs last, because all crates that depend on the server would be compiled again after it.
const LAST: [Step; 1] = [
    // The suite also runs the general path on Linux, so it is enough that the code without lanes compiles.
    Step {
        name: "portable",
        about: "the server compiles without lanes, as on systems other than Linux",
        action: Action::Cargo(
            "TIDINGS_PORTABLE=1 cargo clippy --workspace --all-features --lib -- -D warnings",
        ),
    },
];

/// Steps that are not part of [`ALL`], because they change committed files or need the network.
const APART: &[Step] = &[
    Step {
        name: "autobahn",
        about: "run Autobahn's WebSocket test suite and compare with xtask/autobahn.txt",
        action: Action::Check(autobahn::check),
    },
    Step {
        name: "api-write",
        about: "write the public names of the libraries to xtask/api.txt",
        action: Action::Check(api::write),
    },
    Step {
        name: "counts-write",
        about: "count instructions and write them to the baseline",
        action: Action::Check(counts::write),
    },
    Step {
        name: "figures-write",
        about: "write the figures of the runs in docs/comparison into the documents",
        action: Action::Check(figures::write),
    },
    Step {
        name: "screenshots",
        about: "write the images of the documents to docs/images",
        action: Action::Check(clients::screenshots),
    },
];

/// Every step of [`ALL`].
fn steps() -> impl Iterator<Item = &'static Step> {
    FIRST.iter().chain(&MAIN).chain(&COMPILED).chain(&BROWSER).chain(&LAST)
}

/// Includes the steps that are not part of [`ALL`].
pub(crate) fn named(name: &str) -> Option<&'static Step> {
    steps().chain(APART).find(|step| step.name == name)
}

pub(crate) fn knows(name: &str) -> bool {
    name == ALL || name == "help" || named(name).is_some()
}

pub(crate) fn help() -> String {
    let mut text = format!("Usage: cargo xtask STEP\n\n  {ALL:<13} run every step below\n");
    for step in steps() {
        text += &format!("    {:<11} {}\n", step.name, step.about);
    }
    for Step { name, about, .. } in APART {
        text += &format!("  {name:<13} {about}\n");
    }
    text + "  help          print this list\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_step_has_its_own_name_and_is_in_the_help() {
        let mut taken = HashSet::from([ALL, "help"]);
        for step in steps().chain(APART) {
            assert!(taken.insert(step.name), "{} twice", step.name);
            assert!(help().contains(step.name), "{} is not in the help", step.name);
            assert!(knows(step.name));
        }
        assert!(knows(ALL) && !knows("launch"));
    }
}
