//! The end of files: snapshots expire, files that neither a kept snapshot nor a running query needs are deleted, and
//! so are files that a crash left behind.
//!
//! The caller holds the compactor's lock.

use std::collections::HashSet;
use std::time::Duration;

use super::{Engine, Inner};
use crate::compact::Observed;
use crate::ids::FileId;
use crate::lake::LakeError;
use crate::limits;

impl Inner {
    /// Lets the trusted time follow the clock.
    pub(super) fn observe_clock(&self) {
        let running = self.compactor.running();
        let observed = self.compactor.time.lock().observe(self.options.clock.now_ns(), running);
        match observed {
            Observed::Usual => {}
            Observed::Jumped { step_ns } => tracing::warn!(
                step_hours = step_ns / 3_600_000_000_000,
                "the clock has gone forward by more than a day since the last look; rows past their retention are \
                 hidden, but nothing is deleted for an hour, in case the clock is wrong"
            ),
            Observed::Believed => tracing::info!("the clock is trusted again; files past their retention are deleted"),
        }
    }

    /// Takes files that are not live any more all the way to their deletion, as far as each is due.
    pub(super) async fn end_of_files(&self) -> Result<(), LakeError> {
        let now_ns = self.compactor.time.lock().now_ns();
        // Where none is kept, the snapshot of a moment ago goes too: what a delete took is gone after one compaction.
        let kept = self.options.keep_snapshots;
        let before_ns = if kept.is_zero() { i64::MAX } else { now_ns.saturating_sub(duration_ns(kept)) };
        let latest_ns = now_ns.saturating_add(duration_ns(limits::CLOCK_STEP));
        // While the clock is not believed, the times of new snapshots say nothing about their age.
        let is_waiting = self.compactor.time.lock().is_waiting();
        let expired = if is_waiting { 0 } else { self.lake.expire_snapshots(before_ns, latest_ns).await? };
        while self.lake.schedule_deletions(limits::DELETION_BATCH).await? == limits::DELETION_BATCH {}
        self.lake.forget_dropped().await?;
        let deleted = self.delete_scheduled().await?;
        if let Err(error) = self.delete_left().await {
            tracing::warn!(error, "objects that nothing names could not be looked up");
        }
        let waiting = self.lake.ended_files().await?;
        let mut counters = self.compactor.counters.lock();
        counters.snapshots_expired += expired;
        counters.files_deleted += deleted;
        counters.waiting = waiting;
        Ok(())
    }

    /// Deletes the files on the list, but for those that a query still reads. Returns how many.
    async fn delete_scheduled(&self) -> Result<u64, LakeError> {
        let scheduled = self.lake.scheduled_files().await?;
        if scheduled.is_empty() {
            return Ok(0);
        }
        let ids: HashSet<FileId> = scheduled.iter().map(|(file, _)| *file).collect();
        let mut in_use = self.shared.lock().files_in_use(&ids);
        in_use.extend(self.backups.pinned(&ids));
        let due: Vec<(FileId, String)> = scheduled.into_iter().filter(|(file, _)| !in_use.contains(file)).collect();
        let gone = self.store.delete_all(due.iter().map(|(_, path)| path.clone()).collect()).await;
        let deleted = due.iter().filter(|(_, path)| gone.contains(path)).map(|(file, _)| *file);
        let deleted: Vec<FileId> = deleted.inspect(|file| self.footers.forget(*file)).collect();
        for files in deleted.chunks(limits::DELETION_BATCH) {
            self.lake.forget_deleted(files).await?;
        }
        Ok(deleted.len() as u64)
    }

    /// Deletes files that no row names and that are old enough; a failure is logged, since the next look finds them.
    pub(super) async fn remove_orphans(&self) {
        let _alone = self.compactor.lock.lock().await;
        match self.find_and_delete_orphans().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "files that a crash had left behind were deleted"),
            Err(error) => tracing::warn!(error, "files that a crash has left behind could not be looked for"),
        }
    }

    /// Deletes objects that were written, or begun, long ago and that no row names. Without such no request is made.
    async fn delete_left(&self) -> Result<u64, String> {
        let left = self.store.left(self.options.unnamed_object_age);
        if left.is_empty() {
            return Ok(0);
        }
        let named = self.lake.named_paths().await.map_err(|error| error.to_string())?;
        let (named, unnamed): (Vec<String>, Vec<String>) = left.into_iter().partition(|path| named.contains(path));
        self.store.named(named.iter().map(String::as_str));
        let gone = self.store.delete_all(unnamed).await;
        self.store.named(gone.iter().map(String::as_str));
        self.compactor.counters.lock().orphans_deleted += gone.len() as u64;
        Ok(gone.len() as u64)
    }

    async fn find_and_delete_orphans(&self) -> Result<u64, String> {
        let oldest_ns = self.compactor.time.lock().now_ns().saturating_sub(duration_ns(limits::ORPHAN_AGE));
        let listed = self.store.list_local().await.map_err(|error| error.to_string())?;
        let Some(listed) = listed else { return self.delete_left().await };
        // A flush that was writing while the list was made has committed, or taken its files back, when this returns.
        // No merge runs, since the caller holds the lock.
        drop(self.flush_lock.lock().await);
        let named = self.lake.named_paths().await.map_err(|error| error.to_string())?;
        let mut count = 0;
        for file in listed.iter().filter(|file| file.changed_ns < oldest_ns && !named.contains(&file.path)) {
            self.store.delete_local(file).await.map_err(|error| error.to_string())?;
            count += 1;
        }
        self.compactor.counters.lock().orphans_deleted += count;
        Ok(count)
    }
}

impl Engine {
    /// Looks at once for files that a crash has left behind.
    pub async fn remove_orphans(&self) {
        self.inner.observe_clock();
        self.inner.remove_orphans().await;
    }
}

fn duration_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
