//! What is a query, and what the messages say about what is none.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::print::print;

fn printed(text: &str) -> String {
    match parse(text, &Limits::default()) {
        Ok(expr) => print(&expr),
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn operators_by_precedence() {
    for (text, expected) in [
        ("1 + 2 * 3 ^ 2 ^ x", "(1 + (2 * (3 ^ (2 ^ x))))"),
        ("-x ^ 2", "-(x ^ 2)"),
        ("-x * 2", "(-x * 2)"),
        ("-1 ^ 2", "-(1 ^ 2)"),
        ("a or b and c unless d == e + f", "(a or ((b and c) unless (d == (e + f))))"),
        ("a - b - c", "((a - b) - c)"),
        ("a atan2 b % c", "((a atan2 b) % c)"),
        ("1 >bool 2", "(1 > bool 2)"),
        ("a / on (x, y) group_left (z) b", "(a / on (x, y) group_left (z) b)"),
        ("a * ignoring (x) GROUP_RIGHT b", "(a * ignoring (x) group_right () b)"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn selectors_ranges_and_times() {
    for (text, expected) in [
        ("up", "up"),
        ("{job=~\"a.*\", x!='',}", "{job=~\"a.*\", x!=\"\"}"),
        ("{\"my.metric\", \"a b\"=\"c\"}", "{\"my.metric\", \"a b\"=\"c\"}"),
        ("x[5m] offset -1m", "x[300000ms] offset -60000ms"),
        ("x @ 10.5 offset 1h", "x @ 10.500 offset 3600000ms"),
        ("x offset 1h @ start()", "x @ start() offset 3600000ms"),
        ("x[300]", "x[300000ms]"),
        ("rate(x[5m])[1h:]", "rate(x[300000ms])[3600000ms:60000ms]"),
        ("max_over_time(sum by (a) (x)[1h:30s] @ end())", "max_over_time(sum by (a) (x)[3600000ms:30000ms] @ end())"),
        ("sum", "sum"),
        ("sum{a='b'} + offset", "(sum{a=\"b\"} + offset)"),
        ("a:b:c{}", "a:b:c"),
        ("SUM(x) BY (a)", "sum by (a) (x)"),
        ("topk without (a) (3, x)", "topk without (a) (3, x)"),
        ("1h", "3600"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_query() {
    for (text, expected) in [
        ("", "1:1: parse error: no expression found in input"),
        ("1 +\n (2", "2:4: parse error: unexpected end of input in paren expression, expected \")\""),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{a=~'.*'}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("x{__name__='y'}", "1:3: parse error: metric name must not be set twice: \"y\""),
        ("x{a=~'('}", "1:6: parse error: invalid regular expression \"(\": unclosed group"),
        ("nothing(x)", "1:1: parse error: unknown function with name \"nothing\""),
        ("rate(x)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("rate(x[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"),
        ("round(x, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("label_join(x, 'a')", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"),
        ("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("x + bool x", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("x and 1", "1:3: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("x and on(a) group_left y", "1:3: parse error: no grouping allowed for \"and\" operation"),
        ("x * on(a) group_left(a) y", "1:3: parse error: label \"a\" must not occur in ON and GROUP clause at once"),
        ("x[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"),
        ("x offset 1m [5m]", "1:13: parse error: no offset modifiers allowed before range"),
        ("x[0s]", "1:3: parse error: duration must be greater than 0"),
        ("x[5m][1h:]", "1:6: parse error: subquery is only allowed on instant vector, got range vector instead"),
        (
            "(x) offset 5m",
            "1:5: parse error: offset modifier must be preceded by an instant vector selector or range vector selector \
             or a subquery",
        ),
        ("topk(x)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("count_values('a b', x)", "1:1: parse error: invalid label name \"a b\" in count_values"),
        ("x y", "1:3: parse error: unexpected \"y\""),
        (
            "-'a'",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \
             \"string\"",
        ),
        ("x @ y", "1:5: parse error: unexpected \"y\" in @, expected timestamp"),
    ] {
        assert_eq!(printed(text), format!("error {expected}"), "{text}");
    }
}

#[test]
fn limits_of_text_nesting_and_height() {
    let deep = format!("{}x{}", "(".repeat(200), ")".repeat(200));
    assert!(printed(&deep).contains("nested deeper than 100 levels"), "{}", printed(&deep));
    let signs = format!("{}x", "-".repeat(200));
    assert!(printed(&signs).contains("nested deeper"), "{}", printed(&signs));
    let long = vec!["x"; 500].join("+");
    assert!(printed(&long).contains("higher than 400 levels"), "{}", printed(&long));
    assert!(!printed(&vec!["x"; 300].join("+")).contains("error"));
    assert!(printed(&"x".repeat(200_000)).contains("more than 131072"));
}

#[test]
fn selectors_of_requests() {
    let matchers = parse_selector("up{a!='b'}", &Limits::default()).unwrap();
    assert_eq!(matchers.len(), 2);
    for text in ["up[5m]", "up offset 5m", "1", "sum(up)"] {
        assert!(parse_selector(text, &Limits::default()).is_err(), "{text}");
    }
}
