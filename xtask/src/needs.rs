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
}

const NEEDS: &[Need] = &[
    Need {
        name: "cc",
        why: "rustc links every program and test with it",
        probe: &["cc", "--version"],
        apt: &["gcc", "libc6-dev"],
    },
    // It is not to be had everywhere; elsewhere the counts are skipped.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Need {
        name: "valgrind",
        why: "it counts instructions",
        probe: &["valgrind", "--version"],
        apt: &["valgrind"],
    },
    Need {
        name: "nats-server",
        why: "hubs that share a stream are tested over it",
        probe: &["nats-server", "--version"],
        apt: &["nats-server"],
    },
    Need {
        name: "redis-server",
        why: "the same",
        probe: &["redis-server", "--version"],
        apt: &["redis-server"],
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
    let packages = packages(&missing);
    if !is_root() || !succeeds(&["apt-get", "--version"]) {
        bail!("{}", advice(&packages));
    }
    install(&packages)?;
    let missing: Vec<_> = self::missing(NEEDS).iter().map(|need| need.name).collect();
    ensure!(missing.is_empty(), "installed, and still missing: {}", missing.join(", "));
    Ok(Outcome::Passed)
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    let absent = |need: &&Need| !succeeds(need.probe);
    needs.iter().filter(absent).collect()
}

fn packages(needs: &[&Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().flat_map(|need| need.apt).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn advice(packages: &[&str]) -> String {
    format!(
        "install what is missing: sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

fn install(packages: &[&str]) -> Result<()> {
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt(args: &[&str]) -> Result<()> {
    println!("    apt-get {}", args.join(" "));
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("apt-get does not start")?;
    ensure!(status.success(), "`apt-get {}`: {status}", args.join(" "));
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
    };

    const BROKEN: Need =
        Need { name: "broken", why: "it is there and fails", probe: &["false"], apt: &["a"] };

    const PRESENT: Need =
        Need { name: "present", why: "to be found", probe: &["true"], apt: &["c"] };

    #[test]
    fn a_probe_that_fails_or_does_not_start_is_a_thing_missing() {
        let found: Vec<_> =
            missing(&[ABSENT, PRESENT, BROKEN]).iter().map(|need| need.name).collect();
        assert_eq!(found, ["absent", "broken"]);
    }

    #[test]
    fn advice_names_each_missing_package_once() {
        let advice = advice(&packages(&[&ABSENT, &BROKEN]));
        assert!(advice.ends_with("install --no-install-recommends a b"), "{advice}");
    }
}
