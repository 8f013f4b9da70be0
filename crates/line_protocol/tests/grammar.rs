//! The grammar and its causes, case by case: a body on the left, on the right what it becomes, in a spelling of the
//! tests' own (`measurement{tags} fields @time`, one line per point, errors as `line:column cause`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod reference;

use std::fmt::Write as _;

use line_protocol::{
    Batch, Cause, FieldKind, FieldValues, Limits, LineError, ParseOptions, Precision, Presence, parse,
};

use reference::{Value, assert_agrees, outcome_of};

const NOW_NS: i64 = 1_767_225_601_234_567_891;

fn options() -> ParseOptions {
    ParseOptions { precision: Precision::Nanosecond, default_time_ns: NOW_NS, limits: Limits::default() }
}

fn render(batch: &Batch) -> String {
    let mut text = String::new();
    for point in outcome_of(batch).points.into_values() {
        let tags: Vec<String> = point.tags.iter().map(|(key, value)| format!("{key:?}={value:?}")).collect();
        let fields: Vec<String> = point
            .fields
            .iter()
            .map(|(key, value)| match value {
                Value::Float(value) => format!("{key:?}={value:?}"),
                Value::Integer(value) => format!("{key:?}={value}i"),
                Value::Unsigned(value) => format!("{key:?}={value}u"),
                Value::Boolean(value) => format!("{key:?}={value}"),
                Value::String(value) => format!("{key:?}={value:?}"),
            })
            .collect();
        let time = if point.time_ns == NOW_NS { "now".to_owned() } else { point.time_ns.to_string() };
        let _ = writeln!(text, "{:?}{{{}}} {} @{time}", point.measurement, tags.join(","), fields.join(","));
    }
    for error in &batch.errors {
        let _ = writeln!(text, "{}:{} {}", error.line, error.column, error.cause);
    }
    for dropped in &batch.dropped {
        let _ = writeln!(text, "{} dropped: {}", dropped.line, dropped.reason);
    }
    for stripped in &batch.stripped {
        let _ = writeln!(text, "{} stripped: {stripped}", stripped.line);
    }
    text.trim_end().to_owned()
}

#[track_caller]
fn check(body: &str, expected: &str) {
    assert_eq!(render(&parse(body.as_bytes(), &options())), expected, "body: {body:?}");
    assert_agrees(body.as_bytes(), &options());
}

#[test]
fn parts_of_a_line() {
    check("m f=1 5", r#""m"{} "f"=1.0 @5"#);
    check("m f=1", r#""m"{} "f"=1.0 @now"#);
    check("m,a=b f=1 5\n", r#""m"{"a"="b"} "f"=1.0 @5"#);
    check("m,b=2,a=1 g=1,f=2 5\n", r#""m"{"a"="1","b"="2"} "f"=2.0,"g"=1.0 @5"#);
    check(" \t\0m   f=1 \t\0  5   ", r#""m"{} "f"=1.0 @5"#);
    check("m f=1 -5", r#""m"{} "f"=1.0 @-5"#);
    check("m f=1 \t", r#""m"{} "f"=1.0 @now"#);
    check("", "");
    check("\n\n  \n\r\n\t\r\n# a comment f=\"\n #x\n", "");
    check("#m f=1\nm f=2 5", r#""m"{} "f"=2.0 @5"#);
}

#[test]
fn line_breaks() {
    check("m f=1 5\r\nm f=2i 6\r\n", "\"m\"{} \"f\"=1.0 @5\n\"m\"{} \"f\"=2i @6");
    check("m f=t\r\n", r#""m"{} "f"=true @now"#);
    check("m f=1.5\r", r#""m"{} "f"=1.5 @now"#);
    check("m f=\"a\"\r\n", r#""m"{} "f"="a" @now"#);
    check("m f=\"a\r\n\" 5\r\nm f=\"\n\" 6", "\"m\"{} \"f\"=\"a\\r\\n\" @5\n\"m\"{} \"f\"=\"\\n\" @6");
    check("m f=1 5 \r\n", r#""m"{} "f"=1.0 @5"#);
    check("m f=1\rx\n", "1:5 invalid number");
    check("m,t=a\\\nm f=1 5", "\"m\"{} \"f\"=1.0 @5\n1:7 missing fields");
    check("m f=1 x=\"\nm f=1 5", "1:7 bad timestamp");
    check("m,t=\"a f=1 5\nm f=\"b\" 6", "\"m\"{\"t\"=\"\\\"a\"} \"f\"=1.0 @5\n\"m\"{} \"f\"=\"b\" @6");
}

#[test]
fn names_and_escapes() {
    check(r"a\,b\ c f=1 5", r#""a,b c"{} "f"=1.0 @5"#);
    check(r"a=b f=1 5", r#""a=b"{} "f"=1.0 @5"#);
    check(r"a\=b f=1 5", r#""a\\=b"{} "f"=1.0 @5"#);
    check(r"a\\b f=1 5", r#""a\\\\b"{} "f"=1.0 @5"#);
    check(r"a\\,b f=1 5", r#""a\\,b"{} "f"=1.0 @5"#);
    check(r"m,a\,\ \=b=c\,\ \=d f=1 5", r#""m"{"a, =b"="c, =d"} "f"=1.0 @5"#);
    check(r"m,a\b=c\d\\e f=1 5", r#""m"{"a\\b"="c\\d\\\\e"} "f"=1.0 @5"#);
    check(r"m,a=b\ f=1 5", "1:9 invalid tag format");
    check(r"m a\,\ \=b=1,\c=2 5", r#""m"{} "\\c"=2.0,"a, =b"=1.0 @5"#);
    check("m,t=\"q\",u=é \"f\"=1,ü=2 5", "\"m\"{\"t\"=\"\\\"q\\\"\",\"u\"=\"é\"} \"\\\"f\\\"\"=1.0,\"ü\"=2.0 @5");
    check("m\u{1}\t,t\0=\u{7f} f\0=1 5", "\"m\\u{1}\\t\"{\"t\\0\"=\"\\u{7f}\"} \"f\\0\"=1.0 @5");
    check("m,f=a f=1 5", r#""m"{"f"="a"} "f"=1.0 @5"#);
}

#[test]
fn floats() {
    let good = [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e5", 1e5),
        ("1.e5", 1e5),
        (".5E-3", 5e-4),
        ("-1.2E+3", -1.2e3),
        ("0", 0.0),
        ("-0", -0.0),
        ("007", 7.0),
        ("1e-400", 0.0),
        ("1.7976931348623157e308", f64::MAX),
        ("4.9e-324", 4.9e-324),
        ("0.1", 0.1),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
    ];
    for (text, expected) in good {
        for rest in ["", " 5", ",g=1", "\n", "\r\n"] {
            let body = format!("m f={text}{rest}");
            let batch = parse(body.as_bytes(), &options());
            let FieldValues::Float(values) = &batch.tables[0].fields[0].values else { panic!("{body}") };
            assert_eq!(values[0].to_bits(), f64::to_bits(expected), "{body}");
        }
    }
    for text in ["1e400", "-1e309", "1e", "1e+", "1e5e5", ".e5", "-e5", "1e5.5"] {
        check(&format!("m f={text} 5"), "1:5 invalid float");
    }
    let bad = [
        "-",
        ".",
        "-.",
        "--1",
        "1.2.3",
        "1-2",
        "1+2",
        "0x1F",
        "1_000",
        "NaN",
        "nan",
        "-NaN",
        "-Inf",
        "-inf",
        "-infinity",
        "N",
        "1a",
        "1.5i",
        "1e5i",
        "1.5u",
        "-5u",
        "9i1",
        "1ii",
        "1iu",
        "-i",
        "-u",
        "1\t",
        "1\"",
    ];
    for text in bad {
        check(&format!("m f={text} 5"), "1:5 invalid number");
    }
}

#[test]
fn integers() {
    let good = [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-7", -7),
        ("12345678", 12_345_678),
        ("123456789", 123_456_789),
        ("1234567890123456", 1_234_567_890_123_456),
        ("12345678901234567", 12_345_678_901_234_567),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("000000000000000000000000042", 42),
        ("-00000000000000000000009223372036854775808", i64::MIN),
    ];
    for (text, expected) in good {
        for rest in ["", " 5", ",g=1", "\n", "\r\n"] {
            let body = format!("m f=1i\nm f={text}i{rest}");
            let batch = parse(body.as_bytes(), &options());
            assert_eq!(batch.tables[0].fields[0].values, FieldValues::Integer(vec![1, expected]), "{body}");
        }
    }
    for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999", "184467440737095516160"] {
        let cause =
            format!("1:5 unable to parse integer {text}: strconv.ParseInt: parsing \"{text}\": value out of range");
        check(&format!("m f={text}i 5"), &cause);
    }
}

#[test]
fn unsigned_integers() {
    let good = [("0", 0), ("7", 7), ("9223372036854775808", 1 << 63), ("18446744073709551615", u64::MAX)];
    for (text, expected) in good {
        let body = format!("m f=1u\nm f={text}u 5");
        let batch = parse(body.as_bytes(), &options());
        assert_eq!(batch.tables[0].fields[0].values, FieldValues::Unsigned(vec![1, expected]), "{body}");
    }
    check(
        "m f=18446744073709551616u",
        "1:5 unable to parse unsigned 18446744073709551616: \
         strconv.ParseUint: parsing \"18446744073709551616\": value out of range",
    );
}

#[test]
fn every_count_of_digits() {
    let digits = "1234567890123456789";
    for count in 1..=digits.len() {
        let number = &digits[..count];
        check(&format!("m f={number}i {number}"), &format!("\"m\"{{}} \"f\"={number}i @{number}"));
        check(&format!("m f=-{number}i -{number}"), &format!("\"m\"{{}} \"f\"=-{number}i @-{number}"));
        check(&format!("m f={number}u"), &format!("\"m\"{{}} \"f\"={number}u @now"));
    }
}

#[test]
fn booleans() {
    for text in ["t", "T", "true", "True", "TRUE"] {
        check(&format!("m f={text} 5"), r#""m"{} "f"=true @5"#);
    }
    for text in ["f", "F", "false", "False", "FALSE"] {
        check(&format!("m f={text} 5"), r#""m"{} "f"=false @5"#);
    }
    for text in
        ["tr", "tRUE", "TRue", "truee", "falsey", "fALSE", "yes", "+1", "Inf", "inf", "i", "e5", "'a'", "\u{e9}"]
    {
        check(&format!("m f={text} 5"), "1:5 invalid boolean");
    }
}

#[test]
fn strings() {
    check(r#"m f="" 5"#, r#""m"{} "f"="" @5"#);
    check(r#"m f="a, b=c" 5"#, r#""m"{} "f"="a, b=c" @5"#);
    check(r#"m f="a\"b\\",g="\n\" 5" 5"#, r#""m"{} "f"="a\"b\\","g"="\\n\" 5" @5"#);
    check(r#"m f="é",g=1 5"#, r#""m"{} "f"="é","g"=1.0 @5"#);
    check(r#"m f="a"#, "1:5 unbalanced quotes");
    check("m f=\"a\\\" 5\nm f=1 5", "1:5 unbalanced quotes");
    check(r#"m f="a"b 5"#, "1:8 text after closing quote");
    check(r#"m f="a"" 5"#, "1:8 text after closing quote");
    check(r#"m f="a"1i,g=2 5"#, "1:8 text after closing quote");
    check(r#"m f=a"b" 5"#, "1:5 invalid boolean");
}

#[test]
fn causes_in_the_key() {
    check(",t=a f=1", "1:1 missing measurement");
    check("  ,t=a f=1", "1:3 missing measurement");
    check("m", "1:2 missing fields");
    check("m ", "1:3 missing fields");
    check("m,t=a\n", "1:6 missing fields");
    check("m,t=a \r\n", "1:7 missing fields");
    check("m\tf=1", "1:6 missing fields");
    check("m, f=1", "1:3 missing tag key");
    check("m,", "1:3 missing tag key");
    check("m,,t=a f=1", "1:3 missing tag key");
    check("m,=a f=1", "1:3 missing tag key");
    check("m,t f=1", "1:4 missing tag value");
    check("m,t,u=a f=1", "1:4 missing tag value");
    check("m,t= f=1", "1:5 missing tag value");
    check("m,t=,u=a f=1", "1:5 missing tag value");
    check("m,t=a,u= f=1", "1:9 missing tag value");
    check("m,t=a=b f=1", "1:6 invalid tag format");
    check("m,t==b f=1", "1:5 invalid tag format");
    check("m,t=a,t=b f=1", "1:7 duplicate tags");
    check("m,t=a,u=c,t=b f=1", "1:11 duplicate tags");
    check("m,t=a f=1 5\nm,t=a,t=a f=1", "\"m\"{\"t\"=\"a\"} \"f\"=1.0 @5\n2:7 duplicate tags");
    check("m,_field=a f=1", "1:3 cannot use reserved tag key \"_field\"");
    check("m,a=b,_measurement=a f=1", "1:7 cannot use reserved tag key \"_measurement\"");
    check("m,time=a f=1", "1:3 cannot use reserved tag key \"time\"");
    check("m,\0=a f=1", "1:3 cannot use reserved tag key \"\\x00\"");
}

#[test]
fn causes_in_the_fields() {
    check("m =1", "1:3 missing field key");
    check("m f=1,=2", "1:7 missing field key");
    check("m f=", "1:5 missing field value");
    check("m f= 5", "1:5 missing field value");
    check("m f=,g=1", "1:5 missing field value");
    check("m f=1,g=\r\n", "1:9 missing field value");
    check("m f", "1:4 invalid field format");
    check("m f 5", "1:4 invalid field format");
    check("m f,g=1", "1:4 invalid field format");
    check("m f=1,", "1:7 invalid field format");
    check("m f=1, 5", "1:7 invalid field format");
    check("m f=1,,g=2", "1:7 invalid field format");
    check(r"m f\=1", "1:7 invalid field format");
    check("m f=1=2", "1:5 invalid number");
}

#[test]
fn times() {
    let check_time = |precision: Precision, time: &str, expected: &str| {
        let options = ParseOptions { precision, ..options() };
        let body = format!("m f=1 {time}");
        assert_eq!(render(&parse(body.as_bytes(), &options)), expected, "{body:?} {precision:?}");
        assert_agrees(body.as_bytes(), &options);
    };
    let out_of_range = "1:7 time outside range -9223372036854775806 - 9223372036854775806";
    check_time(Precision::Nanosecond, "9223372036854775806", r#""m"{} "f"=1.0 @9223372036854775806"#);
    check_time(Precision::Nanosecond, "-9223372036854775806", r#""m"{} "f"=1.0 @-9223372036854775806"#);
    check_time(Precision::Nanosecond, "9223372036854775807", out_of_range);
    check_time(Precision::Nanosecond, "-9223372036854775807", out_of_range);
    check_time(Precision::Nanosecond, "-9223372036854775808", out_of_range);
    check_time(Precision::Microsecond, "1", r#""m"{} "f"=1.0 @1000"#);
    check_time(Precision::Millisecond, "-1", r#""m"{} "f"=1.0 @-1000000"#);
    check_time(Precision::Second, "9223372036", r#""m"{} "f"=1.0 @9223372036000000000"#);
    check_time(Precision::Second, "9223372037", out_of_range);
    check_time(Precision::Second, "1767225600000000000", out_of_range);
    check_time(Precision::Minute, "2", r#""m"{} "f"=1.0 @120000000000"#);
    check_time(Precision::Hour, "1", r#""m"{} "f"=1.0 @3600000000000"#);
    for (time, expected) in [
        ("4999999999", "4999999999000000000"),
        ("-4999999999", "-4999999999000000000"),
        ("5000000000", "5000000000000000"),
        ("4999999999999", "4999999999999000000"),
        ("5000000000000", "5000000000000000"),
        ("5000000000000000", "5000000000000000"),
        ("-9223372036854775806", "-9223372036854775806"),
    ] {
        check_time(Precision::Auto, time, &format!(r#""m"{{}} "f"=1.0 @{expected}"#));
    }
    check_time(Precision::Second, "", r#""m"{} "f"=1.0 @1767225601000000000"#);
    check_time(Precision::Nanosecond, "000000000000000000000005", r#""m"{} "f"=1.0 @5"#);
    for time in ["x", "5x", "+5", "5.0", "1e3", "--5", "5-", "5\t", "#5", "-x", "5i", "\"5\""] {
        let column = 7
            + time.strip_prefix('-').unwrap_or(time).find(|c: char| !c.is_ascii_digit()).unwrap()
            + usize::from(time.starts_with('-'));
        check_time(Precision::Nanosecond, time, &format!("1:{column} bad timestamp"));
    }
    check_time(Precision::Nanosecond, "5 6", "1:9 point is invalid");
    check_time(Precision::Nanosecond, "5   x ", "1:11 point is invalid");
    check_time(Precision::Nanosecond, "-", "1:7 strconv.ParseInt: parsing \"-\": invalid syntax");
    let digits = "9223372036854775808";
    let cause = format!("1:7 strconv.ParseInt: parsing \"{digits}\": value out of range");
    check_time(Precision::Nanosecond, digits, &cause);
    check_time(Precision::Second, digits, &cause);
}

#[test]
fn the_last_value_of_a_field_wins() {
    check("m f=1,f=2 5", r#""m"{} "f"=2.0 @5"#);
    check("m f=1,f=2i 5", r#""m"{} "f"=2i @5"#);
    check("m f=1,f=2i,f=3 5", r#""m"{} "f"=3.0 @5"#);
    check("m f=1i,f=2i 5\nm f=3i,f=4i 6", "\"m\"{} \"f\"=2i @5\n\"m\"{} \"f\"=4i @6");
    check("m f=1 5\nm f=1,f=2i 6\nm f=2 7", "\"m\"{} \"f\"=1.0 @5\n\"m\"{} \"f\"=2i @6\n\"m\"{} \"f\"=2.0 @7");
    check("m f=\"a\",f=t,f=1u,f=2 5\nm f=\"b\" 6", "\"m\"{} \"f\"=2.0 @5\n\"m\"{} \"f\"=\"b\" @6");
}

#[test]
fn columns_come_by_name_and_kind() {
    let batch = parse(b"m f=1,g=1i 1\nm f=2i 2\nn f=t\nm h=\"x\",f=3 3\n", &options());
    let columns: Vec<(&str, FieldKind, u32, Presence)> = batch.tables[0]
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.kind(), field.first_row, field.presence.clone()))
        .collect();
    let expected = [
        ("f", FieldKind::Float, 0, Presence::Bits(vec![0b101])),
        ("g", FieldKind::Integer, 0, Presence::Bits(vec![0b001])),
        ("f", FieldKind::Integer, 1, Presence::Bits(vec![0b010])),
        ("h", FieldKind::String, 2, Presence::Bits(vec![0b100])),
    ];
    assert_eq!(columns, expected);
    assert_eq!(batch.tables[0].fields[0].values, FieldValues::Float(vec![1.0, 0.0, 3.0]));
    assert_eq!(batch.tables[0].lines, [1, 2, 4]);
    assert_eq!((batch.tables[1].measurement.as_str(), &batch.tables[1].fields[0].presence), ("n", &Presence::All));
    let names: Vec<String> = expected.iter().map(|(_, kind, ..)| kind.to_string()).collect();
    assert_eq!(names, ["float", "integer", "integer", "string"]);
}

#[test]
fn bad_lines_leave_no_trace() {
    let body = "new f=1x\nm,t=a f=1 1\nm,u=b g=1,f=x 2\nm,t=c f=2,g=x 3\nm,t=a f=2,h=\"s\" x\nm,t=a f=2 4\nm g\n";
    check(
        body,
        "\"m\"{\"t\"=\"a\"} \"f\"=1.0 @1\n\"m\"{\"t\"=\"a\"} \"f\"=2.0 @4\n1:7 invalid number\n3:13 invalid boolean\n\
         4:13 invalid boolean\n5:17 bad timestamp\n7:4 invalid field format",
    );
    let batch = parse(body.as_bytes(), &options());
    assert_eq!(batch.tables.len(), 1);
    assert_eq!((batch.tables[0].tag_keys.len(), batch.tables[0].series.len(), batch.tables[0].fields.len()), (1, 1, 1));
}

#[test]
fn series_are_shared_and_sorted() {
    let batch = parse(b"m,b=1,a=2 f=1\nm,b=1,a=2 f=2\nm,a=2,b=1 f=3\nm f=4\nm,c=3 f=5\n", &options());
    let table = &batch.tables[0];
    assert_eq!((table.tag_keys.join(","), &table.row_series[..]), ("b,a,c".to_owned(), &[0, 0, 1, 2, 3][..]));
    let tags = |series| table.series.tags(series).collect::<Vec<_>>();
    assert_eq!((tags(0), tags(1)), (vec![(1, "2"), (0, "1")], vec![(1, "2"), (0, "1")]));
    assert_eq!((tags(2), tags(3), tags(4)), (vec![], vec![(2, "3")], vec![]));
    assert_eq!((table.series.len(), table.series.is_empty()), (4, false));
}

#[test]
fn fields_called_time() {
    check(
        "m time=1,f=2 5\nm f=3,time=\"x\" 6\nm time=1 7\nm time=1x 8\nm f=4 9",
        "\"m\"{} \"f\"=2.0 @5\n\"m\"{} \"f\"=3.0 @6\n\"m\"{} \"f\"=4.0 @9\n4:8 invalid number\n\
         3 dropped: invalid field name: input field \"time\" on measurement \"m\" is invalid\n\
         1 stripped: invalid field name: input field \"time\" on measurement \"m\" is invalid. \
         Field \"time\" has been stripped from point.\n\
         2 stripped: invalid field name: input field \"time\" on measurement \"m\" is invalid. \
         Field \"time\" has been stripped from point.",
    );
}

#[test]
fn strings_have_a_limit() {
    let limit = Limits::default().string_bytes;
    let body = |length: usize, extra: &str| format!("m g=1,f=\"{}{extra}\" 5\nm f=2 6", "a".repeat(length));
    assert_eq!(parse(body(limit, "").as_bytes(), &options()).point_count, 2);
    // Two bytes in the body, one in the string.
    assert_eq!(parse(body(limit - 1, "\\\"").as_bytes(), &options()).point_count, 2);
    for (length, extra) in [(limit + 1, ""), (limit, "\\\\")] {
        let batch = parse(body(length, extra).as_bytes(), &options());
        let expected = "\"m\"{} \"f\"=2.0 @6\n\
             1 dropped: input field \"f\" on measurement \"m\" is too long, 1048577 > 1048576";
        assert_eq!(render(&batch), expected);
    }
}

#[test]
fn keys_have_a_limit() {
    let limit = Limits::default().key_bytes;
    let tag_value = |length: usize| "a".repeat(length);
    let check_key = |body: String, expected: &str| {
        let batch = parse(body.as_bytes(), &options());
        let causes: Vec<String> = batch.errors.iter().map(|error| error.cause.to_string()).collect();
        assert_eq!(causes.join("|"), expected);
    };
    // `m,t=` and the value, then the separator and the field key.
    check_key(format!("m,t={} f=1", tag_value(limit - 4 - 5)), "");
    check_key(format!("m,t={} ff=1", tag_value(limit - 4 - 5)), "max key length exceeded: 65536 > 65535");
    check_key(format!("m,t={} f=1", tag_value(limit - 4)), "max key length exceeded: 65540 > 65535");
    check_key(format!("m,t={} f=1", tag_value(limit - 3)), "max key length exceeded: 65536 > 65535");
    // The second line finds key and column as it expects them, except for the length.
    let longest = tag_value(limit - 4 - 5);
    check_key(format!("m f=1,gg=2\nm,t={longest} f=1,gg=2"), "max key length exceeded: 65536 > 65535");
}

#[test]
fn lines_have_a_limit() {
    let limits = Limits { line_bytes: 9, ..Limits::default() };
    let batch = parse(b"  m f=1 56\r\nm f=1 567\nm f=1 5678\nm f=2\n", &ParseOptions { limits, ..options() });
    assert_eq!(batch.point_count, 3);
    assert_eq!(batch.errors[0].cause, Cause::LineTooLong { bytes: 10, limit: 9 });
    assert_eq!((batch.errors[0].line, batch.errors[0].column), (3, 10));
}

/// A field of its own in each line: what is kept grows with the values, not with the square of the lines.
#[test]
fn sparse_columns_hold_their_values_only() {
    let lines = 5_000;
    let body: String = (0..lines).fold(String::new(), |body, line| body + &format!("m f{line}={line},all={line}i\n"));
    let batch = parse(body.as_bytes(), &options());
    assert_eq!((batch.point_count, batch.error_count, batch.tables[0].fields.len()), (lines, 0, lines + 1));
    for field in batch.tables[0].fields.iter().filter(|field| field.name != "all") {
        let row: u32 = field.name[1..].parse().unwrap();
        assert_eq!((field.first_row, &field.presence), (row, &Presence::Rows(vec![row])));
        assert_eq!(field.values, FieldValues::Float(vec![f64::from(row)]));
        assert!(field.is_valid(row as usize) && !field.is_valid(row as usize + 1));
    }
    assert_eq!(batch.tables[0].fields[1].presence, Presence::All);
}

#[test]
fn one_in_eight_rows_is_sparse_and_more_is_not() {
    let body = |given: u32| {
        (0..16).fold(String::new(), |body, row| {
            let text = if row >= 16 - given { ",s=\"ab\",i=7i,u=7u,b=t,f=0.5" } else { "" };
            format!("{body}m x=1{text}\n")
        })
    };
    let check = |given: u32, presence: &Presence, len: usize| {
        let batch = parse(body(given).as_bytes(), &options());
        for field in &batch.tables[0].fields[1..] {
            assert_eq!((&field.presence, field.values.len(), field.first_row), (presence, len, 16 - given));
        }
        assert_agrees(body(given).as_bytes(), &options());
    };
    check(2, &Presence::Rows(vec![14, 15]), 2);
    check(3, &Presence::Bits(vec![0, 0b1110_0000]), 16);
}

#[test]
fn fields_have_a_limit() {
    let body: String = (0..100).fold(String::new(), |body, line| format!("{body}m f{line}=1\nn f{}=1\n", line % 10));
    let limits = Limits { fields: 40, ..Limits::default() };
    let batch = parse(body.as_bytes(), &ParseOptions { limits, ..options() });
    assert_eq!((batch.tables[0].fields.len(), batch.point_count, batch.error_count), (40, 140, 60));
    assert!(batch.errors.iter().all(|error| error.cause == Cause::TooManyFields { limit: 40 }));
}

#[test]
fn invalid_utf8_refuses_its_line_only() {
    let check_bytes = |body: &[u8], expected: &str| {
        assert_eq!(render(&parse(body, &options())), expected, "{body:?}");
        assert_agrees(body, &options());
    };
    check_bytes(b"m f=1 5\nm,t=\xff f=1\nm f=2 6", "\"m\"{} \"f\"=1.0 @5\n\"m\"{} \"f\"=2.0 @6\n2:5 invalid UTF-8");
    check_bytes(b"m f=\"\xc3\" 5\n", "1:6 invalid UTF-8");
    check_bytes(b"m f=\"\xc3\xa9\" 5\n\xffm f=1", "\"m\"{} \"f\"=\"é\" @5\n2:1 invalid UTF-8");
    check_bytes(b"m f=1x \xff\nm f=1 5 ", "\"m\"{} \"f\"=1.0 @5\n1:8 invalid UTF-8");
    check_bytes(b"# \xff\nm f=1 5 \xf0\x9f\nm f=2 5", "\"m\"{} \"f\"=2.0 @5\n2:9 invalid UTF-8");
    check_bytes(b"# \xff\nm f=2 5", "\"m\"{} \"f\"=2.0 @5");
    let batch = parse(b"m f=\xff", &options());
    assert_eq!(batch.errors[0].to_string(), "unable to parse 'm f=\u{fffd}': invalid UTF-8");
}

#[test]
fn errors_quote_the_line() {
    let check_text = |body: &str, expected: &str| {
        let batch = parse(body.as_bytes(), &options());
        let texts: Vec<String> = batch.errors.iter().map(LineError::to_string).collect();
        assert_eq!(texts.join("\n"), expected, "{body:?}");
    };
    check_text(
        "  m,t=a f=1x 5 \r\nm f=1 5\n,x\n",
        "unable to parse 'm,t=a f=1x 5 ': invalid number\nunable to parse ',x': missing measurement",
    );
    check_text("m f=\"a\nb", "unable to parse 'm f=\"a\nb': unbalanced quotes");
    let limit = Limits::default().reported_line_bytes;
    let long = "é".repeat(limit);
    let cut = "é".repeat((limit - 1) / 2);
    check_text(&format!("m{long}"), &format!("unable to parse 'm{cut}…': missing fields"));
}

#[test]
fn reports_are_bounded_and_counts_are_not() {
    let limits = Limits { reported_errors: 2, ..Limits::default() };
    let body = "x\ny\nz\nm time=1\nm time=2\nm time=3\nm time=1,f=1\nm time=1,f=1\nm time=1,f=1\n";
    let batch = parse(body.as_bytes(), &ParseOptions { limits, ..options() });
    assert_eq!((batch.errors.len(), batch.error_count), (2, 3));
    assert_eq!((batch.dropped.len(), batch.dropped_count), (2, 3));
    assert_eq!((batch.stripped.len(), batch.stripped_count), (2, 3));
    assert_eq!(batch.point_count, 3);
}

/// Ten thousand measurements, tag keys and fields in one body.
#[test]
fn many_names() {
    let body = (0..10_000).fold(String::new(), |mut body, number| {
        let _ = writeln!(body, "m{number},k{number}=v f=1i 5\none,k{number}=v f=2i 5");
        body
    });
    let batch = parse(body.as_bytes(), &options());
    assert_eq!((batch.tables.len(), batch.error_count), (10_001, 0));
    assert_eq!((batch.tables[1].tag_keys.len(), batch.tables[1].series.len()), (10_000, 10_000));
}

/// A body as an agent sends it, with what each table becomes.
#[test]
fn a_body_of_several_measurements() {
    let body = "\
        climate,device=d1,room=kitchen temperature=23.4,count=18i,\
         humidity=40,open=f,note=\"n 0, \\\"q\\\"\" 1775000000\n\
        climate,device=d2,room=kitchen temperature=24.5,count=19i,\
         humidity=40,open=f,note=\"n 0, \\\"q\\\"\" 1775000000\n\
        climate,device=d1,room=kitchen temperature=27.1,count=0i 1775000015\n\
        \n\
        # the agent itself\n\
        agent uptime=12u,version=\"1.2\"\n\
        climate,device=d2,room=kitchen open=t 1775000030\n";
    let options = ParseOptions { precision: Precision::Second, ..options() };
    let batch = parse(body.as_bytes(), &options);
    assert_eq!((batch.point_count, batch.tables.len()), (5, 2));
    let climate = &batch.tables[0];
    assert_eq!(climate.row_series, [0, 1, 0, 1]);
    assert_eq!(climate.times, [1775000000, 1775000000, 1775000015, 1775000030].map(|seconds| seconds * 1_000_000_000));
    assert_eq!(climate.lines, [1, 2, 3, 7]);
    let shape: Vec<(&str, FieldKind, Presence)> =
        climate.fields.iter().map(|field| (field.name.as_str(), field.kind(), field.presence.clone())).collect();
    let expected = [
        ("temperature", FieldKind::Float, Presence::Bits(vec![0b0111])),
        ("count", FieldKind::Integer, Presence::Bits(vec![0b0111])),
        ("humidity", FieldKind::Float, Presence::Bits(vec![0b0011])),
        ("open", FieldKind::Boolean, Presence::Bits(vec![0b1011])),
        ("note", FieldKind::String, Presence::Bits(vec![0b0011])),
    ];
    assert_eq!(shape, expected);
    let FieldValues::String(notes) = &climate.fields[4].values else { panic!("a note is a string") };
    assert_eq!((notes.value(0), notes.value(3), notes.offsets.len()), ("n 0, \"q\"", "", 5));
    assert_eq!(batch.tables[1].measurement, "agent");
    assert_eq!(batch.tables[1].times, [1_767_225_601_000_000_000]);
}
