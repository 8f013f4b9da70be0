//! The commands for what a server keeps besides points, as a script written for `influx` calls them.

use serde_json::{Value, json};
use testkit::Server;

use crate::command_line::{Ended, freshet, run};
use crate::server;

/// The cells of a table's rows.
pub(crate) fn cells(output: &str) -> Vec<Vec<&str>> {
    output.lines().map(|line| line.split('\t').filter(|cell| !cell.is_empty()).collect()).collect()
}

/// One person's shell: variables as scripts for `influx` set them.
pub(crate) struct Shell<'a> {
    server: &'a Server,
    pub(crate) token: String,
}

impl Shell<'_> {
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let variables = [
            ("INFLUX_HOST", self.server.url()),
            ("INFLUX_TOKEN", &self.token),
            ("INFLUX_ORG", self.server.organisation()),
        ];
        run(arguments, &variables, input).await
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), "").await.succeeded().output;
        serde_json::from_str(&output).unwrap()
    }

    pub(crate) async fn fails(&self, arguments: &[&str], message: &str) {
        let ended = self.run(arguments, "").await;
        assert!(ended.code != 0 && ended.errors.contains(message), "{arguments:?}: {ended:?}");
    }
}

pub(crate) fn shell(server: &Server) -> Shell<'_> {
    Shell { server, token: server.token().to_owned() }
}

#[tokio::test]
async fn buckets_are_made_listed_changed_and_deleted() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let made = shell.run(&["bucket", "create", "-n", "week", "-r", "7d", "-d", "a week"], "").await.succeeded().output;
    let table = cells(&made);
    assert_eq!(table[0], ["ID", "Name", "Retention", "Shard group duration", "Organization ID", "Schema Type"]);
    assert_eq!((&table[1][1..3], table[1][5]), (&["week", "168h0m0s"][..], "implicit"));
    let id = table[1][0];
    assert_eq!(shell.json(&["bucket", "list", "-n", "week"]).await[0]["description"], "a week");
    shell.fails(&["bucket", "create", "-n", "week"], "already exists").await;
    shell.fails(&["bucket", "update", "-i", id], "what is to be changed").await;
    let changed = shell.json(&["bucket", "update", "-i", id, "-n", "month", "-r", "30d"]).await;
    assert_eq!((&changed["name"], &changed["retentionRules"][0]["everySeconds"]), (&json!("month"), &json!(2_592_000)));
    // More than a page of the server's.
    for number in 0..105 {
        let _ = shell.run(&["bucket", "create", "-n", &format!("many-{number}")], "").await.succeeded();
    }
    let all = shell.run(&["bucket", "ls", "--hide-headers"], "").await.succeeded().output;
    assert!(cells(&all).len() > 106 && all.contains("\tmany-104\t"), "{all}");
    assert_eq!(shell.json(&["bucket", "list", "--limit", "3", "--offset", "2"]).await.as_array().unwrap().len(), 3);
    let deleted = shell.run(&["bucket", "delete", "-n", "month"], "").await.succeeded().output;
    assert_eq!(cells(&deleted)[1][..3], [id, "month", "720h0m0s"]);
    shell.fails(&["bucket", "delete", "-n", "month"], "bucket \"month\"").await;
    shell.fails(&["bucket", "delete"], "--id").await;
    shell.fails(&["bucket", "list", "-o", "nobody"], "organization name \"nobody\" not found").await;
    server.stop().await;
}

#[tokio::test]
async fn organisations_users_and_members() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let organisation = shell.json(&["org", "create", "-n", "second", "-d", "the second"]).await;
    let id = organisation["id"].as_str().unwrap();
    let _ = shell.run(&["org", "update", "-i", id, "-n", "other"], "").await.succeeded();
    let listed = shell.run(&["org", "find", "-n", "other", "--hide-headers"], "").await.succeeded().output;
    assert_eq!(cells(&listed), [[id, "other"]]);
    let user = shell.json(&["user", "create", "-n", "anna", "-p", "a long password", "-o", "other"]).await;
    let user_id = user["id"].as_str().unwrap();
    let members = shell.run(&["org", "members", "list", "-n", "other", "--hide-headers"], "").await.succeeded().output;
    assert!(cells(&members).contains(&vec![user_id, "anna", "member", "active"]), "{members}");
    let _ = shell.run(&["user", "password", "-n", "anna"], "another password\n").await.succeeded();
    shell.fails(&["user", "password", "-n", "anna", "-p", "short"], "password").await;
    shell.fails(&["user", "password", "-n", "anna"], "--password").await;
    let renamed = shell.json(&["user", "update", "-i", user_id, "-n", "bella"]).await;
    assert_eq!(renamed["name"], "bella");
    let _ = shell.run(&["org", "members", "remove", "-n", "other", "-m", user_id], "").await.succeeded();
    let _ = shell.run(&["org", "members", "add", "-n", "other", "-m", user_id, "--owner"], "").await.succeeded();
    let _ = shell.run(&["org", "members", "remove", "-i", id, "-m", user_id], "").await.succeeded();
    let members = shell.run(&["org", "members", "list", "-n", "other"], "").await.succeeded().output;
    assert!(!members.contains(user_id), "{members}");
    let _ = shell.run(&["user", "delete", "-i", user_id], "").await.succeeded();
    shell.fails(&["user", "list", "-i", user_id], "user not found").await;
    let _ = shell.run(&["org", "delete", "-i", id], "").await.succeeded();
    shell.fails(&["org", "delete", "-i", id], "not found").await;
    server.stop().await;
}

#[tokio::test]
async fn tokens_do_what_their_flags_say() {
    let mut server = server().start().await;
    let mut shell = shell(&server);
    let bucket = shell.json(&["bucket", "list", "-n", server.bucket()]).await[0]["id"].as_str().unwrap().to_owned();
    let arguments = ["auth", "create", "-d", "reader", "--read-bucket", &bucket, "--read-orgs"];
    let made = shell.json(&arguments).await;
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let listed = shell.run(&["auth", "list", "-i", id], "").await.succeeded().output;
    assert!(listed.contains(&format!("/buckets/{bucket}")) && listed.contains("read:/orgs"), "{listed}");
    shell.fails(&["auth", "create"], "say what the token may do").await;

    token.clone_into(&mut shell.token);
    let write = ["write", "-b", server.bucket(), "m f=1"];
    shell.fails(&write, "insufficient permissions").await;
    shell.token = server.token().to_owned();
    let everything = shell.json(&["auth", "create", "--all-access", "-d", "all"]).await;
    shell.token = everything["token"].as_str().unwrap().to_owned();
    let _ = shell.run(&write, "").await.succeeded();
    let _ = shell.run(&["bucket", "create", "-n", "by-all-access"], "").await.succeeded();
    shell.token = server.token().to_owned();
    let operator = shell.json(&["auth", "create", "--operator"]).await;
    shell.token = operator["token"].as_str().unwrap().to_owned();
    let _ = shell.run(&["auth", "inactive", "-i", id], "").await.succeeded();
    assert_eq!(shell.json(&["auth", "list", "-i", id]).await[0]["status"], "inactive");
    let _ = shell.run(&["auth", "active", "-i", id], "").await.succeeded();
    let _ = shell.run(&["auth", "delete", "-i", id], "").await.succeeded();
    shell.fails(&["auth", "list", "-i", id], "not found").await;
    server.stop().await;
}

#[tokio::test]
async fn users_and_databases_of_1x_and_the_shell() {
    let mut server = server().start().await;
    let shell = shell(&server);
    let bucket = shell.json(&["bucket", "list", "-n", server.bucket()]).await[0]["id"].as_str().unwrap().to_owned();
    let arguments = ["v1", "auth", "create", "--username", "old", "--read-bucket", &bucket, "--write-bucket", &bucket];
    let _ = shell.run(&arguments, "a long password\n").await.succeeded();
    shell.fails(&[&arguments[..], &["--password", "a long password"]].concat(), "already").await;
    let mapping = ["v1", "dbrp", "create", "--db", "old-db", "--rp", "week", "--bucket-id", &bucket, "--default"];
    let mapping = shell.json(&mapping).await;
    let mapping_id = mapping["id"].as_str().unwrap();
    let as_old = |query: &str| {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}{query}", server.url()));
        request.basic_auth("old", Some("a long password"))
    };
    let written = as_old("/write?db=old-db&rp=week").body("m,t=a f=1.5 1000000000").send().await.unwrap();
    assert_eq!(written.status(), 204);
    let _ = shell.run(&["v1", "auth", "set-inactive", "--username", "old"], "").await.succeeded();
    assert_eq!(as_old("/query?db=old-db&q=SHOW+MEASUREMENTS").send().await.unwrap().status(), 403);
    let _ = shell.run(&["v1", "auth", "set-active", "--username", "old"], "").await.succeeded();
    let _ = shell.run(&["v1", "auth", "set-password", "--username", "old"], "another password").await.succeeded();
    assert_eq!(as_old("/query?db=old-db&q=SHOW+MEASUREMENTS").send().await.unwrap().status(), 401);

    let script =
        "use old-db.week\nprecision s\nselect * from m\nformat csv\nselect f, t from m\nexit\nSHOW DATABASES\n";
    let output = shell.run(&["v1", "shell"], script).await.succeeded().output;
    let expected = "name: m\ntime\tf\tt\n----\t-\t-\n1\t1.5\ta\n\nname,tags,time,f,t\nm,,1,1.5,a\n";
    assert_eq!(output, expected);
    let ended = shell.run(&["v1", "shell"], "use old-db\nselect nothing of it\nSHOW DATABASES\n").await;
    assert!(
        ended.code == 1 && ended.errors.contains("found of, expected FROM") && ended.output.is_empty(),
        "{ended:?}"
    );

    let changed = shell.json(&["v1", "dbrp", "update", "--id", mapping_id, "-r", "month"]).await;
    assert_eq!(changed["retention_policy"], "month");
    let found = shell.run(&["v1", "dbrp", "list", "--db", "old-db", "--hide-headers"], "").await.succeeded().output;
    assert_eq!(cells(&found)[0][..5], [mapping_id, "old-db", &bucket, "month", "true"]);
    let _ = shell.run(&["v1", "dbrp", "delete", "--id", mapping_id], "").await.succeeded();
    let _ = shell.run(&["v1", "auth", "delete", "--username", "old"], "").await.succeeded();
    shell.fails(&["v1", "auth", "delete", "--username", "old"], "\"old\"").await;
    server.stop().await;
}

#[tokio::test]
async fn setup_makes_a_profile_that_the_other_commands_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configs").to_str().unwrap().to_owned();
    let mut server = Server::builder(crate::PROGRAM)
        .bare()
        .args(["--http-bind", "127.0.0.1:0", "--memory-limit", "512MiB", "--data-dir"])
        .arg(directory.path().join("data"))
        .data_dir(directory.path().join("data"))
        .start()
        .await;
    let file = ["--configs-path", path.as_str()];
    let call = async |arguments: &[&str], input: &str| run(&[arguments, &file].concat(), &[], input).await;
    let setup = ["setup", "--host", server.url(), "-u", "me", "-p", "a long password", "-o", "home", "-b", "first"];
    let ended = call(&setup, "").await;
    assert!(ended.code == 1 && ended.errors.contains("--force"), "{ended:?}");
    let ended = call(&[&setup[..], &["-r", "72h", "-f"]].concat(), "").await.succeeded();
    assert_eq!(cells(&ended.output), [["User", "Organization", "Bucket"], ["me", "home", "first"]]);
    let ended = call(&[&setup[..], &["-f", "-n", "default"]].concat(), "").await;
    assert!(ended.code == 1 && ended.errors.contains("a profile \"default\" already"), "{ended:?}");
    // As `influx` does: with profiles there has to be a name, and the active one says where the server is.
    let ended = call(&[&setup[..1], &setup[3..], &["-f"]].concat(), "").await;
    assert!(ended.code == 1 && ended.errors.contains("give --name"), "{ended:?}");
    let ended = call(&[&setup[..1], &setup[3..], &["-f", "-n", "again"]].concat(), "").await;
    assert!(ended.code == 1 && ended.errors.contains("onboarding has already been completed"), "{ended:?}");
    let ended = call(&[&setup[..], &["-f", "-n", "again"]].concat(), "").await;
    assert!(ended.code == 1 && ended.errors.contains("onboarding has already been completed"), "{ended:?}");

    let buckets = call(&["bucket", "list", "-n", "first", "--hide-headers"], "").await.succeeded().output;
    assert_eq!(cells(&buckets)[0][1..3], ["first", "72h0m0s"]);
    let _ = call(&["write", "-b", "first", "m f=1"], "").await.succeeded();
    let rows = call(&["query", "--language", "sql", "-b", "first", "--format", "csv", "SELECT f FROM m"], "").await;
    assert_eq!(rows.succeeded().output, "f\n1.0\n");

    let create = ["config", "create", "-n", "away", "-u", "http://127.0.0.1:1", "-t", "secret-token", "-a"];
    let made = call(&create, "").await.succeeded().output;
    assert_eq!(cells(&made)[1], ["*", "away", "http://127.0.0.1:1"]);
    assert!(!made.contains("secret-token"));
    assert_eq!(call(&["ping"], "").await.code, 1);
    let _ = call(&["ping", "-c", "default"], "").await.succeeded();
    let ended = call(&["ping", "-c", "nowhere"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("no profile \"nowhere\""), "{ended:?}");
    assert_eq!(cells(&call(&["config", "-"], "").await.succeeded().output)[1][..2], ["*", "default"]);
    let _ = call(&["config", "set", "-n", "away", "-o", "elsewhere"], "").await.succeeded();
    let profiles = call(&["config", "list", "--json"], "").await.succeeded().output;
    let profiles: Value = serde_json::from_str(&profiles).unwrap();
    assert_eq!((&profiles[0]["org"], &profiles[1]["active"]), (&json!("elsewhere"), &json!(true)));
    let _ = call(&["config", "rm", "away"], "").await.succeeded();
    assert_eq!(cells(&call(&["config"], "").await.succeeded().output).len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = freshet(&["completion", shell]).await.succeeded().output;
        assert!(script.contains("freshet") && script.contains("bucket") && script.contains("configs-path"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("man");
    let _ = freshet(&["man", path.to_str().unwrap()]).await.succeeded();
    let page = std::fs::read_to_string(path.join("freshet-bucket-create.1")).unwrap();
    assert!(page.contains("shard\\-group\\-duration"), "{page}");
    let blocked = path.join("freshet.1/below");
    let ended = freshet(&["man", blocked.to_str().unwrap()]).await;
    assert!(ended.code == 1 && ended.errors.contains("cannot write manual pages"), "{ended:?}");
}
