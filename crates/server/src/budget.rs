//! Two bounds on what all requests together may use: bytes of bodies, and pieces of CPU work. Nothing here waits for
//! bytes (who gets none is refused); CPU work queues, because the bytes bound how many requests there can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

/// A number of bytes to share out.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    used: Arc<AtomicU64>,
    limit: u64,
}

impl ByteBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: Arc::new(AtomicU64::new(0)), limit }
    }

    /// A reservation of nothing, which can grow.
    pub(crate) fn reservation(&self) -> ByteReservation {
        ByteReservation { budget: self.clone(), bytes: 0 }
    }

    /// Bytes that are reserved now.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }
}

/// Bytes taken from a [`ByteBudget`]; they return when this is dropped.
#[derive(Debug)]
pub(crate) struct ByteReservation {
    budget: ByteBudget,
    bytes: u64,
}

impl ByteReservation {
    /// Takes `bytes` more. `false`, and nothing taken, if the budget does not have them.
    #[must_use]
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let granted = self.budget.take(bytes);
        if granted {
            self.bytes += bytes;
        }
        granted
    }

    /// Gives `bytes` back, or all there are if that is less.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let returned = bytes.min(self.bytes);
        self.bytes -= returned;
        self.budget.used.fetch_sub(returned, Ordering::AcqRel);
    }
}

impl Drop for ByteReservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The task of some CPU work died (it panicked, or the runtime is going down).
#[derive(Debug, thiserror::Error)]
#[error("a worker thread died: {0}")]
pub(crate) struct WorkerDied(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Runs CPU work on the blocking threads, a bounded number at a time, so that requests that only wait stay quick.
#[derive(Debug, Clone)]
pub(crate) struct CpuPool {
    permits: Arc<Semaphore>,
}

impl CpuPool {
    pub(crate) fn new(tasks: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(tasks.max(1))) }
    }

    /// Runs `work` and returns its result. Work that has begun runs to its end even if the caller goes away.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkerDied> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|error| WorkerDied(error.into()))?;
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let result = span.in_scope(work);
            drop(permit);
            result
        });
        task.await.map_err(|error| WorkerDied(error.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_budget_grants_up_to_its_limit_and_takes_back() {
        let budget = ByteBudget::new(10);
        let mut first = budget.reservation();
        assert!(first.grow(6));
        let mut second = budget.reservation();
        assert!(!second.grow(5));
        assert!(second.grow(4));
        assert!(!first.grow(u64::MAX));
        assert_eq!(budget.used_bytes(), 10);
        drop(first);
        assert_eq!(budget.used_bytes(), 4);
        assert!(second.grow(6));
        second.shrink(3);
        assert_eq!(budget.used_bytes(), 7);
        second.shrink(8);
        assert_eq!(budget.used_bytes(), 0);
        drop(second);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_frees_its_place() {
        let pool = CpuPool::new(1);
        assert!(pool.run(|| panic!("on purpose")).await.is_err());
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
