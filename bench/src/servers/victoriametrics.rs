//! VictoriaMetrics from Debian. It keeps each field as a series of its own, as floating point numbers with
//! milliseconds, and acknowledges a write without syncing it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, encoded, json_number};
use crate::cpu_data::DataOptions;
use crate::error::BenchError;
use crate::http_connection::Call;
use crate::packages::Packages;

pub(super) struct VictoriaMetrics {
    program: PathBuf,
}

impl VictoriaMetrics {
    pub(super) fn provide(packages: &Packages) -> Result<Self, BenchError> {
        Ok(Self { program: packages.debian_program("victoria-metrics", "usr/bin/victoria-metrics")? })
    }
}

impl Server for VictoriaMetrics {
    fn name(&self) -> &'static str {
        "VictoriaMetrics (Debian)"
    }

    fn command(&self, data_dir: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("-storageDataPath={}", data_dir.display()));
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        // The data is older than the default retention, and the count looks at all series at once.
        command.args([
            "-retentionPeriod=100y",
            "-search.maxUniqueTimeseries=20000000",
            "-search.maxQueryDuration=300s",
        ]);
        command
    }

    fn ready(&self) -> Call {
        Call::get("/health")
    }

    fn write(&self) -> Call {
        Call::post("/api/v2/write?precision=ns", "")
    }

    fn count(&self, data: &DataOptions) -> Call {
        let (start_s, end_s) = (data.start_s(), data.end_s());
        // The window is open at its start, so it begins one interval before the first row.
        let window_s = end_s - start_s + data.interval;
        let query = encoded(&format!("sum(count_over_time(cpu_usage_user[{window_s}s]))"));
        Call::get(format!("/api/v1/query?query={query}&time={end_s}&nocache=1"))
    }

    fn parse_count(&self, answer: &str) -> Option<u64> {
        json_number(answer, "/data/result/0/value/1")
    }
}
