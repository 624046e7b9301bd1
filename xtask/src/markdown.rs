//! The project's documents, and what the chores read out of them: shell blocks and links.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cargo;

const NAMED: [&str; 4] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "clients/js/README.md"];

/// One markdown file.
pub(crate) struct Document {
    /// From the workspace's root.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The documents that are named above and everything in `docs/`.
pub(crate) fn documents() -> Result<Vec<Document>> {
    let mut paths: Vec<PathBuf> = NAMED.map(PathBuf::from).into();
    let docs = fs::read_dir(cargo::root().join("docs")).context("cannot read docs/")?;
    for entry in docs {
        let path = Path::new("docs").join(entry?.file_name());
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Document> {
    let text = fs::read_to_string(cargo::root().join(&path))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Document { path, text })
}

/// The text of every ```` ```sh ```` block, with the number of its first line.
pub(crate) fn shell_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    for line in lines(text) {
        if let Place::Code { language: "sh", first } = line.place {
            if first {
                blocks.push((line.number, String::new()));
            }
            if let Some((_, block)) = blocks.last_mut() {
                block.push_str(line.text);
                block.push('\n');
            }
        }
    }
    blocks
}

/// The target of every link and image outside of code, with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for line in lines(text).into_iter().filter(|l| l.place == Place::Prose) {
        // Every other piece between backticks is code.
        for prose in line.text.split('`').step_by(2) {
            let inline = prose.split("](").skip(1);
            let defined = prose.trim_start().strip_prefix('[');
            let defined = defined.and_then(|rest| rest.split_once("]: "));
            let targets = inline.chain(defined.map(|(_, target)| target)).map(target);
            links.extend(targets.chain(sources(prose)).map(|target| (line.number, target)));
        }
    }
    links
}

/// What the images in HTML show: `src="…"` and `srcset="…"`.
fn sources(prose: &str) -> impl Iterator<Item = &str> {
    let values = prose.split("src=\"").skip(1).chain(prose.split("srcset=\"").skip(1));
    values.filter_map(|rest| rest.split(['"', ' ']).next())
}

/// The target at the start of `rest`, without title and brackets.
fn target(rest: &str) -> &str {
    match rest.strip_prefix('<') {
        Some(bracketed) => bracketed.split('>').next().unwrap_or_default(),
        None => rest.split([')', ' ', '\t']).next().unwrap_or_default(),
    }
}

struct Line<'a> {
    number: usize,
    text: &'a str,
    place: Place<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place<'a> {
    Prose,
    Fence,
    Code { language: &'a str, first: bool },
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut open: Option<(&str, &str)> = None;
    let mut first = false;
    let mut lines = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let trimmed = text.trim();
        let ticks = &trimmed[..trimmed.len() - trimmed.trim_start_matches('`').len()];
        let place = match open {
            None if ticks.len() >= 3 => {
                let language = trimmed[ticks.len()..].split([',', ' ']).next();
                open = Some((ticks, language.unwrap_or_default()));
                first = true;
                Place::Fence
            }
            None => Place::Prose,
            Some((fence, _)) if trimmed == ticks && ticks.len() >= fence.len() => {
                open = None;
                Place::Fence
            }
            Some((_, language)) => Place::Code { language, first: std::mem::take(&mut first) },
        };
        lines.push(Line { number: index + 1, text, place });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shell_blocks_are_taken_each_with_its_first_line() {
        let text = "```sh\none\ntwo\n```\n```rust\nnot this\n```\nnor this\n\n```sh\nthree\n```\n";
        assert_eq!(shell_blocks(text), [(2, "one\ntwo\n".to_owned()), (11, "three\n".to_owned())]);
    }

    #[test]
    fn a_longer_fence_shows_a_shorter_one_without_opening_it() {
        let text = "````text\n```sh\nnot run\n```\n````\n```sh\nrun\n```\n";
        assert_eq!(shell_blocks(text), [(7, "run\n".to_owned())]);
    }

    #[test]
    fn links_images_and_definitions_are_found_with_their_lines() {
        let text =
            "[a](docs/a.md#part) and ![b](b.svg \"title\")\n\n[c]: <docs/c d.md>\n[d]: e.md\n";
        assert_eq!(
            links(text),
            [(1, "docs/a.md#part"), (1, "b.svg"), (3, "docs/c d.md"), (4, "e.md")]
        );
    }

    #[test]
    fn images_in_html_are_links() {
        let text = "<source srcset=\"dark.png 2x\">\n<img src=\"light.png\" alt=\"a\">";
        assert_eq!(links(text), [(1, "dark.png"), (2, "light.png")]);
    }

    #[test]
    fn what_looks_like_a_link_in_code_is_none() {
        let text = "`v[0](x)` and\n```text\n[a](gone.md)\n```\n";
        assert_eq!(links(text), []);
    }

    #[test]
    fn a_link_whose_text_is_code_is_a_link() {
        assert_eq!(links("see [`log`](log.rs)"), [(1, "log.rs")]);
    }
}
