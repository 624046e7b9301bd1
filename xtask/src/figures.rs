//! Figures in the documents. They are rendered from the JSON of committed runs of `tidings compare`, between two
//! comments:
//!
//! ```text
//! <!-- figures: transports.json steady.cpu steady.p99 run -->
//! | … |
//! <!-- end -->
//! ```
//!
//! The words after the file are those of the example `render` of `crates/compare`. `all` instead of a file means all runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::documents;
use crate::runner::Outcome;

/// The folder of the runs.
const RUNS: &str = "docs/comparison";

/// The page about all runs, and the schema of their JSON.
const PAGE: &str = "docs/comparison/report.html";
const SCHEMA: &str = "docs/comparison/schema.json";

/// The word for all runs in a comment.
const ALL: &str = "all";

const BEGIN: &str = "<!-- figures: ";
const BEGIN_ENDS: &str = " -->";
const END: &str = "<!-- end -->";

/// Checks that the documents have the figures of the committed runs.
pub(crate) fn check() -> Result<Outcome> {
    let stale: Vec<String> = changes()?.iter().map(|it| it.0.display().to_string()).collect();
    ensure!(
        stale.is_empty(),
        "figures not as in {RUNS}: {}\n    run cargo xtask figures-write",
        stale.join(", ")
    );
    Ok(Outcome::Passed)
}

/// Writes the figures of the committed runs into the documents.
pub(crate) fn write() -> Result<Outcome> {
    for (path, text) in changes()? {
        println!("    {}", path.display());
        fs::write(cargo::root().join(&path), text)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Outcome::Passed)
}

/// The documents that are not as the runs make them, each with the text that it should have.
fn changes() -> Result<Vec<(PathBuf, String)>> {
    let program = render_program()?;
    let render = |words: &[&str]| {
        let (file, words) = words.split_first().context("no file is named")?;
        let runs = cargo::root().join(RUNS);
        let run = if *file == ALL { runs } else { runs.join(file) };
        cargo::output(Command::new(&program).arg(run).args(words))
    };
    let mut changes = Vec::new();
    for document in documents::all()? {
        let text = filled(&document.text, &render)
            .with_context(|| format!("cannot fill {}", document.path.display()))?;
        if text != document.text {
            changes.push((document.path, text));
        }
    }
    let runs = cargo::root().join(RUNS);
    for (file, argument) in [(PAGE, runs.as_path()), (SCHEMA, Path::new("schema"))] {
        let text = cargo::output(Command::new(&program).arg(argument))?;
        if fs::read_to_string(cargo::root().join(file)).ok().as_ref() != Some(&text) {
            changes.push((Path::new(file).to_owned(), text));
        }
    }
    Ok(changes)
}

/// Builds the program that renders a run, with the features that the step `suite` gives it.
fn render_program() -> Result<PathBuf> {
    cargo::run(&mut cargo::linted("build --workspace --all-features --example render"))?;
    cargo::built("examples/render")
}

/// The text of a document with what `render` returns between each pair of comments.
fn filled(text: &str, render: &impl Fn(&[&str]) -> Result<String>) -> Result<String> {
    let mut filled = String::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        filled += line;
        let words = line.trim_end().strip_prefix(BEGIN);
        let Some(words) = words.and_then(|it| it.strip_suffix(BEGIN_ENDS)) else { continue };
        let words: Vec<&str> = words.split_whitespace().collect();
        let end = lines.find(|line| line.trim_end() == END);
        let end = end.with_context(|| format!("no {END} after {}", line.trim_end()))?;
        filled += &format!("\n{}\n\n{end}", render(&words)?.trim_end());
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shouted(words: &[&str]) -> Result<String> {
        Ok(words.join(" ").to_uppercase() + "\n")
    }

    #[test]
    fn what_is_between_the_comments_is_replaced_and_nothing_else() {
        let text = "a\n<!-- figures: b.json c d -->\nold\n\nolder\n<!-- end -->\ne\n<!-- end -->\n";
        let expected =
            "a\n<!-- figures: b.json c d -->\n\nB.JSON C D\n\n<!-- end -->\ne\n<!-- end -->\n";
        assert_eq!(filled(text, &shouted).unwrap(), expected);
        assert_eq!(filled(expected, &shouted).unwrap(), expected);
    }

    #[test]
    fn an_open_block_is_an_error() {
        let error = filled("<!-- figures: b.json c -->\nold\n", &shouted).unwrap_err();
        assert!(error.to_string().contains("no <!-- end -->"), "{error}");
    }
}
