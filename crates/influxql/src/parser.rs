//! Tokens to a tree: a parser by hand, one function a rule, one token ahead. This module holds the state and what all
//! rules share; the rules stand in the modules below.

mod expression;
mod schema;
mod select;
mod show;
mod statement;

use crate::ast::{Expression, Query, Statement};
use crate::duration::Duration;
use crate::error::{ParseError, Position, quoted};
use crate::lexer::Lexer;
use crate::limits::Limits;
use crate::parameters::{Parameter, Parameters};
use crate::token::{Keyword, Kind, Token};

/// What a parse depends on besides the text. The default has no parameters, and takes every regular expression and
/// time zone as it is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParseOptions<'a> {
    /// Values for `$name`.
    pub parameters: Option<&'a Parameters>,
    /// Bounds on the text.
    pub limits: Limits,
    /// What is wrong with a regular expression, if anything. InfluxDB compiles each one as it reads it.
    pub regex_error: Option<fn(&str) -> Option<String>>,
    /// Whether there is a time zone of this name.
    pub zone_exists: Option<fn(&str) -> bool>,
}

/// Reads all statements of a text.
///
/// # Errors
///
/// The first thing that is not InfluxQL; then nothing of the text is to be run.
pub fn parse_query(text: &str, options: &ParseOptions<'_>) -> Result<Query, ParseError> {
    Parser::new(text, options)?.query()
}

/// Reads a text of one statement; one semicolon may follow.
///
/// # Errors
///
/// As for [`parse_query`].
pub fn parse_statement(text: &str, options: &ParseOptions<'_>) -> Result<Statement, ParseError> {
    let mut parser = Parser::new(text, options)?;
    let statement = parser.statement()?;
    parser.take(Kind::Semicolon);
    parser.expect(Kind::End, "EOF")?;
    Ok(statement)
}

/// Reads a text of one expression.
///
/// # Errors
///
/// As for [`parse_query`].
pub fn parse_expression(text: &str, options: &ParseOptions<'_>) -> Result<Expression, ParseError> {
    let mut parser = Parser::new(text, options)?;
    let expression = parser.expression()?;
    parser.expect(Kind::End, "EOF")?;
    Ok(expression)
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

struct Parser<'a> {
    lexer: Lexer<'a>,
    options: ParseOptions<'a>,
    /// A token that was read ahead.
    ahead: Option<Token<'a>>,
    /// Where the last token that was taken begins.
    taken_at: usize,
    /// How deep the rule that runs is nested.
    nesting: usize,
    /// The height of the expression that was read last.
    height: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: &ParseOptions<'a>) -> Result<Self> {
        let limit = options.limits.text_bytes;
        if text.len() > limit {
            return Err(ParseError::TextTooLong { bytes: text.len(), limit });
        }
        Ok(Self { lexer: Lexer::new(text), options: *options, ahead: None, taken_at: 0, nesting: 0, height: 0 })
    }

    fn query(&mut self) -> Result<Query> {
        let limit = self.options.limits.statements;
        let mut statements = Vec::new();
        let mut separated = true;
        loop {
            if self.take(Kind::End) {
                return Ok(Query { statements });
            }
            if self.take(Kind::Semicolon) {
                separated = true;
                continue;
            }
            if !separated {
                return Err(self.unexpected(";"));
            }
            if statements.len() == limit {
                return Err(ParseError::TooManyStatements { limit });
            }
            statements.push(self.statement()?);
            separated = false;
        }
    }

    /// The next token, blanks and comments included.
    fn raw(&mut self) -> Token<'a> {
        if let Some(token) = self.ahead.take() {
            return token;
        }
        let mut token = self.lexer.token();
        if token.kind == Kind::Parameter
            && let Some((kind, text)) = self.parameter(&token.text).and_then(Parameter::token)
        {
            (token.kind, token.text) = (kind, text);
        }
        token
    }

    fn parameter(&self, name: &str) -> Option<&'a Parameter> {
        self.options.parameters?.get(name)
    }

    /// Takes the next token that means something.
    fn next(&mut self) -> Token<'a> {
        loop {
            let token = self.raw();
            if !matches!(token.kind, Kind::Blank | Kind::Comment) {
                self.taken_at = token.start;
                return token;
            }
        }
    }

    /// The next token that means something, without taking it.
    fn peek(&mut self) -> &Token<'a> {
        let ahead = match self.ahead.take() {
            Some(token) if !matches!(token.kind, Kind::Blank | Kind::Comment) => token,
            _ => {
                let taken_at = self.taken_at;
                let token = self.next();
                self.taken_at = taken_at;
                token
            }
        };
        self.ahead.insert(ahead)
    }

    /// What the next token is.
    fn peek_kind(&mut self) -> Kind {
        match &self.ahead {
            Some(token) if !matches!(token.kind, Kind::Blank | Kind::Comment) => token.kind,
            _ => self.peek().kind,
        }
    }

    /// Takes the next token if it is of this kind.
    fn take(&mut self, kind: Kind) -> bool {
        let found = self.peek_kind() == kind;
        if found {
            self.next();
        }
        found
    }

    fn take_keyword(&mut self, keyword: Keyword) -> bool {
        self.take(Kind::Keyword(keyword))
    }

    /// Takes the next token if it follows without a blank.
    fn take_adjacent(&mut self, kind: Kind) -> bool {
        let token = self.raw();
        let found = token.kind == kind;
        if found {
            self.taken_at = token.start;
        } else {
            self.ahead = Some(token);
        }
        found
    }

    fn expect(&mut self, kind: Kind, expected: &str) -> Result<Token<'a>> {
        let token = self.next();
        if token.kind == kind { Ok(token) } else { Err(self.found(&token, expected)) }
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Result<()> {
        self.expect(Kind::Keyword(keyword), keyword.as_str()).map(|_| ())
    }

    fn identifier(&mut self) -> Result<String> {
        self.expect(Kind::Identifier, "identifier").map(|token| token.text.into_owned())
    }

    fn string(&mut self) -> Result<String> {
        self.expect(Kind::String, "string").map(|token| token.text.into_owned())
    }

    /// An identifier behind a keyword, if the keyword is there. InfluxDB takes an empty one for none.
    fn identifier_after(&mut self, keyword: Keyword) -> Result<Option<String>> {
        if !self.take_keyword(keyword) {
            return Ok(None);
        }
        self.identifier().map(none_if_empty)
    }

    /// One or more of something, with commas between them.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(Kind::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A regular expression, if the next thing that means something is one.
    fn regex(&mut self) -> Result<Option<String>> {
        if self.ahead.is_none() {
            self.lexer.skip_blanks();
            match self.lexer.look() {
                Some(b'/') => {
                    let token = self.lexer.regex();
                    return self.checked_regex(token).map(Some);
                }
                Some(b'$') => {}
                _ => return Ok(None),
            }
        }
        let token = self.raw();
        if token.kind == Kind::Regex {
            return self.checked_regex(token).map(Some);
        }
        self.ahead = Some(token);
        Ok(None)
    }

    fn checked_regex(&mut self, token: Token<'a>) -> Result<String> {
        self.taken_at = token.start;
        let position = || self.lexer.position(token.at);
        if token.kind != Kind::Regex {
            return Err(ParseError::UnclosedRegex { position: position() });
        }
        match unprintable(&token.text).or_else(|| self.options.regex_error.and_then(|check| check(&token.text))) {
            Some(message) => Err(ParseError::InvalidRegex { message, position: position() }),
            None => Ok(token.text.into_owned()),
        }
    }

    /// A regular expression that must be there.
    fn expect_regex(&mut self) -> Result<String> {
        match self.regex()? {
            Some(text) => Ok(text),
            None => Err(self.unexpected("regex")),
        }
    }

    /// A duration in an option of a statement; `INF` is none at all.
    fn duration_or_infinite(&mut self) -> Result<Duration> {
        if self.take_keyword(Keyword::Inf) { Ok(Duration(0)) } else { self.duration() }
    }

    fn duration(&mut self) -> Result<Duration> {
        let token = self.expect(Kind::Duration, "duration")?;
        Duration::parse(&token.text).map_err(|cause| {
            let position = self.lexer.position(token.at);
            ParseError::DurationOption { cause, position }
        })
    }

    /// An integer that only has to fit its type, which may be unsigned.
    fn id(&mut self) -> Result<u64> {
        let token = self.expect(Kind::Integer, "integer")?;
        token.text.parse().map_err(|_| ParseError::OptionTooLarge {
            function: "ParseUint",
            digits: quoted(&token.text),
            position: self.lexer.position(token.at),
        })
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let limit = self.options.limits.nesting;
        if self.nesting == limit {
            return Err(ParseError::NestedTooDeep { limit, position: self.position() });
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    /// Where the last token that was taken stands.
    fn position(&self) -> Position {
        self.lexer.position(self.taken_at)
    }

    /// The error that the next token is something else than expected.
    fn unexpected(&mut self, expected: &str) -> ParseError {
        let token = self.next();
        self.found(&token, expected)
    }

    /// The error that a token is something else than expected.
    fn found(&self, token: &Token<'_>, expected: &str) -> ParseError {
        ParseError::Unexpected {
            found: quoted(&token.describe()),
            expected: expected.to_owned(),
            position: self.lexer.position(token.at),
        }
    }

    /// The error that the token which was taken last is not followed by what is expected.
    fn found_taken(&self, expected: &str) -> ParseError {
        self.found(&self.lexer.operand_at(self.taken_at), expected)
    }
}

/// What is wrong with a regular expression that only a parameter can be: between slashes, a star at its start would
/// begin a comment, and a lone backslash at its end would hide the closing slash.
fn unprintable(regex: &str) -> Option<String> {
    let backslashes = regex.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if regex.starts_with('*') {
        Some("error parsing regexp: missing argument to repetition operator: `*`".to_owned())
    } else if backslashes % 2 == 1 {
        Some("error parsing regexp: trailing backslash at end of expression: ``".to_owned())
    } else {
        None
    }
}

fn none_if_empty(name: String) -> Option<String> {
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
