//! InfluxDB 1 from Debian, whose server speaks the first of the protocols that we keep.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, encoded, json_number};
use crate::cpu_data::DataOptions;
use crate::error::BenchError;
use crate::http_connection::Call;
use crate::packages::Packages;

pub(super) struct Influxdb1 {
    program: PathBuf,
}

impl Influxdb1 {
    pub(super) fn provide(packages: &Packages) -> Result<Self, BenchError> {
        Ok(Self { program: packages.debian_program("influxdb", "usr/bin/influxd")? })
    }
}

impl Server for Influxdb1 {
    fn name(&self) -> &'static str {
        "InfluxDB 1 (Debian)"
    }

    fn command(&self, data_dir: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("run")
            .env("INFLUXDB_META_DIR", data_dir.join("meta"))
            .env("INFLUXDB_DATA_DIR", data_dir.join("data"))
            .env("INFLUXDB_DATA_WAL_DIR", data_dir.join("wal"))
            .env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("INFLUXDB_BIND_ADDRESS", "127.0.0.1:0")
            .env("INFLUXDB_HTTP_LOG_ENABLED", "false")
            .env("INFLUXDB_REPORTING_DISABLED", "true")
            // By default a million series are the limit, and a tag has 100,000 values at most.
            .env("INFLUXDB_DATA_MAX_SERIES_PER_DATABASE", "0")
            .env("INFLUXDB_DATA_MAX_VALUES_PER_TAG", "0");
        command
    }

    fn ready(&self) -> Call {
        Call::get("/ping")
    }

    fn setup(&self) -> Option<Call> {
        Some(Call::post(format!("/query?q={}", encoded("CREATE DATABASE b")), ""))
    }

    fn write(&self) -> Call {
        Call::post("/write?db=b&precision=ns", "")
    }

    fn count(&self, _data: &DataOptions) -> Call {
        Call::get(format!("/query?db=b&q={}", encoded("SELECT count(usage_user) FROM cpu")))
    }

    fn parse_count(&self, answer: &str) -> Option<u64> {
        json_number(answer, "/results/0/series/0/values/0/1")
    }

    fn influxql(&self, query: &str) -> Option<Call> {
        Some(Call::get(format!("/query?db=b&q={}", encoded(query))))
    }
}
