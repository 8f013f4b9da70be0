//! What is wrong with a script, in InfluxDB's words and places, and what of the script is read nevertheless.

mod trees;

use trees::{check_json_round_trip, parse_default, short};

/// The script has these errors.
#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let parsed = parse_default(source);
    let errors: Vec<String> = parsed.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected, "{source}: {}", short(&parsed.file));
    check_json_round_trip(&parsed.file);
}

/// The script is wrong, and this much of it is read.
#[track_caller]
fn check_tree(source: &str, expected: &str) {
    let parsed = parse_default(source);
    assert!(!parsed.errors.is_empty(), "{source}");
    assert_eq!(short(&parsed.file), expected, "{source}");
}

#[test]
fn brackets_that_do_not_close() {
    check("f(", &["error @1:1-1:3: expected RPAREN, got EOF"]);
    check("f(a: 1", &["error @1:1-1:7: expected RPAREN, got EOF"]);
    check("[1, 2", &["error @1:1-1:6: expected RBRACK, got EOF"]);
    check(
        "[",
        &[
            "error @1:1-1:2: expected COMMA, got EOF",
            "error @1:1-1:2: expected RBRACK, got EOF",
            "error @1:2-1:2: invalid expression: invalid token for primary expression: EOF",
        ],
    );
    check("{a: 1", &["error @1:1-1:6: expected RBRACE, got EOF"]);
    check("(1", &["error @1:1-1:3: expected RPAREN, got EOF"]);
    check("a[b()", &["error @1:1-1:6: expected RBRACK, got EOF"]);
    check("a[b(]", &["error @1:3-1:6: expected RPAREN, got RBRACK"]);
    check("f = () => { return 1", &["error @1:11-1:21: expected RBRACE, got EOF"]);
    check(
        "from() |> range() |> map(fn: (r) => { return r._value )",
        &["error @1:37-1:56: expected RBRACE, got RPAREN"],
    );
}

#[test]
fn brackets_that_never_opened() {
    check("a[b)]", &["error @1:1-1:6: invalid expression @1:4-1:5: )"]);
    check("a)", &["error @1:2-1:3: invalid statement: )"]);
    check("f(a: ])", &["error @1:3-1:4: invalid expression @1:6-1:7: ]", "error @1:3-1:4: missing property value"]);
}

#[test]
fn attributes() {
    check(
        "@a(",
        &[
            "error @1:1-1:4: invalid statement: extra attributes not associated with anything",
            "error @1:1-1:4: expected RPAREN, got EOF",
        ],
    );
    check(
        "@a(=) x = 1",
        &[
            "error @1:1-1:6: invalid expression @1:4-1:5: =",
            "error @1:4-1:5: invalid expression: invalid token for primary expression: ASSIGN",
        ],
    );
    check("@a(01) x = 1", &["error @1:4-1:6: invalid integer literal \"01\": nonzero value cannot start with 0"]);
}

#[test]
fn statements_that_are_none() {
    check("@ a", &["error @1:1-1:2: invalid statement: @"]);
    check("a = 1 import \"b\"", &["error @1:7-1:13: invalid statement: import"]);
    check("then", &["error @1:1-1:5: invalid statement: then"]);
    check("option a", &["error @1:1-1:7: invalid statement: option"]);
    check("@a", &["error @1:1-1:3: invalid statement: extra attributes not associated with anything"]);
    check("a = 1 @b(1)", &["error @1:7-1:12: invalid statement: extra attributes not associated with anything"]);
    check_tree("a = 1 | b = 2", "a = 1; bad(|); b = 2");
}

#[test]
fn missing_values() {
    check("x = ", &["error @1:5-1:5: invalid expression: invalid token for primary expression: EOF"]);
    check("a + ", &["error @1:5-1:5: invalid expression: invalid token for primary expression: EOF"]);
    check("(*b)", &["error @1:2-1:3: invalid expression: invalid token for primary expression: MUL"]);
    check("(a*)", &["error @1:4-1:5: invalid expression: invalid token for primary expression: RPAREN"]);
    check("f(a: )", &["error @1:3-1:4: missing property value"]);
    check("from(bucket: ", &["error @1:1-1:14: expected RPAREN, got EOF", "error @1:6-1:12: missing property value"]);
    check("a[]", &["error @1:1-1:4: no expression included in brackets"]);
    check_tree("x = ", "x = ?");
}

#[test]
fn records_and_arguments() {
    check(
        "f(a: 1 b: 2)",
        &["error @1:1-1:13: expected comma in property list, got COLON", "error @1:9-1:12: missing property key"],
    );
    check(
        "{a: 1 b: 2}",
        &["error @1:8-1:11: missing property key", "error @1:10-1:11: expected comma in property list, got COLON"],
    );
    check("{a: 1, b}", &["error @1:1-1:10: cannot mix implicit and explicit properties"]);
    check("f(a: 1, b)", &["error @1:3-1:10: cannot mix implicit and explicit properties"]);
    check("{\"a\"}", &["error @1:1-1:6: string literal key a must have a value"]);
    check("f(: 1)", &["error @1:3-1:6: missing property key"]);
    check("f(a, , b)", &["error @1:6-1:6: missing property in property list"]);
    check("f(1: 2)", &["error @1:3-1:7: unexpected token for property key: INT (1)"]);
    check("f(1)", &["error @1:3-1:4: unexpected token for property key: INT (1)"]);
    check("{a b}", &["error @1:1-1:6: expected comma in property list, got IDENT"]);
    check(
        "{a \"b\": 1}",
        &[
            "error @1:1-1:11: cannot mix implicit and explicit properties",
            "error @1:4-1:7: expected comma in property list, got STRING",
        ],
    );
}

#[test]
fn expressions_without_operators() {
    check("(a b)", &["error @1:2-1:5: expected an operator between two expressions"]);
    check("f(a: 1 2)", &["error @1:6-1:9: expected an operator between two expressions"]);
    check_tree("(a b c d", "(paren (<INVALID_OP> (<INVALID_OP> (<INVALID_OP> a b) c) d))");
    check("(a, b) a + b", &["error @1:8-1:9: expected ARROW, got IDENT (a) at 1:8"]);
    check("1 |> 2", &["error @1:6-1:7: pipe destination must be a function call"]);
    check("a |> b", &["error @1:6-1:7: pipe destination must be a function call"]);
    check_tree("a |> b |> c()", "(|> (|> a (call b)) (call c))");
}

#[test]
fn conditionals() {
    check(
        "if a b else c",
        &[
            "error @1:1-1:7: expected THEN, got IDENT (b) at 1:6",
            "error @1:1-1:7: expected ELSE, got IDENT (b) at 1:6",
            "error @1:8-1:12: invalid statement: else",
        ],
    );
    check("if a then b", &["error @1:1-1:12: expected ELSE, got EOF"]);
}

#[test]
fn numbers_and_times() {
    check("01", &["error @1:1-1:3: invalid integer literal \"01\": nonzero value cannot start with 0"]);
    check(
        "9223372036854775808",
        &["error @1:1-1:20: invalid integer literal \"9223372036854775808\": value out of range"],
    );
    check(
        "x = 2026-01-01T00:00:00",
        &["error @1:5-1:24: invalid expression: invalid date time literal, missing time offset"],
    );
    check("x = 2026-13-01", &["error @1:5-1:15: invalid expression: invalid token for primary expression: TIME"]);
    check(
        "x = 99999999999999999999h",
        &["error @1:5-1:26: invalid expression: invalid token for primary expression: DURATION"],
    );
}

#[test]
fn strings() {
    check("\"abc", &["error @1:1-1:5: got unexpected token in string expression @1:5-1:5: EOF"]);
    check("\"a${b", &["error @1:1-1:6: got unexpected token in string expression @1:6-1:6: EOF"]);
    check(
        "\"\\d\"",
        &[
            "error @1:1-1:3: got unexpected token in string expression @1:2-1:3: ILLEGAL",
            "error @1:4-1:5: got unexpected token in string expression @1:5-1:5: EOF",
        ],
    );
    check("\"\\xff\"", &["error @1:1-1:7: invalid utf-8 sequence of 1 bytes from index 0"]);
    check(
        "import 1",
        &["error @1:8-1:9: expected STRING, got INT (1) at 1:8", "error @1:8-1:9: invalid string literal"],
    );
}

#[test]
fn types() {
    check(
        "builtin a int",
        &["error @1:14-1:14: expected COLON, got IDENT (int) at 1:11", "error @1:14-1:14: expected IDENT, got EOF"],
    );
    check(
        "builtin a : [int",
        &[
            "error @1:13-1:17: expected RBRACK, got EOF",
            "error @1:17-1:17: expected COLON, got EOF",
            "error @1:17-1:17: expected IDENT, got EOF",
        ],
    );
    check("builtin a : {b}", &["error @1:13-1:16: expected COLON, got RBRACE (}) at 1:15"]);
}

#[test]
fn messages_of_several_errors() {
    let errors = parse_default("f(\n)) @ x = ").into_result().expect_err("three errors").to_string();
    let expected = "compilation failed: error @2:2-2:3: invalid statement: )\n\n\
                    error @2:4-2:5: invalid statement: @\n\n\
                    error @2:10-2:10: invalid expression: invalid token for primary expression: EOF";
    assert_eq!(errors, expected);
}
