//! docs/config.md, written from the definition of the options, so that it cannot say anything else than `--help`.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::options::{ALIASES, Alias, AliasKind, CommandLine};

const HEAD: &str = "\
<!-- Written by `cargo run --package freshet -- config-docs > docs/config.md`; a test fails when it is stale. -->
# Configuration

Every option of the server, and every option that says where a server is and who asks, can be given as a flag or by an
environment variable; the flag counts before the variable. The server has no configuration file. What commands leave
open about a server comes from a profile (`freshet config`), in the file that InfluxDB's command line keeps.

Sizes are numbers of bytes with a unit (`512MiB`, `2GB`), durations are numbers with units (`1h30m`, `30d`).
";

const TAIL: &str = "
## Variables of InfluxDB's programs

Where neither the flag nor our own variable is given, these count. Those of the official image count only with
`DOCKER_INFLUXDB_INIT_MODE=setup`, and each of them may instead name a file that holds the value, with `_FILE` behind
its name.

| Option | Variable | Known from |
|---|---|---|
";

/// Prints the paper.
pub(crate) fn print() -> std::io::Result<()> {
    std::io::stdout().write_all(markdown().as_bytes())
}

fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let commands = CommandLine::command();
    for (name, command) in commands_by_name(&commands, "") {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## `freshet {}`\n\n{about}.\n\n", name.trim());
        let (places, options): (Vec<&Arg>, Vec<&Arg>) =
            command.get_arguments().filter(|argument| !argument.is_hide_set()).partition(|a| a.is_positional());
        for place in places {
            let _ = writeln!(text, "`{}`: {}.\n", value_name(place), help(place));
        }
        text.push_str("| Flag | Variable | Default | Meaning |\n|---|---|---|---|\n");
        for option in options {
            text.push_str(&row(option));
        }
    }
    text.push_str(TAIL);
    for Alias { option, variable, kind } in ALIASES {
        let origin = match kind {
            AliasKind::CommandLine => "the command line `influx`",
            AliasKind::Image => "the official image",
        };
        let _ = writeln!(text, "| `--{option}` | `{variable}` | {origin} |");
    }
    text
}

/// The commands that do something by their whole names, in order.
fn commands_by_name<'a>(command: &'a Command, prefix: &str) -> Vec<(String, &'a Command)> {
    let mut found = Vec::new();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{prefix} {}", command.get_name());
        // Some do something by themselves too.
        let inside = commands_by_name(command, &name);
        if !command.is_subcommand_required_set() {
            found.push((name, command));
        }
        found.extend(inside);
    }
    found
}

fn row(option: &Arg) -> String {
    let long = option.get_long().unwrap_or_default();
    let takes_value = option.get_action().takes_values();
    let flag = if takes_value { format!("--{long} {}", value_name(option)) } else { format!("--{long}") };
    let variable = option.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let defaults = option.get_default_values().iter().map(|value| value.to_string_lossy());
    let default = match defaults.collect::<Vec<_>>().join(" ") {
        _ if !takes_value => String::new(),
        text if text.is_empty() && option.is_required_set() => "required".to_owned(),
        text if text.is_empty() => text,
        text => format!("`{text}`"),
    };
    let mut meaning = help(option);
    let values = option.get_possible_values();
    let values = values
        .iter()
        .filter(|_| takes_value)
        .filter_map(|value| Some(format!("`{}`: {}", value.get_name(), value.get_help()?)));
    for value in values {
        let _ = write!(meaning, "<br>{value}");
    }
    format!("| `{flag}` | {variable} | {default} | {meaning} |\n")
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn help(argument: &Arg) -> String {
    argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_paper_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
        let paper = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            paper == markdown(),
            "docs/config.md is stale: cargo run --package freshet -- config-docs > docs/config.md"
        );
    }

    #[test]
    fn the_paper_names_every_option_and_no_secret_default() {
        let text = markdown();
        for expected in [
            "| `--data-dir DIR` | `FRESHET_DATA_DIR` | required | Directory of all data; made if it does not exist |",
            "| `--http-bind ADDRESS` | `FRESHET_HTTP_BIND` | `127.0.0.1:8086` |",
            "<br>`cloud`: The token's organisation",
            "| `--init-token` | `DOCKER_INFLUXDB_INIT_ADMIN_TOKEN` | the official image |",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!text.contains("config-docs`\n\n"), "hidden commands stay hidden");
    }
}
