//! Every option has a flag, a variable and a description, and they mean the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;

use clap::CommandFactory as _;

use super::*;

fn parse(arguments: &[&str]) -> Command {
    CommandLine::try_parse_from([&["freshet"], arguments].concat()).unwrap().command
}

fn serve(arguments: &[&str]) -> Box<ServeOptions> {
    match parse(&[&["serve", "--data-dir", "d"], arguments].concat()) {
        Command::Serve(options) => options,
        other => panic!("{other:?}"),
    }
}

fn write_options(arguments: &[&str]) -> WriteOptions {
    match parse(&[&["write"], arguments].concat()) {
        Command::Write(line) if line.command.is_none() => line.options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_option_has_a_flag_a_variable_of_its_name_and_a_description() {
    let mut options = 0;
    for command in CommandLine::command().get_subcommands() {
        for option in command.get_arguments() {
            assert!(option.get_help().is_some(), "{}: {option:?}", command.get_name());
            if option.is_positional() {
                continue;
            }
            let long = option.get_long().unwrap();
            let variable = format!("FRESHET_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(option.get_env().unwrap().to_str().unwrap(), variable);
            options += 1;
        }
    }
    assert!(options > 30, "{options}");
}

#[test]
fn defaults_of_the_server() {
    let options = serve(&[]);
    assert_eq!(options.http_bind.to_string(), "127.0.0.1:8086");
    assert_eq!(options.mode, Mode::Oss);
    assert_eq!(options.memory_limit, MemoryLimit::Percent(60));
    assert_eq!(options.flush_table_bytes.0, storage::limits::FLUSH_TABLE_BYTES);
    assert_eq!(options.flush_age, storage::limits::FLUSH_AGE);
    assert_eq!((options.compactions, options.keep_snapshots), (1, storage::limits::KEEP_SNAPSHOTS));
    assert_eq!(options.body_stall, server::Limits::default().body_stall);
    assert_eq!(options.drain, server::Limits::default().drain);
    assert_eq!(options.init.init_retention, None);
}

#[test]
fn flags_of_the_server() {
    let options =
        serve(&["--mode", "cloud", "--init-retention", "1w", "--memory-limit", "256MiB", "--log-format", "json"]);
    assert_eq!(options.mode, Mode::Cloud);
    assert_eq!(options.init.init_retention, Some(Duration::from_secs(604_800)));
    assert_eq!(options.memory_limit, MemoryLimit::Bytes(ByteSize(256 << 20)));
    assert_eq!(options.log_format, LogFormat::Json);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for arguments in [
        &["serve"][..],
        &["serve", "--data-dir", "d", "--tls-cert", "c"],
        &["serve", "--data-dir", "d", "--mode", "other"],
        &["serve", "--data-dir", "d", "--http-bind", "8086"],
        &["query", "--language", "cobol", "x"],
        &["write", "--precision", "m"],
        &["write", "--connections", "0"],
        &["no-such-command"],
    ] {
        let result = CommandLine::try_parse_from([&["freshet"], arguments].concat());
        assert!(result.is_err(), "{arguments:?}");
    }
}

#[test]
fn the_official_images_variables_fill_what_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let password_file = directory.path().join("password");
    std::fs::write(&password_file, "from-a-file\n").unwrap();
    let variables = HashMap::from([
        ("DOCKER_INFLUXDB_INIT_MODE", "setup".to_owned()),
        ("DOCKER_INFLUXDB_INIT_USERNAME", "admin".to_owned()),
        ("DOCKER_INFLUXDB_INIT_PASSWORD_FILE", password_file.to_str().unwrap().to_owned()),
        ("DOCKER_INFLUXDB_INIT_ORG", "their-org".to_owned()),
        ("DOCKER_INFLUXDB_INIT_RETENTION", "30d".to_owned()),
        ("DOCKER_INFLUXDB_INIT_ADMIN_TOKEN", "their-token".to_owned()),
    ]);
    let environment = |name: &str| variables.get(name).cloned();
    let init = serve(&["--init-org", "our-org"]).with_aliases(&environment).unwrap().init;
    assert_eq!(init.init_username.as_deref(), Some("admin"));
    assert_eq!(init.init_password.as_deref(), Some("from-a-file"));
    assert_eq!(init.init_org.as_deref(), Some("our-org"));
    assert_eq!(init.init_bucket, None);
    assert_eq!(init.init_retention, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(init.init_token.as_deref(), Some("their-token"));

    let without_mode = |name: &str| environment(name).filter(|_| !name.ends_with("_MODE"));
    assert_eq!(serve(&[]).with_aliases(&without_mode).unwrap().init.init_username, None);
    for (name, value) in [("MODE", "upgrade"), ("RETENTION", "soon"), ("PASSWORD_FILE", "/no/such/file")] {
        let changed = |asked: &str| match asked.strip_prefix("DOCKER_INFLUXDB_INIT_") {
            Some(asked) if asked == name => Some(value.to_owned()),
            _ => environment(asked),
        };
        assert!(serve(&[]).with_aliases(&changed).is_err(), "{name}");
    }
}

#[test]
fn the_variables_of_influxdbs_command_line_fill_what_is_open() {
    let environment = |name: &str| match name {
        "INFLUX_ACTIVE_CONFIG" | "INFLUX_ORG_ID" | "INFLUX_BUCKET_ID" => None,
        "INFLUX_SKIP_VERIFY" => Some("true".to_owned()),
        other => Some(format!("value of {other}")),
    };
    let options = write_options(&["--token", "flag"]);
    let options = options.with_aliases(&environment).unwrap();
    assert_eq!(options.connection.url.as_deref(), Some("value of INFLUX_HOST"));
    assert_eq!(options.connection.token.as_deref(), Some("flag"));
    assert_eq!(options.target.org.as_deref(), Some("value of INFLUX_ORG"));
    assert_eq!(options.target.bucket.as_deref(), Some("value of INFLUX_BUCKET_NAME"));
    assert!(options.connection.skip_verify);
    let ids = |name: &str| name.ends_with("_ID").then(|| name.to_owned()).or_else(|| environment(name));
    let target = write_options(&["--org", "given"]).with_aliases(&ids).unwrap().target;
    assert_eq!(target.org.as_deref(), Some("given"), "no variable counts before a flag");
    assert_eq!(target.bucket.as_deref(), Some("INFLUX_BUCKET_ID"), "an id counts before a name");

    let unknown = |name: &str| (name == "INFLUX_ACTIVE_CONFIG").then(|| "no-such-profile".to_owned());
    let options = write_options(&[]);
    assert!(matches!(options.with_aliases(&unknown), Err(AliasError::Profile(_))));
    let unclear = |name: &str| (name == "INFLUX_SKIP_VERIFY").then(|| "perhaps".to_owned());
    let options = write_options(&[]);
    assert!(matches!(options.with_aliases(&unclear), Err(AliasError::Switch { .. })));
}

#[test]
fn an_id_from_the_environment_does_not_stand_beside_a_name_that_was_given() {
    let environment = |name: &str| name.ends_with("_ID").then(|| format!("value of {name}"));
    let delete = |arguments: &[&str]| {
        let Command::Delete(options) = parse(&[&["delete", "--start", "0", "--stop", "1"], arguments].concat()) else {
            panic!("not a delete")
        };
        let options = options.with_aliases(&environment).unwrap();
        (options.org_id, options.bucket_id)
    };
    assert_eq!(delete(&["--org", "o", "--bucket", "b"]), (None, None));
    let (org_id, bucket_id) = delete(&["--org", "o"]);
    assert_eq!((org_id, bucket_id.as_deref()), (None, Some("value of INFLUX_BUCKET_ID")));
}

#[test]
fn a_profile_says_what_flags_and_variables_leave_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("configs");
    std::fs::write(
        &path,
        "[a]\nurl = \"http://a\"\ntoken = \"t\"\norg = \"o\"\nactive = true\n[b]\nurl = \"http://b\"\n",
    )
    .unwrap();
    let variable = path.to_str().unwrap().to_owned();
    let write = |arguments: &[&str]| {
        let environment = |name: &str| match name {
            "INFLUX_CONFIGS_PATH" => Some(variable.clone()),
            "INFLUX_ORG" if arguments.contains(&"b") => Some("variable".to_owned()),
            _ => None,
        };
        let options = write_options(arguments);
        let options = options.with_aliases(&environment).unwrap();
        [options.connection.url, options.connection.token, options.target.org].map(Option::unwrap_or_default)
    };
    assert_eq!(write(&[]), ["http://a", "t", "o"]);
    assert_eq!(write(&["--host", "http://c", "-o", "p"]), ["http://c", "t", "p"]);
    assert_eq!(write(&["-c", "b"]), ["http://b", "", "variable"]);
}

#[test]
fn a_database_is_a_bucket_and_gzip_can_be_left_out() {
    let options = write_options(&["--database", "b", "--gzip", "false", "f"]);
    assert_eq!(options.target.bucket.as_deref(), Some("b"));
    assert!(!options.gzip);
    assert_eq!(options.input.inputs, [PathBuf::from("f")]);
}
