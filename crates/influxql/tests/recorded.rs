//! Texts that a running InfluxDB answered or refused: those that it answered parse, and print to what parses to the
//! same; the others are refused in the same words.

use influxql::{ParseOptions, parse_query};

/// Checks a file of texts, in which a line behind `!` is the error of the text before it. Returns how many texts there
/// are, and how many of them are refused.
fn check(file: &str) -> (usize, usize) {
    // Time zones are in a database of the system, which is the planner's to ask.
    let options = ParseOptions { zone_exists: Some(|name| name == "Europe/Paris"), ..ParseOptions::default() };
    let mut lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    let (mut count, mut refused) = (0, 0);
    while let Some(text) = lines.next() {
        count += 1;
        let error = lines.next_if(|line| line.starts_with('!')).and_then(|line| line.strip_prefix("! "));
        match (parse_query(text, &options), error) {
            (Ok(query), None) => assert_eq!(parse_query(&query.to_string(), &options), Ok(query), "{text}"),
            (Err(error), Some(expected)) => {
                refused += 1;
                assert_eq!(error.to_string(), expected, "{text}");
            }
            (Ok(query), Some(expected)) => panic!("{text}: `{expected}` expected, found {query}"),
            (Err(error), None) => panic!("{text}: {error}"),
        }
    }
    (count, refused)
}

#[test]
fn what_influxdb_answers_parses_and_what_it_refuses_does_not() {
    assert_eq!(check(include_str!("recorded.txt")), (253, 5));
}

#[test]
fn damaged_statements_are_refused_in_the_same_words() {
    assert_eq!(check(include_str!("refused.txt")), (790, 790));
}
