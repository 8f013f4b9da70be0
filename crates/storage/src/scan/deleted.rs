//! Where in a file the rows are that deletes take: for readers that know positions and no tombstones.

use std::sync::Arc;

use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::ScanError;
use super::file::{Leaves, StoreReader};
use super::footers::FooterCache;
use crate::delete::{RowDeletes, TableDelete};
use crate::ids::ColumnId;
use crate::store::Store;
use crate::table::DataFile;

/// Positions (from 0, ascending) of the rows of a file that the deletes of whole rows take. Reads the time and the tags
/// that they compare, all of them, and nothing else.
///
/// # Errors
/// If the file cannot be read.
pub(crate) async fn deleted_positions(
    store: &Store,
    footers: &FooterCache,
    file: &DataFile,
    deletes: &[Arc<TableDelete>],
) -> Result<Vec<i64>, ScanError> {
    let Some(deletes) = RowDeletes::of(deletes) else { return Ok(Vec::new()) };
    let object_store = store.object_store();
    let footer = footers.get(object_store, file).await?;
    let path: Arc<str> = file.path.as_str().into();
    let failed = |source| ScanError::File { path: Arc::clone(&path), source };
    let leaves = Leaves::new(footer.parquet_schema());
    // The reader gives columns by ascending leaf.
    let mut found: Vec<(usize, ColumnId)> =
        deletes.columns().into_iter().filter_map(|id| Some((leaves.find(id)?, id))).collect();
    found.sort_unstable();
    let mask = ProjectionMask::leaves(footer.parquet_schema(), found.iter().map(|(leaf, _)| *leaf));
    let ids: Vec<ColumnId> = found.into_iter().map(|(_, id)| id).collect();
    let reader = StoreReader::new(Arc::clone(object_store), &file.path);
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer).with_projection(mask);
    let mut batches = builder.build().map_err(failed)?;
    let (mut positions, mut start) = (Vec::new(), 0_i64);
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        let kept = deletes.kept(&ids, batch.columns(), batch.num_rows());
        let gone = (start..).zip(kept.values()).filter(|(_, kept)| !kept);
        positions.extend(gone.map(|(position, _)| position));
        start += batch.num_rows() as i64;
    }
    Ok(positions)
}
