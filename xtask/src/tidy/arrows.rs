//! Which crate may depend on which: the arrows of ARCHITECTURE.md, read from each `Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

/// The crates that a crate's code may use, by folder name. What is not listed may use none.
///
/// `testkit` is missing on purpose: it may be used by tests only, and may itself use everything.
const ARROWS: [(&str, &[&str]); 6] = [
    (
        "freshet",
        &["catalog", "client", "flux", "influxql", "jobs", "line_protocol", "query", "server", "storage", "tsm"],
    ),
    ("server", &["catalog", "jobs", "promql", "query", "storage"]),
    ("jobs", &["catalog", "query", "storage"]),
    ("query", &["flux", "influxql", "promql", "storage"]),
    ("storage", &["catalog", "line_protocol"]),
    ("bench", &["client", "line_protocol"]),
];

/// The crate for tests.
const TEST_CRATE: &str = "testkit";

/// Which part of a `Cargo.toml` a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Development,
}

#[derive(Debug, PartialEq, Eq)]
struct Dependency<'a> {
    package: &'a str,
    kind: Kind,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let folders: Vec<&str> = tree.crate_folders().collect();
    let manifest = |folder: &str| format!("{folder}/Cargo.toml");
    // Package names are what manifests use; folder names are what the table uses.
    let packages: BTreeMap<&str, &str> = folders
        .iter()
        .filter_map(|folder| Some((package_name(tree.text(&manifest(folder))?)?, crate_name(folder))))
        .collect();
    let mut findings = Vec::new();
    for folder in &folders {
        let path = manifest(folder);
        for dependency in dependencies(tree.text(&path).unwrap_or_default()) {
            let Some(target) = packages.get(dependency.package) else {
                continue;
            };
            if let Some(message) = objection(crate_name(folder), target, dependency.kind) {
                findings.push(Finding::new("arrows", &path, dependency.line, message));
            }
        }
    }
    findings
}

/// Why this dependency must not be; none if it may.
fn objection(from: &str, to: &str, kind: Kind) -> Option<String> {
    if from == TEST_CRATE {
        return None;
    }
    match (kind, to) {
        (Kind::Normal, TEST_CRATE) => Some(format!("`{to}` is for tests: move it to `[dev-dependencies]`")),
        (Kind::Development, TEST_CRATE) => None,
        (Kind::Normal, _) if allowed(from).contains(&to) => None,
        // A test may build what its crate reaches through others.
        (Kind::Development, _) if reachable(from).contains(to) => None,
        _ => Some(format!(
            "`{from}` must not depend on `{to}`: the arrows allow {:?}; move the code down, or pass it in",
            allowed(from)
        )),
    }
}

fn allowed(from: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(name, _)| *name == from).map_or(&[], |(_, targets)| targets)
}

/// All crates that the arrows lead to, in any number of steps.
fn reachable(from: &str) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut waiting = allowed(from).to_vec();
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            waiting.extend(allowed(next));
        }
    }
    found
}

fn crate_name(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find(|line| line.starts_with("name ") || line.starts_with("name="))?;
    line.split('"').nth(1)
}

/// The dependencies of a manifest, one key a line, as `cargo add` writes them.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut kind = None;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            // `[dependencies.name]` and `[target.'cfg(unix)'.dependencies]` are sections of dependencies too.
            let (section, package) = match section.split_once("dependencies.") {
                Some((head, package)) => (format!("{head}dependencies"), Some(package)),
                None => (section.to_owned(), None),
            };
            kind = section_kind(&section);
            if let (Some(kind), Some(package)) = (kind, package) {
                found.push(Dependency { package, kind, line: index + 1 });
            }
            if package.is_some() {
                kind = None;
            }
        } else if let (Some(kind), true) = (kind, line.contains('=') && !line.starts_with('#')) {
            let package = line.split(['.', ' ', '=']).next().unwrap_or_default();
            found.push(Dependency { package, kind, line: index + 1 });
        }
    }
    found
}

fn section_kind(section: &str) -> Option<Kind> {
    match section.rsplit('.').next()? {
        "dependencies" | "build-dependencies" => Some(Kind::Normal),
        "dev-dependencies" => Some(Kind::Development),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_edge(from: &str, section: &str, to: &str) -> usize {
        let from_manifest = format!("[package]\nname = \"{from}\"\n\n[{section}]\n{to}.workspace = true\n");
        let to_manifest = format!("[package]\nname = \"{to}\"\n");
        let from_path = format!("crates/{from}/Cargo.toml");
        let to_path = format!("crates/{to}/Cargo.toml");
        check(&Tree::of(&[(&from_path, &from_manifest), (&to_path, &to_manifest)])).len()
    }

    #[test]
    fn arrows_lead_down_only() {
        for (from, to) in [("freshet", "server"), ("server", "query"), ("query", "storage"), ("storage", "catalog")] {
            assert_eq!(check_edge(from, "dependencies", to), 0, "{from} -> {to}");
            assert_eq!(check_edge(to, "dependencies", from), 1, "{to} -> {from}");
        }
        assert_eq!(check_edge("line_protocol", "dependencies", "catalog"), 1);
        assert_eq!(check_edge("client", "build-dependencies", "line_protocol"), 1);
        assert_eq!(check_edge("storage", "target.'cfg(unix)'.dependencies", "query"), 1);
    }

    #[test]
    fn tests_may_reach_further_but_not_up() {
        assert_eq!(check_edge("query", "dependencies", "line_protocol"), 1);
        assert_eq!(check_edge("query", "dev-dependencies", "line_protocol"), 0);
        assert_eq!(check_edge("query", "dev-dependencies", "server"), 1);
    }

    #[test]
    fn the_test_crate_is_for_tests_only() {
        assert_eq!(check_edge("storage", "dev-dependencies", "testkit"), 0);
        assert_eq!(check_edge("storage", "dependencies", "testkit"), 1);
        assert_eq!(check_edge("testkit", "dependencies", "storage"), 0);
    }

    #[test]
    fn a_package_is_known_by_its_name_whatever_its_folder() {
        let client = ("crates/client/Cargo.toml", "[package]\nname = \"freshet-client\"\n");
        let server = "[package]\nname = \"server\"\n[dependencies]\nfreshet-client = { path = \"x\" }\n";
        let findings = check(&Tree::of(&[client, ("crates/server/Cargo.toml", server)]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 4);
    }

    #[test]
    fn dependencies_are_read_from_all_forms() {
        let manifest = "[dependencies]\na.workspace = true\n# b = 1\n[dependencies.c]\npath = \"x\"\n[lints]\nd = 1\n";
        let packages: Vec<_> = dependencies(manifest).into_iter().map(|dependency| dependency.package).collect();
        assert_eq!(packages, ["a", "c"]);
    }
}
