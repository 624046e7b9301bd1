//! What each case is expected to come to, and what it came to.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};

/// The verdict on one case: on the messages, and on the way in which the connection was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    case: String,
    behavior: String,
    close: String,
}

/// The committed expectation. The last line that matches a case is the one for it.
#[derive(Debug)]
pub(super) struct Expectation(Vec<Line>);

/// `PATTERN COUNT BEHAVIOR CLOSE`
#[derive(Debug)]
struct Line {
    /// A case, or the beginning of several with a `*` after it.
    pattern: String,
    /// For how many cases this line decides.
    count: usize,
    behavior: String,
    close: String,
}

impl Line {
    fn matches(&self, case: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(beginning) => case.starts_with(beginning),
            None => case == self.pattern,
        }
    }
}

impl FromStr for Expectation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let line = |line: &str| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            let Ok([pattern, count, behavior, close]) = <[String; 4]>::try_from(words) else {
                bail!("{line:?} is not PATTERN COUNT BEHAVIOR CLOSE");
            };
            let count =
                count.parse().with_context(|| format!("{line:?}: {count:?} is not a number"))?;
            Ok(Line { pattern, count, behavior, close })
        };
        let lines: Vec<Line> = lines.map(line).collect::<Result<_>>()?;
        ensure!(!lines.is_empty(), "it expects nothing");
        Ok(Self(lines))
    }
}

impl Expectation {
    /// Returns a line for each verdict that is not the expected one, and for each line that decides for another number
    /// of cases than it says.
    pub(super) fn differences(&self, verdicts: &[Verdict]) -> Vec<String> {
        let mut differences = Vec::new();
        let mut counts = vec![0; self.0.len()];
        for Verdict { case, behavior, close } in verdicts {
            let Some(at) = self.0.iter().rposition(|line| line.matches(case)) else {
                differences
                    .push(format!("{case}: no line is for it, and it came to {behavior}, {close}"));
                continue;
            };
            counts[at] += 1;
            let line = &self.0[at];
            if (behavior, close) != (&line.behavior, &line.close) {
                let (expected, expected_close) = (&line.behavior, &line.close);
                differences.push(format!(
                    "{case}: expected {expected}, {expected_close}, and it came to {behavior}, {close}"
                ));
            }
        }
        for (Line { pattern, count, .. }, ran) in self.0.iter().zip(counts) {
            if ran != *count {
                differences.push(format!("{pattern}: expected {count} cases, and {ran} ran"));
            }
        }
        differences
    }
}

/// Reads verdicts, one line each, with tabs between the three parts.
pub(super) fn verdicts(text: &str) -> Result<Vec<Verdict>> {
    let verdict = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(case), Some(behavior), Some(close)) => Ok(Verdict { case, behavior, close }),
            _ => bail!("{line:?} is not a verdict"),
        }
    };
    text.lines().map(verdict).collect()
}

/// The number of cases, and of each verdict on messages.
pub(super) fn totals(verdicts: &[Verdict]) -> String {
    let mut counts = BTreeMap::from([("OK", 0), ("NON-STRICT", 0), ("FAILED", 0)]);
    for verdict in verdicts {
        *counts.entry(verdict.behavior.as_str()).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.iter().map(|(behavior, count)| format!("{count} {behavior}")).collect();
    format!("{} cases: {}", verdicts.len(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# a comment\n7.*    2 OK             OK\n7.13.* 1 INFORMATIONAL INFORMATIONAL\n";

    fn differences(lines: &str) -> Vec<String> {
        let expectation: Expectation = TEXT.parse().unwrap();
        expectation.differences(&verdicts(lines).unwrap())
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        let run = "7.1.1\tOK\tOK\n7.1.2\tOK\tOK\n7.13.1\tINFORMATIONAL\tINFORMATIONAL\n";
        assert_eq!(differences(run), [""; 0]);
    }

    #[test]
    fn a_worse_a_missing_and_an_unknown_case_are_told_and_so_is_a_better_one() {
        let run = "7.1.1\tNON-STRICT\tOK\n7.13.1\tOK\tWRONG CODE\n8.1\tOK\tOK\n";
        let expected = [
            "7.1.1: expected OK, OK, and it came to NON-STRICT, OK",
            "7.13.1: expected INFORMATIONAL, INFORMATIONAL, and it came to OK, WRONG CODE",
            "8.1: no line is for it, and it came to OK, OK",
            "7.*: expected 2 cases, and 1 ran",
        ];
        assert_eq!(differences(run), expected);
    }

    #[test]
    fn totals_name_what_must_be_zero() {
        let run = verdicts("1.1.1\tOK\tOK\n12.1.1\tUNIMPLEMENTED\tOK\n").unwrap();
        assert_eq!(totals(&run), "2 cases: 0 FAILED, 0 NON-STRICT, 1 OK, 1 UNIMPLEMENTED");
    }

    #[test]
    fn the_committed_expectation_can_be_read() {
        let expectation: Expectation = include_str!("../../autobahn.txt").parse().unwrap();
        let count = |behavior| {
            let lines = expectation.0.iter().filter(|line| line.behavior == behavior);
            lines.map(|line| line.count).sum::<usize>()
        };
        assert_eq!(["OK", "INFORMATIONAL", "UNIMPLEMENTED"].map(count), [298, 3, 216]);
        for line in ["1.1.1 OK OK", "1.1.1 one OK OK", "# nothing"] {
            assert!(line.parse::<Expectation>().is_err(), "{line}");
        }
    }
}
