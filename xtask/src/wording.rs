//! Checks the text of documents and comments for phrases that `CONTRIBUTING.md` rules out.
//!
//! Only phrases that are never right are listed. The other rules are for readers.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

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

/// Checks that no file in Git contains one of [`PHRASES`]. Skipped outside of a Git repository.
pub(crate) fn check() -> Result<Outcome> {
    let mut list = Command::new("git");
    list.args(["ls-files", "*.md", "*.rs"]).current_dir(cargo::root());
    let Ok(paths) = cargo::output(&mut list) else {
        return Ok(Outcome::Skipped("this is not a Git repository".to_owned()));
    };
    let mut found = Vec::new();
    for path in paths.lines() {
        let text = fs::read_to_string(cargo::root().join(path)).context(path.to_owned())?;
        found.extend(findings(path, &text));
    }
    ensure!(found.is_empty(), "\n{}", found.join("\n"));
    println!("    {} files", paths.lines().count());
    Ok(Outcome::Passed)
}

fn findings(path: &str, text: &str) -> Vec<String> {
    let is_document = path.ends_with(".md");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//");
        let Some(text) = comment.or(is_document.then_some(line)) else { continue };
        let words = words(text);
        for (phrase, instead) in PHRASES {
            let phrase: Vec<&str> = phrase.split(' ').collect();
            if words.windows(phrase.len()).any(|window| window == phrase) {
                let phrase = phrase.join(" ");
                found.push(format!("{path}:{}: \"{phrase}\": {instead}", index + 1));
            }
        }
    }
    found
}

/// The words of a line, in lower case and without code and quotations.
fn words(text: &str) -> Vec<String> {
    let outside = |text: &str, mark| text.split(mark).step_by(2).collect::<Vec<_>>().join(" ; ");
    let text = outside(&outside(text, '`'), '"').to_lowercase();
    // A sentence that ends between two words of a phrase is not the phrase.
    let spaced = text.replace(['.', ',', ';', ':', '(', ')'], " ; ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_its_path_and_line() {
        let found = findings("a.md", "# Title\nNobody knows if it is to\nbe had, be it so\n");
        assert!(found.len() == 2 && found[0].starts_with("a.md:2: \"nobody\": "), "{found:?}");
        assert!(found[1].starts_with("a.md:3: \"be it\": "), "{found:?}");
    }

    #[test]
    fn code_quotations_and_parts_of_words_are_no_findings() {
        assert_eq!(findings("a.rs", "    /// Whoever asks, be it by accident.").len(), 2);
        assert_eq!(findings("a.rs", "let nobody = \"is to be had\";").len(), 0);
        assert_eq!(findings("a.md", "The user `nobody`, and \"be it\"; maybe it is.").len(), 0);
        assert_eq!(findings("a.md", "They may be. It is not, any more than before.").len(), 0);
    }
}
