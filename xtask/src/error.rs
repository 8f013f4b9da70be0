//! Why a task failed, each as one sentence that says what to do.
//!
//! Errors here end the task; nothing retries them.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The failure of a task.
#[derive(Debug)]
pub(crate) enum TaskError {
    /// A file or folder could not be read or written.
    File { path: PathBuf, source: io::Error },
    /// A program that the task needs is not installed.
    MissingProgram { program: String, purpose: &'static str, remedy: &'static str },
    /// A program could not be started, or its output could not be read.
    Start { program: String, source: io::Error },
    /// A program ran and failed.
    Failed { command: String, status: String },
    /// A program's answer was not what the task can read.
    UnexpectedAnswer { command: String, detail: String },
    /// `tidy` found violations; they are printed already.
    Untidy { count: usize },
    /// Tests failed; cargo's report is printed already.
    TestsFailed { totals: String },
    /// The test run succeeded without running a single test.
    NoTestRan,
    /// A step of `ci` failed; the summary is printed already.
    StepFailed { step: &'static str, source: Box<TaskError> },
}

impl fmt::Display for TaskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(formatter, "{}: {source}", path.display()),
            Self::MissingProgram { program, purpose, remedy } => {
                write!(formatter, "`{program}` is not installed; {purpose}: {remedy}")
            }
            Self::Start { program, source } => write!(formatter, "cannot run `{program}`: {source}"),
            Self::Failed { command, status } => write!(formatter, "`{command}` ended with {status}"),
            Self::UnexpectedAnswer { command, detail } => write!(formatter, "`{command}`: {detail}"),
            Self::Untidy { count } => write!(formatter, "tidy found {count} violation(s), listed above"),
            Self::TestsFailed { totals } => write!(formatter, "tests failed: {totals}"),
            Self::NoTestRan => write!(formatter, "no test ran: the filter matches none"),
            Self::StepFailed { step, source } => write!(formatter, "step `{step}` failed: {source}"),
        }
    }
}

impl std::error::Error for TaskError {}

impl TaskError {
    /// Attaches the path to an I/O error: `.map_err(TaskError::at(path))`.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
