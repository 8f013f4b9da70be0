//! A server in a process of its own, on a free port, over a data directory of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::wait::within;

const TOKEN: &str = "test-token";
const ORGANISATION: &str = "test-org";
const BUCKET: &str = "test-bucket";
const USERNAME: &str = "test-user";
const PASSWORD: &str = "test-password";

/// The end of the log that is kept for the message of a failure.
const LOG_BYTES_KEPT: usize = 256 << 10;

/// How a server is started.
#[derive(Debug)]
pub struct ServerBuilder {
    program: PathBuf,
    wrapper: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    data_dir: Option<PathBuf>,
    root_certificate_pem: Option<String>,
    first_setup: bool,
}

impl ServerBuilder {
    /// One more argument of `freshet serve`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments of `freshet serve`.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of the server's environment, which has no others of ours.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A program with arguments that runs the server, in front of the server's own.
    #[must_use]
    pub fn wrapper<A: Into<OsString>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// A data directory that somebody else removes.
    #[must_use]
    pub fn data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(data_dir.into());
        self
    }

    /// Requests trust this certificate besides those of the system.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl Into<String>) -> Self {
        self.root_certificate_pem = Some(pem.into());
        self
    }

    /// Leaves out the options that set an empty server up, and those for directory and port.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.first_setup = false;
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(self) -> Server {
        let directory = self.data_dir.is_none().then(|| tempfile::tempdir().unwrap());
        let data_dir = self.data_dir.clone().or_else(|| Some(directory.as_ref()?.path().join("data"))).unwrap();
        let http = http_client(self.root_certificate_pem.as_deref());
        let running = Running::start(&self, &data_dir).await;
        let running = running.unwrap_or_else(|failure| panic!("the server did not start: {failure}"));
        Server { builder: self, data_dir, running: Some(running), http, _directory: directory }
    }

    /// Starts it, and returns the log and the exit code of a server that refuses.
    ///
    /// # Panics
    /// If it starts.
    pub async fn start_and_fail(self) -> (Option<i32>, String) {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = self.data_dir.clone().unwrap_or_else(|| directory.path().join("data"));
        match Running::start(&self, &data_dir).await {
            Ok(_) => panic!("the server started"),
            Err(failure) => (failure.status.code(), failure.log),
        }
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut words = self.wrapper.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve");
        if self.first_setup {
            command.arg("--data-dir").arg(data_dir).args(["--http-bind", "127.0.0.1:0"]);
            command.args(["--init-username", USERNAME, "--init-password", PASSWORD, "--init-token", TOKEN]);
            command.args(["--init-org", ORGANISATION, "--init-bucket", BUCKET]);
        }
        command.args(&self.arguments);
        for (name, _) in std::env::vars_os() {
            let ours = ["FRESHET_", "INFLUX_", "DOCKER_INFLUXDB_", "AWS_", "GOOGLE_", "AZURE_"];
            if name.to_str().is_some_and(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn http_client(root_certificate_pem: Option<&str>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(pem) = root_certificate_pem {
        builder = builder.add_root_certificate(reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

/// A server that ended before it listened.
#[derive(Debug)]
struct StartFailure {
    status: ExitStatus,
    log: String,
}

impl std::fmt::Display for StartFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}; its log:\n{}", self.status, self.log)
    }
}

/// The process and what it said so far.
#[derive(Debug)]
struct Running {
    child: Child,
    url: String,
    log: Log,
}

/// The end of standard error, and the task that reads it.
#[derive(Debug)]
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Log {
    fn read(mut source: tokio::process::ChildStderr) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let target = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut piece).await {
                let mut text = target.lock().unwrap_or_else(PoisonError::into_inner);
                text.extend_from_slice(&piece[..count]);
                let surplus = text.len().saturating_sub(LOG_BYTES_KEPT);
                text.drain(..surplus);
            }
        });
        Self { text, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Running {
    async fn start(builder: &ServerBuilder, data_dir: &Path) -> Result<Self, StartFailure> {
        let mut command = builder.command(data_dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.as_std()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = Log::read(child.stderr.take().unwrap());
        let url = within("the start of the server", async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.to_owned());
                }
            }
            None
        })
        .await;
        match url {
            Some(url) => Ok(Self { child, url, log }),
            None => {
                let status = within("the end of the server", child.wait()).await.unwrap();
                within("the end of the log", &mut log.reader).await.unwrap();
                Err(StartFailure { status, log: log.text() })
            }
        }
    }
}

/// A server in a process of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    data_dir: PathBuf,
    running: Option<Running>,
    http: reqwest::Client,
    _directory: Option<TempDir>,
}

impl Server {
    /// How to start the program at this path: `env!("CARGO_BIN_EXE_freshet")`.
    #[must_use]
    pub fn builder(program: impl Into<PathBuf>) -> ServerBuilder {
        ServerBuilder {
            program: program.into(),
            wrapper: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            data_dir: None,
            root_certificate_pem: None,
            first_setup: true,
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server is not running")
    }

    /// `http://127.0.0.1:PORT`, another one after each start.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.running().url
    }

    /// The address without the scheme: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url().split_once("://").unwrap().1
    }

    /// The operator token.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The first organisation's name.
    #[must_use]
    pub fn organisation(&self) -> &'static str {
        ORGANISATION
    }

    /// The first bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The first user's name and password.
    #[must_use]
    pub fn user(&self) -> (&'static str, &'static str) {
        (USERNAME, PASSWORD)
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The end of what the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(|running| running.log.text()).unwrap_or_default()
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The process.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running().child.id().expect("the server has ended")
    }

    /// The most memory that the process ever had, in bytes (`VmHWM`).
    ///
    /// # Panics
    /// If the system does not say.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Ends the process without a warning, as the system does when it is out of memory, and waits for the end.
    ///
    /// # Panics
    /// If it is not running.
    pub async fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.wait().await;
    }

    /// Sends SIGKILL and does not wait.
    ///
    /// # Panics
    /// If it is not running.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks the server to end (SIGTERM).
    ///
    /// # Panics
    /// If it is not running.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the server has ended, and returns its exit code and the end of its log.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn wait(&mut self) -> (Option<i32>, String) {
        let mut running = self.running.take().expect("the server is not running");
        let status = within("the end of the server", running.child.wait()).await.unwrap();
        within("the end of the log", &mut running.log.reader).await.unwrap();
        (status.code(), running.log.text())
    }

    /// Stops the server in order, which must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn stop(&mut self) -> String {
        self.terminate();
        let (code, log) = self.wait().await;
        assert_eq!(code, Some(0), "the server's log:\n{log}");
        log
    }

    /// Starts a server that has ended, with the same options over the same directory.
    ///
    /// # Panics
    /// If it runs still, or does not start.
    pub async fn restart(&mut self) {
        assert!(self.running.is_none(), "the server is running");
        let running = Running::start(&self.builder, &self.data_dir).await;
        self.running = Some(running.unwrap_or_else(|failure| panic!("the server did not start again: {failure}")));
    }
}
