//! A server's process: started with its output in a file, watched through `/proc`, stopped by SIGTERM.
//!
//! Linux only, as the figures come from `/proc`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::BenchError;
use crate::stopwatch::Stopwatch;

/// Flushing everything may take long, but not this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(300);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The kernel's clock ticks for each second in `/proc` (`USER_HZ`, 100 on every Linux we know).
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server.
pub(crate) struct ServerProcess {
    server: &'static str,
    child: Child,
    log: PathBuf,
    peak_memory_kib: u64,
}

/// What the kernel counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    /// `VmHWM`: the most memory that was resident at once.
    pub(crate) peak_memory_kib: u64,
}

impl ServerProcess {
    pub(crate) fn start(server: &'static str, command: &mut Command, log: &Path) -> Result<Self, BenchError> {
        let output = File::create(log).map_err(BenchError::at(log))?;
        let errors = output.try_clone().map_err(BenchError::at(log))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| BenchError::Start { program, source })?;
        Ok(Self { server, child, log: log.to_owned(), peak_memory_kib: 0 })
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// What the process used so far; an error if it has ended by itself.
    pub(crate) fn usage(&mut self) -> Result<Usage, BenchError> {
        let (state, cpu_s) = self.state_and_cpu()?;
        if state == 'Z' {
            return Err(BenchError::ServerEnded { server: self.server, log: self.log.clone() });
        }
        self.see_peak_memory();
        Ok(Usage { cpu_s, peak_memory_kib: self.peak_memory_kib })
    }

    /// Begins to look for the most memory anew.
    pub(crate) fn reset_peak(&mut self) -> Result<(), BenchError> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        // 5 sets `VmHWM` to what is resident now (proc(5)).
        fs::write(&path, "5").map_err(BenchError::at(&path))?;
        self.peak_memory_kib = 0;
        Ok(())
    }

    /// What is resident now.
    pub(crate) fn resident_mib(&self) -> Result<f64, BenchError> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(BenchError::at(&path))?;
        Ok(parse_memory_kib(&status, "VmRSS:").unwrap_or(0) as f64 / 1_024.0)
    }

    /// Asks the process to stop, waits until it has, and returns all that it used.
    ///
    /// An ended process that nobody has waited for still shows its CPU time, so nothing of the flush at the end is
    /// missed; its memory is seen up to the last poll before.
    pub(crate) fn stop(mut self) -> Result<Usage, BenchError> {
        // An error means that it has ended already, which the next lines see.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let stopwatch = Stopwatch::start();
        loop {
            let (state, cpu_s) = self.state_and_cpu()?;
            if state == 'Z' {
                self.child.wait().map_err(BenchError::at(&self.log))?;
                return Ok(Usage { cpu_s, peak_memory_kib: self.peak_memory_kib });
            }
            self.see_peak_memory();
            if stopwatch.elapsed() > STOP_TIMEOUT {
                let seconds = STOP_TIMEOUT.as_secs();
                return Err(BenchError::TimedOut {
                    server: self.server,
                    state: "stopped",
                    seconds,
                    log: self.log.clone(),
                });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn state_and_cpu(&self) -> Result<(char, f64), BenchError> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).map_err(BenchError::at(&path))?;
        parse_stat(&stat).ok_or_else(|| BenchError::at(path)(std::io::ErrorKind::InvalidData.into()))
    }

    fn see_peak_memory(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        self.peak_memory_kib = self.peak_memory_kib.max(parse_memory_kib(&status, "VmHWM:").unwrap_or(0));
    }
}

impl Drop for ServerProcess {
    /// No server outlives the benchmark, however that ends. After `stop` both calls do nothing.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// State and CPU seconds (user and system) of `/proc/<pid>/stat`. The name, in parentheses, may hold anything.
fn parse_stat(stat: &str) -> Option<(char, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((fields.first()?.chars().next()?, (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

fn parse_memory_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes that the files of a folder take on the disk. Blocks, not lengths: some servers reserve space they do not use.
pub(crate) fn disk_usage_bytes(folder: &Path) -> Result<u64, BenchError> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(BenchError::at(folder))? {
        let entry = entry.map_err(BenchError::at(folder))?;
        let metadata = entry.metadata().map_err(BenchError::at(entry.path()))?;
        sum += if metadata.is_dir() { disk_usage_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn stat_is_read_behind_the_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 7 8 20 0";
        assert_eq!(parse_stat(stat), Some(('S', 2.0)));
        assert_eq!(parse_stat("42 (a"), None);
    }

    #[test]
    fn memory_is_read() {
        assert_eq!(parse_memory_kib("VmPeak:\t 9 kB\nVmHWM:\t  1234 kB\n", "VmHWM:"), Some(1_234));
        assert_eq!(parse_memory_kib("State: Z\n", "VmRSS:"), None);
    }

    #[test]
    fn a_process_is_watched_and_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = ServerProcess::start("sleep", Command::new("sleep").arg("60"), &log).unwrap();
        process.usage().unwrap();
        process.stop().unwrap();
    }

    #[test]
    fn disk_usage_counts_folders_below() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(disk_usage_bytes(folder.path()).unwrap(), 0);
        let mut file = File::create(folder.path().join("a/b")).unwrap();
        std::io::Write::write_all(&mut file, &[1; 100_000]).unwrap();
        file.sync_all().unwrap();
        assert!(disk_usage_bytes(folder.path()).unwrap() >= 100_000);
    }
}
