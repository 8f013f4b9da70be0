//! The InfluxQL parser must not panic on any text, and what it reads it must read again from what it prints. The first
//! byte chooses the limits and whether there is a parameter `$p`.

#![no_main]

use influxql::{Limits, Parameter, ParseOptions, parse_query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let limits = if choice & 1 == 0 {
        Limits::default()
    } else {
        Limits { text_bytes: 1_000, statements: 3, nesting: 4, height: 6 }
    };
    let value = match choice >> 1 & 3 {
        0 => Parameter::Regex("a/b".to_owned()),
        1 => Parameter::Identifier("a b".to_owned()),
        2 => Parameter::Integer(-1),
        _ => Parameter::Duration("-1h".to_owned()),
    };
    let parameters = [("p".to_owned(), value)].into();
    let options = ParseOptions { parameters: Some(&parameters), limits, ..ParseOptions::default() };
    let Ok(query) = parse_query(text, &options) else { return };
    let printed = query.to_string();
    // Passwords are not printed.
    if !printed.contains("[REDACTED]") {
        // Printed, `a / -b` has a level more.
        let limits = Limits { text_bytes: usize::MAX, nesting: 2 * limits.nesting, ..limits };
        let options = ParseOptions { limits, ..ParseOptions::default() };
        assert_eq!(parse_query(&printed, &options).as_ref(), Ok(&query), "{printed}");
    }
});
