//! A PostgreSQL server of the tests' own, in a temporary directory, and the tests of a program run again on it.
//!
//! The server is started once for a test program, when the first test asks for it, and ends with the program, however
//! that ends: a small shell waits for the end of a pipe that only the program holds.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tools::provided;

/// The variable with the URL of a PostgreSQL database on which the tests keep their catalogs, instead of in SQLite.
pub const TEST_CATALOG: &str = "FRESHET_TEST_CATALOG";

/// The superuser of the server, and its password over TCP. Over the socket nobody is asked.
const USER: &str = "freshet";
const PASSWORD: &str = "not-a-secret";

/// Attempts to find a port that is still free when the server takes it.
const PORT_ATTEMPTS: usize = 10;

/// A running PostgreSQL server.
#[derive(Debug)]
pub struct PostgresCluster {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    /// Removes everything when its standard input ends.
    _guard: Child,
}

/// The server of this test program; none if tests that need other programs are left out on purpose.
///
/// # Panics
/// If it does not start, or without `cargo xtask test`.
#[must_use]
pub fn postgres() -> Option<&'static PostgresCluster> {
    static CLUSTER: OnceLock<Option<PostgresCluster>> = OnceLock::new();
    CLUSTER.get_or_init(PostgresCluster::start).as_ref()
}

/// The URL of a database with a schema that no other test of this program uses.
#[must_use]
pub fn schema_url(url: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{url}?schema=test_{}_{number}", std::process::id())
}

/// Runs the tests of this program whose names contain one of `filters` once more, with [`TEST_CATALOG`] set. Does
/// nothing when this is such a run already.
///
/// # Panics
/// If one fails, or fewer than `at_least` ran.
pub fn again_on_postgres(filters: &[&str], at_least: usize) {
    if std::env::var_os(TEST_CATALOG).is_some() {
        return;
    }
    let Some(cluster) = postgres() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(filters).env(TEST_CATALOG, cluster.url());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "on PostgreSQL:\n{said}");
    let passed = said.split(" passed").next().and_then(|start| start.rsplit(' ').next()?.parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed >= at_least), "on PostgreSQL only {passed:?} tests ran:\n{said}");
}

/// The URL of a database for tests: that of [`TEST_CATALOG`], or of the server of this test program.
#[must_use]
pub fn postgres_url() -> Option<String> {
    std::env::var(TEST_CATALOG).ok().or_else(|| Some(postgres()?.url()))
}

/// Runs SQL on the database of [`postgres_url`] as the superuser, and returns the rows of all answers: a line each,
/// columns separated by `|`.
///
/// # Panics
/// If it fails, or there is no such database.
pub fn postgres_sql(statements: &str) -> String {
    let programs = provided("FRESHET_TEST_POSTGRES", "the programs of PostgreSQL").unwrap();
    psql(&programs, &postgres_url().unwrap(), statements)
}

fn psql(programs: &Path, url: &str, statements: &str) -> String {
    let mut command = Command::new(programs.join("psql"));
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
    command.args(["--dbname", url, "--file", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    check(&output, statements);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

impl PostgresCluster {
    /// A server for one test alone, which may stop it.
    ///
    /// # Panics
    /// As [`postgres`].
    #[must_use]
    pub fn start() -> Option<Self> {
        let programs = provided("FRESHET_TEST_POSTGRES", "the programs of PostgreSQL")?;
        let directory = tempfile::Builder::new().prefix("freshet-postgres-").tempdir().unwrap().keep();
        let guard = guard(&programs, &directory);
        if is_root() {
            check(&Command::new("chown").arg("postgres").arg(&directory).output().unwrap(), "chown");
        }
        std::fs::write(directory.join("password"), PASSWORD).unwrap();
        let mut initdb = as_owner(&programs.join("initdb"));
        initdb.arg("--pgdata").arg(directory.join("data")).args(["--username", USER, "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--no-sync", "--auth-local", "trust", "--auth-host", "scram-sha-256"]);
        initdb.arg("--pwfile").arg(directory.join("password"));
        check(&initdb.output().unwrap(), "initdb");
        let mut cluster = Self { programs, directory, port: 0, _guard: guard };
        for _ in 0..PORT_ATTEMPTS {
            cluster.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if cluster.try_restart().status.success() {
                return Some(cluster);
            }
        }
        let log = std::fs::read_to_string(cluster.directory.join("data/log.txt")).unwrap_or_default();
        panic!("PostgreSQL does not start:\n{log}");
    }

    /// The URL of its database, over TCP with a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The password in the URL.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs SQL as the superuser and returns the rows of all answers: a line each, columns separated by `|`.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, statements: &str) -> String {
        psql(&self.programs, &self.url(), statements)
    }

    /// Ends all connections of Freshet servers, as an administrator would. Returns how many there were.
    ///
    /// # Panics
    /// If PostgreSQL does not run.
    pub fn terminate_connections(&self) -> usize {
        let ended = self
            .sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'freshet'");
        ended.lines().count()
    }

    /// Stops it at once, without a word to its clients, as a crash would.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self) {
        let mut command = as_owner(&self.programs.join("pg_ctl"));
        command.arg("--pgdata").arg(self.directory.join("data")).args(["--mode", "immediate", "--wait", "stop"]);
        check(&command.output().unwrap(), "pg_ctl stop");
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self) {
        check(&self.try_restart(), "pg_ctl start");
    }

    fn try_restart(&self) -> Output {
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300 -c shared_buffers=16MB",
            self.port,
            self.directory.display()
        );
        let mut command = as_owner(&self.programs.join("pg_ctl"));
        command.arg("--pgdata").arg(self.directory.join("data")).args(["--wait", "--options", &options]);
        command.arg("--log").arg(self.directory.join("data/log.txt")).arg("start");
        // The server would hold a pipe open for as long as it runs.
        command.stdout(Stdio::null()).stderr(Stdio::null()).output().unwrap()
    }
}

/// Waits for the end of this process, and then stops the server and removes its directory.
fn guard(programs: &Path, directory: &Path) -> Child {
    const SCRIPT: &str = "trap '' INT TERM HUP; read -r _; \
         \"$@\" --pgdata \"$0/data\" --mode immediate stop >/dev/null 2>&1; rm -rf \"$0\"";
    let mut command = Command::new("sh");
    command.arg("-c").arg(SCRIPT).arg(directory);
    let stop = as_owner(&programs.join("pg_ctl"));
    command.arg(stop.get_program()).args(stop.get_args());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().unwrap()
}

/// A command of PostgreSQL, which does not run as root.
fn as_owner(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // The tests' own directory is not everybody's to enter.
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[track_caller]
fn check(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}", io::Error::other(said));
}
