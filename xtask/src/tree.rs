//! Holds every crate against every rule of [`crate::rules`], by cargo's own dependency tree.

use anyhow::{Result, bail};

use crate::cargo;
use crate::rules::{Member, Never, RULES};
use crate::runner::Outcome;
use crate::sources;

const MEMBERS: [&str; 6] = ["tree", "--workspace", "--depth", "0", "--prefix", "none"];
const REACHED: [&str; 5] = ["-e", "normal", "--all-features", "--prefix", "none"];
const NAMED: [&str; 7] =
    ["-e", "normal,build,dev", "--all-features", "--depth", "1", "--prefix", "none"];

/// Tells all offences at once, each with its crate and its rule.
pub(crate) fn check() -> Result<Outcome> {
    let members = members(&cargo::output(&MEMBERS)?);
    let mut offences = Vec::new();
    for rule in RULES {
        let bound: Vec<_> = members.iter().filter(|m| rule.who.means(m)).collect();
        if bound.is_empty() {
            offences.push(format!("binds no crate any more: \"{}\"", rule.why));
        }
        for member in bound {
            for what in offences_of(member, &rule.never, &members)? {
                offences.push(format!("{} {what}\n    rule: {}", member.name, rule.why));
            }
        }
    }
    if !offences.is_empty() {
        bail!("\n{}", offences.join("\n"));
    }
    println!("    {} crates, {} rules", members.len(), RULES.len());
    Ok(Outcome::Passed)
}

/// What `member` does of what it must never do, each the end of a sentence.
fn offences_of(member: &Member, never: &Never, members: &[Member]) -> Result<Vec<String>> {
    let is_transport =
        |name: &str| members.iter().any(|member| member.name == name && member.is_transport());
    Ok(match never {
        Never::Reach(banned) => dependencies(member, &REACHED)?
            .iter()
            .filter(|name| banned.contains(&name.as_str()))
            .map(|name| {
                let path = format!("cargo tree -p {} -e normal -i {name}", member.name);
                format!("reaches {name} (how: {path})")
            })
            .collect(),
        Never::Name(banned) => named(member, |name| banned.contains(&name))?,
        Never::NameOtherTransports => named(member, is_transport)?,
        Never::Say(banned) => sources::saying(banned, &member.dir, members)?,
    })
}

fn named(member: &Member, banned: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let names = dependencies(member, &NAMED)?;
    let found = names.iter().filter(|name| banned(name));
    Ok(found.map(|name| format!("depends on {name}")).collect())
}

fn dependencies(member: &Member, how: &[&str]) -> Result<Vec<String>> {
    let tree = cargo::output(&[&["tree", "-p", &member.name], how].concat())?;
    Ok(names(&tree).filter(|name| *name != member.name).map(str::to_owned).collect())
}

/// The members of the workspace, from lines of `name vX.Y.Z (/its/folder)`.
fn members(listing: &str) -> Vec<Member> {
    let member = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let (_, dir) = rest.split_once('(')?;
        Some(Member { name: name.to_owned(), dir: dir.trim_end_matches(')').into() })
    };
    listing.lines().filter_map(member).collect()
}

/// The packages of a tree without prefix, sorted, each once.
fn names(tree: &str) -> impl Iterator<Item = &str> {
    let mut names: Vec<_> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_their_folders() {
        let listing =
            "tidings v0.1.0 (/src/crates/tidings)\n\ntidings-limit v0.1.0 (/src/benches/limit)\n";
        let dirs: Vec<_> =
            members(listing).into_iter().map(|member| (member.name, member.dir)).collect();
        assert_eq!(
            dirs,
            [
                ("tidings".to_owned(), "/src/crates/tidings".into()),
                ("tidings-limit".to_owned(), "/src/benches/limit".into()),
            ]
        );
    }

    #[test]
    fn a_package_is_named_once_and_never_by_part_of_its_name() {
        let tree = "tidings-sse v0.1.0 (/src/crates/sse)\nhttp-body v1.0.1\nbytes v1.12.2\nbytes v1.12.2 (*)\n";
        let names: Vec<_> = names(tree).collect();
        assert_eq!(names, ["bytes", "http-body", "tidings-sse"]);
    }
}
