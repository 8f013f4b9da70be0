//! What comes over from InfluxDB: its directory, against what its own query API said before it stopped.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use testkit::{Influxdb1, Server};

use crate::command_line::{Ended, freshet};
use crate::{checkout, server};

async fn import(server: &Server, words: &[&str]) -> Ended {
    command(server, &[&["data", "import"], words].concat()).await
}

async fn command(server: &Server, words: &[&str]) -> Ended {
    let connection = ["--url", server.url(), "--token", server.token(), "--org", server.organisation()];
    freshet(&[words, &connection[..]].concat()).await
}

/// What a server answers to InfluxQL; times in nanoseconds.
async fn influxql(server: &Server, statement: &str) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/query", server.url())).form(&[("q", statement), ("epoch", "ns")]);
    let request = request.header("Authorization", format!("Token {}", server.token()));
    request.send().await.unwrap().json().await.unwrap()
}

/// Series by measurement and tags: the order of series with different tags is no promise.
fn series(answer: &Value) -> Vec<String> {
    let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<String> = series.iter().map(Value::to_string).collect();
    found.sort();
    found
}

fn many_lines() -> String {
    let mut lines = String::new();
    for i in 0..3_000_i64 {
        let time = 1_600_000_000_000_000_000 + i * 10_000_000_000;
        let (float, integer) = ((i as f64).sin() * 100.0, i * i - 7);
        writeln!(lines, "types,t=a f={float},i={integer}i,b={},s=\"say {}\" {time}", i % 3 == 0, i % 11).unwrap();
        writeln!(lines, "types,t=b\\ c f={i} {}", time + i % 7).unwrap();
    }
    lines.push_str("a\\ b\\,c,k\\ \\,\\==v\\ \\,\\= f\\ \\,\\==1,s=\"q \\\"x\\\" \\\\ \nnl\" 1600000000000000005\n");
    lines + "single v=true 1"
}

#[tokio::test]
async fn the_directory_of_a_real_server_comes_over_whole() {
    let Some(influxdb) = Influxdb1::start().await else { return };
    influxdb.query("CREATE DATABASE one; CREATE DATABASE two WITH DURATION 5000w NAME kept").await;
    influxdb.query("CREATE RETENTION POLICY long ON one DURATION 3000w REPLICATION 1 SHARD DURATION 1w").await;
    influxdb
        .query(
            "CREATE USER reader WITH PASSWORD 'reader-secret'; CREATE CONTINUOUS QUERY cq ON one BEGIN \
             SELECT mean(f) INTO one.long.down FROM one.autogen.types GROUP BY time(1h), * END",
        )
        .await;
    influxdb.write("one", "autogen", &many_lines()).await;
    influxdb.files("one/autogen/1", 1).await;
    // Written again, deleted, in another shard with another type, and in the log only.
    influxdb
        .write("one", "autogen", "types,t=a f=0.5,i=1i 1600000000000000000\ntypes,t=new f=1 1600000000000000001")
        .await;
    influxdb
        .query("DELETE FROM types WHERE t = 'b c' AND time > 1600000100000000000 AND time < 1600000900000000000")
        .await;
    influxdb.query("DROP MEASUREMENT single").await;
    let conflict = "mixed v=1i,w=true 1600000000000000000\nmixed v=9007199254740993i 1600000000000000001";
    influxdb.write("one", "long", conflict).await;
    influxdb.write("one", "long", "mixed v=1.5,w=\"text\" 1700000000000000000").await;
    influxdb.write("two", "kept", "m,host=x v=1,n=-5i 1700000000000000000").await;
    let statements = [
        "SELECT * FROM one.autogen./.*/ GROUP BY *",
        "SELECT v FROM one.long.mixed",
        "SELECT * FROM two.kept.m GROUP BY *",
        "SELECT * FROM two..m GROUP BY *",
    ];
    let mut expected = Vec::new();
    for statement in statements {
        expected.push(series(&influxdb.query(statement).await));
    }
    let directory = influxdb.stop().await;
    let path = directory.path().to_str().unwrap();
    let mut server = server().start().await;
    let ended = import(&server, &["--tsm", path]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in ["the field \"v\" of \"mixed\" is float and integer", "users are not taken over", "0 refused"] {
        assert!(ended.errors.contains(part), "{part}: {ended:?}");
    }
    for (statement, expected) in statements.into_iter().zip(expected) {
        assert!(!expected.is_empty(), "{statement}");
        assert_eq!(series(&influxql(&server, statement).await), expected, "{statement}");
    }
    // The boolean of the first shard became the text of the second one's type.
    let mixed = influxql(&server, "SELECT w FROM one.long.mixed").await;
    let values = &mixed["results"][0]["series"][0]["values"];
    assert_eq!((&values[0][1], &values[1][1]), (&"true".into(), &"text".into()), "{mixed}");
    let policies = influxql(&server, "SHOW RETENTION POLICIES ON one").await.to_string();
    assert!(policies.contains("[\"autogen\",\"0s\"") && policies.contains("[\"long\",\"504000h0m0s\""), "{policies}");
    let queries = influxql(&server, "SHOW CONTINUOUS QUERIES").await.to_string();
    assert!(queries.contains("cq"), "{queries}");
    let databases = influxql(&server, "SHOW DATABASES").await.to_string();
    assert!(databases.contains("two") && !databases.contains("_internal"), "{databases}");
    server.stop().await;
}

/// A copy of the directory that a real server wrote.
fn recorded(to: &Path) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if path.is_dir() { copy(&path, &target) } else { std::fs::copy(path, target).map(drop).unwrap() }
        }
    }
    copy(&checkout().join("crates/tsm/tests/data"), to);
}

#[tokio::test]
async fn a_directory_is_chosen_from_resumed_and_its_damage_told() {
    let folder = tempfile::tempdir().unwrap();
    recorded(folder.path());
    let path = folder.path().to_str().unwrap();
    let state = folder.path().join("state.json");
    let mut server = server().start().await;
    let more = ["--batch-lines", "100", "--state", state.to_str().unwrap()];
    let words = [&["--tsm", path, "--bucket", server.bucket(), "--only", "fx/autogen"], &more[..]].concat();
    let ended = import(&server, &words).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let count = "SELECT count(f) + count(i) + count(b) + count(s) FROM types";
    let whole = server.sql_number(count).await;
    assert!(whole > 6_000.into(), "{whole}");
    assert!(!state.exists(), "the import is at its end");
    // A state in the middle of the first shard: what stands before it is not sent again.
    server.sql("SELECT 1").await;
    let shard = folder.path().join("data/fx/autogen/1");
    let wal = folder.path().join("wal/fx/autogen/1");
    let files = [&shard, &wal].into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten());
    let size: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    let place = shard.to_str().unwrap();
    std::fs::write(&state, serde_json::json!({ place: { "size": size, "through": 1_000, "refused": 3 } }).to_string())
        .unwrap();
    let ended = import(&server, &words).await;
    assert!(ended.code == 1 && ended.errors.contains("3 of "), "what was refused before counts: {ended:?}");
    assert_eq!(server.sql_number(count).await, whole);
    for (words, expected) in [
        (&["--tsm", path, "--bucket", "x"][..], "the points of fx/autogen, fx/week; choose by --only"),
        (&["--tsm", path, "--only", "none"], "is named \"none\"; there is: fx/autogen, fx/week"),
        (&["--tsm", "/nowhere"], "cannot read the directory /nowhere"),
    ] {
        let ended = import(&server, words).await;
        assert!(ended.code == 1 && ended.errors.contains(expected), "{expected}: {ended:?}");
    }
    let file = shard.join("000000001-000000001.tsm");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ended = import(&server, &["--tsm", path, "--only", "fx"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in ["what stands there is lost: ", ".tsm is damaged at byte 5: the checksum", "1 refused"] {
        assert!(ended.errors.contains(part), "{part}: {ended:?}");
    }
    let rest = influxql(&server, "SELECT count(i) FROM fx.autogen.types").await;
    assert!(rest["results"][0]["series"][0]["values"][0][1].as_u64() > Some(1_000), "{rest}");
    server.stop().await;
}

/// Databases with every type, with fields of several types, and with more columns than one statement reads.
async fn fill(influxdb: &Influxdb1) {
    influxdb.query("CREATE DATABASE one; CREATE DATABASE two WITH DURATION 5000w NAME kept").await;
    influxdb.query("CREATE RETENTION POLICY long ON one DURATION 3000w REPLICATION 1 SHARD DURATION 1w").await;
    influxdb
        .query(
            "CREATE CONTINUOUS QUERY cq ON one BEGIN \
             SELECT mean(f) INTO one.long.down FROM one.autogen.types GROUP BY time(1h), * END",
        )
        .await;
    influxdb.write("one", "autogen", &many_lines()).await;
    influxdb.write("one", "autogen", "types,t=far f=1,i=-9223372036854775808i -1000000000000000000").await;
    // In different shards of different types: numbers become floats, texts beside them cannot.
    influxdb.write("one", "long", "mixed v=1i,w=true,x=\"text\" 1600000000000000000").await;
    influxdb.write("one", "long", "mixed v=1.5,w=\"text\",x=2i 1700000000000000000").await;
    let many: Vec<String> = (0..450).map(|number| format!("f{number}={number}")).collect();
    influxdb.write("two", "kept", &format!("wide,host=x {} 1700000000000000000", many.join(","))).await;
}

#[tokio::test]
async fn a_running_server_of_1x_comes_over_by_its_query_api() {
    let Some(influxdb) = Influxdb1::start().await else { return };
    fill(&influxdb).await;
    let statements = [
        "SELECT * FROM one.autogen./.*/ GROUP BY *",
        "SELECT v, w FROM one.long.mixed WHERE time > 1650000000000000000",
        "SELECT * FROM two.kept.wide GROUP BY *",
        "SELECT * FROM two..wide GROUP BY *",
    ];
    let mut expected = Vec::new();
    for statement in statements {
        expected.push(series(&influxdb.query(statement).await));
    }
    let mut server = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let words = ["--influxdb", influxdb.url(), "--state", state.to_str().unwrap(), "--batch-lines", "1000"];
    let ended = import(&server, &words).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in ["field \"x\": a value of type string cannot become integer", "1 of ", "1 refused"] {
        assert!(ended.errors.contains(part), "{part}: {ended:?}");
    }
    for (statement, expected) in statements.into_iter().zip(&expected) {
        assert!(!expected.is_empty(), "{statement}");
        assert_eq!(&series(&influxql(&server, statement).await), expected, "{statement}");
    }
    let mixed = influxql(&server, "SELECT w FROM one.long.mixed").await;
    assert_eq!(mixed["results"][0]["series"][0]["values"][0][1], "true", "{mixed}");
    let policies = influxql(&server, "SHOW RETENTION POLICIES ON one").await.to_string();
    assert!(policies.contains("[\"autogen\",\"0s\"") && policies.contains("[\"long\",\"504000h0m0s\""), "{policies}");
    assert!(influxql(&server, "SHOW CONTINUOUS QUERIES").await.to_string().contains("cq"));

    // A point that is not at the source stands in a slice: it is told, and the import goes on where asked to.
    let lines = "types,t=extra f=1 1600000000000000007";
    let _ = command(&server, &["write", "--bucket", "one/autogen", lines]).await.succeeded();
    let extra = [&words[..], &["--only", "one/autogen", "--slice", "1w"]].concat();
    let ended = import(&server, &extra).await;
    assert!(ended.code == 1 && ended.errors.contains("--no-verify"), "{ended:?}");
    assert!(state.exists(), "what was done is remembered");
    let ended = import(&server, &[&extra[..], &["--no-verify"]].concat()).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!state.exists(), "the import is at its end");
    let back = influxql(&server, "SELECT * FROM one.autogen.types WHERE t != 'extra' GROUP BY *").await;
    let there = influxdb.query("SELECT * FROM one.autogen.types GROUP BY *").await;
    assert_eq!(series(&back), series(&there));
    for (words, expected) in [
        (&["--influxdb", influxdb.url(), "--bucket", "x"][..], "choose by --only"),
        (
            &["--influxdb", influxdb.url(), "--only", "none"],
            "nothing at the source is named \"none\"; there is: one/autogen",
        ),
        (&["--influxdb", "http://127.0.0.1:1"], "the source does not answer ping"),
        (&["--influxdb", server.url()], "give --source-org"),
        (&["--influxdb", influxdb.url(), "--tsm", "d"], "cannot be used with"),
    ] {
        let ended = import(&server, words).await;
        assert!(ended.code != 0 && ended.errors.contains(expected), "{expected}: {ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_running_server_of_2x_comes_over_by_flux() {
    let (mut source, mut server) = (server().start().await, server().start().await);
    source.write(many_lines()).await;
    source.write("types,t=far f=1,u=18446744073709551615u,e=\"\" -1000000000000000000").await;
    source.write("q\"$uote${x},k\\=\\ 1=v f=0.1 1600000000000000000").await;
    let statement = format!("SELECT * FROM \"{}\"../.*/ GROUP BY *", source.bucket());
    let expected = series(&influxql(&source, &statement).await);
    assert!(expected.len() > 4, "{expected:?}");
    let who = ["--source-token", source.token(), "--source-org", source.organisation()];
    let words = [&["--influxdb", source.url(), "--batch-lines", "700"], &who[..]].concat();
    // Under its own name, and under another one.
    for more in [&[][..], &["--only", source.bucket(), "--bucket", "other"]] {
        if let [.., other] = more {
            let _ = command(&server, &["bucket", "create", "--name", other]).await.succeeded();
        }
        let ended = import(&server, &[&words[..], more].concat()).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.errors.contains(", 0 refused"), "{ended:?}");
    }
    assert_eq!(series(&influxql(&server, &statement).await), expected);
    let other = series(&influxql(&server, "SELECT * FROM other../.*/ GROUP BY *").await);
    assert_eq!(other, expected);
    let ended = import(&server, &["--influxdb", source.url(), "--source-org", "x", "--source-token", "nobody"]).await;
    assert!(ended.code == 1 && ended.errors.contains("the source does not answer for its buckets"), "{ended:?}");
    source.stop().await;
    server.stop().await;
}
