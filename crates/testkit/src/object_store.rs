//! A real S3 server, versitygw, over a directory of its own: what is put into a bucket lies there as a file.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::tools::versitygw;
use crate::wait::{until, within};

const BUCKET: &str = "lake";
const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-key-that-no-log-may-show";

/// A server that speaks S3. It is killed when this is dropped.
#[derive(Debug)]
pub struct S3Server {
    program: PathBuf,
    directory: TempDir,
    port: u16,
    child: Option<Child>,
}

impl S3Server {
    /// Starts one with one empty bucket; none if client tests are left out on purpose.
    ///
    /// # Panics
    /// If it does not start, or without `cargo xtask test`.
    pub async fn start() -> Option<Self> {
        let program = versitygw()?;
        let directory = tempfile::tempdir().unwrap();
        for name in ["buckets", "sidecar"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        std::fs::create_dir(directory.path().join("buckets").join(BUCKET)).unwrap();
        // It has to come back at the same address, so the system cannot choose one at each start.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { program, directory, port, child: None };
        server.restart().await;
        Some(server)
    }

    /// Starts it again at the same address, over the same objects.
    ///
    /// # Panics
    /// If it runs still, or does not start.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "the S3 server is running");
        let mut command = Command::new(&self.program);
        command.args(["--port", &self.endpoint(), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--quiet", "posix"]);
        command.arg("--sidecar").arg(self.directory.path().join("sidecar"));
        command.arg(self.directory.path().join("buckets"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let endpoint = self.endpoint();
        until("the start of the S3 server", async || {
            assert!(child.try_wait().unwrap().is_none(), "the S3 server has ended");
            TcpStream::connect(&endpoint).await.ok()
        })
        .await;
        self.child = Some(child);
    }

    /// Ends it at once.
    ///
    /// # Panics
    /// If it is not running.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("the S3 server is not running");
        within("the end of the S3 server", child.kill()).await.unwrap();
    }

    fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of a prefix in the bucket, for `--object-store`.
    #[must_use]
    pub fn address(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The variables that let a program reach it.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.endpoint())),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// What must never be seen.
    #[must_use]
    pub fn secret(&self) -> &'static str {
        SECRET_KEY
    }

    /// The folder whose files are the objects of the bucket.
    #[must_use]
    pub fn bucket_dir(&self) -> PathBuf {
        self.directory.path().join("buckets").join(BUCKET)
    }

    /// The Parquet files below a prefix, with their sizes in bytes.
    ///
    /// # Panics
    /// If a folder cannot be read.
    #[must_use]
    pub fn parquet_files(&self, prefix: &str) -> Vec<(PathBuf, u64)> {
        fn gather(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                let path = entry.path();
                if path.is_dir() {
                    gather(&path, found);
                } else if path.extension().is_some_and(|extension| extension == "parquet") {
                    found.push((path, entry.metadata().unwrap().len()));
                }
            }
        }
        let mut found = Vec::new();
        gather(&self.bucket_dir().join(prefix), &mut found);
        found.sort();
        found
    }
}
