//! Provides the programs that the client tests need: a Python environment, npm packages, a Go program, Debian's shell
//! and server of InfluxDB 1.6 and Prometheus, `strace`, an S3 server, PostgreSQL.
//!
//! Versions are pinned by `tests/clients/python/requirements.txt`, `tests/clients/schemathesis/requirements.txt`,
//! `tests/clients/js/package-lock.json`,
//! `tests/clients/go/go.sum`, `tests/clients/rust/Cargo.lock` and here; the shell is that of Debian's release. Each
//! set goes to a folder named by a hash of these files, below the build folder, so that checkouts share it and a
//! changed pin makes a new one. A folder counts only once its mark is written: an interrupted installation is redone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, find_program};
use crate::error::TaskError;
use crate::workspace::{Workspace, create_folder};

/// Written into a folder when its installation is complete.
const COMPLETE_MARK: &str = ".complete";

const REQUIREMENTS: &str = "tests/clients/python/requirements.txt";
const SCHEMATHESIS: &str = "tests/clients/schemathesis/requirements.txt";
/// The S3 server of the object store's tests. Go's checksum database vouches for what the version stands for.
const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

/// The agent of InfluxDB's makers, with those of its plugins that the tests use: all of them are much code.
const TELEGRAF: &str = "github.com/influxdata/telegraf/cmd/telegraf@v1.37.2";
const TELEGRAF_TAGS: &str = "custom,inputs.file,outputs.influxdb,outputs.influxdb_v2,parsers.influx,serializers.influx";

const NODE_FILES: [&str; 2] = ["tests/clients/js/package.json", "tests/clients/js/package-lock.json"];

const RUST_FILES: [&str; 3] =
    ["tests/clients/rust/Cargo.toml", "tests/clients/rust/Cargo.lock", "tests/clients/rust/src/main.rs"];

/// Below [`GO_DIR`].
const GO_FILES: [&str; 4] = ["go.mod", "go.sum", "main.go", "influxdb2/main.go"];
const GO_DIR: &str = "tests/clients/go";

/// Paths of what was provided.
pub(crate) struct ClientTools {
    /// A Python with the required packages.
    pub(crate) python: PathBuf,
    /// Schemathesis.
    pub(crate) schemathesis: PathBuf,
    /// The folder that holds `node_modules`.
    pub(crate) node_dir: PathBuf,
    /// The system call tracer.
    pub(crate) strace: PathBuf,
    /// The S3 server.
    pub(crate) versitygw: PathBuf,
    /// The folder of PostgreSQL's own programs, `initdb` among them.
    pub(crate) postgres_dir: PathBuf,
    /// The folder of the programs of `tests/clients/go`.
    pub(crate) go_dir: PathBuf,
    /// The program of `tests/clients/rust`.
    pub(crate) rust_client: PathBuf,
    /// The shell of InfluxDB 1.6.
    pub(crate) influx_shell: PathBuf,
    /// The server of InfluxDB 1.6.
    pub(crate) influxd: PathBuf,
    /// The server of Prometheus.
    pub(crate) prometheus: PathBuf,
    /// The agent.
    pub(crate) telegraf: PathBuf,
}

/// Installs what is missing; fast when nothing is.
pub(crate) fn provide(workspace: &Workspace) -> Result<ClientTools, TaskError> {
    let tools_dir = workspace.tools_dir()?;
    // Two checkouts that share the build folder must not install into the same place at once.
    let lock_path = tools_dir.join(".lock");
    let lock = File::create(&lock_path).map_err(TaskError::at(&lock_path))?;
    lock.lock().map_err(TaskError::at(&lock_path))?;
    Ok(ClientTools {
        python: python(workspace, &tools_dir, "python", REQUIREMENTS)?.join("python"),
        schemathesis: python(workspace, &tools_dir, "schemathesis", SCHEMATHESIS)?.join("schemathesis"),
        node_dir: node_packages(workspace, &tools_dir)?,
        strace: strace()?,
        versitygw: go_program(&tools_dir, "versitygw", VERSITYGW, "")?,
        postgres_dir: postgres()?,
        go_dir: go_clients(workspace, &tools_dir)?,
        rust_client: rust_client(workspace, &tools_dir)?,
        influx_shell: debian_program(&tools_dir, "influxdb-client", "usr/bin/influx")?,
        influxd: debian_program(&tools_dir, "influxdb", "usr/bin/influxd")?,
        prometheus: debian_program(&tools_dir, "prometheus", "usr/bin/prometheus")?,
        telegraf: go_program(&tools_dir, "telegraf", TELEGRAF, TELEGRAF_TAGS)?,
    })
}

/// The server of Prometheus alone.
pub(crate) fn prometheus(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    debian_program(&workspace.tools_dir()?, "prometheus", "usr/bin/prometheus")
}

/// Schemathesis alone.
pub(crate) fn schemathesis(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    Ok(python(workspace, &workspace.tools_dir()?, "schemathesis", SCHEMATHESIS)?.join("schemathesis"))
}

/// The folder of the programs of a Python environment with these requirements.
fn python(workspace: &Workspace, tools_dir: &Path, name: &str, requirements: &str) -> Result<PathBuf, TaskError> {
    let program = require("python3", "the Python client tests need it", "install Python 3.10 or later with venv")?;
    let version = command::output(Command::new(&program).arg("--version"))?;
    let key = hash(&[version.as_bytes(), workspace.read(requirements)?.as_bytes()]);
    let requirements = workspace.root.join(requirements);
    let folder = tools_dir.join(format!("{name}-{key:016x}"));
    let programs = folder.join("bin");
    let python = programs.join("python");
    install_once(&folder, || {
        command::run(Command::new(&program).args(["-m", "venv"]).arg(&folder))?;
        command::run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
                .arg(&requirements),
        )
    })?;
    Ok(programs)
}

fn node_packages(workspace: &Workspace, tools_dir: &Path) -> Result<PathBuf, TaskError> {
    require("node", "the JavaScript client tests need it", "install Node.js 20 or later")?;
    let npm = require("npm", "the JavaScript client tests need it", "install npm, which comes with Node.js")?;
    let files = NODE_FILES.map(|path| workspace.root.join(path));
    let contents =
        files.iter().map(|path| fs::read(path).map_err(TaskError::at(path))).collect::<Result<Vec<_>, _>>()?;
    let key = hash(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let folder = tools_dir.join(format!("node-{key:016x}"));
    install_once(&folder, || {
        create_folder(&folder)?;
        for file in &files {
            let copy = folder.join(file.file_name().unwrap_or_default());
            fs::copy(file, &copy).map_err(TaskError::at(copy))?;
        }
        // No package that the tests use has an install script, so none may run.
        command::run(
            Command::new(&npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder),
        )
    })?;
    Ok(folder)
}

/// A program by its package and version, which Go's checksum database vouches for.
fn go_program(tools_dir: &Path, name: &str, package: &str, tags: &str) -> Result<PathBuf, TaskError> {
    let folder = tools_dir.join(format!("{name}-{:016x}", hash(&[package.as_bytes(), tags.as_bytes()])));
    install_once(&folder, || {
        let go = require("go", "programs that the tests talk to are made by it", "install Go 1.25 or later")?;
        create_folder(&folder)?;
        let mut install = Command::new(go);
        install.args(["install", "-tags", tags, package]).env("GOBIN", &folder).env("CGO_ENABLED", "0");
        command::run(&mut install)
    })?;
    Ok(folder.join(name))
}

fn go_clients(workspace: &Workspace, tools_dir: &Path) -> Result<PathBuf, TaskError> {
    let go = require("go", "the tests of the Go clients need it", "install Go 1.20 or later")?;
    let version = command::output(Command::new(&go).arg("version"))?;
    let source = workspace.root.join(GO_DIR);
    let mut contents = vec![version.into_bytes()];
    for file in GO_FILES {
        let path = source.join(file);
        contents.push(fs::read(&path).map_err(TaskError::at(path))?);
    }
    let key = hash(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let folder = tools_dir.join(format!("go-{key:016x}"));
    install_once(&folder, || {
        create_folder(&folder.join("influxdb2"))?;
        for file in GO_FILES {
            let copy = folder.join(file);
            fs::copy(source.join(file), &copy).map_err(TaskError::at(copy))?;
        }
        for (program, package) in [("influxdb1-client", "."), ("influxdb2-client", "./influxdb2")] {
            let mut build = Command::new(&go);
            build.args(["build", "-mod=readonly", "-o"]).arg(folder.join(program)).arg(package).current_dir(&folder);
            command::run(build.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0"))?;
        }
        Ok(())
    })?;
    Ok(folder)
}

/// A workspace of its own with a build folder of its own: it needs other features than the server.
fn rust_client(workspace: &Workspace, tools_dir: &Path) -> Result<PathBuf, TaskError> {
    let cargo = require("cargo", "the test of the Rust client needs it", "install Rust")?;
    let files = RUST_FILES.map(|path| workspace.root.join(path));
    let contents =
        files.iter().map(|path| fs::read(path).map_err(TaskError::at(path))).collect::<Result<Vec<_>, _>>()?;
    let key = hash(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let folder = tools_dir.join(format!("rust-{key:016x}"));
    let program = folder.join("flight_sql");
    install_once(&folder, || {
        let target = folder.join("target");
        let mut build = Command::new(&cargo);
        build.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(workspace.root.join(RUST_FILES[0]));
        command::run(build.arg("--target-dir").arg(&target))?;
        fs::copy(target.join("debug").join("flight_sql"), &program).map_err(TaskError::at(&program))?;
        // Hundreds of megabytes that nobody needs any more.
        fs::remove_dir_all(&target).map_err(TaskError::at(&target))
    })?;
    Ok(program)
}

/// From Debian's package, which is taken apart and not installed: one of its programs is all that is wanted.
fn debian_program(tools_dir: &Path, package: &str, path: &str) -> Result<PathBuf, TaskError> {
    let folder = tools_dir.join(format!("debian-{package}"));
    let program = folder.join("root").join(path);
    install_once(&folder, || {
        create_folder(&folder)?;
        let apt = require("apt-get", "the tests with InfluxDB's own programs need it", "run the tests on Debian")?;
        let download = || command::run(Command::new(&apt).args(["download", "--quiet", package]).current_dir(&folder));
        // A new machine has no package lists yet, or old ones.
        if download().is_err() {
            command::run(Command::new(&apt).args(["update", "--quiet"]))?;
            download()?;
        }
        for entry in fs::read_dir(&folder).map_err(TaskError::at(&folder))? {
            let file = entry.map_err(TaskError::at(&folder))?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                command::run(Command::new("dpkg").arg("-x").arg(&file).arg(folder.join("root")))?;
            }
        }
        Ok(())
    })?;
    Ok(program)
}

/// `strace` is a system package: taken as it is, or installed where we may.
fn strace() -> Result<PathBuf, TaskError> {
    if let Some(path) = find_program("strace") {
        return Ok(path);
    }
    install_package("strace")?;
    require("strace", "the test of the order of writes, syncs and answers needs it", "install the package `strace`")
}

/// PostgreSQL is a system package too. Debian keeps its programs beside the path, in a folder for each version.
fn postgres() -> Result<PathBuf, TaskError> {
    if let Some(folder) = postgres_folder() {
        return Ok(folder);
    }
    install_package("postgresql")?;
    let (purpose, remedy) = ("the tests of catalogs in PostgreSQL need it", "install the package `postgresql`");
    postgres_folder().ok_or_else(|| TaskError::MissingProgram { program: "initdb".to_owned(), purpose, remedy })
}

/// The newest version in Debian's place, or what the path has.
fn postgres_folder() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    let newest = newest.max_by_key(|path| version(path)).map(|path| path.join("bin"));
    newest.or_else(|| find_program("initdb")?.parent().map(Path::to_owned))
}

/// Installs a package of Debian where we may; elsewhere it is up to the user.
fn install_package(name: &str) -> Result<(), TaskError> {
    if find_program("apt-get").is_none() || !is_root() {
        return Ok(());
    }
    command::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    command::run(
        Command::new("apt-get")
            .args(["install", "--yes", "--quiet", "--no-install-recommends", name])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn require(program: &str, purpose: &'static str, remedy: &'static str) -> Result<PathBuf, TaskError> {
    let missing = || TaskError::MissingProgram { program: program.to_owned(), purpose, remedy };
    find_program(program).ok_or_else(missing)
}

fn is_root() -> bool {
    command::output(Command::new("id").arg("-u")).is_ok_and(|answer| answer.trim() == "0")
}

/// Runs `install` unless the folder is complete; whatever an interrupted run left is removed first.
fn install_once(folder: &Path, install: impl FnOnce() -> Result<(), TaskError>) -> Result<(), TaskError> {
    let mark = folder.join(COMPLETE_MARK);
    if mark.exists() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(TaskError::at(folder))?;
    }
    install()?;
    fs::write(&mark, "").map_err(TaskError::at(mark))
}

/// FNV-1a over the parts and their lengths: the same on every machine and Rust version, which std's hashers are not.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(*part) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_hash_tells_contents_and_their_borders_apart() {
        assert_eq!(hash(&[b"a", b"b"]), hash(&[b"a", b"b"]));
        assert_ne!(hash(&[b"a", b"b"]), hash(&[b"ab", b""]));
        assert_ne!(hash(&[b"a"]), hash(&[b"b"]));
    }

    #[test]
    fn an_installation_runs_once_and_again_after_an_interruption() {
        let folder = std::env::temp_dir().join(format!("freshet-xtask-install-{}", std::process::id()));
        let mut runs = 0;
        let interrupted = install_once(&folder, || {
            runs += 1;
            create_folder(&folder)?;
            Err(TaskError::NoTestRan)
        });
        assert!(interrupted.is_err());
        for _ in 0..2 {
            install_once(&folder, || {
                runs += 1;
                assert!(!folder.exists(), "the remains of the interrupted run were removed");
                create_folder(&folder)
            })
            .unwrap();
        }
        assert_eq!(runs, 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_missing_program_is_one_clear_sentence() {
        let error = require("no-such-program", "a test needs it", "install it").unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` is not installed; a test needs it: install it");
    }
}
