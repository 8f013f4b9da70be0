//! The rows of a table as texts, for tests that compare what is stored.

use std::sync::Arc;

use arrow::array::TimestampNanosecondArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use storage::{ScanError, ScanRequest, TableSnapshot};

/// All rows as `column=value` by name without nulls, then `@` and the time, sorted.
pub(crate) async fn rows(table: &Arc<TableSnapshot>) -> Vec<String> {
    try_rows(table).await.unwrap()
}

/// The same, where reading may fail.
pub(crate) async fn try_rows(table: &Arc<TableSnapshot>) -> Result<Vec<String>, ScanError> {
    let scan = table.scan(ScanRequest { partitions: 2, ..ScanRequest::default() })?;
    let mut rows = Vec::new();
    for partition in &scan.partitions {
        let batches: Vec<_> = partition.stream().try_collect().await?;
        for batch in batches {
            for row in 0..batch.num_rows() {
                let (mut cells, mut time) = (Vec::new(), 0);
                for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                    if field.name() == "time" {
                        time = array.as_any().downcast_ref::<TimestampNanosecondArray>().unwrap().value(row);
                    } else if array.is_valid(row) {
                        let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).unwrap();
                        cells.push(format!("{}={}", field.name(), formatter.value(row)));
                    }
                }
                cells.sort();
                rows.push(format!("{} @{time}", cells.join(" ")));
            }
        }
    }
    rows.sort();
    Ok(rows)
}
