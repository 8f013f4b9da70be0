//! Escaping, value forms, times, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, SystemTime};

use super::{FieldValue, NameKind, Point, PointBuilder, PointError};
use crate::write::Precision;

fn line(builder: PointBuilder) -> String {
    builder.build().unwrap().to_string()
}

#[test]
fn names_are_escaped_by_their_place() {
    // Name, then the same as measurement, as key of a tag or field and as value of a tag.
    for (name, measurement, other) in [
        ("plain", "plain", "plain"),
        ("a b", r"a\ b", r"a\ b"),
        ("a,b", r"a\,b", r"a\,b"),
        ("a=b", "a=b", r"a\=b"),
        (" ", r"\ ", r"\ "),
        (",", r"\,", r"\,"),
        ("=", "=", r"\="),
        ("a\"b", "a\"b", "a\"b"),
        (r"a\b", r"a\b", r"a\b"),
        (r"\\server", r"\\server", r"\\server"),
        (r"a\ b", r"a\\ b", r"a\\ b"),
        (r"a\=b", r"a\=b", r"a\\=b"),
        ("a\tb", "a\tb", "a\tb"),
        ("a\rb", "a\rb", "a\rb"),
        ("a\0b", "a\0b", "a\0b"),
        ("温度,°C", r"温度\,°C", r"温度\,°C"),
    ] {
        assert_eq!(line(Point::builder(name).field("f", true)), format!("{measurement} f=true"));
        let all = Point::builder("m").tag(name, name).field(name, true);
        assert_eq!(line(all), format!("m,{other}={other} {other}=true"));
    }
}

#[test]
fn values_have_the_form_of_their_type() {
    let check = |value: FieldValue, expected: &str| {
        assert_eq!(line(Point::builder("m").field("f", value)), format!("m f={expected}"));
    };
    check(1.0.into(), "1.0");
    check((-0.0).into(), "-0.0");
    check(0.1.into(), "0.1");
    check(1e300.into(), "1e300");
    check(f64::MIN_POSITIVE.into(), "2.2250738585072014e-308");
    check(f64::MAX.into(), "1.7976931348623157e308");
    check(0.5_f32.into(), "0.5");
    check(i64::MIN.into(), "-9223372036854775808i");
    check(7_i8.into(), "7i");
    check(u64::MAX.into(), "18446744073709551615u");
    check(7_u8.into(), "7u");
    check(true.into(), "true");
    check(false.into(), "false");
    check("".into(), r#""""#);
    check("a b,c=d".into(), r#""a b,c=d""#);
    check("a\nb".into(), "\"a\nb\"");
    check(r#"say "hi""#.into(), r#""say \"hi\"""#);
    check(r"C:\".into(), r#""C:\\""#);
    check(String::from(r#"\""#).into(), r#""\\\"""#);
}

#[test]
fn floats_read_back_as_they_were() {
    for number in [0.1 + 0.2, 1.0 / 3.0, f64::EPSILON, 5e-324, -123_456_789.125, 9_007_199_254_740_993.0] {
        let line = line(Point::builder("m").field("f", number));
        let read: f64 = line.strip_prefix("m f=").unwrap().parse().unwrap();
        assert_eq!(read.to_bits(), number.to_bits(), "{line}");
    }
}

#[test]
fn tags_are_sorted_and_empty_ones_left_out_while_fields_keep_their_order() {
    let point = Point::builder("m").tag("b", "1").tag("none", "").tag("a", "2").field("z", 1).field("y", 2);
    assert_eq!(line(point), "m,a=2,b=1 z=1i,y=2i");
}

#[test]
fn times_are_rounded_down_to_the_precision() {
    let check = |timestamp_ns, precision, expected: &str| {
        let point = Point::builder("m").field("f", true).timestamp_ns(timestamp_ns).build().unwrap();
        assert_eq!(point.to_line(precision), format!("m f=true {expected}"));
    };
    check(1_999_999_999, Precision::Nanoseconds, "1999999999");
    check(1_999_999_999, Precision::Microseconds, "1999999");
    check(1_999_999_999, Precision::Milliseconds, "1999");
    check(1_999_999_999, Precision::Seconds, "1");
    check(-1, Precision::Nanoseconds, "-1");
    check(-1, Precision::Seconds, "-1");
    check(-1_000_000_001, Precision::Seconds, "-2");
    check(i64::MAX - 1, Precision::Nanoseconds, "9223372036854775806");
    check(-(i64::MAX - 1), Precision::Nanoseconds, "-9223372036854775806");
}

#[test]
fn a_system_time_is_taken_to_the_nanosecond() {
    let check = |time, expected| {
        let point = Point::builder("m").field("f", true).timestamp(time).build();
        assert_eq!(point.map(|point| point.timestamp_ns()), expected);
    };
    let epoch = SystemTime::UNIX_EPOCH;
    check(epoch, Ok(Some(0)));
    check(epoch + Duration::new(1, 5), Ok(Some(1_000_000_005)));
    check(epoch - Duration::new(0, 5), Ok(Some(-5)));
    check(epoch + Duration::from_secs(1 << 34), Err(PointError::TimeOutOfRange));
    check(epoch - Duration::from_secs(1 << 34), Err(PointError::TimeOutOfRange));
}

#[test]
fn what_line_protocol_cannot_say_is_refused() {
    let check = |builder: PointBuilder, expected: PointError| assert_eq!(builder.build(), Err(expected));
    let measurement = |name: &str| Point::builder(name).field("f", 1);
    let tag = |key: &str, value: &str| measurement("m").tag(key, value);
    let field = |key: &str| Point::builder("m").field(key, 1);
    let line_feed = |kind| PointError::LineFeed { kind, name: "a\nb".into() };
    let backslash = |kind| PointError::TrailingBackslash { kind, name: r"a\".into() };
    let start = |kind, name: &str| PointError::IllegalStart { kind, name: name.into() };
    let reserved = |kind, name: &str| PointError::Reserved { kind, name: name.into() };
    use NameKind::{FieldKey, Measurement, TagKey, TagValue};

    check(measurement(""), PointError::EmptyName { kind: Measurement });
    check(tag("", "v"), PointError::EmptyName { kind: TagKey });
    check(field(""), PointError::EmptyName { kind: FieldKey });
    check(measurement("a\nb"), line_feed(Measurement));
    check(tag("a\nb", "v"), line_feed(TagKey));
    check(tag("k", "a\nb"), line_feed(TagValue));
    check(field("a\nb"), line_feed(FieldKey));
    check(measurement(r"a\"), backslash(Measurement));
    check(tag(r"a\", "v"), backslash(TagKey));
    check(tag("k", r"a\"), backslash(TagValue));
    check(field(r"a\"), backslash(FieldKey));
    check(measurement("#m"), start(Measurement, "#m"));
    check(measurement("\tm"), start(Measurement, "\tm"));
    check(field("\0f"), start(FieldKey, "\0f"));
    check(tag("time", "v"), reserved(TagKey, "time"));
    check(tag("_field", "v"), reserved(TagKey, "_field"));
    check(tag("_measurement", "v"), reserved(TagKey, "_measurement"));
    check(field("time"), reserved(FieldKey, "time"));
    check(tag("k", "1").tag("k", "2"), PointError::Duplicate { kind: TagKey, name: "k".into() });
    check(field("f").field("f", 2), PointError::Duplicate { kind: FieldKey, name: "f".into() });
    check(Point::builder("m"), PointError::NoFields);
    check(measurement("m").timestamp_ns(i64::MAX), PointError::TimeOutOfRange);
    check(measurement("m").timestamp_ns(-i64::MAX), PointError::TimeOutOfRange);
    let infinite = Point::builder("m").field("f", f64::INFINITY);
    check(infinite, PointError::NotFinite { name: "f".into(), value: f64::INFINITY });
    let nan = Point::builder("m").field("f", f64::NAN).build();
    assert!(matches!(nan, Err(PointError::NotFinite { .. })));
}
