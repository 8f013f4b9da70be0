//! Prometheus from Debian over a directory of its own: it takes samples by remote write, and answers PromQL.

use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::tools::provided;
use crate::wait::until;

/// A running Prometheus. It is killed when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    http: reqwest::Client,
    _directory: TempDir,
    _child: Child,
}

impl Prometheus {
    /// Starts one with this configuration in YAML; none if client tests are left out on purpose.
    ///
    /// # Panics
    /// If it does not start, or without `cargo xtask test`.
    pub async fn start(configuration: &str) -> Option<Self> {
        let program = provided("FRESHET_TEST_PROMETHEUS", "`prometheus` of Debian's package prometheus")?;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        // It says in its log alone which port the system chose, so one is chosen for it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"])
            .args(["--enable-feature=promql-at-modifier,promql-negative-offset", "--log.level=warn"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (url, http) = (format!("http://127.0.0.1:{port}"), reqwest::Client::builder().no_proxy().build().unwrap());
        until("the start of Prometheus", async || {
            assert!(child.try_wait().unwrap().is_none(), "Prometheus has ended");
            http.get(format!("{url}/-/ready")).send().await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
        Some(Self { url, http, _directory: directory, _child: child })
    }

    /// Sends a message of remote write, in Snappy.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn write(&self, message: Vec<u8>) {
        let request = self.http.post(format!("{}/api/v1/write", self.url)).body(message);
        let request = request.header("content-encoding", "snappy").header("content-type", "application/x-protobuf");
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{status}: {}", response.text().await.unwrap());
    }

    /// The answer to a query, `query` or `query_range`, with these parameters.
    ///
    /// # Panics
    /// If there is none.
    pub async fn ask(&self, path: &str, parameters: &[(&str, String)]) -> Value {
        let request = self.http.post(format!("{}/api/v1/{path}", self.url)).form(parameters);
        request.send().await.unwrap().json().await.unwrap()
    }
}
