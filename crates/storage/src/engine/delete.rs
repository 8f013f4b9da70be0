//! The life of a delete: one WAL record, durable, then a tombstone that every later snapshot applies.
//!
//! No file is read or written, so it takes as long as a small write, whatever it means. A delete that means nothing
//! that is stored leaves no trace: every row that was acknowledged before it began is in the state already, and for
//! those that are on their way either order is right.

use catalog::{BucketId, OrganisationId};

use super::flusher::Selection;
use super::tombstones::means_something;
use super::write::write_error;
use super::{Durable, Inner};
use crate::delete::DeleteFilter;
use crate::error::{LimitError, WriteError};
use crate::limits;
use crate::wal::EncodedRecord;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The organisation that owns the bucket.
    pub organisation: OrganisationId,
    /// The bucket.
    pub bucket: BucketId,
    /// Which rows and values of it.
    pub filter: DeleteFilter,
}

impl Inner {
    pub(super) async fn delete(&self, request: DeleteRequest) -> Result<(), WriteError> {
        self.check_accepting()?;
        // The rows that are read back are older than this delete; queries wait for them as well.
        self.replayed().await.map_err(|cause| WriteError::Poisoned { cause })?;
        let DeleteRequest { organisation, bucket, filter } = request;
        if filter.memory_bytes() > limits::DELETE_FILTER_BYTES {
            return Err(LimitError::DeleteFilter { limit: limits::DELETE_FILTER_BYTES }.into());
        }
        let is_meant = {
            let state = self.shared.lock();
            means_something(&state.tables, &self.shared.registry, bucket, &filter)
        };
        if !is_meant {
            return Ok(());
        }
        self.wait_for_tombstone_room(bucket, &filter).await?;
        let record = EncodedRecord::delete(organisation, bucket, &filter);
        let appended = self.wal.append(record, Durable::Delete(bucket, filter)).map_err(write_error)?;
        appended.await.map_err(write_error)?;
        Ok(())
    }

    /// Waits while there are as many tombstones as may be. A flush applies those that mean buffered rows only.
    async fn wait_for_tombstone_room(&self, bucket: BucketId, filter: &DeleteFilter) -> Result<(), WriteError> {
        let has_room = || {
            let state = self.shared.lock();
            state.deletes.has_room(&state.tables, &self.shared.registry, bucket, filter)
        };
        if has_room() {
            return Ok(());
        }
        // What the flush cannot apply stays; its own failures are reported where it is asked for.
        let _ = self.flush_tables(Selection::All).await;
        self.shared.lock().trim_deletes();
        if has_room() {
            return Ok(());
        }
        Err(WriteError::Overloaded {
            what: "too many deletes wait for files to be rewritten",
            retry_after_s: limits::DELETE_RETRY_AFTER_S,
        })
    }
}
