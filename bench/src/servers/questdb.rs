//! QuestDB from Maven Central, on this machine's Java. It acknowledges a write without syncing it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, encoded, json_number};
use crate::cpu_data::DataOptions;
use crate::error::BenchError;
use crate::http_connection::Call;
use crate::packages::Packages;

pub(super) struct Questdb {
    jar: PathBuf,
}

impl Questdb {
    pub(super) fn provide(packages: &Packages) -> Result<Self, BenchError> {
        Ok(Self { jar: packages.maven_jar("org.questdb", "questdb", "9.1.0")? })
    }
}

impl Server for Questdb {
    fn name(&self) -> &'static str {
        "QuestDB 9.1.0"
    }

    fn command(&self, data_dir: &Path, port: u16) -> Command {
        let mut command = Command::new("java");
        command.arg("-p").arg(&self.jar).args(["-m", "io.questdb/io.questdb.ServerMain", "-d"]).arg(data_dir);
        command
            .env("QDB_HTTP_BIND_TO", format!("127.0.0.1:{port}"))
            // The other protocols would only hold fixed ports.
            .env("QDB_HTTP_MIN_ENABLED", "false")
            .env("QDB_PG_ENABLED", "false")
            .env("QDB_LINE_TCP_ENABLED", "false")
            .env("QDB_TELEMETRY_ENABLED", "false");
        command
    }

    fn ready(&self) -> Call {
        Call::get(format!("/exec?query={}", encoded("SELECT 1")))
    }

    fn write(&self) -> Call {
        Call::post("/api/v2/write?precision=ns", "")
    }

    fn count(&self, _data: &DataOptions) -> Call {
        Call::get(format!("/exec?query={}", encoded("SELECT count() FROM cpu")))
    }

    fn parse_count(&self, answer: &str) -> Option<u64> {
        json_number(answer, "/dataset/0/0")
    }
}
