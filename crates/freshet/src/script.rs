//! Texts that a command takes from an argument, a file or standard input: queries, scripts, configurations.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    #[error("cannot read the {what} from standard input: {source}")]
    Input { what: &'static str, source: std::io::Error },
    #[error("cannot read the {what} from {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
}

/// The text: of the file, or the argument itself; `-` and nothing at all are standard input. `what` names it in errors.
pub(crate) fn read(what: &'static str, argument: Option<&str>, file: Option<&Path>) -> Result<String, ScriptError> {
    match (file, argument) {
        (Some(path), _) if path != Path::new("-") => {
            std::fs::read_to_string(path).map_err(|source| ScriptError::File { what, path: path.to_owned(), source })
        }
        (None, Some(text)) if text != "-" => Ok(text.to_owned()),
        _ => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map(|_| text).map_err(|source| ScriptError::Input { what, source })
        }
    }
}
