//! Checks that every relative link in the documents is the path of a file.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::cargo;
use crate::documents;
use crate::runner::Outcome;

/// Checks that the file of every link exists.
pub(crate) fn check() -> Result<Outcome> {
    let mut broken = Vec::new();
    let mut count = 0;
    for document in documents::all()? {
        for (line, target) in documents::links(&document.text) {
            if let Some(path) = file_of(&target, &document.path) {
                count += 1;
                if !cargo::root().join(path).exists() {
                    broken.push(format!("{}:{line}: no file at {target}", document.path.display()));
                }
            }
        }
    }
    ensure!(broken.is_empty(), "\n{}", broken.join("\n"));
    println!("    {count} links");
    Ok(Outcome::Passed)
}

/// The path of the link `target` in `document`, relative to the root of the workspace. `None` if the link leads to
/// another site or into the same document.
fn file_of(target: &str, document: &Path) -> Option<PathBuf> {
    let path = target.split('#').next().unwrap_or_default();
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    (!is_elsewhere && !path.is_empty()).then(|| document.with_file_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_resolved_from_the_folder_of_their_document() {
        let file = |target| file_of(target, Path::new("docs/protocol.md"));
        assert_eq!(file("../README.md#why"), Some("docs/../README.md".into()));
        for target in ["https://example.com/a.md", "mailto:a@example.com", "#why"] {
            assert_eq!(file(target), None, "{target}");
        }
    }
}
