//! docs/coverage.md stays true: every rule names its tests, and every test it names exists.
//!
//! The format is described at the head of [`super`].

use super::Finding;
use super::architecture::in_backticks;
use super::rust_source::RustSource;
use super::tree::Tree;

const PAPER: &str = "docs/coverage.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PAPER) else {
        return vec![Finding::new(
            "coverage",
            PAPER,
            0,
            "write the paper: a table of rules and the tests that hold them",
        )];
    };
    let mut findings = Vec::new();
    let mut rows = 0;
    for (index, last_cell) in rule_rows(text) {
        rows += 1;
        let mut names = in_backticks(last_cell).peekable();
        if names.peek().is_none() {
            findings.push(Finding::new("coverage", PAPER, index + 1, "the rule names no test: write one, and name it"));
        }
        for message in names.filter_map(|name| objection(tree, name)) {
            findings.push(Finding::new("coverage", PAPER, index + 1, message));
        }
    }
    if rows == 0 {
        findings.push(Finding::new("coverage", PAPER, 0, "the paper has no table of rules"));
    }
    findings
}

/// The rows below the head of each table: line index and last cell.
fn rule_rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_table = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if !line.starts_with('|') {
            in_table = false;
            return None;
        }
        let is_rule = line.chars().all(|character| "|-: ".contains(character));
        if is_rule || !in_table {
            in_table |= is_rule;
            return None;
        }
        Some((index, line.trim_end_matches('|').rsplit('|').next().unwrap_or_default()))
    })
}

/// Why the name is not that of a test; none if it is.
fn objection(tree: &Tree, name: &str) -> Option<String> {
    let exists = match name.starts_with("tests/") {
        true => file_test_exists(tree, name),
        false => rust_test_exists(tree, name),
    };
    (!exists).then(|| format!("`{name}` is not a test: name the one that holds the rule, or write it"))
}

/// `tests/…/file::title`, or a file or folder of test data as a whole.
fn file_test_exists(tree: &Tree, name: &str) -> bool {
    let Some((path, title)) = name.split_once("::") else {
        return tree.contains(name);
    };
    let Some(text) = tree.text(path) else { return false };
    if path.ends_with(".py") {
        return text.contains(&format!("def {title}("));
    }
    if path.contains("/clients/") {
        return ["'", "\"", "`"].iter().any(|quote| text.contains(&format!("{quote}{title}{quote}")));
    }
    text.lines().any(|line| line.contains(title))
}

/// `crate::module::…::test`: see the head of [`super`].
fn rust_test_exists(tree: &Tree, name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [crate_name, modules @ .., test] = parts.as_slice() else {
        return false;
    };
    tree.rust().any(|source| {
        module_path(&source.path, crate_name)
            .and_then(|in_file| modules.strip_prefix(in_file.as_slice()))
            .is_some_and(|inline| has_modules(source, inline) && has_test(source, test))
    })
}

/// The modules that lead to a file of the crate; none if the file is not the crate's.
fn module_path<'a>(path: &'a str, crate_name: &str) -> Option<Vec<&'a str>> {
    let path = path.strip_prefix("crates/").unwrap_or(path);
    let (folder, rest) = path.split_once('/')?;
    let below = rest.strip_prefix("src/").or_else(|| rest.strip_prefix("tests/"))?;
    let mut modules: Vec<&str> = below.strip_suffix(".rs")?.split('/').collect();
    if modules.last().is_some_and(|last| matches!(*last, "lib" | "main" | "mod")) {
        modules.pop();
    }
    (folder == crate_name).then_some(modules)
}

fn has_modules(source: &RustSource, modules: &[&str]) -> bool {
    modules.iter().all(|module| {
        source.words("mod").any(|position| {
            let rest = source.code[position + "mod".len()..].trim_start();
            rest.strip_prefix(module).is_some_and(|rest| rest.trim_start().starts_with('{'))
        })
    })
}

/// Whether a function of this name is marked as a test, by `#[test]` or another attribute that ends in `test`.
fn has_test(source: &RustSource, test: &str) -> bool {
    source.functions().filter(|function| function.name == test).any(|function| {
        let attributes = source.attributes_before(function.range.start);
        attributes.contains("test]") || attributes.contains("test(")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "//! Text.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn torn_tail() {}\n    fn helper() {}\n\
                        \n    #[tokio::test(flavor = \"multi_thread\")]\n    async fn kept() {}\n}\n";

    fn check_names(names: &str) -> usize {
        let paper = format!("# Coverage\n\n| Rule | Tests |\n|---|---|\n| A rule | {names} |\n");
        let tree = Tree::of(&[
            (PAPER, &paper),
            ("crates/storage/src/wal.rs", RUST),
            ("crates/storage/src/wal/tests.rs", "#[test]\nfn outside() {}\n"),
            ("crates/freshet/tests/kill.rs", "#[test]\nfn four_writers() {}\n"),
            ("tests/clients/python/test_write.py", "def test_batching():\n    pass\n"),
            ("tests/clients/js/write.cjs", "test('writes with gzip', () => {})\n"),
            ("tests/golden/http/write.txt", "# an empty body\n"),
        ]);
        check(&tree).len()
    }

    #[test]
    fn named_tests_that_exist() {
        for good in [
            "`storage::wal::tests::torn_tail`, `storage::wal::tests::kept`",
            "`storage::wal::tests::outside`",
            "`freshet::kill::four_writers`",
            "`tests/clients/python/test_write.py::test_batching`",
            "`tests/clients/js/write.cjs::writes with gzip`",
            "`tests/golden/http/write.txt::an empty body`, `tests/golden/http`",
        ] {
            assert_eq!(check_names(good), 0, "{good}");
        }
    }

    #[test]
    fn named_tests_that_do_not_exist() {
        for bad in [
            "none yet",
            "`storage::wal::tests::helper`",
            "`storage::wal::torn_tail_2`",
            "`storage::buffer::tests::torn_tail`",
            "`query::wal::tests::torn_tail`",
            "`storage::wal::other::torn_tail`",
            "`torn_tail`",
            "`tests/clients/python/test_write.py::test_gone`",
            "`tests/clients/js/write.cjs::writes`",
            "`tests/clients/js/gone.cjs::writes with gzip`",
            "`tests/golden/http/write.txt::a full body`",
            "`tests/golden/gone.txt`",
        ] {
            assert_eq!(check_names(bad), 1, "{bad}");
        }
    }

    #[test]
    fn a_paper_without_rules_is_a_finding() {
        assert_eq!(check(&Tree::of(&[(PAPER, "# Coverage\n\n| Rule | Tests |\n|---|---|\n")])).len(), 1);
        assert_eq!(check(&Tree::of(&[("a.rs", "")])).len(), 1);
    }
}
