//! The other direction: names and values as they are written in a line. Pure.
//!
//! What the parser reads from these texts is what was given, for every name and value that a line can hold. A name that
//! ends in a backslash, or holds a line break, cannot be written in any way; no line ever made one.

/// Appends a measurement.
pub fn push_measurement(line: &mut String, name: &str) {
    push_escaped(line, name, &[',', ' ']);
}

/// Appends a tag key, a tag value or a field key.
pub fn push_name(line: &mut String, name: &str) {
    push_escaped(line, name, &[',', ' ', '=']);
}

/// Appends a string value with its quotation marks.
pub fn push_string(line: &mut String, value: &str) {
    line.push('"');
    push_escaped(line, value, &['"', '\\']);
    line.push('"');
}

/// Appends a float with the fewest digits that are exact.
pub fn push_float(line: &mut String, value: f64) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail.
    let _ = write!(line, "{value:?}");
}

/// A backslash before each of these characters; any other backslash stands for itself.
fn push_escaped(line: &mut String, text: &str, special: &[char]) {
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        let (before, after) = rest.split_at(at);
        line.push_str(before);
        line.push('\\');
        let length = after.chars().next().map_or(0, char::len_utf8);
        line.push_str(after.get(..length).unwrap_or_default());
        rest = after.get(length..).unwrap_or_default();
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_escaped_as_the_parser_unescapes_them() {
        for name in ["m", "a b,c=d", "back\\slash", "a\\,b", "\\ x", "quote\"", "ü =", "n\\n"] {
            let (mut measurement, mut key) = (String::new(), String::new());
            push_measurement(&mut measurement, name);
            push_name(&mut key, name);
            assert_eq!(crate::key::unescape_measurement(&measurement), name, "{measurement}");
            assert_eq!(crate::key::unescape_name(&key), name, "{key}");
        }
        let mut text = String::new();
        push_string(&mut text, "a\"b\\c\nd");
        assert_eq!(text, "\"a\\\"b\\\\c\nd\"");
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            let mut text = String::new();
            push_float(&mut text, value);
            assert_eq!(text, expected);
        }
    }
}
