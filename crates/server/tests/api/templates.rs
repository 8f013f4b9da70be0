//! Templates and stacks over HTTP: what is exported can be applied, and what is applied again changes the same.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{TOKEN, TestServer};

async fn call(server: &TestServer, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let answer = server.call(method, path, body.to_string()).await;
    assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "influxdata.com/v2alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// One of each kind, as InfluxDB's own examples have them.
fn objects() -> Vec<Value> {
    let labels = json!([{"kind": "Label", "name": "label-1"}]);
    let query = "from(bucket: \"b\") |> range(start: -1m) |> filter(fn: (r) => r._field == \"f\")";
    vec![
        object(
            "Bucket",
            "rucket-1",
            json!({
                "name": "metrics", "description": "d", "retentionRules": [{"type": "expire", "everySeconds": 3600}],
                "associations": labels,
            }),
        ),
        object("Label", "label-1", json!({"name": "mine", "color": "#FFFFFF", "description": "l"})),
        object("Variable", "var-1", json!({"name": "v", "type": "map", "values": {"k": "w"}, "associations": labels})),
        object(
            "CheckThreshold",
            "check-1",
            json!({
                "name": "usage", "every": "1m", "query": query, "status": "active",
                "statusMessageTemplate": "${r._level}",
                "thresholds": [
                    {"type": "inside_range", "level": "INFO", "min": 1, "max": 2},
                    {"type": "greater", "level": "CRIT", "value": 50.5},
                ],
                "tags": [{"key": "a", "value": "b"}],
            }),
        ),
        object(
            "CheckDeadman",
            "check-2",
            json!({
                "name": "silence", "every": "5m", "level": "CRIT", "query": query, "staleTime": "10m",
                "timeSince": "90s",
            }),
        ),
        object(
            "NotificationEndpointHTTP",
            "endpoint-1",
            json!({
                "name": "hook", "type": "bearer", "method": "POST", "url": "http://localhost:1/x",
                "token": {"secretRef": {"key": "hook-token"}},
            }),
        ),
        object(
            "NotificationRule",
            "rule-1",
            json!({
                "name": "tell", "endpointName": "endpoint-1", "every": "1m", "status": "active",
                "statusRules": [{"currentLevel": "CRIT", "previousLevel": "OK"}],
                "tagRules": [{"key": "a", "value": "b", "operator": "equal"}],
            }),
        ),
        object(
            "Dashboard",
            "dash-1",
            json!({
                "name": "board", "charts": [{
                    "kind": "Xy", "name": "c", "xPos": 1, "yPos": 2, "width": 6, "height": 3, "geom": "line",
                    "queries": [{"query": query}], "axes": [{"name": "x", "label": "l"}],
                }],
            }),
        ),
        object(
            "Task",
            "task-1",
            json!({"name": "t", "every": "1h", "offset": "5m", "query": "import \"array\"\nx = 1"}),
        ),
        object("Telegraf", "telegraf-1", json!({"name": "tele", "config": "[agent]", "associations": labels})),
    ]
}

fn request(server: &TestServer, objects: &[Value]) -> Value {
    json!({
        "orgID": server.named("org"), "templates": [{"sources": ["file:///t.json"], "contents": objects}],
        "secrets": {"hook-token": "hidden"},
    })
}

/// How many there are of each kind.
async fn counts(server: &TestServer, org: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for (path, list) in [
        ("labels", "labels"),
        ("buckets", "buckets"),
        ("variables", "variables"),
        ("checks", "checks"),
        ("notificationEndpoints", "notificationEndpoints"),
        ("notificationRules", "notificationRules"),
        ("dashboards", "dashboards"),
        ("tasks", "tasks"),
        ("telegrafs", "configurations"),
    ] {
        let answer = call(server, "GET", &format!("/api/v2/{path}?orgID={org}"), &json!(null), 200).await;
        counts.push(answer[list].as_array().unwrap().len());
    }
    counts
}

#[tokio::test]
async fn a_template_is_tried_applied_changed_and_taken_back() {
    let server = TestServer::start(&[]).await;
    let org = server.named("org").to_owned();
    let before = counts(&server, &org).await;
    let mut body = request(&server, &objects());
    body["dryRun"] = true.into();
    let tried = call(&server, "POST", "/api/v2/templates/apply", &body, 200).await;
    assert_eq!(counts(&server, &org).await, before, "nothing was done");
    assert_eq!((&tried["stackID"], &tried["errors"]), (&json!(""), &json!([])));
    let bucket = &tried["diff"]["buckets"][0];
    assert_eq!(
        (&bucket["stateStatus"], &bucket["new"]["name"], &bucket["old"]),
        (&json!("new"), &json!("metrics"), &json!(null))
    );
    assert_eq!(tried["summary"]["labelMappings"].as_array().unwrap().len(), 3);
    body["dryRun"] = false.into();
    let applied = call(&server, "POST", "/api/v2/templates/apply", &body, 201).await;
    let made: Vec<usize> = counts(&server, &org).await.iter().zip(&before).map(|(now, before)| now - before).collect();
    assert_eq!(made, [1, 1, 1, 2, 1, 1, 1, 1, 1]);
    let summary = &applied["summary"];
    assert_eq!(summary["buckets"][0]["labelAssociations"][0]["name"], json!("mine"));
    let get = async |kind: &str, path: &str| {
        let id = summary[kind][0]["id"].as_str().unwrap();
        call(&server, "GET", &format!("/api/v2/{path}/{id}"), &json!(null), 200).await
    };
    assert_eq!(get("buckets", "buckets").await["retentionRules"][0]["everySeconds"], json!(3600));
    assert_eq!(get("notificationEndpoints", "notificationEndpoints").await["token"], json!("secret: hook-token"));
    assert_eq!(
        get("notificationRules", "notificationRules").await["endpointID"],
        summary["notificationEndpoints"][0]["id"]
    );
    let flux = get("tasks", "tasks").await["flux"].as_str().unwrap().to_owned();
    assert!(flux.contains("option task = {name: \"t\", every: 1h, offset: 5m}") && flux.contains("x = 1"), "{flux}");
    // The same again changes what it made.
    let stack = applied["stackID"].as_str().unwrap().to_owned();
    body["stackID"] = stack.as_str().into();
    let mut changed = objects();
    changed[0]["spec"]["name"] = json!("renamed");
    changed.pop();
    body["templates"][0]["contents"] = changed.into();
    let again = call(&server, "POST", "/api/v2/templates/apply", &body, 201).await;
    assert_eq!(again["summary"]["buckets"][0]["id"], summary["buckets"][0]["id"]);
    assert_eq!(get("buckets", "buckets").await["name"], json!("renamed"));
    assert_eq!(again["diff"]["telegrafConfigs"][0]["stateStatus"], json!("remove"));
    let made: Vec<usize> = counts(&server, &org).await.iter().zip(&before).map(|(now, before)| now - before).collect();
    assert_eq!(made, [1, 1, 1, 2, 1, 1, 1, 1, 0], "what the template does not have any more is gone");
    let stacks = call(&server, "GET", &format!("/api/v2/stacks?orgID={org}"), &json!(null), 200).await;
    let events = stacks["stacks"][0]["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[1]["eventType"]), (2, &json!("update")));
    assert_eq!(events[1]["resources"].as_array().unwrap().len(), 9);
    let left = call(&server, "POST", &format!("/api/v2/stacks/{stack}/uninstall"), &json!({}), 200).await;
    assert_eq!(left["events"][2]["eventType"], json!("uninstall"));
    assert_eq!(counts(&server, &org).await, before);
    call(&server, "DELETE", &format!("/api/v2/stacks/{stack}?orgID={org}"), &json!(null), 204).await;
    call(&server, "GET", &format!("/api/v2/stacks/{stack}"), &json!(null), 404).await;
}

#[tokio::test]
async fn what_is_exported_can_be_applied_elsewhere() {
    let server = TestServer::start(&[]).await;
    let org = server.named("org").to_owned();
    call(&server, "POST", "/api/v2/templates/apply", &request(&server, &objects()), 201).await;
    let export = json!({ "orgIDs": [{"orgID": org, "resourceFilters": {}}] });
    let exported = call(&server, "POST", "/api/v2/templates/export", &export, 200).await;
    let kinds: Vec<&str> = exported.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    let expected = [
        "Label",
        "Bucket",
        "Bucket",
        "Variable",
        "CheckThreshold",
        "CheckDeadman",
        "NotificationEndpointHTTP",
        "NotificationRule",
        "Dashboard",
        "Task",
        "Telegraf",
    ];
    assert_eq!(kinds, expected);
    let of = |kind: &str| exported.as_array().unwrap().iter().find(|one| one["kind"] == kind).unwrap();
    assert_eq!(of("Label")["spec"], json!({"name": "mine", "color": "#FFFFFF", "description": "l"}));
    assert_eq!(of("NotificationEndpointHTTP")["spec"]["token"], json!({"secretRef": {"key": "hook-token"}}));
    assert_eq!(of("Task")["spec"]["query"], json!("import \"array\"\n\nx = 1"));
    assert_eq!(of("CheckThreshold")["spec"]["thresholds"][0]["type"], json!("inside_range"));
    assert_eq!(of("Dashboard")["spec"]["charts"][0]["kind"], json!("Xy"));
    let other = call(&server, "POST", "/api/v2/orgs", &json!({"name": "other"}), 201).await;
    let other = other["id"].as_str().unwrap();
    let mut body = request(&server, exported.as_array().unwrap());
    body["orgID"] = other.into();
    call(&server, "POST", "/api/v2/templates/apply", &body, 201).await;
    let export = json!({ "orgIDs": [{"orgID": other}] });
    let again = call(&server, "POST", "/api/v2/templates/export", &export, 200).await;
    let specs = |objects: &Value| -> Vec<Value> {
        let spec = |one: &Value| {
            let mut spec = one["spec"].clone();
            spec.as_object_mut().unwrap().retain(|key, _| key != "associations" && key != "endpointName");
            spec
        };
        objects.as_array().unwrap().iter().map(spec).collect()
    };
    let (mut ours, mut theirs) = (specs(&exported), specs(&again));
    for list in [&mut ours, &mut theirs] {
        list.sort_by_key(ToString::to_string);
    }
    assert_eq!(ours, theirs);
    // YAML says the same, and can be applied as it is.
    let post = Request::builder().method("POST").uri("/api/v2/templates/export").header("accept", "application/x-yaml");
    let post = post.header("authorization", format!("Token {TOKEN}"));
    let yaml = server.send(post.body(Body::from(export.to_string())).unwrap()).await;
    assert_eq!((yaml.status, yaml.header("content-type")), (200, "application/x-yaml"));
    assert_eq!(yaml.text().matches("\n---\n").count(), expected.len() - 1, "{}", yaml.text());
    let body = json!({ "orgID": other, "dryRun": true, "template": {"contents": yaml.text()} });
    let tried = call(&server, "POST", "/api/v2/templates/apply", &body, 200).await;
    assert_eq!(
        (&tried["diff"]["buckets"][0]["stateStatus"], &tried["summary"]["missingSecrets"]),
        (&json!("exists"), &json!([]))
    );
    // By label: what has it, and it.
    let export =
        json!({ "orgIDs": [{"orgID": other, "resourceFilters": {"byLabel": ["mine"], "byResourceKind": ["Bucket"]}}] });
    let labelled = call(&server, "POST", "/api/v2/templates/export", &export, 200).await;
    let names: Vec<&str> =
        labelled.as_array().unwrap().iter().map(|one| one["spec"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["mine", "metrics"]);
}

#[tokio::test]
async fn references_secrets_and_actions_are_looked_at_before_anything_is_done() {
    let server = TestServer::start(&[]).await;
    let org = server.named("org").to_owned();
    let before = counts(&server, &org).await;
    let with_reference = object("Bucket", "b-1", json!({"name": {"envRef": {"key": "bucket-name"}}}));
    let endpoint = objects().remove(5);
    let apply = async |body: Value, status: u16| call(&server, "POST", "/api/v2/templates/apply", &body, status).await;
    let body = |objects: Vec<Value>| json!({ "orgID": org, "template": {"contents": objects} });
    let refused = apply(body(vec![with_reference.clone()]), 422).await;
    assert!(refused["message"].as_str().unwrap().contains("\"bucket-name\""), "{refused}");
    let refused = apply(body(vec![endpoint.clone()]), 422).await;
    assert!(refused["message"].as_str().unwrap().contains("\"hook-token\""), "{refused}");
    let mut dry = body(vec![with_reference.clone(), endpoint]);
    dry["dryRun"] = true.into();
    let tried = apply(dry, 200).await;
    assert_eq!(tried["summary"]["missingEnvRefs"], json!(["bucket-name"]));
    assert_eq!(tried["summary"]["missingSecrets"], json!(["hook-token"]));
    assert_eq!(tried["summary"]["buckets"][0]["envReferences"], json!([{"envRefKey": "bucket-name"}]));
    let label = object("Label", "l-1", json!({}));
    let wrong = object("CheckThreshold", "c-1", json!({"name": "c", "every": "soon", "query": "x"}));
    let refused = apply(body(vec![label.clone(), wrong]), 400).await;
    assert!(refused["message"].as_str().unwrap().starts_with("CheckThreshold \"c-1\": "), "{refused}");
    for (objects, message) in [
        (
            vec![object("Bucket", "b", json!({"associations": [{"kind": "Label", "name": "none"}]}))],
            "label \"none\" does not exist",
        ),
        (
            vec![object("NotificationRule", "r", json!({"endpointName": "none"}))],
            "notification endpoint \"none\" does not exist",
        ),
        (vec![object("Pie", "r", json!({}))], "object 0 of the template: unsupported kind"),
    ] {
        let refused = apply(body(objects), 422).await;
        assert!(refused["message"].as_str().unwrap().starts_with(message), "{refused}");
    }
    assert_eq!(counts(&server, &org).await, before, "nothing of all that was done, and nothing is left of it");
    let mut filled = body(vec![with_reference, label]);
    filled["envRefs"] = json!({"bucket-name": "from-env"});
    filled["actions"] = json!([{"action": "skipKind", "properties": {"kind": "Label"}}]);
    let applied = apply(filled, 201).await;
    assert_eq!(
        (&applied["summary"]["buckets"][0]["name"], &applied["summary"]["labels"]),
        (&json!("from-env"), &json!([]))
    );
    // A token that may not make buckets makes none.
    let token = server.token(r#"[{"action":"write","resource":{"type":"documents","orgID":"<org>"}}]"#).await;
    let post = Request::builder()
        .method("POST")
        .uri("/api/v2/templates/apply")
        .header("authorization", format!("Token {token}"));
    let refused =
        server.send(post.body(Body::from(body(vec![object("Bucket", "x", json!({}))]).to_string())).unwrap()).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
}
