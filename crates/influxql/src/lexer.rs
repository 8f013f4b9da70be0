//! Text to tokens, one at a time: what a slash or a blank means depends on where the grammar stands, so the parser
//! asks.

use std::borrow::Cow;

use crate::ast::Operator;
use crate::error::Position;
use crate::token::{Kind, Token};

/// Reads tokens from a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next token begins, in bytes.
    offset: usize,
    /// Whether a token ran into the end of the text. InfluxDB then places the end one character further.
    end_seen: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, end_seen: false }
    }

    /// The byte that the next token begins with, none at the end.
    pub(crate) fn next_byte(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    /// The same, after which the end counts as seen.
    pub(crate) fn look(&mut self) -> Option<u8> {
        let byte = self.next_byte();
        self.end_seen |= byte.is_none();
        byte
    }

    /// Skips blanks and comments.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let begins = rest.starts_with([' ', '\t', '\n', '\r']) || rest.starts_with("--") || rest.starts_with("/*");
            let start = self.offset;
            if !begins {
                return;
            }
            if self.token().kind == Kind::Illegal {
                self.offset = start;
                return;
            }
        }
    }

    /// The operand that begins at a place where one was read before.
    pub(crate) fn operand_at(&self, start: usize) -> Token<'a> {
        let mut lexer = Lexer { text: self.text, offset: start, end_seen: self.end_seen };
        if lexer.next_byte() == Some(b'/') { lexer.regex() } else { lexer.token() }
    }

    /// Reads the next token.
    pub(crate) fn token(&mut self) -> Token<'a> {
        let rest = self.rest();
        let mut bytes = rest.bytes();
        let Some(first) = bytes.next() else {
            let at = self.text.len() + usize::from(self.end_seen);
            self.end_seen = true;
            return Token { kind: Kind::End, text: Cow::Borrowed(""), start: self.text.len(), at };
        };
        let second = bytes.next();
        match first {
            b' ' | b'\t' | b'\n' | b'\r' => {
                let length = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
                self.end_seen |= length == rest.len();
                self.take(Kind::Blank, length, length)
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => self.word(rest),
            b'0'..=b'9' => self.number(rest),
            b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => self.number(rest),
            b'"' => self.quoted(rest, Kind::Identifier),
            b'\'' => self.quoted(rest, Kind::String),
            b'$' => self.parameter(rest),
            b'-' if second == Some(b'-') => self.line_comment(rest),
            b'/' if second == Some(b'*') => self.block_comment(rest),
            _ => self.symbol(rest, first, second),
        }
    }

    /// Reads a regular expression from its opening slash on; the text is that between the slashes, with `\/` as `/`.
    /// The token is [`Kind::Illegal`] if the closing slash is not in the same line.
    pub(crate) fn regex(&mut self) -> Token<'a> {
        let start = self.offset;
        let at = self.before(start);
        let body = self.text.get(start + 1..).unwrap_or_default();
        let mut escaped = false;
        let mut previous = 0;
        let end = body.bytes().position(|byte| {
            let closing = byte == b'/' && previous != b'\\';
            escaped |= byte == b'/' && !closing;
            previous = byte;
            closing || byte == b'\n'
        });
        let end = end.filter(|end| body.as_bytes().get(*end) == Some(&b'/'));
        let Some(inner) = end.and_then(|end| body.get(..end)) else {
            return Token { kind: Kind::Illegal, text: Cow::Borrowed(""), start, at };
        };
        self.offset = start + inner.len() + 2;
        let text = if escaped { Cow::Owned(inner.replace("\\/", "/")) } else { Cow::Borrowed(inner) };
        Token { kind: Kind::Regex, text, start, at }
    }

    /// Line and character of a place in bytes. A place behind the end of the text is one character behind it.
    pub(crate) fn position(&self, at: usize) -> Position {
        let mut position = Position { line: 1, character: 1 };
        let mut characters = self.text.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            // The two characters of a Windows line break are one.
            let pair = character == '\r' && characters.next_if(|(_, next)| *next == '\n').is_some();
            if offset + usize::from(pair) >= at {
                return position;
            }
            if matches!(character, '\n' | '\r') {
                position = Position { line: position.line + 1, character: 1 };
            } else {
                position.character += 1;
            }
        }
        position.character += usize::from(at > self.text.len());
        position
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    /// The place of the character before another.
    fn before(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or_default();
        before.char_indices().next_back().map_or(0, |(previous, _)| previous)
    }

    /// A token of the next bytes, of which the first ones are its text; no text for what the kind says.
    fn take(&mut self, kind: Kind, bytes: usize, text_bytes: usize) -> Token<'a> {
        let start = self.offset;
        let text = self.rest().get(..text_bytes).unwrap_or_default();
        self.offset += bytes;
        Token { kind, text: Cow::Borrowed(text), start, at: start }
    }

    fn word(&mut self, rest: &'a str) -> Token<'a> {
        let length = word_bytes(rest);
        self.end_seen |= length == rest.len();
        let kind = Kind::of_word(rest.get(..length).unwrap_or_default());
        self.take(kind, length, if kind == Kind::Identifier { length } else { 0 })
    }

    /// `$name` or `$"name"`; the text is the name without the `$`.
    fn parameter(&mut self, rest: &'a str) -> Token<'a> {
        let start = self.offset;
        self.offset += 1;
        let name = rest.get(1..).unwrap_or_default();
        let token = if name.starts_with('"') {
            self.quoted(name, Kind::Parameter)
        } else {
            let length = word_bytes(name);
            self.end_seen |= length == name.len();
            self.take(Kind::Parameter, length, length)
        };
        Token { start, at: start, ..token }
    }

    fn number(&mut self, rest: &'a str) -> Token<'a> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let after = rest.get(whole..).unwrap_or_default();
        if let Some(after) = after.strip_prefix('.') {
            return match digits(after) {
                // A point without digits belongs to the number, but not to its text.
                0 => self.take(Kind::Number, whole + 1, whole),
                fraction => self.take(Kind::Number, whole + 1 + fraction, whole + 1 + fraction),
            };
        }
        if !after.starts_with(|next: char| next.is_ascii_alphabetic() || next == 'µ') {
            return self.take(Kind::Integer, whole, whole);
        }
        let unit_end = after.find(|next: char| !next.is_ascii_alphanumeric() && next != 'µ').unwrap_or(after.len());
        self.take(Kind::Duration, whole + unit_end, whole + unit_end)
    }

    /// A string or identifier in the quotes that it begins with.
    fn quoted(&mut self, rest: &'a str, kind: Kind) -> Token<'a> {
        let start = self.offset;
        // A string stands where its quote was not yet read.
        let at = if kind == Kind::String { self.before(start) } else { start };
        let mut characters = rest.char_indices();
        let quote = characters.next().map_or('"', |(_, quote)| quote);
        let mut unescaped: Option<String> = None;
        let text_so_far = |end: usize| rest.get(1..end).unwrap_or_default();
        while let Some((offset, character)) = characters.next() {
            if character == quote {
                self.offset = start + offset + 1;
                let text = unescaped.map_or_else(|| Cow::Borrowed(text_so_far(offset)), Cow::Owned);
                return Token { kind, text, start, at };
            }
            match character {
                '\n' => break,
                '\\' => {
                    let buffer = unescaped.get_or_insert_with(|| text_so_far(offset).to_owned());
                    match characters.next() {
                        Some((_, 'n')) => buffer.push('\n'),
                        Some((_, other @ ('\\' | '"' | '\''))) => buffer.push(other),
                        other => {
                            let escape = other.map_or_else(|| "\\".to_owned(), |(_, other)| format!("\\{other}"));
                            let at = start + other.map_or(offset + 1, |(place, _)| place);
                            self.offset = self.text.len();
                            return Token { kind: Kind::BadEscape, text: Cow::Owned(escape), start, at };
                        }
                    }
                }
                other => {
                    if let Some(buffer) = &mut unescaped {
                        buffer.push(other);
                    }
                }
            }
        }
        self.offset = self.text.len();
        let line = text_so_far(rest.find('\n').unwrap_or(rest.len()));
        let text = unescaped.map_or(Cow::Borrowed(line), Cow::Owned);
        Token { kind: Kind::UnclosedString, text, start, at: self.before(start) }
    }

    fn line_comment(&mut self, rest: &'a str) -> Token<'a> {
        let line_end = rest.bytes().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.end_seen |= line_end.is_none();
        self.take(Kind::Comment, line_end.unwrap_or(rest.len()), 0)
    }

    fn block_comment(&mut self, rest: &'a str) -> Token<'a> {
        match rest.get(2..).and_then(|inner| inner.find("*/")) {
            Some(inner_bytes) => self.take(Kind::Comment, inner_bytes + 4, 0),
            None => self.take(Kind::Illegal, rest.len(), 0),
        }
    }

    fn symbol(&mut self, rest: &'a str, first: u8, second: Option<u8>) -> Token<'a> {
        let (kind, bytes) = match (first, second) {
            (b'+', _) => (Kind::Operator(Operator::Add), 1),
            (b'-', _) => (Kind::Operator(Operator::Subtract), 1),
            (b'*', _) => (Kind::Operator(Operator::Multiply), 1),
            (b'/', _) => (Kind::Operator(Operator::Divide), 1),
            (b'%', _) => (Kind::Operator(Operator::Remainder), 1),
            (b'&', _) => (Kind::Operator(Operator::BitAnd), 1),
            (b'|', _) => (Kind::Operator(Operator::BitOr), 1),
            (b'^', _) => (Kind::Operator(Operator::BitXor), 1),
            (b'=', Some(b'~')) => (Kind::Operator(Operator::Matches), 2),
            (b'=', _) => (Kind::Operator(Operator::Equal), 1),
            (b'!', Some(b'=')) | (b'<', Some(b'>')) => (Kind::Operator(Operator::NotEqual), 2),
            (b'!', Some(b'~')) => (Kind::Operator(Operator::NotMatches), 2),
            (b'<', Some(b'=')) => (Kind::Operator(Operator::LessOrEqual), 2),
            (b'<', _) => (Kind::Operator(Operator::Less), 1),
            (b'>', Some(b'=')) => (Kind::Operator(Operator::GreaterOrEqual), 2),
            (b'>', _) => (Kind::Operator(Operator::Greater), 1),
            (b'(', _) => (Kind::LeftParen, 1),
            (b')', _) => (Kind::RightParen, 1),
            (b',', _) => (Kind::Comma, 1),
            (b';', _) => (Kind::Semicolon, 1),
            (b':', Some(b':')) => (Kind::DoubleColon, 2),
            (b':', _) => (Kind::Colon, 1),
            (b'.', _) => (Kind::Dot, 1),
            _ => {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                return self.take(Kind::Illegal, length, length);
            }
        };
        self.take(kind, bytes, 0)
    }
}

/// The length of the word that a text begins with.
fn word_bytes(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Whether a name can stand without quotes.
pub(crate) fn is_bare(name: &str) -> bool {
    word_bytes(name) == name.len()
        && !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && Kind::of_word(name) == Kind::Identifier
}
