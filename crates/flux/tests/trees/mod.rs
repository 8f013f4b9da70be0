//! What must hold for every tree.

use flux::ast::File;
use flux::{Limits, format, json, parse};
use serde_json::Value;

/// A tree without what text and tree may differ in: places, comments, and parentheses that only show what the tree
/// says anyway.
pub(crate) fn essence(file: &File) -> Value {
    let text = json::write_file(file);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    reduced(value)
}

fn reduced(value: Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.into_iter().map(reduced).collect()),
        Value::Object(mut fields) => {
            if fields.get("type").and_then(Value::as_str) == Some("ParenExpression") {
                return reduced(fields.remove("expression").unwrap_or_default());
            }
            let dropped = ["location", "metadata", "comments", "lparen", "rparen", "lbrack", "rbrack", "lbrace"];
            let dropped_too = ["rbrace", "comma", "separator", "arrow", "eof", "colon", "tk_if", "tk_then", "tk_else"];
            fields.retain(|field, _| !dropped.contains(&field.as_str()) && !dropped_too.contains(&field.as_str()));
            Value::Object(fields.into_iter().map(|(field, value)| (field, reduced(value))).collect())
        }
        other => other,
    }
}

/// Text and JSON hold the whole tree. A list that needed lines of its own is a reason for its surroundings to have
/// some too, the next time; then the text stays as it is.
#[track_caller]
pub(crate) fn check_round_trips(file: &File) {
    let text = format(file).expect("a good tree has a text");
    let parsed = parse(&text, &Limits::default());
    assert_eq!(parsed.errors, [], "{text}");
    assert_eq!(essence(&parsed.file), essence(file), "{text}");
    let settled = format(&parsed.file).expect("a good tree has a text");
    let again = parse(&settled, &Limits::default());
    assert_eq!(essence(&again.file), essence(file), "{settled}");
    assert_eq!(format(&again.file), Ok(settled), "formatted again");

    let written = json::write_file(file);
    let value: Value = serde_json::from_str(&written).expect("JSON");
    let read = json::read_file(&value).expect("the tree");
    assert_eq!(json::write_file(&read), written, "JSON read and written");
}
