//! Text to tokens, by hand: the longest match counts. It never fails; what is no token becomes an illegal one.
//!
//! There are three ways to read on, and only the parser knows which is right: where a value is expected, `/` begins
//! a regular expression; everywhere else it divides; and between the quotes of a string with interpolation, text and
//! `${` alternate.

use crate::location::Position;
use crate::token::{Token, TokenKind, word};

/// How the next token is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `/` divides.
    Plain,
    /// `/` may begin a regular expression.
    Regex,
    /// Text between the quotes of a string with interpolation.
    Text,
}

/// Where the lexer stands.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    offset: usize,
    line: u32,
    line_start: usize,
    comment_count: usize,
}

/// Reads a source token by token.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    cursor: Cursor,
    /// The state before the last token, to read it again in another mode.
    before_last: Cursor,
    /// Start and end of each comment.
    comments: Vec<(usize, usize)>,
    tokens_left: usize,
    /// Whether the source is longer than the limit of tokens allows.
    pub(crate) exhausted: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str, tokens_max: usize) -> Self {
        let cursor = Cursor { offset: 0, line: 1, line_start: 0, comment_count: 0 };
        Self {
            source,
            bytes: source.as_bytes(),
            cursor,
            before_last: cursor,
            comments: Vec::new(),
            tokens_left: tokens_max,
            exhausted: false,
        }
    }

    /// The next token; at the end, and behind it, the token of the end.
    pub(crate) fn next(&mut self, mode: Mode) -> Token {
        self.before_last = self.cursor;
        let first_comment = self.comments.len();
        if mode != Mode::Text {
            self.skip_blanks_and_comments();
        }
        let start_offset = self.cursor.offset;
        let start = self.position();
        let comments = (clamp(first_comment), clamp(self.comments.len()));
        if self.tokens_left == 0 {
            self.exhausted = start_offset < self.bytes.len();
            self.stop();
        }
        self.tokens_left = self.tokens_left.saturating_sub(1);
        let (kind, length) = self.measure(self.rest(), mode);
        self.advance(length);
        Token { kind, start_offset, end_offset: self.cursor.offset, start, end: self.position(), comments }
    }

    /// Reads the last token again, in another mode.
    pub(crate) fn again(&mut self, mode: Mode) -> Token {
        self.cursor = self.before_last;
        self.comments.truncate(self.cursor.comment_count);
        self.next(mode)
    }

    /// Gives up on the rest of the source.
    pub(crate) fn stop(&mut self) {
        self.advance(self.bytes.len() - self.cursor.offset);
    }

    /// The text of a token.
    pub(crate) fn text(&self, token: &Token) -> &'a str {
        self.source.get(token.start_offset..token.end_offset).unwrap_or_default()
    }

    /// The comments before a token.
    pub(crate) fn comments(&self, token: &Token) -> impl Iterator<Item = &'a str> {
        let (from, to) = token.comments;
        let spans = self.comments.get(from as usize..to as usize).unwrap_or_default();
        spans.iter().map(|(start, end)| self.source.get(*start..*end).unwrap_or_default())
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.cursor.offset..).unwrap_or_default()
    }

    fn position(&self) -> Position {
        Position { line: self.cursor.line, column: clamp(self.cursor.offset - self.cursor.line_start + 1) }
    }

    fn advance(&mut self, length: usize) {
        let end = (self.cursor.offset + length).min(self.bytes.len());
        for (index, byte) in self.bytes.iter().enumerate().take(end).skip(self.cursor.offset) {
            if *byte == b'\n' {
                self.cursor.line = self.cursor.line.saturating_add(1);
                self.cursor.line_start = index + 1;
            }
        }
        self.cursor.offset = end;
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => self.advance(1),
                [b'/', b'/', rest @ ..] => {
                    let text = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |index| index + 1);
                    let start = self.cursor.offset;
                    self.advance(2 + text);
                    self.comments.push((start, self.cursor.offset));
                    self.cursor.comment_count = self.comments.len();
                }
                _ => return,
            }
        }
    }

    /// What the next token is and how long.
    fn measure(&self, rest: &'a [u8], mode: Mode) -> (TokenKind, usize) {
        let Some(first) = rest.first() else { return (TokenKind::Eof, 0) };
        if mode == Mode::Text {
            return self.measure_text(rest);
        }
        match first {
            b'"' => string_length(rest).map_or((TokenKind::Quote, 1), |length| (TokenKind::String, length)),
            b'0'..=b'9' => number(rest),
            b'.' if digits(rest.get(1..)) > 0 => (TokenKind::Float, 1 + digits(rest.get(1..))),
            b'/' if mode == Mode::Regex => {
                regex_length(rest).map_or((TokenKind::Div, 1), |length| (TokenKind::Regex, length))
            }
            b'@' => match self.word_length(1) {
                0 => (TokenKind::Illegal, 1),
                length => (TokenKind::Attribute, 1 + length),
            },
            _ => match self.word_length(0) {
                0 => punctuation(rest).unwrap_or_else(|| (TokenKind::Illegal, self.character_length())),
                length => {
                    let start = self.cursor.offset;
                    (word(self.source.get(start..start + length).unwrap_or_default()), length)
                }
            },
        }
    }

    /// The length of the word that begins this many bytes from here; 0 for none.
    fn word_length(&self, skip: usize) -> usize {
        let rest = self.rest().get(skip..).unwrap_or_default();
        let ascii = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
        let ascii = ascii.unwrap_or(rest.len());
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return 0;
        }
        if rest.get(ascii).is_none_or(u8::is_ascii) {
            return ascii;
        }
        let text = self.source.get(self.cursor.offset + skip..).unwrap_or_default();
        if !text.starts_with(|character: char| character.is_alphabetic() || character == '_') {
            return 0;
        }
        text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len())
    }

    fn character_length(&self) -> usize {
        let text = self.source.get(self.cursor.offset..).unwrap_or_default();
        text.chars().next().map_or(1, char::len_utf8)
    }

    fn measure_text(&self, rest: &[u8]) -> (TokenKind, usize) {
        match rest {
            [b'$', b'{', ..] => return (TokenKind::StringExpr, 2),
            [b'$', b'"', ..] => return (TokenKind::Text, 1),
            [b'"', ..] => return (TokenKind::Quote, 1),
            _ => {}
        }
        let mut length = 0;
        while let Some(step) = rest.get(length..).and_then(string_character) {
            length += step;
        }
        match length {
            0 => (TokenKind::Illegal, self.character_length()),
            length => (TokenKind::Text, length),
        }
    }
}

/// Lines, columns and counts have 32 bits; the limit of the source's length keeps them below.
fn clamp(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// How many digits the bytes begin with.
fn digits(bytes: Option<&[u8]>) -> usize {
    let bytes = bytes.unwrap_or_default();
    bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len())
}

/// The length of one character of a string, with its escape; none at a quote, at `${` and at a bad escape. A `$`
/// takes the character behind it along, as in InfluxDB: `"$${a}"` is plain text.
fn string_character(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'"', ..] | [] => None,
        [b'\\', b'n' | b'r' | b't' | b'\\' | b'"', ..] => Some(2),
        [b'\\', b'$', b'{', ..] => Some(3),
        [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => Some(4),
        [b'\\', ..] | [b'$', b'{' | b'"', ..] | [b'$'] => None,
        [b'$', next, ..] => Some(1 + utf8_length(*next)),
        [first, ..] => Some(utf8_length(*first)),
    }
}

/// The length of the UTF-8 character that begins with this byte.
fn utf8_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// The length of a string without interpolation, with its quotes.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 1;
    while let Some(step) = bytes.get(length..).and_then(string_character) {
        length += step;
    }
    match bytes.get(length..) {
        Some([b'"', ..]) => Some(length + 1),
        Some([b'$', b'"', ..]) => Some(length + 2),
        _ => None,
    }
}

/// The length of a regular expression, with its slashes. It has at least one character.
fn regex_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 1;
    loop {
        match bytes.get(length..)? {
            [b'/', ..] => return (length > 1).then_some(length + 1),
            [b'\\', b'/' | b'\\', ..] => length += 2,
            [_, ..] => length += 1,
            [] => return None,
        }
    }
}

/// Integer, float, duration or time: the longest.
fn number(bytes: &[u8]) -> (TokenKind, usize) {
    if let Some(length) = time_length(bytes) {
        return (TokenKind::Time, length);
    }
    let whole = digits(Some(bytes));
    if bytes.get(whole) == Some(&b'.') {
        return (TokenKind::Float, whole + 1 + digits(bytes.get(whole + 1..)));
    }
    match duration_length(bytes) {
        0 => (TokenKind::Int, whole),
        length => (TokenKind::Duration, length),
    }
}

/// The length of `1h30m`; 0 for none.
fn duration_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let magnitude = digits(bytes.get(length..));
        let unit = match bytes.get(length + magnitude..).unwrap_or_default() {
            [b'm', b'o' | b's', ..] | [b'u' | b'n', b's', ..] => 2,
            [0xc2, 0xb5, b's', ..] => 3,
            [b'y' | b'w' | b'd' | b'h' | b'm' | b's', ..] => 1,
            _ => 0,
        };
        if magnitude == 0 || unit == 0 {
            return length;
        }
        length += magnitude + unit;
    }
}

/// The length of a date, or of a date with a time.
fn time_length(bytes: &[u8]) -> Option<usize> {
    const DATE: usize = 10;
    let shape = |from: usize, pattern: &[u8]| {
        let bytes = bytes.get(from..from + pattern.len())?;
        let fits = |(byte, wanted): (&u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
        bytes.iter().zip(pattern).all(fits).then_some(from + pattern.len())
    };
    shape(0, b"0000-00-00")?;
    let Some(seconds) = shape(DATE, b"T00:00:00") else { return Some(DATE) };
    let fraction = match bytes.get(seconds) {
        Some(b'.') => seconds + 1 + digits(bytes.get(seconds + 1..)),
        _ => seconds,
    };
    let offset = shape(fraction, b"Z").or_else(|| shape(fraction, b"+00:00")).or_else(|| shape(fraction, b"-00:00"));
    Some(offset.unwrap_or(fraction))
}

fn punctuation(bytes: &[u8]) -> Option<(TokenKind, usize)> {
    let two = match bytes {
        [b'=', b'=', ..] => Some(TokenKind::Eq),
        [b'=', b'~', ..] => Some(TokenKind::RegexEq),
        [b'=', b'>', ..] => Some(TokenKind::Arrow),
        [b'!', b'=', ..] => Some(TokenKind::Neq),
        [b'!', b'~', ..] => Some(TokenKind::RegexNeq),
        [b'<', b'=', ..] => Some(TokenKind::Lte),
        [b'<', b'-', ..] => Some(TokenKind::PipeReceive),
        [b'>', b'=', ..] => Some(TokenKind::Gte),
        [b'|', b'>', ..] => Some(TokenKind::PipeForward),
        _ => None,
    };
    if let Some(kind) = two {
        return Some((kind, 2));
    }
    let kind = match bytes.first()? {
        b'+' => TokenKind::Add,
        b'-' => TokenKind::Sub,
        b'*' => TokenKind::Mul,
        b'/' => TokenKind::Div,
        b'%' => TokenKind::Mod,
        b'^' => TokenKind::Pow,
        b'<' => TokenKind::Lt,
        b'>' => TokenKind::Gt,
        b'=' => TokenKind::Assign,
        b'(' => TokenKind::LParen,
        b')' => TokenKind::RParen,
        b'[' => TokenKind::LBrack,
        b']' => TokenKind::RBrack,
        b'{' => TokenKind::LBrace,
        b'}' => TokenKind::RBrace,
        b':' => TokenKind::Colon,
        b',' => TokenKind::Comma,
        b'.' => TokenKind::Dot,
        b'?' => TokenKind::QuestionMark,
        _ => return None,
    };
    Some((kind, 1))
}

/// Whether a text is an identifier or keyword, and nothing else.
pub(crate) fn is_name(text: &str) -> bool {
    let lexer = Lexer::new(text, 1);
    !text.is_empty() && lexer.word_length(0) == text.len()
}
