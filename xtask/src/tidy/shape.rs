//! Sizes of functions and files, and the comment at the head of each module.

use super::Finding;
use super::tree::Tree;

/// A function that fits on a screen can be read in one look.
const FUNCTION_LINES_MAX: usize = 70;

/// A file that is longer holds more than one noun.
const FILE_LINES_MAX: usize = 800;

pub(super) fn check_function_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.rust() {
        for function in source.functions().filter(|function| function.line_count > FUNCTION_LINES_MAX) {
            let message = format!(
                "`{}` has {} lines of at most {FUNCTION_LINES_MAX}: give its parts names",
                function.name, function.line_count
            );
            findings.push(Finding::new("function-length", &source.path, function.line, message));
        }
    }
    findings
}

pub(super) fn check_file_length(tree: &Tree) -> Vec<Finding> {
    let too_long = tree.rust().filter(|source| source.product_line_count() > FILE_LINES_MAX);
    too_long
        .map(|source| {
            let message = format!(
                "{} lines without tests of at most {FILE_LINES_MAX}: split it by noun",
                source.product_line_count()
            );
            Finding::new("file-length", &source.path, 0, message)
        })
        .collect()
}

pub(super) fn check_module_docs(tree: &Tree) -> Vec<Finding> {
    let opens_with_docs = |text: &str| {
        let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        first.is_some_and(|line| line.starts_with("//!"))
    };
    let without = tree.rust().filter(|source| !opens_with_docs(&source.text));
    without
        .map(|source| {
            let message = "open the module with `//!`: what it holds and what it never does";
            Finding::new("module-docs", &source.path, 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(line_count: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(line_count - 2))
    }

    #[test]
    fn function_length() {
        assert_eq!(check_function_length(&Tree::of(&[("a.rs", &function_of(70))])), []);
        let findings = check_function_length(&Tree::of(&[("a.rs", &function_of(71))]));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.starts_with("`f` has 71 lines"), "{}", findings[0]);
    }

    #[test]
    fn file_length_leaves_tests_out() {
        let lines = "use a;\n".repeat(FILE_LINES_MAX);
        let with_tests = format!("{lines}#[cfg(test)]\nmod tests {{\n{lines}}}\n");
        assert_eq!(check_file_length(&Tree::of(&[("crates/a/src/b.rs", &with_tests)])), []);
        assert_eq!(check_file_length(&Tree::of(&[("crates/a/tests/b.rs", &lines.repeat(2))])), []);
        let too_long = format!("{lines}use b;\n");
        assert_eq!(check_file_length(&Tree::of(&[("crates/a/src/b.rs", &too_long)])).len(), 1);
        let declared = [("crates/a/src/lib.rs", "#[cfg(test)]\nmod model;\n"), ("crates/a/src/model.rs", &too_long)];
        assert_eq!(check_file_length(&Tree::of(&declared)), []);
    }

    #[test]
    fn module_docs() {
        for good in ["//! Text.\nuse a;\n", "\n#![no_main]\n//! Text.\n"] {
            assert_eq!(check_module_docs(&Tree::of(&[("a.rs", good)])), [], "{good}");
        }
        for bad in ["use a;\n", "/// Text.\nuse a;\n", ""] {
            assert_eq!(check_module_docs(&Tree::of(&[("a.rs", bad)])).len(), 1, "{bad}");
        }
    }
}
