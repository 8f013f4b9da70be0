//! One case a rule. Texts of errors are those that InfluxDB 2.9 gave, or those of its own tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// The terms as `subject operator value`, one after another.
fn check(text: &str, expected: &str) {
    let terms = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let shown: Vec<String> = terms
        .iter()
        .map(|term| {
            let subject = match &term.subject {
                DeleteSubject::Measurement => "MEASUREMENT",
                DeleteSubject::Field => "FIELD",
                DeleteSubject::Tag(name) => name,
            };
            format!("{subject}{}{}", if term.is_equal { "=" } else { "!=" }, term.value)
        })
        .collect();
    assert_eq!(shown.join(" "), expected, "{text}");
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn nothing_means_everything() {
    check("", "");
    check(" \t\n ", "");
}

#[test]
fn comparisons() {
    check("abc=opq", "abc=opq");
    check("           abc   =         \"opq\"", "abc=opq");
    check(" abc != \"opq\"", "abc!=opq");
    check("abc <> opq", "abc!=opq");
    check("\"a b\"=\"c = d\"", "a b=c = d");
    check("name=x", "name=x");
    check("\"and\"=\"or\"", "and=or");
    check("a=\"\"", "a=");
}

#[test]
fn values_without_quotes() {
    check("abc=0x1231", "abc=0x1231");
    check("abc=2d", "abc=2d");
    check("abc=-5i", "abc=-5i");
    check("abc= -1221", "abc=-1221");
    check("abc=123", "abc=123");
    check("abc=1.5", "abc=1.5");
    check("abc=.5", "abc=.5");
    check("abc=true", "abc=true");
    check("abc=FALSE", "abc=false");
}

#[test]
fn strings_in_single_quotes() {
    check("a='b'", "a=b");
    check("a='it\\'s \"b\"'", "a=it's \"b\"");
}

#[test]
fn escapes() {
    check(r#"a="\"\\\n\'""#, "a=\"\\\n'");
    check_error(r#"a="b\x""#, r#"bad tag value: "b", at position 2"#);
    check_error("a=\"b", r#"bad tag value: "b", at position 2"#);
    check_error("a=\"b\nc\"", r#"bad tag value: "b", at position 2"#);
    check_error("\"a=b", "bad logical expression, at position 0");
}

#[test]
fn measurements_and_fields() {
    check("_measurement=\"m\" AND _field='f'", "MEASUREMENT=m FIELD=f");
    check("_measurement != m and _field != f", "MEASUREMENT!=m FIELD!=f");
}

#[test]
fn conjunctions() {
    check("abc=\"opq\" AND gender=\"male\" aNd temp=1123", "abc=opq gender=male temp=1123");
    check(" (t1=\"v1\" and t2=\"v2\") and (t3=v3 and (t4=v4 and t5=v5))", "t1=v1 t2=v2 t3=v3 t4=v4 t5=v5");
    check("((((a=b))))", "a=b");
    check("(a=b)and(c=d)", "a=b c=d");
}

#[test]
fn or_is_refused() {
    check_error("_measurement=\"a\" OR b=\"c\"", "the logical operator OR is not supported yet at position 17");
    check_error(
        " abc=\"opq\" Or gender=\"male\" OR temp=1123",
        "the logical operator OR is not supported yet at position 11",
    );
    check_error("a=b AND or", "the logical operator OR is not supported yet at position 8");
}

#[test]
fn other_operators_are_refused() {
    check_error("a=~/b/", "operator: \"=~\" at position: 1 is not supported yet");
    check_error("abc!~/^payments\\./", "operator: \"!~\" at position: 3 is not supported yet");
    check_error("abc>1000", "invalid operator \">\" at position: 3");
    check_error("abc", "invalid operator \"EOF\" at position: 3");
    check_error("abc def", "invalid operator \"def\" at position: 4");
}

#[test]
fn values_that_are_none() {
    check_error("a=", "bad tag value: \"\", at position 2");
    check_error("a=and", "bad tag value: \"\", at position 2");
    check_error("a=(b)", "bad tag value: \"\", at position 2");
    check_error("a=-", "bad tag value: \"\", at position 3");
    check_error("a==b", "bad tag value: \"\", at position 2");
}

#[test]
fn parentheses_that_do_not_match() {
    check_error(" (t1=\"v1\" and t2=\"v2\") and (", "extra ( seen");
    check_error("(a=b", "extra ( seen");
    check_error(" (t1=\"v1\" and t2=\"v2\"))", "extra ) seen");
    check_error(")", "extra ) seen");
    check_error("()", "bad logical expression, at position 1");
}

#[test]
fn what_is_no_expression() {
    check_error("1=a", "bad tag key, at position 0");
    check_error("'a'=b", "bad logical expression, at position 0");
    check_error("host=server01.local", "bad logical expression, at position 13");
    check_error("host=server-01", "bad logical expression, at position 11");
    check_error("a=b c=d", "bad logical expression, at position 4");
    check_error("a=b AND", "bad logical expression, at position 7");
    check_error("AND a=b", "bad logical expression, at position 0");
    check_error("a=b; drop", "bad logical expression, at position 3");
    check_error("ä=b", "bad logical expression, at position 0");
}

#[test]
fn columns_of_results_are_refused() {
    check_error("_value=5", "delete by value is not supported");
    check_error("_time=5", "delete by time in the predicate is not supported");
    check("_start=5", "_start=5");
}

#[test]
fn any_text_is_terms_or_an_error() {
    let pieces =
        ["a", "\"b\"", "'c'", "=", "!=", "=~", "(", ")", " and ", " or ", "-", "1", "\\", "\"", "'", "é", "\n"];
    for seed in 0..20_000_usize {
        let mut text = String::new();
        let mut rest = seed.wrapping_mul(2_654_435_761);
        for _ in 0..8 {
            text.push_str(pieces[rest % pieces.len()]);
            rest /= pieces.len();
        }
        let _ = parse(&text);
    }
    assert_eq!(parse(&"(".repeat(1 << 20)), Err(PredicateError::Open));
}
