//! The text forms of DuckLake's statistics, as DuckDB writes and parses them, and how bounds are merged.
//!
//! A bound that is stored is never tighter than the values: a reader that skips a file by it loses no row. Where no
//! such text exists the bound is left out. The engine's own pruning does not use these texts.

use std::cmp::Ordering;

use chrono::DateTime;
use line_protocol::FieldKind;

use crate::table::{ColumnKind, StatisticsValue};

/// Text bounds are cut to this many bytes: statistics are for pruning, and a string may have a megabyte.
const TEXT_LIMIT_BYTES: usize = 64;

/// 1677-09-22T00:00:00Z: DuckDB 1.5.5 cannot parse an earlier timestamp with nanoseconds.
const EARLIEST_TIME_NS: i64 = -9_223_286_400_000_000_000;

/// Smallest and largest value in text form, each `None` if it cannot be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// No value is smaller.
    pub(super) min: Option<String>,
    /// No value is larger.
    pub(super) max: Option<String>,
}

impl Bounds {
    /// The bounds of a range that was measured; without one, nothing can be said.
    pub(super) fn of(range: Option<&(StatisticsValue, StatisticsValue)>) -> Self {
        range.map_or_else(Self::default, |(min, max)| Self { min: lower_bound(min), max: upper_bound(max) })
    }

    /// These bounds if both are known, otherwise none: what the statistics of a table must be. DuckDB 1.5.5 takes a
    /// filter to be always true or false when a table has the one without the other (seen with a time near the upper
    /// limit). The statistics of files may have one.
    pub(super) fn both_or_none(self) -> Self {
        if self.min.is_some() && self.max.is_some() { self } else { Self::default() }
    }

    /// The bounds of both sets of values together, which both have at least one value.
    pub(super) fn merge(self, other: Self, kind: Option<ColumnKind>) -> Self {
        Self {
            min: outer(self.min, other.min, kind, Ordering::Less),
            max: outer(self.max, other.max, kind, Ordering::Greater),
        }
    }
}

/// The one of two bounds that lies farther out; `None` as soon as one is not known.
fn outer(left: Option<String>, right: Option<String>, kind: Option<ColumnKind>, outward: Ordering) -> Option<String> {
    let (left, right) = (left?, right?);
    // A text that does not parse was not written by us, so that nothing can be said.
    let order = compare(&right, &left, kind)?;
    Some(if order == outward { right } else { left })
}

/// The order of two bounds of a column; `None` for the kind is the time column.
fn compare(left: &str, right: &str, kind: Option<ColumnKind>) -> Option<Ordering> {
    match kind {
        Some(ColumnKind::Field(FieldKind::Float)) => {
            Some(left.parse::<f64>().ok()?.total_cmp(&right.parse::<f64>().ok()?))
        }
        Some(ColumnKind::Field(FieldKind::Integer | FieldKind::Unsigned)) => {
            Some(left.parse::<i128>().ok()?.cmp(&right.parse::<i128>().ok()?))
        }
        // Four-digit years, fixed widths and a fraction without trailing zeros: times order as their texts do.
        None | Some(ColumnKind::Tag | ColumnKind::Field(FieldKind::String | FieldKind::Boolean)) => {
            Some(left.cmp(right))
        }
    }
}

fn lower_bound(value: &StatisticsValue) -> Option<String> {
    match value {
        StatisticsValue::Text(text) => Some(text_prefix(text).to_owned()),
        // Both zeros are equal to DuckDB; other readers put -0.0 first.
        StatisticsValue::Float(zero) if *zero == 0.0 => Some("-0.0".to_owned()),
        other => exact(other),
    }
}

fn upper_bound(value: &StatisticsValue) -> Option<String> {
    match value {
        StatisticsValue::Text(text) => text_upper_bound(text),
        StatisticsValue::Float(zero) if *zero == 0.0 => Some("0.0".to_owned()),
        StatisticsValue::Time(time_ns) => time_text((*time_ns).max(EARLIEST_TIME_NS)),
        other => exact(other),
    }
}

/// The text of a value that is stored as it is.
fn exact(value: &StatisticsValue) -> Option<String> {
    match value {
        StatisticsValue::Time(time_ns) => time_text(*time_ns),
        StatisticsValue::Float(float) => float_text(*float),
        StatisticsValue::Integer(integer) => Some(integer.to_string()),
        StatisticsValue::Unsigned(integer) => Some(integer.to_string()),
        StatisticsValue::Boolean(boolean) => Some(if *boolean { "1" } else { "0" }.to_owned()),
        StatisticsValue::Text(_) => None,
    }
}

/// `YYYY-MM-DD HH:MM:SS` with a fraction of up to nine digits where there is one.
fn time_text(time_ns: i64) -> Option<String> {
    if time_ns < EARLIEST_TIME_NS {
        return None;
    }
    let time = DateTime::from_timestamp_nanos(time_ns);
    let whole = time.format("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = format!("{:09}", time_ns.rem_euclid(1_000_000_000));
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") })
}

/// The shortest digits that parse to the same float, with an exponent below 1e-4 and from 1e16 on.
fn float_text(float: f64) -> Option<String> {
    if float.is_nan() {
        return None;
    }
    let magnitude = float.abs();
    if magnitude.is_infinite() || magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return Some(format!("{float:?}"));
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e')?;
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    Some(format!("{digits}e{sign}{exponent:0>2}"))
}

/// The part of a text that a bound keeps: whole characters, and none from a U+0000 on, which PostgreSQL cannot hold.
fn text_prefix(text: &str) -> &str {
    let kept = text.floor_char_boundary(TEXT_LIMIT_BYTES);
    let kept = text.get(..kept).unwrap_or_default();
    kept.split('\0').next().unwrap_or_default()
}

/// The text itself if it is kept whole, otherwise a short text above everything that starts with the kept part: its
/// last character that has a successor is replaced by it. `None` if there is no such character.
fn text_upper_bound(text: &str) -> Option<String> {
    let prefix = text_prefix(text);
    if prefix.len() == text.len() {
        return Some(text.to_owned());
    }
    let (position, successor) =
        prefix.char_indices().rev().find_map(|(position, character)| Some((position, successor(character)?)))?;
    let mut bound = prefix.get(..position)?.to_owned();
    bound.push(successor);
    Some(bound)
}

/// The next character in the order of code points, which is also that of UTF-8's bytes.
fn successor(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_duckdbs_text() {
        use StatisticsValue::{Boolean, Float, Integer, Time, Unsigned};
        let cases: &[(StatisticsValue, Option<&str>)] = &[
            (Time(0), Some("1970-01-01 00:00:00")),
            (Time(-1), Some("1969-12-31 23:59:59.999999999")),
            (Time(1), Some("1970-01-01 00:00:00.000000001")),
            (Time(1_577_836_800_123_456_789), Some("2020-01-01 00:00:00.123456789")),
            (Time(500_000_000), Some("1970-01-01 00:00:00.5")),
            (Time(i64::MAX - 1), Some("2262-04-11 23:47:16.854775806")),
            (Time(EARLIEST_TIME_NS), Some("1677-09-22 00:00:00")),
            (Float(1.5), Some("1.5")),
            (Float(100.0), Some("100.0")),
            (Float(1e-4), Some("0.0001")),
            (Float(1e-5), Some("1e-05")),
            (Float(-1.25e-7), Some("-1.25e-07")),
            (Float(1e15), Some("1000000000000000.0")),
            (Float(1e16), Some("1e+16")),
            (Float(123_456_789_012_345_678.0), Some("1.2345678901234568e+17")),
            (Float(f64::MAX), Some("1.7976931348623157e+308")),
            (Float(5e-324), Some("5e-324")),
            (Float(f64::INFINITY), Some("inf")),
            (Float(f64::NEG_INFINITY), Some("-inf")),
            (Float(f64::NAN), None),
            (Integer(i64::MIN), Some("-9223372036854775808")),
            (Unsigned(u64::MAX), Some("18446744073709551615")),
            (Boolean(true), Some("1")),
            (Boolean(false), Some("0")),
        ];
        for (value, expected) in cases {
            assert_eq!(lower_bound(value).as_deref(), *expected, "{value:?}");
            assert_eq!(upper_bound(value).as_deref(), *expected, "{value:?}");
        }
        for too_early in [EARLIEST_TIME_NS - 1, i64::MIN + 2] {
            assert_eq!(lower_bound(&Time(too_early)), None);
            assert_eq!(upper_bound(&Time(too_early)).as_deref(), Some("1677-09-22 00:00:00"));
        }
        for zero in [0.0, -0.0] {
            assert_eq!(lower_bound(&Float(zero)).as_deref(), Some("-0.0"));
            assert_eq!(upper_bound(&Float(zero)).as_deref(), Some("0.0"));
        }
    }

    #[test]
    fn text_bounds_are_cut_outwards() {
        let (a63, a64, a65) = ("a".repeat(63), "a".repeat(64), "a".repeat(65));
        let max_char = '\u{10ffff}';
        let cases: &[(String, String, Option<String>)] = &[
            (String::new(), String::new(), Some(String::new())),
            (a64.clone(), a64.clone(), Some(a64.clone())),
            (a65, a64.clone(), Some(format!("{a63}b"))),
            (format!("{a63}ü"), a63.clone(), Some(format!("{}b", "a".repeat(62)))),
            (format!("{}ü-", "a".repeat(62)), format!("{}ü", "a".repeat(62)), Some(format!("{}ý", "a".repeat(62)))),
            (format!("{}\u{d7ff}-", "a".repeat(61)), format!("{}\u{d7ff}", "a".repeat(61)), {
                Some(format!("{}\u{e000}", "a".repeat(61)))
            }),
            // The largest character has no successor, so the one before it counts; without one there is no bound.
            (format!("x{}", max_char.to_string().repeat(16)), format!("x{}", max_char.to_string().repeat(15)), {
                Some("y".to_owned())
            }),
            (max_char.to_string().repeat(17), max_char.to_string().repeat(16), None),
            (max_char.to_string().repeat(16), max_char.to_string().repeat(16), Some(max_char.to_string().repeat(16))),
            // U+0000 ends a text bound.
            ("ab\0c".to_owned(), "ab".to_owned(), Some("ac".to_owned())),
            ("\0".to_owned(), String::new(), None),
            ("\u{1}\u{2}".to_owned(), "\u{1}\u{2}".to_owned(), Some("\u{1}\u{2}".to_owned())),
        ];
        for (text, min, max) in cases {
            let value = StatisticsValue::Text(text.clone());
            assert_eq!(lower_bound(&value).as_ref(), Some(min), "{text:?}");
            assert_eq!(upper_bound(&value), *max, "{text:?}");
            assert!(min <= text && max.as_ref().is_none_or(|max| text <= max), "{text:?}");
        }
    }

    #[test]
    fn bounds_merge_by_value() {
        let float = Some(ColumnKind::Field(FieldKind::Float));
        let integer = Some(ColumnKind::Field(FieldKind::Integer));
        let bounds =
            |min: Option<&str>, max: Option<&str>| Bounds { min: min.map(str::to_owned), max: max.map(str::to_owned) };
        type Texts = [&'static str; 2];
        let cases: &[(Option<ColumnKind>, Texts, Texts, Texts)] = &[
            (integer, ["-5", "9"], ["-10", "10"], ["-10", "10"]),
            (integer, ["9", "100"], ["10", "18446744073709551615"], ["9", "18446744073709551615"]),
            (float, ["-1e+300", "1e-05"], ["-inf", "0.5"], ["-inf", "0.5"]),
            (float, ["-0.0", "0.0"], ["1.0", "inf"], ["-0.0", "inf"]),
            (
                None,
                ["1970-01-01 00:00:00", "1970-01-01 00:00:00.5"],
                ["1969-12-31 23:59:59", "1970-01-01 00:00:00.51"],
                { ["1969-12-31 23:59:59", "1970-01-01 00:00:00.51"] },
            ),
            (Some(ColumnKind::Tag), ["a", "ab"], ["B", "b"], ["B", "b"]),
        ];
        for (kind, left, right, expected) in cases {
            let [left, right, expected] = [left, right, expected].map(|[min, max]| bounds(Some(*min), Some(*max)));
            assert_eq!(left.clone().merge(right.clone(), *kind), expected);
            assert_eq!(right.merge(left, *kind), expected);
        }
        assert_eq!(bounds(None, Some("1")).merge(bounds(Some("0"), None), integer), bounds(None, None));
        assert_eq!(bounds(Some("x"), Some("1")).merge(bounds(Some("0"), Some("2")), integer), bounds(None, Some("2")));
    }
}
