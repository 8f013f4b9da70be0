//! `cargo xtask api`: random requests from the description of the API, made by Schemathesis; none may get a server
//! error.
//!
//! The test program is the one of `cargo xtask test`, which makes a few of them, in the same profile.

use crate::command;
use crate::error::TaskError;
use crate::tools;
use crate::workspace::Workspace;

/// Which requests.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long they are made.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800)]
    seconds: u64,
    /// Where the random numbers begin.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

/// Makes them; every server error is shown, and makes the run fail.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let mut test = command::cargo();
    test.current_dir(&workspace.root).args(["test", "--locked", "--workspace", "--test", "end_to_end"]);
    test.args(["--", "--nocapture", "random_requests_get_no_server_error"]);
    test.env("FRESHET_TEST_SCHEMATHESIS", tools::schemathesis(workspace)?);
    test.env("FRESHET_API_SECONDS", options.seconds.to_string());
    test.env("FRESHET_API_SEED", options.seed.to_string());
    command::run(&mut test)
}
