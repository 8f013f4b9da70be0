//! ARCHITECTURE.md stays true: the paths it names exist, and no crate is left out.

use super::Finding;
use super::tree::Tree;

const PAPER: &str = "ARCHITECTURE.md";

/// First parts of media types, which look like paths.
const MEDIA_TYPES: [&str; 3] = ["application", "image", "text"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAPER) else {
        return vec![Finding::new("architecture", PAPER, 0, "write the paper: a newcomer starts there")];
    };
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in in_backticks(line).filter(|token| is_path(token)) {
            // A path may leave out `crates/`, as people do when they talk.
            if !tree.contains(path) && !tree.contains(&format!("crates/{path}")) {
                let message = format!("`{path}` does not exist: name what took its place");
                findings.push(Finding::new("architecture", PAPER, index + 1, message));
            }
        }
    }
    for folder in tree.crate_folders().filter(|folder| !text.lines().any(|line| opens_paragraph(line, folder))) {
        let message = format!("no paragraph opens with `{folder}`: say what the crate does and what it never does");
        findings.push(Finding::new("architecture", PAPER, 0, message));
    }
    findings
}

/// What stands between single backticks in a line of Markdown.
pub(super) fn in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(token: &str) -> bool {
    let is_path_character = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    let first = token.split('/').next().unwrap_or_default();
    token.contains('/') && !first.is_empty() && !MEDIA_TYPES.contains(&first) && token.chars().all(is_path_character)
}

/// Whether the line starts with the folder in backticks, behind the marks of a heading, a list or a table.
fn opens_paragraph(line: &str, folder: &str) -> bool {
    let line = line.trim_start_matches(['#', '-', '*', '|', ' ']);
    let named = in_backticks(line).next().map(|token| token.trim_end_matches('/'));
    line.starts_with('`') && named == Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_paper(paper: &str) -> Vec<String> {
        let manifest = "[package]\nname = \"storage\"\n";
        let tree = Tree::of(&[
            (PAPER, paper),
            ("crates/storage/Cargo.toml", manifest),
            ("crates/storage/src/wal/mod.rs", "//! Text.\n"),
        ]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn paths_must_exist() {
        let head = "- **`crates/storage/`**: keeps points.\n";
        for good in [
            "`crates/storage/src/wal/`",
            "`crates/storage/src/wal/mod.rs`",
            "`storage/src/wal`",
            "`POST /api/v2/write`",
            "`/api/v2/write`",
            "`application/json`",
            "`a/b c`",
            "crates/gone",
        ] {
            assert_eq!(check_paper(&format!("{head}{good}\n")), Vec::<String>::new(), "{good}");
        }
        let found = check_paper(&format!("{head}see `storage/src/gone.rs` and `bench/gone`\n"));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("`storage/src/gone.rs` does not exist"), "{}", found[0]);
    }

    #[test]
    fn each_crate_has_its_paragraph() {
        for good in ["### `crates/storage`\n", "`crates/storage/` keeps points.\n", "| `crates/storage` | keeps |\n"] {
            assert_eq!(check_paper(good), Vec::<String>::new(), "{good}");
        }
        for bad in ["", "The crate `crates/storage` keeps points.\n"] {
            assert_eq!(check_paper(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn the_paper_must_be_there() {
        assert_eq!(check(&Tree::of(&[("a.rs", "")])).len(), 1);
    }
}
