//! The flags `--read-…` and `--write-…` of `freshet auth create`: two for each kind of resource, by InfluxDB's names.

use catalog::{Action, ResourceType};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// What the flags ask for, in the order of the kinds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PermissionFlags(pub(crate) Vec<(Action, ResourceType)>);

/// A flag's name. InfluxDB's command line calls two kinds otherwise than its API does.
fn flag(action: Action, kind: ResourceType) -> String {
    let kind = match kind {
        ResourceType::Dbrp => "dbrps",
        ResourceType::Users => "user",
        other => other.as_str(),
    };
    format!("{action}-{kind}")
}

/// All flags that there are; the whole server is what `--operator` is for.
fn all() -> impl Iterator<Item = (Action, ResourceType)> {
    let kinds = ResourceType::ALL.iter().filter(|kind| **kind != ResourceType::Instance);
    kinds.flat_map(|kind| [(Action::Read, *kind), (Action::Write, *kind)])
}

impl Args for PermissionFlags {
    fn augment_args(command: Command) -> Command {
        all().fold(command, |command, (action, kind)| {
            let name = flag(action, kind);
            let help = match action {
                Action::Read => format!("May read all {kind} of the organisation"),
                Action::Write => format!("May write all {kind} of the organisation"),
            };
            let argument = Arg::new(name.clone()).long(name).help(help).action(ArgAction::SetTrue);
            command.arg(argument.help_heading("Permissions"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PermissionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(all().filter(|(action, kind)| matches.get_flag(&flag(*action, *kind))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
