//! Labels of series, and matchers that choose among them.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::limits::REGEX_BYTES;

/// The label that holds the name of a metric.
pub const METRIC_NAME: &str = "__name__";

/// The labels of a series, by name. A label with an empty value is the same as none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// Labels in any order; those with an empty value are left out, and of two with the same name the last counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut labels: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        labels.reverse();
        labels.sort_by(|left, right| left.0.cmp(&right.0));
        labels.dedup_by(|later, first| later.0 == first.0);
        labels.retain(|(_, value)| !value.is_empty());
        Self(labels)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a label; empty if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |place| &self.0[place].1)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        match (self.0.binary_search_by(|(known, _)| (**known).cmp(name)), value.is_empty()) {
            (Ok(place), true) => drop(self.0.remove(place)),
            (Ok(place), false) => self.0[place].1 = value.into(),
            (Err(_), true) => {}
            (Err(place), false) => self.0.insert(place, (name.into(), value.into())),
        }
    }

    /// Without the name of the metric.
    #[must_use]
    pub fn without_name(mut self) -> Self {
        self.0.retain(|(name, _)| **name != *METRIC_NAME);
        self
    }

    /// Only these labels.
    #[must_use]
    pub(crate) fn only(&self, names: &[String]) -> Self {
        self.filtered(|name| names.iter().any(|wanted| wanted == name))
    }

    /// All labels but these and the name of the metric.
    #[must_use]
    pub(crate) fn without(&self, names: &[String]) -> Self {
        self.filtered(|name| name != METRIC_NAME && !names.iter().any(|unwanted| unwanted == name))
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()
    }
}

/// As PromQL writes them: `name{label="value", …}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get(METRIC_NAME))?;
        let mut others = self.iter().filter(|(name, _)| *name != METRIC_NAME).peekable();
        if others.peek().is_none() && !self.get(METRIC_NAME).is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (place, (name, value)) in others.enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// Whether a text can be the name of a label without quotes.
#[must_use]
pub fn is_label_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchKind {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

/// A condition on one label. A label that a series does not have is empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How it compares.
    pub kind: MatchKind,
    /// With what: a text, or a regular expression that has to match all of the value.
    pub value: String,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.kind, &self.value) == (&other.name, other.kind, &other.value)
    }
}

/// A regular expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {cause}")]
pub struct RegexError {
    /// The text.
    pub pattern: String,
    /// What is wrong.
    pub cause: String,
}

/// A regular expression that has to match the whole text, as Prometheus 3 reads it: a dot is also a line break.
pub(crate) fn whole_regex(pattern: &str) -> Result<Regex, RegexError> {
    let built = RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_BYTES).build();
    built.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        RegexError { pattern: pattern.to_owned(), cause: last.trim_start_matches("error: ").to_owned() }
    })
}

impl Matcher {
    /// A condition.
    ///
    /// # Errors
    /// If a regular expression cannot be compiled.
    pub fn new(name: impl Into<String>, kind: MatchKind, value: impl Into<String>) -> Result<Self, RegexError> {
        let value = value.into();
        let regex = match kind {
            MatchKind::Equal | MatchKind::NotEqual => None,
            MatchKind::Matches | MatchKind::NotMatches => Some(whole_regex(&value)?),
        };
        Ok(Self { name: name.into(), kind, value, regex })
    }

    /// Whether a value of the label is wanted.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.kind {
            MatchKind::Equal => value == self.value,
            MatchKind::NotEqual => value != self.value,
            MatchKind::Matches => regex(),
            MatchKind::NotMatches => !regex(),
        }
    }

    /// The values that are wanted, where they can be told: of `=`, and of `=~` with plain texts between bars.
    #[must_use]
    pub fn wanted_values(&self) -> Option<Vec<String>> {
        match self.kind {
            MatchKind::Equal => Some(vec![self.value.clone()]),
            MatchKind::Matches => {
                let is_plain = |c: char| c.is_alphanumeric() || " _-/:,@=\"'%&~;!<>|".contains(c);
                self.value.chars().all(is_plain).then(|| self.value.split('|').map(str::to_owned).collect())
            }
            MatchKind::NotEqual | MatchKind::NotMatches => None,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            MatchKind::Equal => "=",
            MatchKind::NotEqual => "!=",
            MatchKind::Matches => "=~",
            MatchKind::NotMatches => "!~",
        };
        write!(f, "{}{sign}{:?}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn labels_are_sorted_and_have_no_empty_values() {
        let mut labels = Labels::new([("b", "1"), ("a", "2"), ("c", ""), ("a", "3")]);
        assert_eq!(labels.to_string(), "{a=\"3\", b=\"1\"}");
        labels.set("__name__", "up");
        labels.set("a", "");
        assert_eq!(labels.to_string(), "up{b=\"1\"}");
        assert_eq!((labels.get("b"), labels.get("a")), ("1", ""));
        assert_eq!(labels.without(&["b".to_owned()]), Labels::default());
    }

    #[test]
    fn matchers_match_whole_values() {
        for (kind, pattern, value, expected) in [
            (MatchKind::Equal, "a", "a", true),
            (MatchKind::NotEqual, "a", "", true),
            (MatchKind::Matches, "a|b", "b", true),
            (MatchKind::Matches, "a|b", "ab", false),
            (MatchKind::Matches, "a.c", "a\nc", true),
            (MatchKind::NotMatches, "a.*", "ba", true),
        ] {
            assert_eq!(Matcher::new("l", kind, pattern).unwrap().matches(value), expected, "{pattern} {value}");
        }
        let error = Matcher::new("l", MatchKind::Matches, "(").unwrap_err();
        assert!(error.to_string().contains("unclosed group"), "{error}");
    }

    #[test]
    fn wanted_values_are_told_where_they_can_be() {
        let wanted = |kind, value| Matcher::new("l", kind, value).unwrap().wanted_values();
        assert_eq!(wanted(MatchKind::Matches, "a|b-c"), Some(vec!["a".to_owned(), "b-c".to_owned()]));
        assert_eq!(wanted(MatchKind::Matches, "a.*"), None);
        assert_eq!(wanted(MatchKind::NotEqual, "a"), None);
    }
}
