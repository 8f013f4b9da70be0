//! `cargo xtask test`: prepares what the tests need and runs all of them, doctests included.
//!
//! The tests find the prepared programs by environment variables, which this file alone sets:
//!
//! - `FRESHET_TEST_PYTHON`: the Python of an environment with `tests/clients/python/requirements.txt` installed;
//! - `FRESHET_TEST_SCHEMATHESIS`: the program `schemathesis`;
//! - `FRESHET_TEST_NODE_DIR`: the folder whose `node_modules` holds the packages of `tests/clients/js/package.json`
//!   (`NODE_PATH` is set to these modules, so that a CommonJS program finds them with `require`);
//! - `FRESHET_TEST_STRACE`: the path of `strace`;
//! - `FRESHET_TEST_VERSITYGW`: the path of the S3 server `versitygw`;
//! - `FRESHET_TEST_POSTGRES`: the folder of PostgreSQL's programs;
//! - `FRESHET_TEST_GO_DIR`: the folder of the programs of `tests/clients/go`;
//! - `FRESHET_TEST_RUST_CLIENT`: the program of `tests/clients/rust`;
//! - `FRESHET_TEST_INFLUX`: the shell of InfluxDB 1.6;
//! - `FRESHET_TEST_INFLUXD`: its server;
//! - `FRESHET_TEST_TELEGRAF`: the agent Telegraf;
//! - `FRESHET_TEST_PROMETHEUS`: the server of Prometheus;
//! - `FRESHET_TEST_CLIENTS=skip`: with `--no-clients`, in place of all those above.

use std::env;
use std::fmt;
use std::io::{self, Write};

use crate::command;
use crate::error::TaskError;
use crate::tools::{self, ClientTools};
use crate::workspace::Workspace;

/// What to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Runs only the tests whose name contains this.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Tests only this package; all of them by default.
    #[arg(long, short, value_name = "PACKAGE")]
    package: Option<String>,
    /// Leaves out the tests that need Python, Node.js, Go, InfluxDB's shell, strace, an S3 server or PostgreSQL.
    #[arg(long)]
    no_clients: bool,
}

impl Options {
    /// Every test.
    pub(crate) fn all() -> Self {
        Self { filter: None, package: None, no_clients: false }
    }
}

/// How many tests ended how, over all test programs of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(formatter, ", {} skipped", self.ignored)?;
        }
        Ok(())
    }
}

impl Totals {
    /// Adds a closing line of a test program: `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn add_line(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let mut words = count.split(' ');
            let number = words.next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored") => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Runs the tests; an error if one fails or none ran.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Totals, TaskError> {
    let mut command = command::cargo();
    command.current_dir(&workspace.root).args(["test", "--locked", "--no-fail-fast"]);
    match &options.package {
        Some(package) => command.args(["--package", package]),
        None => command.arg("--workspace"),
    };
    if let Some(filter) = &options.filter {
        command.args(["--", filter]);
    }
    if env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    if options.no_clients {
        command.env("FRESHET_TEST_CLIENTS", "skip");
    } else {
        let ClientTools {
            python,
            schemathesis,
            node_dir,
            strace,
            versitygw,
            postgres_dir,
            go_dir,
            rust_client,
            influx_shell,
            influxd,
            prometheus,
            telegraf,
        } = tools::provide(workspace)?;
        command.env("FRESHET_TEST_PROMETHEUS", prometheus).env("FRESHET_TEST_RUST_CLIENT", rust_client);
        command.env("FRESHET_TEST_GO_DIR", go_dir).env("FRESHET_TEST_INFLUX", influx_shell);
        command.env("FRESHET_TEST_INFLUXD", influxd).env("FRESHET_TEST_TELEGRAF", telegraf);
        command.env("FRESHET_TEST_SCHEMATHESIS", schemathesis);
        command.env("FRESHET_TEST_PYTHON", python).env("FRESHET_TEST_STRACE", strace);
        command.env("FRESHET_TEST_VERSITYGW", versitygw).env("FRESHET_TEST_POSTGRES", postgres_dir);
        command.env("NODE_PATH", node_dir.join("node_modules")).env("FRESHET_TEST_NODE_DIR", node_dir);
        // The checkout must stay clean: no byte code beside the Python tests.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
    }
    let mut totals = Totals::default();
    let succeeded = command::run_watched(&mut command, |line| {
        // A closed standard output (`| head`) must not stop the run, whose exit code still counts.
        let _ = io::stdout().write_all(line.as_bytes());
        totals.add_line(line.trim_end());
    })?;
    if !succeeded {
        return Err(TaskError::TestsFailed { totals: totals.to_string() });
    }
    if totals.passed == 0 { Err(TaskError::NoTestRan) } else { Ok(totals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_the_closing_lines() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "the test result: ok. 99 passed",
        ] {
            totals.add_line(line);
        }
        assert_eq!(totals, Totals { passed: 14, failed: 3, ignored: 1 });
        assert_eq!(totals.to_string(), "14 passed, 3 failed, 1 skipped");
        assert_eq!(Totals { passed: 2, ..Totals::default() }.to_string(), "2 passed, 0 failed");
    }
}
