//! `cargo xtask ci`: every check in order, the cheap ones first, with the time of each.
//!
//! Clippy and rustdoc need the dependencies' check metadata, the tests need them compiled; cargo keeps the two apart,
//! so each dependency is checked once and compiled once. Nothing is installed by `cargo install`, nothing is built for
//! release, and no step is left out silently.

use std::env;
use std::process::Command;
use std::time::Duration;

use crate::error::TaskError;
use crate::test::{self, Totals};
use crate::workspace::Workspace;
use crate::{command, faults, tidy};

/// How a step ended.
enum Outcome {
    Passed,
    /// Left out, with the reason.
    Skipped(&'static str),
    Tested(Totals),
}

type Step = (&'static str, fn(&Workspace) -> Result<Outcome, TaskError>);

/// The tests come last, so that their report is the end of the output.
const STEPS: &[Step] = &[
    ("format", format),
    ("tidy", tidy_step),
    ("clippy", clippy),
    ("documentation", documentation),
    ("dependencies", dependencies),
    ("faults", faults_step),
    ("tests", tests_step),
];

/// Runs the steps up to the first failure and prints what each took.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let mut rows = Vec::new();
    let mut failure = None;
    let mut totals = None;
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let timer = Timer::start();
        let outcome = step(workspace);
        let elapsed = timer.elapsed();
        let verdict = match outcome {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
            Ok(Outcome::Tested(tested)) => {
                let verdict = tested.to_string();
                totals = Some(tested);
                verdict
            }
            Err(error) => {
                failure = Some(TaskError::StepFailed { step: name, source: Box::new(error) });
                "FAILED".to_owned()
            }
        };
        println!("=== {name}: {verdict} ({:.1} s)", elapsed.as_secs_f64());
        rows.push((*name, elapsed, verdict));
        if failure.is_some() {
            break;
        }
    }
    print!("\n{}", summary(&rows));
    if let Some(failure) = failure {
        return Err(failure);
    }
    // A line of its own in the plain form that build machines read.
    if let Some(totals) = totals {
        println!("\n{totals}");
    }
    Ok(())
}

fn summary(rows: &[(&str, Duration, String)]) -> String {
    let mut table = String::from("| step | seconds | result |\n|---|---:|---|\n");
    for (name, elapsed, verdict) in rows {
        table.push_str(&format!("| {name} | {:.1} | {verdict} |\n", elapsed.as_secs_f64()));
    }
    let total: Duration = rows.iter().map(|(_, elapsed, _)| *elapsed).sum();
    table.push_str(&format!("| all | {:.1} | |\n", total.as_secs_f64()));
    table
}

fn format(workspace: &Workspace) -> Result<Outcome, TaskError> {
    command::run(cargo(workspace).args(["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed)
}

fn tidy_step(workspace: &Workspace) -> Result<Outcome, TaskError> {
    tidy::run(workspace)?;
    Ok(Outcome::Passed)
}

fn clippy(workspace: &Workspace) -> Result<Outcome, TaskError> {
    command::run(cargo(workspace).args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    Ok(Outcome::Passed)
}

/// Private items too: their comments are read as often, and their links break as easily.
fn documentation(workspace: &Workspace) -> Result<Outcome, TaskError> {
    let mut command = cargo(workspace);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command::run(command.args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"]))?;
    Ok(Outcome::Passed)
}

fn dependencies(workspace: &Workspace) -> Result<Outcome, TaskError> {
    if !command::succeeds(cargo(workspace).args(["deny", "--version"])) {
        return Ok(Outcome::Skipped("cargo-deny is not installed, so deny.toml was not checked"));
    }
    // Advisories need a database from the network, which a build machine may not have.
    command::run(cargo(workspace).args(["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    Ok(Outcome::Passed)
}

/// In the profile of the tests, whose dependencies it compiles.
fn faults_step(workspace: &Workspace) -> Result<Outcome, TaskError> {
    faults::run(workspace, &faults::Options { seeds: faults::CI_SEEDS, from: 0 })?;
    Ok(Outcome::Passed)
}

fn tests_step(workspace: &Workspace) -> Result<Outcome, TaskError> {
    Ok(Outcome::Tested(test::run(workspace, &test::Options::all())?))
}

/// Cargo in the checkout. On a build machine without incremental compilation: a fresh build only pays for it.
fn cargo(workspace: &Workspace) -> Command {
    let mut command = command::cargo();
    command.current_dir(&workspace.root);
    if env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Measures how long a step takes.
struct Timer {
    start: std::time::Instant,
}

impl Timer {
    #[expect(clippy::disallowed_methods, reason = "the time a step takes is printed and decides nothing")]
    fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_a_row_for_each_step_and_the_sum() {
        let rows = [
            ("format", Duration::from_millis(1_500), "passed".to_owned()),
            ("tests", Duration::from_secs(60), "3 passed, 0 failed".to_owned()),
        ];
        let expected = "| step | seconds | result |\n|---|---:|---|\n| format | 1.5 | passed |\n\
                        | tests | 60.0 | 3 passed, 0 failed |\n| all | 61.5 | |\n";
        assert_eq!(summary(&rows), expected);
    }
}
