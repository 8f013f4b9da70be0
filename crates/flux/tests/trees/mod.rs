//! What must hold for every tree, and trees as short texts.

#![allow(dead_code, reason = "each test uses a part")]

use flux::ast::File;
use flux::{Limits, Parsed, format, json, parse};
use serde_json::Value;

pub(crate) fn parse_default(source: &str) -> Parsed {
    parse(source, &Limits::default())
}

/// A tree without what text and tree may differ in: places, comments, and parentheses that only show what the tree
/// says anyway.
pub(crate) fn essence(file: &File) -> Value {
    let text = json::write_file(file);
    reduced(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn reduced(value: Value) -> Value {
    match value {
        Value::Array(values) => {
            Value::Array(values.into_iter().map(reduced).fold(Vec::new(), |mut merged: Vec<Value>, value| {
                match merged.last_mut() {
                    Some(last) if is_text_part(last) && is_text_part(&value) => {
                        last["value"] = format!("{}{}", text(&last["value"]), text(&value["value"])).into();
                    }
                    _ => merged.push(value),
                }
                merged
            }))
        }
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

/// A `$` before the closing quote is a part of its own.
fn is_text_part(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("TextPart")
}

/// Text and JSON hold the whole tree. A list that needed lines of its own is a reason for its surroundings to have
/// some too, the next time; then the text stays as it is.
#[track_caller]
pub(crate) fn check_round_trips(file: &File) {
    let text = format(file).unwrap_or_else(|error| panic!("{error}: {}", json::write_file(file)));
    let parsed = parse_default(&text);
    assert_eq!(parsed.errors, [], "{text}");
    assert_eq!(essence(&parsed.file), essence(file), "{text}");
    let settled = format(&parsed.file).unwrap_or_else(|error| panic!("{error}: {text}"));
    let again = parse_default(&settled);
    assert_eq!(essence(&again.file), essence(file), "{settled}");
    assert_eq!(format(&again.file), Ok(settled), "formatted again");
    check_json_round_trip(file);
}

/// JSON holds the whole tree.
#[track_caller]
pub(crate) fn check_json_round_trip(file: &File) {
    let written = json::write_file(file);
    let value: Value = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let read = json::read_file(&value).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(json::write_file(&read), written);
}

/// The statements of a file as short texts: operators first, `?` for what is bad.
pub(crate) fn short(file: &File) -> String {
    let text = json::write_file(file);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut parts = Vec::new();
    if !value["package"].is_null() {
        parts.push(format!("package {}", node(&value["package"]["name"])));
    }
    parts.extend(nodes(&value["imports"]));
    parts.extend(nodes(&value["body"]));
    parts.join("; ")
}

fn nodes(values: &Value) -> Vec<String> {
    values.as_array().map(|values| values.iter().map(node).collect()).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn optional(prefix: &str, value: &Value) -> String {
    if value.is_null() { String::new() } else { format!("{prefix}{}", node(value)) }
}

fn node(value: &Value) -> String {
    let of = |field: &str| node(&value[field]);
    let all = |field: &str| nodes(&value[field]).join(" ");
    let attributes = nodes(&value["attributes"]).iter().map(|attribute| format!("{attribute} ")).collect::<String>();
    let short = match text(&value["type"]) {
        "" => "?".to_owned(),
        "ImportDeclaration" => format!("import {}{}", of("path"), optional(" as ", &value["as"])),
        "Attribute" => format!("@{}({})", text(&value["name"]), all("params")),
        "AttributeParam" => of("value"),
        "BadStatement" => format!("bad({})", text(&value["text"])),
        "ExpressionStatement" => of("expression"),
        "VariableAssignment" => format!("{} = {}", of("id"), of("init")),
        "MemberAssignment" => format!("{} = {}", of("member"), of("init")),
        "OptionStatement" => format!("option {}", of("assignment")),
        "ReturnStatement" => format!("return {}", of("argument")),
        "BuiltinStatement" => format!("builtin {}: {}", of("id"), of("ty")),
        "TestCaseStatement" => {
            format!("testcase {}{} {}", of("id"), optional(" extends ", &value["extends"]), of("block"))
        }
        "Block" => format!("{{{}}}", nodes(&value["body"]).join("; ")),
        "Identifier" | "IntegerLiteral" | "UnsignedIntegerLiteral" | "DateTimeLiteral" => {
            text(if value["name"].is_null() { &value["value"] } else { &value["name"] }).to_owned()
        }
        "FloatLiteral" => format!("{:?}", value["value"].as_f64().unwrap_or_default()),
        "BooleanLiteral" => value["value"].to_string(),
        "StringLiteral" | "TextPart" => value["value"].to_string(),
        "LabelLiteral" => format!(".{}", text(&value["value"])),
        "RegexpLiteral" => format!("/{}/", text(&value["value"])),
        "DurationLiteral" => {
            let part = |part: &Value| format!("{}{}", part["magnitude"], text(&part["unit"]));
            value["values"].as_array().map(|parts| parts.iter().map(part).collect()).unwrap_or_default()
        }
        "PipeLiteral" => "<-".to_owned(),
        "StringExpression" => format!("(string {})", all("parts")),
        "InterpolatedPart" => of("expression"),
        "ParenExpression" => format!("(paren {})", of("expression")),
        "ArrayExpression" => format!("[{}]", all("elements")),
        "DictExpression" if all("elements").is_empty() => "[:]".to_owned(),
        "DictExpression" => format!("[{}]", all("elements")),
        "DictItem" => format!("{}:{}", of("key"), of("val")),
        "ObjectExpression" if value["with"].is_null() => format!("{{{}}}", all("properties")),
        "ObjectExpression" => format!("{{{} with {}}}", of("with"), all("properties")),
        "Property" => format!("{}{}", of("key"), optional(":", &value["value"])),
        "FunctionExpression" => format!("(fn ({}) {})", all("params"), of("body")),
        "CallExpression" => format!("(call {} {})", of("callee"), all("arguments")).replace(" )", ")"),
        "PipeExpression" => format!("(|> {} {})", of("argument"), of("call")),
        "MemberExpression" => format!("(. {} {})", of("object"), of("property")),
        "IndexExpression" => format!("(at {} {})", of("array"), of("index")),
        "UnaryExpression" => format!("({} {})", text(&value["operator"]), of("argument")),
        "BinaryExpression" | "LogicalExpression" => {
            format!("({} {} {})", text(&value["operator"]), of("left"), of("right"))
        }
        "ConditionalExpression" => format!("(if {} {} {})", of("test"), of("consequent"), of("alternate")),
        _ => type_node(value),
    };
    attributes + &short
}

fn type_node(value: &Value) -> String {
    let of = |field: &str| node(&value[field]);
    let all = |field: &str| nodes(&value[field]).join(" ");
    match text(&value["type"]) {
        "TypeExpression" if all("constraints").is_empty() => of("monotype"),
        "TypeExpression" => format!("{} where {}", of("monotype"), all("constraints")),
        "TypeConstraint" => format!("{}:{}", of("tvar"), nodes(&value["kinds"]).join("+")),
        "TvarType" => format!("'{}", of("name")),
        "NamedType" => of("name"),
        "DynamicType" => "dynamic".to_owned(),
        "ArrayType" => format!("(array {})", of("element")),
        "StreamType" => format!("(stream {})", of("element")),
        "VectorType" => format!("(vector {})", of("element")),
        "DictType" => format!("(dict {} {})", of("key"), of("val")),
        "RecordType" => format!("{{{}{}}}", optional("with ", &value["tvar"]), all("properties")),
        "PropertyType" | "Required" => format!("{}:{}", of("name"), of("monotype")),
        "FunctionType" => format!("(({}) => {})", all("parameters"), of("monotype")),
        "Optional" => format!("?{}:{}{}", of("name"), of("monotype"), optional("=", &value["default"])),
        "Pipe" => format!("<-{}:{}", optional("", &value["name"]), of("monotype")),
        other => panic!("unknown node {other:?} in {value}"),
    }
}
