//! Runs one scenario with callgrind and reads its count.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// The arguments of cargo that print the names of the scenarios. With a name appended, they run that scenario.
pub(super) const PROGRAM: &str = "run --quiet --release --package tidings-counts --";

/// The function that the scenarios call at the beginning and at the end of counting.
const MARK: &str = "--dump-before=tidings_counts::mark::mark";

/// The part of callgrind's output between the first mark and the second.
const COUNTED: u64 = 2;

/// The instructions between the two marks, on the thread that sets them.
pub(super) fn count(scenario: &str) -> Result<u64> {
    let file = format!("tidings-counts-{}-{scenario}.out", std::process::id());
    let path = std::env::temp_dir().join(file);
    let out = format!("--callgrind-out-file={}", path.display());
    let valgrind = [
        "valgrind",
        "--tool=callgrind",
        "--separate-threads=yes",
        "--combine-dumps=yes",
        MARK,
        &out,
    ];
    // Callgrind is the runner of cargo, so that cargo passes the path of the program.
    let runner = format!("target.'cfg(all())'.runner={valgrind:?}");
    let mut run = cargo::command("--config");
    let ran = cargo::output(run.arg(runner).args(PROGRAM.split(' ')).arg(scenario));
    let text = fs::read_to_string(&path);
    // A failure leaves a temporary file and does not change the count.
    let _ = fs::remove_file(&path);
    ran?;
    between_marks(&text.with_context(|| format!("cannot read {}", path.display()))?)
        .with_context(|| format!("cannot read the count of {scenario}"))
}

/// The total of the counted part. The output has the parts of all threads one after the other, each with `part:` above
/// its `totals:`.
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
    ensure!(parts == COUNTED + 1, "expected two marks and so three parts, but there are {parts}");
    let [count] = counts[..] else { bail!("marks on several threads: {counts:?}") };
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: u64, thread: u64, total: u64) -> String {
        format!(
            "part: {part}\nthread: {thread}\n\nevents: Ir\nsummary: 7\n\nfn=(1) totals: of\n0 3\n\
             calls=1 0\n0 4\ntotals: {total}\n"
        )
    }

    #[test]
    fn the_count_is_the_total_between_two_marks_on_one_thread() {
        let parts = [part(1, 3, 59), part(2, 3, 1_955_843), part(3, 1, 120), part(3, 3, 39)];
        assert_eq!(between_marks(&parts.concat()).unwrap(), 1_955_843);
        let once = [part(1, 1, 10), part(2, 1, 20)].concat();
        let thrice = [part(1, 1, 1), part(2, 1, 2), part(3, 1, 3), part(4, 1, 4)].concat();
        let threads = [part(1, 1, 1), part(2, 1, 2), part(2, 2, 2), part(3, 1, 3)].concat();
        for output in ["", &part(1, 1, 10), &once, &thrice, &threads] {
            between_marks(output).expect_err(output);
        }
    }
}
