//! What a count depends on besides the code.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Versions by name. Counts that were made with others say nothing: another compiler makes other code,
/// and another C library allocates and copies otherwise, as it does on a processor without AVX2.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MadeWith(pub(super) BTreeMap<String, String>);

impl MadeWith {
    /// On this machine.
    pub(super) fn here() -> Result<Self> {
        let rustc = output("rustc", &["-vV"])?;
        let valgrind = output("valgrind", &["--version"])?;
        // Not on every system.
        let libc = output("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(|_| "none".to_owned());
        let versions = [
            ("rustc", field(&rustc, "release")?),
            ("host", field(&rustc, "host")?),
            ("avx2", if has_avx2() { "yes" } else { "no" }),
            ("glibc", libc.trim().trim_start_matches("glibc ")),
            ("valgrind", valgrind.trim().trim_start_matches("valgrind-")),
        ];
        Ok(Self(versions.map(|(what, version)| (what.to_owned(), version.to_owned())).into()))
    }

    /// What is not as it was there, each with its two versions.
    pub(super) fn differing(&self, there: &Self) -> Vec<String> {
        let differs = |(what, here): (&String, &String)| match there.0.get(what) {
            Some(there) if there == here => None,
            Some(there) => Some(format!("{what} ({there}, here {here})")),
            None => Some(format!("{what} (it does not say which)")),
        };
        self.0.iter().filter_map(differs).collect()
    }
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "`{program} {}`: {}", args.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The value of a `name: value` line.
fn field<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    text.lines().find_map(value).with_context(|| format!("rustc does not tell its {name}"))
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_with<const N: usize>(versions: [(&str, &str); N]) -> MadeWith {
        MadeWith(versions.map(|(what, version)| (what.to_owned(), version.to_owned())).into())
    }

    #[test]
    fn what_differs_is_told_with_both_versions() {
        let here = made_with([("rustc", "1.96.0"), ("host", "x86_64-unknown-linux-gnu")]);
        assert!(here.differing(&here).is_empty());
        let there = made_with([("rustc", "1.95.0"), ("host", "x86_64-unknown-linux-gnu")]);
        assert_eq!(here.differing(&there), ["rustc (1.95.0, here 1.96.0)"]);
        assert_eq!(here.differing(&MadeWith::default()).len(), 2, "a baseline without a head");
    }

    #[test]
    fn rustcs_own_lines_are_read() {
        let told =
            "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: a-b-c\nrelease: 1.95.0";
        assert_eq!(field(told, "release").unwrap(), "1.95.0");
        assert_eq!(field(told, "host").unwrap(), "a-b-c");
        field(told, "rustc").expect_err("no such line");
    }
}
