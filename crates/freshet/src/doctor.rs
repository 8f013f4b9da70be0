//! `freshet doctor`: looks at a data directory that no server has open, and puts right what it is told to.
//!
//! Exit codes: 0, the directory is well; 1, something is wrong, or still wrong after repairs; 3, it cannot be looked at
//! (2 is that of a wrong command line).

use std::collections::BTreeMap;
use std::io::Write as _;

use catalog::database::{LocationError, PostgresDatabase};
use serde::Serialize;
use storage::StoreAddress;
use storage::doctor::{AsideReport, Doctor, DoctorError, FileFinding, RebuildReport, Report};

use crate::data_directory::{self, DataDirectoryError};
use crate::options::{DoctorOptions, Repair};

/// Damaged places of the log that one run takes out; each costs a start of the engine.
const SEGMENTS_MAX: usize = 1_000;

/// Why the exit code is not 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorCommandError {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error("the data directory cannot be looked at: {0}")]
    Unusable(#[from] DoctorError),
    #[error(transparent)]
    Catalog(#[from] DataDirectoryError),
    #[error("the data directory is not well")]
    Unwell,
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl DoctorCommandError {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::Unwell) { 1 } else { 3 }
    }
}

/// What was found and done, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// What was found first.
    found: Report,
    /// The catalog that was made anew.
    rebuilt: Option<RebuildReport>,
    /// Files that were taken out of the catalog, because they are missing or damaged.
    files_taken_out: usize,
    /// Orphans that were deleted.
    orphans_deleted: usize,
    /// What was taken out of the log.
    log: Vec<AsideReport>,
    /// What is found after the repairs; only where some were asked for.
    left: Option<Report>,
    /// Whether a server starts and answers every query of now.
    is_well: bool,
}

/// Looks, repairs, and prints.
pub(crate) async fn run(options: DoctorOptions) -> Result<(), DoctorCommandError> {
    let database = options.catalog.as_deref().map(PostgresDatabase::parse).transpose()?;
    let directory_id = data_directory::identify(&options.data_dir, database.is_some())?;
    let store = options.object_store.as_ref().map(StoreAddress::open).transpose();
    let store = store.map_err(DoctorError::from)?;
    let mut doctor = match &database {
        None => Doctor::open(&options.data_dir, store)?,
        Some(database) => {
            let (lake, resources) = (database.lake(&directory_id), database.resources(&directory_id));
            Doctor::open_postgres(&options.data_dir, store, &lake, &resources).await?
        }
    };
    let changes = options.rebuild_catalog || !options.repair.is_empty();
    let outcome = work(&mut doctor, &options).await;
    // A repair that failed half-way is gone on with by the next doctor.
    if outcome.is_ok() || !changes {
        doctor.close(changes).await?;
    }
    let outcome = outcome?;
    let text = if options.json {
        serde_json::to_string_pretty(&outcome).map_err(std::io::Error::other)? + "\n"
    } else {
        text(&outcome)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    if outcome.is_well { Ok(()) } else { Err(DoctorCommandError::Unwell) }
}

async fn work(doctor: &mut Doctor, options: &DoctorOptions) -> Result<Outcome, DoctorCommandError> {
    let mut outcome = Outcome { found: doctor.examine(options.deep).await?, ..Outcome::default() };
    if options.rebuild_catalog {
        outcome.rebuilt = Some(doctor.rebuild_catalog().await?);
    }
    // The log first: files may come of it.
    if options.repair.contains(&Repair::Log) {
        while outcome.log.len() < SEGMENTS_MAX {
            let Some(aside) = doctor.set_damaged_segment_aside().await? else { break };
            outcome.log.push(aside);
        }
    }
    if options.repair.contains(&Repair::Files) {
        let report = doctor.examine(options.deep).await?;
        outcome.files_taken_out = doctor.repair_files(&report).await?;
    }
    if options.repair.contains(&Repair::Orphans) {
        let report = doctor.examine(false).await?;
        outcome.orphans_deleted = doctor.remove_orphans(&report).await?;
    }
    if options.rebuild_catalog || !options.repair.is_empty() {
        outcome.left = Some(doctor.examine(options.deep).await?);
    }
    outcome.is_well = outcome.left.as_ref().unwrap_or(&outcome.found).is_well();
    Ok(outcome)
}

fn text(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    found(&mut lines, &outcome.found);
    if let Some(rebuilt) = &outcome.rebuilt {
        rebuild(&mut lines, rebuilt);
    }
    for aside in &outcome.log {
        log(&mut lines, aside);
    }
    if outcome.files_taken_out > 0 {
        lines.push(format!("{} files taken out of the catalog", outcome.files_taken_out));
    }
    if outcome.orphans_deleted > 0 {
        lines.push(format!("{} orphans deleted", outcome.orphans_deleted));
    }
    if let Some(left) = &outcome.left {
        lines.push("after the repairs:".to_owned());
        found(&mut lines, left);
    }
    lines.push(if outcome.is_well { "well" } else { "not well" }.to_owned());
    lines.join("\n") + "\n"
}

fn found(lines: &mut Vec<String>, report: &Report) {
    if let Some(error) = &report.catalog_error {
        lines.push(format!("catalog: {error}"));
        lines.push("  the files can tell most of what it held: --rebuild-catalog".to_owned());
        return;
    }
    lines.push(format!("catalog: {} files of {} bytes", report.files, report.bytes));
    let finding = |kind: &str, finding: &FileFinding| {
        let table = finding.table.as_ref().map(|(bucket, measurement)| format!(" ({bucket}, {measurement})"));
        format!("{kind} {}{}: {}, {} rows", finding.path, table.unwrap_or_default(), finding.cause, finding.rows)
    };
    lines.extend(report.missing.iter().map(|file| finding("missing", file)));
    lines.extend(report.damaged.iter().map(|file| finding("damaged", file)));
    lines.extend(report.missing_of_the_past.iter().map(|path| format!("missing, of older snapshots only: {path}")));
    lines.extend(report.orphaned.iter().map(|path| format!("orphaned {path}")));
    for segment in &report.segments {
        let records = match (segment.first_sequence, segment.last_sequence) {
            (Some(first), Some(last)) => format!("{} records, {first} to {last}", segment.records),
            _ => "no records".to_owned(),
        };
        lines.push(format!("log {}: {records}", segment.path.display()));
        match &segment.damage {
            Some((u64::MAX, cause)) => lines.push(format!("  damaged: {cause}")),
            Some((offset, cause)) => lines.push(format!("  damaged at byte {offset}: {cause}")),
            None => {}
        }
    }
}

fn rebuild(lines: &mut Vec<String>, report: &RebuildReport) {
    let RebuildReport { buckets, tables, files, rows, .. } = report;
    lines.push(format!("rebuilt: {buckets} buckets, {tables} measurements, {files} files of {rows} rows"));
    if let Some(path) = &report.old_catalog {
        lines.push(format!("  the old catalog is kept as {}", path.display()));
    }
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, cause) in &report.left_out {
        *causes.entry(cause).or_default() += 1;
    }
    lines.extend(causes.into_iter().map(|(cause, count)| format!("  {count} files left out: {cause}")));
    for lost in &report.lost_deletes {
        let (bucket, measurement) = &lost.table;
        let rows = lost.rows;
        lines.push(format!(
            "  {rows} deleted rows of {} ({bucket}, {measurement}) are visible again, unless the log has their delete",
            lost.path
        ));
    }
    lines.extend(report.made_up.iter().map(|name| format!("  made up, for rows in the log: {name}")));
}

fn log(lines: &mut Vec<String>, aside: &AsideReport) {
    let (first, last) = aside.given_up;
    let given_up = if first <= last { format!("{first} to {last}") } else { format!("from {first} on") };
    lines.push(format!("log: {}; records {given_up} are given up", aside.cause));
    if let Some(path) = &aside.kept {
        lines.push(format!("  the segment is kept as {}", path.display()));
    }
    for held in &aside.held {
        let table = held.measurement.as_ref().map(|measurement| format!(", {measurement}")).unwrap_or_default();
        let fate = if held.is_in_files { "in files already" } else { "lost" };
        let (first, last) = held.sequences;
        lines.push(format!(
            "  it held {} {} of {}{table} (records {first} to {last}): {fate}",
            held.count, held.kind, held.bucket
        ));
    }
}
