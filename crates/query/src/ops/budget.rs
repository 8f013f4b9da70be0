//! The memory that one query may take, out of the pool of all queries.

use datafusion::execution::memory_pool::MemoryReservation;

use crate::error::QueryError;

/// A share of the pool, which grows as it is charged. All of it is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) reservation: MemoryReservation,
    pub(crate) limit_bytes: usize,
}

impl Budget {
    /// Takes more memory.
    ///
    /// # Errors
    /// If the pool has no more.
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), QueryError> {
        self.reservation
            .try_grow(bytes)
            .map_err(|error| QueryError::Memory { limit_bytes: self.limit_bytes, cause: error.strip_backtrace() })
    }

    /// A budget out of the same pool, for a task of this query.
    pub(crate) fn child(&self) -> Self {
        Self { reservation: self.reservation.new_empty(), limit_bytes: self.limit_bytes }
    }

    /// Takes over what a task has charged.
    ///
    /// # Errors
    /// If another query took the memory in between.
    pub(crate) fn absorb(&self, child: Self) -> Result<(), QueryError> {
        let bytes = child.reservation.size();
        drop(child);
        self.charge(bytes)
    }
}
