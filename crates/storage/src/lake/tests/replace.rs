//! Files that are replaced, and their way out.

use super::*;
use crate::lake::lifetime::EndedFiles;
use catalog::ManualClock;

const HOUR_NS: i64 = 3_600_000_000_000;

/// A catalog whose clock a test sets, with a table of two files.
async fn two_files() -> (Lake, TableSchema, Vec<crate::table::DataFile>, std::sync::Arc<ManualClock>, TestLake) {
    let test = TestLake::new().await;
    let clock = std::sync::Arc::new(ManualClock::new(0));
    let lake = Lake { database: test.lake.database.clone(), clock: std::sync::Arc::clone(&clock) as _ };
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let mut files = vec![file(&cpu, "a.parquet", 10, (1, 2)), file(&cpu, "b.parquet", 5, (3, 3))];
    for file in &mut files {
        file.statistics = vec![measured(1, &[Some(StatisticsValue::Time(5))])];
    }
    let files = lake.commit_flush(&FlushCommit { files, ..FlushCommit::default() }).await.unwrap();
    (lake, cpu, files, clock, test)
}

fn merged(cpu: &TableSchema, inputs: &[crate::table::DataFile]) -> Replacement {
    let mut output = file(cpu, "m.parquet", 12, (1, 3));
    output.level = 1;
    output.statistics = vec![measured(1, &[Some(StatisticsValue::Time(5))])];
    Replacement { table: cpu.table, inputs: inputs.iter().map(|file| file.file).collect(), outputs: vec![output] }
}

#[tokio::test]
async fn a_replacement_is_one_snapshot_and_older_ones_still_see_the_old_files() {
    let (lake, cpu, files, _, test) = two_files().await;
    let replacement = merged(&cpu, &files);
    assert_eq!(lake.replaced_files(std::slice::from_ref(&replacement)).await.unwrap(), None);
    let named = lake.replace_files(std::slice::from_ref(&replacement)).await.unwrap();
    assert_eq!((named.len(), named[0].len(), named[0][0].file), (1, 1, FileId(2)));
    // The answer may have been lost: the catalog says what was done, and refuses to do it twice.
    assert_eq!(lake.replaced_files(std::slice::from_ref(&replacement)).await.unwrap(), Some(named.clone()));
    let before = dump(&lake).await;
    let again = lake.replace_files(std::slice::from_ref(&replacement)).await.unwrap_err();
    assert!(matches!(again, CommitError::NotCommitted(LakeError::FilesGone(table)) if table == cpu.table), "{again}");
    assert_eq!(dump(&lake).await, before);

    let rows = "SELECT data_file_id || ' ' || begin_snapshot || ' ' || coalesce('' || end_snapshot, '-') || ' ' || \
                row_id_start FROM ducklake_data_file ORDER BY 1";
    assert_eq!(texts(&lake, rows).await, ["0 2 3 0", "1 2 3 10", "2 3 - 15"]);
    let totals = "SELECT record_count || ' ' || next_row_id || ' ' || file_size_bytes FROM ducklake_table_stats";
    assert_eq!(texts(&lake, totals).await, ["12 27 100"]);
    let changes = "SELECT changes_made FROM ducklake_snapshot_changes ORDER BY snapshot_id DESC LIMIT 1";
    assert_eq!(texts(&lake, changes).await, ["deleted_from_table:2,inserted_into_table:2"]);
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.files, named[0]);
}

#[tokio::test]
async fn files_without_successor_and_dropped_tables() {
    let (lake, cpu, files, _, test) = two_files().await;
    let retired = Replacement { table: cpu.table, inputs: vec![files[0].file], outputs: Vec::new() };
    assert_eq!(lake.replace_files(std::slice::from_ref(&retired)).await.unwrap(), [vec![]]);
    assert_eq!(lake.replaced_files(&[retired]).await.unwrap(), Some(vec![vec![]]));
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.files, files[1..]);
    lake.drop_bucket(cpu.bucket).await.unwrap();
    let before = dump(&lake).await;
    let late = lake.replace_files(&[merged(&cpu, &files[1..])]).await.unwrap_err();
    assert!(matches!(late, CommitError::NotCommitted(LakeError::UnknownTable(table)) if table == cpu.table), "{late}");
    assert_eq!(dump(&lake).await, before);
}

async fn scheduled(lake: &Lake) -> Vec<String> {
    lake.scheduled_files().await.unwrap().into_iter().map(|(_, path)| path).collect()
}

#[tokio::test]
async fn files_go_when_no_kept_snapshot_shows_them() {
    let (lake, cpu, files, clock, _test) = two_files().await;
    clock.set_ns(10 * HOUR_NS);
    lake.replace_files(&[merged(&cpu, &files)]).await.unwrap();
    let expire = |hour: i64| lake.expire_snapshots(hour * HOUR_NS, 100 * HOUR_NS);
    // The snapshot of the flush is ten hours old, but it was the newest until now.
    expire(9).await.unwrap();
    assert_eq!(lake.schedule_deletions(10).await.unwrap(), 0);
    assert_eq!(lake.ended_files().await.unwrap(), EndedFiles { count: 2, bytes: 200, scheduled: 0 });
    assert!(expire(11).await.unwrap() > 0);
    assert_eq!(lake.schedule_deletions(1).await.unwrap(), 1);
    assert_eq!(lake.schedule_deletions(10).await.unwrap(), 1);
    let directory = table_directory(cpu.bucket, cpu.table);
    assert_eq!(scheduled(&lake).await, ["a.parquet", "b.parquet"].map(|name| format!("{directory}{name}")));
    assert_eq!(lake.ended_files().await.unwrap(), EndedFiles { count: 0, bytes: 0, scheduled: 2 });
    let named = lake.named_paths().await.unwrap();
    assert_eq!(named.len(), 3, "listed files are named until they are gone: {named:?}");
    assert_eq!(texts(&lake, "SELECT DISTINCT '' || data_file_id FROM ducklake_file_column_stats").await, ["2"]);
    lake.forget_deleted(&[FileId(0), FileId(1)]).await.unwrap();
    assert_eq!(scheduled(&lake).await, [] as [String; 0]);
    // The newest snapshot stays whatever its age.
    expire(99).await.unwrap();
    assert_eq!(texts(&lake, "SELECT '' || snapshot_id FROM ducklake_snapshot").await, ["3"]);
}

#[tokio::test]
async fn snapshots_of_a_wrong_clock_neither_stay_for_ever_nor_take_young_ones_along() {
    let (lake, cpu, _, clock, _test) = two_files().await;
    let mut number = 0;
    for hour in [10, 9000, 11, -500, 12] {
        clock.set_ns(hour * HOUR_NS);
        number += 1;
        let files = vec![file(&cpu, &format!("{number}.parquet"), 1, (9 + number, 9 + number))];
        lake.commit_flush(&FlushCommit { files, ..FlushCommit::default() }).await.unwrap();
    }
    // Snapshots 3 to 7 are of the hours 10, 9000, 11, -500 and 12.
    lake.expire_snapshots(10 * HOUR_NS + 1, 13 * HOUR_NS).await.unwrap();
    let ids = "SELECT '' || snapshot_id FROM ducklake_snapshot ORDER BY snapshot_id";
    assert_eq!(texts(&lake, ids).await, ["4", "5", "6", "7"], "the one before the first young one stays");
    lake.expire_snapshots(11 * HOUR_NS + 1, 13 * HOUR_NS).await.unwrap();
    assert_eq!(texts(&lake, ids).await, ["6", "7"]);
}

#[tokio::test]
async fn a_dropped_bucket_is_forgotten_to_the_last_row() {
    let (lake, cpu, _, clock, test) = two_files().await;
    let kept = Registration {
        buckets: vec![bucket(2, "kept")],
        tables: vec![new_table(2, "cpu", &[("host", TAG)])],
        columns: vec![],
    };
    lake.register(kept).await.unwrap();
    lake.drop_bucket(cpu.bucket).await.unwrap();
    clock.set_ns(10 * HOUR_NS);
    lake.expire_snapshots(5 * HOUR_NS, 11 * HOUR_NS).await.unwrap();
    lake.forget_dropped().await.unwrap();
    assert_eq!(texts(&lake, "SELECT '' || count(*) FROM ducklake_table").await, ["2"], "its files are there yet");
    assert_eq!(lake.schedule_deletions(10).await.unwrap(), 2);
    lake.forget_dropped().await.unwrap();
    for table in ["ducklake_table", "ducklake_column", "ducklake_table_stats", "ducklake_table_column_stats"] {
        let statement = format!("SELECT '' || count(*) FROM {table} WHERE table_id = {}", cpu.table);
        assert_eq!(texts(&lake, statement.leak()).await, ["0"], "{table}");
    }
    assert_eq!(texts(&lake, "SELECT schema_name FROM ducklake_schema ORDER BY 1").await, ["kept", "main"]);
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.tables.len(), 1);
}
