//! The commit of compaction and retention: files go, others come in their place, in one transaction.
//!
//! The files that go are ended, not deleted: older snapshots name them until those expire (see `lifetime`).

use std::collections::HashMap;

use super::commit::{self, FileRow, NewDataFile};
use super::sql::{self, NewSnapshot, Transaction};
use super::{CommitError, Lake, LakeError};
use crate::ids::{FileId, TableId};
use crate::table::DataFile;

/// Files of a table that hold together what other files of it hold; or files of which nothing is wanted any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// The table.
    pub table: TableId,
    /// The live files that go.
    pub inputs: Vec<FileId>,
    /// The files that come, each of which is on the disk for good already.
    pub outputs: Vec<NewDataFile>,
}

/// Id, table, rows and bytes of a live file.
type LiveRow = (i64, i64, i64, i64);

impl Lake {
    /// Ends the files that go and names those that come: all of it, or nothing. Gives back the new files with their
    /// ids, in the order of the request.
    ///
    /// # Errors
    /// [`CommitError::NotCommitted`], among others with [`LakeError::UnknownTable`] when the bucket was dropped and
    /// [`LakeError::FilesGone`] when a file is live no more; [`CommitError::Unknown`] if the answer was lost.
    pub async fn replace_files(&self, replacements: &[Replacement]) -> Result<Vec<Vec<DataFile>>, CommitError> {
        let mut transaction = self.begin().await?;
        let files = self.write_replacements(&mut transaction, replacements).await?;
        transaction.commit().await.map_err(CommitError::Unknown)?;
        Ok(files)
    }

    /// What a commit whose answer was lost has made; `None` if it did not happen.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn replaced_files(&self, replacements: &[Replacement]) -> Result<Option<Vec<Vec<DataFile>>>, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        let inputs: Vec<i64> = replacements.iter().flat_map(|one| &one.inputs).map(|file| file.0).collect();
        if !live_files(&mut transaction, &inputs).await?.is_empty() {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(replacements.len());
        for replacement in replacements {
            let mut files = Vec::with_capacity(replacement.outputs.len());
            for file in &replacement.outputs {
                let name = file.path.rsplit('/').next().unwrap_or_default();
                let id: Option<(i64,)> =
                    sql::statement("SELECT data_file_id FROM ducklake_data_file WHERE table_id = $1 AND path = $2")
                        .bind(replacement.table.0)
                        .bind(name)
                        .optional_row(&mut transaction)
                        .await
                        .map_err(LakeError::database("look up files"))?;
                let Some((id,)) = id else { return Ok(None) };
                files.push(file.named(FileId(id)));
            }
            all.push(files);
        }
        Ok(Some(all))
    }

    async fn write_replacements(
        &self,
        transaction: &mut Transaction,
        replacements: &[Replacement],
    ) -> Result<Vec<Vec<DataFile>>, LakeError> {
        let tables = commit::distinct(replacements.iter().map(|replacement| replacement.table));
        let mut totals = commit::read_totals(transaction, &tables, &tables).await?;
        let inputs: Vec<i64> = replacements.iter().flat_map(|one| &one.inputs).map(|file| file.0).collect();
        let live = live_files(transaction, &inputs).await?;
        let mut snapshot = NewSnapshot::begin(transaction).await?;
        let mut rows: Vec<(FileRow, &NewDataFile)> = Vec::new();
        let mut named = Vec::with_capacity(replacements.len());
        for replacement in replacements {
            let table = replacement.table;
            let of_table = totals.get_mut(&table).ok_or(LakeError::UnknownTable(table))?;
            for input in &replacement.inputs {
                let (row_count, size_bytes) = live
                    .get(input)
                    .filter(|(owner, _, _)| *owner == table)
                    .map(|(_, rows, bytes)| (*rows, *bytes))
                    .ok_or(LakeError::FilesGone(table))?;
                of_table.remove_files(row_count, size_bytes);
            }
            let mut files = Vec::with_capacity(replacement.outputs.len());
            for file in &replacement.outputs {
                let row = of_table.add_file(file, snapshot.take_file_id())?;
                files.push(file.named(FileId(row.id)));
                rows.push((row, file));
            }
            named.push(files);
        }
        for table in &tables {
            // DuckLake's word for a compaction promises that no row changes; ours drops what is past its retention.
            snapshot.change(format!("deleted_from_table:{table}"));
        }
        for table in commit::distinct(rows.iter().map(|(_, file)| file.table)) {
            snapshot.change(format!("inserted_into_table:{table}"));
        }
        end_files(transaction, snapshot.id, &inputs).await.map_err(LakeError::database("end files"))?;
        commit::write_files(transaction, snapshot.id, &rows).await.map_err(LakeError::database("write files"))?;
        commit::write_file_statistics(transaction, &rows).await?;
        let totals: Vec<_> = tables.iter().filter_map(|table| Some((*table, totals.get(table)?))).collect();
        commit::write_totals(transaction, &totals).await.map_err(LakeError::database("write statistics of tables"))?;
        snapshot.write(transaction, self.clock.now_ns()).await?;
        Ok(named)
    }
}

/// Those of the files that are live: their table, rows and bytes.
async fn live_files(
    transaction: &mut Transaction,
    files: &[i64],
) -> Result<HashMap<FileId, (TableId, i64, i64)>, LakeError> {
    let statement = "SELECT data_file_id, table_id, record_count, file_size_bytes FROM ducklake_data_file \
                     WHERE end_snapshot IS NULL AND data_file_id IN";
    let rows: Vec<LiveRow> =
        sql::select_in(transaction, statement, files).await.map_err(LakeError::database("look up files"))?;
    Ok(rows.into_iter().map(|(id, table, rows, bytes)| (FileId(id), (TableId(table), rows, bytes))).collect())
}

async fn end_files(transaction: &mut Transaction, snapshot_id: i64, files: &[i64]) -> Result<(), sqlx::Error> {
    let statement = ("UPDATE ducklake_data_file SET end_snapshot = ", " WHERE data_file_id");
    sql::execute_in(transaction, statement, Some(snapshot_id), files).await?;
    // What deletes say of a file goes with it.
    let statement = ("UPDATE ducklake_delete_file SET end_snapshot = ", " WHERE end_snapshot IS NULL AND data_file_id");
    sql::execute_in(transaction, statement, Some(snapshot_id), files).await?;
    sql::execute_in(transaction, ("DELETE FROM freshet_file WHERE data_file_id", ""), None, files).await?;
    Ok(())
}
