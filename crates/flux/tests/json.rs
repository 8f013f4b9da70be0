//! The JSON form of the tree.

mod trees;

use flux::json::{package_of, read_file, read_package, write_package};
use flux::{Limits, parse};
use serde_json::{Value, json};
use trees::{parse_default, short};

/// What InfluxDB 2.9 answered to `/api/v2/query/ast`.
const RECORDED: &str = include_str!("../../../tests/golden/flux_parser/ast.txt");

#[test]
fn recorded_answers() {
    for case in RECORDED.split("=====\n").skip(1) {
        let (source, expected) = case.trim_end_matches('\n').split_once("\n-----\n").expect("a script and its tree");
        assert_eq!(write_package(&package_of(parse_default(source).file)), expected);
        let value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(write_package(&read_package(&value).expect("a package")), expected);
    }
}

/// The tree of one expression, without places.
#[track_caller]
fn check_expression(source: &str, expected: Value) {
    let file = trees::essence(&parse_default(source).file);
    assert_eq!(file["body"][0]["expression"], expected, "{source}");
}

#[test]
fn literals() {
    check_expression("12", json!({"type": "IntegerLiteral", "value": "12"}));
    check_expression("1.5", json!({"type": "FloatLiteral", "value": 1.5}));
    check_expression("1.0", json!({"type": "FloatLiteral", "value": 1}));
    check_expression("\"a\\n\"", json!({"type": "StringLiteral", "value": "a\n"}));
    check_expression("/a/", json!({"type": "RegexpLiteral", "value": "a"}));
    check_expression("<-", json!({"type": "PipeLiteral"}));
    check_expression("2026-01-01T00:00:00.50+02:00", {
        json!({"type": "DateTimeLiteral", "value": "2026-01-01T00:00:00.5+02:00"})
    });
    check_expression("1h30m", {
        let values = json!([{"magnitude": 1, "unit": "h"}, {"magnitude": 30, "unit": "m"}]);
        json!({"type": "DurationLiteral", "values": values})
    });
    check_expression("true", json!({"type": "Identifier", "name": "true"}));
}

#[test]
fn comments_errors_and_attributes() {
    let text = flux::json::write_file(&parse("@a(1)\n// b\nf(x: ", &Limits::default()).file);
    for part in [
        r#""errors":[{"msg":"expected RPAREN, got EOF"}]"#,
        r#""errors":[{"msg":"missing property value"}]"#,
        r#""comments":[{"text":"// b\n"}]"#,
        r#""attributes":[{"type":"Attribute""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn other_file_names_stand_in_each_location() {
    let mut file = parse_default("a").file;
    "b.flux".clone_into(&mut file.name);
    assert!(flux::json::write_file(&file).contains(r#""location":{"file":"b.flux","start""#));
}

/// What the user interface of InfluxDB sends with a query.
#[test]
fn an_extern_without_places() {
    let identifier = |name: &str| json!({"type": "Identifier", "name": name});
    let range_start = json!({
        "type": "UnaryExpression", "operator": "-",
        "argument": {"type": "DurationLiteral", "values": [{"magnitude": 1, "unit": "h"}]},
    });
    let properties = json!([
        {"type": "Property", "key": identifier("bucket"), "value": {"type": "StringLiteral", "value": "b"}},
        {"type": "Property", "key": identifier("timeRangeStart"), "value": range_start},
        {"type": "Property", "key": identifier("timeRangeStop"),
            "value": {"type": "CallExpression", "callee": identifier("now")}},
    ]);
    let file = json!({
        "type": "File", "package": null, "imports": null,
        "body": [{
            "type": "OptionStatement",
            "assignment": {
                "type": "VariableAssignment", "id": identifier("v"),
                "init": {"type": "ObjectExpression", "properties": properties},
            },
        }],
    });
    let file = read_file(&file).expect("a file");
    assert_eq!(short(&file), "option v = {bucket:\"b\" timeRangeStart:(- 1h) timeRangeStop:(call now)}");
    trees::check_round_trips(&file);
}

#[track_caller]
fn check_refused(value: Value, expected: &str) {
    assert_eq!(read_file(&value).map_err(|error| error.to_string()), Err(expected.to_owned()), "{value}");
}

#[test]
fn what_is_no_tree() {
    let statement = |statement: Value| json!({"type": "File", "body": [statement]});
    let expression = |expression: Value| statement(json!({"type": "ExpressionStatement", "expression": expression}));
    check_refused(json!(1), "expected an object with a type as a file");
    check_refused(json!({"type": "Package"}), "type \"Package\" is not a file");
    check_refused(statement(json!({"type": "Identifier", "name": "a"})), "type \"Identifier\" is not a statement");
    check_refused(expression(json!({"type": "Nothing"})), "type \"Nothing\" is not an expression");
    check_refused(expression(json!({"type": "Identifier"})), "type \"Identifier\" has a bad field \"name\"");
    check_refused(expression(json!({"type": "IntegerLiteral", "value": 1})), {
        "type \"IntegerLiteral\" has a bad field \"value\""
    });
    check_refused(
        expression(json!({"type": "DurationLiteral", "values": [{"magnitude": 1, "unit": "x"}]})),
        "type \"DurationLiteral\" has a bad field \"values\"",
    );
    let mut deep = json!({"type": "Identifier", "name": "a"});
    for _ in 0..300 {
        deep = json!({"type": "ParenExpression", "expression": deep});
    }
    check_refused(expression(deep), "the tree has more than 200 levels");
}

#[test]
fn a_missing_expression_is_an_error_of_the_tree() {
    let file = read_file(&json!({"type": "File", "body": [{"type": "ExpressionStatement", "expression": null}]}));
    let errors = flux::check(&file.expect("a file"), 10);
    assert_eq!(errors[0].message, "invalid expression: missing expression");
}
