//! `/api/v2/checks`: what is looked at again and again, and gives statuses in the bucket `_monitoring`.

use catalog::{Document, DocumentKind};
use query::flux::monitoring::{Bound, CheckKind, CheckScript, Level, Threshold, custom_check_script};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::{Beside, Monitored, Place, Script, Timing, active, level, unwritable};
use crate::api_error::{ApiError, ApiResult};
use crate::routes::documents::{Documents, Shown, content};
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// Checks.
pub(in crate::routes) struct Checks;

/// A tag of the statuses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::routes) struct Tag {
    key: String,
    value: String,
}

/// A threshold on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ThresholdJson {
    #[serde(default)]
    all_values: bool,
    level: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_or_float")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_or_float")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_or_float")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<bool>,
    #[serde(rename = "type")]
    kind: String,
}

/// Whole numbers stand without a fraction, as Go writes them.
#[allow(clippy::ref_option, reason = "serde calls it so")]
fn whole_or_float<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => serializer.serialize_i64(*number as i64),
        Some(number) => serializer.serialize_f64(*number),
        None => serializer.serialize_none(),
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct CheckRequest {
    name: Option<String>,
    description: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    query: Option<Query>,
    every: Option<String>,
    offset: Option<String>,
    status_message_template: Option<String>,
    tags: Option<Vec<Tag>>,
    thresholds: Option<Vec<ThresholdJson>>,
    time_since: Option<String>,
    stale_time: Option<String>,
    report_zero: Option<bool>,
    level: Option<String>,
}

/// What is looked at. What the builder of InfluxDB's user interface knows of it is kept as it came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::routes) struct Query {
    text: String,
    edit_mode: String,
    name: String,
    builder_config: Option<Value>,
}

/// A check as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::routes) struct CheckContent {
    #[serde(flatten)]
    timing: Timing,
    description: String,
    kind: String,
    query: Query,
    message: String,
    tags: Vec<Tag>,
    thresholds: Vec<ThresholdJson>,
    time_since: String,
    stale_time: String,
    report_zero: bool,
    level: String,
}

impl ThresholdJson {
    fn read(&self) -> ApiResult<Threshold> {
        let number = |name: &str, value: Option<f64>| {
            value.ok_or_else(|| ApiError::invalid(format!("a threshold of type {} needs {name}", self.kind)))
        };
        let bound = match self.kind.as_str() {
            "greater" => Bound::Greater(number("value", self.value)?),
            "lesser" => Bound::Lesser(number("value", self.value)?),
            "range" => {
                let (min, max) = (number("min", self.min)?, number("max", self.max)?);
                if min > max {
                    return Err(ApiError::invalid("range threshold min can't be larger than max"));
                }
                if self.within.unwrap_or(false) { Bound::Inside(min, max) } else { Bound::Outside(min, max) }
            }
            other => return Err(ApiError::invalid(format!("invalid threshold type {other}"))),
        };
        match level(&self.level)? {
            level @ (Level::Crit | Level::Warn | Level::Info | Level::Ok) => Ok(Threshold { level, bound }),
            _ => Err(ApiError::invalid(format!("a threshold cannot have the level {}", self.level))),
        }
    }
}

impl CheckContent {
    fn script(&self, id: &str, name: &str) -> ApiResult<String> {
        let kind = match self.kind.as_str() {
            "custom" => return custom_check_script(id, name, &self.query.text).map_err(unwritable),
            "threshold" => {
                CheckKind::Threshold(self.thresholds.iter().map(ThresholdJson::read).collect::<ApiResult<_>>()?)
            }
            _ => CheckKind::Deadman {
                time_since: self.time_since.clone(),
                stale_time: self.stale_time.clone(),
                level: match level(&self.level)? {
                    level @ (Level::Crit | Level::Warn | Level::Info | Level::Ok) => level,
                    _ => return Err(ApiError::invalid("a deadman check cannot have that level")),
                },
            },
        };
        let tags: Vec<(String, String)> = self.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        let check = CheckScript {
            id,
            name,
            kind: &kind,
            query: &self.query.text,
            every: &self.timing.every,
            offset: self.timing.offset.as_deref(),
            tags: &tags,
            message: &self.message,
        };
        check.write().map_err(unwritable)
    }
}

impl Documents for Checks {
    const KIND: DocumentKind = DocumentKind::Check;
    const PATH: &'static str = "/api/v2/checks";
    const LIST: &'static str = "checks";
    type Request = CheckRequest;
    type Content = CheckContent;

    fn change(request: CheckRequest, before: Option<(&str, CheckContent)>) -> ApiResult<(String, CheckContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(ApiError::invalid("Check Name can't be empty"));
        }
        let was_active = before.as_ref().map(|before| before.timing.is_active);
        let mut check = before.unwrap_or_default();
        check.timing.is_active = active(request.status.as_deref(), was_active)?;
        fn put<T>(place: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *place = given;
            }
        }
        put(&mut check.kind, request.kind);
        put(&mut check.timing.every, request.every);
        put(&mut check.description, request.description);
        put(&mut check.query, request.query);
        put(&mut check.message, request.status_message_template);
        put(&mut check.tags, request.tags);
        put(&mut check.thresholds, request.thresholds);
        put(&mut check.time_since, request.time_since);
        put(&mut check.stale_time, request.stale_time);
        put(&mut check.report_zero, request.report_zero);
        put(&mut check.level, request.level);
        check.timing.offset = request.offset.or(check.timing.offset).filter(|offset| !offset.is_empty());
        if !matches!(check.kind.as_str(), "threshold" | "deadman" | "custom") {
            return Err(ApiError::invalid(format!("invalid check type {}", check.kind)));
        }
        if check.timing.every.is_empty() && check.kind != "custom" {
            return Err(ApiError::invalid("Check Every must exist"));
        }
        if check.tags.iter().any(|tag| tag.key.is_empty() || tag.value.is_empty()) {
            return Err(ApiError::invalid("tag must contain a key and a value"));
        }
        let script = check.script("0000000000000000", &name)?;
        check.timing.read(&script)?;
        Ok((name, check))
    }

    fn show(shown: &Shown<'_>, check: CheckContent) -> Value {
        let document = shown.document;
        let builder = check.query.builder_config.unwrap_or_else(|| {
            let window = json!({ "period": "", "fillValues": false });
            json!({ "buckets": [], "tags": [], "functions": [], "aggregateWindow": window })
        });
        let query = json!({
            "text": check.query.text,
            "editMode": check.query.edit_mode,
            "name": check.query.name,
            "builderConfig": builder,
        });
        let mut answer = json!({
            "id": document.id.to_string(),
            "name": document.name,
            "ownerID": document.owner_id.to_string(),
            "orgID": document.organisation_id.to_string(),
            "type": check.kind,
            "query": query,
            "statusMessageTemplate": check.message,
            "tags": check.tags,
            "createdAt": rfc3339_nano(document.created_at_ns),
            "updatedAt": rfc3339_nano(document.updated_at_ns),
            "labels": shown.labels(),
            "links": shown.links::<Self>(&["labels", "members", "owners", "query"]),
        });
        if !check.description.is_empty() {
            answer["description"] = check.description.into();
        }
        match check.kind.as_str() {
            "threshold" => answer["thresholds"] = json!(check.thresholds),
            "deadman" => {
                answer["timeSince"] = check.time_since.into();
                answer["staleTime"] = check.stale_time.into();
                answer["reportZero"] = check.report_zero.into();
                answer["level"] = check.level.to_uppercase().into();
            }
            _ => {}
        }
        check.timing.show(shown.state, document, &mut answer);
        answer
    }
}

impl Monitored for Checks {
    fn complete(place: &Place<'_>, check: &mut CheckContent) -> ApiResult<Beside> {
        // The script as it will be: the id of a custom check stands in it.
        let script = check.script(&place.id.to_string(), place.name)?;
        Ok(Beside { job: Some(check.timing.job(place, &script)?), secrets: Vec::new() })
    }

    fn script(_state: &AppState, document: &Document) -> ApiResult<Option<Script>> {
        let check: CheckContent = content(document)?;
        let flux = check.script(&document.id.to_string(), &document.name)?;
        Ok(Some(Script { flux, permissions: check.timing.permissions, is_wanted: true }))
    }
}
