//! Reading the past: a bucket as one of the kept snapshots of the catalog shows it.
//!
//! A snapshot is the flushed state of its commit, for every reader the same: its files without the rows of its delete
//! files. What was in memory then is not in it; what was deleted later is. Retention counts as of now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::BucketId;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::{Engine, Inner, SnapshotError};
use crate::delete::Tombstones;
use crate::flush::FooterMetadata;
use crate::ids::FileId;
use crate::lake::{Lake, LakeError, PastTable, SnapshotInfo, SnapshotSelector};
use crate::limits;
use crate::scan::{DeleteFiles, FooterCache, ScanError, Snapshot, TableSnapshot, TableSnapshotParts};
use crate::store::Store;
use crate::table::DataFile;

/// The list of the kept snapshots; it can read nothing else.
#[derive(Debug, Clone)]
pub struct SnapshotHistory {
    lake: Lake,
}

impl SnapshotHistory {
    /// The kept snapshots, the oldest first.
    ///
    /// # Errors
    /// [`LakeError`] if the catalog cannot be read.
    pub async fn list(&self) -> Result<Vec<SnapshotInfo>, LakeError> {
        self.lake.snapshots().await
    }
}

impl Engine {
    /// The kept snapshots.
    #[must_use]
    pub fn history(&self) -> SnapshotHistory {
        SnapshotHistory { lake: self.inner.lake.clone() }
    }

    /// The rows of a bucket as a kept snapshot shows them; rows that are older than `retention` now are left out.
    ///
    /// # Errors
    /// [`SnapshotError::NotKept`] if there is no such snapshot, and what hinders reading.
    pub async fn snapshot_at(
        &self,
        bucket: BucketId,
        retention: Option<Duration>,
        at: SnapshotSelector,
    ) -> Result<Snapshot, SnapshotError> {
        let inner = &self.inner;
        let visible_from = inner.visible_from(retention);
        let found = inner.lake.find_snapshot(at).await?.map_err(SnapshotError::NotKept)?;
        let mut tables = inner.lake.tables_at(bucket, found.id).await?;
        inner.read_footers(&mut tables).await?;
        let tables: Vec<TableSnapshot> = tables.into_iter().map(|table| inner.past(table, visible_from)).collect();
        // From here on no file is deleted under the reader. If the snapshot has expired meanwhile, one may be gone.
        inner.lake.find_snapshot(SnapshotSelector::Id(found.id)).await?.map_err(SnapshotError::NotKept)?;
        Ok(Snapshot::new(tables))
    }
}

impl Inner {
    /// The time from which rows are visible.
    pub(super) fn visible_from(&self, retention: Option<Duration>) -> i64 {
        retention.map_or(i64::MIN, |retention| {
            let retention_ns = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
            self.options.clock.now_ns().saturating_sub(retention_ns)
        })
    }

    /// Completes files that the registry has forgotten.
    async fn read_footers(&self, tables: &mut [PastTable]) -> Result<(), SnapshotError> {
        let mut reads: Vec<BoxFuture<'static, Result<DataFile, ScanError>>> = Vec::new();
        for table in tables.iter() {
            for (file, _) in table.files.iter().filter(|(_, is_forgotten)| *is_forgotten) {
                reads.push(completed(self.store.clone(), Arc::clone(&self.footers), file.clone()).boxed());
            }
        }
        let mut reads = futures::stream::iter(reads).buffer_unordered(limits::FOOTER_READS);
        let mut known: HashMap<FileId, DataFile> = HashMap::new();
        while let Some(file) = reads.try_next().await? {
            known.insert(file.file, file);
        }
        for (file, _) in tables.iter_mut().flat_map(|table| &mut table.files) {
            if let Some(known) = known.remove(&file.file) {
                *file = known;
            }
        }
        Ok(())
    }

    fn past(&self, table: PastTable, visible_from: i64) -> TableSnapshot {
        let files: Arc<[DataFile]> = table.files.into_iter().map(|(file, _)| file).collect();
        let delete_files = DeleteFiles::new(table.delete_files);
        let held = [Arc::clone(&files), Arc::clone(delete_files.list())];
        let snapshot = TableSnapshot::new(TableSnapshotParts {
            schema: Arc::new(table.schema),
            files,
            buffers: Vec::new(),
            deletes: Tombstones::default(),
            delete_files: (!delete_files.list().is_empty()).then(|| Arc::new(delete_files)),
            store: self.store.clone(),
            footers: Arc::clone(&self.footers),
            visible_from,
        });
        let mut state = self.shared.lock();
        held.iter().for_each(|files| state.hold(files));
        drop(state);
        snapshot
    }
}

/// A file with what its footer says of it.
async fn completed(store: Store, footers: Arc<FooterCache>, file: DataFile) -> Result<DataFile, ScanError> {
    let footer = footers.get(store.object_store(), &file).await?;
    let said = FooterMetadata::decode(footer.metadata().file_metadata());
    let said = said.map_err(|source| ScanError::Footer { path: file.path.as_str().into(), source })?;
    Ok(DataFile {
        time_range: said.time_range,
        sequences: said.sequences,
        deletes_applied: said.deletes_applied,
        level: said.level,
        sort_tags: said.sort_tags,
        ..file
    })
}
