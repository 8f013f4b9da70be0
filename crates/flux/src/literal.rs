//! The text of a literal to its value. It never looks at what stands around it.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};

use crate::ast::{Duration, DurationUnit};

/// A string literal with its quotes to its value; the error is the message.
pub(crate) fn string(literal: &str) -> Result<String, String> {
    match literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(content) => text(content),
        None => Err("invalid string literal".to_owned()),
    }
}

/// The content of a string to its value.
pub(crate) fn text(content: &str) -> Result<String, String> {
    if !content.contains('\\') {
        return Ok(content.to_owned());
    }
    let mut value = Vec::with_capacity(content.len());
    let mut rest = content.chars();
    let mut buffer = [0; 4];
    while let Some(character) = rest.next() {
        if character != '\\' {
            value.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        match rest.next() {
            Some('n') => value.push(b'\n'),
            Some('r') => value.push(b'\r'),
            Some('t') => value.push(b'\t'),
            Some(escaped @ ('\\' | '"' | '$')) => value.push(escaped as u8),
            Some('x') => value.push(hexadecimal_byte(&mut rest)?),
            Some(other) => return Err(format!("invalid escape character {other}")),
            None => return Err("invalid escape sequence".to_owned()),
        }
    }
    String::from_utf8(value).map_err(|error| error.utf8_error().to_string())
}

fn hexadecimal_byte(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    let high = rest.next().ok_or("\\x followed by 0 char, must be 2")?;
    let low = rest.next().ok_or("\\x followed by 1 char, must be 2")?;
    match (high.to_digit(16), low.to_digit(16)) {
        (Some(high), Some(low)) => u8::try_from(high << 4 | low).map_err(|error| error.to_string()),
        _ => Err("invalid byte value".to_owned()),
    }
}

/// The content of a string from its value: what [`text`] reads back. `at_end` says whether the string ends behind it;
/// otherwise an interpolation follows.
pub(crate) fn escape(value: &str, at_end: bool) -> String {
    let mut content = String::with_capacity(value.len());
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('"' | '\\', _) => {
                content.push('\\');
                content.push(character);
            }
            ('$', Some('{')) => content.push_str("\\$"),
            // A `$` takes the next byte along: it must not be one that means something.
            ('$', Some('$' | '"' | '\\')) => content.push_str("\\x24"),
            ('$', None) if !at_end => content.push_str("\\x24"),
            _ => content.push(character),
        }
    }
    content
}

/// A regular expression with its slashes to its pattern.
pub(crate) fn regexp(literal: &str) -> String {
    let content = literal.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).unwrap_or_default();
    content.replace("\\/", "/")
}

/// A date, or a date with time and offset, to its moment; none if there is no such day or no offset.
pub(crate) fn time(literal: &str) -> Option<DateTime<FixedOffset>> {
    if literal.contains('T') {
        return DateTime::parse_from_rfc3339(literal).ok();
    }
    let midnight = NaiveDate::parse_from_str(literal, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN);
    Some(midnight.and_utc().fixed_offset())
}

/// `1h30m` to its parts; none if a number is too large.
pub(crate) fn duration(literal: &str) -> Option<Vec<Duration>> {
    let mut values = Vec::with_capacity(1);
    let mut rest = literal;
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|character: char| !character.is_ascii_digit())?);
        let (unit, behind) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        values.push(Duration { magnitude: digits.parse().ok()?, unit: DurationUnit::from_text(unit)? });
        rest = behind;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_string(literal: &str, expected: Result<&str, &str>) {
        assert_eq!(string(literal).as_deref().map_err(String::as_str), expected, "{literal}");
    }

    #[test]
    fn strings() {
        check_string(r#""""#, Ok(""));
        check_string(r#""a$b""#, Ok("a$b"));
        check_string(r#""\n\r\t\\\"\${""#, Ok("\n\r\t\\\"${"));
        check_string(r#""\xe6\x97\xa5""#, Ok("日"));
        check_string(r#""\xE6\x97\xA5é""#, Ok("日é"));
        check_string(r#""\xe6""#, Err("incomplete utf-8 byte sequence from index 0"));
        check_string(r#""\xzz""#, Err("invalid byte value"));
        check_string(r#""\x1"#, Err("invalid string literal"));
        check_string(r#""\x1""#, Err("\\x followed by 1 char, must be 2"));
        check_string(r#""\d""#, Err("invalid escape character d"));
    }

    #[test]
    fn escapes_are_read_back() {
        for value in ["", "a\"b\\", "${a}", "$$", "$\"", "$\\", "$", "\n\t", "日$x", "$${"] {
            assert_eq!(text(&escape(value, true)).as_deref(), Ok(value), "{value}");
            assert_eq!(text(&escape(value, false)).as_deref(), Ok(value), "{value}");
        }
    }

    fn check_time(literal: &str, expected: Option<&str>) {
        assert_eq!(time(literal).map(|time| time.to_rfc3339()).as_deref(), expected, "{literal}");
    }

    #[test]
    fn times() {
        check_time("2026-04-01", Some("2026-04-01T00:00:00+00:00"));
        check_time("2026-04-01T10:20:30Z", Some("2026-04-01T10:20:30+00:00"));
        check_time("2026-04-01T10:20:30.5+02:00", Some("2026-04-01T10:20:30.500+02:00"));
        check_time("2026-04-01T10:20:30", None);
        check_time("2026-02-30", None);
        check_time("2026-04-01T25:00:00Z", None);
    }

    fn check_duration(literal: &str, expected: Option<&[(i64, &str)]>) {
        let values = duration(literal);
        let values: Option<Vec<_>> =
            values.map(|values| values.iter().map(|d| (d.magnitude, d.unit.as_str())).collect());
        assert_eq!(values.as_deref(), expected, "{literal}");
    }

    #[test]
    fn durations() {
        check_duration("1h", Some(&[(1, "h")]));
        check_duration("1y2mo3w4d", Some(&[(1, "y"), (2, "mo"), (3, "w"), (4, "d")]));
        check_duration("5h6m7s8ms9us1ns", Some(&[(5, "h"), (6, "m"), (7, "s"), (8, "ms"), (9, "us"), (1, "ns")]));
        check_duration("9µs", Some(&[(9, "us")]));
        check_duration("99999999999999999999h", None);
    }
}
