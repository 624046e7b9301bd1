//! Checks that every relative link in the documents is the path of a file, with the anchor of a heading in it.

use std::fs;

use anyhow::{Result, ensure};

use crate::cargo;
use crate::documents::{self, Document};
use crate::runner::Outcome;

/// Checks that the file of every link exists, and that a document has the heading that a link names.
pub(crate) fn check() -> Result<Outcome> {
    let mut broken = Vec::new();
    let mut count = 0;
    for document in documents::all()? {
        for (line, target) in documents::links(&document.text) {
            if is_elsewhere(&target) {
                continue;
            }
            count += 1;
            if let Some(problem) = problem(&target, &document) {
                broken.push(format!("{}:{line}: {problem}", document.path.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "\n{}", broken.join("\n"));
    println!("    {count} links");
    Ok(Outcome::Passed)
}

/// What is wrong with the link `target` in `document`.
fn problem(target: &str, document: &Document) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let text = if path.is_empty() {
        document.text.clone()
    } else {
        let path = cargo::root().join(document.path.with_file_name(path));
        if !path.exists() {
            return Some(format!("no file at {target}"));
        }
        if anchor.is_empty() || path.extension() != Some("md".as_ref()) {
            return None;
        }
        fs::read_to_string(path).ok()?
    };
    let has_heading = documents::anchors(&text).iter().any(|other| other == anchor);
    (!has_heading).then(|| format!("no heading for #{anchor} in {target}"))
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_its_file_or_its_heading_is_a_problem() {
        let text = "# A heading\n".to_owned();
        let document = Document { path: "docs/protocol.md".into(), text };
        let problem = |target| problem(target, &document);
        for target in ["#a-heading", "../README.md", "../README.md#try-it", "../LICENSE-MIT#x"] {
            assert_eq!(problem(target), None);
        }
        assert_eq!(problem("gone.md").unwrap(), "no file at gone.md");
        assert_eq!(problem("#another").unwrap(), "no heading for #another in #another");
        assert!(problem("../README.md#another").is_some());
        assert!(is_elsewhere("https://example.com/a.md") && is_elsewhere("mailto:a@example.com"));
    }
}
