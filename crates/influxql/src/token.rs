//! The tokens of InfluxQL and how an error names them.

use std::borrow::Cow;

use crate::ast::Operator;

macro_rules! keywords {
    ($($variant:ident $text:literal,)*) => {
        /// The reserved words. They are identifiers only in double quotes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Keyword {
            $($variant,)*
        }

        impl Keyword {
            /// The word in capitals.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            fn from_capitals(word: &str) -> Option<Self> {
                match word {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

keywords! {
    All "ALL", Alter "ALTER", Analyze "ANALYZE", Any "ANY", As "AS", Asc "ASC", Begin "BEGIN", By "BY",
    Cardinality "CARDINALITY", Create "CREATE", Continuous "CONTINUOUS", Database "DATABASE", Databases "DATABASES",
    Default "DEFAULT", Delete "DELETE", Desc "DESC", Destinations "DESTINATIONS", Diagnostics "DIAGNOSTICS",
    Distinct "DISTINCT", Drop "DROP", Duration "DURATION", End "END", Every "EVERY", Exact "EXACT",
    Explain "EXPLAIN", Field "FIELD", For "FOR", From "FROM", Grant "GRANT", Grants "GRANTS", Group "GROUP",
    Groups "GROUPS", In "IN", Inf "INF", Insert "INSERT", Into "INTO", Key "KEY", Keys "KEYS", Kill "KILL",
    Limit "LIMIT",
    Measurement "MEASUREMENT", Measurements "MEASUREMENTS", Name "NAME", Offset "OFFSET", On "ON", Order "ORDER",
    Password "PASSWORD", Policy "POLICY", Policies "POLICIES", Privileges "PRIVILEGES", Queries "QUERIES",
    Query "QUERY", Read "READ", Replication "REPLICATION", Resample "RESAMPLE", Retention "RETENTION",
    Revoke "REVOKE", Select "SELECT", Series "SERIES", Set "SET", Show "SHOW", Shard "SHARD", Shards "SHARDS",
    Slimit "SLIMIT", Soffset "SOFFSET", Stats "STATS", Subscription "SUBSCRIPTION", Subscriptions "SUBSCRIPTIONS",
    Tag "TAG", To "TO", User "USER", Users "USERS", Values "VALUES", Where "WHERE", With "WITH", Write "WRITE",
}

/// The length of the longest reserved word.
const WORD_BYTES_MAX: usize = 13;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A character that begins no token.
    Illegal,
    End,
    /// Blanks and line breaks.
    Blank,
    Comment,
    Identifier,
    /// `$name` whose value is missing or of no use.
    Parameter,
    Number,
    Integer,
    Duration,
    String,
    /// A string or quoted identifier without its closing quote.
    UnclosedString,
    /// A string or quoted identifier with a backslash before a character that needs none.
    BadEscape,
    /// A regular expression that a parameter stands for. Those in the text are read where the grammar has one.
    Regex,
    Boolean(bool),
    Operator(Operator),
    LeftParen,
    RightParen,
    Comma,
    Colon,
    DoubleColon,
    Semicolon,
    Dot,
    Keyword(Keyword),
}

impl Kind {
    /// What an unquoted word is.
    pub(crate) fn of_word(word: &str) -> Self {
        let mut capitals = [0; WORD_BYTES_MAX];
        let Some(capitals) = capitals.get_mut(..word.len()) else {
            return Self::Identifier;
        };
        capitals.copy_from_slice(word.as_bytes());
        capitals.make_ascii_uppercase();
        let Ok(capitals) = std::str::from_utf8(capitals) else {
            return Self::Identifier;
        };
        match capitals {
            "AND" => Self::Operator(Operator::And),
            "OR" => Self::Operator(Operator::Or),
            "TRUE" => Self::Boolean(true),
            "FALSE" => Self::Boolean(false),
            _ => Keyword::from_capitals(capitals).map_or(Self::Identifier, Self::Keyword),
        }
    }

    /// How an error names a token without a text.
    const fn name(self) -> &'static str {
        match self {
            Self::Illegal => "ILLEGAL",
            Self::End => "EOF",
            Self::Blank => "WS",
            Self::Comment | Self::Parameter => "",
            Self::Identifier => "IDENT",
            Self::Number => "NUMBER",
            Self::Integer => "INTEGER",
            Self::Duration => "DURATIONVAL",
            Self::String => "STRING",
            Self::UnclosedString => "BADSTRING",
            Self::BadEscape => "BADESCAPE",
            Self::Regex => "REGEX",
            Self::Boolean(true) => "TRUE",
            Self::Boolean(false) => "FALSE",
            Self::Operator(operator) => operator.as_str(),
            Self::LeftParen => "(",
            Self::RightParen => ")",
            Self::Comma => ",",
            Self::Colon => ":",
            Self::DoubleColon => "::",
            Self::Semicolon => ";",
            Self::Dot => ".",
            Self::Keyword(keyword) => keyword.as_str(),
        }
    }
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// Names, numbers and strings, without quotes and escapes; empty for all that the kind says.
    pub(crate) text: Cow<'a, str>,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Where an error about it stands, in bytes.
    pub(crate) at: usize,
}

impl Token<'_> {
    /// How an error names it.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            Kind::Parameter => format!("${}", self.text),
            kind if self.text.is_empty() => kind.name().to_owned(),
            _ => self.text.clone().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_case_are_reserved() {
        assert_eq!(Kind::of_word("select"), Kind::Keyword(Keyword::Select));
        assert_eq!(Kind::of_word("SubScriptions"), Kind::Keyword(Keyword::Subscriptions));
        assert_eq!(Kind::of_word("And"), Kind::Operator(Operator::And));
        assert_eq!(Kind::of_word("true"), Kind::Boolean(true));
        for word in ["time", "fill", "tz", "null", "selects", "SubScriptionsX", "nonsense_of_some_length"] {
            assert_eq!(Kind::of_word(word), Kind::Identifier, "{word}");
        }
    }
}
