//! One scenario under callgrind, and its count.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// Prints the scenarios' names, and with one of them behind it runs that.
pub(super) const PROGRAM: [&str; 5] =
    ["run", "--quiet", "--release", "--package", "tidings-counts"];

/// Where the scenarios' program begins and ends a count; see there.
const MARK: &str = "--dump-before=tidings_counts::mark::mark";

/// The part of callgrind's output between the first mark and the second.
const COUNTED: u64 = 2;

pub(super) fn is_installed() -> bool {
    let probe = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// The instructions between the two marks, on the thread that sets them.
pub(super) fn count(scenario: &str) -> Result<u64> {
    let file = format!("tidings-counts-{}-{scenario}.out", std::process::id());
    let path = std::env::temp_dir().join(file);
    let out = format!("--callgrind-out-file={}", path.display());
    let callgrind =
        ["--tool=callgrind", "--separate-threads=yes", "--combine-dumps=yes", MARK, &out];
    // By way of cargo's runner, for cargo knows where the program lies.
    let runner =
        format!("target.'cfg(all())'.runner={:?}", [&["valgrind"], &callgrind[..]].concat());
    let run = [&["--config", &runner], &PROGRAM[..], &["--", scenario]].concat();
    let ran = cargo::output(&run);
    let text = fs::read_to_string(&path);
    // A file in a folder for such; where it stays, nothing is wrong with the count.
    let _ = fs::remove_file(&path);
    ran?;
    between_marks(&text.with_context(|| format!("callgrind's output at {}", path.display()))?)
        .with_context(|| format!("what callgrind says of {scenario}"))
}

/// The total of the counted part in callgrind's output, which has the parts of all threads behind each
/// other, each with `part:` above its `totals:`.
fn between_marks(output: &str) -> Result<u64> {
    let (mut part, mut parts, mut counts) = (0, 0, Vec::new());
    for line in output.lines() {
        if let Some(number) = line.strip_prefix("part: ") {
            part = number.trim().parse()?;
            parts = parts.max(part);
        } else if let Some(total) = line.strip_prefix("totals: ")
            && part == COUNTED
        {
            counts.push(total.trim().parse()?);
        }
    }
    ensure!(parts == COUNTED + 1, "{parts} parts: it was not marked twice");
    let [count] = counts[..] else { anyhow::bail!("marked on several threads: {counts:?}") };
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One part of an output as callgrind writes it, shortened.
    fn part(part: u64, thread: u64, total: u64) -> String {
        format!(
            "part: {part}\nthread: {thread}\n\ndesc: Timerange: Basic block 1 - 2\n\
             positions: line\nevents: Ir\nsummary: 7\n\nfn=(1) totals: of\n0 3\n\
             calls=1 0\n0 4\ntotals: {total}\n"
        )
    }

    #[test]
    fn the_count_is_the_total_of_the_part_between_the_marks() {
        let head = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\n".to_owned();
        let lane =
            [part(1, 3, 5_984_978), part(2, 3, 1_955_843), part(3, 1, 120), part(3, 3, 392_290)];
        assert_eq!(between_marks(&(head + &lane.concat())).unwrap(), 1_955_843);
    }

    #[test]
    fn an_output_that_was_not_marked_twice_on_one_thread_has_no_count() {
        let unmarked = part(1, 1, 10);
        let once = [part(1, 1, 10), part(2, 1, 20)].concat();
        let thrice = [part(1, 1, 1), part(2, 1, 2), part(3, 1, 3), part(4, 1, 4)].concat();
        let threads = [part(1, 1, 1), part(2, 1, 2), part(2, 2, 2), part(3, 1, 3)].concat();
        for output in ["", &unmarked, &once, &thrice, &threads] {
            between_marks(output).expect_err(output);
        }
    }
}
