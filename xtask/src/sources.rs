//! Words that a crate's code must not say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cargo;
use crate::rules::Member;

/// Where the code under `dir` says one of `words`. Folders of other members are left to them.
pub(crate) fn saying(words: &[&str], dir: &Path, members: &[Member]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in rust_files(dir, members)? {
        let code =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(cargo::root()).unwrap_or(&file).display();
        let said = said(&code, words).into_iter();
        found.extend(said.map(|(line, word)| format!("says `{word}` in {shown}:{line}")));
    }
    Ok(found)
}

fn rust_files(dir: &Path, members: &[Member]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let another = members.iter().any(|member| member.dir == path);
            if !another && !path.ends_with("target") {
                files.extend(rust_files(&path, members)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Line and word of each hit. Comment lines may speak of what the code must not do.
fn said<'a>(code: &str, words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        if !line.trim_start().starts_with("//") {
            let here = words.iter().filter(|word| says(line, word));
            found.extend(here.map(|word| (index + 1, *word)));
        }
    }
    found
}

/// Whether `word` stands in `line`, not as a part of a longer name.
fn says(line: &str, word: &str) -> bool {
    let of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let begun_before = before.is_some_and(of_a_name);
        let goes_on = word.ends_with(of_a_name) && after.is_some_and(of_a_name);
        !begun_before && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[&str] = &["unbounded_channel", "unbounded(", "unbounded::<"];

    #[test]
    fn every_way_to_make_an_unbounded_channel_is_found() {
        let code = "use tokio::sync::mpsc::unbounded_channel;\n\
                    let (a, b) = mpsc::unbounded();\n\
                    let (a, b) = unbounded::<u8>();\n";
        assert_eq!(
            said(code, WORDS),
            [(1, "unbounded_channel"), (2, "unbounded("), (3, "unbounded::<")]
        );
    }

    #[test]
    fn comments_and_longer_names_are_left_alone() {
        let code = "/// Never an unbounded_channel, never unbounded().\n\
                    fn is_unbounded() {}\n\
                    let my_unbounded_channels = 0;\n";
        assert_eq!(said(code, WORDS), []);
    }
}
