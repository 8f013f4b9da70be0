//! InfluxDB 1.6 from Debian over a directory of its own, for what is brought over from it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::tools::influxd;
use crate::wait::{until, within};

/// A server of 1.6. It is killed when this is dropped.
#[derive(Debug)]
pub struct Influxdb1 {
    directory: TempDir,
    url: String,
    http: reqwest::Client,
    child: Child,
}

impl Influxdb1 {
    /// Starts one without databases, whose log becomes files a second after the last write; none if client tests are
    /// left out on purpose.
    ///
    /// # Panics
    /// If it does not start, or without `cargo xtask test`.
    pub async fn start() -> Option<Self> {
        let program = influxd()?;
        let directory = tempfile::tempdir().unwrap();
        // It says in its log alone which port the system chose, so one is chosen for it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command
            .arg("run")
            .env("HOME", directory.path())
            .env("INFLUXDB_META_DIR", directory.path().join("meta"))
            .env("INFLUXDB_DATA_DIR", directory.path().join("data"))
            .env("INFLUXDB_DATA_WAL_DIR", directory.path().join("wal"))
            .env("INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION", "1s")
            .env("INFLUXDB_MONITOR_STORE_ENABLED", "true")
            .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0")
            .env("INFLUXDB_HTTP_LOG_ENABLED", "false")
            .env("INFLUXDB_REPORTING_DISABLED", "true");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (url, http) = (format!("http://127.0.0.1:{port}"), reqwest::Client::builder().no_proxy().build().unwrap());
        until("the start of InfluxDB", async || {
            assert!(child.try_wait().unwrap().is_none(), "InfluxDB has ended");
            http.get(format!("{url}/ping")).send().await.ok()
        })
        .await;
        Some(Self { directory, url, http, child })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory with `data`, `wal` and `meta`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes lines with times in nanoseconds.
    ///
    /// # Panics
    /// If it refuses.
    pub async fn write(&self, database: &str, policy: &str, lines: &str) {
        let request = self.http.post(format!("{}/write", self.url)).body(lines.to_owned());
        let request = request.query(&[("db", database), ("rp", policy), ("precision", "ns")]);
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status == 204, "{status}: {}", response.text().await.unwrap());
    }

    /// Runs statements of InfluxQL, in the database `one` where they name none; times in nanoseconds.
    ///
    /// # Panics
    /// If one of them fails.
    pub async fn query(&self, statements: &str) -> Value {
        let request =
            self.http.post(format!("{}/query", self.url)).form(&[("q", statements), ("epoch", "ns"), ("db", "one")]);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let failed = answer["results"].as_array().into_iter().flatten().find(|result| result["error"].is_string());
        assert!(failed.is_none() && answer["error"].is_null(), "{statements}: {answer}");
        answer
    }

    /// Waits until a shard has so many files, each of which was a part of the log before.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn files(&self, shard: &str, count: usize) {
        let folder = self.directory.path().join("data").join(shard);
        until("files of InfluxDB", async || {
            let entries = std::fs::read_dir(&folder).ok()?.flatten();
            let files = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "tsm"));
            (files.count() >= count).then_some(())
        })
        .await;
    }

    /// Has it end in order, and returns its directory.
    ///
    /// # Panics
    /// If it does not.
    pub async fn stop(mut self) -> TempDir {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        within("the end of InfluxDB", self.child.wait()).await.unwrap();
        self.directory
    }
}
