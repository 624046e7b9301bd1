//! Compares the public names of the libraries with a committed list. A removed or changed name breaks programs that use
//! it, so a review should show it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::runner::Outcome;

const LIST: &str = "xtask/api.txt";

/// The libraries for users, by their names in code.
const LIBRARIES: [&str; 8] = [
    "tidings_axum",
    "tidings_core",
    "tidings_long_polling",
    "tidings_message_queue",
    "tidings_server",
    "tidings_sse",
    "tidings_transport",
    "tidings_websocket",
];

/// Compares the public names with the list. The documentation must be built.
///
/// # Errors
/// Fails if they differ. The error contains the differences.
pub(crate) fn check() -> Result<Outcome> {
    let listed = fs::read_to_string(path()).context(LIST)?;
    let listed: BTreeSet<_> = listed.lines().map(str::to_owned).collect();
    let names = names()?;
    let differing: Vec<_> = names
        .difference(&listed)
        .map(|name| format!("+ {name}"))
        .chain(listed.difference(&names).map(|name| format!("- {name}")))
        .collect();
    ensure!(
        differing.is_empty(),
        "not as in {LIST}:\n{}\n    if that is intended, describe it in CHANGELOG.md and run cargo xtask api-write",
        differing.join("\n")
    );
    println!("    {} names", names.len());
    Ok(Outcome::Passed)
}

/// Writes the current names to the list.
pub(crate) fn write() -> Result<Outcome> {
    cargo::run(&mut cargo::command("doc --workspace --all-features --no-deps --quiet"))?;
    let lines: String = names()?.into_iter().map(|name| name + "\n").collect();
    fs::write(path(), lines).context(LIST)?;
    Ok(Outcome::Passed)
}

fn path() -> PathBuf {
    cargo::root().join(LIST)
}

/// Every public name as `crate::path::Name kind`.
fn names() -> Result<BTreeSet<String>> {
    // This program is in TARGET/PROFILE, and the documentation is in TARGET/doc.
    let reference = cargo::built("xtask")?.with_file_name("../doc");
    let mut names = BTreeSet::new();
    for library in LIBRARIES {
        let page = reference.join(library).join("all.html");
        let page = fs::read_to_string(&page)
            .with_context(|| format!("{}: run cargo xtask doc first", page.display()))?;
        names.extend(items(&page).map(|(path, kind)| format!("{library}::{path} {kind}")));
    }
    Ok(names)
}

/// The items that rustdoc's page of all items links to, each with its path and its kind. A link is
/// `client/struct.Target.html`.
fn items(page: &str) -> impl Iterator<Item = (String, &str)> {
    let list = page.split_once("all-items").map_or("", |(_, list)| list);
    list.split("href=\"").skip(1).filter_map(|link| {
        let (folder, file) = match link.split_once(".html\"")?.0.rsplit_once('/') {
            Some((folder, file)) => (folder.replace('/', "::") + "::", file),
            None => (String::new(), link.split_once(".html\"")?.0),
        };
        let (kind, name) = file.split_once('.')?;
        Some((folder + name, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_a_page_have_their_paths_and_kinds() {
        let page = r#"<a href="index.html">x</a><ul class="all-items">
<li><a href="struct.Hub.html">Hub</a></li><li><a href="client/trait.Client.html">client::Client</a></li></ul>"#;
        let items: Vec<_> = items(page).collect();
        let expected = [("Hub".to_owned(), "struct"), ("client::Client".to_owned(), "trait")];
        assert_eq!(items, expected);
    }
}
