//! Reads a file from end to end, to see whether it can be read.

use std::sync::Arc;

use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::ScanError;
use super::file::StoreReader;
use crate::store::Store;
use crate::table::DataFile;

/// How many rows come when every column of a file is decoded.
///
/// # Errors
/// If something of it cannot be read.
pub(crate) async fn read_all_rows(
    store: &Store,
    file: &DataFile,
    footer: ArrowReaderMetadata,
) -> Result<u64, ScanError> {
    let path: Arc<str> = file.path.as_str().into();
    let failed = |source| ScanError::File { path: Arc::clone(&path), source };
    let reader = StoreReader::new(Arc::clone(store.object_store()), &file.path);
    let mut batches = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer).build().map_err(failed)?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}
