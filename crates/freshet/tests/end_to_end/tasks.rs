//! `freshet task`, `secret` and `telegrafs`, as a script written for `influx` calls them.

use serde_json::json;
use testkit::until;

use crate::manage::{cells, shell};
use crate::server;

#[tokio::test]
async fn tasks_run_fail_and_are_retried() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let script = |bucket: &str| {
        format!("option task = {{name: \"rate\", every: 1h}}\nfrom(bucket: \"{bucket}\") |> range(start: -1h)")
    };
    let made = shell.run(&["task", "create", &script("missing")], "").await.succeeded().output;
    let table = cells(&made);
    assert_eq!(table[0], ["ID", "Name", "Organization ID", "Organization", "Status", "Every", "Cron"]);
    assert_eq!((table[1][1], &table[1][3..]), ("rate", &[server.organisation(), "active", "1h"][..]));
    let id = table[1][0];
    // From a file with options of its own, and from standard input.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("script.flux");
    std::fs::write(&file, script(server.bucket())).unwrap();
    let file = file.to_str().unwrap();
    let other = shell.json(&["task", "create", "-f", file, "-n", "other", "--cron", "0 * * * *"]).await;
    assert_eq!((&other["name"], &other["cron"]), (&json!("other"), &json!("0 * * * *")));
    let _ = shell.run(&["task", "create", "-"], &script(server.bucket())).await.succeeded();
    shell.fails(&["task", "create", "x ="], "invalid").await;
    shell.fails(&["task", "create", "-f", "/no/such/file"], "cannot read the script from /no/such/file").await;
    assert_eq!(shell.json(&["task", "list"]).await.as_array().unwrap().len(), 3);
    assert_eq!(shell.json(&["task", "list", "--limit", "2"]).await.as_array().unwrap().len(), 2);
    let owner = other["ownerID"].as_str().unwrap();
    assert_eq!(shell.json(&["task", "ls", "-n", owner]).await.as_array().unwrap().len(), 3);
    let listed = shell.run(&["task", "list", "-i", id, "--hide-headers"], "").await.succeeded().output;
    assert_eq!(cells(&listed)[0][0], id);

    // A run that fails, since its bucket is not there.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let forced = http.post(format!("{}/api/v2/tasks/{id}/runs", server.url())).json(&json!({}));
    let forced = forced.header("Authorization", format!("Token {}", server.token())).send().await.unwrap();
    assert_eq!(forced.status(), 201);
    let run = until("the run's failure", async || {
        let runs = shell.json(&["task", "run", "list", "--task-id", id]).await;
        runs.as_array().unwrap().iter().find(|run| run["status"] == "failed").cloned()
    })
    .await;
    let run_id = run["id"].as_str().unwrap();
    let runs = shell.run(&["task", "run", "list", "--task-id", id, "--run-id", run_id], "").await.succeeded().output;
    let head = ["ID", "TaskID", "Status", "ScheduledFor", "StartedAt", "FinishedAt", "RequestedAt"];
    assert_eq!((&cells(&runs)[0][..], &cells(&runs)[1][..3]), (&head[..], &[run_id, id, "failed"][..]));
    for (flag, count) in [("--before", 0), ("--after", 1)] {
        let runs = shell.json(&["task", "run", "list", "--task-id", id, flag, "2020-01-01T00:00:00Z"]).await;
        assert_eq!(runs.as_array().unwrap().len(), count, "{runs}");
    }
    let logs = shell.run(&["task", "log", "list", "--task-id", id, "--run-id", run_id], "").await.succeeded().output;
    assert!(cells(&logs)[0] == ["RunID", "Time", "Message"] && logs.contains("missing"), "{logs}");
    let dry = shell.run(&["task", "retry-failed", "--dry-run"], "").await.succeeded().output;
    assert!(dry.contains(&format!("Would retry for {run_id} run for Task {id}.")), "{dry}");
    assert!(dry.contains("Found 3 tasks with a total of 1 runs to be retried"), "{dry}");
    let retried = shell.run(&["task", "rtf", "-i", id], "").await.succeeded().output;
    assert!(retried.starts_with(&format!("Retry for task {id}'s run {run_id} queued as run ")), "{retried}");
    let again = shell.json(&["task", "run", "retry", "-i", id, "-r", run_id]).await;
    assert_eq!(again["scheduledFor"], run["scheduledFor"]);

    let rests = shell.json(&["task", "update", "-i", id, "--status", "inactive", &script(server.bucket())]).await;
    assert_eq!(rests["status"], "inactive");
    assert!(rests["flux"].as_str().unwrap().contains(server.bucket()), "{rests}");
    shell.fails(&["task", "update", "-i", id], "what is to be changed").await;
    let deleted = shell.run(&["task", "delete", "-i", id], "").await.succeeded().output;
    assert_eq!(cells(&deleted)[1][0], id);
    shell.fails(&["task", "list", "-i", id], "task not found").await;
    server.stop().await;
}

#[tokio::test]
async fn secrets_go_in_and_never_come_out() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let made = shell.run(&["secret", "update", "-k", "mail", "-v", "hidden-value"], "").await.succeeded();
    assert_eq!(cells(&made.output)[0], ["Key", "Organization ID"]);
    assert_eq!(cells(&made.output)[1][0], "mail");
    let _ = shell.run(&["secret", "update", "-k", "piped"], "from standard input\n").await.succeeded();
    shell.fails(&["secret", "update", "-k", "nothing"], "--value").await;
    let listed = shell.json(&["secret", "list"]).await;
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|secret| secret["key"].clone()).collect();
    assert_eq!(names, ["mail", "piped"]);
    assert!(!listed.to_string().contains("hidden-value"));
    let deleted = shell.run(&["secret", "delete", "-k", "mail"], "").await.succeeded().output;
    assert_eq!((cells(&deleted)[0][2], cells(&deleted)[1][2]), ("Deleted", "true"));
    assert_eq!(shell.json(&["secret", "ls"]).await.as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn configurations_of_telegraf() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let toml = "[[inputs.cpu]]\n  percpu = true\n";
    let made = shell.run(&["telegrafs", "create", "-n", "cpu", "-d", "all cpus"], toml).await.succeeded().output;
    assert_eq!(cells(&made)[0], ["ID", "OrgID", "Name", "Description"]);
    assert_eq!(cells(&made)[1][2..], ["cpu", "all cpus"]);
    let id = cells(&made)[1][0].to_owned();
    let fetched = format!("{}/api/v2/telegrafs/{id}", server.url());
    let fetch = async || {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.get(&fetched).header("Accept", "application/toml");
        request.header("Authorization", format!("Token {}", server.token())).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(fetch().await, toml);
    let changed = shell.json(&["telegrafs", "update", "-i", &id, "-n", "renamed"]).await;
    assert_eq!((&changed["name"], &changed["description"]), (&json!("renamed"), &json!("all cpus")));
    assert_eq!(fetch().await, toml, "what is not given stays");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("telegraf.conf");
    std::fs::write(&file, "[[inputs.mem]]\n").unwrap();
    let _ = shell.run(&["telegrafs", "update", "-i", &id, "-f", file.to_str().unwrap()], "").await.succeeded();
    assert_eq!(fetch().await, "[[inputs.mem]]\n");
    shell.fails(&["telegrafs", "update", "-i", &id], "what is to be changed").await;
    let other = shell.json(&["telegrafs", "create", "-n", "other", "-f", file.to_str().unwrap()]).await;
    assert_eq!(shell.json(&["telegrafs"]).await.as_array().unwrap().len(), 2);
    assert_eq!(shell.json(&["telegrafs", "-i", &id]).await[0]["name"], "renamed");
    let both = format!("{id},{}", other["id"].as_str().unwrap());
    let removed = shell.run(&["telegrafs", "rm", "-i", &both, "--hide-headers"], "").await.succeeded().output;
    assert_eq!(cells(&removed).len(), 2);
    assert_eq!(shell.json(&["telegrafs"]).await, json!([]));
    shell.fails(&["telegrafs", "rm"], "--id").await;
    server.stop().await;
}
