//! Groups that are merged and read back, against the model of a table.

use std::collections::BTreeMap;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::delete::Tombstones;
use crate::flush::fixtures::{Model, Point, Random, Value, bucket, buffered, data_file, every_kind, values};
use crate::flush::{choose_tag_order, write_table};
use crate::ids::ColumnId;
use crate::scan::{FOOTER_CACHE_BYTES, FooterCache, TableSnapshotParts};
use crate::table::StatisticsValue;

struct Table {
    schema: TableSchema,
    store: Store,
    files: Vec<DataFile>,
    model: Model,
}

impl Table {
    fn new() -> Self {
        let store = Store::new(Arc::new(InMemory::new()));
        Self { schema: every_kind(), store, files: Vec::new(), model: Model::default() }
    }

    async fn flush(&mut self, points: &[Point]) {
        self.model.write(points);
        let rows = buffered(&self.schema, points, 50, self.files.len() as u64 + 1);
        if self.schema.tag_order.is_empty() {
            self.schema.tag_order = choose_tag_order(&self.schema, &rows);
        }
        let schema = Arc::new(self.schema.clone());
        for file in write_table(&self.store, &schema, &bucket(), &rows, "1/7").await.unwrap() {
            self.files.push(data_file(&schema, &file, self.files.len() as i64));
        }
    }

    fn job(&self, cuts: &[i64], writers: usize, cutoff: i64, closing: watch::Receiver<bool>) -> Job {
        let (schema, inputs): (_, Arc<[DataFile]>) = (Arc::new(self.schema.clone()), self.files.clone().into());
        Job {
            store: self.store.clone(),
            bucket: bucket(),
            snapshot: Arc::new(TableSnapshot::new(TableSnapshotParts {
                schema: Arc::clone(&schema),
                files: Arc::clone(&inputs),
                buffers: Vec::new(),
                deletes: Tombstones::default(),
                delete_files: None,
                store: self.store.clone(),
                footers: Arc::new(FooterCache::new(FOOTER_CACHE_BYTES)),
                visible_from: cutoff,
            })),
            schema,
            inputs,
            path_prefix: "1/7/".to_owned(),
            cuts: cuts.to_vec(),
            writers,
            batch_rows: 64,
            closing,
        }
    }

    async fn merge(&self, cuts: &[i64], writers: usize, cutoff: i64) -> Result<Vec<WrittenFile>, CompactionError> {
        let (_open, closing) = watch::channel(false);
        let job = self.job(cuts, writers, cutoff, closing);
        tokio::task::spawn_blocking(move || job.run(&Handle::current())).await.unwrap()
    }

    async fn object_count(&self) -> usize {
        use futures::StreamExt as _;
        self.store.object_store().list(None).count().await
    }
}

fn is_within(value: &Value, range: Option<&(StatisticsValue, StatisticsValue)>) -> bool {
    match (value, range) {
        (Value::Text(text), Some((StatisticsValue::Text(least), StatisticsValue::Text(most)))) => {
            least <= text && text <= most
        }
        (Value::Integer(value), Some((StatisticsValue::Integer(least), StatisticsValue::Integer(most)))) => {
            least <= value && value <= most
        }
        (_, range) => range.is_some(),
    }
}

/// The rows of an output file, after a look at what it says of itself.
async fn read(table: &Table, file: &WrittenFile) -> Vec<Vec<Option<Value>>> {
    let bytes = table.store.object_store().get(&Path::from(file.path.as_str())).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len() as u64, file.size_bytes);
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let footer = FooterMetadata::decode(reader.metadata().file_metadata()).unwrap();
    assert_eq!(footer.level, 1);
    assert_eq!(footer.inputs, table.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
    assert_eq!(footer.sequences, (Sequence(1), Sequence(table.files.len() as u64)));
    assert_eq!((footer.time_range, footer.sort_tags), (file.time_range, file.sort_tags.clone()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let rows: Vec<_> = reader.map(Result::unwrap).flat_map(|batch| values(batch.columns(), batch.num_rows())).collect();
    assert_eq!(rows.len() as u64, file.row_count);
    for (column, statistics) in file.statistics.iter().enumerate() {
        let given: Vec<&Value> = rows.iter().filter_map(|row| row[column].as_ref()).collect();
        assert_eq!(statistics.value_count, given.len() as u64);
        assert!(given.iter().all(|value| is_within(value, statistics.range.as_ref())), "{statistics:?}");
    }
    rows
}

fn columns(table: &TableSchema) -> Vec<ColumnId> {
    std::iter::once(ColumnId::TIME).chain(table.columns.iter().map(|column| column.id)).collect()
}

#[tokio::test]
async fn random_groups_hold_what_the_model_holds() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut table = Table::new();
        for _ in 0..1 + random.below(5) {
            let start = random.below(150) as i64;
            let points: Vec<Point> =
                (0..1 + random.below(300)).map(|_| random.point(&table.schema, (start, start + 80))).collect();
            table.flush(&points).await;
            // Now and then the order of the table's tags changes: files of before are sorted on the way.
            if random.chance(20) {
                table.schema.tag_order.reverse();
            }
        }
        let mut cuts: Vec<i64> = (0..random.below(5)).map(|_| random.below(250) as i64).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let cutoff = if random.chance(30) { random.below(200) as i64 } else { i64::MIN };
        let writers = 1 + random.below(3) as usize;
        let written = table.merge(&cuts, writers, cutoff).await.unwrap();
        let all = table.model.rows(&table.schema, &columns(&table.schema));
        let time = |row: &Vec<Option<Value>>| match &row[0] {
            Some(Value::Time(time)) => *time,
            other => panic!("{other:?} is no time"),
        };
        let mut left: Vec<Vec<Option<Value>>> = all.into_iter().filter(|row| time(row) >= cutoff).collect();
        for file in &written {
            let (first, last) = file.time_range;
            assert!(cuts.iter().all(|cut| *cut <= first || last < *cut), "seed {seed}: {file:?} {cuts:?}");
            let (own, rest) = left.into_iter().partition(|row| (first..=last).contains(&time(row)));
            left = rest;
            assert_eq!(read(&table, file).await, own, "seed {seed}: {:?}", file.time_range);
        }
        assert_eq!(left.len(), 0, "seed {seed}");
    }
}

#[tokio::test]
async fn floats_are_encoded_by_a_sample_as_in_a_flush() {
    let mut table = Table::new();
    // Few distinct values that are long: a dictionary is smallest.
    for start in [0_i64, 3000] {
        let point = |n: i64| Point {
            tags: BTreeMap::new(),
            time: start + n,
            fields: [(ColumnId(3), Value::Float((1.0 / f64::from(3 + (n * n % 7) as i32)).to_bits()))].into(),
        };
        let points: Vec<Point> = (0..3000).map(point).collect();
        table.flush(&points).await;
    }
    let flushed = table.files[0].path.clone();
    let written = table.merge(&[], 1, i64::MIN).await.unwrap();
    let mut encodings = Vec::new();
    for path in [&flushed, &written[0].path] {
        let bytes = table.store.object_store().get(&Path::from(path.as_str())).await.unwrap().bytes().await.unwrap();
        let metadata = SerializedFileReader::new(bytes).unwrap().metadata().clone();
        let column = metadata.row_group(0).columns()[2].clone();
        encodings.push((column.encodings().collect::<Vec<_>>(), column.compression()));
    }
    assert_eq!(encodings[0], encodings[1]);
}

#[tokio::test]
async fn what_fails_or_is_stopped_leaves_nothing() {
    let mut table = Table::new();
    let mut random = Random(5);
    for _ in 0..3 {
        let points: Vec<Point> = (0..200).map(|_| random.point(&table.schema, (0, 100))).collect();
        table.flush(&points).await;
    }
    let (_closing, closed) = watch::channel(true);
    let job = table.job(&[50], 1, i64::MIN, closed);
    let stopped = tokio::task::spawn_blocking(move || job.run(&Handle::current())).await.unwrap();
    assert!(matches!(stopped, Err(CompactionError::Closing)), "{stopped:?}");
    assert_eq!(table.object_count().await, 3);

    // The second of two passes meets a file that is gone.
    let lost = Path::from(table.files[2].path.as_str());
    table.store.object_store().delete(&lost).await.unwrap();
    let failed = table.merge(&[50], 1, i64::MIN).await;
    assert!(matches!(failed, Err(CompactionError::Scan(ScanError::File { .. }))), "{failed:?}");
    assert_eq!(table.object_count().await, 2);
}
