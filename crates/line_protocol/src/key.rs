//! The key of a line: measurement and tag set as written, up to the first unescaped space. Finds its end, splits it,
//! unescapes names. Knows no tables.
//!
//! One rule holds for all names: a delimiter is escaped if the byte right before it is a backslash; unescaping drops
//! that backslash, any other one stays. So a name has exactly one spelling, and raw names can be compared instead of
//! unescaped ones.

use memchr::{memchr, memchr2};

use crate::error::Cause;

/// A cause and where it was noticed, as a byte position in the body.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Position in the body.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) cause: Cause,
}

impl Fault {
    /// A fault.
    #[cold]
    pub(crate) fn new(at: usize, cause: Cause) -> Self {
        Self { at, cause }
    }
}

/// Where the raw parts of one tag lie in the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawTag {
    /// Index of the tag key if the caller's guess was right.
    pub(crate) guessed: Option<u32>,
    /// First byte of the key.
    pub(crate) key_start: usize,
    /// The `=`.
    pub(crate) key_end: usize,
    /// First byte of the value.
    pub(crate) value_start: usize,
    /// One past the last byte of the value.
    pub(crate) value_end: usize,
    /// Whether the value holds a backslash.
    pub(crate) escaped: bool,
}

/// Tag keys that the store uses itself. InfluxDB also reserves the byte 0xff, which is not UTF-8 anyway.
pub(crate) const RESERVED_TAG_KEYS: [&str; 4] = ["_field", "_measurement", "time", "\0"];

/// Skips what InfluxDB skips before each part of a line: spaces, tabs and NULs.
#[inline(always)]
pub(crate) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | 0) = bytes.get(at) {
        at += 1;
    }
    at
}

/// The position of the unescaped space that ends the key, or of the line break or the end of the body before it.
#[inline(always)]
pub(crate) fn key_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(offset) = memchr2(b' ', b'\n', rest) else {
            return bytes.len();
        };
        let found = at + offset;
        let escaped = found > start && bytes.get(found - 1) == Some(&b'\\') && bytes.get(found) == Some(&b' ');
        if !escaped {
            return found;
        }
        at = found + 1;
    }
}

/// The end of the measurement: the first unescaped comma of the key, or the key's end.
#[inline(always)]
pub(crate) fn measurement_end(bytes: &[u8], start: usize, end: usize) -> usize {
    let mut at = start;
    loop {
        let rest = bytes.get(at..end).unwrap_or_default();
        let Some(offset) = memchr(b',', rest) else { return end };
        let found = at + offset;
        if found == start || bytes.get(found - 1) != Some(&b'\\') {
            return found;
        }
        at = found + 1;
    }
}

/// Splits one tag that starts at `start` in a key that ends at `end`. `guess` is the raw tag key expected here, with
/// its `=`, and its index. The value ends at a comma or at `end`.
#[inline(always)]
pub(crate) fn raw_tag(bytes: &[u8], start: usize, end: usize, guess: Option<(&[u8], u32)>) -> Result<RawTag, Fault> {
    let rest = bytes.get(start..end).unwrap_or_default();
    let (guessed, key_end) = match guess {
        Some((raw, index)) if rest.starts_with(raw) => (Some(index), start + raw.len() - 1),
        _ => (None, tag_key_end(bytes, start, end)?),
    };
    let value_start = key_end + 1;
    let mut at = value_start;
    let mut escaped = false;
    let value = bytes.get(value_start..end).unwrap_or_default();
    for (offset, &byte) in value.iter().enumerate() {
        // One comparison sorts out nearly all bytes of nearly all values.
        if TAG_VALUE_STOPS[byte as usize] {
            match byte {
                b'\\' => escaped = true,
                _ if offset > 0 && value.get(offset - 1) == Some(&b'\\') => {}
                b'=' => return Err(Fault::new(value_start + offset, Cause::InvalidTagFormat)),
                _ => {
                    at = value_start + offset;
                    return finish_tag(RawTag {
                        guessed,
                        key_start: start,
                        key_end,
                        value_start,
                        value_end: at,
                        escaped,
                    });
                }
            }
        }
        at = value_start + offset + 1;
    }
    finish_tag(RawTag { guessed, key_start: start, key_end, value_start, value_end: at, escaped })
}

/// The bytes of a tag value that need a closer look.
const TAG_VALUE_STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    stops[b',' as usize] = true;
    stops[b'=' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

/// Refuses an empty value.
#[inline(always)]
fn finish_tag(tag: RawTag) -> Result<RawTag, Fault> {
    if tag.value_start == tag.value_end {
        return Err(Fault::new(tag.value_end, Cause::MissingTagValue));
    }
    Ok(tag)
}

/// The unescaped `=` that ends a tag key.
fn tag_key_end(bytes: &[u8], start: usize, end: usize) -> Result<usize, Fault> {
    let key = bytes.get(start..end).unwrap_or_default();
    if matches!(key.first(), None | Some(b',' | b'=')) {
        return Err(Fault::new(start, Cause::MissingTagKey));
    }
    let mut previous = 0;
    for (offset, &byte) in key.iter().enumerate() {
        if previous != b'\\' {
            match byte {
                b'=' => return Ok(start + offset),
                b',' => return Err(Fault::new(start + offset, Cause::MissingTagValue)),
                _ => {}
            }
        }
        previous = byte;
    }
    Err(Fault::new(end, Cause::MissingTagValue))
}

/// Drops the backslash before each of the given delimiters.
pub(crate) fn unescape(raw: &str, delimiters: &[char]) -> String {
    let mut name = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        name.push_str(before);
        if !after.starts_with(delimiters) {
            name.push('\\');
        }
        // The delimiter itself is taken over here, so that a backslash never hides the next one.
        let mut characters = after.chars();
        if after.starts_with(delimiters)
            && let Some(delimiter) = characters.next()
        {
            name.push(delimiter);
        }
        rest = characters.as_str();
    }
    name.push_str(rest);
    name
}

/// Unescapes a measurement: `\,` and `\ `.
pub(crate) fn unescape_measurement(raw: &str) -> String {
    unescape(raw, &[',', ' '])
}

/// Unescapes a tag key, tag value or field key: `\,`, `\ ` and `\=`.
pub(crate) fn unescape_name(raw: &str) -> String {
    unescape(raw, &[',', ' ', '='])
}
