//! Test cases of Flux files: each as a script of its own. Nothing is run here.
//!
//! A case is the file without its cases, and behind it what stands in the case; so it sees the file's imports, names
//! and options, and may set options of its own. It passes if its results hold no rows: what functions such as
//! `testing.diff` give are the differences.

use flux::ast::{Assignment, Expression, File, Statement, TestCaseStatement};

use super::error::{FluxError, Result};

/// A test case.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// Its name.
    pub name: String,
    /// Its line in the file, counted from 1.
    pub line: u32,
    /// What `option testing.tags` says: it is only run where all of these are asked for.
    pub tags: Vec<String>,
    /// The script to run; or why there is none.
    pub script: Result<File>,
}

/// The test cases of a file, in its order.
#[must_use]
pub fn test_cases(file: &File) -> Vec<TestCase> {
    let rest: Vec<Statement> =
        file.body.iter().filter(|statement| !matches!(statement, Statement::TestCase(_))).cloned().collect();
    let testing = file.imports.iter().find(|import| import.path.value == "testing");
    let testing = testing.map_or("testing", |import| import.alias.as_ref().map_or("testing", |alias| &alias.name));
    let case = |statement: &Statement| match statement {
        Statement::TestCase(case) => Some(test_case(file, &rest, testing, case)),
        _ => None,
    };
    file.body.iter().filter_map(case).collect()
}

fn test_case(file: &File, rest: &[Statement], testing: &str, case: &TestCaseStatement) -> TestCase {
    let body: Vec<Statement> = rest.iter().chain(&case.block.body).cloned().collect();
    let tags = body.iter().rev().find_map(|statement| tags(statement, testing)).unwrap_or_default();
    let script = match &case.extends {
        None => Ok(File { body, ..file.clone() }),
        Some(parent) => Err(FluxError::invalid(format!(
            "test cases that extend another one are not supported: {} extends \"{}\"",
            case.id.name, parent.value
        ))),
    };
    TestCase { name: case.id.name.clone(), line: case.meta.location.start.line, tags, script }
}

/// What a statement sets `testing.tags` to.
fn tags(statement: &Statement, testing: &str) -> Option<Vec<String>> {
    let Statement::Option(option) = statement else { return None };
    let Assignment::Member(assignment) = &option.assignment else { return None };
    let is_tags = matches!(&assignment.member.object, Expression::Identifier(object) if object.name == testing)
        && assignment.member.property.name() == "tags";
    let Expression::Array(array) = &assignment.init else { return None };
    let tag = |expression: &Expression| match expression {
        Expression::String(text) => Some(text.value.clone()),
        _ => None,
    };
    is_tags.then(|| array.elements.iter().filter_map(|item| tag(&item.expression)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_case_is_the_file_and_its_own_statements() {
        let text = "import t \"testing\"\noption t.tags = [\"file\"]\nx = 1\n\
                    testcase first { y = x }\ntestcase second { option t.tags = [\"a\", \"b\"]\n z = x }\n\
                    testcase third extends \"m/first\" { z = 1 }\nlast = 2";
        let cases = test_cases(&super::super::parse(text).unwrap());
        let names: Vec<(&str, u32)> = cases.iter().map(|case| (case.name.as_str(), case.line)).collect();
        assert_eq!(names, [("first", 4), ("second", 5), ("third", 7)]);
        assert_eq!(cases[0].tags, ["file"]);
        assert_eq!(cases[1].tags, ["a", "b"]);
        let script = cases[0].script.as_ref().unwrap();
        assert_eq!((script.body.len(), script.imports.len()), (4, 1));
        assert!(cases[2].script.as_ref().unwrap_err().message.contains("third extends \"m/first\""));
    }
}
