//! What a running script shares: its moment, its limits, its packages, and the door to what it may read.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::execution::memory_pool::MemoryReservation;
use flux::Location;

use super::error::{Code, FluxError, Result};
use super::host::{BucketReference, FluxHost};
use super::package::Package;
use super::stream::{Node, Stream};
use super::table::Table;
use super::value::Text;
use crate::error::QueryError;
use crate::limits;
use crate::ops::budget::Budget;

/// Memory out of the pool of all queries, given back when this is dropped.
pub(crate) struct Held {
    bytes: usize,
    pool: Arc<Mutex<MemoryReservation>>,
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Held({})", self.bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.pool).shrink(self.bytes);
    }
}

/// A poisoned lock only means that another thread failed; what is behind it is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running script.
pub struct Runtime {
    /// `now()` in nanoseconds since 1970.
    pub now_ns: i64,
    /// What the script may read and write.
    pub(crate) host: Arc<dyn FluxHost>,
    /// Waits for what is asynchronous.
    pub(crate) handle: tokio::runtime::Handle,
    pool: Arc<Mutex<MemoryReservation>>,
    memory_limit_bytes: usize,
    canceled: Arc<AtomicBool>,
    steps: AtomicU64,
    pub(crate) packages: Mutex<HashMap<Text, Arc<Package>>>,
    pub(crate) yields: Mutex<Vec<(Text, Stream)>>,
    pub(crate) shared: Mutex<HashMap<usize, Shared>>,
    /// Whether the storage does what it can.
    pub(crate) pushes: bool,
    /// Whether only a plan is wanted.
    pub(crate) explains: bool,
    /// What is in each bucket that was read so far: the script sees one moment of it.
    pub(crate) snapshots: Mutex<Vec<(BucketReference, storage::Snapshot)>>,
}

/// A part of the plan that several others read.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) consumers: usize,
    pub(crate) tables: Option<Arc<Vec<Table>>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Runtime").field("now_ns", &self.now_ns).finish_non_exhaustive()
    }
}

impl Runtime {
    pub(crate) fn new(
        host: Arc<dyn FluxHost>,
        now_ns: i64,
        handle: tokio::runtime::Handle,
        reservation: MemoryReservation,
        memory_limit_bytes: usize,
        canceled: Arc<AtomicBool>,
    ) -> Self {
        Self {
            now_ns,
            host,
            handle,
            pool: Arc::new(Mutex::new(reservation)),
            memory_limit_bytes,
            canceled,
            steps: AtomicU64::new(0),
            packages: Mutex::default(),
            yields: Mutex::default(),
            shared: Mutex::default(),
            pushes: true,
            explains: false,
            snapshots: Mutex::default(),
        }
    }

    /// Counts work. Long loops of builtins call it for each row or for some rows at once.
    ///
    /// # Errors
    /// If nobody waits for the query any more, its time is over, or it has done more than any script may.
    pub fn step(&self, count: u64) -> Result<()> {
        let steps = self.steps.fetch_add(count, Ordering::Relaxed);
        if steps > limits::FLUX_STEPS {
            let message = format!("the script does more than {} steps, the limit for a query", limits::FLUX_STEPS);
            return Err(FluxError::new(Code::ResourceExhausted, message));
        }
        if self.canceled.load(Ordering::Relaxed) {
            return Err(FluxError::new(Code::Canceled, "the query was canceled"));
        }
        Ok(())
    }

    /// Takes memory out of the pool of all queries.
    ///
    /// # Errors
    /// If there is not as much.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Arc<Held>> {
        lock(&self.pool).try_grow(bytes).map_err(|error| {
            let limit = self.memory_limit_bytes;
            let cause = error.strip_backtrace();
            let message =
                format!("the query needs more memory than the limit of {limit} bytes for all queries allows: {cause}");
            FluxError::new(Code::ResourceExhausted, message)
        })?;
        Ok(Arc::new(Held { bytes, pool: Arc::clone(&self.pool) }))
    }

    /// A share of the pool of all queries for operators that other languages have too.
    pub(crate) fn budget(&self) -> Budget {
        Budget { reservation: lock(&self.pool).new_empty(), limit_bytes: self.memory_limit_bytes }
    }

    /// Waits for something, and looks now and then whether anybody still waits for the script.
    ///
    /// # Errors
    /// Those of what is waited for, and if nobody does.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = std::result::Result<T, QueryError>>) -> Result<T> {
        let canceled = async {
            while !self.canceled.load(Ordering::Relaxed) {
                tokio::time::sleep(limits::FLUX_CANCELED_AFTER).await;
            }
        };
        let result = self.handle.block_on(async {
            tokio::select! {
                result = future => Some(result),
                () = canceled => None,
            }
        });
        let canceled = || FluxError::new(Code::Canceled, "the query was canceled");
        result.ok_or_else(canceled)?.map_err(|error| match error {
            QueryError::Memory { .. } => FluxError::new(Code::ResourceExhausted, error.to_string()),
            QueryError::Flux(error) => error,
            QueryError::Plan(message) | QueryError::Execution(message) => {
                FluxError::new(Code::ResourceExhausted, message)
            }
            other => FluxError::internal(other),
        })
    }

    /// A table whose memory is accounted for.
    pub(crate) fn holding(&self, table: Table) -> Result<Table> {
        if table.is_held() {
            return Ok(table);
        }
        let held = self.hold(table.bytes())?;
        Ok(table.holding(held))
    }

    /// Adds a result of the script.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn add_result(&self, name: &str, stream: Stream) -> Result<()> {
        let mut yields = lock(&self.yields);
        if yields.iter().any(|(known, _)| **known == *name) {
            let message = format!("tried to produce more than one result with the name \"{name}\"");
            return Err(FluxError::invalid(message));
        }
        yields.push((Arc::from(name), stream));
        Ok(())
    }

    /// Whether a result reads this part of the plan as it is.
    pub(crate) fn is_result(&self, node: &Arc<Node>) -> bool {
        lock(&self.yields).iter().any(|(_, stream)| Arc::ptr_eq(&stream.0, node))
    }

    /// Packages hold functions, which hold their packages: they let go of each other here.
    pub(crate) fn clear(&self) {
        for package in lock(&self.packages).values() {
            package.clear();
        }
        lock(&self.packages).clear();
        lock(&self.yields).clear();
        lock(&self.shared).clear();
    }
}

/// Where in the user's script something happens, and what it is called there.
#[derive(Debug, Clone)]
pub struct Place {
    /// The function that is called.
    pub name: Text,
    /// The call.
    pub location: Location,
}
