//! What a statement that deletes asks of tags.

use std::collections::BTreeSet;

use influxql::ast::{DataType, Reference};
use influxql::{Expression, Operator};
use regex::Regex;
use storage::{DeleteSubject, DeleteTerm};

use super::super::rewrite;

/// InfluxDB's words for a condition on fields.
pub(super) const FIELDS: &str = "fields not supported in WHERE clause during deletion";

/// Names that are no tags: what `_name` is in InfluxDB 1.x, and how deletes of 2.x name measurement and field. Taken
/// for a tag that no series has, `!=` would mean every row.
const NO_TAGS: [&str; 3] = ["_name", "_measurement", "_field"];

/// A condition on the tags of a series.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// The same for all series.
    Constant(bool),
    /// About the value of one tag; a series without it has the empty string.
    Tag {
        /// Its name.
        name: String,
        /// `::tag` stood behind it.
        is_typed: bool,
        test: Test,
    },
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// What a tag's value is held against.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Whether it is this text; `false` for `!=`.
    Equal(String, bool),
    /// Whether it matches; `false` for `!~`.
    Matches(Regex, bool),
}

impl Condition {
    /// The condition of an expression without bounds of time.
    ///
    /// # Errors
    /// If it is about something other than tags.
    pub(super) fn of(expression: &Expression) -> Result<Self, String> {
        let binary = match expression {
            Expression::Paren(inner) => return Self::of(inner),
            Expression::Boolean(value) => return Ok(Self::Constant(*value)),
            Expression::Binary(binary) => binary,
            other => return Err(format!("invalid condition expression: {other}")),
        };
        if matches!(binary.operator, Operator::And | Operator::Or) {
            let (left, right) = (Box::new(Self::of(&binary.left)?), Box::new(Self::of(&binary.right)?));
            let is_and = binary.operator == Operator::And;
            return Ok(if is_and { Self::And(left, right) } else { Self::Or(left, right) });
        }
        let (reference, operand) = match (&binary.left, &binary.right) {
            (Expression::Reference(reference), operand) | (operand, Expression::Reference(reference)) => {
                (reference, operand)
            }
            _ => return Err(unusable(expression)),
        };
        let test = match (binary.operator, operand) {
            (Operator::Equal, Expression::String(text)) => Test::Equal(text.clone(), true),
            (Operator::NotEqual, Expression::String(text)) => Test::Equal(text.clone(), false),
            (Operator::Matches, Expression::Regex(text)) => Test::Matches(rewrite::regex(text)?, true),
            (Operator::NotMatches, Expression::Regex(text)) => Test::Matches(rewrite::regex(text)?, false),
            // What is compared with a number is a field.
            (_, Expression::Integer(_) | Expression::Number(_) | Expression::Unsigned(_) | Expression::Boolean(_)) => {
                return Err(FIELDS.to_owned());
            }
            _ => return Err(unusable(expression)),
        };
        Self::tag(reference, test)
    }

    fn tag(reference: &Reference, test: Test) -> Result<Self, String> {
        let is_typed = match reference.data_type {
            None => false,
            Some(DataType::Tag) => true,
            Some(_) => return Err(FIELDS.to_owned()),
        };
        let name = reference.name.clone();
        if !is_typed && NO_TAGS.contains(&name.as_str()) {
            return Err(format!(
                "{name} is not supported in WHERE clause during deletion: measurements stand behind FROM, and single \
                 fields can be deleted with POST /api/v2/delete"
            ));
        }
        Ok(Self::Tag { name, is_typed, test })
    }

    /// The terms of one delete that means the same; none if there is no such delete.
    pub(super) fn terms(&self) -> Option<Vec<DeleteTerm>> {
        match self {
            Self::Constant(true) => Some(Vec::new()),
            Self::Tag { name, test: Test::Equal(value, is_equal), .. } => Some(vec![DeleteTerm {
                subject: DeleteSubject::Tag(name.clone()),
                is_equal: *is_equal,
                value: value.clone(),
            }]),
            Self::And(left, right) => {
                let mut terms = left.terms()?;
                terms.extend(right.terms()?);
                Some(terms)
            }
            Self::Constant(false) | Self::Tag { .. } | Self::Or(..) => None,
        }
    }

    /// Whether it holds for a series, whose tags `value_of` looks up.
    pub(super) fn holds_for<'a>(&self, value_of: &impl Fn(&str) -> &'a str) -> bool {
        match self {
            Self::Constant(value) => *value,
            Self::Tag { name, test: Test::Equal(text, expected), .. } => (value_of(name) == text) == *expected,
            Self::Tag { name, test: Test::Matches(regex, expected), .. } => regex.is_match(value_of(name)) == *expected,
            Self::And(left, right) => left.holds_for(value_of) && right.holds_for(value_of),
            Self::Or(left, right) => left.holds_for(value_of) || right.holds_for(value_of),
        }
    }

    /// The tags that it is about.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.visit(&mut |name, _| {
            names.insert(name);
        });
        names
    }

    /// Those that could be fields as well, since nothing says that they are tags.
    pub(super) fn untyped_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.visit(&mut |name, is_typed| {
            if !is_typed {
                names.insert(name);
            }
        });
        names
    }

    fn visit<'a>(&'a self, visit: &mut impl FnMut(&'a str, bool)) {
        match self {
            Self::Constant(_) => {}
            Self::Tag { name, is_typed, .. } => visit(name, *is_typed),
            Self::And(left, right) | Self::Or(left, right) => {
                left.visit(visit);
                right.visit(visit);
            }
        }
    }
}

fn unusable(expression: &Expression) -> String {
    format!(
        "{expression} is not supported in WHERE clause during deletion: a tag is compared with a string by = or !=, or \
         with a regular expression by =~ or !~"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use influxql::{ParseOptions, parse_expression};

    use super::*;

    fn condition(text: &str) -> Result<Condition, String> {
        Condition::of(&parse_expression(text, &ParseOptions::default()).unwrap())
    }

    fn check(text: &str, expected: Option<&[&str]>) {
        let terms = condition(text).unwrap().terms();
        let shown = |term: &DeleteTerm| {
            let DeleteSubject::Tag(name) = &term.subject else { return String::new() };
            format!("{name}{}{}", if term.is_equal { "=" } else { "!=" }, term.value)
        };
        let terms: Option<Vec<String>> = terms.map(|terms| terms.iter().map(shown).collect());
        assert_eq!(terms, expected.map(|terms| terms.iter().map(|term| (*term).to_owned()).collect()), "{text}");
    }

    #[test]
    fn what_one_delete_can_say() {
        check("a = 'x'", Some(&["a=x"]));
        check("'x' = a", Some(&["a=x"]));
        check("(a = 'x' AND (b <> 'y')) AND c::tag = ''", Some(&["a=x", "b!=y", "c="]));
        check("true AND a = 'x'", Some(&["a=x"]));
        check("true", Some(&[]));
        check("false", None);
        check("a = 'x' OR b = 'y'", None);
        check("a = 'x' AND b =~ /y/", None);
        check("a !~ /y/", None);
    }

    #[test]
    fn it_holds_as_influxql_says() {
        for (text, expected) in [
            ("a = 'x'", true),
            ("a != 'x' OR b =~ /^y+$/", true),
            ("a != 'x' OR b !~ /^y+$/", false),
            ("absent = ''", true),
            ("absent =~ /./", false),
            ("absent !~ /./ AND a =~ /x/", true),
            ("false OR a = 'X'", false),
        ] {
            let value_of = |tag: &str| match tag {
                "a" => "x",
                "b" => "yy",
                _ => "",
            };
            assert_eq!(condition(text).unwrap().holds_for(&value_of), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_about_tags_is_refused() {
        for text in ["a = 1", "a > 1.5", "a::float = 'x'", "a::field != 'x'", "a = true"] {
            assert_eq!(condition(text).unwrap_err(), FIELDS, "{text}");
        }
        for text in ["a = b", "a < 'x'", "a + 'x' = 'y'", "'a' = 'b'"] {
            assert!(condition(text).unwrap_err().contains("a tag is compared with a string"), "{text}");
        }
        for text in ["_name = 'm'", "_measurement != 'm'", "_field = 'f'"] {
            assert!(condition(text).unwrap_err().contains("stand behind FROM"), "{text}");
        }
        assert!(condition("a").is_err());
    }
}
