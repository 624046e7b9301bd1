//! Checks the text of changed lines for phrases that `CONTRIBUTING.md` rules out.
//!
//! Only phrases that are never right are listed. The other rules are for readers.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

/// Phrases, with what to write.
const PHRASES: [(&str, &str); 8] = [
    ("whoever", "name the subject"),
    ("nobody", "name the subject"),
    ("somebody", "name the subject"),
    ("everybody", "name the subject"),
    ("is to be had", "\"is available\" or \"exists\""),
    ("are to be had", "\"are available\" or \"exist\""),
    ("not any more", "\"no longer\""),
    ("be it", "\"whether\" or \"if\""),
];

/// A line that was added or changed.
#[derive(Debug, PartialEq, Eq)]
struct Changed<'a> {
    path: &'a str,
    number: usize,
    text: &'a str,
}

/// Returns an error that names each such phrase in the documents and comments that differ from `origin/main`, or from the
/// last commit but one if the branch is not ahead. Skipped outside of a Git repository.
pub(crate) fn check() -> Result<Outcome> {
    let Some(diff) = diff() else {
        return Ok(Outcome::Skipped("there is no commit to compare with".to_owned()));
    };
    let lines = changed(&diff);
    let found: Vec<String> = lines.iter().flat_map(findings).collect();
    ensure!(found.is_empty(), "\n{}", found.join("\n"));
    println!("    {} changed lines", lines.len());
    Ok(Outcome::Passed)
}

/// Returns the changes of documents and code since the base, those in the work tree included.
fn diff() -> Option<String> {
    let base = git("merge-base HEAD origin/main").ok();
    let head = git("rev-parse HEAD").ok()?;
    let base = base.filter(|base| *base != head).or_else(|| git("rev-parse HEAD~1").ok())?;
    git(&format!("diff --unified=0 --no-color --no-ext-diff {} -- *.md *.rs", base.trim())).ok()
}

fn git(args: &str) -> Result<String> {
    let mut command = Command::new("git");
    cargo::output(command.args(args.split(' ')).current_dir(cargo::root()))
}

/// Returns the added lines of a diff without context.
fn changed(diff: &str) -> Vec<Changed<'_>> {
    let (mut path, mut number) = ("", 0);
    let mut lines = Vec::new();
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ ") {
            path = name.strip_prefix("b/").unwrap_or(name);
        } else if let Some(hunk) = line.strip_prefix("@@ ") {
            let start = hunk.split('+').nth(1).and_then(|rest| rest.split([',', ' ']).next());
            number = start.and_then(|start| start.parse().ok()).unwrap_or_default();
        } else if let Some(text) = line.strip_prefix('+') {
            lines.push(Changed { path, number, text });
            number += 1;
        }
    }
    lines
}

fn findings(line: &Changed<'_>) -> Vec<String> {
    let words = prose(line);
    let has = |phrase: &str| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        words.windows(phrase.len()).any(|window| window == phrase)
    };
    let found = PHRASES.iter().filter(|(phrase, _)| has(phrase));
    let Changed { path, number, .. } = line;
    found.map(|(phrase, instead)| format!("{path}:{number}: \"{phrase}\": {instead}")).collect()
}

/// Returns the words of a line of a document or a comment, in lower case and without code and quotations.
fn prose(line: &Changed<'_>) -> Vec<String> {
    let text = match line.text.trim_start().strip_prefix("//") {
        Some(comment) => comment,
        None if line.path.ends_with(".md") => line.text,
        None => "",
    };
    let outside = |text: &str, mark| text.split(mark).step_by(2).collect::<Vec<_>>().join(" ; ");
    let text = outside(&outside(text, '`'), '"').to_lowercase();
    // A sentence that ends between two words of a phrase is not the phrase.
    let spaced = text.replace(['.', ',', ';', ':', '(', ')'], " ; ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/a.md b/a.md\n--- a/a.md\n+++ b/a.md\n@@ -1 +3,2 @@ # Title\n-old\n\
                        +Nobody knows\n+it is to\n@@ -9,0 +12 @@\n+be had, be it so\n";

    #[test]
    fn added_lines_have_their_path_and_number() {
        let lines = changed(DIFF);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| format!("{}:{} {}", line.path, line.number, line.text))
            .collect();
        assert_eq!(shown, ["a.md:3 Nobody knows", "a.md:4 it is to", "a.md:12 be had, be it so"]);
        let found: Vec<_> = lines.iter().flat_map(findings).collect();
        assert!(found.len() == 2 && found[0].starts_with("a.md:3: \"nobody\": "), "{found:?}");
        assert!(found[1].starts_with("a.md:12: \"be it\": "), "{found:?}");
    }

    #[test]
    fn code_quotations_and_parts_of_words_are_no_findings() {
        let found = |path, text| findings(&Changed { path, number: 1, text }).len();
        assert_eq!(found("a.rs", "    /// Whoever asks, be it by accident."), 2);
        assert_eq!(found("a.rs", "let nobody = \"is to be had\";"), 0);
        assert_eq!(found("a.md", "The user `nobody`, and \"be it\"; maybe it is."), 0);
        assert_eq!(found("a.md", "They may be. It is not, any more than before."), 0);
    }
}
