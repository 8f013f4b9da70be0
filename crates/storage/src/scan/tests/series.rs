//! Scans by series give the rows of the model, whichever way a file is read.
use super::*;

/// A table of few series with many rows each, regular in time or not, in files that overlap or not.
async fn long_series(random: &mut Random, deletes: bool) -> Table {
    let mut table = Table::new(schema(&[
        (2, "a", ColumnKind::Tag),
        (3, "f", ColumnKind::Field(FieldKind::Float)),
        (4, "s", ColumnKind::Field(FieldKind::String)),
    ]));
    let spread = random.chance(50);
    for generation in 0..1 + random.below(4) as i64 {
        let start = if spread { generation * 1000 } else { random.below(900) as i64 };
        let step = 1 + random.below(9) as i64;
        let mut points = Vec::new();
        for series in 0..1 + random.below(4) {
            let mut time = start;
            for _ in 0..random.below(60) {
                time += if random.chance(5) { random.below(30) as i64 } else { step };
                let mut point = random.point(&table.schema, (time, time));
                let tags = table.schema.tags().map(|tag| (tag.id, format!("v{}", series / (1 + tag.id.0 as u64 % 2))));
                point.tags = tags.filter(|_| series != 3).collect();
                points.push(point);
            }
        }
        if !points.is_empty() {
            table.buffer(&points, 1 + random.below(50) as usize);
        }
        if random.chance(80) {
            table.flush().await;
        }
        if deletes && random.chance(50) {
            let filter = random.delete_filter(&table.schema, (0, 4000));
            table.delete(filter);
        }
        let id = table.schema.columns.len() as i64 + 2;
        if random.chance(30) {
            table.schema.columns.push(column(id, ColumnKind::Tag));
        } else if random.chance(30) {
            table.schema.columns.push(column(id, ColumnKind::Field(FieldKind::Integer)));
        }
    }
    table
}

fn request(random: &mut Random, snapshot: &TableSnapshot) -> SeriesScanRequest {
    let tag_count = snapshot.table_schema().tags().count() as u64;
    let columns = snapshot.schema().fields().len() as u64;
    let tags: Vec<usize> = (0..random.below(tag_count + 1)).map(|_| 1 + random.below(tag_count) as usize).collect();
    let first = random.below(3500) as i64;
    SeriesScanRequest {
        fields: (0..random.below(4))
            .map(|_| (1 + tag_count + random.below(columns - tag_count - 1)) as usize)
            .collect(),
        time_range: if random.chance(60) { (first, first + random.below(900) as i64) } else { (i64::MIN, i64::MAX) },
        tag_filters: if random.chance(40) {
            let value = |_| ["", "v0", "v1", "v2", "x"][random.below(5) as usize].to_owned();
            vec![TagFilter { column: 1, values: (0..2).map(value).collect() }]
        } else {
            Vec::new()
        },
        keep: (random.chance(40) && !tags.is_empty())
            .then(|| Arc::new(|tags: &[Option<&str>]| tags[0] != Some("v1")) as SeriesPredicate),
        tags,
        rows: RowsNeeded::All,
        batch_rows: 1 + random.below(100) as usize,
        partitions: 1 + random.below(3) as usize,
    }
}

/// The rows as tags, time, fields.
async fn read_series(snapshot: &Arc<TableSnapshot>, request: &SeriesScanRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for mut partition in snapshot.scan_series(request).await.unwrap() {
        while let Some(batch) = partition.next().await.unwrap() {
            assert!(batch.times.len() <= request.batch_rows);
            let fields = values(&batch.columns, batch.times.len());
            let mut passed = 0;
            for (run, range) in batch.runs.iter().enumerate() {
                assert!(passed <= range.start && range.start < range.end && range.end <= batch.times.len());
                passed = range.end;
                assert!(batch.times[range.clone()].is_sorted_by(|before, time| before < time));
                for row in range.clone() {
                    let tag = |tag: usize| batch.tag(run, tag).map(|text| Value::Text(text.to_owned()));
                    let mut values: Row = (0..request.tags.len()).map(tag).collect();
                    values.push(Some(Value::Time(batch.times[row])));
                    values.extend(fields[row].iter().cloned());
                    rows.push(values);
                }
            }
        }
    }
    rows
}

async fn check_series(table: &Table, snapshot: &Arc<TableSnapshot>, request: &SeriesScanRequest, case: &str) {
    let projection = request.tags.iter().chain(&[0]).chain(&request.fields).copied().collect();
    let ordinary = ScanRequest {
        projection: Some(projection),
        time_range: request.time_range,
        tag_filters: request.tag_filters.clone(),
        ..ScanRequest::default()
    };
    let mut expected = table.expected(&ordinary, snapshot);
    if let Some(keep) = &request.keep {
        expected.retain(|row| {
            let text =
                |value: &Option<Value>| if let Some(Value::Text(text)) = value { Some(text.clone()) } else { None };
            let tags: Vec<Option<String>> = row[..request.tags.len()].iter().map(text).collect();
            keep(&tags.iter().map(Option::as_deref).collect::<Vec<_>>())
        });
    }
    let mut found = read_series(snapshot, request).await;
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{case}");
}

/// The rows that are last with any field, or for each field the last ones that have it, for each list of tags.
fn last_rows(rows: &[Row], request: &SeriesScanRequest) -> Vec<(Row, usize, Row)> {
    let tag_count = request.tags.len();
    let has = |row: &Row, field: usize| row[tag_count + 1 + field].is_some();
    let field_count = request.fields.len();
    let wanted: Vec<Vec<usize>> = match request.rows {
        RowsNeeded::LastWithAllFields => (0..field_count).map(|field| vec![field]).collect(),
        _ => vec![(0..field_count).collect()],
    };
    let mut last: Vec<(Row, usize, Row)> = Vec::new();
    for (place, fields) in wanted.iter().enumerate() {
        let with: Vec<&Row> = rows.iter().filter(|row| fields.iter().any(|field| has(row, *field))).collect();
        for row in &with {
            let later = |other: &&Row| other[..tag_count] == row[..tag_count] && other[tag_count] > row[tag_count];
            if !with.iter().any(later) {
                let values = fields.iter().map(|field| row[tag_count + 1 + field].clone());
                let values = std::iter::once(row[tag_count].clone()).chain(values).collect();
                last.push((row[..tag_count].to_vec(), place, values));
            }
        }
    }
    last.sort();
    last
}

/// Where the last rows are enough, they are those of the model, again when they come from memory.
async fn check_last(table: &Table, snapshot: &Arc<TableSnapshot>, request: &SeriesScanRequest, case: &str) {
    let all = SeriesScanRequest { rows: RowsNeeded::All, ..request.clone() };
    check_series(table, snapshot, &all, case).await;
    let all = read_series(snapshot, &all).await;
    for _ in 0..2 {
        let found = read_series(snapshot, request).await;
        assert!(found.iter().all(|row| all.contains(row)), "{case}");
        assert_eq!(last_rows(&found, request), last_rows(&all, request), "{case}");
    }
}

#[tokio::test]
async fn last_rows_are_those_of_the_model() {
    let mut fewer = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut table = long_series(&mut random, seed % 3 == 0).await;
        for round in 0..6 {
            let snapshot = table.snapshot();
            let mut request = request(&mut random, &snapshot);
            if random.chance(60) {
                request.time_range.1 = i64::MAX;
            }
            for rows in [RowsNeeded::LastWithAnyField, RowsNeeded::LastWithAllFields] {
                let request = SeriesScanRequest { rows, ..request.clone() };
                check_last(&table, &snapshot, &request, &format!("seed {seed}, round {round}, {rows:?}")).await;
                let all = SeriesScanRequest { rows: RowsNeeded::All, ..request.clone() };
                let (found, all) = (read_series(&snapshot, &request).await, read_series(&snapshot, &all).await);
                fewer += usize::from(found.len() < all.len());
            }
            // What is kept of the files before stays right when later rows and deletes come.
            let time = random.below(4000) as i64;
            let points: Vec<Point> =
                (0..random.below(3)).map(|_| random.point(&table.schema, (time, time + 40))).collect();
            if !points.is_empty() {
                table.buffer(&points, 2);
            }
            if seed % 3 == 0 && random.chance(30) {
                let filter = random.delete_filter(&table.schema, (0, 4000));
                table.delete(filter);
            }
            if random.chance(30) {
                table.flush().await;
            }
        }
    }
    assert!(fewer > 100, "only {fewer} scans read fewer rows");
}

#[tokio::test]
async fn long_series_read_as_the_model_says() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let table = long_series(&mut random, seed % 3 == 0).await;
        let snapshot = table.snapshot();
        for round in 0..6 {
            let request = request(&mut random, &snapshot);
            check_series(&table, &snapshot, &request, &format!("seed {seed}, round {round}")).await;
        }
    }
}

#[tokio::test]
async fn short_series_read_as_the_model_says() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let table = random_table(&mut random, seed % 2 == 0).await;
        let snapshot = table.snapshot();
        for _ in 0..4 {
            let mut request = request(&mut random, &snapshot);
            request.time_range = (random.below(40) as i64, 40 + random.below(40) as i64);
            check_series(&table, &snapshot, &request, &format!("seed {seed}")).await;
        }
    }
}

/// Several row groups and pages, one series and some rows of it.
#[tokio::test]
async fn large_files_are_read_where_the_series_is() {
    let mut table = Table::new(schema(&[
        (2, "host", ColumnKind::Tag),
        (3, "v", ColumnKind::Field(FieldKind::Integer)),
        (4, "w", ColumnKind::Field(FieldKind::Integer)),
    ]));
    let hosts = 30;
    let point = |row: i64| Point {
        tags: [(ColumnId(2), format!("h{:02}", row % hosts))].into(),
        time: row / hosts * 10 + row % 2 * (row % 7),
        fields: [(ColumnId(3), Value::Integer(row)), (ColumnId(4), Value::Integer(row * row % 1_000))].into(),
    };
    let points: Vec<Point> = (0..300_000_i64).map(point).collect();
    table.buffer(&points, 5000);
    table.flush().await;
    let snapshot = table.snapshot();
    for (values, time_range) in [
        (vec!["h07"], (100, 250)),
        (vec!["h00", "h29"], (i64::MIN, 1_000)),
        (vec!["h11"], (99_000, i64::MAX)),
        (vec![], (500, 507)),
    ] {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let tag_filters = if values.is_empty() { vec![] } else { vec![TagFilter { column: 1, values }] };
        let request = SeriesScanRequest {
            tags: vec![1],
            fields: vec![2, 3],
            time_range,
            tag_filters,
            keep: None,
            rows: RowsNeeded::All,
            batch_rows: 8192,
            partitions: 2,
        };
        check_series(&table, &snapshot, &request, &format!("{time_range:?}")).await;
    }
    // The layouts are kept, and are forgotten with the file.
    let layout = snapshot.parts.footers.layout(table.files[0].file, 0).unwrap();
    assert!(matches!(*layout, layout::Layout::Runs(_)));
    snapshot.parts.footers.forget(table.files[0].file);
    assert_eq!(snapshot.parts.footers.size_bytes(), 0);
}

/// A cache that is too small for what is asked of it stays within its size, and answers are the same.
#[tokio::test]
async fn the_cache_of_layouts_is_bounded() {
    let mut random = Random(5);
    let table = long_series(&mut random, false).await;
    for capacity_bytes in [0, 3_000, 6_000, 20_000] {
        let mut parts = table.snapshot().parts().clone();
        parts.footers = Arc::new(FooterCache::new(capacity_bytes));
        let snapshot = Arc::new(TableSnapshot::new(parts));
        for _ in 0..10 {
            let request = request(&mut random, &snapshot);
            check_series(&table, &snapshot, &request, &format!("{capacity_bytes} bytes")).await;
            assert!(snapshot.parts.footers.size_bytes() <= capacity_bytes);
        }
    }
}
