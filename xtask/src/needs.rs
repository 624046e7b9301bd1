//! What the tests need beyond Rust: one row for each thing in [`NEEDS`].

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;
use crate::runner::Outcome;

/// One thing that must be on the machine.
struct Need {
    name: &'static str,
    why: &'static str,
    /// A command that succeeds where it is installed.
    probe: &'static [&'static str],
    /// The packages that bring it on a bare Debian.
    apt: &'static [&'static str],
    /// What `npm install --global` brings where Debian's is too old.
    npm: &'static [&'static str],
}

/// Beside what the system's packages have put elsewhere, and before it on the search path.
const NEWER: [&str; 4] = ["install", "--global", "--prefix", "/usr/local"];

const NEEDS: &[Need] = &[
    Need {
        name: "cc",
        why: "rustc links every program and test with it",
        probe: &["cc", "--version"],
        apt: &["gcc", "libc6-dev"],
        npm: &[],
    },
    // It is not to be had everywhere; elsewhere the counts are skipped.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Need {
        name: "valgrind",
        why: "it counts instructions",
        probe: &["valgrind", "--version"],
        apt: &["valgrind"],
        npm: &[],
    },
    Need {
        name: "nats-server",
        why: "hubs that share a stream are tested over it",
        probe: &["nats-server", "--version"],
        apt: &["nats-server"],
        npm: &[],
    },
    Need {
        name: "redis-server",
        why: "the same",
        probe: &["redis-server", "--version"],
        apt: &["redis-server"],
        npm: &[],
    },
    Need {
        name: "node",
        why: "the JavaScript client runs in version 20 and later, and the live page is built by it",
        probe: &["node", "-e", "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)"],
        apt: &["nodejs"],
        // Debian's npm finds its modules by Debian's node only.
        npm: &["node@20", "npm@10"],
    },
    Need {
        name: "npm",
        why: "it brings what the client's tests and the page's build need",
        probe: &["npm", "--version"],
        apt: &["npm"],
        npm: &[],
    },
    Need {
        name: "curl",
        why: "the live page shows commands with it, and they are tested",
        probe: &["curl", "--version"],
        apt: &["curl"],
        npm: &[],
    },
    Need {
        name: "chromium",
        why: "the client and the live page are tested in it",
        probe: &["chromium", "--version"],
        apt: &["chromium"],
        npm: &[],
    },
];

/// Probes every need and installs what is missing, where this user may.
pub(crate) fn check() -> Result<Outcome> {
    let missing = missing(NEEDS);
    if missing.is_empty() {
        let names: Vec<_> = NEEDS.iter().map(|need| need.name).collect();
        println!("    found: {}", names.join(", "));
        return Ok(Outcome::Passed);
    }
    for need in &missing {
        println!("    missing: {} ({})", need.name, need.why);
    }
    if !is_root() || !succeeds(&["apt-get", "--version"]) {
        bail!("{}", advice(&missing));
    }
    install(&packages(&missing, |need| need.apt))?;
    let newer = packages(&self::missing(NEEDS), |need| need.npm);
    if !newer.is_empty() {
        call("npm", &[&NEWER, &newer[..]].concat())?;
    }
    let missing: Vec<_> = self::missing(NEEDS).iter().map(|need| need.name).collect();
    ensure!(missing.is_empty(), "installed, and still missing: {}", missing.join(", "));
    Ok(Outcome::Passed)
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    let absent = |need: &&Need| !succeeds(need.probe);
    needs.iter().filter(absent).collect()
}

fn packages(needs: &[&Need], by: fn(&Need) -> &'static [&'static str]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().flat_map(|need| by(need)).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn advice(missing: &[&Need]) -> String {
    let (debians, newer) = (packages(missing, |need| need.apt), packages(missing, |need| need.npm));
    let mut advice = format!(
        "install what is missing: sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        debians.join(" ")
    );
    if !newer.is_empty() {
        advice += "\nand where Debian's is too old: sudo npm ";
        advice += &[&NEWER, &newer[..]].concat().join(" ");
    }
    advice
}

fn install(packages: &[&str]) -> Result<()> {
    call("apt-get", &["update"])?;
    call("apt-get", &[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn call(program: &str, args: &[&str]) -> Result<()> {
    println!("    {program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .with_context(|| format!("{program} does not start"))?;
    ensure!(status.success(), "`{program} {}`: {status}", args.join(" "));
    Ok(())
}

fn succeeds(command: &[&str]) -> bool {
    let (program, args) = command.split_first().expect("a probe names its program");
    Command::new(program)
        .args(args)
        .env("PATH", cargo::search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Need = Need {
        name: "absent",
        why: "to be missed",
        probe: &["no-such-program-anywhere"],
        apt: &["b", "a"],
        npm: &[],
    };

    const BROKEN: Need = Need {
        name: "broken",
        why: "it is there and fails",
        probe: &["false"],
        apt: &["a"],
        npm: &["n@20"],
    };

    const PRESENT: Need =
        Need { name: "present", why: "to be found", probe: &["true"], apt: &["c"], npm: &["p"] };

    #[test]
    fn a_probe_that_fails_or_does_not_start_is_a_thing_missing() {
        let found: Vec<_> =
            missing(&[ABSENT, PRESENT, BROKEN]).iter().map(|need| need.name).collect();
        assert_eq!(found, ["absent", "broken"]);
    }

    #[test]
    fn advice_names_each_missing_package_once() {
        let advice = super::advice(&[&ABSENT, &BROKEN]);
        assert!(advice.contains("install --no-install-recommends a b\n"), "{advice}");
        assert!(advice.ends_with("sudo npm install --global --prefix /usr/local n@20"), "{advice}");
    }

    #[test]
    fn advice_does_not_speak_of_npm_where_debians_will_do() {
        assert!(super::advice(&[&ABSENT]).ends_with("install --no-install-recommends a b"));
    }
}
