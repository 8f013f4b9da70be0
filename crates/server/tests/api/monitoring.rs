//! Checks, notification endpoints and rules over HTTP, with a clock that the tests set and a server that receives what
//! is sent.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use http::{HeaderMap, Request, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{Clocked, START_S};

/// What was received: path, `Authorization`, body.
type Received = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A server that takes whatever it gets, and its address.
async fn receiver(status: StatusCode) -> (String, Received) {
    let received = Received::default();
    let take = move |State(received): State<Received>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let body = serde_json::from_slice(&body).unwrap();
        received.lock().push((uri.path().to_owned(), authorization.to_owned(), body));
        status
    };
    let router = Router::new().fallback(take).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}

impl Clocked {
    /// Writes a point of that second.
    async fn point(&self, second: i64, text: &str) {
        let answer = self.server.write(format!("{text} {}", (START_S + second) * 1_000_000_000)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    async fn call(&self, method: &str, address: &str, body: &Value, status: u16) -> Value {
        let answer = self.server.call(method, address, body.to_string()).await;
        assert_eq!(answer.status, status, "{method} {address} {body}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    async fn create_at(&self, path: &str, body: Value) -> Value {
        let mut body = body;
        body["orgID"] = self.server.named("org").into();
        self.call("POST", path, &body, 201).await
    }

    /// Rows of a measurement of `_monitoring`, by SQL.
    async fn monitoring(&self, sql: &str) -> Value {
        let body = json!({ "db": "_monitoring", "q": sql });
        self.call("POST", "/api/v3/query_sql", &body, 200).await
    }

    /// The last run of a check or rule went well.
    async fn went_well(&self, resource: &Value) {
        let shown = self.call("GET", own(resource), &json!(null), 200).await;
        assert_eq!(shown["lastRunStatus"], json!("success"), "{shown}");
    }
}

fn own(resource: &Value) -> &str {
    resource["links"]["self"].as_str().unwrap()
}

fn threshold(bucket: &str) -> Value {
    json!({
        "name": "usage", "type": "threshold", "every": "1m", "offset": "0s", "status": "active",
        "query": {
            "text": format!("from(bucket: \"{bucket}\") |> range(start: -1h) |> filter(fn: (r) => r._measurement == \
                     \"cpu\" and r._field == \"usage\") |> aggregateWindow(every: 5m, fn: last)"),
            "editMode": "advanced",
        },
        "statusMessageTemplate": "${r.host} is ${r._level} at ${string(v: r.usage)}",
        "thresholds": [
            {"type": "greater", "level": "CRIT", "value": 90},
            {"type": "range", "level": "WARN", "min": 70, "max": 90, "within": true},
        ],
        "tags": [{"key": "team", "value": "a b"}],
    })
}

#[tokio::test]
async fn a_threshold_is_passed_and_an_endpoint_of_http_hears_of_it() {
    let clocked = Clocked::new().await;
    let (address, received) = receiver(StatusCode::NO_CONTENT).await;
    let endpoint = json!({
        "name": "hook", "type": "http", "status": "active", "method": "POST", "url": format!("{address}/hook"),
        "authMethod": "bearer", "token": "hidden-token",
    });
    let endpoint = clocked.create_at("/api/v2/notificationEndpoints", endpoint).await;
    let key = format!("{}-token", endpoint["id"].as_str().unwrap());
    assert_eq!(endpoint["token"], json!(format!("secret: {key}")), "{endpoint}");
    let check = clocked.create_at("/api/v2/checks", threshold("b")).await;
    let rule = json!({
        "name": "tell", "type": "http", "endpointID": endpoint["id"], "every": "1m", "status": "active",
        "statusRules": [{"currentLevel": "CRIT"}], "tagRules": [{"key": "team", "value": "a b", "operator": "equal"}],
    });
    let rule = clocked.create_at("/api/v2/notificationRules", rule).await;
    for (host, usage) in [("a", 95.5), ("b", 80.0), ("c", 10.0)] {
        clocked.point(30, &format!("cpu,host={host} usage={usage}")).await;
    }
    clocked.at(60).await;
    clocked.went_well(&check).await;
    let statuses = clocked
        .monitoring("SELECT host, _level, _message, team, _source_measurement, usage FROM statuses ORDER BY host")
        .await;
    let status = |host: &str, level: &str, usage: f64| {
        let message = format!("{host} is {level} at {usage}");
        json!({
            "host": host, "_level": level, "_message": message, "team": "a b", "_source_measurement": "cpu",
            "usage": usage,
        })
    };
    assert_eq!(statuses, json!([status("a", "crit", 95.5), status("b", "warn", 80.0), status("c", "ok", 10.0)]));
    assert!(received.lock().is_empty(), "a rule sees the statuses of before its time");
    clocked.at(120).await;
    clocked.went_well(&rule).await;
    let sent = std::mem::take(&mut *received.lock());
    let [(path, authorization, body)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((path.as_str(), authorization.as_str()), ("/hook", "Bearer hidden-token"));
    for (field, value) in [
        ("_level", json!("crit")),
        ("_message", json!("a is crit at 95.5")),
        ("host", json!("a")),
        ("_check_id", check["id"].clone()),
        ("_notification_rule_name", json!("tell")),
        ("_notification_endpoint_id", endpoint["id"].clone()),
        ("_version", json!(1)),
    ] {
        assert_eq!(body[field], value, "{field}: {body}");
    }
    let notified = clocked.monitoring("SELECT _sent, host, _notification_rule_id FROM notifications").await;
    assert_eq!(notified, json!([{ "_sent": "true", "host": "a", "_notification_rule_id": rule["id"] }]));
    clocked.at(180).await;
    assert!(received.lock().is_empty(), "once");
    // The task behind a check is known by its id, and its runs.
    let task =
        clocked.call("GET", &format!("/api/v2/tasks/{}", check["taskID"].as_str().unwrap()), &json!(null), 200).await;
    assert_eq!((&task["name"], &task["every"]), (&json!("usage"), &json!("1m")));
    let runs = clocked
        .call("GET", &format!("/api/v2/tasks/{}/runs", check["taskID"].as_str().unwrap()), &json!(null), 200)
        .await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3);
    assert_eq!(clocked.call("GET", "/api/v2/tasks", &json!(null), 200).await["tasks"], json!([]), "it is hidden");
    // With the endpoint its secret goes.
    let secrets = format!("/api/v2/orgs/{}/secrets", clocked.server.named("org"));
    assert_eq!(clocked.call("GET", &secrets, &json!(null), 200).await["secrets"], json!([key]));
    clocked.call("DELETE", own(&endpoint), &json!(null), 204).await;
    assert_eq!(clocked.call("GET", &secrets, &json!(null), 200).await["secrets"], json!([]));
}

#[tokio::test]
async fn silence_is_told_to_slack_and_pagerduty_when_it_begins() {
    let clocked = Clocked::new().await;
    let (address, received) = receiver(StatusCode::OK).await;
    let slack = json!({ "name": "s", "type": "slack", "url": format!("{address}/slack"), "token": "slack-token" });
    let slack = clocked.create_at("/api/v2/notificationEndpoints", slack).await;
    let pager = json!({
        "name": "p", "type": "pagerduty", "routingKey": "routing", "clientURL": "http://ui/x",
        "url": format!("{address}/pager"),
    });
    let pager = clocked.create_at("/api/v2/notificationEndpoints", pager).await;
    let check = json!({
        "name": "alive", "type": "deadman", "every": "1m", "timeSince": "90s", "staleTime": "10m", "level": "CRIT",
        "query": {"text": "from(bucket: \"b\") |> range(start: -1h) |> filter(fn: (r) => r._field == \"usage\") |> \
                           aggregateWindow(every: 1m, fn: mean) |> yield(name: \"mean\")"},
        "statusMessageTemplate": "${r.host} is ${if r.dead then \"silent\" else \"alive\"}",
    });
    let check = clocked.create_at("/api/v2/checks", check).await;
    let rule = |name: &str, kind: &str, endpoint: &Value| {
        json!({
            "name": name, "type": kind, "endpointID": endpoint["id"], "every": "1m", "channel": "#ops",
            "messageTemplate": "now: ${ r._message }", "statusRules": [{"currentLevel": "CRIT", "previousLevel": "OK"}],
        })
    };
    let first = clocked.create_at("/api/v2/notificationRules", rule("to slack", "slack", &slack)).await;
    let second = clocked.create_at("/api/v2/notificationRules", rule("to pagerduty", "pagerduty", &pager)).await;
    clocked.point(-10, "cpu,host=a usage=1").await;
    for second in [60, 120, 180] {
        clocked.at(second).await;
    }
    for resource in [&check, &first, &second] {
        clocked.went_well(resource).await;
    }
    let levels = clocked.monitoring("SELECT _level FROM statuses ORDER BY time").await;
    assert_eq!(levels, json!([{"_level": "ok"}, {"_level": "crit"}, {"_level": "crit"}]));
    let mut sent = std::mem::take(&mut *received.lock());
    sent.sort_by(|left, right| left.0.cmp(&right.0));
    let [(pager_path, _, event), (slack_path, token, message)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((pager_path.as_str(), slack_path.as_str(), token.as_str()), ("/pager", "/slack", "Bearer slack-token"));
    assert_eq!(
        message,
        &json!({
            "channel": "#ops", "as_user": false,
            "attachments": [{"color": "danger", "text": "now: a is silent", "mrkdwn_in": ["text"]}],
        })
    );
    assert_eq!((&event["routing_key"], &event["event_action"]), (&json!("routing"), &json!("trigger")));
    assert_eq!(event["dedup_key"].as_str().unwrap().len(), 64);
    let payload = &event["payload"];
    for (field, value) in [
        ("severity", "critical"),
        ("class", "alive"),
        ("group", "cpu"),
        ("source", "to pagerduty"),
        ("summary", "a is silent"),
    ] {
        assert_eq!(payload[field], json!(value), "{field}: {payload}");
    }
    let notified = clocked
        .monitoring("SELECT _notification_rule_name AS n FROM notifications WHERE _sent = 'true' ORDER BY n")
        .await;
    assert_eq!(notified, json!([{"n": "to pagerduty"}, {"n": "to slack"}]));
}

#[tokio::test]
async fn a_rule_follows_its_endpoint_and_rests_with_it() {
    let clocked = Clocked::new().await;
    let (address, received) = receiver(StatusCode::INTERNAL_SERVER_ERROR).await;
    let endpoint = json!({
        "name": "e", "type": "http", "method": "POST", "url": format!("{address}/old"), "authMethod": "basic",
        "username": "user", "password": "word",
    });
    let endpoint = clocked.create_at("/api/v2/notificationEndpoints", endpoint).await;
    clocked.create_at("/api/v2/checks", threshold("b")).await;
    let rule = json!({
        "name": "r", "type": "http", "endpointID": endpoint["id"], "every": "1m",
        "statusRules": [{"currentLevel": "ANY"}],
    });
    let rule = clocked.create_at("/api/v2/notificationRules", rule).await;
    let changed = json!({ "url": format!("{address}/new") });
    clocked.call("PATCH", own(&endpoint), &changed, 200).await;
    clocked.point(30, "cpu,host=a usage=95").await;
    clocked.at(60).await;
    clocked.at(120).await;
    let sent = std::mem::take(&mut *received.lock());
    let [(path, authorization, _)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((path.as_str(), authorization.as_str()), ("/new", "Basic dXNlcjp3b3Jk"));
    let notified = clocked.monitoring("SELECT _sent FROM notifications").await;
    assert_eq!(notified, json!([{"_sent": "false"}]), "the receiver refused it");
    clocked.call("PATCH", own(&endpoint), &json!({"status": "inactive"}), 200).await;
    clocked.point(150, "cpu,host=a usage=95").await;
    clocked.at(180).await;
    clocked.at(240).await;
    assert!(received.lock().is_empty());
    clocked.went_well(&rule).await;
    clocked.call("DELETE", own(&endpoint), &json!(null), 204).await;
    clocked.at(300).await;
    let failed = clocked.call("GET", own(&rule), &json!(null), 200).await;
    assert_eq!(
        (&failed["lastRunStatus"], &failed["lastRunError"]),
        (&json!("failed"), &json!("notification endpoint not found"))
    );
}

#[tokio::test]
async fn they_are_changed_replaced_and_rest() {
    let clocked = Clocked::new().await;
    let check = clocked.create_at("/api/v2/checks", threshold("b")).await;
    let flux = clocked.call("GET", &format!("{}/query", own(&check)), &json!(null), 200).await;
    let flux = flux["flux"].as_str().unwrap();
    assert!(flux.contains(&format!("_check_id: \"{}\"", check["id"].as_str().unwrap())), "{flux}");
    assert!(flux.contains("range(start: -1m)") && flux.contains("createEmpty: false"), "{flux}");
    let patched = clocked.call("PATCH", own(&check), &json!({"name": "other", "status": "inactive"}), 200).await;
    assert_eq!(
        (&patched["name"], &patched["status"], &patched["every"]),
        (&json!("other"), &json!("inactive"), &json!("1m"))
    );
    assert_eq!(clocked.at(300).await, 0, "it rests");
    let mut replaced = threshold("b");
    replaced["every"] = json!("5m");
    replaced["thresholds"] = json!([]);
    let replaced = clocked.call("PUT", own(&check), &replaced, 200).await;
    assert_eq!(
        (&replaced["every"], &replaced["thresholds"], &replaced["status"]),
        (&json!("5m"), &json!([]), &json!("active"))
    );
    assert_eq!(clocked.at(599).await, 0);
    assert_eq!(clocked.at(600).await, 1);
    let custom = json!({
        "name": "c", "type": "custom",
        "query": {"text": "option task = {name: \"c\", every: 1m, offset: 0s}\ncheck = {_check_name: \"c\", _type: \
                           \"custom\"}\n1"},
    });
    let custom = clocked.create_at("/api/v2/checks", custom).await;
    assert_eq!((&custom["every"], custom.get("thresholds")), (&json!("1m"), None));
    let label = clocked.create_at("/api/v2/labels", json!({"name": "l"})).await;
    let put = json!({ "labelID": label["label"]["id"] });
    clocked.call("POST", &format!("{}/labels", own(&check)), &put, 201).await;
    let listed = clocked.call("GET", "/api/v2/checks?org=o&limit=1", &json!(null), 200).await;
    assert_eq!((&listed["checks"][0]["labels"][0]["name"], listed["links"]["next"].is_string()), (&json!("l"), true));
    clocked.call("DELETE", own(&check), &json!(null), 204).await;
    clocked.call("GET", own(&check), &json!(null), 404).await;
}

/// Requests that are refused, and how the refusal begins.
fn senseless_checks(with: &impl Fn(Value, &str, Value) -> Value) -> Vec<(&'static str, Value, &'static str)> {
    let no_query = json!({"text": "from(bucket:"});
    let no_field = json!({"text": "from(bucket: \"b\") |> range(start: -1m)"});
    let level = |level: &str| json!([{"type": "greater", "value": 1, "level": level}]);
    vec![
        ("checks", with(threshold("b"), "name", json!("")), "Check Name can't be empty"),
        ("checks", with(threshold("b"), "every", json!(null)), "Check Every must exist"),
        (
            "checks",
            with(threshold("b"), "every", json!("soon")),
            "every must be a duration such as 1m30s, not \"soon\"",
        ),
        (
            "checks",
            with(threshold("b"), "every", json!("1ms")),
            "invalid options: option \"every\" must be at least 1 second",
        ),
        (
            "checks",
            with(threshold("b"), "offset", json!("1m")),
            "Offset should not be equal or greater than the interval",
        ),
        ("checks", with(threshold("b"), "type", json!("other")), "invalid check type other"),
        ("checks", with(threshold("b"), "status", json!("x")), "invalid status"),
        ("checks", with(threshold("b"), "query", no_query), "the query cannot be read: "),
        ("checks", with(threshold("b"), "query", no_field), "expected a single field but got: []"),
        ("checks", with(threshold("b"), "thresholds", level("HIGH")), "invalid level \"HIGH\""),
        ("checks", with(threshold("b"), "thresholds", level("ANY")), "a threshold cannot have the level ANY"),
        (
            "checks",
            with(threshold("b"), "thresholds", json!([{"type": "greater", "level": "OK"}])),
            "a threshold of type greater needs value",
        ),
        ("checks", with(threshold("b"), "statusMessageTemplate", json!("${")), "the message template"),
        (
            "checks",
            with(threshold("b"), "tags", json!([{"key": "", "value": "x"}])),
            "tag must contain a key and a value",
        ),
    ]
}

/// The same of endpoints and rules.
fn senseless_notifications(
    with: &impl Fn(Value, &str, Value) -> Value,
    endpoint: &Value,
    rule: &Value,
) -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("notificationEndpoints", with(endpoint.clone(), "url", json!("")), "http endpoint URL is empty"),
        ("notificationEndpoints", with(endpoint.clone(), "url", json!("ftp://a/b")), "endpoint URL is invalid"),
        ("notificationEndpoints", with(endpoint.clone(), "method", json!("DELETE")), "invalid http http method"),
        ("notificationEndpoints", with(endpoint.clone(), "authMethod", json!("digest")), "invalid http auth method"),
        (
            "notificationEndpoints",
            with(endpoint.clone(), "authMethod", json!("basic")),
            "invalid http username/password for basic auth",
        ),
        (
            "notificationEndpoints",
            with(endpoint.clone(), "authMethod", json!("bearer")),
            "invalid http token for bearer auth",
        ),
        (
            "notificationEndpoints",
            with(endpoint.clone(), "type", json!("fax")),
            "invalid notification endpoint type \"fax\"",
        ),
        ("notificationRules", with(rule.clone(), "endpointID", json!("x")), "Notification Rule EndpointID is invalid"),
        ("notificationRules", with(rule.clone(), "type", json!("slack")), "slack msg template is empty"),
        (
            "notificationRules",
            with(rule.clone(), "statusRules", json!([])),
            "a notification rule needs at least one status rule",
        ),
        (
            "notificationRules",
            with(rule.clone(), "tagRules", json!([{"key": "a", "value": "b", "operator": "like"}])),
            "Operator \"like\" is invalid",
        ),
    ]
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let clocked = Clocked::new().await;
    let org = clocked.server.named("org").to_owned();
    let with = |mut body: Value, key: &str, value: Value| {
        body["orgID"] = org.as_str().into();
        body[key] = value;
        body
    };
    let endpoint = json!({"name": "e", "type": "http", "method": "POST", "url": "http://a/b", "authMethod": "none"});
    let made = clocked.create_at("/api/v2/notificationEndpoints", endpoint.clone()).await;
    let rule = json!({
        "name": "r", "type": "http", "endpointID": made["id"], "every": "1m", "statusRules": [{"currentLevel": "CRIT"}],
    });
    for (path, body, message) in
        senseless_checks(&with).into_iter().chain(senseless_notifications(&with, &endpoint, &rule))
    {
        let refused = clocked.call("POST", &format!("/api/v2/{path}"), &body, 400).await;
        let said = refused["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{body}: {said}");
    }
    let slack = with(with(rule.clone(), "type", json!("slack")), "messageTemplate", json!("m"));
    let refused = clocked.call("POST", "/api/v2/notificationRules", &slack, 400).await;
    assert_eq!(refused["message"], json!("endpoint provided is a http, not an slack endpoint"));
    let gone = with(rule, "endpointID", json!("00000000000000aa"));
    clocked.call("POST", "/api/v2/notificationRules", &gone, 404).await;
    let twice = with(endpoint, "name", json!(" E "));
    clocked.call("POST", "/api/v2/notificationEndpoints", &twice, 422).await;
    // Who may write checks and nothing else makes one that reads nothing.
    let token = clocked.server.token(r#"[{"action":"write","resource":{"type":"checks","orgID":"<org>"}}]"#).await;
    let request =
        Request::builder().method("POST").uri("/api/v2/checks").header("authorization", format!("Token {token}"));
    let body = with(threshold("b"), "name", json!("weak"));
    let weak = clocked.server.send(request.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(weak.status, 201, "{}", weak.text());
    // What somebody else changes beside its script gives it no other rights.
    let weak = weak.json();
    clocked.call("PATCH", own(&weak), &json!({"description": "mine now"}), 200).await;
    clocked.at(60).await;
    let failed = clocked.call("GET", own(&weak), &json!(null), 200).await;
    assert!(failed["lastRunError"].as_str().unwrap().contains("could not find bucket"), "{failed}");
}
