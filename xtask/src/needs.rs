//! The programs that the tests need besides Rust, with one row for each in [`NEEDS`].

use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::cargo;
use crate::runner::Outcome;

const APT: &str = "apt-get install --yes --no-install-recommends";
/// This prefix comes before that of Debian's packages on the search path.
const NPM: &str = "npm install --global --prefix /usr/local";

/// A program that must be installed.
struct Need {
    /// A command that succeeds if the program is installed. Its words contain no spaces.
    probe: &'static str,
    /// The command and the packages that install it on Debian, after the rows above.
    by: (&'static str, &'static str),
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need { probe: "cc --version", by: (APT, "gcc libc6-dev"), why: "rustc links with it" },
    // Other systems skip the counts, because valgrind is not available on all of them.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Need { probe: "valgrind --version", by: (APT, "valgrind"), why: "counts instructions" },
    Need { probe: "nats-server --version", by: (APT, "nats-server"), why: "tested as a broker" },
    Need { probe: "redis-server --version", by: (APT, "redis-server"), why: "tested as a broker" },
    Need { probe: "npm --version", by: (APT, "nodejs npm"), why: "installs the tools of clients/" },
    // Debian 12 has Node 18, and its npm works only with that version.
    Need {
        probe: "node -e process.exit(parseInt(process.versions.node)<20?1:0)",
        by: (NPM, "node@20 npm@10"),
        why: "version 20 or later builds and tests clients/",
    },
    Need {
        probe: "curl --version",
        by: (APT, "curl"),
        why: "the live page shows commands with it",
    },
    Need { probe: "chromium --version", by: (APT, "chromium"), why: "clients/ are tested in it" },
];

/// Installs what is missing if the user is root on Debian. Otherwise the error names it and the commands that install
/// it.
pub(crate) fn check() -> Result<Outcome> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !succeeds(need.probe)).collect();
    if missing.is_empty() {
        println!("    found: {}", NEEDS.iter().map(Need::name).collect::<Vec<_>>().join(", "));
        return Ok(Outcome::Passed);
    }
    let is_root = cargo::output(&mut command("id -u")).is_ok_and(|id| id.trim() == "0");
    if !is_root || !succeeds("apt-get --version") {
        bail!("{}", advice(&missing));
    }
    run("apt-get update")?;
    for need in missing {
        // A row above may have installed it.
        if !succeeds(need.probe) {
            run(&need.install())?;
            ensure!(succeeds(need.probe), "installed, and `{}` still fails", need.probe);
        }
    }
    Ok(Outcome::Passed)
}

fn advice(missing: &[&Need]) -> String {
    let line = |need: &&Need| format!("\n    {}  # {}: {}", need.install(), need.name(), need.why);
    let lines: String = missing.iter().map(line).collect();
    format!("install what is missing, as root on Debian:\n    apt-get update{lines}")
}

impl Need {
    fn name(&self) -> &'static str {
        self.probe.split(' ').next().unwrap_or_default()
    }

    fn install(&self) -> String {
        format!("{} {}", self.by.0, self.by.1)
    }
}

fn command(words: &str) -> Command {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env("PATH", cargo::search_path());
    command
}

fn run(words: &str) -> Result<()> {
    println!("    {words}");
    cargo::run(command(words).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn succeeds(words: &str) -> bool {
    cargo::output(&mut command(words)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_fails_if_the_program_is_absent_or_fails() {
        assert!(succeeds("true"));
        assert!(!succeeds("false"));
        assert!(!succeeds("no-such-program-anywhere"));
    }

    #[test]
    fn advice_has_a_command_for_each_missing_program() {
        let node = NEEDS.iter().find(|need| need.name() == "node").unwrap();
        let advice = advice(&[&NEEDS[0], node]);
        assert!(advice.contains("--no-install-recommends gcc libc6-dev  # cc: "), "{advice}");
        assert!(advice.contains("npm install --global --prefix /usr/local node@20"), "{advice}");
    }
}
