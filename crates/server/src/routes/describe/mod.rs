//! `/api/v2/swagger.json`: what the server answers, in OpenAPI 3. All routes stand in `operations.rs` and the bodies of
//! their requests in `schemas.json`; a test holds both against the table of routes. docs/http-api.md says the same in
//! words.

mod operations;

use std::sync::LazyLock;

use http::header;
use serde_json::{Map, Value, json};

use self::operations::{LABELLED, OPEN, OPERATIONS, Operation, PEOPLE};
use crate::json::CONTENT_TYPE;

/// The description as text: it is the same for as long as the server runs.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| describe().to_string());

/// `GET /api/v2/swagger.json`
pub(in crate::routes) async fn swagger() -> ([(header::HeaderName, header::HeaderValue); 1], &'static str) {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], DESCRIPTION.as_str())
}

/// All operations, with those that several kinds of resources have.
fn all() -> Vec<Operation> {
    let owned = |method, path: String, summary, body, answer| Operation {
        method,
        path: path.into(),
        summary,
        query: "",
        body,
        answer,
    };
    let mut all: Vec<Operation> = OPERATIONS.iter().map(Operation::from).collect();
    for path in PEOPLE {
        for list in ["members", "owners"] {
            let at = format!("{path}/{{id}}/{list}");
            all.push(owned("GET", at.clone(), "Who they are", "", "200 json"));
            all.push(owned("POST", at.clone(), "Adds a user", "Member", "201 json"));
            all.push(owned("DELETE", format!("{at}/{{user_id}}"), "Takes a user out", "", "204"));
        }
    }
    for path in LABELLED {
        let at = format!("{path}/{{id}}/labels");
        all.push(owned("GET", at.clone(), "Its labels", "", "200 json"));
        all.push(owned("POST", at.clone(), "Puts a label on it", "LabelMapping", "201 json"));
        all.push(owned("DELETE", format!("{at}/{{label_id}}"), "Takes a label off", "", "204"));
    }
    all
}

fn describe() -> Value {
    let schemas: Value = serde_json::from_str(include_str!("schemas.json")).unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in all() {
        let path = paths.entry(operation.path.as_ref()).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = operation.describe();
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Freshet",
            "description": "The APIs of InfluxDB 1, 2 and 3 as this server answers them.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "`Token …` or `Bearer …`",
                },
            },
        },
        "security": [{ "token": [] }],
    })
}

impl Operation {
    fn describe(&self) -> Value {
        let mut parameters: Vec<Value> = self.path.split('{').skip(1).filter_map(path_parameter).collect();
        parameters.extend(self.query.split_whitespace().map(query_parameter));
        let (status, kind) = self.answer.split_once(' ').unwrap_or((self.answer, ""));
        let mut answer = json!({ "description": self.summary });
        if !kind.is_empty() {
            let kinds = kind.split('|').map(|kind| {
                let (kind, schema) =
                    if kind == "json" { ("application/json", json!({})) } else { (kind, json!({ "type": "string" })) };
                (kind.to_owned(), json!({ "schema": schema }))
            });
            answer["content"] = Value::Object(kinds.collect());
        }
        let error = json!({ "$ref": "#/components/schemas/Error" });
        let mut described = json!({
            "summary": self.summary,
            "operationId": self.id(),
            "tags": [self.tag()],
            "parameters": parameters,
            "responses": {
                status: answer,
                "default": { "description": "What is wrong", "content": { "application/json": { "schema": error } } },
            },
        });
        if !self.body.is_empty() {
            let (kind, schema) = match self.body {
                "text" => ("text/plain", json!({ "type": "string" })),
                "bytes" => ("application/octet-stream", json!({ "type": "string", "format": "binary" })),
                name => match name.strip_prefix("form ") {
                    Some(name) => ("application/x-www-form-urlencoded", reference(name)),
                    None => ("application/json", reference(name)),
                },
            };
            described["requestBody"] = json!({ "required": true, "content": { kind: { "schema": schema } } });
        }
        if OPEN.contains(&&*self.path) {
            described["security"] = json!([]);
        }
        described
    }

    /// A name for it: the method, and the words of its path.
    fn id(&self) -> String {
        let word = |word: &str| {
            let mut letters = word.chars().filter(|letter| letter.is_ascii_alphanumeric());
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        };
        let words: String = self.path.split(['/', '.', '_']).map(word).collect();
        format!("{}{words}", self.method.to_lowercase())
    }

    /// What it belongs to.
    fn tag(&self) -> &str {
        let mut words = self.path.split('/').filter(|word| !word.is_empty() && !word.starts_with('{'));
        match words.next().unwrap_or_default() {
            "api" => match (words.next(), words.next()) {
                (Some("v1"), _) => "Prometheus",
                (_, Some(name)) => name,
                _ => "api",
            },
            "api/v2private" => "private",
            name => name,
        }
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// What stands behind an opening brace of a path.
fn path_parameter(rest: &str) -> Option<Value> {
    let (name, _) = rest.split_once('}')?;
    let is_id = name == "id" || name.ends_with("_id");
    let schema = if is_id { schema_of("id") } else { json!({ "type": "string", "minLength": 1 }) };
    Some(json!({ "name": name, "in": "path", "required": true, "schema": schema }))
}

/// A parameter as the table has it: `name`, `name:type`, and `!` behind one that has to be there.
fn query_parameter(text: &str) -> Value {
    let (text, is_required) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
    json!({ "name": name, "in": "query", "required": is_required, "schema": schema_of(kind) })
}

fn schema_of(kind: &str) -> Value {
    match kind {
        "id" => json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
        "int" => json!({ "type": "integer", "minimum": 0 }),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
        "bool" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "string" => json!({ "type": "string" }),
        words => json!({ "type": "string", "enum": words.split('|').collect::<Vec<&str>>() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_body_has_a_schema_and_every_schema_is_used() {
        let schemas: Map<String, Value> = serde_json::from_str(include_str!("schemas.json")).unwrap();
        let text = include_str!("schemas.json");
        let bodies: BTreeSet<&str> = all().iter().map(|operation| operation.body.trim_start_matches("form ")).collect();
        for body in bodies.iter().filter(|body| !matches!(**body, "" | "text" | "bytes")) {
            assert!(schemas.contains_key(*body), "{body}");
        }
        for name in schemas.keys() {
            let is_used = bodies.contains(name.as_str()) || text.contains(&format!("schemas/{name}\""));
            assert!(is_used || name == "Error", "{name}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let all = all();
        let ids: BTreeSet<String> = all.iter().map(Operation::id).collect();
        assert_eq!(ids.len(), all.len());
        let described = describe();
        let find = &described["paths"]["/api/v2/buckets/{id}"]["get"];
        assert_eq!((&find["operationId"], &find["tags"][0]), (&json!("getApiV2BucketsId"), &json!("buckets")));
        assert_eq!(find["parameters"][0]["schema"]["pattern"], json!("^[0-9a-f]{16}$"));
        assert_eq!(described["paths"]["/health"]["get"]["security"], json!([]));
        assert_eq!(
            query_parameter("a:x|y!"),
            json!({"name": "a", "in": "query", "required": true, "schema": {"type": "string", "enum": ["x", "y"]}})
        );
    }
}
