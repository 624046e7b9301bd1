//! The arrows that must never be, as one table: [`RULES`]. [`crate::tree`] holds the crates against it.

use std::path::PathBuf;

use crate::cargo;

/// What some crates must never do.
pub(crate) struct Rule {
    pub(crate) who: Who,
    pub(crate) never: Never,
    pub(crate) why: &'static str,
}

/// Whom a rule binds.
pub(crate) enum Who {
    Named(&'static str),
    /// Every crate in `crates/` that is not one of [`ROOMS`], so that a new transport is bound from its
    /// first day and nobody has to remember this table.
    Transports,
    EveryoneBut(&'static str),
}

/// What a rule forbids.
pub(crate) enum Never {
    /// To depend on one of these, however far down.
    Reach(&'static [&'static str]),
    /// To name one of these in its own manifest, even for its tests.
    Name(&'static [&'static str]),
    /// To name another transport in its own manifest, even for its tests.
    NameOtherTransports,
    /// To have one of these in its code.
    Say(&'static [&'static str]),
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        who: Who::Named("tidings-core"),
        never: Never::Reach(&[
            "hyper",
            "http",
            "h2",
            "tungstenite",
            "tokio-tungstenite",
            "mio",
            "socket2",
            "axum",
            "reqwest",
            "clap",
            "async-nats",
            "redis",
        ]),
        why: "core has no network and no command line, so it is tested without either",
    },
    Rule {
        who: Who::Transports,
        never: Never::NameOtherTransports,
        why: "transports know nothing of each other, so any of them can be left out",
    },
    Rule {
        who: Who::Transports,
        never: Never::Name(&["tidings-server", "tidings-compare", "tidings"]),
        why: "a transport is words, for this hub and for anyone else's server",
    },
    Rule {
        // xtask spells the words, in order to look for them.
        who: Who::EveryoneBut("xtask"),
        never: Never::Say(&["unbounded_channel", "unbounded(", "unbounded::<"]),
        why: "an unbounded channel hides a slow consumer until memory runs out",
    },
];

/// The crates of `crates/` that are not transports.
const ROOMS: &[&str] = &[
    "tidings",
    "tidings-batch",
    "tidings-core",
    "tidings-watchdog",
    "tidings-transport",
    "tidings-live-page",
    "tidings-server",
    "tidings-compare",
    "tidings-cli",
    "tidings-testkit",
    "tidings-message-queue",
];

/// A package of the workspace.
#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
}

impl Member {
    pub(crate) fn is_transport(&self) -> bool {
        self.dir.parent() == Some(&cargo::root().join("crates"))
            && !ROOMS.contains(&self.name.as_str())
    }
}

impl Who {
    pub(crate) fn means(&self, member: &Member) -> bool {
        match self {
            Self::Named(name) => member.name == *name,
            Self::Transports => member.is_transport(),
            Self::EveryoneBut(name) => member.name != *name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dir: &str) -> Member {
        Member { name: name.to_owned(), dir: cargo::root().join(dir) }
    }

    #[test]
    fn a_crate_nobody_listed_is_bound_as_a_transport() {
        assert!(Who::Transports.means(&member("tidings-carrier-pigeon", "crates/carrier-pigeon")));
    }

    #[test]
    fn rooms_and_what_lies_outside_of_crates_are_no_transports() {
        for (name, dir) in [
            ("tidings-server", "crates/server"),
            ("tidings-core", "crates/core"),
            ("tidings-benches", "benches"),
            ("tidings-limit", "benches/limit"),
        ] {
            assert!(!Who::Transports.means(&member(name, dir)), "{name}");
        }
    }
}
