//! The kinds of objects in templates: where their resources are, and how an object becomes a request and an answer an
//! object.

use query::flux::task::{TaskChanges, with_task_options, without_task_options};
use serde_json::{Map, Value, json};

use super::charts::{cells_of_charts, charts_of_cells};
use super::text;
use crate::api_error::{ApiError, ApiResult};

/// A kind of resources in a template; objects of several kinds may be one kind of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Label,
    Bucket,
    Variable,
    Check,
    Endpoint,
    Rule,
    Dashboard,
    Task,
    Telegraf,
}

impl Kind {
    /// All of them, in the order in which they are made: what others refer to comes first.
    pub(super) const ALL: [Self; 9] = [
        Self::Label,
        Self::Bucket,
        Self::Variable,
        Self::Check,
        Self::Endpoint,
        Self::Rule,
        Self::Dashboard,
        Self::Task,
        Self::Telegraf,
    ];

    /// The kind of an object by its word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "Label" => Self::Label,
            "Bucket" => Self::Bucket,
            "Variable" => Self::Variable,
            "Check" | "CheckThreshold" | "CheckDeadman" => Self::Check,
            "NotificationEndpoint"
            | "NotificationEndpointHTTP"
            | "NotificationEndpointSlack"
            | "NotificationEndpointPagerDuty" => Self::Endpoint,
            "NotificationRule" => Self::Rule,
            "Dashboard" => Self::Dashboard,
            "Task" => Self::Task,
            "Telegraf" => Self::Telegraf,
            _ => return None,
        })
    }

    /// The word of the kind of resources.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Label => "Label",
            Self::Bucket => "Bucket",
            Self::Variable => "Variable",
            Self::Check => "Check",
            Self::Endpoint => "NotificationEndpoint",
            Self::Rule => "NotificationRule",
            Self::Dashboard => "Dashboard",
            Self::Task => "Task",
            Self::Telegraf => "Telegraf",
        }
    }

    /// Where they are.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Label => "/api/v2/labels",
            Self::Bucket => "/api/v2/buckets",
            Self::Variable => "/api/v2/variables",
            Self::Check => "/api/v2/checks",
            Self::Endpoint => "/api/v2/notificationEndpoints",
            Self::Rule => "/api/v2/notificationRules",
            Self::Dashboard => "/api/v2/dashboards",
            Self::Task => "/api/v2/tasks",
            Self::Telegraf => "/api/v2/telegrafs",
        }
    }

    /// The key of the list there.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Telegraf => "configurations",
            other => other.path().rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The key in summaries and differences.
    pub(super) fn summary(self) -> &'static str {
        match self {
            Self::Telegraf => "telegrafConfigs",
            other => other.list(),
        }
    }

    /// Whether an object means the resource of its name, where there is one.
    pub(super) fn is_known_by_name(self) -> bool {
        matches!(self, Self::Label | Self::Bucket | Self::Variable | Self::Check | Self::Endpoint)
    }

    /// Whether a change replaces it as a whole.
    pub(super) fn is_replaced(self) -> bool {
        self == Self::Telegraf
    }

    /// The request that makes what an object says. `endpoint` is that of a rule.
    pub(super) fn request(self, word: &str, spec: &Value, name: &str, endpoint: Option<&Value>) -> ApiResult<Value> {
        let mut request = Map::new();
        request.insert("name".to_owned(), name.into());
        request.insert("description".to_owned(), text(spec, "description").into());
        let mut put = |key: &str, value: Value| drop(request.insert(key.to_owned(), value));
        let given = |key: &str| spec.get(key).filter(|value| !value.is_null()).cloned();
        match self {
            Self::Label => {
                let (color, description) = (text(spec, "color"), text(spec, "description"));
                put("properties", json!({ "color": color, "description": description }));
            }
            Self::Bucket => put("retentionRules", given("retentionRules").unwrap_or_else(|| json!([]))),
            Self::Variable => {
                put("arguments", arguments(spec)?);
                put("selected", given("selected").unwrap_or_else(|| json!([])));
            }
            Self::Dashboard => put("cells", cells_of_charts(spec.get("charts").unwrap_or(&Value::Null))?),
            Self::Telegraf => put("config", text(spec, "config").into()),
            Self::Task => {
                put("flux", task_script(spec, name)?.into());
                put("status", given("status").unwrap_or_else(|| "active".into()));
            }
            Self::Check => request.extend(check_request(word, spec)),
            Self::Endpoint => request.extend(endpoint_request(word, spec)),
            Self::Rule => {
                let endpoint = endpoint.unwrap_or(&Value::Null);
                request.extend(copied(spec, RULE_KEYS));
                request.insert("endpointID".to_owned(), text(endpoint, "id").into());
                request.insert("type".to_owned(), text(endpoint, "type").into());
            }
        }
        Ok(Value::Object(request))
    }

    /// The word and the spec of the object of a resource, as it is shown. `endpoint` is the meta name of a rule's.
    pub(super) fn object(self, shown: &Value, endpoint: Option<&str>) -> ApiResult<(&'static str, Map<String, Value>)> {
        let mut spec = copied(shown, &["name", "description"]);
        let mut put = |key: &str, value: Value| drop(spec.insert(key.to_owned(), value));
        let given = |key: &str| shown.get(key).cloned().unwrap_or_default();
        let mut word = self.word();
        match self {
            Self::Label => spec.extend(copied(&given("properties"), &["color", "description"])),
            Self::Bucket => {
                let seconds = shown.pointer("/retentionRules/0/everySeconds").and_then(Value::as_u64).unwrap_or(0);
                if seconds > 0 {
                    put("retentionRules", json!([{ "type": "expire", "everySeconds": seconds }]));
                }
            }
            Self::Variable => {
                let arguments = given("arguments");
                let values = arguments.get("values").cloned().unwrap_or_default();
                put("type", text(&arguments, "type").into());
                put("selected", given("selected"));
                if text(&arguments, "type") == "query" {
                    spec.extend(copied(&values, &["query", "language"]));
                } else {
                    put("values", values);
                }
            }
            Self::Dashboard => put("charts", charts_of_cells(shown.get("cells").unwrap_or(&Value::Null))),
            Self::Telegraf => put("config", given("config")),
            Self::Task => {
                let script = without_task_options(text(shown, "flux")).map_err(ApiError::internal)?;
                spec.extend(copied(shown, &["every", "cron", "offset", "status"]));
                spec.insert("query".to_owned(), script.into());
            }
            Self::Check => {
                let (own, check) = check_object(shown)?;
                word = own;
                spec.extend(check);
            }
            Self::Endpoint => {
                let (own, endpoint) = endpoint_object(shown);
                word = own;
                spec.extend(endpoint);
            }
            Self::Rule => {
                spec.extend(copied(shown, RULE_KEYS));
                spec.insert("endpointName".to_owned(), endpoint.unwrap_or_default().into());
            }
        }
        spec.retain(|_, value| !(value.is_null() || *value == "" || *value == json!([])));
        Ok((word, spec))
    }
}

/// Keys that a check has in requests, answers and objects alike.
const CHECK_KEYS: &[&str] =
    &["every", "offset", "status", "statusMessageTemplate", "tags", "level", "reportZero", "staleTime", "timeSince"];

/// The same of rules.
const RULE_KEYS: &[&str] = &["every", "offset", "status", "statusRules", "tagRules", "messageTemplate", "channel"];

/// The same of endpoints.
const ENDPOINT_KEYS: &[&str] = &["status", "url", "method", "headers", "contentTemplate"];

/// Keys of endpoints that are secret.
const SECRET_KEYS: &[&str] = &["token", "username", "password", "routingKey"];

/// What stands under some keys.
fn copied(value: &Value, keys: &[&str]) -> Map<String, Value> {
    let given = |key: &&str| Some(((*key).to_owned(), value.get(*key).filter(|value| !value.is_null())?.clone()));
    keys.iter().filter_map(given).collect()
}

fn check_request(word: &str, spec: &Value) -> Map<String, Value> {
    let mut request = copied(spec, CHECK_KEYS);
    let kind = if word == "CheckDeadman" { "deadman" } else { "threshold" };
    request.insert("type".to_owned(), kind.into());
    request.insert("query".to_owned(), json!({ "text": text(spec, "query"), "editMode": "advanced" }));
    if kind == "threshold" {
        request.insert("thresholds".to_owned(), thresholds(spec));
    }
    request
}

fn check_object(shown: &Value) -> ApiResult<(&'static str, Map<String, Value>)> {
    let word = match text(shown, "type") {
        "threshold" => "CheckThreshold",
        "deadman" => "CheckDeadman",
        other => return Err(ApiError::invalid(format!("a template cannot hold a check of type {other}"))),
    };
    let mut spec = copied(shown, CHECK_KEYS);
    spec.insert("query".to_owned(), shown.pointer("/query/text").cloned().unwrap_or_default());
    spec.insert("thresholds".to_owned(), ranges_by_type(shown.get("thresholds").cloned().unwrap_or_default()));
    Ok((word, spec))
}

fn endpoint_request(word: &str, spec: &Value) -> Map<String, Value> {
    let mut request = copied(spec, ENDPOINT_KEYS);
    request.extend(copied(spec, SECRET_KEYS).into_iter().map(|(key, value)| (key, secret(value))));
    let given = |key: &str| spec.get(key).filter(|value| !value.is_null()).cloned();
    let mut put = |key: &str, value: Value| drop(request.insert(key.to_owned(), value));
    match word {
        "NotificationEndpointSlack" => put("type", "slack".into()),
        "NotificationEndpointPagerDuty" => {
            put("type", "pagerduty".into());
            put("clientURL", given("clientURL").or_else(|| given("url")).unwrap_or_default());
            put("url", given("eventURL").unwrap_or_else(|| "".into()));
        }
        _ => {
            put("type", "http".into());
            put("authMethod", given("type").unwrap_or_else(|| "none".into()));
        }
    }
    request
}

fn endpoint_object(shown: &Value) -> (&'static str, Map<String, Value>) {
    let mut spec = copied(shown, ENDPOINT_KEYS);
    for key in SECRET_KEYS {
        if let Some(of_secret) = text(shown, key).strip_prefix("secret: ") {
            spec.insert((*key).to_owned(), json!({ "secretRef": { "key": of_secret } }));
        }
    }
    let given = |key: &str| shown.get(key).cloned().unwrap_or_default();
    let word = match text(shown, "type") {
        "slack" => "NotificationEndpointSlack",
        "pagerduty" => {
            spec.insert("url".to_owned(), given("clientURL"));
            spec.insert("eventURL".to_owned(), given("url"));
            "NotificationEndpointPagerDuty"
        }
        _ => {
            spec.insert("type".to_owned(), given("authMethod"));
            "NotificationEndpointHTTP"
        }
    };
    (word, spec)
}

/// A reference to a secret as requests have it.
fn secret(value: Value) -> Value {
    let key = value.pointer("/secretRef/key").and_then(Value::as_str);
    key.map(|key| format!("secret: {key}").into()).unwrap_or(value)
}

fn arguments(spec: &Value) -> ApiResult<Value> {
    let values = spec.get("values").cloned().unwrap_or_default();
    Ok(match text(spec, "type") {
        "query" => {
            json!({ "type": "query", "values": { "query": text(spec, "query"), "language": text(spec, "language") } })
        }
        kind @ ("constant" | "map") => json!({ "type": kind, "values": values }),
        other => return Err(ApiError::invalid(format!("unknown variable type {other:?}"))),
    })
}

/// The script of a task: an object has its query and its options apart, or the script whole.
fn task_script(spec: &Value, name: &str) -> ApiResult<String> {
    let query = text(spec, "query");
    let option = |key: &str| Some(text(spec, key).to_owned()).filter(|value| !value.is_empty());
    let changes = TaskChanges {
        name: Some(name.to_owned()),
        every: option("every"),
        cron: option("cron"),
        offset: option("offset"),
    };
    let wrong = |error: query::flux::task::TaskError| ApiError::invalid(format!("invalid options: {error}"));
    if query.contains("option task") {
        return with_task_options(query, &changes).map_err(wrong);
    }
    // Imports stand before everything else; the formatter leaves them there.
    let start = query.lines().take_while(|line| is_head(line)).map(|line| line.len() + 1).sum::<usize>();
    let (head, body) = query.split_at(start.min(query.len()));
    let script = format!("{head}\noption task = {{name: \"\", every: 1h}}\n{body}");
    with_task_options(&script, &changes).map_err(wrong)
}

/// Whether a line belongs to the head of a script.
fn is_head(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || ["package ", "import ", "//"].iter().any(|word| line.starts_with(word))
}

/// Ranges are of two types in objects, and of one in requests.
fn thresholds(spec: &Value) -> Value {
    let mut thresholds = spec.get("thresholds").cloned().unwrap_or_else(|| json!([]));
    for threshold in thresholds.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let within = match threshold.get("type").and_then(Value::as_str) {
            Some("inside_range") => true,
            Some("outside_range") => false,
            _ => continue,
        };
        threshold.insert("type".to_owned(), "range".into());
        threshold.insert("within".to_owned(), within.into());
    }
    thresholds
}

fn ranges_by_type(mut thresholds: Value) -> Value {
    for threshold in thresholds.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(within) = threshold.remove("within") {
            let kind = if within == true { "inside_range" } else { "outside_range" };
            threshold.insert("type".to_owned(), kind.into());
        }
    }
    thresholds
}
