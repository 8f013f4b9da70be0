//! Text to tokens. Where a duration may stand is the parser's to know: `5m` is one token, `5` is a number.

use crate::parser::ParseError;

/// A token and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) at: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// A name of a metric, label or function, or a keyword.
    Word(String),
    Number(f64),
    /// In milliseconds.
    Duration(i64),
    Text(String),
    Sign(&'static str),
    End,
}

impl TokenKind {
    /// As a message calls it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("{word:?}"),
            Self::Number(number) => format!("number {number}"),
            Self::Duration(ms) => format!("duration of {ms} ms"),
            Self::Text(text) => format!("string {text:?}"),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "end of input".to_owned(),
        }
    }
}

/// Longer signs before those that they begin with.
const SIGNS: [&str; 26] = [
    "==", "!=", "=~", "!~", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ":", "+", "-", "*", "/", "%", "^", "<", ">",
    "=", "@", ";", "!",
];

/// Units of durations from the longest to the shortest, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// All tokens of a text; the last one is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, at: 0, in_brackets: false };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let at = lexer.at;
        let kind = lexer.next()?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token { kind, at });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Between `[` and `]` a colon parts range and step.
    in_brackets: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            let comment = if rest.get(blanks..).is_some_and(|rest| rest.starts_with('#')) {
                rest.get(blanks..).map_or(0, |rest| rest.find('\n').unwrap_or(rest.len()))
            } else {
                0
            };
            self.at += blanks + comment;
            if comment == 0 {
                return;
            }
        }
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn next(&mut self) -> Result<TokenKind, ParseError> {
        let Some(first) = self.rest().chars().next() else { return Ok(TokenKind::End) };
        let second = self.rest().chars().nth(1);
        if matches!(first, '"' | '\'' | '`') {
            return self.string(first);
        }
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if first.is_ascii_alphabetic()
            || first == '_'
            || (first == ':' && !self.in_brackets && second.is_some_and(is_word))
        {
            let word: String = self.rest().chars().take_while(|c| is_word(*c)).collect();
            self.at += word.len();
            return Ok(match word.to_ascii_lowercase().as_str() {
                "inf" => TokenKind::Number(f64::INFINITY),
                "nan" => TokenKind::Number(f64::NAN),
                _ => TokenKind::Word(word),
            });
        }
        match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            Some(sign) => {
                self.at += sign.len();
                match *sign {
                    "[" => self.in_brackets = true,
                    "]" => self.in_brackets = false,
                    _ => {}
                }
                Ok(TokenKind::Sign(sign))
            }
            None => Err(self.error(self.at, format!("unexpected character: {first:?}"))),
        }
    }

    /// A number (decimal, hexadecimal, with an exponent, with underscores between digits) or a duration.
    fn number(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let rest = self.rest();
        if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let length = digits.find(|c: char| !c.is_ascii_hexdigit() && c != '_').unwrap_or(digits.len());
            let number = u64::from_str_radix(&digits[..length].replace('_', ""), 16);
            let number = number.map_err(|_| self.error(start, "bad number or duration syntax"))?;
            self.at += 2 + length;
            return Ok(TokenKind::Number(number as f64));
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let mut length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        // The sign of an exponent.
        let ends_in_exponent = rest[..length].ends_with(['e', 'E']) && !rest[..length].contains(char::is_whitespace);
        if ends_in_exponent && rest[length..].starts_with(['+', '-']) {
            let digits = &rest[length + 1..];
            length += 1 + digits.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(digits.len());
        }
        let word = rest[..length].to_owned();
        self.at += length;
        if let Some(ms) = duration(&word) {
            return ms.map(TokenKind::Duration).map_err(|message| self.error(start, message));
        }
        let is_number = word.chars().all(|c| c.is_ascii_digit() || "._eE+-".contains(c));
        match word.replace('_', "").parse() {
            Ok(number) if is_number => Ok(TokenKind::Number(number)),
            _ => Err(self.error(start, format!("bad number or duration syntax: {word:?}"))),
        }
    }

    fn string(&mut self, quote: char) -> Result<TokenKind, ParseError> {
        let start = self.at;
        self.at += 1;
        let mut value = Vec::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error(start, "unterminated quoted string"));
            };
            self.at += c.len_utf8();
            match c {
                _ if c == quote => break,
                '\n' if quote != '`' => return Err(self.error(start, "unterminated quoted string")),
                '\\' if quote != '`' => self.escape(quote, &mut value)?,
                _ => value.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        match String::from_utf8(value) {
            Ok(value) => Ok(TokenKind::Text(value)),
            Err(_) => Err(self.error(start, "the string is not UTF-8")),
        }
    }

    /// What stands behind a backslash, as in Go.
    fn escape(&mut self, quote: char, value: &mut Vec<u8>) -> Result<(), ParseError> {
        let at = self.at - 1;
        let unknown = |lexer: &Self| lexer.error(at, "unknown escape sequence");
        let Some(c) = self.rest().chars().next() else { return Err(unknown(self)) };
        self.at += c.len_utf8();
        let byte = match c {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            _ if c == quote => Some(c as u8),
            _ => None,
        };
        if let Some(byte) = byte {
            value.push(byte);
            return Ok(());
        }
        let (digits, radix) = match c {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(unknown(self)),
        };
        let number = self.rest().get(..digits).and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let number = number.ok_or_else(|| unknown(self))?;
        self.at += digits;
        if matches!(c, 'u' | 'U') {
            let c = char::from_u32(number).ok_or_else(|| unknown(self))?;
            value.extend(c.encode_utf8(&mut [0; 4]).bytes());
        } else {
            value.push(u8::try_from(number).map_err(|_| unknown(self))?);
        }
        Ok(())
    }
}

/// A duration such as `1h30m`, in milliseconds; `None` if the text has not the form of one.
fn duration(word: &str) -> Option<Result<i64, &'static str>> {
    let mut rest = word;
    let mut units = UNITS.iter();
    let mut total: i64 = 0;
    let mut overflowed = false;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit()).filter(|length| *length > 0)?;
        let (digits, after) = rest.split_at(length);
        let unit_length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        // Each unit once, and only behind longer ones.
        let (_, ms) = units.find(|(name, _)| *name == unit)?;
        match digits.parse::<i64>().ok().and_then(|count| count.checked_mul(*ms)?.checked_add(total)) {
            Some(sum) => total = sum,
            None => overflowed = true,
        }
        rest = after;
    }
    Some(if overflowed { Err("duration out of range") } else { Ok(total) })
}

/// A duration, as parameters of requests have it.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    duration(text)?.ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn numbers_and_durations() {
        use TokenKind::{Duration, End, Number};
        assert_eq!(
            kinds("1 .5 5. 1e3 1E-3 0x1F 1_000 +1.5"),
            [
                Number(1.0),
                Number(0.5),
                Number(5.0),
                Number(1000.0),
                Number(0.001),
                Number(31.0),
                Number(1000.0),
                TokenKind::Sign("+"),
                Number(1.5),
                End
            ]
        );
        assert_eq!(
            kinds("1ms 5m 1h30m 2y1w"),
            [Duration(1), Duration(300_000), Duration(5_400_000), Duration((2 * 365 + 7) * 86_400_000), End]
        );
        for text in ["1m1h", "5x", "1mm", "1.5m", "1e", "9223372036854775807y"] {
            assert!(tokens(text).is_err(), "{text}");
        }
        assert!(matches!(kinds("Inf nan")[..], [Number(a), Number(b), End] if a.is_infinite() && b.is_nan()));
    }

    #[test]
    fn strings_and_comments() {
        let text = |text: &str| TokenKind::Text(text.to_owned());
        assert_eq!(
            kinds("\"a\\n\\x41\\u00e9\\\"\" # c\n 'b\\'' `\\n`"),
            [text("a\nAé\""), text("b'"), text("\\n"), TokenKind::End]
        );
        for text in ["\"a", "'a\n'", "\"\\q\"", "\"\\400\"", "\"\\xff\""] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_and_signs() {
        let word = |word: &str| TokenKind::Word(word.to_owned());
        let error = tokens("a €").unwrap_err().to_string();
        assert!(error.contains("unexpected character: '€'"), "{error}");
        assert_eq!(kinds("a:b_1 !="), [word("a:b_1"), TokenKind::Sign("!="), TokenKind::End]);
    }
}
