//! The last row of each run of a row group: read once, kept beside the layout, and given in place of all rows where a
//! query wants the last values of series.
//!
//! Files are immutable, so what is kept is never wrong. Whether the last row of a file is the last one of its series
//! is decided for each scan: files that overlap others, have pending deletes or reach behind the wanted times never
//! come here.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::TimestampNanosecondType;
use parquet::arrow::arrow_reader::RowSelection;

use std::ops::Range;
use std::sync::Arc;

use super::direct::{MaybeColumns, OpenFile};
use super::layout::{Layout, Runs};
use super::series::{DirectPiece, RowsNeeded, SeriesBatch, Shared};
use super::{ScanError, project};
use crate::ids::ColumnId;

/// Wanted runs of a row group, of which the last row may be enough.
pub(super) struct LastPiece {
    pub(super) file: Arc<OpenFile>,
    pub(super) group: usize,
    pub(super) layout: Arc<Layout>,
    /// Runs and their wanted rows, which go to the end of the run.
    pub(super) selected: Vec<(usize, Range<u32>)>,
}

impl LastPiece {
    /// Whether it needs nothing of the file.
    pub(super) fn is_known(&self, fields: &[ColumnId]) -> bool {
        fields.iter().all(|field| self.file.knows_last(self.group, *field))
    }

    /// The last rows, and what has to be read of the runs whose last row is not enough.
    pub(super) async fn read(self, shared: &Shared) -> Result<(Vec<SeriesBatch>, Option<DirectPiece>), ScanError> {
        let Layout::Runs(runs) = &*self.layout else { return Ok((Vec::new(), None)) };
        let mut columns = shared.fields.clone();
        if runs.times_are_stored() {
            columns.push(ColumnId::TIME);
        }
        let mut arrays = self.file.last_values(self.group, runs, &columns).await?;
        let stored = if runs.times_are_stored() { arrays.pop().flatten() } else { None };
        let schema = &shared.common.snapshot.parts.schema;
        let column = |(array, field): (Option<ArrayRef>, &ColumnId)| {
            array.unwrap_or_else(|| project::nulls(schema, *field, runs.len()))
        };
        let arrays: Vec<ArrayRef> = arrays.into_iter().zip(&shared.fields).map(column).collect();
        let suffices = |run: usize| match shared.rows {
            RowsNeeded::All => false,
            RowsNeeded::LastWithAnyField => arrays.iter().any(|array| array.is_valid(run)),
            RowsNeeded::LastWithAllFields => arrays.iter().all(|array| array.is_valid(run)),
        };
        let (mut found, mut times, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
        for (run, rows) in self.selected {
            let mut time = [0];
            match &stored {
                Some(stored) => time[0] = stored.as_primitive::<TimestampNanosecondType>().value(run),
                None => runs.fill_times(run, rows.end - 1..rows.end, &mut time),
            }
            if time[0] < shared.common.time_range.0 {
                continue;
            }
            if suffices(run) {
                found.push(run);
                times.push(time[0]);
            } else {
                lacking.push((run, rows));
            }
        }
        let batches = found.chunks(shared.batch_rows).zip(times.chunks(shared.batch_rows));
        let batches = batches.map(|(found, times)| batch(shared, runs, &arrays, found, times));
        let batches = batches.collect::<Result<Vec<SeriesBatch>, ScanError>>()?;
        let rest = (!lacking.is_empty())
            .then(|| DirectPiece::new(Arc::clone(&self.file), self.group, Arc::clone(&self.layout), lacking));
        Ok((batches, rest))
    }
}

/// The last rows of some runs, each a run of its own.
fn batch(
    shared: &Shared,
    runs: &Runs,
    arrays: &[ArrayRef],
    found: &[usize],
    times: &[i64],
) -> Result<SeriesBatch, ScanError> {
    let indices = UInt32Array::from_iter_values(found.iter().map(|run| *run as u32));
    let all = found.len() == runs.len();
    let column = |array: &ArrayRef| if all { Ok(Arc::clone(array)) } else { take(array, &indices, None) };
    Ok(SeriesBatch {
        times: times.to_vec(),
        columns: arrays.iter().map(column).collect::<Result<_, _>>()?,
        runs: (0..found.len()).map(|row| row..row + 1).collect(),
        tags: shared.tags.iter().map(|tag| super::series::RunTags::of(runs, *tag, found)).collect(),
    })
}

impl OpenFile {
    /// Whether [`Self::last_values`] would have to read a column.
    fn knows_last(&self, group: usize, column: ColumnId) -> bool {
        self.leaves.find(column).is_none() || self.footers.last(self.file.file, group, column).is_some()
    }

    /// The values of the last row of each run, from the cache or from the file; none for a column that the file does
    /// not have.
    async fn last_values(&self, group: usize, runs: &Runs, columns: &[ColumnId]) -> Result<MaybeColumns, ScanError> {
        let mut found: MaybeColumns =
            columns.iter().map(|column| self.footers.last(self.file.file, group, *column)).collect();
        let is_missing =
            |(column, array): &(&ColumnId, &Option<ArrayRef>)| array.is_none() && self.leaves.find(**column).is_some();
        let mut missing: Vec<ColumnId> =
            columns.iter().zip(&found).filter(is_missing).map(|(column, _)| *column).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(found);
        }
        let total = self.metadata().row_group(group).num_rows() as usize;
        let rows = (0..runs.len()).map(|run| runs.rows(run).end as usize).map(|end| end - 1..end);
        let selection = RowSelection::from_consecutive_ranges(rows, total);
        let mut reader = self.read(group, &missing, Some(selection), runs.len()).await?;
        let mut pieces: Vec<Vec<ArrayRef>> = vec![Vec::new(); missing.len()];
        while let Some((arrays, _)) = reader.next_columns()? {
            pieces.iter_mut().zip(arrays).for_each(|(pieces, array)| pieces.extend(array));
        }
        let mut read = Vec::with_capacity(missing.len());
        for (column, pieces) in missing.into_iter().zip(&pieces) {
            let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
            // A copy: what was decoded may hold more than these rows.
            read.push((column, concat(&pieces)?));
        }
        for (column, array) in columns.iter().zip(&mut found) {
            if let Some((_, values)) = read.iter().find(|(known, _)| known == column) {
                *array = Some(Arc::clone(values));
            }
        }
        self.footers.keep_last(self.file.file, group, read);
        Ok(found)
    }
}
