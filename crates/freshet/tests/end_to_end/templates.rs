//! `freshet export` and `freshet apply`: the requests that they send, and what they make of answers in InfluxDB's form.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::command_line::{Ended, run};
use crate::manage::{cells, shell};
use crate::server;

/// A request as it came: its line, its `Accept`, its body.
type Request = (String, String, Value);

/// Answers one request after another, each on a connection of its own, and returns the requests.
async fn answering(answers: Vec<String>) -> (String, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let header = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
            };
            let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
            connection.read_exact(&mut body).await.unwrap();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            requests.push((head.lines().next().unwrap().to_owned(), header("accept").unwrap_or_default(), body));
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            connection.write_all((head + &answer).as_bytes()).await.unwrap();
        }
        requests
    });
    (url, served)
}

async fn command(url: &str, words: &[&str], input: &str) -> Ended {
    let variables = [("INFLUX_HOST", url), ("INFLUX_TOKEN", "t"), ("INFLUX_ORG_ID", "00000000000000aa")];
    run(words, &variables, input).await
}

fn planned(missing: &[&str]) -> String {
    json!({
        "stackID": "",
        "diff": {
            "tasks": [{ "kind": "Task", "stateStatus": "exists", "id": "00000000000000b2", "templateMetaName": "rate",
                        "new": { "name": "Rate" }, "old": { "name": "Rate" } }],
            "buckets": [{ "kind": "Bucket", "stateStatus": "new", "id": "0000000000000000", "templateMetaName": "week",
                          "new": { "name": "Week" }, "old": null }],
            "labelMappings": [{ "stateStatus": "new", "resourceMetaName": "week", "resourceID": "0000000000000000",
                                "labelName": "red" }],
        },
        "summary": { "missingEnvRefs": missing, "missingSecrets": [] },
    })
    .to_string()
}

#[tokio::test]
async fn apply_plans_first_and_then_does_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    std::fs::write(folder.path().join("a.yml"), "kind: Bucket\n").unwrap();
    std::fs::write(folder.path().join("deep/b.json"), "[]").unwrap();
    let applied = json!({ "stackID": "00000000000000cc" }).to_string();
    let (url, served) = answering(vec![planned(&[]), applied]).await;
    let path = folder.path().to_str().unwrap();
    let words = [
        "apply",
        "-f",
        path,
        "-R",
        "-u",
        "http://host/t.yml",
        "--force",
        "yes",
        "--env-ref",
        "k=v=w",
        "--secret",
        "s=x",
        "--filter",
        "kind=Check",
        "--filter",
        "resource=Label:red",
    ];
    let printed = command(&url, &words, "kind: Task\n").await.succeeded().output;
    assert_eq!(
        cells(&printed),
        [
            &["Change", "Kind", "Metadata Name", "ID", "Name"][..],
            &["+", "Bucket", "week", "Week"],
            &["=", "Task", "rate", "00000000000000b2", "Rate"],
            &["+", "Label mapping", "week", "red"],
            &["Stack ID: 00000000000000cc"],
        ]
    );
    let requests = served.await.unwrap();
    let mut expected = json!({
        "orgID": "00000000000000aa",
        "dryRun": true,
        "templates": [
            { "sources": [format!("file://{path}/a.yml")], "contents": "kind: Bucket\n" },
            { "sources": [format!("file://{path}/deep/b.json")], "contents": "[]" },
            { "sources": ["stdin"], "contents": "kind: Task\n" },
        ],
        "remotes": [{ "url": "http://host/t.yml" }],
        "actions": [
            { "action": "skipKind", "properties": { "kind": "Check" } },
            { "action": "skipResource", "properties": { "kind": "Label", "resourceTemplateName": "red" } },
        ],
        "envRefs": { "k": "v=w" },
        "secrets": { "s": "x" },
    });
    assert_eq!((requests[0].0.as_str(), &requests[0].2), ("POST /api/v2/templates/apply HTTP/1.1", &expected));
    expected["dryRun"] = false.into();
    assert_eq!(requests[1].2, expected);
}

#[tokio::test]
async fn apply_does_nothing_where_something_is_missing() {
    // A dry run, one that lacks a value, and one that nobody agreed to: none sends a second request.
    for (words, missing, message) in [
        (&["apply", "--dry-run", "--quiet"][..], &[][..], ""),
        (&["apply", "--force", "yes"], &["name", "other"], "give --env-ref KEY=VALUE for name, other"),
        (&["apply"], &[], "give --force"),
    ] {
        let (url, served) = answering(vec![planned(missing)]).await;
        let ended = command(&url, words, "kind: Task\n").await;
        assert!((ended.code == 0) == message.is_empty() && ended.errors.contains(message), "{words:?}: {ended:?}");
        assert_eq!(served.await.unwrap().len(), 1);
    }
    for (words, message) in [
        (&["apply"][..], "give a template"),
        (&["apply", "-f", "/no/such/file"], "cannot use the file /no/such/file"),
        (&["apply", "-u", "http://x", "--secret", "x"], "--secret must be KEY=VALUE"),
        (&["apply", "-u", "http://x", "--filter", "x"], "is not kind=KIND or resource=KIND:NAME"),
    ] {
        let ended = command("http://127.0.0.1:1", words, "").await;
        assert!(ended.code == 1 && ended.errors.contains(message), "{message}: {ended:?}");
    }
}

#[tokio::test]
async fn export_asks_for_what_is_named_in_the_form_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json").to_str().unwrap().to_owned();
    let filters = ["--filter", "kind=Bucket", "--filter", "labelName=red", "--filter", "labelName=blue"];
    let all = json!({ "orgIDs": [{
        "orgID": "00000000000000aa",
        "resourceFilters": { "byLabel": ["red", "blue"], "byResourceKind": ["Bucket"] },
    }] });
    let resource = |kind: &str, id: &str| json!({ "kind": kind, "id": id });
    let ids = json!({
        "stackID": "cc",
        "resources": [
            resource("Bucket", "b1"), resource("Bucket", "b2"), resource("Dashboard", "d1"), resource("Task", "t1")],
    });
    let named = ["export", "--buckets", "b1,b2", "--dashboards", "d1", "--stack-id", "cc"];
    for (words, form, expected) in [
        ([&["export", "all"], &filters[..]].concat(), "application/x-yaml", &all),
        ([&named[..], &["--resource-type", "Task", "t1"]].concat(), "application/x-yaml", &ids),
        (vec!["export", "stack", "cc", "-f", &file], "application/json", &json!({ "stackID": "cc" })),
    ] {
        let (url, served) = answering(vec!["kind: Bucket\n".to_owned()]).await;
        let ended = command(&url, &words, "").await.succeeded();
        let (line, accept, body) = served.await.unwrap().remove(0);
        assert_eq!((line.as_str(), accept.as_str(), &body), ("POST /api/v2/templates/export HTTP/1.1", form, expected));
        let written = if words[1] == "stack" { std::fs::read_to_string(&file).unwrap() } else { ended.output };
        assert_eq!(written, "kind: Bucket\n");
    }
    // A name is looked up first.
    let tasks = json!({ "tasks": [{ "id": "t1", "name": "other" }, { "id": "t2", "name": "rate" }] }).to_string();
    let (url, served) = answering(vec![tasks, String::new()]).await;
    let _ = command(&url, &["export", "--task-names", "rate"], "").await.succeeded();
    let requests = served.await.unwrap();
    assert!(requests[0].0.starts_with("GET /api/v2/tasks?orgID=00000000000000aa&"), "{requests:?}");
    assert_eq!(requests[1].2, json!({ "resources": [resource("Task", "t2")] }));
    for (words, message) in [
        (&["export"][..], "say what is to be exported"),
        (&["export", "all", "--filter", "size=3"], "is not kind=KIND or labelName=NAME"),
    ] {
        let ended = command("http://127.0.0.1:1", words, "").await;
        assert!(ended.code == 1 && ended.errors.contains(message), "{message}: {ended:?}");
    }
}

#[tokio::test]
async fn resources_are_exported_and_applied_elsewhere() {
    let (mut source, mut target) = (server().start().await, server().start().await);
    let (from, to) = (shell(&source), shell(&target));
    let _ = from.run(&["bucket", "create", "-n", "week", "-r", "7d", "-d", "a week"], "").await.succeeded();
    let script = "option task = {name: \"rate\", every: 1h}\nfrom(bucket: \"week\") |> range(start: -1h)";
    let task = from.json(&["task", "create", script]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let all = from.run(&["export", "all", "--filter", "kind=Bucket"], "").await.succeeded().output;
    assert!(all.contains("kind: Bucket") && all.contains("week") && !all.contains("kind: Task"), "{all}");
    let _ = from.run(&["export", "--bucket-names", "week", "-f", &path("bucket.yml")], "").await.succeeded();
    let id = task["id"].as_str().unwrap();
    let _ = from.run(&["export", "--resource-type", "Task", id, "-f", &path("task.json")], "").await.succeeded();
    let folder_path = folder.path().to_str().unwrap();
    let dry = to.run(&["apply", "-f", folder_path, "--dry-run"], "").await.succeeded().output;
    assert!(cells(&dry).len() == 3 && cells(&dry)[1..].iter().all(|row| row[0] == "+"), "{dry}");
    let applied = to.run(&["apply", "-f", folder_path, "--force", "yes"], "").await.succeeded().output;
    let stack_id = applied.trim_end().rsplit_once("Stack ID: ").unwrap().1.to_owned();
    let bucket = to.json(&["bucket", "list", "-n", "week"]).await;
    assert_eq!(bucket[0]["retentionRules"][0]["everySeconds"], 604_800);
    assert_eq!(to.json(&["task", "list"]).await[0]["name"], "rate");
    let again = ["apply", "-f", folder_path, "--force", "yes", "--stack-id", &stack_id];
    let again = to.run(&again, "").await.succeeded().output;
    assert!(cells(&again)[1..3].iter().all(|row| row[0] == "="), "{again}");
    let stack = to.run(&["export", "stack", &stack_id], "").await.succeeded().output;
    assert!(stack.contains("kind: Bucket") && stack.contains("kind: Task"), "{stack}");
    source.stop().await;
    target.stop().await;
}
