//! The Flux parser must not panic on any text; a tree without errors has a text that means the same, and JSON holds
//! every tree.

#![no_main]

use flux::{Limits, format, json, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let limits = Limits::default();
    let parsed = parse(source, &limits);
    let written = json::write_file(&parsed.file);
    // Deeper ones are refused by JSON itself.
    if let Ok(value) = serde_json::from_str(&written) {
        let read = json::read_file(&value).expect("what was written is read");
        assert_eq!(json::write_file(&read), written);
    }
    if parsed.errors.is_empty() {
        let text = format(&parsed.file).expect("a good tree has a text");
        let again = parse(&text, &limits);
        assert_eq!(again.errors, [], "{text}");
    }
});
