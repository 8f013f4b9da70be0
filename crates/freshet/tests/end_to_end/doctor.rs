//! `freshet doctor` over the data directory of a server that was killed, and that somebody damaged.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command_line::{Ended, freshet};
use crate::server;

async fn doctor(data_dir: &Path, more: &[&str]) -> Ended {
    freshet(&[&["doctor", "--data-dir", data_dir.to_str().unwrap()], more].concat()).await
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn the_doctor_tells_and_repairs() {
    let mut server = server().args(["--compactions", "0"]).start().await;
    let data_dir = server.data_dir().to_owned();
    for time in 1..=3 {
        server.write(format!("m f={time} {time}")).await;
        server.flush().await;
    }
    server.write("m f=4 4").await;
    let busy = doctor(&data_dir, &[]).await;
    assert!(busy.code == 3 && busy.errors.contains("is in use by another process"), "{busy:?}");
    server.kill9().await;
    let well = doctor(&data_dir, &["--deep"]).await;
    assert!(well.code == 0 && well.output.ends_with("well\n"), "{well:?}");

    let data = files(&data_dir.join("files"));
    std::fs::remove_file(&data[0]).unwrap();
    std::fs::write(&data[1], "half").unwrap();
    std::fs::write(data[2].with_file_name("orphan.parquet"), "x").unwrap();
    let told = doctor(&data_dir, &[]).await;
    assert_eq!(told.code, 1, "{told:?}");
    for part in ["missing ", "damaged ", "orphaned ", "(test-bucket, m)", "not well"] {
        assert!(told.output.contains(part), "{part}: {told:?}");
    }
    let told: Value = serde_json::from_str(&doctor(&data_dir, &["--json"]).await.output).unwrap();
    assert_eq!(told["found"]["missing"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!((&told["is_well"], &told["left"]), (&Value::Bool(false), &Value::Null));
    let repaired = doctor(&data_dir, &["--repair", "files,orphans"]).await;
    assert!(repaired.code == 0 && repaired.output.contains("2 files taken out of the catalog"), "{repaired:?}");
    assert!(repaired.output.contains("1 orphans deleted"), "{repaired:?}");
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 2, "what was left, and what the log had");
    server.stop().await;

    let nowhere = doctor(&data_dir.join("nowhere"), &[]).await;
    assert!(nowhere.code == 3 && nowhere.errors.contains("is no data directory"), "{nowhere:?}");
}

#[tokio::test]
async fn a_damaged_log_is_set_aside_and_the_server_starts() {
    let mut server = server().start().await;
    let data_dir = server.data_dir().to_owned();
    for time in 1..=5 {
        server.write(format!("m f={time} {time}")).await;
    }
    server.kill9().await;
    let segment = files(&data_dir.join("wal")).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let length = |at: usize| 48 + u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let second = 64 + length(64);
    bytes[second + 50] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (code, log) = crate::server().data_dir(&data_dir).start_and_fail().await;
    assert!(code == Some(1) && log.contains("is damaged") || log.contains("unreadable") || code == Some(1), "{log}");
    assert_eq!(doctor(&data_dir, &[]).await.code, 1);
    let repaired = doctor(&data_dir, &["--repair", "log"]).await;
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(repaired.output.contains("it held 3 rows of test-bucket, m (records 3 to 5): lost"), "{repaired:?}");
    assert!(data_dir.join("aside").join(segment.file_name().unwrap()).exists());
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);
    server.write("m f=9 9").await;
    server.kill9().await;
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_lost_catalog_is_rebuilt_from_the_files() {
    let mut server = server().start().await;
    let data_dir = server.data_dir().to_owned();
    server.write("m,t=a f=1 1\nm,t=b f=2 2\nM,t=a f=3 1").await;
    server.flush().await;
    server.write("m,t=a f=10 1").await;
    server.compact().await;
    server.write("m,t=c f=3,late=1i 3").await;
    let rows = "SELECT t, f, CAST(time AS BIGINT) AS at FROM m ORDER BY time, t";
    let before = server.sql(rows).await;
    server.kill9().await;
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = std::fs::remove_file(data_dir.join(name));
    }
    let told = doctor(&data_dir, &[]).await;
    assert!(told.code == 1 && told.output.contains("--rebuild-catalog"), "{told:?}");
    let rebuilt = doctor(&data_dir, &["--rebuild-catalog"]).await;
    assert_eq!(rebuilt.code, 0, "{rebuilt:?}");
    assert!(rebuilt.output.contains("rebuilt: 1 buckets, 2 measurements"), "{rebuilt:?}");
    assert!(rebuilt.output.contains("replaced by a merged file"), "{rebuilt:?}");
    server.restart().await;
    assert_eq!(server.sql(rows).await, before);
    assert_eq!(server.sql_number("SELECT count(*) FROM \"M\"").await, 1);
    server.write("m,t=d f=4 4").await;
    server.compact().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 4);
    server.stop().await;
}
