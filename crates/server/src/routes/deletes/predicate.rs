//! The predicate of a delete: comparisons joined by AND, in InfluxDB's grammar (predicate/parser.go) and its words for
//! what is refused.
//!
//! Besides, strings in single quotes and `_field` are taken. A predicate that InfluxDB reads by accident (two
//! comparisons without AND, an AND without a comparison) is refused: it is about deleting.

use storage::{DeleteSubject, DeleteTerm};

/// What is wrong with a predicate. Positions count characters from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PredicateError {
    /// OR.
    #[error("the logical operator OR is not supported yet at position {0}")]
    Or(usize),
    /// `=~` or `!~`.
    #[error("operator: \"{0}\" at position: {1} is not supported yet")]
    Regex(&'static str, usize),
    /// Something else than `=` and `!=`.
    #[error("invalid operator {0:?} at position: {1}")]
    Operator(String, usize),
    /// No value where one should be.
    #[error("bad tag value: {0:?}, at position {1}")]
    Value(String, usize),
    /// A number where a key should be.
    #[error("bad tag key, at position {0}")]
    Key(usize),
    /// Anything else.
    #[error("bad logical expression, at position {0}")]
    Expression(usize),
    /// A parenthesis that is not closed.
    #[error("extra ( seen")]
    Open,
    /// One that was not opened.
    #[error("extra ) seen")]
    Close,
    /// A name that looks like a column of query results; taken for a tag it would mean nothing, or everything.
    #[error("delete by {0} is not supported")]
    Column(&'static str),
}

/// The terms of a predicate, all of which must hold; none if there is nothing but spaces.
pub(super) fn parse(text: &str) -> Result<Vec<DeleteTerm>, PredicateError> {
    let mut scanner = Scanner::new(text);
    let mut terms = Vec::new();
    let mut open = 0_usize;
    // Whether a comparison, or a parenthesis before one, comes next.
    let mut wants_term = true;
    loop {
        let (token, position) = scanner.next();
        match token {
            Token::Or => return Err(PredicateError::Or(position)),
            Token::Open if wants_term => open += 1,
            Token::Name(key) if wants_term => {
                terms.push(term(key, &mut scanner)?);
                wants_term = false;
            }
            Token::Number(_) if wants_term => return Err(PredicateError::Key(position)),
            Token::And if !wants_term => wants_term = true,
            Token::Close if open == 0 => return Err(PredicateError::Close),
            Token::Close if !wants_term => open -= 1,
            Token::End if open > 0 => return Err(PredicateError::Open),
            Token::End if !wants_term || terms.is_empty() => return Ok(terms),
            _ => return Err(PredicateError::Expression(position)),
        }
    }
}

/// Operator and value behind a key.
fn term(key: String, scanner: &mut Scanner) -> Result<DeleteTerm, PredicateError> {
    let (token, position) = scanner.next();
    let is_equal = match token {
        Token::Equal => true,
        Token::NotEqual => false,
        Token::Regex(operator) => return Err(PredicateError::Regex(operator, position)),
        token => return Err(PredicateError::Operator(token.text(), position)),
    };
    let mut value = String::new();
    let (mut token, mut position) = scanner.next();
    while token == Token::Minus {
        "-".clone_into(&mut value);
        (token, position) = scanner.next();
    }
    match token {
        Token::Name(text) | Token::Number(text) | Token::Text(text) => value.push_str(&text),
        Token::Bool(text) => value.push_str(text),
        Token::Broken(text) => return Err(PredicateError::Value(text, position)),
        _ => return Err(PredicateError::Value(String::new(), position)),
    }
    let subject = match key.as_str() {
        "_measurement" => DeleteSubject::Measurement,
        "_field" => DeleteSubject::Field,
        "_value" => return Err(PredicateError::Column("value")),
        "_time" => return Err(PredicateError::Column("time in the predicate")),
        _ => DeleteSubject::Tag(key),
    };
    Ok(DeleteTerm { subject, is_equal, value })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A bare name, or one in double quotes.
    Name(String),
    /// In single quotes.
    Text(String),
    /// A number or a duration, as it stands.
    Number(String),
    Bool(&'static str),
    And,
    Or,
    Open,
    Close,
    Equal,
    NotEqual,
    /// `=~` or `!~`.
    Regex(&'static str),
    Minus,
    /// A string without an end, or with an unknown escape.
    Broken(String),
    Other(char),
    End,
}

impl Token {
    /// For the message about an operator.
    fn text(&self) -> String {
        match self {
            Self::Name(text) | Self::Text(text) | Self::Number(text) | Self::Broken(text) => text.clone(),
            Self::Bool(text) => (*text).to_owned(),
            Self::And => "AND".to_owned(),
            Self::Or => "OR".to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::Equal => "=".to_owned(),
            Self::NotEqual => "!=".to_owned(),
            Self::Regex(operator) => (*operator).to_owned(),
            Self::Minus => "-".to_owned(),
            Self::Other(other) => other.to_string(),
            Self::End => "EOF".to_owned(),
        }
    }
}

/// Tokens of a text, each with its position.
struct Scanner {
    characters: Vec<char>,
    position: usize,
}

impl Scanner {
    fn new(text: &str) -> Self {
        Self { characters: text.chars().collect(), position: 0 }
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    /// Passes the next character if it is this one.
    fn take(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.position += usize::from(is_next);
        is_next
    }

    fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(character) = self.peek().filter(|character| wanted(*character)) {
            text.push(character);
            self.position += 1;
        }
        text
    }

    fn next(&mut self) -> (Token, usize) {
        self.take_while(char::is_whitespace);
        let start = self.position;
        let Some(first) = self.peek() else { return (Token::End, start) };
        let next_is_digit = self.characters.get(start + 1).is_some_and(char::is_ascii_digit);
        if first.is_ascii_alphabetic() || first == '_' {
            let name = self.take_while(|character| character.is_ascii_alphanumeric() || character == '_');
            return (word(name), start);
        }
        if first.is_ascii_digit() || (first == '.' && next_is_digit) {
            return (Token::Number(self.number()), start);
        }
        self.position += 1;
        let token = match first {
            '"' => self.quoted('"').map_or_else(Token::Broken, Token::Name),
            '\'' => self.quoted('\'').map_or_else(Token::Broken, Token::Text),
            '(' => Token::Open,
            ')' => Token::Close,
            '=' if self.take('~') => Token::Regex("=~"),
            '=' => Token::Equal,
            '!' if self.take('=') => Token::NotEqual,
            '!' if self.take('~') => Token::Regex("!~"),
            '<' if self.take('>') => Token::NotEqual,
            '-' => Token::Minus,
            other => Token::Other(other),
        };
        (token, start)
    }

    /// Digits, perhaps a fraction, and what stands directly behind them: a unit (`2d`), a suffix (`5i`), `0x1f`.
    fn number(&mut self) -> String {
        let mut has_point = false;
        self.take_while(|character| {
            let is_point = character == '.' && !has_point;
            has_point |= is_point;
            is_point || character.is_ascii_alphanumeric() || character == 'µ'
        })
    }

    /// The text up to the closing quote; what there is of it if it is broken.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let Some(character) = self.peek().filter(|character| *character != '\n') else { return Err(text) };
            self.position += 1;
            match character {
                '\\' => {
                    let escaped = match self.peek() {
                        Some('n') => '\n',
                        Some(escaped @ ('\\' | '"' | '\'')) => escaped,
                        _ => return Err(text),
                    };
                    self.position += 1;
                    text.push(escaped);
                }
                character if character == quote => return Ok(text),
                character => text.push(character),
            }
        }
    }
}

/// A name, unless it is a word of the grammar.
fn word(name: String) -> Token {
    match name.to_ascii_uppercase().as_str() {
        "AND" => Token::And,
        "OR" => Token::Or,
        "TRUE" => Token::Bool("true"),
        "FALSE" => Token::Bool("false"),
        _ => Token::Name(name),
    }
}

#[cfg(test)]
#[path = "predicate/tests.rs"]
mod tests;
