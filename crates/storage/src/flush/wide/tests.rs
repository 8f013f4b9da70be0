//! Wide files that are written and read back, by rows and by columns, against the model of a table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use bytes::Bytes;
use line_protocol::FieldKind;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;
use crate::flush::fixtures::{Model, Point, Random, Value, bucket, buffered, schema, values};
use crate::flush::sort::{SeriesOrder, SortedRows};
use crate::flush::{FooterColumn, FooterMetadata, choose_tag_order};
use crate::ids::{ColumnId, Sequence};
use crate::table::{ColumnKind, TableSchema};

const FIELDS: i64 = 300;

/// A tag, and fields of all types.
fn table() -> TableSchema {
    let kinds = [FieldKind::Float, FieldKind::Integer, FieldKind::Unsigned, FieldKind::Boolean, FieldKind::String];
    let mut columns = vec![(2, "host", ColumnKind::Tag)];
    columns.extend((0..FIELDS).map(|field| (3 + field, "f", ColumnKind::Field(kinds[field as usize % 5]))));
    schema(&columns)
}

/// Points with a few of the fields each, and one that all have.
fn points(random: &mut Random, table: &TableSchema, count: i64) -> Vec<Point> {
    let fields: Vec<(ColumnId, FieldKind)> = table
        .fields()
        .filter_map(|field| match field.kind {
            ColumnKind::Field(kind) => Some((field.id, kind)),
            ColumnKind::Tag => None,
        })
        .collect();
    let point = |_| {
        let mut given = BTreeMap::from([(fields[0].0, random.value(fields[0].1))]);
        for _ in 0..8 {
            let (id, kind) = fields[random.below(fields.len() as u64) as usize];
            given.insert(id, random.value(kind));
        }
        let tags = BTreeMap::from([(ColumnId(2), ["a", "b", "c"][random.below(3) as usize].to_owned())]);
        Point { tags, time: random.below(count as u64) as i64, fields: given }
    };
    (0..count).map(point).collect()
}

fn read(bytes: &Bytes) -> Vec<Vec<Option<Value>>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().build().unwrap();
    reader.map(Result::unwrap).flat_map(|batch| values(batch.columns(), batch.num_rows())).collect()
}

#[test]
fn wide_rows_come_back_whichever_way_they_are_written() {
    assert!(is_wide(FIELDS as usize) && !is_wide(WIDE_COLUMNS));
    for (seed, count) in [(1, 1), (2, 700), (3, 2500)] {
        let mut random = Random(seed);
        let mut table = table();
        let points = points(&mut random, &table, count);
        let rows = buffered(&table, &points, 97, 12);
        table.tag_order = choose_tag_order(&table, &rows);
        let mut model = Model::default();
        model.write(&points);
        let columns: Vec<ColumnId> =
            std::iter::once(ColumnId::TIME).chain(table.columns.iter().map(|column| column.id)).collect();
        let expected = model.rows(&table, &columns);

        let order = Arc::new(SeriesOrder::new(&table, &rows.series, |_| true));
        let shared = Arc::new(table.clone());
        let sorted = SortedRows::sort(shared, rows, order, (i64::MIN, i64::MAX)).unwrap();
        let footer = FooterMetadata {
            bucket: bucket(),
            table: table.table,
            measurement: table.measurement.clone(),
            columns: FooterColumn::of_schema(&table),
            sort_tags: table.sort_tags(),
            sequences: (Sequence(12), Sequence(12)),
            time_range: (0, count),
            deletes_applied: Sequence(12),
            level: 0,
            inputs: Vec::new(),
        };
        let (by_column, statistics) = encode::encode_rows(&table, &sorted, &footer, Vec::new()).unwrap();
        let by_column = Bytes::from(by_column);
        assert_eq!(read(&by_column), expected, "seed {seed}");

        let mut encoder = encode::FileEncoder::new(&table, &footer.sort_tags, &Vec::new(), Vec::new()).unwrap();
        for start in (0..sorted.len()).step_by(64) {
            encoder.write(sorted.columns(start..start + 64, &columns).unwrap()).unwrap();
        }
        let (by_row, statistics_by_row) = encoder.finish(&footer).unwrap();
        let by_row = Bytes::from(by_row);
        assert_eq!(read(&by_row), expected, "seed {seed}");
        for (one, other) in statistics.iter().zip(&statistics_by_row) {
            assert_eq!(
                (one.value_count, one.null_count, &one.range),
                (other.value_count, other.null_count, &other.range)
            );
        }
        let reader = SerializedFileReader::new(by_row).unwrap();
        let decoded = FooterMetadata::decode(reader.metadata().file_metadata()).unwrap();
        assert_eq!(decoded.sort_tags, footer.sort_tags);
        let group = reader.metadata().row_group(0);
        assert!(group.sorting_columns().is_some_and(|sorting| sorting.len() == 2));
        assert_eq!(group.column(5).compression(), Compression::UNCOMPRESSED);
    }
}

/// What is gathered for a row group follows the values, and not rows × columns.
#[test]
fn rows_of_few_values_are_gathered_in_little_memory() {
    let mut random = Random(9);
    let table = table();
    let points = points(&mut random, &table, 4_000);
    let rows = buffered(&table, &points, 500, 1);
    let order = Arc::new(SeriesOrder::new(&table, &rows.series, |_| true));
    let sorted = SortedRows::sort(Arc::new(table.clone()), rows, order, (i64::MIN, i64::MAX)).unwrap();
    let columns: Vec<ColumnId> =
        std::iter::once(ColumnId::TIME).chain(table.columns.iter().map(|column| column.id)).collect();
    let mut writer = WideWriter::new(table.physical_schema(), Vec::new(), Vec::new()).unwrap();
    // Several times what the values take, and less than their pieces do before they are joined.
    writer.size_bytes_max = 2 << 20;
    for start in (0..sorted.len()).step_by(64) {
        writer.write(sorted.columns(start..start + 64, &columns).unwrap()).unwrap();
    }
    let dense_bytes = sorted.len() * columns.len() * 8;
    assert!(writer.size_bytes < dense_bytes / 4, "{} of {dense_bytes}", writer.size_bytes);
    assert_eq!(writer.end_rows(Vec::new()).unwrap().len(), 1, "row groups");
}
