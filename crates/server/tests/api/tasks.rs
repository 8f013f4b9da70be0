//! Tasks over HTTP, with a clock that the tests set: when they run, as whom, and what is known of their runs.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Clocked, START_S};

impl Clocked {
    async fn create_task(&self, flux: &str) -> Value {
        let body = json!({ "org": "o", "flux": flux });
        let made = self.server.call("POST", "/api/v2/tasks", body.to_string()).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    async fn get(&self, address: &str) -> Value {
        let answer = self.server.call("GET", address, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The seconds of what a task has written.
    async fn written(&self) -> Value {
        let rows = self.server.query("SELECT CAST(time AS BIGINT) / 1000000000 AS s FROM m ORDER BY time").await;
        let second = |row: &Value| row["s"].as_i64().unwrap() - START_S;
        rows.as_array().unwrap().iter().map(second).collect()
    }
}

/// A script that writes a point at `now()`.
fn writer(options: &str) -> String {
    format!(
        "import \"array\"\noption task = {{name: \"w\", {options}}}\narray.from(rows: [{{_time: now(), _measurement: \
         \"m\", _field: \"f\", _value: 1}}]) |> to(bucket: \"b\")"
    )
}

fn own(task: &Value) -> String {
    task["links"]["self"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_runs_once_for_each_time_and_makes_up_for_those_it_missed() {
    let clocked = Clocked::new().await;
    let task = clocked.create_task(&writer("every: 1m, offset: 5s")).await;
    assert_eq!((&task["every"], &task["offset"], &task["status"]), (&json!("1m"), &json!("5s"), &json!("active")));
    assert_eq!(clocked.at(60).await, 0, "the offset is not over");
    assert_eq!(clocked.at(65).await, 1);
    assert_eq!(clocked.at(65).await, 0, "once");
    assert_eq!(clocked.written().await, json!([60]), "now() is the scheduled time");
    for left in [1, 1, 0] {
        assert_eq!(clocked.at(190).await, left, "one time after the other");
    }
    assert_eq!(clocked.written().await, json!([60, 120, 180]));
    let runs = clocked.get(&format!("{}/runs", own(&task))).await;
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["status"]), (3, &json!("success")));
    assert_eq!(runs[0]["scheduledFor"], json!("2026-11-22T00:03:00Z"), "the newest first: {runs:?}");
    assert_eq!(clocked.get(&own(&task)).await["lastRunStatus"], json!("success"));
    let logs = clocked.get(&format!("{}/logs", own(&task))).await;
    assert_eq!(logs["events"][1]["message"], json!("Completed(success)"));
    // InfluxDB's record of the runs, for dashboards.
    let body = json!({ "db": "_tasks", "q": "SELECT \"runID\", name FROM runs ORDER BY time DESC" });
    let recorded = clocked.server.call("POST", "/api/v3/query_sql", body.to_string()).await.json();
    // By this clock two of them began in the same nanosecond.
    assert_eq!((recorded.as_array().unwrap().len(), &recorded[0]["runID"]), (2, &runs[0]["id"]));
}

#[tokio::test]
async fn a_task_that_rests_does_nothing_and_makes_up_for_nothing() {
    let clocked = Clocked::new().await;
    let task = clocked.create_task(&writer("every: 1m")).await;
    let patch = async |body: Value| {
        let answer = clocked.server.call("PATCH", &own(&task), body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    assert_eq!(patch(json!({"status": "inactive"})).await["status"], json!("inactive"));
    assert_eq!(clocked.at(150).await, 0);
    let forced = clocked.server.call("POST", &format!("{}/runs", own(&task)), "{}").await;
    assert_eq!(forced.json()["message"], json!("failed to force run: inactive task"));
    patch(json!({"status": "active"})).await;
    assert_eq!(clocked.at(170).await, 0, "what it slept through is not made up for");
    let changed = patch(json!({"every": "30s", "name": "other"})).await;
    assert_eq!((&changed["every"], &changed["name"]), (&json!("30s"), &json!("other")));
    assert!(changed["flux"].as_str().unwrap().contains("{name: \"other\", every: 30s}"), "{changed}");
    assert_eq!(clocked.at(180).await, 1);
    let cron = patch(json!({"cron": "0 * * * *"})).await;
    assert_eq!((&cron["cron"], cron.get("every")), (&json!("0 * * * *"), None));
    assert_eq!(clocked.at(3_600).await, 1);
    assert_eq!(clocked.written().await, json!([180, 3_600]));
    assert_eq!(clocked.server.call("DELETE", &own(&task), "").await.status, 204);
    assert_eq!(clocked.at(7_200).await, 0);
}

#[tokio::test]
async fn runs_are_asked_for_made_again_and_taken_back() {
    let clocked = Clocked::new().await;
    let task = clocked.create_task(&writer("every: 1h")).await;
    let runs = format!("{}/runs", own(&task));
    let post = async |address: &str, body: Value| clocked.server.call("POST", address, body.to_string()).await;
    let forced = post(&runs, json!({"scheduledFor": "2026-11-21T12:00:00Z"})).await;
    assert_eq!(forced.status, 201, "{}", forced.text());
    let forced = forced.json();
    assert_eq!((&forced["status"], &forced["scheduledFor"]), (&json!("scheduled"), &json!("2026-11-21T12:00:00Z")));
    assert_eq!(clocked.get(&runs).await["runs"][0]["id"], forced["id"]);
    assert_eq!(clocked.at(1).await, 1);
    assert_eq!(clocked.written().await, json!([-43_200]));
    let one = forced["links"]["self"].as_str().unwrap();
    let done = clocked.get(one).await;
    assert_eq!((&done["status"], done["requestedAt"].is_string()), (&json!("success"), true));
    let again = post(&format!("{one}/retry"), json!({})).await;
    assert_eq!((again.status, &again.json()["scheduledFor"]), (200, &json!("2026-11-21T12:00:00Z")));
    let again = again.json()["links"]["self"].as_str().unwrap().to_owned();
    assert_eq!(clocked.server.call("DELETE", &again, "").await.status, 204);
    assert_eq!(clocked.server.call("DELETE", &again, "").await.status, 404, "it is taken back");
    assert_eq!(clocked.server.call("DELETE", one, "").await.status, 404, "it is over");
    assert_eq!(clocked.at(2).await, 0);
    let wrong = post(&runs, json!({"scheduledFor": "yesterday"})).await;
    assert_eq!(wrong.json()["message"], json!("scheduledFor must be a time such as 2026-01-01T00:00:00Z"));
}

#[tokio::test]
async fn a_task_does_what_its_author_and_its_owner_may_do() {
    let clocked = Clocked::new().await;
    let token = clocked.server.token(r#"[{"action":"write","resource":{"type":"tasks","orgID":"<org>"}}]"#).await;
    let body = json!({ "org": "o", "flux": writer("every: 1m") });
    let request = Request::builder().method("POST").uri("/api/v2/tasks");
    let request = request.header("authorization", format!("Token {token}")).body(Body::from(body.to_string()));
    let made = clocked.server.send(request.unwrap()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let task = own(&made.json());
    assert_eq!(clocked.at(60).await, 1);
    let failed = clocked.get(&task).await;
    assert_eq!(failed["lastRunStatus"], json!("failed"));
    assert!(failed["lastRunError"].as_str().unwrap().contains("could not find bucket \"b\""), "{failed}");
    // Whoever writes the script anew gives it its own rights.
    let body = json!({ "flux": writer("every: 2m") });
    assert_eq!(clocked.server.call("PATCH", &task, body.to_string()).await.status, 200);
    assert_eq!(clocked.at(120).await, 1);
    assert_eq!(clocked.get(&task).await["lastRunStatus"], json!("success"));
    assert_eq!(clocked.written().await, json!([120]));
}

#[tokio::test]
async fn tasks_are_listed_by_pages() {
    let clocked = Clocked::new().await;
    for _ in 0..3 {
        clocked.create_task(&writer("every: 1mo")).await;
    }
    let first = clocked.get("/api/v2/tasks?limit=2&org=o&type=basic").await;
    assert_eq!((first["tasks"].as_array().unwrap().len(), first["tasks"][0].get("flux")), (2, None));
    let next = clocked.get(first["links"]["next"].as_str().unwrap()).await;
    assert_eq!((next["tasks"].as_array().unwrap().len(), next["links"].get("next")), (1, None));
    assert_eq!(clocked.get("/api/v2/tasks?status=inactive").await["tasks"], json!([]));
    for (flux, message) in [
        ("option task = {name: \"x\", every: 5ns}", "invalid options: option \"every\" must be at least 1 second"),
        ("option task = {name: \"x\", cron: \"x\"}", "invalid options: a cron expression has 5 fields"),
        ("option task = {name: \"x\", every: 5mo}", "invalid options: option \"every\" must be months that divide"),
        ("option task = {", "invalid options: "),
    ] {
        let body = json!({ "org": "o", "flux": flux });
        let refused = clocked.server.call("POST", "/api/v2/tasks", body.to_string()).await;
        assert_eq!(refused.status, 400, "{flux}");
        let said = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with(message), "{said}");
    }
}

#[tokio::test]
async fn a_task_knows_when_it_last_went_well() {
    let clocked = Clocked::new().await;
    let flux = "import \"array\"\nimport \"influxdata/influxdb/tasks\"\noption task = {name: \"l\", every: 1m}\n\
                array.from(rows: [{_time: tasks.lastSuccess(orTime: -1h), _measurement: \"m\", _field: \"f\", _value: \
                1}]) |> to(bucket: \"b\")";
    clocked.create_task(flux).await;
    assert_eq!(clocked.at(60).await, 1);
    assert_eq!(clocked.written().await, json!([60 - 3_600]), "it never ran");
    for second in [120, 180] {
        assert_eq!(clocked.at(second).await, 1);
    }
    assert_eq!(clocked.written().await, json!([60 - 3_600, 60, 120]));
}
