//! The rows of a table as texts, for tests that compare what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use storage::{ScanRequest, TableSnapshot};

/// All rows as `column=value` texts by name without nulls, sorted.
pub(crate) async fn rows(table: &Arc<TableSnapshot>) -> Vec<String> {
    let scan = table.scan(ScanRequest { partitions: 2, ..ScanRequest::default() }).unwrap();
    let mut rows = Vec::new();
    for partition in &scan.partitions {
        let batches: Vec<_> = partition.stream().try_collect().await.unwrap();
        for batch in batches {
            for row in 0..batch.num_rows() {
                let mut cells = BTreeMap::new();
                for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                    if array.is_valid(row) {
                        let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).unwrap();
                        cells.insert(field.name().clone(), formatter.value(row).to_string());
                    }
                }
                let cells: Vec<String> = cells.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
                rows.push(cells.join(" "));
            }
        }
    }
    rows.sort();
    rows
}
