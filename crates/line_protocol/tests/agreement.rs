//! Property tests: the parser against the slow one of `reference`, on points written from a model, on such bodies
//! damaged at random, and on a soup of the fragments that the grammar gives a meaning; and against the crate
//! `influxdb-line-protocol` on the lines that both understand alike.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod reference;

use std::collections::BTreeMap;

use line_protocol::{Limits, ParseOptions, Precision, parse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use reference::{Point, Value, assert_agrees, outcome_of};

fn options(precision: Precision, limits: Limits) -> ParseOptions {
    ParseOptions { precision, default_time_ns: 1_767_225_601_234_567_891, limits }
}

/// Limits that small bodies reach.
fn tight_limits() -> Limits {
    Limits { line_bytes: 60, key_bytes: 24, string_bytes: 6, ..Limits::default() }
}

fn precision() -> impl Strategy<Value = Precision> {
    use Precision::{Hour, Microsecond, Millisecond, Minute, Nanosecond, Second};
    select(vec![Nanosecond, Microsecond, Millisecond, Second, Minute, Hour])
}

/// Names of few characters, so that they meet again; backslashes only where they cannot become escapes.
fn name() -> BoxedStrategy<String> {
    prop_oneof!["[a-c]", "[a-c ,=\"é\u{1}]{1,4}[a-z]", "[a-z]\\\\[a-z]", "[a-z_][a-zA-Z0-9_.-]{0,12}"]
        .prop_map(|name| name.trim_start().to_owned())
        .prop_filter("not reserved, not a comment", |name| name != "time" && !name.starts_with(['#', '_', ',']))
        .boxed()
}

fn field_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::Float),
        (-1_000..1_000_i32).prop_map(|value| Value::Float(f64::from(value) / 8.0)),
        any::<i64>().prop_map(Value::Integer),
        (-100..100_i64).prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Unsigned),
        any::<bool>().prop_map(Value::Boolean),
        "[a-z ,=\"\\\\\n\r#é]{0,10}".prop_map(Value::String),
    ]
}

fn point(name: BoxedStrategy<String>) -> impl Strategy<Value = Point> {
    let tag_value = name.clone();
    let tags = btree_map(name.clone(), tag_value, 0..4);
    let fields = btree_map(name.clone(), field_value(), 1..5);
    (name, tags, fields, -9_223_372_036_854_775_806..=9_223_372_036_854_775_806_i64)
        .prop_map(|(measurement, tags, fields, time_ns)| Point { measurement, tags, fields, time_ns })
}

fn escape(name: &str, escaped: &[char]) -> String {
    name.chars()
        .flat_map(|character| escaped.contains(&character).then_some('\\').into_iter().chain([character]))
        .collect()
}

/// How a point is spelled.
#[derive(Debug, Clone)]
struct Spelling {
    order: u64,
    blanks: String,
    line_break: String,
}

fn spelling() -> impl Strategy<Value = Spelling> {
    (any::<u64>(), "[ ]{0,2}", select(vec!["\n", "\r\n", " \n", "\n\n", "\n# a=\"b\n"]))
        .prop_map(|(order, blanks, line_break)| Spelling { order, blanks, line_break: line_break.to_owned() })
}

/// Writes a point as a line.
fn write(point: &Point, spelling: &Spelling) -> String {
    let rotated = |mut parts: Vec<String>| {
        let count = parts.len().max(1);
        parts.rotate_left(spelling.order as usize % count);
        parts
    };
    let name = |name: &str| escape(name, &[',', ' ', '=']);
    let tags = point.tags.iter().map(|(key, value)| format!(",{}={}", name(key), name(value))).collect();
    let fields = point.fields.iter().map(|(key, value)| {
        let value = match value {
            Value::Float(value) if spelling.order.is_multiple_of(2) => format!("{value:e}"),
            Value::Float(value) => format!("{value}"),
            Value::Integer(value) => format!("{value}i"),
            Value::Unsigned(value) => format!("{value}u"),
            Value::Boolean(true) => ["t", "T", "true", "True", "TRUE"][spelling.order as usize % 5].to_owned(),
            Value::Boolean(false) => ["f", "F", "false", "False", "FALSE"][spelling.order as usize % 5].to_owned(),
            Value::String(value) => format!("\"{}\"", escape(value, &['"', '\\'])),
        };
        format!("{}={value}", name(key))
    });
    format!(
        "{}{}{} {}{} {}{}{}",
        spelling.blanks,
        escape(&point.measurement, &[',', ' ']),
        rotated(tags).concat(),
        spelling.blanks,
        rotated(fields.collect()).join(","),
        spelling.blanks,
        point.time_ns,
        spelling.line_break,
    )
}

fn lines(name: BoxedStrategy<String>) -> impl Strategy<Value = Vec<(Point, String)>> {
    let line = (point(name), spelling()).prop_map(|(point, spelling)| {
        let line = write(&point, &spelling);
        (point, line)
    });
    vec(line, 0..12)
}

/// Fragments with a meaning, and some without.
const FRAGMENTS: &[&[u8]] = &[
    b"m",
    b"m,t=a",
    b"m,t=b,u=c",
    b"n",
    b" ",
    b" ",
    b" ",
    b",",
    b",",
    b"=",
    b"=",
    b"\"",
    b"\"",
    b"\\",
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b"\0",
    b"#",
    b"f",
    b"f=1",
    b"f=1i",
    b"f=2u",
    b"f=t",
    b"f=\"s\"",
    b"g=1.5",
    b"g=\"longer string\"",
    b"time=1",
    b",time=\"a\"",
    b",f=3",
    b"t=",
    b"_field=a",
    b"true",
    b"False",
    b"1",
    b"12",
    b" 1767225600000000000",
    b"-",
    b"+",
    b".",
    b"e",
    b"i",
    b"u",
    b"NaN",
    b"Inf",
    b"1e400",
    b"-0",
    b"00000000000000000000007",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616u",
    b"12345678",
    b"\xc3\xa9",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x98",
    b"m f=1 1\n",
    b"m,t=a f=1i,g=2i 5\n",
    b"m,t=a g=2i,f=1i\n",
    b"m f=\"a\nb\" 3\n",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    vec(select(FRAGMENTS), 0..40).prop_map(|fragments| fragments.concat())
}

/// One change to a body: at a place, cut out some bytes and put others in.
fn damage() -> impl Strategy<Value = (prop::sample::Index, usize, &'static [u8])> {
    (any::<prop::sample::Index>(), 0..3_usize, select(FRAGMENTS))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_back_what_a_model_wrote(lines in lines(name())) {
        let body: String = lines.iter().map(|(_, line)| line.as_str()).collect();
        let outcome = outcome_of(&parse(body.as_bytes(), &options(Precision::Nanosecond, Limits::default())));
        prop_assert!(outcome.errors.is_empty() && outcome.dropped.is_empty(), "{:?}\n{}", outcome, body);
        let points: Vec<Point> = outcome.points.into_values().collect();
        let expected: Vec<Point> = lines.into_iter().map(|(point, _)| point).collect();
        prop_assert_eq!(points, expected, "{}", body);
    }

    #[test]
    fn agrees_on_good_bodies(lines in lines(name()), precision in precision()) {
        let body: String = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_agrees(body.as_bytes(), &options(precision, Limits::default()));
        assert_agrees(body.as_bytes(), &options(precision, tight_limits()));
    }

    #[test]
    fn agrees_on_damaged_bodies(lines in lines(name()), damages in vec(damage(), 1..4), precision in precision()) {
        let mut body: Vec<u8> = lines.iter().flat_map(|(_, line)| line.bytes()).collect();
        for (place, cut, insert) in damages {
            let start = place.index(body.len() + 1);
            let end = (start + cut).min(body.len());
            body.splice(start..end, insert.iter().copied());
        }
        assert_agrees(&body, &options(precision, Limits::default()));
    }

    #[test]
    fn agrees_on_random_bytes(body in vec(any::<u8>(), 0..60)) {
        assert_agrees(&body, &options(Precision::Second, Limits::default()));
    }

    /// The oracle knows no precision, no escaped backslash and no NUL, so the names here are simple.
    #[test]
    fn agrees_with_another_implementation(lines in lines("[a-z][a-z ,=é]{0,4}[a-z]".boxed())) {
        let understood = lines.iter().map(|(_, line)| line.as_str()).filter(|line| !line.contains(['#', '\r']));
        let body: String = understood.collect();
        let batch = parse(body.as_bytes(), &options(Precision::Nanosecond, Limits::default()));
        let points: Vec<Point> = outcome_of(&batch).points.into_values().collect();
        let oracle = influxdb_line_protocol::parse_lines(&body);
        let expected: Vec<Point> = oracle.map(|line| oracle_point(line.unwrap())).collect();
        prop_assert_eq!(points, expected, "{}", body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_on_soup(body in soup(), precision in precision()) {
        assert_agrees(&body, &options(precision, Limits::default()));
        assert_agrees(&body, &options(precision, tight_limits()));
    }
}

fn oracle_point(line: influxdb_line_protocol::ParsedLine<'_>) -> Point {
    use influxdb_line_protocol::FieldValue;
    let tags: BTreeMap<String, String> =
        line.series.tag_set.iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let fields = line.field_set.iter().map(|(key, value)| {
        let value = match value {
            FieldValue::I64(value) => Value::Integer(*value),
            FieldValue::U64(value) => Value::Unsigned(*value),
            FieldValue::F64(value) => Value::Float(*value),
            FieldValue::Boolean(value) => Value::Boolean(*value),
            FieldValue::String(value) => Value::String(value.to_string()),
        };
        (key.to_string(), value)
    });
    Point {
        measurement: line.series.measurement.to_string(),
        tags,
        fields: fields.collect(),
        time_ns: line.timestamp.expect("every line has one"),
    }
}
