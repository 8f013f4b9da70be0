//! `freshet completion` and `freshet man`: what a shell and `man` know of the program, made from its options.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::options::{CommandLine, CompletionOptions, ManOptions};

/// Why the pages are not all there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManualError {
    #[error("cannot write manual pages into {}: {source}", directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Prints the completions of a shell.
pub(crate) fn completion(options: &CompletionOptions) -> Result<(), ManualError> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut CommandLine::command(), "freshet", &mut text);
    Ok(io::Write::write_all(&mut io::stdout(), &text)?)
}

/// Writes a page for each command: `freshet.1`, `freshet-write.1`, …
pub(crate) fn write(options: &ManOptions) -> Result<(), ManualError> {
    let directory = &options.directory;
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(CommandLine::command(), directory));
    written.map_err(|source| ManualError::Directory { directory: directory.clone(), source })
}
