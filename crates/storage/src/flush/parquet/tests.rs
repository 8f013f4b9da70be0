//! Files that are written and read back: every kind of column, sizes, footers.
use std::collections::BTreeMap;

use bytes::Bytes;
use line_protocol::FieldKind;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::buffered::{Chunk, SeriesTable};
use crate::flush::choose_tag_order;
use crate::flush::fixtures::{Model, Point, Random, Value, bucket, buffered, every_kind, schema, values};
use crate::rows::SeriesKeys;
use crate::table::{ColumnKind, StatisticsValue};

async fn write(store: &Store, table: &TableSchema, rows: &BufferedRows) -> Vec<(WrittenFile, Bytes)> {
    let files = write_table(store, &Arc::new(table.clone()), &bucket(), rows, "1/7").await.unwrap();
    let mut read = Vec::new();
    for file in files {
        let object = store.object_store().get(&Path::from(file.path.as_str())).await.unwrap();
        read.push((file, object.bytes().await.unwrap()));
    }
    read
}

fn memory() -> Store {
    Store::new(Arc::new(InMemory::new()))
}

fn read(bytes: &Bytes) -> Vec<Vec<Option<Value>>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
    reader.map(Result::unwrap).flat_map(|batch| values(batch.columns(), batch.num_rows())).collect()
}

fn all_columns(table: &TableSchema) -> Vec<ColumnId> {
    std::iter::once(ColumnId::TIME).chain(table.columns.iter().map(|column| column.id)).collect()
}

fn range_of(values: &[&Value]) -> Option<(StatisticsValue, StatisticsValue)> {
    let wrap = |value: &Value| match value {
        Value::Float(bits) => StatisticsValue::Float(f64::from_bits(*bits)),
        Value::Integer(value) => StatisticsValue::Integer(*value),
        Value::Unsigned(value) => StatisticsValue::Unsigned(*value),
        Value::Boolean(value) => StatisticsValue::Boolean(*value),
        Value::Text(value) => StatisticsValue::Text(value.clone()),
        Value::Time(value) => StatisticsValue::Time(*value),
    };
    values.iter().min().map(|least| wrap(least)).zip(values.iter().max().map(|most| wrap(most)))
}

#[tokio::test]
async fn files_hold_the_rows_in_order_and_say_what_they_are() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut table = every_kind();
        table.measurement = "m\u{0}\n".to_owned();
        let points: Vec<Point> = (0..1 + random.below(400)).map(|_| random.point(&table, (-50, 50))).collect();
        let rows = buffered(&table, &points, 1 + random.below(100) as usize, 12);
        table.tag_order = choose_tag_order(&table, &rows);
        let mut model = Model::default();
        model.write(&points);
        let expected = model.rows(&table, &all_columns(&table));

        let files = write(&memory(), &table, &rows).await;
        let [(file, bytes)] = files.as_slice() else { panic!("one file") };
        assert_eq!(read(bytes), expected, "seed {seed}");
        assert!(file.path.starts_with("1/7/") && file.path.ends_with(".parquet"));
        assert_eq!((file.size_bytes, file.row_count), (bytes.len() as u64, expected.len() as u64));
        let length: [u8; 4] = bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap();
        assert_eq!(file.footer_size_bytes, u64::from(u32::from_le_bytes(length)));
        assert_eq!((file.sequences, file.level), ((Sequence(12), Sequence(12)), 0));
        assert_eq!((file.time_range, &file.sort_tags), (rows.time_range, &table.sort_tags()));

        for (index, statistics) in file.statistics.iter().enumerate() {
            let given: Vec<&Value> = expected.iter().filter_map(|row| row[index].as_ref()).collect();
            assert_eq!(statistics.column, all_columns(&table)[index]);
            assert_eq!(statistics.value_count, given.len() as u64);
            assert_eq!(statistics.null_count, (expected.len() - given.len()) as u64);
            assert_eq!(statistics.range, range_of(&given), "seed {seed}, column {index}");
        }
        let footer = SerializedFileReader::new(bytes.clone()).unwrap();
        let footer = FooterMetadata::decode(footer.metadata().file_metadata()).unwrap();
        assert_eq!((footer.bucket, footer.table), (bucket(), table.table));
        assert_eq!((footer.measurement.as_str(), footer.level), ("m\u{0}\n", 0));
        assert_eq!(footer.columns, FooterColumn::of_schema(&table));
        assert_eq!((footer.sort_tags, footer.sequences), (table.sort_tags(), rows.sequences));
        assert_eq!((footer.time_range, footer.inputs), (rows.time_range, Vec::<String>::new()));
    }
}

#[tokio::test]
async fn columns_have_field_ids_encodings_and_an_order() {
    let mut table = every_kind();
    table.columns.push(crate::table::Column {
        id: ColumnId(9),
        name: "noise".into(),
        kind: ColumnKind::Field(FieldKind::Float),
        physical_name: "noise".into(),
    });
    table.tag_order = vec![ColumnId(5), ColumnId(2)];
    let mut random = Random(5);
    let mut points: Vec<Point> = (0..5000).map(|time| random.point(&table, (time, time))).collect();
    for point in &mut points {
        let noise = f64::from_bits(0x3ff0_0000_0000_0000 | (random.below(u64::MAX) >> 12));
        point.fields.insert(ColumnId(9), Value::Float(noise.to_bits()));
    }
    let files = write(&memory(), &table, &buffered(&table, &points, 1000, 1)).await;
    let reader = SerializedFileReader::new(files[0].1.clone()).unwrap();
    let group = reader.metadata().row_group(0);
    let ids: Vec<i32> = group.columns().iter().map(|c| c.column_descr().self_type().get_basic_info().id()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let has = |leaf: usize, encoding| group.column(leaf).encodings().any(|found| found == encoding);
    for (leaf, encoding, expected) in [
        (0, Encoding::DELTA_BINARY_PACKED, true),
        (1, Encoding::RLE_DICTIONARY, true),
        (2, Encoding::RLE_DICTIONARY, true),
        (3, Encoding::DELTA_BINARY_PACKED, true),
        (5, Encoding::DELTA_BINARY_PACKED, true),
        (7, Encoding::RLE_DICTIONARY, true),
        (8, Encoding::RLE_DICTIONARY, false),
        (8, Encoding::BYTE_STREAM_SPLIT, true),
    ] {
        assert_eq!(has(leaf, encoding), expected, "column {leaf}, {encoding}");
    }
    let order: Vec<(i32, bool)> =
        group.sorting_columns().unwrap().iter().map(|column| (column.column_idx, column.nulls_first)).collect();
    assert_eq!(order, [(4, true), (1, true), (0, false)]);
    assert!(group.column(0).column_index_offset().is_some(), "the page index is on");
}

#[tokio::test]
async fn extreme_times_and_long_strings_survive() {
    let table = schema(&[(2, "t", ColumnKind::Tag), (3, "s", ColumnKind::Field(FieldKind::String))]);
    let limit = i64::MAX - 1;
    let long = |letter: &str| letter.repeat(1 << 20);
    let mut points: Vec<Point> = (0..100)
        .map(|index: i64| Point {
            tags: [(ColumnId(2), "t".repeat(65_000) + &(index % 3).to_string())].into(),
            time: index,
            fields: [(ColumnId(3), Value::Text(long(if index % 2 == 0 { "a" } else { "ü" })))].into(),
        })
        .collect();
    points[0].time = -limit;
    points[1].time = limit;
    let rows = buffered(&table, &points, 7, 1);
    let mut model = Model::default();
    model.write(&points);
    let files = write(&memory(), &table, &rows).await;
    assert_eq!(files[0].0.time_range, (-limit, limit));
    assert_eq!(read(&files[0].1), model.rows(&table, &all_columns(&table)));
    let range = &files[0].0.statistics[2].range;
    assert_eq!(*range, Some((StatisticsValue::Text(long("a")), StatisticsValue::Text(long("ü")))));
    let reader = SerializedFileReader::new(files[0].1.clone()).unwrap();
    assert!(reader.metadata().num_row_groups() > 1, "the text of a row group is bounded");
}

/// Rows of one series at these times.
fn rows_at(times: Vec<i64>) -> BufferedRows {
    let mut keys = SeriesKeys::default();
    keys.push([]);
    let bounds = times.iter().copied().min().zip(times.iter().copied().max());
    BufferedRows {
        series: SeriesTable::new([Arc::new(keys)]),
        row_count: times.len(),
        sequences: (Sequence(1), Sequence(1)),
        deletes_applied: Sequence::ZERO,
        time_range: bounds.unwrap_or((0, 0)),
        chunks: times
            .chunks(10_000)
            .map(|times| Chunk {
                row_series: vec![0; times.len()],
                times: times.to_vec(),
                columns: Vec::new(),
                sequences: vec![(0, Sequence(1))],
            })
            .map(Arc::new)
            .collect(),
    }
}

#[test]
fn large_flushes_are_cut_at_midnight() {
    let check = |days: &[(i64, usize)], expected: &[usize]| {
        let times = days.iter().flat_map(|(day, rows)| (0..*rows as i64).map(move |row| day * DAY_NS + row));
        let rows = rows_at(times.collect());
        let ranges = split_by_day(&rows);
        let counts: Vec<usize> = ranges
            .iter()
            .map(|(first, last)| {
                let days = days.iter().filter(|(day, _)| (first..=last).contains(&&(day * DAY_NS)));
                days.map(|(_, rows)| rows).sum()
            })
            .collect();
        assert_eq!(counts, expected, "{days:?}");
        assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (i64::MIN, i64::MAX));
        for pair in ranges.windows(2) {
            assert_eq!((pair[0].1 + 1, (pair[0].1 + 1).rem_euclid(DAY_NS)), (pair[1].0, 0));
        }
    };
    let file = SPLIT_FILE_ROWS;
    check(&[(0, file), (1, file - 1)], &[2 * file - 1]);
    check(&[(0, 3 * file)], &[3 * file]);
    check(&[(0, file), (1, file)], &[file, file]);
    check(&[(-3, 10), (-1, file), (0, file)], &[file + 10, file]);
    check(&[(0, file), (1, file), (2, 10)], &[file, file + 10]);
    check(&[(0, 2 * file), (106_751, 10)], &[2 * file + 10]);
    let year: Vec<(i64, usize)> = (0..365).map(|day| (day, 6000)).collect();
    let times = year.iter().flat_map(|(day, rows)| (0..*rows as i64).map(move |row| day * DAY_NS + row));
    let files = split_by_day(&rows_at(times.collect())).len();
    assert!((10..=FILES_PER_FLUSH).contains(&files), "{files}");
}

#[tokio::test]
async fn a_cut_flush_writes_each_row_once() {
    let table = schema(&[(2, "v", ColumnKind::Field(FieldKind::Integer))]);
    let mut times: Vec<i64> = (0..SPLIT_FILE_ROWS as i64).collect();
    times.extend((0..SPLIT_FILE_ROWS as i64).map(|row| DAY_NS + row));
    times[5] = i64::MIN + 2;
    let rows = rows_at(times.clone());
    let files = write(&memory(), &table, &rows).await;
    assert_eq!(files.len(), 2);
    let mut read_times: BTreeMap<i64, usize> = BTreeMap::new();
    for (file, bytes) in &files {
        for row in read(bytes) {
            let Some(Value::Time(time)) = row[0] else { panic!("a time") };
            assert!((file.time_range.0..=file.time_range.1).contains(&time));
            *read_times.entry(time).or_default() += 1;
        }
    }
    assert!(read_times.values().all(|count| *count == 1));
    assert_eq!(read_times.len(), times.len());
}

#[tokio::test]
async fn nothing_is_written_for_no_rows_and_a_failing_store_is_an_error() {
    let table = Arc::new(every_kind());
    let none = rows_at(Vec::new());
    assert_eq!(write_table(&memory(), &table, &bucket(), &none, "1").await.unwrap(), []);

    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    let store = Store::local(&root).unwrap();
    std::fs::remove_dir(&root).unwrap();
    std::fs::write(&root, "not a directory").unwrap();
    let error = write_table(&store, &table, &bucket(), &rows_at(vec![1]), "1").await.unwrap_err();
    assert!(matches!(error, FlushError::Store(_)), "{error}");
}
