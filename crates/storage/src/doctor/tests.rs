//! The doctor over data directories that an engine wrote and somebody damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::{BucketId, ManualClock, OrganisationId};
use futures::TryStreamExt as _;

use super::{Doctor, DoctorError, Report};
use crate::disk::{Disk, RealDisk};
use crate::ids::Sequence;
use crate::wal::{EncodedRecord, Record, Wal, WalOptions, recover};
use crate::{
    BucketInfo, DeleteFilter, DeleteRequest, Engine, EngineOptions, OpenError, Precision, ScanRequest, WriteRequest,
};

const NOW_NS: i64 = 1_767_225_600_000_000_000;

fn bucket() -> Arc<BucketInfo> {
    Arc::new(BucketInfo {
        organisation: OrganisationId::from_u64(1).unwrap(),
        organisation_name: "o".to_owned(),
        bucket: BucketId::from_u64(16).unwrap(),
        name: "b".to_owned(),
    })
}

async fn open(folder: &Path) -> Engine {
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let options = EngineOptions { compactions: 0, ..EngineOptions::new(folder, 1 << 30, clock) };
    loop {
        match Engine::open(options.clone()).await {
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

async fn doctor(folder: &Path) -> Doctor {
    loop {
        match Doctor::open(folder, None) {
            Err(DoctorError::Open(OpenError::InUse(_))) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

async fn write(engine: &Engine, lines: &str) {
    let body = lines.to_owned().into();
    let request = WriteRequest { bucket: bucket(), retention: None, body, precision: Precision::Nanosecond };
    assert_eq!(engine.write(request).await.unwrap().dropped, None);
}

async fn delete(engine: &Engine, time_range: (i64, i64)) {
    let (organisation, bucket) = (bucket().organisation, bucket().bucket);
    let filter = DeleteFilter { time_range, terms: Vec::new() };
    engine.delete(DeleteRequest { organisation, bucket, filter }).await.unwrap();
}

/// Puts something else in the place of the catalog. Its journal goes too, from which SQLite would restore it; and it is
/// another file, as a connection of the engine that is not closed yet would write into the old one.
fn lose_catalog(folder: &Path) {
    std::fs::write(folder.join("other"), "no database").unwrap();
    std::fs::rename(folder.join("other"), folder.join("catalog.sqlite")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("catalog.sqlite{suffix}")));
    }
}

/// Row counts by measurement, which sum up what a query sees.
async fn count(engine: &Engine) -> Vec<(String, usize)> {
    let snapshot = engine.snapshot(bucket().bucket, None).await.unwrap();
    let mut counts = Vec::new();
    for table in snapshot.tables() {
        let mut rows = 0;
        for partition in table.scan(ScanRequest::default()).unwrap().partitions {
            let batches: Vec<_> = partition.stream().try_collect().await.unwrap();
            rows += batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>();
        }
        counts.push((table.table_schema().measurement.clone(), rows));
    }
    counts.retain(|(_, rows)| *rows > 0);
    counts
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

fn data_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.join("files")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

async fn examine(folder: &Path, deep: bool) -> Report {
    doctor(folder).await.examine(deep).await.unwrap()
}

#[tokio::test]
async fn a_healthy_directory_is_well_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m,t=a f=1 1\nn g=2i 2").await;
    assert!(matches!(Doctor::open(folder.path(), None), Err(DoctorError::Open(OpenError::InUse(_)))));
    engine.flush().await.unwrap();
    write(&engine, "m,t=a f=3 3").await;
    drop(engine);
    for deep in [false, true] {
        let report = examine(folder.path(), deep).await;
        assert!(report.is_well() && report.orphaned.is_empty(), "{report:?}");
        assert_eq!((report.files, report.segments.len(), report.segments[0].last_sequence), (2, 1, Some(2)));
    }
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 2), ("n", 1)]));
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(Doctor::open(nothing.path(), None), Err(DoctorError::NoDataDirectory(_))));
}

#[tokio::test]
async fn missing_damaged_and_orphaned_files_are_told_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    for value in 0..4 {
        write(&engine, &format!("m f={value} {value}")).await;
        engine.flush().await.unwrap();
    }
    engine.close().await.unwrap();
    drop(engine);
    let files = data_files(folder.path());
    assert_eq!(files.len(), 4);
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::write(&files[1], "short").unwrap();
    // The footer is whole; what it describes is not.
    let mut bytes = std::fs::read(&files[2]).unwrap();
    bytes[4..40].fill(0xff);
    std::fs::write(&files[2], &bytes).unwrap();
    std::fs::write(files[3].with_file_name("0192-orphan.parquet"), "x").unwrap();

    let quick = examine(folder.path(), false).await;
    assert_eq!((quick.missing.len(), quick.damaged.len(), quick.orphaned.len()), (1, 1, 1), "{quick:?}");
    let doctor = doctor(folder.path()).await;
    let report = doctor.examine(true).await.unwrap();
    assert_eq!((report.missing.len(), report.damaged.len()), (1, 2), "{report:?}");
    assert_eq!(report.missing[0].table, Some(("b".to_owned(), "m".to_owned())));
    assert!(!report.is_well());
    assert_eq!(doctor.repair_files(&report).await.unwrap(), 3);
    assert_eq!(doctor.remove_orphans(&report).await.unwrap(), 1);
    let after = doctor.examine(true).await.unwrap();
    assert!(after.is_well() && after.orphaned.is_empty(), "{after:?}");
    assert_eq!(std::fs::read_dir(folder.path().join("aside")).unwrap().count(), 2, "damaged files are kept");
    drop(doctor);
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 1)]));
}

#[tokio::test]
async fn a_damaged_place_of_the_log_is_taken_out_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m f=1 1").await;
    for time in 2..=6 {
        write(&engine, &format!("m f=1 {time}\nother g=1i {time}")).await;
    }
    delete(&engine, (6, 6)).await;
    drop(engine);
    let segment = std::fs::read_dir(folder.path().join("wal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    // A byte within the third record: two whole ones stand before it.
    let record =
        |bytes: &[u8], at: usize| at + 48 + u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let third = record(&bytes, record(&bytes, 64));
    bytes[third + 50] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();

    let mut doctor = doctor(folder.path()).await;
    let report = doctor.examine(false).await.unwrap();
    assert_eq!(report.segments[0].damage.as_ref().unwrap().0, third as u64, "{report:?}");
    assert!(!report.is_well());
    let aside = doctor.set_damaged_segment_aside().await.unwrap().unwrap();
    assert_eq!(std::fs::read(aside.kept.as_ref().unwrap()).unwrap(), bytes, "kept as it was");
    assert_eq!(aside.given_up, (3, 7), "{aside:?}");
    let held: Vec<_> =
        aside.held.iter().map(|held| (held.measurement.as_deref(), held.kind, held.count, held.sequences)).collect();
    assert_eq!(
        held,
        [(None, "deletes", 1, (7, 7)), (Some("m"), "rows", 3, (4, 6)), (Some("other"), "rows", 3, (4, 6))]
    );
    assert_eq!(doctor.set_damaged_segment_aside().await.unwrap(), None);
    assert!(doctor.examine(true).await.unwrap().is_well());
    drop(doctor);
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 2), ("other", 1)]));
    // New records have new sequences, so nothing of them is taken for something that files have.
    write(&engine, "m f=1 9").await;
    drop(engine);
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 3), ("other", 1)]));
    assert_eq!(examine_closed(engine, folder.path()).await.segments[0].first_sequence, Some(8));
}

async fn examine_closed(engine: Engine, folder: &Path) -> Report {
    drop(engine);
    examine(folder, false).await
}

#[tokio::test]
async fn segments_behind_a_damaged_one_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m f=1 1").await;
    drop(engine);
    drop(doctor(folder.path()).await);
    // The same record again and again, each in a segment of its own.
    let (wal, disk) = (folder.path().join("wal"), Arc::new(RealDisk) as Arc<dyn Disk>);
    let mut recovery = recover(&disk, &wal, Sequence::ZERO).unwrap();
    let Some(Ok((_, Record::Write(mut batch)))) = recovery.replay.next() else { panic!("no record") };
    let options = WalOptions { segment_bytes: 1, ..WalOptions::default() };
    let log = Wal::start(disk, &wal, recovery.log, options, Box::new(|_, ()| {})).unwrap();
    for time in 2..=4 {
        batch.tables[0].times = vec![time];
        log.append(EncodedRecord::write(&batch).unwrap(), ()).unwrap().await.unwrap();
    }
    log.close();
    let mut segments: Vec<PathBuf> = std::fs::read_dir(&wal).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert_eq!(segments.len(), 4);
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    bytes[64 + 50] ^= 1;
    std::fs::write(&segments[1], &bytes).unwrap();

    let mut doctor = doctor(folder.path()).await;
    let aside = doctor.set_damaged_segment_aside().await.unwrap().unwrap();
    assert_eq!((aside.given_up, aside.held.len()), ((2, 2), 0), "{aside:?}");
    assert!(doctor.examine(false).await.unwrap().is_well());
    drop(doctor);
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 3)]));
    write(&engine, "m f=1 5").await;
    drop(engine);
    assert_eq!(count(&open(folder.path()).await).await, counts(&[("m", 4)]));
}

#[tokio::test]
async fn a_segment_without_a_header_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m f=1 1").await;
    engine.flush().await.unwrap();
    write(&engine, "m f=1 2").await;
    drop(engine);
    let wal = folder.path().join("wal");
    let segment = std::fs::read_dir(&wal).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let mut doctor = doctor(folder.path()).await;
    let aside = doctor.set_damaged_segment_aside().await.unwrap().unwrap();
    assert!(aside.kept.is_some() && aside.cause.contains("header"), "{aside:?}");
    assert!(doctor.examine(false).await.unwrap().is_well());
    drop(doctor);
    let engine = open(folder.path()).await;
    write(&engine, "m f=1 3").await;
    assert_eq!(count(&engine).await, counts(&[("m", 2)]));
}

#[tokio::test]
async fn a_catalog_is_rebuilt_from_footers_and_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m,t=a f=1,i=-5i,u=18446744073709551615u,s=\"x\",b=true 1\nm,t=b f=2 2\nM,t=a f=1 1").await;
    engine.flush().await.unwrap();
    write(&engine, "m,t=a,late=x f=10 1\nm,t=c f=3 3").await;
    engine.compact().await.unwrap();
    write(&engine, "m,t=d f=4 4").await;
    engine.flush().await.unwrap();
    delete(&engine, (2, 2)).await;
    engine.materialise_deletes().await.unwrap();
    // Only in the log, one of them of a measurement and a field that no file has.
    write(&engine, "m,t=e f=5,fresh=1i 5\nunseen,x=y g=1 6").await;
    let before = count(&engine).await;
    assert_eq!(before, counts(&[("M", 1), ("m", 5), ("unseen", 1)]));
    drop(engine);

    let doctor = doctor(folder.path()).await;
    lose_catalog(folder.path());
    assert!(doctor.examine(false).await.unwrap().catalog_error.is_some());
    let report = doctor.rebuild_catalog().await.unwrap();
    assert_eq!((report.buckets, report.tables, report.files), (1, 3, 3), "{report:?}");
    assert_eq!(report.left_out.len(), 2, "what was merged stays gone: {report:?}");
    assert_eq!(report.lost_deletes.iter().map(|lost| lost.rows).collect::<Vec<_>>(), [1], "{report:?}");
    assert_eq!(report.made_up.len(), 4, "{report:?}");
    assert!(report.old_catalog.as_ref().unwrap().exists());
    let after = doctor.examine(true).await.unwrap();
    assert!(after.is_well(), "{after:?}");
    drop(doctor);

    let engine = open(folder.path()).await;
    engine.replayed().await.unwrap();
    let after = count(&engine).await;
    // The delete is still in the log here, so it holds; the unseen measurement has a name of its own.
    assert_eq!(after.iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [1, 5, 1], "{after:?}");
    assert!(after[2].0.starts_with("recovered~"), "{after:?}");
    write(&engine, "m,t=f f=6 7").await;
    engine.compact().await.unwrap();
    assert_eq!(count(&engine).await[1], ("m".to_owned(), 6));
}

#[tokio::test]
async fn deletes_that_only_the_catalog_knew_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    write(&engine, "m f=1 1\nm f=2 2\nm f=3 3").await;
    engine.flush().await.unwrap();
    delete(&engine, (2, 3)).await;
    engine.materialise_deletes().await.unwrap();
    engine.close().await.unwrap();
    drop(engine);
    for entry in std::fs::read_dir(folder.path().join("wal")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    std::fs::remove_file(folder.path().join("catalog.sqlite")).unwrap();
    let doctor = doctor(folder.path()).await;
    let report = doctor.rebuild_catalog().await.unwrap();
    assert_eq!(report.lost_deletes.len(), 1, "{report:?}");
    assert_eq!((report.lost_deletes[0].rows, &report.lost_deletes[0].table.1), (2, &"m".to_owned()));
    drop(doctor);
    let engine = open(folder.path()).await;
    assert_eq!(count(&engine).await, counts(&[("m", 3)]));
}
