//! Options of `freshet task`: scripts that run again and again, with the flags of InfluxDB's command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{IdOptions, Managed, OrganisationOptions};

/// What `freshet task` does.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Make a task of a Flux script
    Create(Managed<TaskCreateOptions>),
    /// List the tasks of an organisation
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<TaskListOptions>),
    /// Change the script of a task, or let it run or rest
    Update(Managed<TaskUpdateOptions>),
    /// Delete a task
    Delete(Managed<IdOptions>),
    /// Run again what failed
    #[command(visible_alias = "rtf")]
    RetryFailed(Managed<RetryFailedOptions>),
    /// What tasks did when
    #[command(subcommand)]
    Log(TaskLogCommand),
    /// The runs of a task
    #[command(subcommand)]
    Run(TaskRunCommand),
}

/// A Flux script from the command line or a file.
#[derive(Debug, Args)]
pub(crate) struct ScriptOptions {
    /// The Flux script; `-` reads it from standard input
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: Option<String>,
    /// A file with the script
    #[arg(long, short, value_name = "FILE", conflicts_with = "script")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) script: ScriptOptions,
    /// Its name, instead of the one in the script
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How often it runs, instead of what the script says (1h)
    #[arg(long, short, value_name = "DURATION", conflicts_with = "cron")]
    pub(crate) every: Option<String>,
    /// When it runs, instead of what the script says (0 * * * *)
    #[arg(long, short = 'r', value_name = "EXPRESSION")]
    pub(crate) cron: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the one of this id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only those of the user of this id
    #[arg(long, short = 'n', value_name = "ID")]
    pub(crate) user_id: Option<String>,
    /// The most that are listed; 0 is all
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct TaskUpdateOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
    /// Whether it runs: active or inactive
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    pub(crate) script: ScriptOptions,
}

/// Which runs of a task are meant.
#[derive(Debug, Args)]
pub(crate) struct RunTimeOptions {
    /// Only runs for times before this one, for example 2024-05-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) before: Option<String>,
    /// Only runs for times after this one
    #[arg(long, value_name = "TIME")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RetryFailedOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the task of this id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) times: RunTimeOptions,
    /// Only say what would run again
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The most tasks that are looked at; 0 is all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) task_limit: usize,
    /// The newest runs of each task that are looked at
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) run_limit: usize,
}

/// What `freshet task log` does.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskLogCommand {
    /// List what a task did when
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<TaskLogOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct TaskLogOptions {
    /// Id of the task
    #[arg(long, value_name = "ID")]
    pub(crate) task_id: String,
    /// Only the run of this id
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
}

/// What `freshet task run` does.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskRunCommand {
    /// List the runs of a task, the newest first
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<TaskRunListOptions>),
    /// Run a task again for the time of a run
    Retry(Managed<TaskRunRetryOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct TaskRunListOptions {
    /// Id of the task
    #[arg(long, value_name = "ID")]
    pub(crate) task_id: String,
    /// Only the run of this id
    #[arg(long, value_name = "ID")]
    pub(crate) run_id: Option<String>,
    #[command(flatten)]
    pub(crate) times: RunTimeOptions,
    /// The most that are listed
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct TaskRunRetryOptions {
    /// Id of the task
    #[arg(long, short = 'i', value_name = "ID")]
    pub(crate) task_id: String,
    /// Id of the run
    #[arg(long, short, value_name = "ID")]
    pub(crate) run_id: String,
}
