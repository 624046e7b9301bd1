//! The committed counts: one line a scenario, sorted, behind what they were made with.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

use super::made_with::MadeWith;

/// Instructions by the scenario's name.
pub(super) type Counts = BTreeMap<String, u64>;

#[derive(Debug, PartialEq)]
pub(super) struct Baseline {
    pub(super) made_with: MadeWith,
    pub(super) counts: Counts,
}

const HEAD: &str = "# Instructions of each scenario, written by `cargo xtask counts-write` with";

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        for (what, version) in &self.made_with.0 {
            writeln!(f, "# {what}: {version}")?;
        }
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{name} {count}"))
    }
}

impl FromStr for Baseline {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut baseline = Self { made_with: MadeWith::default(), counts: Counts::new() };
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((what, version)) = comment.split_once(": ") {
                    let (what, version) = (what.trim().to_owned(), version.trim().to_owned());
                    baseline.made_with.0.insert(what, version);
                }
                continue;
            }
            let (name, count) = line.split_once(' ').with_context(|| format!("{line:?}"))?;
            let count = count.trim().parse().with_context(|| format!("{line:?}"))?;
            let twice = baseline.counts.insert(name.to_owned(), count);
            ensure!(twice.is_none(), "{name} twice");
        }
        Ok(baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let made_with = [("rustc", "1.95.0"), ("host", "x86_64-unknown-linux-gnu")];
        let counts = [("pass-sse", 1955843), ("encode-sse", 174947)];
        let baseline = Baseline {
            made_with: MadeWith(made_with.map(|(a, b)| (a.to_owned(), b.to_owned())).into()),
            counts: counts.map(|(name, count)| (name.to_owned(), count)).into(),
        };
        let text = baseline.to_string();
        assert!(text.ends_with("# rustc: 1.95.0\nencode-sse 174947\npass-sse 1955843\n"), "{text}");
        assert_eq!(text.parse::<Baseline>().unwrap(), baseline);
    }

    #[test]
    fn a_line_that_is_no_count_is_an_error_that_shows_it() {
        for bad in ["encode-sse", "encode-sse many", "a 1\na 2"] {
            let error = bad.parse::<Baseline>().expect_err(bad).to_string();
            assert!(error.contains(&bad[..1]), "{error}");
        }
    }
}
