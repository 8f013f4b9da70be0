//! Buffered rows as a source of a scan: the wanted rows, sorted and merged when the stream is first polled.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::ScanError;
use super::plan::{Deletes, SourceOptions};
use super::project::Rows;
use crate::buffered::BufferedRows;
use crate::delete::without_deleted;
use crate::flush::sort::{SeriesOrder, SortedRows};
use crate::rows::series_key_tags;

/// Text of string fields in one batch: far below Arrow's 2 GiB an array.
const BATCH_TEXT_BYTES: usize = 16 << 20;

/// The rows that `options` want, in the order of files.
pub(super) fn stream(
    rows: BufferedRows,
    deletes: Deletes,
    options: Arc<SourceOptions>,
) -> BoxStream<'static, Result<Rows, ScanError>> {
    let sorting = {
        let options = Arc::clone(&options);
        async move { tokio::task::spawn_blocking(move || sort(rows, &deletes, &options)).await? }
    };
    stream::once(sorting)
        .map_ok(move |sorted| {
            let sorted = Arc::new(sorted);
            let bounds = sorted.batch_bounds(options.batch_rows, BATCH_TEXT_BYTES);
            let ranges: Vec<_> = bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let options = Arc::clone(&options);
            stream::iter(ranges).map(move |range| {
                let len = range.len();
                Ok(Rows { columns: sorted.columns(range, &options.columns)?, len })
            })
        })
        .try_flatten()
        .boxed()
}

fn sort(rows: BufferedRows, deletes: &Deletes, options: &SourceOptions) -> Result<SortedRows, ScanError> {
    let rows = without_deleted(rows, deletes)?;
    let wanted = |key: &[u8]| {
        options.filters.iter().all(|filter| {
            let value = series_key_tags(key).find(|(column, _)| *column == filter.column);
            filter.matches(value.map(|(_, value)| value))
        })
    };
    let order = SeriesOrder::new(&options.schema, &rows.series, wanted);
    Ok(SortedRows::sort(Arc::clone(&options.schema), rows, Arc::new(order), options.time_range)?)
}
