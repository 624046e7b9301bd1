//! Every relative link leads to a file.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cargo;
use crate::markdown;
use crate::runner::Outcome;

/// Tells all broken links at once.
pub(crate) fn check() -> Result<Outcome> {
    let mut broken = Vec::new();
    let mut count = 0;
    for document in markdown::documents()? {
        for (line, target) in markdown::links(&document.text) {
            let Some(path) = file_of(target, &document.path) else {
                continue;
            };
            count += 1;
            if !cargo::root().join(path).exists() {
                broken.push(format!("{}:{line}: no file at {target}", document.path.display()));
            }
        }
    }
    if !broken.is_empty() {
        bail!("\n{}", broken.join("\n"));
    }
    println!("    {count} links");
    Ok(Outcome::Passed)
}

/// The file, from the root, that `target` means in `document`; none where it leads to the web or stays
/// in the document.
fn file_of(target: &str, document: &Path) -> Option<PathBuf> {
    let path = target.split('#').next().unwrap_or_default();
    let elsewhere = target.contains("://") || target.starts_with("mailto:");
    let folder = document.parent().unwrap_or(Path::new(""));
    (!elsewhere && !path.is_empty()).then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_starts_from_its_documents_folder() {
        let file = file_of("../README.md#why", Path::new("docs/protocol.md"));
        assert_eq!(file, Some("docs/../README.md".into()));
    }

    #[test]
    fn the_web_mail_and_anchors_are_no_files() {
        for target in ["https://example.com/a.md", "mailto:a@example.com", "#why"] {
            assert_eq!(file_of(target, Path::new("README.md")), None, "{target}");
        }
    }
}
