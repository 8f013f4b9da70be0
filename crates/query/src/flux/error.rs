//! Why a script fails: a code as Flux has it, and a message in InfluxDB's words.

use std::fmt;

use flux::Location;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The script, an argument or the data is wrong.
    Invalid,
    /// Something that is named does not exist, or may not be seen.
    NotFound,
    /// A limit is reached; the message names it.
    ResourceExhausted,
    /// The time of the query is over, or nobody waits for it any more.
    Canceled,
    /// A function that is known and not there.
    Unimplemented,
    /// The caller may not do it.
    PermissionDenied,
    /// A fault of the server.
    Internal,
}

/// A failure of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct FluxError {
    /// What kind it is.
    pub code: Code,
    /// What is wrong, in InfluxDB's words where it has some.
    pub message: String,
    /// Whether the message says already where in the script it happened.
    placed: bool,
}

impl FluxError {
    /// A failure of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), placed: false }
    }

    /// What is wrong with the script, an argument or the data.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// A fault of the server.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Code::Internal, message.to_string())
    }

    /// The same failure with words in front.
    #[must_use]
    pub fn context(mut self, before: &str) -> Self {
        // A limit is a limit wherever it is reached, and thousands of calls may stand around it.
        if !matches!(self.code, Code::ResourceExhausted | Code::Canceled) {
            self.message = format!("{before}: {}", self.message);
        }
        self
    }

    /// A failure of a call while the script is interpreted.
    #[must_use]
    pub(crate) fn in_call(self, name: &str, location: Location) -> Self {
        if self.placed {
            return self;
        }
        self.context(&format!("error calling function \"{name}\" @{location}"))
    }

    /// A failure of an operation while data flows. One that comes from its input has its place already.
    #[must_use]
    pub(crate) fn at_operation(self, name: &str, location: Location) -> Self {
        if self.placed {
            return self;
        }
        let mut placed = self.context(&format!("runtime error @{location}: {name}"));
        placed.placed = true;
        placed
    }
}

impl fmt::Display for FluxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for FluxError {}

/// What a script, a function or an operation gives.
pub type Result<T> = std::result::Result<T, FluxError>;
