//! Scans over files and buffers against a slow, obvious model.
use std::collections::BTreeSet;

use futures::TryStreamExt;
use line_protocol::FieldKind;
use object_store::memory::InMemory;

use super::*;
use crate::buffered::BufferedRows;
use crate::delete::{DeleteFilter, TableDelete, Tombstone, Tombstones, without_deleted};
use crate::flush::fixtures::{Model, Point, Random, Value, bucket, buffered, data_file, schema, values};
use crate::flush::{choose_tag_order, write_table};
use crate::ids::{ColumnId, Sequence};
use crate::store::Store;
use crate::table::{Column, ColumnKind, DataFile, TableSchema};

mod series;
mod tags;

type Row = Vec<Option<Value>>;

/// A table that is written, flushed and read.
struct Table {
    schema: TableSchema,
    store: Store,
    /// One for all snapshots, as in an engine.
    footers: Arc<FooterCache>,
    files: Vec<DataFile>,
    buffers: Vec<BufferedRows>,
    tombstones: Vec<Arc<Tombstone>>,
    model: Model,
    sequence: u64,
}

impl Table {
    fn new(schema: TableSchema) -> Self {
        let store = Store::new(Arc::new(InMemory::new()));
        Self {
            schema,
            store,
            footers: Arc::new(FooterCache::new(FOOTER_CACHE_BYTES)),
            files: Vec::new(),
            buffers: Vec::new(),
            tombstones: Vec::new(),
            model: Model::default(),
            sequence: 0,
        }
    }

    fn buffer(&mut self, points: &[Point], chunk_rows: usize) {
        self.sequence += 1;
        self.model.write(points);
        self.buffers.push(buffered(&self.schema, points, chunk_rows, self.sequence));
    }

    fn delete(&mut self, filter: DeleteFilter) {
        self.sequence += 1;
        self.model.delete(&self.schema, &filter);
        let (sequence, bucket) = (Sequence(self.sequence), self.schema.bucket);
        self.tombstones.push(Arc::new(Tombstone { sequence, bucket, filter }));
    }

    async fn flush(&mut self) {
        let deletes = TableDelete::resolve_all(&self.tombstones, &self.schema);
        for rows in std::mem::take(&mut self.buffers) {
            let rows = without_deleted(rows, &deletes).unwrap();
            let rows = BufferedRows { deletes_applied: Sequence(self.sequence), ..rows };
            if self.schema.tag_order.is_empty() {
                self.schema.tag_order = choose_tag_order(&self.schema, &rows);
            }
            let schema = Arc::new(self.schema.clone());
            for file in write_table(&self.store, &schema, &bucket(), &rows, "1/7").await.unwrap() {
                self.files.push(data_file(&schema, &file, self.files.len() as i64));
            }
        }
    }

    fn snapshot(&self) -> Arc<TableSnapshot> {
        self.snapshot_from(i64::MIN)
    }

    fn snapshot_from(&self, visible_from: i64) -> Arc<TableSnapshot> {
        Arc::new(TableSnapshot::new(TableSnapshotParts {
            schema: Arc::new(self.schema.clone()),
            files: self.files.iter().rev().cloned().collect(),
            buffers: self.buffers.clone(),
            deletes: Tombstones { list: self.tombstones.as_slice().into(), through: Sequence(self.sequence) },
            delete_files: None,
            store: self.store.clone(),
            footers: Arc::clone(&self.footers),
            visible_from,
        }))
    }

    /// The rows that a scan should return, in order, as values of the snapshot's columns `columns`.
    fn expected(&self, request: &ScanRequest, snapshot: &TableSnapshot) -> Vec<Row> {
        let ids = &snapshot.query_columns;
        let all: Vec<usize> = (0..ids.len()).collect();
        let projection = request.projection.as_ref().unwrap_or(&all);
        let mut columns: Vec<ColumnId> = projection.iter().map(|index| ids[*index]).collect();
        columns.push(ColumnId::TIME);
        columns.extend(request.tag_filters.iter().map(|filter| ids[filter.column]));
        let wanted = |row: &Row| {
            let Some(Value::Time(time)) = &row[projection.len()] else { panic!("a time") };
            let tags = row[projection.len() + 1..].iter().zip(&request.tag_filters);
            (request.time_range.0..=request.time_range.1).contains(time)
                && tags.into_iter().all(|(tag, filter)| {
                    let value = if let Some(Value::Text(value)) = tag { value.as_str() } else { "" };
                    filter.values.iter().any(|wanted| wanted == value)
                })
        };
        let rows = self.model.rows(&self.schema, &columns).into_iter().filter(wanted);
        rows.map(|row| row[..projection.len()].to_vec()).collect()
    }
}

/// The rows of each partition.
async fn read(snapshot: &Arc<TableSnapshot>, request: &ScanRequest) -> Vec<(bool, Vec<Row>)> {
    let scan = snapshot.scan(request.clone()).unwrap();
    let mut partitions = Vec::new();
    assert!((1..=request.partitions.max(1)).contains(&scan.partitions.len()));
    for partition in scan.partitions {
        let batches: Vec<RecordBatch> = partition.stream().try_collect().await.unwrap();
        let mut rows = Vec::new();
        for batch in &batches {
            assert_eq!(batch.schema(), scan.schema);
            assert!((1..=request.batch_rows).contains(&batch.num_rows()));
            rows.extend(values(batch.columns(), batch.num_rows()));
        }
        assert!(rows.len() as u64 <= partition.row_count_bound());
        partitions.push((partition.sorted, rows));
    }
    partitions
}

async fn check(table: &Table, snapshot: &Arc<TableSnapshot>, request: &ScanRequest, case: &str) {
    let partitions = read(snapshot, request).await;
    let expected = table.expected(request, snapshot);
    for (is_sorted, rows) in &partitions {
        if *is_sorted {
            // A sorted partition is a part of the expected rows in their order.
            let mut rest = expected.iter();
            assert!(rows.iter().all(|row| rest.any(|other| other == row)), "{case}: {request:?} is not sorted");
        }
    }
    let mut found: Vec<Row> = partitions.into_iter().flat_map(|(_, rows)| rows).collect();
    let mut sorted = expected;
    found.sort();
    sorted.sort();
    assert_eq!(found, sorted, "{case}: {request:?}");
}

fn column(id: i64, kind: ColumnKind) -> Column {
    let name = format!("c{id}");
    Column { id: ColumnId(id), physical_name: name.clone(), name, kind }
}

/// A table of several generations: growing schema, files and buffers that overlap or not.
async fn random_table(random: &mut Random, deletes: bool) -> Table {
    const KINDS: [FieldKind; 5] =
        [FieldKind::Float, FieldKind::Integer, FieldKind::Unsigned, FieldKind::Boolean, FieldKind::String];
    let mut table = Table::new(schema(&[(2, "c2", ColumnKind::Tag), (3, "c3", ColumnKind::Field(FieldKind::Float))]));
    let generations = 1 + random.below(6);
    let width = [0, 5, 30][random.below(3) as usize];
    for generation in 0..generations {
        let start = if width == 0 { 10 * generation as i64 } else { random.below(40) as i64 };
        let points: Vec<Point> =
            (0..random.below(120)).map(|_| random.point(&table.schema, (start, start + width.max(9)))).collect();
        if !points.is_empty() {
            table.buffer(&points, 1 + random.below(50) as usize);
        }
        if generation + 1 < generations || random.chance(50) {
            // Up to two buffers stay: one that is being flushed and the active one.
            if table.buffers.len() > 1 || random.chance(70) {
                table.flush().await;
            }
        }
        if deletes {
            for _ in 0..random.below(3) {
                let filter = random.delete_filter(&table.schema, (0, 80));
                table.delete(filter);
            }
        }
        let id = table.schema.columns.len() as i64 + 2;
        if random.chance(40) {
            table.schema.columns.push(column(id, ColumnKind::Tag));
        } else if random.chance(40) {
            table.schema.columns.push(column(id, ColumnKind::Field(KINDS[random.below(5) as usize])));
        }
    }
    table
}

fn random_request(random: &mut Random, snapshot: &TableSnapshot) -> ScanRequest {
    const TAG_VALUES: [&str; 7] = ["", "a", "aa", "b", "ü", "missing", "zz"];
    let columns = snapshot.schema().fields().len() as u64;
    ScanRequest {
        projection: random.chance(70).then(|| (0..random.below(5)).map(|_| random.below(columns) as usize).collect()),
        time_range: if random.chance(50) {
            let first = random.below(70) as i64 - 5;
            (first, first + random.below(30) as i64)
        } else {
            (i64::MIN, i64::MAX)
        },
        tag_filters: if random.chance(40) {
            let tag_count = snapshot.table_schema().tags().count() as u64;
            (0..1 + random.below(2))
                .map(|_| TagFilter {
                    column: 1 + random.below(tag_count) as usize,
                    values: (0..random.below(3)).map(|_| TAG_VALUES[random.below(7) as usize].to_owned()).collect(),
                })
                .collect()
        } else {
            Vec::new()
        },
        limit: None,
        batch_rows: 1 + random.below(40) as usize,
        partitions: random.below(5) as usize,
    }
}

#[tokio::test]
async fn random_tables_read_as_the_model_says() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let table = random_table(&mut random, false).await;
        let snapshot = table.snapshot();
        check(&table, &snapshot, &ScanRequest::default(), &format!("seed {seed}")).await;
        for _ in 0..8 {
            let request = random_request(&mut random, &snapshot);
            check(&table, &snapshot, &request, &format!("seed {seed}")).await;
        }
        let rows = table.expected(&ScanRequest::default(), &snapshot).len() as u64;
        assert!(snapshot.row_count_bound() >= rows);
        assert!(!snapshot.row_count_is_exact() || snapshot.row_count_bound() == rows, "seed {seed}");
    }
}

#[tokio::test]
async fn what_was_deleted_never_comes_and_the_rest_does() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut table = random_table(&mut random, true).await;
        for round in 0..3 {
            let snapshot = table.snapshot();
            let case = format!("seed {seed}, round {round}");
            check(&table, &snapshot, &ScanRequest::default(), &case).await;
            for _ in 0..4 {
                let request = random_request(&mut random, &snapshot);
                check(&table, &snapshot, &request, &case).await;
            }
            let rows = table.expected(&ScanRequest::default(), &snapshot).len() as u64;
            assert!(snapshot.row_count_bound() >= rows);
            assert!(!snapshot.row_count_is_exact() || snapshot.row_count_bound() == rows, "{case}");
            // A delete over what is there, then new values of the same points.
            let filter = random.delete_filter(&table.schema, (0, 80));
            table.delete(filter);
            if random.chance(50) {
                let points: Vec<Point> = (0..random.below(20)).map(|_| random.point(&table.schema, (0, 60))).collect();
                if !points.is_empty() {
                    table.buffer(&points, 7);
                }
            }
            if random.chance(30) {
                table.flush().await;
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_as_a_whole_is_not_opened() {
    let mut table = Table::new(schema(&[(2, "c2", ColumnKind::Tag), (3, "c3", ColumnKind::Field(FieldKind::Float))]));
    let points: Vec<Point> = (10..20).map(|time| Random(7).point(&table.schema, (time, time))).collect();
    table.buffer(&points, 5);
    table.flush().await;
    table.delete(DeleteFilter { time_range: (10, 19), terms: Vec::new() });
    table.files[0].path = "gone".to_owned();
    assert_eq!(read(&table.snapshot(), &ScanRequest::default()).await, [(true, vec![])]);
    assert!(!table.snapshot().row_count_is_exact());
    // A file that has applied the delete has what was written later.
    table.files[0].deletes_applied = Sequence(table.sequence);
    assert!(table.snapshot().row_count_is_exact());
}

#[tokio::test]
async fn files_in_another_tag_order_are_sorted_when_they_are_merged() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let tags = [(2, "a", ColumnKind::Tag), (3, "b", ColumnKind::Tag)];
        let mut table = Table::new(schema(&[tags[0], tags[1], (4, "v", ColumnKind::Field(FieldKind::Integer))]));
        for order in [[2, 3], [3, 2], [2, 3]] {
            table.schema.tag_order = order.map(ColumnId).to_vec();
            let points: Vec<Point> = (0..100).map(|_| random.point(&table.schema, (0, 30))).collect();
            table.buffer(&points, 20);
            table.flush().await;
        }
        let snapshot = table.snapshot();
        for _ in 0..5 {
            check(&table, &snapshot, &random_request(&mut random, &snapshot), &format!("seed {seed}")).await;
        }
        let mut alone = Table::new(table.schema.clone());
        (alone.store, alone.files) = (table.store.clone(), vec![table.files[1].clone()]);
        let scan = alone.snapshot().scan(ScanRequest::default()).unwrap();
        assert!(!scan.partitions[0].sorted, "a file of another order that stands alone is not sorted");
    }
}

#[tokio::test]
async fn large_files_are_pruned_by_row_group_and_page_without_losing_rows() {
    let mut table = Table::new(schema(&[
        (2, "host", ColumnKind::Tag),
        (3, "v", ColumnKind::Field(FieldKind::Integer)),
        (4, "s", ColumnKind::Field(FieldKind::String)),
    ]));
    let hosts = 30;
    let points: Vec<Point> = (0..300_000_i64)
        .map(|row| Point {
            tags: [(ColumnId(2), format!("h{:02}", row % hosts))].into(),
            time: row / hosts,
            fields: [
                (ColumnId(3), Value::Integer(row)),
                (ColumnId(4), Value::Text(if row % 7 == 0 { "seven".to_owned() } else { String::new() })),
            ]
            .into(),
        })
        .collect();
    table.buffer(&points, 5000);
    table.flush().await;
    let snapshot = table.snapshot();
    let filter = |values: &[&str]| {
        vec![TagFilter { column: 1, values: values.iter().map(|value| (*value).to_owned()).collect() }]
    };
    for (time_range, tag_filters) in [
        ((0, i64::MAX), vec![]),
        ((100, 120), vec![]),
        ((9_990, 20_000), filter(&["h07"])),
        ((0, 0), filter(&["h00", "h29"])),
        ((0, i64::MAX), filter(&["h15"])),
        ((0, i64::MAX), filter(&["nobody", ""])),
        ((10_000, 20_000), vec![]),
    ] {
        let request = ScanRequest { time_range, tag_filters, partitions: 3, ..ScanRequest::default() };
        check(&table, &snapshot, &request, "large").await;
    }
    assert_eq!(snapshot.scan(ScanRequest { partitions: 9, ..ScanRequest::default() }).unwrap().partitions.len(), 3);
    assert!(snapshot.row_count_is_exact());
    // The same rows again: every point is merged.
    table.buffer(&points[..100_000], 5000);
    check(&table, &table.snapshot(), &ScanRequest::default(), "merged").await;
}

#[tokio::test]
async fn long_strings_are_read_and_merged_in_small_batches() {
    let mut table = Table::new(schema(&[(2, "t", ColumnKind::Tag), (3, "s", ColumnKind::Field(FieldKind::String))]));
    let point = |time: i64, letter: &str| Point {
        tags: [(ColumnId(2), "t".repeat(65_000))].into(),
        time,
        fields: [(ColumnId(3), Value::Text(letter.repeat(1 << 20)))].into(),
    };
    let points: Vec<Point> = (0..80).map(|time| point(time, "a")).collect();
    table.buffer(&points, 10);
    table.flush().await;
    let later: Vec<Point> = (0..80).map(|time| point(time * 2, "b")).collect();
    table.buffer(&later, 10);
    let snapshot = table.snapshot();
    let scan = snapshot.scan(ScanRequest::default()).unwrap();
    let batches: Vec<RecordBatch> = scan.partitions[0].stream().try_collect().await.unwrap();
    assert!(batches.len() > 1 && batches.iter().all(|batch| batch.get_array_memory_size() < 256 << 20));
    check(&table, &snapshot, &ScanRequest::default(), "long").await;
}

#[tokio::test]
async fn limits_stop_and_retention_hides() {
    let mut random = Random(4);
    let mut table = random_table(&mut random, false).await;
    table.buffer(&(0..100).map(|_| random.point(&table.schema, (0, 60))).collect::<Vec<_>>(), 9);
    let snapshot = table.snapshot();
    let total = table.expected(&ScanRequest::default(), &snapshot).len();
    for limit in [0, 1, 7, total, total + 5] {
        let request = ScanRequest { limit: Some(limit), batch_rows: 5, ..ScanRequest::default() };
        let rows: Vec<Row> = read(&snapshot, &request).await.into_iter().flat_map(|(_, rows)| rows).collect();
        assert_eq!(rows.len(), limit.min(total));
    }
    let visible = read(&table.snapshot_from(25), &ScanRequest::default()).await;
    let expected = table.expected(&ScanRequest { time_range: (25, i64::MAX), ..ScanRequest::default() }, &snapshot);
    assert!(expected.len() < total);
    let found: BTreeSet<Row> = visible.into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(found, expected.into_iter().collect());
    assert!(!table.snapshot_from(25).row_count_is_exact());
}

#[tokio::test]
async fn an_empty_table_has_one_empty_partition() {
    let table = Table::new(schema(&[(2, "t", ColumnKind::Tag)]));
    let snapshot = table.snapshot();
    assert_eq!(read(&snapshot, &ScanRequest::default()).await, [(true, vec![])]);
    assert!(snapshot.row_count_is_exact());
    assert_eq!(snapshot.row_count_bound(), 0);
}

#[tokio::test]
async fn bad_requests_and_bad_files_are_errors() {
    let mut table = Table::new(schema(&[(2, "t", ColumnKind::Tag), (3, "v", ColumnKind::Field(FieldKind::Boolean))]));
    table.buffer(&[Random(1).point(&table.schema, (0, 9))], 1);
    table.flush().await;
    let snapshot = table.snapshot();
    let request = |projection: Option<Vec<usize>>, column: Option<usize>| ScanRequest {
        projection,
        tag_filters: column.into_iter().map(|column| TagFilter { column, values: vec![] }).collect(),
        ..ScanRequest::default()
    };
    assert!(matches!(snapshot.scan(request(Some(vec![3]), None)), Err(ScanError::NoColumn { index: 3 })));
    assert!(matches!(snapshot.scan(request(None, Some(9))), Err(ScanError::NoColumn { index: 9 })));
    assert!(matches!(snapshot.scan(request(None, Some(2))), Err(ScanError::NoTag { index: 2 })));
    assert!(matches!(snapshot.scan(request(None, Some(0))), Err(ScanError::NoTag { index: 0 })));

    table.files[0].path = "gone".to_owned();
    let scan = table.snapshot().scan(ScanRequest::default()).unwrap();
    let error = scan.partitions[0].stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(&error, ScanError::File { path, .. } if &**path == "gone"), "{error}");
}

#[test]
fn query_columns_are_time_then_tags_then_fields_with_distinct_names() {
    let field = ColumnKind::Field(FieldKind::Float);
    let table = Table::new(schema(&[
        (2, "z", ColumnKind::Tag),
        (3, "x", field),
        (4, "x", ColumnKind::Tag),
        (5, "a", field),
        (6, "x::field", field),
        (7, "A", ColumnKind::Tag),
    ]));
    let snapshot = table.snapshot();
    let names: Vec<String> = snapshot.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["time", "A", "x", "z", "a", "x::field::field", "x::field"]);
    assert_eq!(snapshot.query_columns, [1, 7, 4, 2, 5, 3, 6].map(ColumnId));
    let snapshot = Snapshot::new([TableSnapshot::new(snapshot.parts.clone())]);
    assert!(snapshot.table("m").is_some() && snapshot.table("M").is_none());
    assert_eq!(snapshot.tables().count(), 1);
}

#[tokio::test]
async fn the_footer_cache_stays_within_its_bound() {
    let mut table = Table::new(schema(&[(2, "v", ColumnKind::Field(FieldKind::Boolean))]));
    for time in 0..20 {
        table.buffer(&[Random(1).point(&table.schema, (time, time))], 1);
        table.flush().await;
    }
    let check_capacity = async |capacity: u64| {
        let footers = Arc::new(FooterCache::new(capacity));
        let parts = TableSnapshotParts { footers: Arc::clone(&footers), ..table.snapshot().parts.clone() };
        let snapshot = Arc::new(TableSnapshot::new(parts));
        for _ in 0..2 {
            assert_eq!(read(&snapshot, &ScanRequest::default()).await[0].1.len(), 20);
            assert!(footers.size_bytes() <= capacity);
        }
        footers.size_bytes()
    };
    let all = check_capacity(FOOTER_CACHE_BYTES).await;
    assert!(all > 0);
    assert!(check_capacity(all / 2).await > 0);
    assert_eq!(check_capacity(10).await, 0);
}
