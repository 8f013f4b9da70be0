//! No script is too large or too deep to be refused.

mod trees;

use flux::walk::{Node, walk};
use flux::{Limits, format, json, parse};
use trees::{check_round_trips, parse_default};

/// The script is refused with this message, on a stack of a test's size.
#[track_caller]
fn check_refused(source: &str, expected: &str) {
    let parsed = parse_default(source);
    let messages: Vec<&str> = parsed.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages, [expected], "{}…", &source[..source.len().min(20)]);
    // What was read can be copied, compared, walked and dropped.
    assert!(parsed.file.clone() == parsed.file);
    assert!(walk(Node::File(&parsed.file)).count() > 1);
    let _ = format(&parsed.file);
}

const TOO_DEEP: &str = "Program is nested too deep";

#[test]
fn nesting() {
    for opening in ["(", "[", "{a: ", "f(a: ", "a[", "() => ", "() => {", "if ", "[a: ", "testcase a {", "\"${"] {
        check_refused(&opening.repeat(2_000), TOO_DEEP);
    }
    for opening in ["[", "{a: ", "(a: ", "stream["] {
        check_refused(&format!("builtin a : {}", opening.repeat(2_000)), TOO_DEEP);
    }
}

#[test]
fn chains() {
    for step in [" |> f()", ".a", "()", "[0]", " + a", " ^ a", " == a", " and a", " or a", " * a |> f()"] {
        check_refused(&format!("a{}", step.repeat(2_000)), TOO_DEEP);
    }
    for prefix in ["- ", "not ", "exists ", "if a then b else "] {
        check_refused(&format!("{}a", prefix.repeat(2_000)), TOO_DEEP);
    }
}

#[test]
fn very_long_scripts() {
    for part in ["(", "[", "f(a: ", "() => {", " |> f()", " or a", "- ", "if a then b else "] {
        let parsed = parse_default(&format!("a{}", part.repeat(100_000)));
        assert!(!parsed.errors.is_empty(), "{part}");
    }
}

/// Chains in chains: each level starts with a long one.
#[test]
fn chains_in_brackets() {
    let chain = format!("{}{}", "(".repeat(100), "a".to_owned() + &format!("{})", " + a".repeat(900)).repeat(100));
    check_refused(&chain, TOO_DEEP);
}

#[test]
fn what_is_not_too_deep() {
    for source in [
        format!("{}a{}", "(".repeat(120), ")".repeat(120)),
        format!("{}a{}", "[".repeat(120), "]".repeat(120)),
        format!("{}a{}", "f(a: ".repeat(120), ")".repeat(120)),
        format!("{}a{}", "() => { return ".repeat(60), "}".repeat(60)),
        format!("a{}", " |> f()".repeat(990)),
        format!("a{}", " or b == c".repeat(990)),
        format!("{}a", "- ".repeat(990)),
        format!("{}c", "if a then b else ".repeat(900)),
    ] {
        let parsed = parse_default(&source);
        assert_eq!(parsed.errors, [], "{}…", &source[..20]);
        assert!(parsed.file.clone() == parsed.file);
        assert!(format(&parsed.file).is_ok());
    }
    let parsed = parse_default(&format!("{}a{}", "f(a: ".repeat(20), ")".repeat(20)));
    check_round_trips(&parsed.file);
}

#[test]
fn the_tallest_tree_as_json() {
    let parsed = parse_default(&format!("a{}", " or b".repeat(990)));
    assert!(json::write_file(&parsed.file).len() > 1_000_000);
    // A long text in it is not repeated a thousand times.
    let parsed = parse_default(&format!("\"{}\"{}", "x".repeat(100_000), " or b".repeat(990)));
    assert!(json::write_file(&parsed.file).len() < 20 * 1024 * 1024);
}

#[test]
fn long_lists() {
    let array = parse_default(&format!("[{}]", "1, ".repeat(100_000)));
    assert_eq!(array.errors, []);
    let statements = parse_default(&"a = 1\n".repeat(100_000));
    assert_eq!(statements.errors, []);
}

#[test]
fn sizes() {
    let limits = Limits { source_bytes: 4, ..Limits::default() };
    assert_eq!(parse("1234", &limits).errors, []);
    assert_eq!(parse("12345", &limits).errors[0].message, "the script has 5 bytes, at most 4 are read");
    let limits = Limits { tokens: 3, ..Limits::default() };
    assert_eq!(parse("a b c", &limits).errors, []);
    assert_eq!(parse("a b c d", &limits).errors[0].message, "the script has more than 3 tokens");
}

#[test]
fn reported_errors() {
    assert_eq!(parse_default(&")".repeat(1_000)).errors.len(), 100);
    assert_eq!(parse_default(&"f(a: )".repeat(1_000)).errors.len(), 100);
}
