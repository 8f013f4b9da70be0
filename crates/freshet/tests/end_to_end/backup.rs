//! `freshet backup` and `freshet restore`, while the server runs and writes come in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Server;

use crate::command_line::{Ended, freshet};
use crate::server;

async fn backup(server: &Server, directory: &Path, more: &[&str]) -> Ended {
    let connection = ["--url", server.url(), "--token", server.token()];
    freshet(&[&["backup", directory.to_str().unwrap()], &connection[..], more].concat()).await
}

async fn restore(directory: &Path, data_dir: &Path) -> Ended {
    freshet(&["restore", directory.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()]).await
}

/// The files below a directory, with the time of their last change.
fn files(directory: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let changed = path.metadata().unwrap().modified().unwrap();
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), changed);
            }
        }
    }
    found
}

async fn delete(server: &Server, predicate: &str) {
    let body = json!({"start": "1970-01-01T00:00:00Z", "stop": "1970-01-01T00:00:01Z", "predicate": predicate});
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let _ = server.send(server.request(Method::POST, &path).json(&body)).await.expect(204);
}

const ROWS: &str = "SELECT t, f, CAST(time AS BIGINT) AS at FROM m ORDER BY time, t";

#[tokio::test]
async fn a_backup_is_incremental_checked_and_restored_elsewhere() {
    let mut source = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("backup");
    source.write("m,t=a f=1 1\nm,t=b f=2 2\nn g=1 1").await;
    source.flush().await;
    // In memory only; and a delete whose record is in the log only.
    source.write("m,t=c f=3 3").await;
    delete(&source, "t=\"a\"").await;
    let first = backup(&source, &directory, &[]).await;
    assert_eq!((first.code, first.errors.as_str()), (0, ""), "{first:?}");
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(directory.join("manifest.json")).unwrap()).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    let before = files(&directory);
    assert_eq!(listed.len() + 1, before.len(), "{before:?}");
    assert!(listed.iter().all(|file| file["sha256"].as_str().unwrap().len() == 64));
    let rows = source.sql(ROWS).await;
    assert_eq!(rows.len(), 2);

    // What is there stays untouched; what is new comes; what nobody needs goes.
    source.write("m,t=d f=4 4").await;
    let second = backup(&source, &directory, &["--verify"]).await;
    assert_eq!(second.code, 0, "{second:?}");
    let after = files(&directory);
    let is_data = |path: &&PathBuf| path.starts_with("files");
    for path in before.keys().filter(is_data) {
        assert_eq!(before.get(path), after.get(path), "{}", path.display());
    }
    assert_eq!(after.keys().filter(is_data).count(), before.keys().filter(is_data).count() + 1);
    assert_eq!(after.len(), before.len() + 1, "the old copies of the databases are gone: {after:?}");

    // Restored beside the running source, it has what was there; users and tokens too.
    let elsewhere = folder.path().join("elsewhere/data");
    let restored = restore(&directory, &elsewhere).await;
    assert_eq!((restored.code, restored.errors.as_str()), (0, ""), "{restored:?}");
    let mut copy = server().data_dir(&elsewhere).start().await;
    assert_eq!(copy.sql(ROWS).await, source.sql(ROWS).await);
    copy.write("m,t=e f=5 5").await;
    copy.flush().await;
    copy.compact().await;
    assert_eq!(copy.sql_number("SELECT count(*) FROM m").await, 4);
    copy.stop().await;
    // And so it has after it was moved once more.
    let moved = folder.path().join("moved");
    std::fs::rename(&elsewhere, &moved).unwrap();
    let mut copy = server().data_dir(&moved).start().await;
    assert_eq!(copy.sql_number("SELECT count(*) FROM m").await, 4);
    assert_eq!(copy.sql_number("SELECT count(*) FROM n").await, 1);
    copy.stop().await;
    source.stop().await;

    let refused = restore(&directory, &moved).await;
    assert!(refused.code == 1 && refused.errors.contains("is not empty"), "{refused:?}");
}

#[tokio::test]
async fn damage_in_a_backup_is_found() {
    let mut source = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("backup");
    let absent = restore(&folder.path().join("none"), &folder.path().join("data")).await;
    assert!(absent.code == 1 && absent.errors.contains("it has no manifest.json"), "{absent:?}");
    source.write("m f=1 1").await;
    assert_eq!(backup(&source, &directory, &[]).await.code, 0);
    let path = files(&directory).into_keys().find(|path| path.starts_with("files")).unwrap();
    let path = directory.join(path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let data_dir = folder.path().join("data");
    let refused = restore(&directory, &data_dir).await;
    assert!(refused.code == 1 && refused.errors.contains("its checksum is not that of the manifest"), "{refused:?}");
    assert!(!data_dir.exists(), "nothing half is left");
    // The next backup that looks puts it right.
    assert_eq!(backup(&source, &directory, &["--verify"]).await.code, 0);
    assert_eq!(restore(&directory, &data_dir).await.code, 0);
    let mut copy = server().data_dir(&data_dir).start().await;
    assert_eq!(copy.sql_number("SELECT count(*) FROM m").await, 1);
    copy.stop().await;
    // What the server sends is an archive that tar reads.
    let answer = source.request(Method::POST, "/api/freshet/v1/backup").send().await.unwrap();
    let archive = folder.path().join("backup.tar");
    std::fs::write(&archive, answer.bytes().await.unwrap()).unwrap();
    let unpacked = folder.path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = std::process::Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(&unpacked).status().unwrap();
    assert!(tar.success());
    assert_eq!(restore(&unpacked, &folder.path().join("again")).await.code, 0);
    source.stop().await;
}

#[tokio::test]
async fn only_operators_take_backups() {
    let mut server = server().start().await;
    let folder = tempfile::tempdir().unwrap();
    let buckets = server.send(server.request(Method::GET, "/api/v2/buckets")).await.expect(200).json();
    let org = buckets["buckets"][0]["orgID"].as_str().unwrap().to_owned();
    let all = json!({"action": "write", "resource": {"type": "buckets", "orgID": org}});
    let body = json!({"orgID": org, "permissions": [all]});
    let made = server.send(server.request(Method::POST, "/api/v2/authorizations").json(&body)).await.expect(201).json();
    let token = made["token"].as_str().unwrap();
    let target = folder.path().to_str().unwrap();
    let ended = freshet(&["backup", target, "--url", server.url(), "--token", token]).await;
    assert!(ended.code == 1 && ended.errors.contains("is unauthorized"), "{ended:?}");
    server.stop().await;
}
