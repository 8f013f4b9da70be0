//! Deletes for outside readers: delete files of DuckLake, which say by position what tombstones say by predicate.
//!
//! Written in the background and on demand, never in a request: all pending deletes together, and at most one delete
//! file for each data file and round. The engine's own readers go on using the tombstones. Deletes of single fields
//! cannot be said by position; they wait for the files to be rewritten.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures::TryFutureExt as _;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::errors::ParquetError;
use tokio::sync::watch;

use super::commit_faults::commit;
use super::{Engine, Inner};
use crate::delete::{TableDelete, Tombstone};
use crate::flush::encode_delete_file;
use crate::ids::{FileId, Sequence};
use crate::lake::{CommitError, LakeError, NewDeleteFile, table_directory};
use crate::limits;
use crate::scan::{ScanError, deleted_positions};
use crate::table::{DataFile, TableSchema};

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteFilesReport {
    /// Delete files that the catalog names now.
    pub files: usize,
    /// Deleted rows in them, those of earlier rounds included.
    pub rows: u64,
}

/// Why outside readers still see deleted rows. The next round tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteFilesError {
    /// A data file cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A delete file cannot be encoded.
    #[error("cannot encode a delete file: {0}")]
    Encode(#[from] ParquetError),
    /// The object store does not take it.
    #[error("cannot store a delete file: {0}")]
    Store(#[from] object_store::Error),
    /// The catalog cannot be read.
    #[error(transparent)]
    Catalog(#[from] LakeError),
    /// The catalog did not commit.
    #[error("the catalog did not commit the delete files: {0}")]
    Commit(#[from] CommitError),
    /// The engine cannot read its WAL, or the thread that encodes failed.
    #[error("{0}")]
    Refused(String),
}

/// A data file with the deletes of whole rows that it has not applied.
struct Work {
    schema: Arc<TableSchema>,
    file: DataFile,
    deletes: Vec<Arc<TableDelete>>,
}

impl Engine {
    /// Makes outside readers see no row that is deleted now and lies in a file. Deletes of single fields are not said.
    ///
    /// # Errors
    /// [`DeleteFilesError`]; what was not committed is tried again by the next call.
    pub async fn materialise_deletes(&self) -> Result<DeleteFilesReport, DeleteFilesError> {
        self.inner.materialise_deletes().await
    }
}

impl Inner {
    async fn materialise_deletes(&self) -> Result<DeleteFilesReport, DeleteFilesError> {
        self.replayed().await.map_err(DeleteFilesError::Refused)?;
        let mut looked_at = self.materialised.lock().await;
        let (through, work) = self.pending_deletes(&looked_at);
        looked_at.retain(|file, _| work.live.contains(file));
        if work.files.is_empty() {
            return Ok(DeleteFilesReport::default());
        }
        let known = self.lake.delete_counts().await?;
        let mut new = Vec::new();
        if let Err(error) = self.write_delete_files(&work.files, &known, &mut new).await {
            self.store.delete_unnamed(new.iter().map(|file| file.path.as_str())).await;
            return Err(error);
        }
        let report = self.commit_delete_files(&new).await?;
        looked_at.extend(work.files.into_iter().map(|work| (work.file.file, through)));
        Ok(report)
    }

    async fn write_delete_files(
        &self,
        files: &[Work],
        known: &HashMap<FileId, u64>,
        new: &mut Vec<NewDeleteFile>,
    ) -> Result<(), DeleteFilesError> {
        for work in files {
            let positions = deleted_positions(&self.store, &self.footers, &work.file, &work.deletes).await?;
            // Deletes only add rows to those of a data file, so as many are the same ones.
            if positions.len() as u64 > known.get(&work.file.file).copied().unwrap_or_default() {
                new.push(self.write_delete_file(work, positions).await?);
            }
        }
        Ok(())
    }

    /// The data files that have tombstones which they were not looked at with.
    fn pending_deletes(&self, looked_at: &HashMap<FileId, Sequence>) -> (Sequence, Pending) {
        let state = self.shared.lock();
        let mut pending = Pending::default();
        for (table, live) in state.tables.iter().filter(|(_, live)| !live.tombstones.is_empty()) {
            let Some(entry) = self.shared.registry.table(*table) else { continue };
            pending.live.extend(live.files.iter().map(|file| file.file));
            let is_new = |file: &&DataFile| {
                let seen = looked_at.get(&file.file).copied().unwrap_or_default().max(file.deletes_applied);
                live.tombstones.iter().any(|tombstone| concerns(tombstone, seen, file))
            };
            let deletes = TableDelete::resolve_all(&live.tombstones, &entry.schema);
            for file in live.files.iter().filter(is_new) {
                let deletes = deletes.iter().filter(|delete| delete.concerns(file)).cloned().collect();
                pending.files.push(Work { schema: Arc::clone(&entry.schema), file: file.clone(), deletes });
            }
        }
        (state.deletes_through(), pending)
    }

    async fn write_delete_file(&self, work: &Work, positions: Vec<i64>) -> Result<NewDeleteFile, DeleteFilesError> {
        let delete_count = positions.len() as u64;
        let data_file = format!("{}{}", self.store.data_path(), work.file.path);
        let encoding = tokio::task::spawn_blocking(move || encode_delete_file(&data_file, &positions));
        let bytes = encoding.await.map_err(|error| DeleteFilesError::Refused(error.to_string()))??;
        let directory = table_directory(work.schema.bucket, work.schema.table);
        let path = format!("{directory}{}-delete.parquet", uuid::Uuid::now_v7());
        // The last eight bytes are the length of the footer's metadata and a mark.
        let footer = bytes.len().checked_sub(8).and_then(|start| bytes.get(start..)?.first_chunk());
        let footer_size_bytes = footer.map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
        let size_bytes = bytes.len() as u64;
        let target = Path::from(path.as_str());
        let storing = self.store.object_store().put(&target, PutPayload::from(bytes));
        self.store.write_new(&target, storing.map_ok(|_| true)).await?;
        let (table, file) = (work.schema.table, work.file.file);
        Ok(NewDeleteFile { table, file, path, delete_count, size_bytes, footer_size_bytes })
    }

    /// Commits the delete files. If the answer is lost they stay: the next round sees by their counts whether they are
    /// in the catalog, and files that it does not name do no harm.
    async fn commit_delete_files(&self, new: &[NewDeleteFile]) -> Result<DeleteFilesReport, DeleteFilesError> {
        if new.is_empty() {
            return Ok(DeleteFilesReport::default());
        }
        let unnamed = match commit(&*self.options.commit_faults, self.lake.commit_delete_files(new)).await {
            Err(CommitError::NotCommitted(cause)) => {
                self.store.delete_unnamed(new.iter().map(|file| file.path.as_str())).await;
                return Err(CommitError::NotCommitted(cause).into());
            }
            Err(unknown) => {
                self.store.leave(new.iter().map(|file| file.path.as_str()));
                return Err(unknown.into());
            }
            Ok(unnamed) => unnamed,
        };
        let is_named = |path: &&str| !unnamed.iter().any(|unnamed| unnamed == path);
        self.store.named(new.iter().map(|file| file.path.as_str()).filter(is_named));
        self.store.delete_unnamed(unnamed.iter().map(String::as_str)).await;
        let named = || new.iter().filter(|file| !unnamed.contains(&file.path));
        Ok(DeleteFilesReport { files: named().count(), rows: named().map(|file| file.delete_count).sum() })
    }
}

/// The files of tables that have tombstones.
#[derive(Default)]
struct Pending {
    files: Vec<Work>,
    /// All files of those tables, looked at or not.
    live: std::collections::HashSet<FileId>,
}

fn concerns(tombstone: &Tombstone, seen: Sequence, file: &DataFile) -> bool {
    tombstone.sequence > seen && tombstone.filter.overlaps(file.time_range)
}

/// Writes delete files until the engine closes or is dropped.
pub(super) async fn materialise_loop(engine: Weak<Inner>, mut closing: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::DELETE_FILES_INTERVAL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        let Some(engine) = engine.upgrade() else { return };
        match engine.materialise_deletes().await {
            Ok(report) if report.files > 0 => tracing::info!(?report, "deletes were written for outside readers"),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "outside readers still see deleted rows"),
        }
    }
}
