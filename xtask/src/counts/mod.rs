//! Compares the instructions of the scenarios in `benches/counts` with a committed baseline. If other programs run,
//! times vary by more than most changes to the code cause. Instructions do not vary.

mod callgrind;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

const BASELINE: &str = "benches/counts/baseline.txt";

const HEAD: &str = "# Instructions of each scenario, written by `cargo xtask counts-write` with";

/// The largest difference from the baseline that is accepted, in percent of it.
const TOLERANCE: u64 = 3;

/// Instructions by the name of the scenario.
type Counts = BTreeMap<String, u64>;

/// Compares the counts with the baseline.
///
/// # Errors
/// Fails if a count differs from the baseline by more than the tolerance. That includes fewer instructions, because a
/// gain that is not recorded can be lost unnoticed.
pub(crate) fn check() -> Result<Outcome> {
    if cargo::output(Command::new("valgrind").arg("--version")).is_err() {
        return Ok(Outcome::Skipped("valgrind is not installed".to_owned()));
    }
    let baseline = fs::read_to_string(path()).context(BASELINE)?;
    let mut here = environment()?;
    here.retain(|line| !baseline.lines().any(|other| other == line));
    if !here.is_empty() {
        let here = here.join(", ").replace("# ", "");
        return Ok(Outcome::Skipped(format!("the baseline is not for this machine with {here}")));
    }
    let (table, differing) = compare(&parse(&baseline).context(BASELINE)?, &measure()?);
    print!("{table}");
    ensure!(
        differing.is_empty(),
        "not as in {BASELINE}: {}\n    if that is intended, run cargo xtask counts-write",
        differing.join(", ")
    );
    Ok(Outcome::Passed)
}

/// Writes the current counts to the baseline.
pub(crate) fn write() -> Result<Outcome> {
    let counts = measure()?.into_iter().map(|(name, count)| format!("{name} {count}"));
    let lines = [HEAD.to_owned()].into_iter().chain(environment()?).chain(counts);
    let text: String = lines.map(|line| line + "\n").collect();
    print!("{text}");
    fs::write(path(), text).context(BASELINE)?;
    Ok(Outcome::Passed)
}

fn path() -> PathBuf {
    cargo::root().join(BASELINE)
}

fn measure() -> Result<Counts> {
    let names = cargo::output(&mut cargo::command(callgrind::PROGRAM))?;
    names.lines().map(|name| Ok((name.to_owned(), callgrind::count(name)?))).collect()
}

/// Lines of the baseline for everything besides the source on which a count depends. Another compiler generates other
/// code, and another C library or a processor without AVX2 allocates and copies differently.
fn environment() -> Result<Vec<String>> {
    let output = |program, arg| cargo::output(Command::new(program).arg(arg));
    let rustc = output("rustc", "-vV")?;
    let field = |name| rustc.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
    let valgrind = output("valgrind", "--version")?;
    let glibc = output("getconf", "GNU_LIBC_VERSION").unwrap_or("none".to_owned());
    let has_avx2 = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" avx2"));
    Ok(vec![
        format!("# avx2: {}", if has_avx2 { "yes" } else { "no" }),
        format!("# glibc: {}", glibc.trim().trim_start_matches("glibc ")),
        format!("# host: {}", field("host: ")),
        format!("# rustc: {}", field("release: ")),
        format!("# valgrind: {}", valgrind.trim().trim_start_matches("valgrind-")),
    ])
}

/// Reads lines of `SCENARIO COUNT`, and comments.
fn parse(text: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let count =
            line.split_once(' ').and_then(|(name, count)| Some((name, count.parse().ok()?)));
        let (name, count) = count.with_context(|| format!("{line:?} is not SCENARIO COUNT"))?;
        ensure!(counts.insert(name.to_owned(), count).is_none(), "{name} occurs twice");
    }
    Ok(counts)
}

/// A table, and the names of the scenarios that differ by more than the tolerance.
fn compare(baseline: &Counts, now: &Counts) -> (String, Vec<String>) {
    let mut table = format!("    {:<24} {:>12} {:>12}\n", "scenario", "baseline", "now");
    let mut differing = Vec::new();
    for name in baseline.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let counts = [baseline.get(name), now.get(name)];
        let [before, after] = counts.map(|count| count.map_or("-".to_owned(), u64::to_string));
        let mut difference = String::new();
        let mut is_within = false;
        if let [Some(before), Some(after)] = counts {
            difference = format!("{:+.2} %", (*after as f64 / *before as f64 - 1.0) * 100.0);
            is_within = before.abs_diff(*after) * 100 <= before * TOLERANCE;
        }
        table += &format!("    {name:<24} {before:>12} {after:>12} {difference:>10}\n");
        if !is_within {
            differing.push(name.clone());
        }
    }
    (table, differing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_a_count_is_an_error() {
        assert_eq!(parse("# rustc: 1.95.0\nb 2\na 1\n").unwrap()["b"], 2);
        for bad in ["encode-sse", "encode-sse many", "a 1\na 2"] {
            parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_difference_of_exactly_three_percent_is_accepted() {
        for (now, is_accepted) in
            [(9_699, false), (9_700, true), (10_000, true), (10_300, true), (10_301, false)]
        {
            let now = Counts::from([("a".to_owned(), now)]);
            let (_, differing) = compare(&parse("a 10000").unwrap(), &now);
            assert_eq!(differing.is_empty(), is_accepted, "{now:?}");
        }
    }

    #[test]
    fn a_scenario_with_only_one_count_differs() {
        let (table, differing) =
            compare(&parse("a 1000\ngone 7").unwrap(), &parse("a 1015\nnew 1").unwrap());
        assert_eq!(differing, ["gone", "new"]);
        let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        let expected = [
            vec!["a", "1000", "1015", "+1.50", "%"],
            vec!["gone", "7", "-"],
            vec!["new", "-", "1"],
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}
