//! `freshet data export` and `import`: what goes out of one server comes into another as it was.

use std::path::Path;

use serde_json::{Value, json};
use testkit::Server;

use crate::command_line::{Ended, freshet};
use crate::server;

/// Every type, escapes, negative times, limits, empty strings, names that clash.
const LINES: &str = "\
types,t=a f=1.5,i=-9223372036854775808i,u=18446744073709551615u,b=true,s=\"plain\" -9223372036854775806
types,t=b f=1e300,i=9223372036854775807i,u=0u,b=false,s=\"\" -1
types f=-0.0,s=\"quote \\\" back\\\\slash\nnew line, #hash\" 0
types,t=only s=\"x\" 5
a\\ b\\,c,tag\\ key\\,\\==va\\ l\\,\\=ue\\\\n field\\ key\\,\\==1i 1
a\\ b\\,c,t=back\\slash,u=\\\"q\\\" g=5e-324 2
clash,same=tag same=2,same::field=3i 3
ünï,t=ø v=\"😀\" 9223372036854775806
";

async fn run(server: &Server, words: &[&str]) -> Ended {
    let connection = ["--url", server.url(), "--token", server.token()];
    let target = ["--org", server.organisation(), "--bucket", server.bucket()];
    freshet(&[words, &connection[..], &target[..]].concat()).await
}

/// Everything in a bucket, in the one form that loses nothing.
async fn contents(server: &Server) -> String {
    let ended = run(server, &["data", "export", "--quiet"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut lines: Vec<&str> = ended.output.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

async fn check_round_trip(source: &Server, format: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export").to_str().unwrap().to_owned();
    let exported = run(source, &[&["data", "export", "--format", format, "--directory", &path], more].concat()).await;
    assert_eq!(exported.code, 0, "{exported:?}");
    assert!(exported.errors.contains("exported in 4 files"), "{exported:?}");
    let mut target = server().start().await;
    let imported = run(&target, &["data", "import", &path]).await;
    assert_eq!(imported.code, 0, "{format}: {imported:?}");
    assert!(imported.errors.contains("8 lines written") && imported.errors.contains("0 refused"), "{imported:?}");
    assert_eq!(contents(&target).await, contents(source).await, "{format}");
    for measurement in ["types", "a b,c", "clash", "ünï"] {
        let sql = format!("SELECT * FROM \"{measurement}\" ORDER BY time");
        assert_eq!(target.sql(&sql).await, source.sql(&sql).await, "{format} {measurement}");
    }
    target.stop().await;
}

#[tokio::test]
async fn every_form_brings_back_what_was_there() {
    let mut source = server().start().await;
    source.write(LINES).await;
    // Some rows in files, some in memory.
    source.flush().await;
    source.write("types,t=b i=7i -1").await;
    check_round_trip(&source, "lp", &[]).await;
    check_round_trip(&source, "lp", &["--compress"]).await;
    check_round_trip(&source, "csv", &[]).await;
    check_round_trip(&source, "csv", &["--compress"]).await;
    check_round_trip(&source, "parquet", &[]).await;
    source.stop().await;
}

#[tokio::test]
async fn an_export_may_be_of_a_part_and_of_the_past() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1000000000\nm,t=b f=2 2000000000\nn g=1 1000000000").await;
    server.flush().await;
    let snapshot = server.sql_number("SELECT max(snapshot_id) FROM system.snapshots").await.to_string();
    server.write("m,t=a f=9 1000000000").await;
    let export = async |more: &[&str]| {
        let ended = run(&server, &[&["data", "export", "--quiet"], more].concat()).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.output
    };
    assert_eq!(export(&["-m", "n"]).await, "n g=1.0 1000000000\n");
    let range = ["-m", "m", "--start", "1970-01-01T00:00:01Z", "--stop", "1970-01-01T00:00:02Z"];
    assert_eq!(export(&range).await, "m,t=a f=9.0 1000000000\n");
    assert_eq!(export(&[&range[..], &["--snapshot", &snapshot]].concat()).await, "m,t=a f=1.0 1000000000\n");
    assert_eq!(export(&["-m", "m", "-m", "n"]).await.lines().count(), 3);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n.parquet").to_str().unwrap().to_owned();
    assert_eq!(export(&["-m", "n", "--format", "parquet", "--output", &file]).await, "");
    assert!(std::fs::read(&file).unwrap().ends_with(b"PAR1"));
    for (words, expected) in [
        (&["-m", "absent"][..], "measurement \"absent\" not found"),
        (&["--start", "soon"], "start must be a time like"),
        (&["--format", "parquet"], "a Parquet file holds one measurement"),
        (&["--format", "parquet", "--compress", "-m", "n"], "Parquet is compressed"),
        (&["--snapshot", "999999"], "there is no such snapshot"),
    ] {
        let ended = run(&server, &[&["data", "export", "--quiet"], words].concat()).await;
        assert!(ended.code == 1 && ended.errors.contains(expected), "{expected}: {ended:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_import_tells_what_it_refuses_and_stores_the_rest() {
    let mut server = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let csv = path("x.csv");
    std::fs::write(
        &csv,
        "#datatype measurement,tag,double,dateTime:number\nm,t,f,time\nc,a,1,1\nc,a,abc,2\nc,a,3,3\nc,a,,4\n",
    )
    .unwrap();
    let ended = run(&server, &["data", "import", &csv]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for part in [
        "line 4: \"abc\" in column \"f\" is no number",
        "line 6: there is no value of a field",
        "2 of 4 lines were not stored (50.00 %)",
    ] {
        assert!(ended.errors.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(server.sql("SELECT f FROM c ORDER BY time").await.len(), 2);
    // An answer of InfluxDB 2 to a Flux query.
    let answer = path("answer.csv");
    std::fs::write(
        &answer,
        "#group,false,false,true,true,false,false,true,true,true\r\n\
         #datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r\n\
         #default,_result,,,,,,,,\r\n\
         ,result,table,_start,_stop,_time,_value,_field,_measurement,host\r\n\
         ,,0,1970-01-01T00:00:00Z,1971-01-01T00:00:00Z,1970-01-01T00:00:01Z,2.5,usage,cpu,a\r\n",
    )
    .unwrap();
    assert_eq!(run(&server, &["data", "import", &answer]).await.code, 0);
    assert_eq!(
        server.sql("SELECT host, usage FROM cpu").await,
        [json!({"host": "a", "usage": 2.5}).as_object().unwrap().clone()]
    );
    let nameless = path("data.bin");
    std::fs::write(&nameless, "m f=1 1").unwrap();
    let ended = run(&server, &["data", "import", &nameless]).await;
    assert!(ended.code == 1 && ended.errors.contains("give --format"), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_was() {
    let mut server = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, state) = (path("x.lp"), path("state.json"));
    let lines: String = (0..1000).map(|n| format!("r n={n}i {n}\n")).collect();
    // A type conflict in the middle; and a wrong token cuts the first try off.
    std::fs::write(&file, &lines).unwrap();
    let words = ["data", "import", &file, "--state", &state, "--batch-lines", "100"];
    let cut =
        freshet(&[&words[..], &["--url", server.url(), "--token", "nobody", "--bucket", "b", "--org", "o"]].concat())
            .await;
    assert_eq!(cut.code, 1, "{cut:?}");
    // As an import that stored 600 lines left it.
    let size = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&state, json!({&file: {"size": size, "through": 600, "refused": 0}}).to_string()).unwrap();
    let ended = run(&server, &words).await;
    assert!(ended.code == 0 && ended.errors.contains("400 lines written"), "{ended:?}");
    assert_eq!(server.sql_number("SELECT count(*) FROM r").await, 400);
    assert_eq!(server.sql_number("SELECT min(n) FROM r").await, 600);
    assert!(!Path::new(&state).exists(), "the import is at its end");
    std::fs::write(&state, json!({&file: {"size": size + 1, "through": 600, "refused": 0}}).to_string()).unwrap();
    let changed = run(&server, &words).await;
    assert!(changed.code == 1 && changed.errors.contains("has changed since the import began"), "{changed:?}");
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    assert_eq!(whole[&file]["through"], 600);
    server.stop().await;
}
