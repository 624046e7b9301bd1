//! Lints of rustc and clippy. clippy-driver is the compiler of the tests (see [`cargo::linted`]), so nothing is
//! compiled again. Cargo keeps the messages of each target and prints them again.

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use crate::cargo;
use crate::runner::Outcome;

/// A line that cargo prints.
#[derive(Deserialize)]
struct Line {
    /// `None` if the line is not from the compiler.
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    /// The text for a terminal, with its place in the code.
    rendered: String,
}

/// Checks all targets of the workspace. Compiles those that are not compiled yet.
///
/// # Errors
/// Fails if the compiler has a warning.
pub(crate) fn check() -> Result<Outcome> {
    // Together these are all targets, in the same form as in the suite and in the smoke run of the benchmarks.
    for targets in ["", "--bench *"] {
        let options = "--workspace --all-features --no-run --quiet --message-format json";
        let output = cargo::captured(&mut cargo::linted(&format!("test {options} {targets}")))?;
        let messages = messages(&String::from_utf8_lossy(&output.stdout))?;
        if !messages.is_empty() {
            bail!("{}", messages.join("\n"));
        }
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Outcome::Passed)
}

/// Each message of the compiler once, although a library is compiled with and without its tests.
fn messages(output: &str) -> Result<Vec<String>> {
    let mut messages = Vec::new();
    for line in output.lines().filter(|line| line.starts_with('{')) {
        if let Line { message: Some(Message { rendered }) } = serde_json::from_str(line)?
            && !messages.contains(&rendered)
        {
            messages.push(rendered);
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_returned_once() {
        let output = r#"{"reason":"compiler-artifact","fresh":true}
{"reason":"compiler-message","message":{"rendered":"warning: unused variable: `a`"}}
{"reason":"compiler-message","message":{"rendered":"warning: unused variable: `a`"}}
{"reason":"compiler-message","message":{"rendered":"warning: unused import"}}
{"reason":"build-finished","success":true}
"#;
        let expected = ["warning: unused variable: `a`", "warning: unused import"];
        assert_eq!(messages(output).unwrap(), expected);
    }
}
