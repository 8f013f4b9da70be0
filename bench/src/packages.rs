//! Brings other servers to this machine: from Maven Central and from Debian, unpacked into the tools folder.
//!
//! Nothing is installed into the system, no service is started by a package, and what is there already is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BenchError;

/// Pinned, because Maven would otherwise look for the newest plugin.
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";

/// The folder for unpacked servers.
pub(crate) struct Packages {
    tools_dir: PathBuf,
}

impl Packages {
    pub(crate) fn new(tools_dir: &Path) -> Self {
        Self { tools_dir: tools_dir.to_owned() }
    }

    /// A jar by its Maven coordinates.
    pub(crate) fn maven_jar(&self, group: &str, artifact: &str, version: &str) -> Result<PathBuf, BenchError> {
        let folder = self.tools_dir.join(format!("{artifact}-{version}"));
        let jar = folder.join(format!("{artifact}-{version}.jar"));
        if !jar.exists() {
            run(Command::new("mvn")
                .args(["--quiet", "--batch-mode", MAVEN_COPY])
                .arg(format!("-Dartifact={group}:{artifact}:{version}"))
                .arg(format!("-DoutputDirectory={}", folder.display())))?;
        }
        Ok(jar)
    }

    /// A program of a Debian package, in the version of this machine's Debian.
    pub(crate) fn debian_program(&self, package: &str, program: &str) -> Result<PathBuf, BenchError> {
        let folder = self.tools_dir.join(format!("debian-{package}"));
        let path = folder.join("root").join(program);
        if path.exists() {
            return Ok(path);
        }
        fs::create_dir_all(&folder).map_err(BenchError::at(&folder))?;
        let download = || run(Command::new("apt-get").args(["download", "--quiet", package]).current_dir(&folder));
        // A new machine has no package lists yet, or old ones.
        if download().is_err() {
            run(Command::new("apt-get").args(["update", "--quiet"]))?;
            download()?;
        }
        for entry in fs::read_dir(&folder).map_err(BenchError::at(&folder))? {
            let file = entry.map_err(BenchError::at(&folder))?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(&file).arg(folder.join("root")))?;
            }
        }
        Ok(path)
    }
}

/// Runs a command with its output on standard error, so that the table on standard output stays alone.
pub(crate) fn run(command: &mut Command) -> Result<(), BenchError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdout(std::io::stderr())
        .status()
        .map_err(|source| BenchError::Start { program: program.clone(), source })?;
    if status.success() { Ok(()) } else { Err(BenchError::Failed { program, status: status.to_string() }) }
}
