//! THE list of steps; a new step is one entry here.

use crate::runner::{Action, Step};
use crate::{autobahn, clients, counts, deny, links, needs, readme, tree};

/// The chore that is all steps.
pub(crate) const ALL: &str = "test";

/// Tests wait more than they compute, so more of them run at once than there are cores.
const TEST_THREADS: (&str, &str) = ("RUST_TEST_THREADS", "6");

/// What the others rely on; [`ALL`] begins with it.
pub(crate) const FIRST: &[Step] = &[Step {
    name: "needs",
    about: "what the tests need beyond Rust is installed",
    action: Action::Check(needs::check),
}];

/// What runs beside [`MAIN`] and keeps few cores busy: it waits for a browser, or for time to pass.
pub(crate) const BESIDE: &[Step] = &[
    Step {
        name: "clients",
        about: "the JavaScript client and the live page: types, tests, and that the built page is committed",
        action: Action::Check(clients::check),
    },
    Step {
        name: "browser",
        about: "the client and the live page in Chromium, and through proxies that misbehave",
        action: Action::Check(clients::browser),
    },
];

/// In the order in which `cargo xtask test` runs them: the code, then what the project says of itself,
/// which runs what was built for the code.
pub(crate) const MAIN: &[Step] = &[
    Step {
        name: "fmt",
        about: "the code is formatted",
        action: Action::Cargo { env: &[], args: &["fmt", "--all", "--check"] },
    },
    Step {
        name: "clippy",
        about: "no lint fires, in no target and with no feature",
        action: Action::Cargo {
            env: &[],
            args: &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ],
        },
    },
    Step {
        name: "suite",
        about: "unit, integration and doc tests, and the examples' smoke tests",
        action: Action::Cargo {
            env: &[TEST_THREADS],
            args: &["test", "--workspace", "--all-features", "--no-fail-fast"],
        },
    },
    Step {
        name: "doc",
        about: "the reference builds without a broken link",
        action: Action::Cargo {
            env: &[("RUSTDOCFLAGS", "-D warnings")],
            args: &["doc", "--workspace", "--all-features", "--no-deps"],
        },
    },
    Step {
        name: "bench-smoke",
        about: "every benchmark runs once; nothing is measured",
        // In the suite's profile and with its features, so that only the benchmarks are left to compile.
        action: Action::Cargo {
            env: &[],
            args: &["test", "--workspace", "--all-features", "--bench", "*", "--", "--test"],
        },
    },
    Step {
        name: "counts",
        about: "no scenario needs 3 % more or fewer instructions than its baseline",
        action: Action::Check(counts::check),
    },
    Step {
        name: "tree",
        about: "no arrow points where it must not, no channel is unbounded",
        action: Action::Check(tree::check),
    },
    Step {
        name: "readme",
        about: "every command that the documents show would start",
        action: Action::Check(readme::check),
    },
    // The last that compiles: without the lane the hub is compiled anew, and so is what stands on it.
    Step {
        name: "portable",
        about: "the hub without its lane, as it is on other systems than Linux",
        action: Action::Cargo {
            env: &[("TIDINGS_PORTABLE", "1"), TEST_THREADS],
            args: &[
                "test",
                "--workspace",
                "--all-features",
                "--test",
                "conformance",
                "--test",
                "reported",
            ],
        },
    },
    Step {
        name: "links",
        about: "every relative link in the documents leads to a file",
        action: Action::Check(links::check),
    },
    Step {
        name: "deny",
        about: "licences, banned crates and sources, where cargo-deny is installed",
        action: Action::Check(deny::check),
    },
];

/// Chores that are not part of [`ALL`], because they change what is committed or need the network.
pub(crate) const APART: &[Step] = &[
    Step {
        name: "autobahn",
        about: "Autobahn's test suite finds in the WebSocket what xtask/autobahn.txt has",
        action: Action::Check(autobahn::check),
    },
    Step {
        name: "counts-write",
        about: "writes the instructions of now as the baseline",
        action: Action::Check(counts::write),
    },
    Step {
        name: "screenshots",
        about: "makes the images that the documents show, in docs/images",
        action: Action::Check(clients::screenshots),
    },
];

/// Every step of [`ALL`].
fn steps() -> impl Iterator<Item = &'static Step> {
    FIRST.iter().chain(MAIN).chain(BESIDE)
}

/// The step, or the chore apart, of that name.
pub(crate) fn named(name: &str) -> Option<&'static Step> {
    steps().chain(APART).find(|step| step.name == name)
}

/// Whether `cargo xtask NAME` is a chore.
pub(crate) fn knows(name: &str) -> bool {
    name == ALL || name == "help" || named(name).is_some()
}

/// What `cargo xtask help` prints.
pub(crate) fn help() -> String {
    let mut text = format!("Usage: cargo xtask CHORE\n\n  {ALL:<13} every step below\n");
    for step in steps() {
        text.push_str(&format!("    {:<11} {}\n", step.name, step.about));
    }
    for Step { name, about, .. } in APART {
        text.push_str(&format!("  {name:<13} {about}\n"));
    }
    text.push_str("  help          this list\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_chore_has_a_name_of_its_own() {
        let mut taken = HashSet::from([ALL, "help"]);
        for step in steps().chain(APART) {
            assert!(taken.insert(step.name), "{} twice", step.name);
        }
    }

    #[test]
    fn help_tells_every_chore() {
        for step in steps().chain(APART) {
            assert!(help().contains(step.name), "{} is not in help", step.name);
            assert!(knows(step.name));
        }
        assert!(knows(ALL) && !knows("launch"));
    }
}
