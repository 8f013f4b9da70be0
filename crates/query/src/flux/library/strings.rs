//! Package `strings`: the rules of Go's strings. Places are counted in bytes, except where a substring is cut out.

use crate::limits;

/// Splits at a separator. `count` is the largest number of parts: none for zero, all for a negative one. With `keep`
/// each part ends with its separator. An empty separator splits into characters.
pub(crate) fn split<'a>(text: &'a str, separator: &str, count: i64, keep: bool) -> Vec<&'a str> {
    if count == 0 {
        return Vec::new();
    }
    let parts_max = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() + 1 < parts_max {
        let (end, next) = if separator.is_empty() {
            match rest.char_indices().nth(1) {
                Some((next, _)) => (next, next),
                None => break,
            }
        } else {
            match rest.find(separator) {
                Some(at) => (if keep { at + separator.len() } else { at }, at + separator.len()),
                None => break,
            }
        };
        parts.push(&rest[..end]);
        rest = &rest[next..];
    }
    if !(separator.is_empty() && rest.is_empty()) {
        parts.push(rest);
    }
    parts
}

/// Replaces the first `count` places of `old`, all for a negative count. An empty `old` stands before every character
/// and at the end.
///
/// # Errors
/// The result is too long.
pub(crate) fn replace(text: &str, old: &str, new: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = text.matches(old).take(count).count();
    check_length(found.saturating_mul(new.len()).saturating_add(text.len()))?;
    Ok(text.replacen(old, new, count))
}

/// The text so many times.
///
/// # Errors
/// A negative number, or the result is too long.
pub(crate) fn repeat(text: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).map_err(|_| format!("cannot repeat a string {count} times"))?;
    check_length(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

/// # Errors
/// There are more bytes than a string may have.
pub(crate) fn check_length(bytes: usize) -> Result<(), String> {
    if bytes > limits::FLUX_STRING_BYTES {
        return Err(format!(
            "a string of {bytes} bytes is too long, at most {} are possible",
            limits::FLUX_STRING_BYTES
        ));
    }
    Ok(())
}

/// The characters from `start` up to `end`, both cut to the text.
pub(crate) fn substring(text: &str, start: i64, end: i64) -> &str {
    let place = |count: i64| {
        let count = usize::try_from(count).unwrap_or(0);
        text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
    };
    let (from, to) = (place(start), place(end));
    if from < to { &text[from..to] } else { "" }
}

/// How many characters.
pub(crate) fn length(text: &str) -> i64 {
    whole(text.chars().count())
}

/// The byte where `part` stands first, or -1.
pub(crate) fn index(text: &str, part: &str) -> i64 {
    text.find(part).map_or(-1, whole)
}

/// The byte where `part` stands last, or -1.
pub(crate) fn last_index(text: &str, part: &str) -> i64 {
    text.rfind(part).map_or(-1, whole)
}

/// The byte of the first of these characters, or -1.
pub(crate) fn index_any(text: &str, characters: &str) -> i64 {
    text.find(|character| characters.contains(character)).map_or(-1, whole)
}

/// The byte of the last of these characters, or -1.
pub(crate) fn last_index_any(text: &str, characters: &str) -> i64 {
    text.rfind(|character| characters.contains(character)).map_or(-1, whole)
}

/// How often `part` stands in the text without overlapping; an empty one once more than there are characters.
pub(crate) fn count(text: &str, part: &str) -> i64 {
    whole(text.matches(part).count())
}

/// -1, 0 or 1, by bytes.
pub(crate) fn compare(left: &str, right: &str) -> i64 {
    left.cmp(right) as i64
}

/// Whether the texts differ in case only.
pub(crate) fn equal_fold(left: &str, right: &str) -> bool {
    let fold = |character: char| lower(upper(character));
    left.chars().map(fold).eq(right.chars().map(fold))
}

/// Every character in upper case; one that would become several stays.
pub(crate) fn to_upper(text: &str) -> String {
    text.chars().map(upper).collect()
}

/// Every character in lower case.
pub(crate) fn to_lower(text: &str) -> String {
    text.chars().map(lower).collect()
}

/// Every character in title case.
pub(crate) fn to_title(text: &str) -> String {
    text.chars().map(title_case).collect()
}

/// The first letter of each word in title case.
pub(crate) fn title(text: &str) -> String {
    let mut is_behind_separator = true;
    let next = |character: char| {
        let cased = if is_behind_separator { title_case(character) } else { character };
        is_behind_separator = is_separator(character);
        cased
    };
    text.chars().map(next).collect()
}

/// What separates words: of ASCII all but letters, digits and the underscore, beyond it spaces only.
fn is_separator(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    !character.is_alphanumeric() && character.is_whitespace()
}

/// A test of a text of one byte.
///
/// # Errors
/// There are more or fewer bytes.
pub(crate) fn single(text: &str, test: fn(u8) -> bool) -> Result<bool, String> {
    match text.as_bytes() {
        [byte] => Ok(test(*byte)),
        _ => Err("\"v\" is not a valid argument: argument length is not equal to 1".to_owned()),
    }
}

/// Without the characters of `cutset` at the start, at the end, or both.
pub(crate) fn trim<'a>(text: &'a str, cutset: &str, start: bool, end: bool) -> &'a str {
    let is_cut = |character: char| cutset.contains(character);
    let text = if start { text.trim_start_matches(is_cut) } else { text };
    if end { text.trim_end_matches(is_cut) } else { text }
}

fn upper(character: char) -> char {
    only(character, character.to_uppercase())
}

fn lower(character: char) -> char {
    // Its full lower case has a dot of its own.
    if character == 'İ' { 'i' } else { only(character, character.to_lowercase()) }
}

fn title_case(character: char) -> char {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        // Georgian letters have capitals, but no title case.
        'ა'..='ჿ' => character,
        _ => upper(character),
    }
}

/// The one character of a mapping, or the character itself where there are several.
fn only(character: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        assert_eq!(split("a,b,c", ",", -1, false), ["a", "b", "c"]);
        assert_eq!(split("a,b,c", ",", 2, false), ["a", "b,c"]);
        assert_eq!(split("a,b,c", ",", 2, true), ["a,", "b,c"]);
        assert_eq!(split("a,b,", ",", -1, true), ["a,", "b,", ""]);
        assert_eq!(split("a,b", ",", 0, false), [""; 0]);
        assert_eq!(split("", ",", -1, false), [""]);
        assert_eq!(split("", "", -1, false), [""; 0]);
        assert_eq!(split("日本x", "", -1, false), ["日", "本", "x"]);
        assert_eq!(split("日本x", "", 2, false), ["日", "本x"]);
    }

    #[test]
    fn replaces_and_repeats() {
        assert_eq!(replace("oink oink oink", "k", "ky", 2).as_deref(), Ok("oinky oinky oink"));
        assert_eq!(replace("ab", "", "-", -1).as_deref(), Ok("-a-b-"));
        assert_eq!(replace("ab", "", "-", 2).as_deref(), Ok("-a-b"));
        assert_eq!(replace("aaa", "a", "b", 0).as_deref(), Ok("aaa"));
        assert_eq!(repeat("ab", 3).as_deref(), Ok("ababab"));
        assert!(repeat("ab", -1).is_err());
        assert!(repeat("ab", i64::MAX).is_err());
        assert!(replace("aaaa", "a", &"x".repeat(limits::FLUX_STRING_BYTES / 2), -1).is_err());
    }

    #[test]
    fn places_are_bytes_and_substrings_characters() {
        assert_eq!(index("日本", "本"), 3);
        assert_eq!(index("abc", "z"), -1);
        assert_eq!(index("abc", ""), 0);
        assert_eq!(last_index("go gopher", "go"), 3);
        assert_eq!(last_index("abc", ""), 3);
        assert_eq!(index_any("golang", "gy"), 0);
        assert_eq!(last_index_any("golang", "go"), 5);
        assert_eq!(index_any("golang", ""), -1);
        assert_eq!(substring("日本語", 1, 2), "本");
        assert_eq!(substring("hello", -3, 99), "hello");
        assert_eq!(substring("hello", 4, 2), "");
        assert_eq!(length("日本語"), 3);
        assert_eq!(count("cheese", "e"), 3);
        assert_eq!(count("five", ""), 5);
    }

    #[test]
    fn case() {
        assert_eq!(title("hello wOrld_x it's 5th ǆ"), "Hello WOrld_x It'S 5th ǅ");
        assert_eq!(to_title("ǳab"), "ǲAB");
        assert_eq!(to_upper("straße"), "STRAßE");
        assert_eq!(to_lower("İSTANBUL"), "istanbul");
        assert!(equal_fold("Go", "GO") && equal_fold("K", "k") && equal_fold("ſ", "S"));
        assert!(!equal_fold("ss", "ß"));
        assert_eq!(single("a", |byte| byte.is_ascii_lowercase()), Ok(true));
        assert!(single("ab", |byte| byte.is_ascii_lowercase()).is_err());
    }

    #[test]
    fn trims() {
        assert_eq!(trim("xxaxx", "x", true, true), "a");
        assert_eq!(trim("xyaxx", "xy", true, false), "axx");
        assert_eq!(trim("xyaxx", "xy", false, true), "xya");
        assert_eq!(trim("abc", "", true, true), "abc");
    }
}
