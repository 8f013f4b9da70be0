//! Canonical text.

mod trees;

use flux::{FormatError, format};
use trees::{check_round_trips, parse_default};

/// The script becomes this text, which stays as it is.
#[track_caller]
fn check(source: &str, expected: &str) {
    let parsed = parse_default(source);
    assert_eq!(parsed.errors, [], "{source}");
    assert_eq!(format(&parsed.file).as_deref(), Ok(expected));
    check_round_trips(&parsed.file);
}

#[track_caller]
fn check_unchanged(source: &str) {
    check(source, source);
}

#[test]
fn operators_and_parentheses() {
    check("1+  1-2", "1 + 1 - 2");
    check_unchanged("1 * (1 / 2)");
    check_unchanged("(1 + 2) * 3");
    check("(1 + (2 * 3))", "1 + 2 * 3");
    check("((1 + 2) + 3)", "1 + 2 + 3");
    check("(1 + (2 + 3))", "1 + (2 + 3)");
    check("((a) and ((b or c) or d))", "a and (b or c or d)");
    check("((1 == 2) and (not exists r.a))", "1 == 2 and not exists r.a");
    check("-1 / 2", "(-1) / 2");
    check("-(a |> f())", "-(a |> f())");
    check("1 ^ (a() |> b())", "1 ^ a() |> b()");
    check_unchanged("(1 ^ a()) |> b()");
    check_unchanged("(a() |> b()).c");
    check_unchanged("(if a then b else c) + 1");
    check_unchanged("(() => 1) |> f()");
    check_unchanged("(() => 1)() + 2");
    check_unchanged("(1).a");
}

#[test]
fn functions() {
    check("(r) =>\n    (r.user ==     \"user1\")", "(r) => r.user == \"user1\"");
    check_unchanged("(r) => ({r with _value: r._value + 1})");
    check("() => ({a: 1}).a", "() => ({a: 1}.a)");
    check_unchanged("foo = (arg=[1, 2], t=<-) => t");
    check_unchanged("f = () => {\n    a = 1\n\n    return a\n}");
    check("f = (a, b, c, d, e=1) => a", "f = (\n    a,\n    b,\n    c,\n    d,\n    e=1,\n) => a");
}

#[test]
fn pipes() {
    check("from(bucket:\"a\")|>range(start:-1h)", "from(bucket: \"a\") |> range(start: -1h)");
    check_unchanged("tables\n    |> a()\n    |> b()");
    check("a |> b() |> c() |> d()", "a\n    |> b()\n    |> c()\n    |> d()");
    check_unchanged("x = from(bucket: \"a\")\n    |> range(start: -1h)\n    |> filter(fn: (r) => r.a == \"b\")");
    check_unchanged(
        "f = (t=<-) => t\n    |> a(\n        b: 1,\n        c: 2,\n        d: 3,\n        e: 4,\n        f: 5,\n    )",
    );
}

#[test]
fn lists() {
    check_unchanged("{a: 1, b: {c: 11, d: 12}}");
    check("[1, 2, 3, 4, 5]", "[\n    1,\n    2,\n    3,\n    4,\n    5,\n]");
    check("{a: 1, b: 2, c: 3, d: 4, e: 5}", "{\n    a: 1,\n    b: 2,\n    c: 3,\n    d: 4,\n    e: 5,\n}");
    check("[{\n    a: 1,\n    b: 2,\n}]", "[{a: 1, b: 2}]");
    check_unchanged("[\"a\": 0, \"b\": 1]");
    check_unchanged("[:]");
    check_unchanged("{r with a: 1}");
}

#[test]
fn literals() {
    check_unchanged("\"\\xe6\\x97\\xa5 \\n\"");
    check_unchanged("a = \"x\n  y\"");
    check_unchanged("\"a ${b} \\\"c\\\"\"");
    check_unchanged("/^http:\\/\\/\\w+\\.com$/");
    check_unchanged("2018-05-22T19:53:23.09012Z");
    check_unchanged("2018-05-22T19:53:01.09012-07:00");
    check("2026-01-01", "2026-01-01T00:00:00Z");
    check_unchanged("1d1m1s");
    check_unchanged("100000000.0");
    check_unchanged("[.a, .\"b c\"]");
}

#[test]
fn conditionals() {
    check_unchanged("if a then b else c");
    check_unchanged("if a == b then\n    r.x\nelse if a == c then\n    r.y\nelse\n    r.z");
}

#[test]
fn statements() {
    check("foo = 1\nfoo\nbuiltin a : int\nbuiltin b : int", "foo = 1\n\nfoo\n\nbuiltin a : int\nbuiltin b : int");
    check("a = 1\n\n\n\nb = 2", "a = 1\n\nb = 2");
    check_unchanged("import foo \"path/foo\"\n\nfoo.from()");
    check_unchanged("package foo\n\n\nimport \"a\"\nimport b \"c\"\n\nx = 1");
    check_unchanged("option alert.state = \"Warning\"");
    check_unchanged("testcase a extends \"b\" {\n    f(x: 1)\n}");
    check_unchanged("@edition(\"2022.1\")\npackage a\n\n\n@b\nx = 1");
    check_unchanged("return 42");
}

#[test]
fn types() {
    check_unchanged(
        "builtin foo : (a: int, ?b: string, <-c: [A]) => {A with d: int} where A: Record, B: Numeric + Addable",
    );
    check_unchanged(
        "builtin foo : (\n    a: int,\n    b: string,\n    c: A,\n    d: [int],\n    e: stream[B],\n) => int",
    );
    check_unchanged("builtin dict : [string:vector[int]]");
}

#[test]
fn comments() {
    check_unchanged("// about a\na");
    check_unchanged("// about a\na = 1\n\n// about b\nb = 2");
    check_unchanged("a = [\n    // one\n    1,\n    2,\n]");
    check_unchanged("from(\n    bucket: \"a\",\n    // which\n    host: \"b\",\n)");
    check_unchanged("from()\n    // then\n    |> to()");
    check_unchanged("// paren\n(1 + 1)");
    check_unchanged("f = () => {\n    return 1\n// end\n}");
    check_unchanged("if 1 then\n    2\n// or\nelse\n    3");
    check_unchanged("a = 1\n// the end\n");
    check_unchanged("// nothing else\n");
}

#[test]
fn bad_nodes_have_no_text() {
    for (source, expected) in [("x = ", "bad expression at 1:5-1:5"), (")", "bad statement at 1:1-1:2")] {
        let error = format(&parse_default(source).file).expect_err(source);
        assert_eq!(error.to_string(), expected);
    }
    assert!(matches!(format(&parse_default("(a b)").file), Err(FormatError::BadExpression(_))));
}
