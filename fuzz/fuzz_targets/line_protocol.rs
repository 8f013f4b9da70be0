//! The line protocol parser must not panic on any body, and must agree with the slow parser of its tests. The first
//! byte chooses precision and limits.

#![no_main]

use libfuzzer_sys::fuzz_target;
use line_protocol::{Limits, ParseOptions, Precision};

#[path = "../../crates/line_protocol/tests/reference/mod.rs"]
mod reference;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let precision = match choice % 7 {
        0 => Precision::Nanosecond,
        1 => Precision::Microsecond,
        2 => Precision::Millisecond,
        3 => Precision::Second,
        4 => Precision::Minute,
        5 => Precision::Hour,
        _ => Precision::Auto,
    };
    let limits = if choice & 0x80 == 0 {
        Limits::default()
    } else {
        Limits { line_bytes: 60, key_bytes: 24, string_bytes: 6, ..Limits::default() }
    };
    // The slow parser reports every error, so a body must not have more lines than errors are described.
    if body.len() < limits.reported_errors {
        reference::assert_agrees(body, &ParseOptions { precision, default_time_ns: 1_767_225_601_234_567_891, limits });
    }
});
