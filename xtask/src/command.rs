//! Starting other programs: shown before they run, and failed loudly.
//!
//! Nothing here goes through a shell, so arguments need no quoting.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::TaskError;

/// Variables that cargo sets for the program that it runs: they say which package this is.
const OWN_PACKAGE_VARIABLES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_"];

/// The cargo that started this task, so that the pinned toolchain is kept. Without the variables of this package: some
/// build scripts depend on them, and would compile all that is above them anew whenever a person calls cargo directly.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OWN_PACKAGE_VARIABLES.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Shows the command, runs it with our own output streams, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().map_err(|source| TaskError::Start { program: program(command), source })?;
    if status.success() { Ok(()) } else { Err(TaskError::Failed { command: shown, status: status.to_string() }) }
}

/// Shows the command, runs it and hands over each line of its standard output as it comes, line break included.
/// Returns whether the command succeeded.
pub(crate) fn run_watched(command: &mut Command, mut each_line: impl FnMut(&str)) -> Result<bool, TaskError> {
    println!("$ {}", shown(command));
    let name = program(command);
    let start_error = |source| TaskError::Start { program: name.clone(), source };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(start_error)?;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).map_err(start_error)? > 0 {
            each_line(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    let status = child.wait().map_err(start_error)?;
    Ok(status.success())
}

/// Runs the command silently and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, TaskError> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| TaskError::Start { program: program(command), source })?;
    if !output.status.success() {
        return Err(TaskError::Failed { command: shown(command), status: output.status.to_string() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command runs and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Where a program stands in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The command as one would type it: the program without its folder, then the arguments.
fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    std::iter::once(name).chain(arguments).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run(Command::new("false").arg("--now")).unwrap_err().to_string();
        assert!(error.starts_with("`false --now` ended with"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = run(&mut Command::new("no-such-program-at-all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot run `no-such-program-at-all`"), "{error}");
        assert!(!succeeds(&mut Command::new("no-such-program-at-all")));
        assert_eq!(find_program("no-such-program-at-all"), None);
    }

    #[test]
    fn a_watched_command_hands_over_each_line_and_its_success() {
        let mut lines = Vec::new();
        let succeeded =
            run_watched(Command::new("printf").arg("one\ntwo"), |line| lines.push(line.to_owned())).unwrap();
        assert!(succeeded);
        assert_eq!(lines, ["one\n", "two"]);
        assert!(!run_watched(&mut Command::new("false"), |_| ()).unwrap());
    }
}
