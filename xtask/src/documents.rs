//! The Markdown documents of the project, with their shell blocks and links.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::cargo;

const NAMED: [&str; 4] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "clients/js/README.md"];

/// A Markdown file.
pub(crate) struct Document {
    /// Relative to the root of the workspace.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The documents of [`NAMED`] and all of `docs/`.
pub(crate) fn all() -> Result<Vec<Document>> {
    let mut paths: Vec<PathBuf> = NAMED.map(PathBuf::from).into();
    for entry in fs::read_dir(cargo::root().join("docs")).context("cannot read docs/")? {
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

/// The text of every `sh` block, with the number of its first line.
pub(crate) fn shell_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, event) in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info)))
                if info.split([',', ' ']).next() == Some("sh") =>
            {
                open = Some((line + 1, String::new()));
            }
            Event::Text(code) => {
                if let Some((_, block)) = &mut open {
                    block.push_str(&code);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// The target of every link and image, including those in HTML, with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (line, event) in events(text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push((line, dest_url.into_string()));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in ["src=\"", "srcset=\"", "href=\""] {
                    let values = html.split(attribute).skip(1);
                    let targets = values.filter_map(|rest| rest.split(['"', ' ']).next());
                    links.extend(targets.map(|target| (line, target.to_owned())));
                }
            }
            _ => {}
        }
    }
    links
}

/// The anchor of every heading, as GitHub derives it from the text: lower case, without punctuation, and with a hyphen for
/// each space.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut heading: Option<String> = None;
    for (_, event) in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let earlier = anchors.iter().filter(|other| **other == anchor).count();
                anchors.push(if earlier == 0 { anchor } else { format!("{anchor}-{earlier}") });
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")
}

/// The events of the parser, each with its first line.
fn events(text: &str) -> impl Iterator<Item = (usize, Event<'_>)> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    events.map(|(event, range)| (1 + text[..range.start].matches('\n').count(), event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_blocks_are_returned_with_their_first_line() {
        let text = "```sh\none\n\ntwo\n```\n```rust\nno\n```\n- a list\n  ```sh\n  three\n  ```\n";
        assert_eq!(
            shell_blocks(text),
            [(2, "one\n\ntwo\n".to_owned()), (11, "three\n".to_owned())]
        );
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# What `a-b` costs, and why?\n## Same\ntext\n## Same\n### Über_x (y)\n";
        let expected = ["what-a-b-costs-and-why", "same", "same-1", "über_x-y"];
        assert_eq!(anchors(text), expected);
    }

    #[test]
    fn links_and_images_outside_of_code_are_returned_with_their_lines() {
        let text = "[`a`](a.md#part) ![b](b.svg \"title\")\n| [c] |\n| --- |\n| [d](d.md) |\n\n\
                    [c]: <c d.md>\n`v[0](x)`\n```text\n[e](e.md)\n```\n\
                    <source srcset=\"f.png 2x\">\n<img src=\"g.png\" alt=\"a\">";
        let links = links(text).into_iter().map(|(line, target)| format!("{line} {target}"));
        let expected = ["1 a.md#part", "1 b.svg", "2 c d.md", "4 d.md", "11 f.png", "12 g.png"];
        assert_eq!(links.collect::<Vec<_>>(), expected);
    }
}
