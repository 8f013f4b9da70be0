//! Why a benchmark could not be run to its end.

use std::io;
use std::path::PathBuf;

/// The failure of a benchmark. A server that answers badly is not one: its answers are counted in the table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A program could not be started.
    #[error("cannot run `{program}`: {source}")]
    Start { program: String, source: io::Error },
    /// A program that provides a server failed.
    #[error("`{program}` ended with {status}")]
    Failed { program: String, status: String },
    /// The server's process ended while it was needed.
    #[error("{server} ended by itself; its output is in {}", log.display())]
    ServerEnded { server: &'static str, log: PathBuf },
    /// The server did not get to a state in time.
    #[error("{server} was not {state} after {seconds} s; its output is in {}", log.display())]
    TimedOut { server: &'static str, state: &'static str, seconds: u64, log: PathBuf },
    /// Two servers answered differently.
    #[error("{0} answers differ without a known reason")]
    Different(usize),
    /// Figures that do not reach their targets, where that was asked for.
    #[error("{count} targets were missed")]
    Missed { count: usize },
    /// A request that prepares the server was refused.
    #[error("{server} refused its setup with status {status}: {body}")]
    Setup { server: &'static str, status: u16, body: String },
    /// No HTTP answer came.
    #[error("no answer over HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// No connection, or no runtime.
    #[error("network: {0}")]
    Network(#[from] io::Error),
}

impl BenchError {
    /// Attaches the path to an I/O error: `.map_err(BenchError::at(path))`.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
