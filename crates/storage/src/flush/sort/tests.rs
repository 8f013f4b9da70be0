//! Sorting and merging of duplicates against a slow, obvious model.
use crate::flush::fixtures::{Model, Point, Random, Value, buffered, every_kind, schema, values};
use crate::table::ColumnKind;
use arrow::array::AsArray as _;
use line_protocol::FieldKind;

use super::*;

const ALL_TIME: (i64, i64) = (i64::MIN, i64::MAX);

fn sort(schema: &TableSchema, rows: BufferedRows, time_range: (i64, i64)) -> SortedRows {
    let order = Arc::new(SeriesOrder::new(schema, &rows.series, |_| true));
    SortedRows::sort(Arc::new(schema.clone()), rows, order, time_range).unwrap()
}

fn all_columns(schema: &TableSchema) -> Vec<ColumnId> {
    std::iter::once(ColumnId::TIME).chain(schema.columns.iter().map(|column| column.id)).collect()
}

fn read(sorted: &SortedRows, columns: &[ColumnId], batch_rows: usize) -> Vec<Vec<Option<Value>>> {
    let bounds = sorted.batch_bounds(batch_rows, usize::MAX);
    let batch = |pair: &[usize]| values(&sorted.columns(pair[0]..pair[1], columns).unwrap(), pair[1] - pair[0]);
    bounds.windows(2).flat_map(batch).collect()
}

#[test]
fn random_rows_come_in_the_order_of_the_model() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut table = every_kind();
        if random.chance(50) {
            table.tag_order = vec![ColumnId(5), ColumnId(2)];
        }
        let count = random.below(200);
        let points: Vec<Point> = (0..count).map(|_| random.point(&table, (0, 40))).collect();
        let rows = buffered(&table, &points, 1 + random.below(60) as usize, 1);
        let mut model = Model::default();
        model.write(&points);
        let columns = all_columns(&table);
        let sorted = sort(&table, rows.clone(), ALL_TIME);
        let expected = model.rows(&table, &columns);
        assert_eq!(sorted.len(), expected.len(), "seed {seed}");
        assert_eq!(read(&sorted, &columns, 1 + random.below(50) as usize), expected, "seed {seed}");

        model.points.retain(|(_, time), _| (10..=20).contains(time));
        let sorted = sort(&table, rows, (10, 20));
        assert_eq!(read(&sorted, &columns, 1000), model.rows(&table, &columns), "seed {seed}");
    }
}

#[test]
fn the_paths_for_sorted_late_and_repeated_rows_agree() {
    let table = every_kind();
    let mut random = Random(3);
    let mut points: Vec<Point> = (0..500).map(|time| random.point(&table, (time, time))).collect();
    let columns = all_columns(&table);
    let in_order = sort(&table, buffered(&table, &points, 64, 1), ALL_TIME);
    assert!(in_order.groups.is_none(), "no row comes twice");
    let expected = read(&in_order, &columns, 100);

    points.reverse();
    let late = sort(&table, buffered(&table, &points, 64, 1), ALL_TIME);
    assert!(late.groups.is_none());
    assert_eq!(read(&late, &columns, 100), expected);

    let twice: Vec<Point> = points.iter().chain(&points).cloned().collect();
    let repeated = sort(&table, buffered(&table, &twice, 64, 1), ALL_TIME);
    assert!(repeated.groups.is_some());
    assert_eq!(read(&repeated, &columns, 100), expected);
}

#[test]
fn later_values_win_and_nulls_do_not() {
    let table =
        schema(&[(2, "a", ColumnKind::Field(FieldKind::Integer)), (3, "b", ColumnKind::Field(FieldKind::Integer))]);
    let point = |fields: &[(i64, i64)]| Point {
        tags: [].into(),
        time: 5,
        fields: fields.iter().map(|(id, value)| (ColumnId(*id), Value::Integer(*value))).collect(),
    };
    let points = [point(&[(2, 1), (3, 1)]), point(&[(2, 2)]), point(&[(3, 3)])];
    for chunk_rows in [1, 2, 3] {
        let sorted = sort(&table, buffered(&table, &points, chunk_rows, 1), ALL_TIME);
        let expected = vec![vec![Some(Value::Integer(2)), Some(Value::Integer(3)), Some(Value::Time(5))]];
        assert_eq!(read(&sorted, &[2, 3, 1].map(ColumnId), 10), expected);
    }
}

#[test]
fn only_selected_series_are_sorted() {
    let table = every_kind();
    let mut random = Random(9);
    let points: Vec<Point> = (0..300).map(|_| random.point(&table, (0, 40))).collect();
    let rows = buffered(&table, &points, 50, 1);
    let wanted = |key: &[u8]| series_key_tags(key).any(|(column, value)| column == ColumnId(2) && value == "aa");
    let order = Arc::new(SeriesOrder::new(&table, &rows.series, wanted));
    let sorted = SortedRows::sort(Arc::new(table.clone()), rows, order, ALL_TIME).unwrap();
    let mut model = Model::default();
    model.write(&points);
    model.points.retain(|(tags, _), _| tags.get(&ColumnId(2)).is_some_and(|value| value == "aa"));
    assert!(!model.points.is_empty());
    assert_eq!(read(&sorted, &all_columns(&table), 100), model.rows(&table, &all_columns(&table)));
}

#[test]
fn the_tag_order_is_rising_cardinality_then_name() {
    let table = schema(&[
        (2, "many", ColumnKind::Tag),
        (3, "b", ColumnKind::Tag),
        (4, "v", ColumnKind::Field(FieldKind::Boolean)),
        (5, "a", ColumnKind::Tag),
        (6, "never", ColumnKind::Tag),
    ]);
    let points: Vec<Point> = (0..12)
        .map(|index: i64| Point {
            tags: [(2, index), (3, index % 2), (5, index % 2)].map(|(id, v)| (ColumnId(id), v.to_string())).into(),
            time: index,
            fields: [(ColumnId(4), Value::Boolean(true))].into(),
        })
        .collect();
    let rows = buffered(&table, &points, 5, 1);
    assert_eq!(choose_tag_order(&table, &rows), [6, 5, 3, 2].map(ColumnId));
}

#[test]
fn batches_are_bounded_by_rows_and_by_text() {
    let table = schema(&[(2, "s", ColumnKind::Field(FieldKind::String))]);
    let point = |time: i64, len: usize| Point {
        tags: [].into(),
        time,
        fields: [(ColumnId(2), Value::Text("x".repeat(len)))].into(),
    };
    let check = |lengths: &[usize], row_limit, text_limit, expected: &[usize]| {
        let points: Vec<Point> = lengths.iter().zip(0..).map(|(len, time)| point(time, *len)).collect();
        let sorted = sort(&table, buffered(&table, &points, 2, 1), ALL_TIME);
        assert_eq!(sorted.batch_bounds(row_limit, text_limit), expected, "{lengths:?}");
    };
    check(&[1, 1, 1, 1, 1], 2, 100, &[0, 2, 4, 5]);
    check(&[1, 1, 1, 1], 2, 100, &[0, 2, 4]);
    check(&[60, 50, 50, 200, 1], 10, 100, &[0, 1, 3, 4, 5]);
    check(&[], 10, 100, &[0]);
    let wide = every_kind();
    let points: Vec<Point> = (0..10).map(|time| Random(1).point(&wide, (time, time))).collect();
    assert_eq!(sort(&wide, buffered(&wide, &points, 3, 1), ALL_TIME).batch_bounds(4, usize::MAX), [0, 4, 8, 10]);
}

/// Grouping by a tag with a million values took minutes: each batch brought all of them.
#[test]
fn a_batch_brings_no_more_tag_values_than_it_has_rows() {
    let table = schema(&[(2, "many", ColumnKind::Tag), (3, "v", ColumnKind::Field(FieldKind::Boolean))]);
    let point = |index: i64| Point {
        tags: if index == 50 { [].into() } else { [(ColumnId(2), format!("{index:03}"))].into() },
        time: index % 7,
        fields: [(ColumnId(3), Value::Boolean(true))].into(),
    };
    let points: Vec<Point> = (0..100).map(point).collect();
    let sorted = sort(&table, buffered(&table, &points, 9, 1), ALL_TIME);
    let mut model = Model::default();
    model.write(&points);
    let columns = all_columns(&table);
    let expected = model.rows(&table, &columns);
    for batch_rows in [1, 3, 99, 100] {
        for pair in sorted.batch_bounds(batch_rows, usize::MAX).windows(2) {
            let tag = sorted.columns(pair[0]..pair[1], &[ColumnId(2)]).unwrap().remove(0);
            let values = tag.as_dictionary::<Int32Type>().values().len();
            assert!(values <= batch_rows, "{values} values in {batch_rows} rows");
        }
        assert_eq!(read(&sorted, &columns, batch_rows), expected, "{batch_rows}");
    }
}
