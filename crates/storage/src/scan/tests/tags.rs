//! Values of tags and numbers of series are those of the model, from files, from buffers and from what is kept.
use arrow::array::Array;

use super::*;

/// The distinct values of columns in the rows of the model within those times.
fn distinct(table: &Table, snapshot: &TableSnapshot, columns: &[usize], time_range: (i64, i64)) -> BTreeSet<Row> {
    let request = ScanRequest { projection: Some(columns.to_vec()), time_range, ..ScanRequest::default() };
    table.expected(&request, snapshot).into_iter().collect()
}

async fn tag_values(snapshot: &Arc<TableSnapshot>, tag: usize, time_range: (i64, i64)) -> Vec<String> {
    let mut scan = snapshot.tag_values(tag, time_range).unwrap();
    let mut lists = Vec::new();
    while let Some(list) = scan.next().await.unwrap() {
        let texts: Vec<&str> = list.iter().flatten().collect();
        assert!(texts.len() == list.len() && texts.is_sorted_by(|before, text| before < text));
        lists.push(list);
    }
    merge_tag_values(lists).iter().flatten().map(str::to_owned).collect()
}

async fn check_tags(table: &Table, visible_from: i64, random: &mut Random, case: &str) {
    let snapshot = table.snapshot_from(visible_from);
    let tags: Vec<usize> = (1..=snapshot.table_schema().tags().count()).collect();
    let first = random.below(70) as i64 - 5;
    for time_range in [(i64::MIN, i64::MAX), (first, first + random.below(60) as i64), (first, i64::MAX)] {
        let within = (time_range.0.max(visible_from), time_range.1);
        for tag in &tags {
            let expected: Vec<String> = distinct(table, &snapshot, &[*tag], within)
                .into_iter()
                .filter_map(
                    |row| if let [Some(Value::Text(text))] = row.as_slice() { Some(text.clone()) } else { None },
                )
                .collect();
            assert_eq!(tag_values(&snapshot, *tag, time_range).await, expected, "{case}: {tag} {time_range:?}");
        }
        let request = ScanRequest {
            projection: Some(tags.clone()),
            time_range,
            batch_rows: 1 + random.below(40) as usize,
            partitions: 1 + random.below(3) as usize,
            ..ScanRequest::default()
        };
        let mut found = BTreeSet::new();
        for partition in snapshot.scan_tags(&request).unwrap().partitions {
            let batches: Vec<RecordBatch> = partition.stream().try_collect().await.unwrap();
            found.extend(batches.iter().flat_map(|batch| values(batch.columns(), batch.num_rows())));
        }
        assert_eq!(found, distinct(table, &snapshot, &tags, within), "{case}: {time_range:?}");
    }
    let series = distinct(table, &snapshot, &tags, (visible_from, i64::MAX)).len() as u64;
    assert_eq!(snapshot.series_sketch().await.unwrap().estimate(), series, "{case}");
}

#[tokio::test]
async fn tags_are_those_of_the_model_after_deletes_and_retention() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut table = random_table(&mut random, seed % 2 == 0).await;
        for round in 0..4 {
            let case = format!("seed {seed}, round {round}");
            // The second time what is kept answers.
            for visible_from in [i64::MIN, i64::MIN, random.below(60) as i64] {
                check_tags(&table, visible_from, &mut random, &case).await;
            }
            if random.chance(60) {
                let points: Vec<Point> =
                    (0..1 + random.below(9)).map(|_| random.point(&table.schema, (0, 60))).collect();
                table.buffer(&points, 7);
            }
            if seed % 2 == 0 && random.chance(50) {
                let filter = random.delete_filter(&table.schema, (0, 80));
                table.delete(filter);
            }
            if random.chance(50) {
                table.flush().await;
            }
        }
    }
}

/// Values of which some row groups have too many for a dictionary.
#[tokio::test]
async fn values_that_outgrow_their_dictionary_are_all_there() {
    let mut table = Table::new(schema(&[
        (2, "host", ColumnKind::Tag),
        (3, "region", ColumnKind::Tag),
        (4, "v", ColumnKind::Field(FieldKind::Integer)),
    ]));
    let host = |row: i64| format!("a_name_that_takes_more_than_a_few_bytes_{:06}", row * 7 % 200_000);
    let points: Vec<Point> = (0..200_000_i64)
        .map(|row| Point {
            tags: [(ColumnId(2), host(row)), (ColumnId(3), format!("r{}", row % 3))].into(),
            time: row,
            fields: [(ColumnId(4), Value::Integer(row))].into(),
        })
        .collect();
    table.buffer(&points, 5000);
    let snapshots = [table.snapshot(), {
        table.flush().await;
        table.snapshot()
    }];
    for snapshot in snapshots {
        for _ in 0..2 {
            let mut hosts: Vec<String> = (0..200_000).map(host).collect();
            hosts.sort();
            assert!(tag_values(&snapshot, 1, (i64::MIN, i64::MAX)).await == hosts);
            assert_eq!(tag_values(&snapshot, 2, (i64::MIN, i64::MAX)).await, ["r0", "r1", "r2"]);
            assert_eq!(tag_values(&snapshot, 2, (7, 7)).await, ["r1"]);
            let estimate = snapshot.series_sketch().await.unwrap().estimate();
            assert!((194_000..206_000).contains(&estimate), "{estimate}");
        }
    }
    assert!(table.footers.tag_values(table.files[0].file, ColumnId(2)).is_some(), "they are kept");
}

/// What is kept of a file counts into the cache's bound, and is given up for it.
#[tokio::test]
async fn kept_tags_stay_within_the_bound_of_the_cache() {
    let mut table = Table::new(schema(&[(2, "t", ColumnKind::Tag), (3, "v", ColumnKind::Field(FieldKind::Boolean))]));
    let points: Vec<Point> = (0..500).map(random_host).collect();
    table.buffer(&points, 50);
    table.flush().await;
    for capacity in [0, 2_000, 8_000, 20_000, 1 << 20] {
        let footers = Arc::new(FooterCache::new(capacity));
        let parts = TableSnapshotParts { footers: Arc::clone(&footers), ..table.snapshot().parts.clone() };
        let snapshot = Arc::new(TableSnapshot::new(parts));
        for _ in 0..2 {
            assert_eq!(tag_values(&snapshot, 1, (i64::MIN, i64::MAX)).await.len(), 500);
            assert_eq!(snapshot.series_sketch().await.unwrap().estimate(), 500);
            assert!(footers.size_bytes() <= capacity, "{} of {capacity}", footers.size_bytes());
        }
    }
}

fn random_host(time: i64) -> Point {
    let tags = [(ColumnId(2), format!("host_{time}"))].into();
    Point { tags, time, fields: [(ColumnId(3), Value::Boolean(true))].into() }
}

#[tokio::test]
async fn only_tags_have_values() {
    let mut table = Table::new(schema(&[(2, "t", ColumnKind::Tag), (3, "v", ColumnKind::Field(FieldKind::Boolean))]));
    let all = (i64::MIN, i64::MAX);
    assert_eq!(tag_values(&table.snapshot(), 1, all).await, Vec::<String>::new());
    assert_eq!(table.snapshot().series_sketch().await.unwrap().estimate(), 0);
    assert!(matches!(table.snapshot().tag_values(0, all), Err(ScanError::NoTag { index: 0 })));
    assert!(matches!(table.snapshot().tag_values(2, all), Err(ScanError::NoTag { index: 2 })));
    assert!(matches!(table.snapshot().tag_values(3, all), Err(ScanError::NoColumn { index: 3 })));
    let request = ScanRequest { projection: Some(vec![2]), ..ScanRequest::default() };
    assert!(matches!(table.snapshot().scan_tags(&request), Err(ScanError::NoTag { index: 2 })));
    table.buffer(&[random_host(1)], 1);
    table.flush().await;
    table.files[0].path = "gone".to_owned();
    let error = table.snapshot().tag_values(1, all).unwrap().next().await.unwrap_err();
    assert!(matches!(&error, ScanError::File { path, .. } if &**path == "gone"), "{error}");
}
