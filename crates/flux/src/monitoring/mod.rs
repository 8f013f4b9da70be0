//! The scripts of checks and notification rules in the form in which InfluxDB writes them, so that what its user
//! interface and its users know of them stays true. Only texts are made here; what they do is the business of package
//! `influxdata/influxdb/monitor`.

mod check;
mod rule;

pub use self::check::{Bound, CheckKind, CheckScript, Threshold, custom_check_script};
pub use self::rule::{Authorization, RuleScript, Sender, StatusRule, TagOperator, TagRule};

use crate::ast::{Assignment, Expression, File, Statement};
use crate::{Limits, format, literal, parse};

/// Why there is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitoringError {
    /// The query cannot be read.
    #[error("the query cannot be read: {0}")]
    Query(String),
    /// The query does not end in something to look at.
    #[error("the query must end in an expression that gives tables")]
    Form,
    /// A threshold is about one field.
    #[error("expected a single field but got: [{0}]")]
    Fields(String),
    /// What should be a duration is none.
    #[error("{0} must be a duration such as 1m30s, not {1:?}")]
    Duration(&'static str, String),
    /// A message cannot be read.
    #[error("the message template {0:?} cannot be read")]
    Template(String),
    /// A regular expression cannot be read.
    #[error("the regular expression {0:?} cannot be read")]
    Regexp(String),
    /// There is nothing to notify about.
    #[error("a notification rule needs at least one status rule")]
    NoStatusRule,
    /// A custom check says of itself what it is.
    #[error("{0}")]
    Custom(&'static str),
}

type Result<T, E = MonitoringError> = std::result::Result<T, E>;

/// The levels of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Critical.
    Crit,
    /// A warning.
    Warn,
    /// Worth knowing.
    Info,
    /// All is well.
    Ok,
    /// None of the others.
    Unknown,
    /// Whatever it is; only rules speak of it.
    Any,
}

impl Level {
    /// As scripts and statuses have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Crit => "crit",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Any => "any",
        }
    }

    /// The level of a word in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Crit, Self::Warn, Self::Info, Self::Ok, Self::Unknown, Self::Any];
        all.into_iter().find(|level| level.word().eq_ignore_ascii_case(word))
    }
}

/// A text as a literal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", literal::escape(text, true))
}

/// The expression of a text that is nothing but one.
fn expression(text: &str) -> Option<Expression> {
    let parsed = parse(&format!("x = {text}"), &Limits::default()).into_result().ok()?;
    let mut body = parsed.body;
    match (body.pop(), body.is_empty()) {
        (Some(Statement::Variable(variable)), true) => Some(variable.init),
        _ => None,
    }
}

/// A duration as it is written, if it is one.
fn duration<'a>(name: &'static str, text: &'a str) -> Result<&'a str> {
    match expression(text) {
        Some(Expression::Duration(_)) => Ok(text),
        _ => Err(MonitoringError::Duration(name, text.to_owned())),
    }
}

/// A message with `${…}` in it as a literal. What stands in the braces is an expression as it is; quotes around them
/// are part of the message.
fn template(text: &str) -> Result<String> {
    let mut written = String::from("\"");
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, behind) = rest.split_at(start);
        let wrong = || MonitoringError::Template(text.to_owned());
        let length = expression_length(behind).ok_or_else(wrong)?;
        let (inside, after) = behind.split_at(length);
        written.push_str(&literal::escape(before, false));
        written.push_str(inside);
        rest = after;
    }
    written.push_str(&literal::escape(rest, true));
    written.push('"');
    match expression(&written) {
        Some(Expression::String(_) | Expression::StringExpression(_)) => Ok(written),
        _ => Err(MonitoringError::Template(text.to_owned())),
    }
}

/// The bytes of `${…}` at the start of a text, to its closing brace; those in strings do not close it.
fn expression_length(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            '{' if !in_string => depth += 1,
            '}' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The option that says when it runs.
fn task_option(name: &str, every: &str, offset: Option<&str>) -> Result<String> {
    let every = duration("every", every)?;
    let offset = offset.map(|offset| duration("offset", offset)).transpose()?;
    let offset = offset.map(|offset| format!(", offset: {offset}")).unwrap_or_default();
    Ok(format!("option task = {{name: {}, every: {every}{offset}}}\n", quoted(name)))
}

/// The script in Flux's form.
fn formatted(text: &str) -> Result<String> {
    let wrong = |error: String| MonitoringError::Query(error);
    let file = parse(text, &Limits::default()).into_result().map_err(|errors| wrong(errors.to_string()))?;
    format(&file).map_err(|error| wrong(error.to_string()))
}

/// The name and the value of an assignment, also in an option.
fn assignment(statement: &Statement) -> Option<(&str, &Expression)> {
    match statement {
        Statement::Variable(variable) => Some((&variable.id.name, &variable.init)),
        Statement::Option(option) => match &option.assignment {
            Assignment::Variable(variable) => Some((&variable.id.name, &variable.init)),
            Assignment::Member(_) => None,
        },
        _ => None,
    }
}

/// Reads a query.
fn parsed(query: &str) -> Result<File> {
    let parsed = parse(query, &Limits::default());
    parsed.into_result().map_err(|errors| MonitoringError::Query(errors.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn messages_keep_what_is_around_their_expressions() {
        for (text, expected) in [
            ("plain \"quoted\" \\ $5", r#""plain \"quoted\" \\ $5""#),
            ("is ${ r._level }!", r#""is ${ r._level }!""#),
            (r#"${r["a b"]} and ${string(v: r.x)}"#, r#""${r["a b"]} and ${string(v: r.x)}""#),
            (r#"${ if r.x == "}" then "a" else "b" }"#, r#""${ if r.x == "}" then "a" else "b" }""#),
        ] {
            assert_eq!(template(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["${", "${}", "${ r. }", "${ \" }", "${1}\"+die(msg: \"x\")+\"${"] {
            assert_eq!(template(text), Err(MonitoringError::Template(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn durations_are_nothing_else() {
        assert_eq!(duration("every", "1h30m"), Ok("1h30m"));
        for text in ["", "1", "-1m", "1m}, x = {a: 1m", "1m + 1m", "x"] {
            assert!(duration("every", text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_are_words_in_any_case() {
        assert_eq!(Level::from_word("CRIT"), Some(Level::Crit));
        assert_eq!(Level::from_word("ok").map(Level::word), Some("ok"));
        assert_eq!(Level::from_word("critical"), None);
    }
}
