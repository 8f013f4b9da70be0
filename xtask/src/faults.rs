//! `cargo xtask faults`: the engine under random work and faults, as many seeds as wanted.
//!
//! The test program is the one of `cargo xtask test`, in the same profile, so that a machine which has run the tests
//! compiles nothing for it.

use crate::command;
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Seeds of a run in `cargo xtask ci`: some two minutes on two cores.
pub(crate) const CI_SEEDS: u64 = 2_000;

/// Which seeds.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = CI_SEEDS)]
    pub(crate) seeds: u64,
    /// The first; a case is its seed, so that what failed once fails again.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) from: u64,
}

/// Runs the seeds on all cores. The first that fails ends the run and is named.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let mut test = command::cargo();
    test.current_dir(&workspace.root).args(["test", "--locked", "--workspace", "--test", "faults"]);
    test.args(["--", "--nocapture"]);
    test.env("FRESHET_FAULT_SEEDS", options.seeds.to_string());
    test.env("FRESHET_FAULT_FROM", options.from.to_string());
    command::run(&mut test)
}
