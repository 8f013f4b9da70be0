//! `cargo xtask tidy`: the rules of the code base that neither the compiler nor clippy sees.
//!
//! Each check reads the tree, never changes it, and names in its message what to do instead:
//!
//! | check | rule |
//! |---|---|
//! | `function-length` | a function has at most 70 lines |
//! | `file-length` | a file has at most 800 lines, tests not counted |
//! | `line-length` | a line has at most 120 characters |
//! | `module-docs` | a module opens with `//!` |
//! | `unfinished` | no macro or mark that stands for unwritten code, no debugging macro |
//! | `ignored-test` | no test is left out of the run |
//! | `clock` | time is read in the named files only |
//! | `sleep-in-test` | tests wait for what they need, not for a time |
//! | `arrows` | crates depend on each other only downwards |
//! | `rivals` | other products are named in `bench/` and the papers only |
//! | `architecture` | each path named in ARCHITECTURE.md exists, and each crate has its paragraph |
//! | `coverage` | each test named in docs/coverage.md exists |
//!
//! An exception is a line of [`EXEMPTIONS`] with its reason; one that no longer serves is a finding itself.
//!
//! # The format of docs/coverage.md
//!
//! Every table row (but the head) is one rule, and names in its last column the tests that hold it, each in backticks:
//!
//! - `crate::module::test_name`: a Rust test. The crate is its folder's name (`line_protocol`, `client`, `xtask`, …);
//!   the modules lead to a file below `src/` or `tests/` of the crate, or to `mod` blocks in it: the test
//!   `storage::wal::tests::torn_tail` is `fn torn_tail` in `mod tests` of `src/wal.rs` or in `src/wal/tests.rs`, and
//!   `freshet::kill::four_writers` is in `tests/kill.rs`.
//!   The function must be marked as a test.
//! - `tests/clients/python/test_write.py::test_batching`: a client test: the file and the name of the function
//!   (Python) or the quoted title (JavaScript) in it.
//! - `tests/golden/http/write.txt::a case's title`: a case of a text file, by the title that stands in it; without
//!   `::` the whole file or folder.

mod architecture;
mod arrows;
mod coverage;
mod rust_source;
mod shape;
mod text;
mod tree;

use std::collections::BTreeMap;
use std::fmt;

use crate::error::TaskError;
use crate::workspace::Workspace;

use tree::Tree;

/// One violation.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 where the finding is about a whole file.
    line: usize,
    check: &'static str,
    message: String,
}

impl Finding {
    fn new(check: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, check, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: [{}] {}", self.path, self.line, self.check, self.message)
    }
}

/// A violation that is right where it stands.
struct Exemption {
    check: &'static str,
    /// The file, or the folder with a slash at the end.
    path: &'static str,
    /// A part of the finding's message; empty for all of the check in this file.
    message_part: &'static str,
    /// Why the rule does not serve there. It is for the reader of this table; nothing evaluates it.
    #[expect(dead_code, reason = "an exemption without a reason must not compile")]
    reason: &'static str,
}

/// All exceptions, in one place.
const EXEMPTIONS: &[Exemption] = &[
    Exemption { check: "rivals", path: "xtask/src/tidy/text.rs", message_part: "", reason: "the list of names itself" },
    Exemption {
        check: "ignored-test",
        path: "crates/freshet/tests/end_to_end/compatibility.rs",
        message_part: "",
        reason: "it makes the folder that the others open, and writes into the checkout",
    },
];

const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    shape::check_function_length,
    shape::check_file_length,
    shape::check_module_docs,
    text::check_line_length,
    text::check_unfinished,
    text::check_ignored_tests,
    text::check_clock,
    text::check_sleep_in_tests,
    text::check_rivals,
    arrows::check,
    architecture::check,
    coverage::check,
];

/// Runs every check and prints what it finds.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let tree = Tree::read(&workspace.root)?;
    let mut findings = apply_exemptions(CHECKS.iter().flat_map(|check| check(&tree)).collect(), EXEMPTIONS);
    findings.sort();
    if findings.is_empty() {
        println!("tidy: {} files, nothing found", tree.len());
        return Ok(());
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for finding in &findings {
        println!("{finding}");
        *counts.entry(finding.check).or_default() += 1;
    }
    for (check, count) in counts {
        println!("{count:>5} {check}");
    }
    Err(TaskError::Untidy { count: findings.len() })
}

/// Drops the excused findings, and adds one for each exemption that excuses nothing.
fn apply_exemptions(findings: Vec<Finding>, exemptions: &[Exemption]) -> Vec<Finding> {
    let mut used = vec![false; exemptions.len()];
    let mut kept = Vec::new();
    for finding in findings {
        match exemptions.iter().position(|exemption| exemption.excuses(&finding)) {
            Some(index) => used[index] = true,
            None => kept.push(finding),
        }
    }
    for (exemption, _) in exemptions.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!("the exemption from `{}` excuses nothing: remove it from EXEMPTIONS", exemption.check);
        kept.push(Finding::new("exemptions", exemption.path, 0, message));
    }
    kept
}

impl Exemption {
    fn excuses(&self, finding: &Finding) -> bool {
        let in_path = finding.path == self.path || (self.path.ends_with('/') && finding.path.starts_with(self.path));
        in_path && self.check == finding.check && finding.message.contains(self.message_part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEMPTION: Exemption = Exemption { check: "clock", path: "src/", message_part: "`a`", reason: "test" };

    #[test]
    fn an_exemption_excuses_only_what_it_names() {
        let excused = Finding::new("clock", "src/x.rs", 1, "`a` reads the clock");
        let other_check = Finding::new("arrows", "src/x.rs", 1, "`a` reads the clock");
        let other_message = Finding::new("clock", "src/x.rs", 1, "`b` reads the clock");
        let other_path = Finding::new("clock", "bench/x.rs", 1, "`a` reads the clock");
        let kept = apply_exemptions(vec![excused, other_check, other_message, other_path], &[EXEMPTION]);
        let paths: Vec<_> = kept.iter().map(|finding| (finding.check, finding.path.as_str())).collect();
        assert_eq!(paths, [("arrows", "src/x.rs"), ("clock", "src/x.rs"), ("clock", "bench/x.rs")]);
    }

    #[test]
    fn an_exemption_that_serves_nothing_is_a_finding() {
        let kept = apply_exemptions(Vec::new(), &[EXEMPTION]);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].check, "exemptions");
    }
}
