//! Measures what a flush costs: µs a row for sorting and for sorting and writing, and bytes a row in the file, on data
//! like TSBS cpu-only (10 tags, 10 fields, one row a host every 10 s, in order of time).
//!
//! `cargo run --release -p storage --example flush_speed -- [hosts] [rows] [integer|float] [shuffled]`

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first error")]

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use catalog::{BucketId, OrganisationId};
use futures::TryStreamExt;
use line_protocol::FieldKind;
use storage::buffered::{BufferedRows, Chunk, ChunkColumn, SeriesTable};
use storage::flush::{choose_tag_order, write_table};
use storage::ids::{ColumnId, FileId, Sequence, TableId};
use storage::lake::NewDataFile;
use storage::rows::SeriesKeys;
use storage::scan::{FOOTER_CACHE_BYTES, FooterCache, ScanRequest, TableSnapshot, TableSnapshotParts};
use storage::store::Store;
use storage::table::{BucketInfo, Column, ColumnKind, DataFile, TableSchema};

const TAGS: [(&str, u64); 10] = [
    ("hostname", 0),
    ("region", 9),
    ("datacenter", 27),
    ("rack", 100),
    ("os", 3),
    ("arch", 2),
    ("team", 4),
    ("service", 20),
    ("service_version", 2),
    ("service_environment", 3),
];
const FIELDS: i64 = 10;
const CHUNK_ROWS: usize = 5000;
const START_NS: i64 = 1_451_606_400_000_000_000;

/// SplitMix64: the same data in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// About normally distributed around 0 with deviation 1.
    fn step(&mut self) -> f64 {
        let sum: u64 = (0..4).map(|_| self.next() % 1000).sum();
        (sum as f64 - 1998.0) / 577.0
    }
}

fn schema(kind: FieldKind) -> TableSchema {
    let column = |id: i64, name: String, kind| Column { id: ColumnId(id), physical_name: name.clone(), name, kind };
    let mut columns: Vec<Column> =
        TAGS.iter().zip(2..).map(|((name, _), id)| column(id, (*name).to_owned(), ColumnKind::Tag)).collect();
    columns.extend((0..FIELDS).map(|field| column(12 + field, format!("usage_{field}"), ColumnKind::Field(kind))));
    TableSchema {
        table: TableId(1),
        bucket: BucketId::from_u64(1).unwrap(),
        measurement: "cpu".to_owned(),
        columns,
        tag_order: Vec::new(),
    }
}

fn rows(hosts: usize, row_count: usize, kind: FieldKind, shuffled: bool) -> BufferedRows {
    let mut random = Random(1);
    let mut keys = SeriesKeys::default();
    for host in 0..hosts {
        let values: Vec<String> = TAGS
            .iter()
            .map(
                |(name, count)| {
                    if *count == 0 { format!("host_{host}") } else { format!("{name}-{}", random.next() % count) }
                },
            )
            .collect();
        keys.push(values.iter().zip(2..).map(|(value, id)| (ColumnId(id), value.as_str())));
    }
    let mut state = vec![50.0_f64; hosts * FIELDS as usize];
    let mut chunks = Vec::new();
    for first in (0..row_count).step_by(CHUNK_ROWS) {
        let range = first..row_count.min(first + CHUNK_ROWS);
        let mut series: Vec<u32> = range.clone().map(|row| (row % hosts) as u32).collect();
        let mut times: Vec<i64> = range.clone().map(|row| START_NS + (row / hosts) as i64 * 10_000_000_000).collect();
        if shuffled {
            for index in (1..series.len()).rev() {
                let other = (random.next() % (index as u64 + 1)) as usize;
                series.swap(index, other);
                times.swap(index, other);
            }
        }
        let columns = (0..FIELDS).map(|field| {
            let mut next = |series: &u32| {
                let value = &mut state[*series as usize * FIELDS as usize + field as usize];
                *value = (*value + random.step()).clamp(0.0, 100.0);
                *value
            };
            let array: ArrayRef = match kind {
                FieldKind::Float => Arc::new(series.iter().map(|s| Some(next(s))).collect::<Float64Array>()),
                _ => Arc::new(series.iter().map(|s| Some(next(s) as i64)).collect::<Int64Array>()),
            };
            ChunkColumn { column: ColumnId(12 + field), kind, array, rows: None }
        });
        let columns = columns.collect();
        let sequences = vec![(0, Sequence(chunks.len() as u64 + 1))];
        chunks.push(Arc::new(Chunk { row_series: series, times, columns, sequences }));
    }
    BufferedRows {
        series: SeriesTable::new([Arc::new(keys)]),
        sequences: (Sequence(1), Sequence(chunks.len() as u64)),
        deletes_applied: Sequence::ZERO,
        chunks,
        time_range: (START_NS, START_NS + (row_count.saturating_sub(1) / hosts) as i64 * 10_000_000_000),
        row_count,
    }
}

/// The time that `work` takes.
async fn measure<T>(work: impl Future<Output = T>) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "only a duration is measured")]
    let start = std::time::Instant::now();
    let result = work.await;
    (result, start.elapsed())
}

async fn scan(snapshot: &Arc<TableSnapshot>, projection: Option<Vec<usize>>) -> usize {
    let request = ScanRequest { projection, ..ScanRequest::default() };
    let mut row_count = 0;
    for partition in snapshot.scan(request).unwrap().partitions {
        let mut batches = partition.stream();
        while let Some(batch) = batches.try_next().await.unwrap() {
            row_count += batch.num_rows();
        }
    }
    row_count
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| arguments.get(index).map_or(default, |text| text.parse().unwrap());
    let (hosts, row_count) = (number(0, 400), number(1, 700_000));
    let kind = if arguments.iter().any(|text| text == "float") { FieldKind::Float } else { FieldKind::Integer };
    let rows = rows(hosts, row_count, kind, arguments.iter().any(|text| text == "shuffled"));
    let mut schema = schema(kind);
    schema.tag_order = choose_tag_order(&schema, &rows);
    let schema = Arc::new(schema);
    let bucket = BucketInfo {
        organisation: OrganisationId::from_u64(1).unwrap(),
        organisation_name: "o".to_owned(),
        bucket: BucketId::from_u64(1).unwrap(),
        name: "b".to_owned(),
    };
    let directory = std::env::temp_dir().join(format!("flush_speed-{}", std::process::id()));
    let store = Store::local(&directory).unwrap();
    let snapshot = |files: Vec<DataFile>, buffers: Vec<BufferedRows>| {
        Arc::new(TableSnapshot::new(TableSnapshotParts {
            schema: Arc::clone(&schema),
            files: files.into(),
            buffers,
            deletes: Default::default(),
            delete_files: None,
            store: store.clone(),
            footers: Arc::new(FooterCache::new(FOOTER_CACHE_BYTES)),
            visible_from: i64::MIN,
        }))
    };
    let per_row = |duration: Duration| duration.as_secs_f64() * 1e6 / row_count as f64;
    let buffered = snapshot(Vec::new(), vec![rows.clone()]);
    println!("{hosts} hosts, {row_count} rows, {kind:?} fields; µs a row");
    for _ in 0..3 {
        let (_, sort) = measure(scan(&buffered, Some(vec![0]))).await;
        let (_, columns) = measure(scan(&buffered, None)).await;
        let (written, write) = measure(write_table(&store, &schema, &bucket, &rows, "1/1")).await;
        let written = written.unwrap();
        let bytes: u64 = written.iter().map(|file| file.size_bytes).sum();
        let files: Vec<DataFile> =
            written.iter().map(|file| NewDataFile::of(schema.table, file).named(FileId(1))).collect();
        let (read_rows, read) = measure(scan(&snapshot(files.clone(), Vec::new()), None)).await;
        let (merged_rows, merge) = measure(scan(&snapshot(files, vec![rows.clone()]), None)).await;
        println!(
            "sort {:.3}, sort + columns {:.3}, sort + write {:.3}; {} files, {:.2} bytes a row; \
             read {:.3} ({read_rows}), merge with itself {:.3} ({merged_rows})",
            per_row(sort),
            per_row(columns),
            per_row(write),
            written.len(),
            bytes as f64 / row_count as f64,
            per_row(read),
            per_row(merge),
        );
        for statistics in written.iter().flat_map(|file| &file.statistics) {
            if std::env::var_os("COLUMNS_TOO").is_some() {
                println!(
                    "  column {}: {:.2} bytes a row",
                    statistics.column,
                    statistics.size_bytes as f64 / row_count as f64
                );
            }
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
