//! This project's server, with its default options.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, encoded, json_number};
use crate::cpu_data::DataOptions;
use crate::error::BenchError;
use crate::http_connection::Call;

/// The token that the server is started with.
pub(crate) const TOKEN: &str = "benchmark-token";

pub(super) struct Freshet {
    program: PathBuf,
}

impl Freshet {
    /// Takes the given program, or the one beside the program that is running.
    pub(super) fn provide(program: Option<&Path>) -> Result<Self, BenchError> {
        if let Some(program) = program {
            return Ok(Self { program: program.to_owned() });
        }
        let own = env::current_exe().map_err(BenchError::at("bench"))?;
        Ok(Self { program: own.with_file_name("freshet") })
    }
}

impl Server for Freshet {
    fn name(&self) -> &'static str {
        "Freshet"
    }

    fn command(&self, data_dir: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data-dir").arg(data_dir).arg("--http-bind").arg(format!("127.0.0.1:{port}"));
        command.args(["--init-org", "o", "--init-bucket", "b", "--init-token", TOKEN]);
        command.args(["--init-username", "u", "--init-password", "password1"]);
        command
    }

    fn ready(&self) -> Call {
        Call::get("/ping")
    }

    fn write(&self) -> Call {
        Call::post("/api/v2/write?org=o&bucket=b&precision=ns", "").header("authorization", format!("Token {TOKEN}"))
    }

    fn count(&self, _data: &DataOptions) -> Call {
        let query = r#"{"db":"b","q":"SELECT count(*) AS n FROM cpu","format":"json"}"#;
        Call::post("/api/v3/query_sql", query)
            .header("authorization", format!("Token {TOKEN}"))
            .header("content-type", "application/json")
    }

    fn parse_count(&self, answer: &str) -> Option<u64> {
        json_number(answer, "/0/n")
    }

    fn influxql(&self, query: &str) -> Option<Call> {
        Some(Call::get(format!("/query?db=b&q={}", encoded(query))).header("authorization", format!("Token {TOKEN}")))
    }

    fn flux(&self, query: &str) -> Option<Call> {
        let call = Call::post("/api/v2/query?org=o", query.to_owned());
        Some(call.header("authorization", format!("Token {TOKEN}")).header("content-type", "application/vnd.flux"))
    }

    fn settle(&self, port: u16) -> Option<Command> {
        let mut command = Command::new(&self.program);
        command.args(["compact", "--wait", "--token", TOKEN, "--url"]).arg(format!("http://127.0.0.1:{port}"));
        Some(command)
    }

    fn is_lake(&self) -> bool {
        true
    }
}
