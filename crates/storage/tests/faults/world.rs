//! What an engine stands on, all of it in the hands of the test: the disk of the log, the store of the files, the
//! commits of the catalog. Faults are armed for a number of operations ahead. Death stops all three at once, as the end
//! of a process or of the power does between any two steps.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use storage::disk::SimulatedDisk;
use storage::{CommitFault, CommitFaults};

/// What happens to an operation of the store or a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Refused,
    /// The caller is told of a failure; it did not happen (commits only) or it did.
    LostBefore,
    LostAfter,
    DieBefore,
    DieAfter,
}

/// A fault that waits for some operations to pass.
#[derive(Debug, Clone, Copy)]
struct Armed {
    passes: u64,
    fate: Fate,
    /// How many operations in a row it hits.
    times: u64,
}

#[derive(Debug, Default)]
struct State {
    is_dead: bool,
    /// While set, nothing goes wrong: for looking at what is there.
    is_paused: bool,
    store: Option<Armed>,
    commits: Option<Armed>,
    /// The commit under way ends with death.
    dies_after_commit: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    objects: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

fn next(armed: &mut Option<Armed>) -> Option<Fate> {
    let fault = armed.as_mut()?;
    if fault.passes > 0 {
        fault.passes -= 1;
        return None;
    }
    let fate = fault.fate;
    fault.times = fault.times.saturating_sub(1);
    if fault.times == 0 {
        *armed = None;
    }
    Some(fate)
}

impl World {
    pub(crate) fn arm_store(&self, passes: u64, fate: Fate, times: u64) {
        self.state.lock().store = Some(Armed { passes, fate, times });
    }

    pub(crate) fn arm_commits(&self, passes: u64, fate: Fate, times: u64) {
        self.state.lock().commits = Some(Armed { passes, fate, times });
    }

    /// Nothing is armed any more. What is dead stays dead.
    pub(crate) fn disarm(&self) {
        let mut state = self.state.lock();
        (state.store, state.commits, state.dies_after_commit) = (None, None, false);
    }

    pub(crate) fn pause(&self, is_paused: bool) {
        self.state.lock().is_paused = is_paused;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().is_dead
    }

    /// From now on nothing has any effect.
    pub(crate) fn die(&self) {
        self.state.lock().is_dead = true;
        self.disk.cut_power_after(0);
    }

    /// The machine is on again. The engine of before must be gone.
    pub(crate) fn revive(&self) {
        *self.state.lock() = State::default();
    }

    /// The fate of an operation of the store.
    fn store_fate(&self) -> Option<Fate> {
        let mut state = self.state.lock();
        if state.is_dead {
            return Some(Fate::Refused);
        }
        if state.is_paused {
            return None;
        }
        next(&mut state.store)
    }

    async fn operate<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        match self.store_fate() {
            None => operation.await,
            Some(Fate::Refused | Fate::LostBefore) => Err(unavailable()),
            Some(Fate::LostAfter) => {
                operation.await?;
                Err(unavailable())
            }
            Some(Fate::DieBefore) => {
                self.die();
                Err(unavailable())
            }
            Some(Fate::DieAfter) => {
                let done = operation.await;
                self.die();
                done
            }
        }
    }
}

fn unavailable() -> Error {
    Error::Generic { store: "simulated store", source: "simulated failure".into() }
}

impl CommitFaults for World {
    fn next(&self) -> CommitFault {
        let fate = {
            let mut state = self.state.lock();
            if state.is_dead { Some(Fate::Refused) } else { next(&mut state.commits) }
        };
        match fate {
            None => CommitFault::None,
            Some(Fate::Refused) => CommitFault::Refused,
            Some(Fate::LostBefore) => CommitFault::LostBefore,
            Some(Fate::LostAfter) => CommitFault::LostAfter,
            Some(Fate::DieBefore) => {
                self.die();
                CommitFault::LostBefore
            }
            Some(Fate::DieAfter) => {
                self.state.lock().dies_after_commit = true;
                CommitFault::LostAfter
            }
        }
    }

    fn happened(&self) {
        if std::mem::take(&mut self.state.lock().dies_after_commit) {
            self.die();
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated store")
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T>>;

impl ObjectStore for World {
    fn put_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Answer<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(self.operate(self.objects.put_opts(location, payload, options)))
    }

    fn put_multipart_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        options: PutMultipartOptions,
    ) -> Answer<'c, Box<dyn MultipartUpload>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(self.operate(self.objects.put_multipart_opts(location, options)))
    }

    fn get_opts<'a, 'b, 'c>(&'a self, location: &'b Path, options: GetOptions) -> Answer<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(self.operate(self.objects.get_opts(location, options)))
    }

    fn get_ranges<'a, 'b, 'd, 'c>(&'a self, location: &'b Path, ranges: &'d [Range<u64>]) -> Answer<'c, Vec<Bytes>>
    where
        'a: 'c,
        'b: 'c,
        'd: 'c,
        Self: 'c,
    {
        Box::pin(self.operate(self.objects.get_ranges(location, ranges)))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let world = self.clone();
        let delete = move |location: Result<Path>| {
            let world = world.clone();
            async move {
                let location = location?;
                world.operate(world.objects.delete(&location)).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, prefix: Option<&'b Path>) -> Answer<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        self.objects.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'd, 'c>(&'a self, from: &'b Path, to: &'d Path, options: CopyOptions) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'd: 'c,
        Self: 'c,
    {
        self.objects.copy_opts(from, to, options)
    }
}
