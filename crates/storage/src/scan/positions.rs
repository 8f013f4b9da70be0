//! Rows that an earlier snapshot leaves out by their position in the file: what DuckLake's delete files say.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::ScanError;
use crate::ids::FileId;
use crate::table::DataFile;

/// The delete files of a table at an earlier snapshot.
#[derive(Debug, Default)]
pub struct DeleteFiles {
    by_data_file: HashMap<FileId, DataFile>,
    list: Arc<[DataFile]>,
}

impl DeleteFiles {
    /// The delete file of each data file that has one; of their parts only id, path and sizes count.
    #[must_use]
    pub fn new(by_data_file: HashMap<FileId, DataFile>) -> Self {
        let list = by_data_file.values().cloned().collect();
        Self { by_data_file, list }
    }

    /// The delete file of a data file.
    pub(super) fn of(&self, data_file: FileId) -> Option<&DataFile> {
        self.by_data_file.get(&data_file)
    }

    /// All of them, as one list that a reader holds.
    pub(crate) fn list(&self) -> &Arc<[DataFile]> {
        &self.list
    }
}

/// The positions that a delete file holds, ascending. It is small: a few bytes for each deleted row of one file.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn read(store: &Arc<dyn ObjectStore>, delete_file: &DataFile) -> Result<Vec<u64>, ScanError> {
    let path: Arc<str> = delete_file.path.as_str().into();
    let failed = |source: ParquetError| ScanError::File { path: Arc::clone(&path), source };
    let object = store.get(&Path::from(delete_file.path.as_str())).await;
    let stream = object.map_err(|error| failed(error.into()))?.bytes().await;
    let bytes = stream.map_err(|error| failed(error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(failed)?;
    // The path of the data file is in the other column.
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["pos"]);
    let mut positions = Vec::new();
    for batch in builder.with_projection(mask).build().map_err(failed)? {
        let batch = batch?;
        let Some(column) = batch.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>()) else {
            return Err(failed(ParquetError::General("it has no column of positions".to_owned())));
        };
        positions.extend(column.values().iter().filter_map(|position| u64::try_from(*position).ok()));
    }
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

/// `selection` (`None`: everything) of the rows of some row groups, without the rows at these positions of the file.
pub(super) fn without(
    selection: Option<RowSelection>,
    deleted: &[u64],
    metadata: &ParquetMetaData,
    row_groups: &[usize],
) -> Option<RowSelection> {
    if deleted.is_empty() {
        return selection;
    }
    let rows = |group: usize| metadata.row_group(group).num_rows() as u64;
    let mut kept = Vec::new();
    let mut total = 0_usize;
    for group in row_groups {
        let start: u64 = (0..*group).map(rows).sum();
        let end = start + rows(*group);
        let first = deleted.partition_point(|position| *position < start);
        let mut next = start;
        for position in deleted.get(first..).unwrap_or_default().iter().take_while(|position| **position < end) {
            kept.push(total + (next - start) as usize..total + (position - start) as usize);
            next = position + 1;
        }
        kept.push(total + (next - start) as usize..total + (end - start) as usize);
        total += (end - start) as usize;
    }
    let kept = RowSelection::from_consecutive_ranges(kept.into_iter().filter(|range| !range.is_empty()), total);
    Some(match selection {
        Some(selection) => selection.intersection(&kept),
        None => kept,
    })
}
