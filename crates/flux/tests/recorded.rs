//! Scripts that InfluxDB 2.9 was asked, below `tests/golden/flux_parser`: what it took parses, survives the formatter
//! and the JSON form; what it refused is refused in the same words.

mod trees;

use flux::{Limits, parse};

const SCRIPTS: &str = include_str!("../../../tests/golden/flux_parser/scripts.txt");
const ERRORS: &str = include_str!("../../../tests/golden/flux_parser/errors.txt");

/// The cases of a file, without its head.
fn cases(file: &str) -> impl Iterator<Item = &str> {
    file.split("=====\n").skip(1).map(|case| case.strip_suffix('\n').unwrap_or(case))
}

#[test]
fn every_script_is_read() {
    for script in cases(SCRIPTS) {
        let parsed = parse(script, &Limits::default());
        assert_eq!(parsed.errors, [], "{script}");
        trees::check_round_trips(&parsed.file);
    }
    assert!(cases(SCRIPTS).count() > 240);
}

#[test]
fn every_error_is_reported() {
    for case in cases(ERRORS) {
        let (script, expected) = case.split_once("\n-----\n").expect("a script and its message");
        let errors = parse(script, &Limits::default()).into_result().expect_err(script);
        assert_eq!(errors.to_string(), expected, "{script}");
    }
    assert!(cases(ERRORS).count() > 5);
}
