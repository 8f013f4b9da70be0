//! The programs that tests with real clients need. `cargo xtask test` provides them and says where they are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::wait::within;

/// The Python with the packages of `tests/clients/python/requirements.txt`; none if these tests are left out on
/// purpose (`--no-clients`).
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    provided("FRESHET_TEST_PYTHON", "Python with the packages of tests/clients/python/requirements.txt")
}

/// The folder whose `node_modules` has the packages of `tests/clients/js/package.json`; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn node() -> Option<PathBuf> {
    provided("FRESHET_TEST_NODE_DIR", "the npm packages of tests/clients/js/package.json")
}

/// The program `schemathesis`, as `tests/clients/schemathesis/requirements.txt` pins it; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn schemathesis() -> Option<PathBuf> {
    provided("FRESHET_TEST_SCHEMATHESIS", "the program schemathesis")
}

/// The program `strace`; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn strace() -> Option<PathBuf> {
    provided("FRESHET_TEST_STRACE", "strace")
}

/// The S3 server `versitygw`; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn versitygw() -> Option<PathBuf> {
    provided("FRESHET_TEST_VERSITYGW", "the S3 server versitygw")
}

/// The agent `telegraf`, with the plugins that the tests use; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn telegraf() -> Option<PathBuf> {
    provided("FRESHET_TEST_TELEGRAF", "the agent telegraf")
}

/// A program of `tests/clients/go` by its name, built; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn go_client(name: &str) -> Option<PathBuf> {
    Some(provided("FRESHET_TEST_GO_DIR", "the programs of tests/clients/go")?.join(name))
}

/// The program of `tests/clients/rust`, built; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn rust_client() -> Option<PathBuf> {
    provided("FRESHET_TEST_RUST_CLIENT", "the program of tests/clients/rust")
}

/// The shell of InfluxDB 1.6, from Debian's package `influxdb-client`; none as for [`python`].
///
/// # Panics
/// Without `cargo xtask test`.
#[must_use]
pub fn influx_shell() -> Option<PathBuf> {
    provided("FRESHET_TEST_INFLUX", "the shell `influx` of Debian's package influxdb-client")
}

/// The server of InfluxDB 1.6, from Debian's package `influxdb`; none as for [`python`].
pub(crate) fn influxd() -> Option<PathBuf> {
    provided("FRESHET_TEST_INFLUXD", "the server `influxd` of Debian's package influxdb")
}

pub(crate) fn provided(variable: &str, what: &str) -> Option<PathBuf> {
    if std::env::var_os("FRESHET_TEST_CLIENTS").is_some_and(|value| value == "skip") {
        eprintln!("left out: this test needs {what}");
        return None;
    }
    match std::env::var_os(variable) {
        Some(path) => Some(path.into()),
        None => panic!("this test needs {what}: run it by `cargo xtask test`"),
    }
}

/// Runs a program to its end, in the folder `directory`, and returns what it printed.
///
/// # Panics
/// If it fails or takes too long; with what it printed.
pub async fn run(mut command: Command, directory: &Path) -> String {
    command.current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    let name = format!("{:?}", command.as_std());
    let output = within(&name, command.output()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name} ended with {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
