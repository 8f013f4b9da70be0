//! YAML to JSON and back, as far as templates need it: no tags, no aliases, names as keys.

use serde_json::{Map, Value};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::TScalarStyle;
use yaml_rust2::{Yaml, YamlEmitter};

use crate::limits::TEMPLATE_DEPTH;

/// A list or an object that is not yet closed.
enum Open {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Object(Map<String, Value>, Option<String>),
}

/// The documents of a text. JSON is YAML too.
pub(super) fn read(text: &str) -> Result<Vec<Value>, String> {
    let mut parser = Parser::new_from_str(text);
    let (mut documents, mut open): (Vec<Value>, Vec<Open>) = (Vec::new(), Vec::new());
    loop {
        let (event, mark) = parser.next_token().map_err(|error| error.to_string())?;
        let at = |cause: &str| format!("{cause} at line {}", mark.line());
        let value = match event {
            Event::StreamEnd => return Ok(documents),
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => continue,
            Event::Alias(_) => return Err(at("aliases are not taken")),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= TEMPLATE_DEPTH => {
                return Err(at("the text nests too deep"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Object(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(values)) => Value::Array(values),
                Some(Open::Object(members, _)) => Value::Object(members),
                None => return Err(at("something ends that has not begun")),
            },
            Event::Scalar(text, style, ..) => {
                if let Some(Open::Object(_, key @ None)) = open.last_mut() {
                    *key = Some(text);
                    continue;
                }
                scalar(text, style)
            }
        };
        match open.last_mut() {
            None => documents.push(value),
            Some(Open::List(values)) => values.push(value),
            Some(Open::Object(members, key)) => {
                let key = key.take().ok_or_else(|| at("the key of an object must be a text"))?;
                members.insert(key, value);
            }
        }
    }
}

fn scalar(text: String, style: TScalarStyle) -> Value {
    if !matches!(style, TScalarStyle::Plain) {
        return text.into();
    }
    match Yaml::from_str(&text) {
        Yaml::Integer(number) => number.into(),
        Yaml::Real(number) => number.parse::<f64>().ok().map_or(text.into(), Value::from),
        Yaml::Boolean(value) => value.into(),
        Yaml::Null => Value::Null,
        _ => text.into(),
    }
}

/// Documents as a text.
pub(super) fn write(documents: &[Value]) -> Result<String, String> {
    let mut text = String::new();
    for document in documents {
        if !text.is_empty() {
            text.push('\n');
        }
        let mut one = String::new();
        YamlEmitter::new(&mut one).dump(&yaml(document)).map_err(|error| error.to_string())?;
        // A document begins with the line that stands between two of them.
        text.push_str(if text.is_empty() { one.trim_start_matches("---\n") } else { &one });
    }
    text.push('\n');
    Ok(text)
}

fn yaml(value: &Value) -> Yaml {
    match value {
        Value::Null => Yaml::Null,
        Value::Bool(value) => Yaml::Boolean(*value),
        Value::Number(number) => number.as_i64().map_or_else(|| Yaml::Real(number.to_string()), Yaml::Integer),
        Value::String(text) => Yaml::String(text.clone()),
        Value::Array(values) => Yaml::Array(values.iter().map(yaml).collect()),
        Value::Object(members) => {
            Yaml::Hash(members.iter().map(|(key, value)| (Yaml::String(key.clone()), yaml(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let values = vec![
            json!({"a": [1, -2.5, true, null, "text", "true", "1", "", "x\ny \"x\" # y", "é: [z]"], "b c": {"d": {}}}),
            json!([]),
            json!({"only": "one"}),
        ];
        let text = write(&values).unwrap();
        assert_eq!(read(&text).unwrap(), values, "{text}");
        assert_eq!(read(&values[0].to_string()).unwrap(), values[..1]);
        assert_eq!(write(&[json!({"a": 1}), json!({"b": [2]})]).unwrap(), "a: 1\n---\nb:\n  - 2\n");
    }

    #[test]
    fn forms_of_yaml_are_read() {
        let text = "# comment\na: &x |\n  two\n  lines\nb: >-\n  one\n  line\nc: 'it''s'\nd: {e: [1, 2]}\n...\n";
        let expected = json!({"a": "two\nlines\n", "b": "one line", "c": "it's", "d": {"e": [1, 2]}});
        assert_eq!(read(text).unwrap(), [expected]);
        assert_eq!(read("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn what_could_cost_too_much_is_refused() {
        assert_eq!(read("a: &x [1]\nb: *x").unwrap_err(), "aliases are not taken at line 2");
        let nested = "- ".repeat(TEMPLATE_DEPTH + 1);
        assert!(read(&format!("{nested}x")).unwrap_err().starts_with("the text nests too deep"));
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"- ".repeat(100_000)).is_err());
        assert!(read("? [a]\n: b").unwrap_err().starts_with("the key of an object must be a text"));
        assert!(read("a: [b").is_err());
    }
}
