//! Options of `freshet export` and `freshet apply`: resources as templates, with the flags of InfluxDB's command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::{Managed, OrganisationOptions};

/// Options of `freshet export`: without more it exports what is named.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TemplateExportOptions {
    #[command(subcommand)]
    pub(crate) command: Option<TemplateExportCommand>,
    #[command(flatten)]
    pub(crate) named: Managed<TemplateExportNamedOptions>,
}

/// What `freshet export` does besides.
#[derive(Debug, Subcommand)]
pub(crate) enum TemplateExportCommand {
    /// Export all resources of an organisation
    All(Managed<TemplateExportAllOptions>),
    /// Export the resources of a stack, by their names in its templates
    Stack(Managed<TemplateExportStackOptions>),
}

/// Where a template goes.
#[derive(Debug, Args)]
pub(crate) struct TemplateFileOptions {
    /// File of the template, JSON if its name ends so, otherwise YAML; without it, standard output
    #[arg(long, short, env = "FRESHET_FILE", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TemplateExportNamedOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) file: TemplateFileOptions,
    /// Id of a stack whose resources are exported too
    #[arg(long, env = "FRESHET_STACK_ID", value_name = "ID")]
    pub(crate) stack_id: Option<String>,
    /// Kind of the resources whose ids are arguments: Bucket, Check, Dashboard, Label, NotificationEndpoint,
    /// NotificationRule, Task, Telegraf or Variable
    #[arg(long, env = "FRESHET_RESOURCE_TYPE", value_name = "KIND")]
    pub(crate) resource_type: Option<String>,
    #[command(flatten)]
    pub(crate) resources: ResourceFlags,
    /// Ids of resources of that kind
    #[arg(value_name = "ID", requires = "resource_type")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TemplateExportAllOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) file: TemplateFileOptions,
    /// Only these: kind=Bucket, labelName=NAME; may be given more than once
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TemplateExportStackOptions {
    #[command(flatten)]
    pub(crate) file: TemplateFileOptions,
    /// Id of the stack
    #[arg(value_name = "ID")]
    pub(crate) stack_id: String,
}

/// Options of `freshet apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// A file with a template in YAML or JSON, or a directory of them; may be given more than once. Standard input,
    /// where it is no terminal, is a template too
    #[arg(long, short, env = "FRESHET_FILE", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// An address that the server reads a template from; may be given more than once
    #[arg(long, short = 'u', env = "FRESHET_TEMPLATE_URL", value_name = "URL")]
    pub(crate) template_url: Vec<String>,
    /// Directories with all that is below them
    #[arg(long, short = 'R', env = "FRESHET_RECURSE")]
    pub(crate) recurse: bool,
    /// Id of the stack whose resources these are
    #[arg(long, env = "FRESHET_STACK_ID", value_name = "ID")]
    pub(crate) stack_id: Option<String>,
    /// A secret that the templates need, KEY=VALUE; may be given more than once
    #[arg(long, env = "FRESHET_SECRET", value_name = "KEY=VALUE", hide_env_values = true)]
    pub(crate) secret: Vec<String>,
    /// A value for a reference of the templates, KEY=VALUE; may be given more than once
    #[arg(long, env = "FRESHET_ENV_REF", value_name = "KEY=VALUE")]
    pub(crate) env_ref: Vec<String>,
    /// Leave these out: kind=Bucket, resource=Label:NAME; may be given more than once
    #[arg(long, env = "FRESHET_FILTER", value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Only say what would change
    #[arg(long, env = "FRESHET_DRY_RUN")]
    pub(crate) dry_run: bool,
    /// `yes` asks for nothing
    #[arg(
        long,
        env = "FRESHET_FORCE",
        value_name = "YES",
        num_args = 0..=1,
        default_missing_value = "yes",
        value_parser = ["yes", "true", "conflict"]
    )]
    pub(crate) force: Option<String>,
    /// Print nothing
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// A kind of resources in templates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TemplateKind {
    /// Its name in templates.
    pub(crate) name: &'static str,
    /// The flags for ids and for names.
    ids: &'static str,
    names: &'static str,
    /// Where the server lists them, and the key of the list.
    pub(crate) path: &'static str,
    pub(crate) list: &'static str,
}

const fn kind(
    name: &'static str,
    (ids, names): (&'static str, &'static str),
    (path, list): (&'static str, &'static str),
) -> TemplateKind {
    TemplateKind { name, ids, names, path, list }
}

/// All kinds.
pub(crate) const TEMPLATE_KINDS: [TemplateKind; 9] = [
    kind("Bucket", ("buckets", "bucket-names"), ("api/v2/buckets", "buckets")),
    kind("Check", ("checks", "check-names"), ("api/v2/checks", "checks")),
    kind("Dashboard", ("dashboards", "dashboard-names"), ("api/v2/dashboards", "dashboards")),
    kind("Label", ("labels", "label-names"), ("api/v2/labels", "labels")),
    kind(
        "NotificationEndpoint",
        ("endpoints", "endpoint-names"),
        ("api/v2/notificationEndpoints", "notificationEndpoints"),
    ),
    kind("NotificationRule", ("rules", "rule-names"), ("api/v2/notificationRules", "notificationRules")),
    kind("Task", ("tasks", "task-names"), ("api/v2/tasks", "tasks")),
    kind("Telegraf", ("telegraf-configs", "telegraf-config-names"), ("api/v2/telegrafs", "configurations")),
    kind("Variable", ("variables", "variable-names"), ("api/v2/variables", "variables")),
];

/// Resources by kind: two flags for each kind, with ids and with names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ResourceFlags {
    pub(crate) ids: Vec<(TemplateKind, String)>,
    pub(crate) names: Vec<(TemplateKind, String)>,
}

impl Args for ResourceFlags {
    fn augment_args(command: Command) -> Command {
        let flags = TEMPLATE_KINDS.iter().flat_map(|kind| [(kind, kind.ids, "ID"), (kind, kind.names, "NAME")]);
        flags.fold(command, |command, (kind, flag, value)| {
            let help = format!("{} of resources of kind {}", if value == "ID" { "Ids" } else { "Names" }, kind.name);
            let variable = format!("FRESHET_{}", flag.to_uppercase().replace('-', "_"));
            let argument = Arg::new(flag).long(flag).help(help).action(ArgAction::Append).value_name(value);
            command.arg(argument.value_delimiter(',').env(variable).help_heading("Resources"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ResourceFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: fn(&TemplateKind) -> &'static str| {
            let of = |kind: &TemplateKind| {
                let values = matches.get_many::<String>(flag(kind)).into_iter().flatten();
                values.map(|value| (*kind, value.clone())).collect::<Vec<_>>()
            };
            TEMPLATE_KINDS.iter().flat_map(of).collect()
        };
        Ok(Self { ids: given(|kind| kind.ids), names: given(|kind| kind.names) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
