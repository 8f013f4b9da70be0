//! Objects of templates: read from JSON or YAML, with what they leave to whoever applies them filled in.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::{text, yaml};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::limits::TEMPLATE_OBJECTS;

/// The version of the objects.
pub(super) const API_VERSION: &str = "influxdata.com/v2alpha1";

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    /// Its kind as it is written.
    pub(super) word: String,
    /// Its name in the template.
    pub(super) meta_name: String,
    pub(super) spec: Value,
    /// The environment references in it.
    pub(super) references: Vec<String>,
}

/// What objects leave open.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// References without a value.
    pub(super) references: BTreeSet<String>,
    /// Secrets that are named.
    pub(super) secrets: BTreeSet<String>,
}

impl Object {
    /// The name of the resource.
    pub(super) fn name(&self) -> &str {
        match text(&self.spec, "name") {
            "" => &self.meta_name,
            name => name,
        }
    }

    /// The meta names of its labels.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        let all = self.spec.get("associations").and_then(Value::as_array).into_iter().flatten();
        all.filter(|one| text(one, "kind") == "Label").map(|one| text(one, "name"))
    }

    /// The object as it is written.
    pub(super) fn write(word: &str, meta_name: &str, spec: Map<String, Value>) -> Value {
        json!({ "apiVersion": API_VERSION, "kind": word, "metadata": { "name": meta_name }, "spec": spec })
    }
}

/// What is wrong with a template.
pub(super) fn unprocessable(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::UnprocessableEntity, message)
}

/// The contents of a template: a list of objects, one of them, or a text with them in JSON or YAML.
pub(super) fn contents(contents: &Value) -> ApiResult<Vec<Value>> {
    match contents {
        Value::Null => Ok(Vec::new()),
        Value::Array(objects) => Ok(objects.clone()),
        Value::Object(_) => Ok(vec![contents.clone()]),
        Value::String(text) => {
            let documents =
                yaml::read(text).map_err(|cause| unprocessable(format!("the template cannot be read: {cause}")))?;
            let objects = documents.into_iter().filter(|document| !document.is_null());
            Ok(objects
                .flat_map(|document| match document {
                    Value::Array(objects) => objects,
                    one => vec![one],
                })
                .collect())
        }
        _ => Err(unprocessable("the contents of a template are a list of objects, or a text")),
    }
}

/// The objects of templates, in the order in which they are made.
pub(super) fn read(all: &[Value], references: &BTreeMap<String, Value>) -> ApiResult<(Vec<Object>, Open)> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(rename = "apiVersion")]
        version: String,
        kind: String,
        metadata: Value,
        #[serde(default)]
        spec: Value,
    }
    if all.len() > TEMPLATE_OBJECTS {
        return Err(unprocessable(format!("a template has {TEMPLATE_OBJECTS} objects at most")));
    }
    let (mut objects, mut open): (Vec<Object>, Open) = (Vec::new(), Open::default());
    for (place, value) in all.iter().enumerate() {
        let wrong = |cause: String| unprocessable(format!("object {place} of the template: {cause}"));
        let mut value = value.clone();
        let mut own = Vec::new();
        resolve(&mut value, references, &mut own, &mut open);
        let written: Written = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        if written.version != API_VERSION {
            return Err(wrong(format!("apiVersion must be {API_VERSION}")));
        }
        let kind = Kind::from_word(&written.kind).filter(|kind| {
            !matches!((kind, written.kind.as_str()), (Kind::Check, "Check") | (Kind::Endpoint, "NotificationEndpoint"))
        });
        let kind = kind.ok_or_else(|| wrong(format!("unsupported kind {:?}", written.kind)))?;
        let meta_name = text(&written.metadata, "name").to_owned();
        if meta_name.is_empty() {
            return Err(wrong("metadata.name must be provided".to_owned()));
        }
        if objects.iter().any(|other| other.kind == kind && other.meta_name == meta_name) {
            return Err(wrong(format!("duplicate name: {meta_name}")));
        }
        objects.push(Object { kind, word: written.kind, meta_name, spec: written.spec, references: own });
    }
    objects.sort_by_key(|object| object.kind);
    Ok((objects, open))
}

/// Puts values in the place of references to the environment, and notes the secrets that are named.
fn resolve(value: &mut Value, given: &BTreeMap<String, Value>, own: &mut Vec<String>, open: &mut Open) {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("envRef") {
            let key = text(reference, "key").to_owned();
            let default = reference.get("default").filter(|default| !default.is_null()).cloned();
            let found = given.get(&key).cloned().or(default);
            if found.is_none() {
                open.references.insert(key.clone());
            }
            *value = found.unwrap_or_else(|| format!("env-{key}").into());
            own.push(key);
        }
        if let Some(key) = value.pointer("/secretRef/key").and_then(Value::as_str) {
            open.secrets.insert(key.to_owned());
        }
        match value {
            Value::Array(values) => waiting.extend(values),
            Value::Object(members) => waiting.extend(members.values_mut()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const YAML: &str = "apiVersion: influxdata.com/v2alpha1\nkind: Bucket\nmetadata:\n  name: b-1\nspec:\n  name:\n    \
                        envRef: \
                        {key: bucket-name}\n---\napiVersion: influxdata.com/v2alpha1\nkind: Label\nmetadata: {name: \
                        l-1}\n---\n";

    #[test]
    fn yaml_and_json_are_read_and_references_filled_in() {
        let objects = contents(&YAML.into()).unwrap();
        assert_eq!(objects.len(), 2);
        let (read_objects, open) = read(&objects, &BTreeMap::new()).unwrap();
        assert_eq!(open.references, BTreeSet::from(["bucket-name".to_owned()]));
        let names: Vec<_> = read_objects.iter().map(|object| (object.kind, object.name())).collect();
        assert_eq!(names, [(Kind::Label, "l-1"), (Kind::Bucket, "env-bucket-name")]);
        let given = BTreeMap::from([("bucket-name".to_owned(), Value::from("real"))]);
        let json = serde_json::to_string(&objects).unwrap();
        let (read_objects, open) = read(&contents(&json.into()).unwrap(), &given).unwrap();
        assert!(open.references.is_empty());
        assert_eq!((read_objects[1].name(), &read_objects[1].references), ("real", &vec!["bucket-name".to_owned()]));
    }

    #[test]
    fn what_is_no_template_is_told() {
        let told = |objects: Value| read(&contents(&objects)?, &BTreeMap::new()).map(drop);
        let label = Object::write("Label", "a", Map::new());
        for (objects, message) in [
            (json!(5), "the contents of a template"),
            (json!("a: [b"), "the template cannot be read"),
            (json!([{"kind": "Label"}]), "object 0 of the template: missing field"),
            (
                json!([{"apiVersion": "x", "kind": "Label", "metadata": {"name": "a"}}]),
                "object 0 of the template: apiVersion",
            ),
            (json!([Object::write("Check", "a", Map::new())]), "object 0 of the template: unsupported kind"),
            (json!([Object::write("Label", "", Map::new())]), "object 0 of the template: metadata.name"),
            (json!([label, label]), "object 1 of the template: duplicate name"),
        ] {
            let error = told(objects.clone()).unwrap_err();
            assert!(error.message().starts_with(message), "{objects}: {}", error.message());
        }
    }
}
