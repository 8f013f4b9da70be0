//! `/api/v2/variables`: variables of dashboards. An organisation has one of a name at most.

use catalog::DocumentKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, Shown};
use crate::api_error::{ApiError, ApiResult};
use crate::times::rfc3339_nano;

/// Variables.
pub(in crate::routes) struct Variables;

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct VariableRequest {
    name: Option<String>,
    description: Option<String>,
    selected: Option<Vec<String>>,
    arguments: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::routes) struct VariableContent {
    description: String,
    selected: Vec<String>,
    /// `type` and `values`.
    arguments: Value,
}

/// What a variable can be, in InfluxDB's three forms.
fn check_arguments(arguments: &Value) -> ApiResult<Value> {
    let kind = arguments.get("type").and_then(Value::as_str).unwrap_or_default();
    let values = arguments.get("values").filter(|values| !values.is_null());
    let is_text = |value: &Value| value.is_string();
    let (is_right, wanted) = match (kind, values) {
        ("constant", values) => (
            values.is_none_or(|values| values.as_array().is_some_and(|list| list.iter().all(is_text))),
            "a list of strings",
        ),
        ("map", values) => (
            values.is_none_or(|values| values.as_object().is_some_and(|map| map.values().all(is_text))),
            "strings by key",
        ),
        ("query", values) => {
            let has = |key: &str| values.and_then(|values| values.get(key)).is_some_and(is_text);
            (has("query") && has("language"), "strings for query and language")
        }
        (other, _) => return Err(ApiError::invalid(format!("unknown VariableArguments type {other}"))),
    };
    if !is_right {
        return Err(ApiError::invalid(format!("the values of a variable of type {kind} are {wanted}")));
    }
    let empty = if kind == "map" { json!({}) } else { json!([]) };
    Ok(json!({ "type": kind, "values": values.cloned().unwrap_or(empty) }))
}

impl Documents for Variables {
    const KIND: DocumentKind = DocumentKind::Variable;
    const PATH: &'static str = "/api/v2/variables";
    const LIST: &'static str = "variables";
    type Request = VariableRequest;
    type Content = VariableContent;

    fn change(
        request: VariableRequest,
        before: Option<(&str, VariableContent)>,
    ) -> ApiResult<(String, VariableContent)> {
        let given = request.arguments.filter(|arguments| !arguments.is_null());
        let given = given.map(|arguments| check_arguments(&arguments)).transpose()?;
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let content = match before {
            Some(before) => VariableContent {
                description: request.description.unwrap_or(before.description),
                selected: request.selected.unwrap_or(before.selected),
                arguments: given.unwrap_or(before.arguments),
            },
            None => VariableContent {
                description: request.description.unwrap_or_default(),
                selected: request.selected.unwrap_or_default(),
                arguments: given.ok_or_else(|| ApiError::invalid("variable arguments are missing"))?,
            },
        };
        Ok((name.trim().to_owned(), content))
    }

    fn show(shown: &Shown<'_>, content: VariableContent) -> Value {
        let document = shown.document;
        let mut links = shown.links::<Self>(&["labels"]);
        links.insert("org".to_owned(), shown.organisation_link().into());
        json!({
            "id": document.id.to_string(),
            "orgID": document.organisation_id.to_string(),
            "name": document.name,
            "description": content.description,
            "selected": content.selected,
            "arguments": content.arguments,
            "createdAt": rfc3339_nano(document.created_at_ns),
            "updatedAt": rfc3339_nano(document.updated_at_ns),
            "labels": shown.labels(),
            "links": links,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn arguments_have_three_forms() {
        for (given, expected) in [
            (json!({"type": "constant", "values": ["a"]}), Ok(json!({"type": "constant", "values": ["a"]}))),
            (json!({"type": "constant"}), Ok(json!({"type": "constant", "values": []}))),
            (json!({"type": "map", "values": {"a": "b"}}), Ok(json!({"type": "map", "values": {"a": "b"}}))),
            (
                json!({"type": "query", "values": {"query": "q", "language": "flux"}, "x": 1}),
                Ok(json!({"type": "query", "values": {"query": "q", "language": "flux"}})),
            ),
            (json!({"type": "wrong"}), Err("unknown VariableArguments type wrong")),
            (json!({}), Err("unknown VariableArguments type ")),
            (
                json!({"type": "constant", "values": [1]}),
                Err("the values of a variable of type constant are a list of strings"),
            ),
            (json!({"type": "map", "values": ["a"]}), Err("the values of a variable of type map are strings by key")),
            (
                json!({"type": "query", "values": {"query": "q"}}),
                Err("the values of a variable of type query are strings for query and language"),
            ),
        ] {
            let got = check_arguments(&given).map_err(|error| error.message().to_owned());
            assert_eq!(got, expected.map_err(str::to_owned), "{given}");
        }
    }
}
