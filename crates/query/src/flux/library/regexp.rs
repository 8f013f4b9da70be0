//! Package `regexp`: expressions of RE2 on Rust's engine, and the functions of Go's regexp over them.

use regex::{Regex, RegexBuilder};

use crate::limits;

/// A compiled expression, which remembers how it was written.
#[derive(Debug)]
pub struct Regexp {
    pattern: String,
    regex: Regex,
}

impl Regexp {
    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

impl std::ops::Deref for Regexp {
    type Target = Regex;

    fn deref(&self) -> &Regex {
        &self.regex
    }
}

/// Compiles an expression as RE2 reads it.
///
/// # Errors
/// The message of Go for the commonest mistakes, otherwise what the engine says.
pub(crate) fn compile(pattern: &str) -> Result<Regexp, String> {
    let translated = translate(pattern)?;
    let built = RegexBuilder::new(&translated).size_limit(limits::REGEX_BYTES).build();
    built.map(|regex| Regexp { pattern: pattern.to_owned(), regex }).map_err(|error| match error {
        regex::Error::CompiledTooBig(bytes) => {
            format!("error parsing regexp: expression is too large, at most {bytes} bytes are possible: `{pattern}`")
        }
        error => format!("error parsing regexp: {}", explain(&error.to_string(), pattern)),
    })
}

/// The engine's message in one line, or Go's where they mean the same.
fn explain(message: &str, pattern: &str) -> String {
    let cause = message.lines().last().unwrap_or(message).trim_start_matches("error: ");
    match cause {
        "unclosed group" => format!("missing closing ): `{pattern}`"),
        "unopened group" => format!("unexpected ): `{pattern}`"),
        "unclosed character class" => format!("missing closing ]: `{pattern}`"),
        "repetition operator missing expression" => format!("missing argument to repetition operator: `{pattern}`"),
        cause => format!("{cause}: `{pattern}`"),
    }
}

/// An expression of RE2 as Rust's engine writes it: classes and word boundaries are those of ASCII, `\Q..\E` quotes,
/// digits behind a backslash are octal, and within a class there are no operators.
fn translate(pattern: &str) -> Result<String, String> {
    let mut output = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    let mut is_in_class = false;
    let mut is_class_start = false;
    while let Some(character) = rest.next() {
        let was_class_start = std::mem::take(&mut is_class_start);
        match character {
            '\\' => {
                let escaped = rest.next().ok_or_else(|| {
                    format!("error parsing regexp: trailing backslash at end of expression: `{pattern}`")
                })?;
                escape(escaped, is_in_class, &mut rest, &mut output);
            }
            '[' if !is_in_class => {
                is_in_class = true;
                is_class_start = true;
                output.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    output.push('^');
                }
            }
            '[' if rest.peek() == Some(&':') => copy_posix_class(&mut rest, &mut output),
            ']' if is_in_class && was_class_start => output.push_str("\\]"),
            ']' => {
                is_in_class = false;
                output.push(']');
            }
            '[' | '&' | '~' if is_in_class => output.extend(['\\', character]),
            '-' if is_in_class && rest.peek() == Some(&'-') => output.push_str("\\-"),
            '{' if !is_in_class && !is_repetition(rest.clone()) => output.push_str("\\{"),
            _ => output.push(character),
        }
    }
    Ok(output)
}

fn copy_posix_class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, output: &mut String) {
    output.push('[');
    for character in rest.by_ref() {
        output.push(character);
        if character == ']' {
            break;
        }
    }
}

/// Whether what follows a brace is `n}`, `n,}` or `n,m}`.
fn is_repetition(rest: impl Iterator<Item = char>) -> bool {
    let inside: String = rest.take_while(|character| *character != '}').take(10).collect();
    let (low, high) = inside.split_once(',').unwrap_or((&inside, ""));
    let is_number = |text: &str| text.chars().all(|character| character.is_ascii_digit());
    !low.is_empty() && is_number(low) && is_number(high)
}

fn escape(escaped: char, is_in_class: bool, rest: &mut std::iter::Peekable<std::str::Chars<'_>>, output: &mut String) {
    match (escaped, is_in_class) {
        ('d', false) => output.push_str("[0-9]"),
        ('d', true) => output.push_str("0-9"),
        ('w', false) => output.push_str("[0-9A-Za-z_]"),
        ('w', true) => output.push_str("0-9A-Za-z_"),
        ('s', false) => output.push_str("[\\t\\n\\f\\r ]"),
        ('s', true) => output.push_str("\\t\\n\\f\\r "),
        ('D', _) => output.push_str("[^0-9]"),
        ('W', _) => output.push_str("[^0-9A-Za-z_]"),
        ('S', _) => output.push_str("[^\\t\\n\\f\\r ]"),
        ('b', false) => output.push_str("(?-u:\\b)"),
        ('B', false) => output.push_str("(?-u:\\B)"),
        ('Q', _) => {
            let mut quoted = String::new();
            while let Some(character) = rest.next() {
                if character == '\\' && rest.next_if_eq(&'E').is_some() {
                    break;
                }
                quoted.push(character);
            }
            output.push_str(&regex::escape(&quoted));
        }
        ('0'..='7', _) => {
            let mut code = escaped.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                match rest.next_if(|character| character.is_digit(8)).and_then(|digit| digit.to_digit(8)) {
                    Some(digit) => code = code * 8 + digit,
                    None => break,
                }
            }
            output.push_str(&format!("\\x{{{code:x}}}"));
        }
        _ => output.extend(['\\', escaped]),
    }
}

/// The parts between matches: none for a count of zero, at most so many for a positive one.
pub(crate) fn split<'a>(expression: &Regex, text: &'a str, count: i64) -> Vec<&'a str> {
    if count == 0 {
        return Vec::new();
    }
    if text.is_empty() && !expression.as_str().is_empty() {
        return vec![""];
    }
    let parts_max = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for found in expression.find_iter(text).take(parts_max) {
        if parts.len() + 1 == parts_max {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[start..end]);
        }
        start = found.end();
    }
    if end != text.len() {
        parts.push(&text[start..]);
    }
    parts
}

/// The text with a backslash before everything that an expression reads as an operator.
pub(crate) fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\.+*?()|[]{}^$".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let expression = compile(pattern).unwrap();
        for text in matching {
            assert!(expression.is_match(text), "{pattern} {text}");
        }
        for text in others {
            assert!(!expression.is_match(text), "{pattern} {text}");
        }
    }

    #[test]
    fn classes_are_those_of_re2() {
        check(r"^\d$", &["7"], &["٧", "a"]);
        check(r"^\w+$", &["a_9"], &["é"]);
        check(r"^[\w.]+$", &["a.b"], &["a-b"]);
        check(r"^[\D]$", &["a", "é"], &["7"]);
        check(r"^\s$", &[" ", "\t"], &["\u{a0}", "\u{b}"]);
        check(r"^[[a]$", &["[", "a"], &["b"]);
        check(r"^[]a]$", &["]", "a"], &["b"]);
        check(r"^[^]a]$", &["b"], &["]", "a"]);
        check(r"^[a&&b]+$", &["a&b"], &["c"]);
        check(r"^[[:alpha:]~]+$", &["a~"], &["1"]);
        check(r"^[a-c--]$", &["-", "b"], &["d"]);
    }

    #[test]
    fn escapes_are_those_of_re2() {
        check(r"^\Qa.b\E.$", &["a.bx"], &["aXbx"]);
        check(r"\bfoo\b", &["a foo b"], &["afoo"]);
        check(r"o\B", &["oo"], &["o"]);
        check(r"^\101\z", &["A"], &["B"]);
        check(r"^\pN\x41$", &["5A"], &["aA"]);
        check(r"^a{,2}$", &["a{,2}"], &["aa"]);
        check(r"^a{2,3}$", &["aa", "aaa"], &["a"]);
        check(r"(?i)^abc$", &["ABC"], &["ab"]);
        check(r"(?P<n>a)(?U:b+)", &["ab"], &["b"]);
        check(r"^\.\/$", &["./"], &["a/"]);
    }

    #[test]
    fn mistakes_have_the_words_of_go() {
        for (pattern, message) in [
            ("a(b", "error parsing regexp: missing closing ): `a(b`"),
            ("[a", "error parsing regexp: missing closing ]: `[a`"),
            ("*a", "error parsing regexp: missing argument to repetition operator: `*a`"),
            ("a\\", "error parsing regexp: trailing backslash at end of expression: `a\\`"),
        ] {
            assert_eq!(compile(pattern).map(|_| ()), Err(message.to_owned()));
        }
        assert!(compile(r"(\pL{1000}){1000}").is_err_and(|message| message.contains("too large")));
    }

    #[test]
    fn splits() {
        let check = |pattern: &str, text: &str, count: i64, expected: &[&str]| {
            assert_eq!(split(&compile(pattern).unwrap(), text, count), expected, "{pattern} {text} {count}");
        };
        check("a*", "abaabaccadaaae", 5, &["", "b", "b", "c", "cadaaae"]);
        check(",", "a,b,c", -1, &["a", "b", "c"]);
        check(",", "a,b,c", 2, &["a", "b,c"]);
        check(",", "a,b,c", 0, &[]);
        check(",", "", -1, &[""]);
        check("", "ab", -1, &["a", "b"]);
        check(",", ",a,", -1, &["", "a", ""]);
    }

    #[test]
    fn quotes() {
        assert_eq!(quote_meta("a.b[c]-$"), "a\\.b\\[c\\]-\\$");
        assert!(compile(&quote_meta("a.b[c]-$")).unwrap().is_match("a.b[c]-$"));
    }
}
