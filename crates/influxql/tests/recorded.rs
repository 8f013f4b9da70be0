//! Queries that a running InfluxDB answered or refused: those that it answered parse, and print to what parses to the
//! same; the others are refused in the same words.

use influxql::{ParseOptions, parse_query};

const RECORDED: &str = include_str!("recorded.txt");

#[test]
fn what_influxdb_answers_parses_and_what_it_refuses_does_not() {
    // Time zones are in a database of the system, which is the planner's to ask.
    let options = ParseOptions { zone_exists: Some(|name| name == "Europe/Paris"), ..ParseOptions::default() };
    let mut lines = RECORDED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    let mut refused = 0;
    let mut count = 0;
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
    assert_eq!((count, refused), (253, 5));
}
