//! Telegraf, unmodified: it fetches its configuration from the server and writes by both of its outputs for InfluxDB.

use serde_json::json;
use testkit::{run, telegraf};
use tokio::process::Command;

use crate::manage::shell;
use crate::server;

#[tokio::test]
async fn telegraf_fetches_its_configuration_and_writes_by_both_outputs() {
    let Some(program) = telegraf() else { return };
    let mut server = server().start().await;
    let shell = shell(&server);
    let directory = tempfile::tempdir().unwrap();
    let points = directory.path().join("points.lp");
    std::fs::write(
        &points,
        "cpu,host=a\\ b usage=1.5,n=7i,ok=true,s=\"x \\\"y\\\"\" 1000000000\ncpu,host=c usage=2 2000000000\n",
    )
    .unwrap();
    let (url, token) = (server.url(), server.token());
    let toml = format!(
        "[agent]\n  omit_hostname = true\n\
         [[inputs.file]]\n  files = [{points:?}]\n  data_format = \"influx\"\n\
         [[outputs.influxdb]]\n  urls = [{url:?}]\n  database = \"collected\"\n  retention_policy = \"\"\n  \
         username = \"anybody\"\n  password = {token:?}\n\
         [[outputs.influxdb_v2]]\n  urls = [{url:?}]\n  token = {token:?}\n  organization = {:?}\n  bucket = {:?}\n  \
         content_encoding = \"gzip\"\n",
        server.organisation(),
        server.bucket()
    );
    let made = shell.run(&["telegrafs", "create", "-n", "collect", "--json"], &toml).await.succeeded().output;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let address = format!("{url}/api/v2/telegrafs/{}", made["id"].as_str().unwrap());
    let mut command = Command::new(&program);
    command.args(["--config", &address, "--once"]).env("INFLUX_TOKEN", token).env("HOME", directory.path());
    run(command, directory.path()).await;
    let rows = server.sql("SELECT host, usage, n, ok, s FROM cpu ORDER BY time").await;
    let expected = json!([
        {"host": "a b", "usage": 1.5, "n": 7, "ok": true, "s": "x \"y\""},
        {"host": "c", "usage": 2.0},
    ]);
    assert_eq!(json!(rows), expected);
    let script = "use collected\nprecision ns\nformat csv\nselect host, usage from cpu\n";
    let printed = shell.run(&["v1", "shell"], script).await.succeeded().output;
    assert_eq!(printed, "name,tags,time,host,usage\ncpu,,1000000000,a b,1.5\ncpu,,2000000000,c,2\n");

    // Without the token there is no configuration.
    let mut command = Command::new(&program);
    command.args(["--config", &address, "--config-url-retry-attempts", "0", "--once"]).env("HOME", directory.path());
    let refused = command.output().await.unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
    server.stop().await;
}
