//! An object store in memory that fails as stores in a cloud do, for tests: it refuses, it does what it was asked and
//! loses the answer, it does it later, it never answers, it breaks off in the middle of an answer.
//!
//! Which request fails how follows from a seed. Clones share the objects, so that an engine can be opened again over
//! what the one before left behind.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;

/// How many of a thousand requests fail in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Answered 503; nothing was done.
    pub refused: u64,
    /// Done, and the answer is lost.
    pub answer_lost: u64,
    /// Never answered; nothing was done.
    pub silent: u64,
    /// An object that arrives some requests later, although the request seemed to fail.
    pub late: u64,
    /// A part of what was asked for.
    pub broken_off: u64,
}

impl FaultRates {
    /// Every request is answered 503.
    pub const DOWN: Self = Self { refused: 1000, answer_lost: 0, silent: 0, late: 0, broken_off: 0 };
}

/// What was asked of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whole objects and parts.
    pub puts: usize,
    /// Ranges of objects.
    pub gets: usize,
    /// Questions for an object's size.
    pub heads: usize,
    /// Objects that were to be deleted.
    pub deletes: usize,
    /// Requests that name what is there.
    pub lists: usize,
}

#[derive(Debug, Default)]
struct State {
    random: u64,
    rates: FaultRates,
    asked: Asked,
    late: Vec<(Path, PutPayload)>,
}

/// The store.
#[derive(Debug, Clone, Default)]
pub struct FaultyStore {
    objects: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

/// The fate of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    AnswerLost,
    Silent,
    Late,
    BrokenOff,
}

fn unavailable() -> Error {
    Error::Generic { store: "faulty store", source: "503 Service Unavailable: SlowDown".into() }
}

impl FaultyStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let store = Self::default();
        store.state.lock().random = seed;
        store
    }

    /// From now on requests fail like this.
    pub fn set_rates(&self, rates: FaultRates) {
        self.state.lock().rates = rates;
    }

    /// No request fails any more. Returns how they did.
    #[must_use]
    pub fn take_rates(&self) -> FaultRates {
        std::mem::take(&mut self.state.lock().rates)
    }

    /// What was asked since the last call.
    #[must_use]
    pub fn take_asked(&self) -> Asked {
        std::mem::take(&mut self.state.lock().asked)
    }

    /// The names of all objects, without a fault and uncounted.
    ///
    /// # Errors
    /// Never, as memory does not fail.
    pub async fn names(&self) -> Result<Vec<String>> {
        self.let_late_arrive(true).await?;
        let objects: Vec<Result<ObjectMeta>> = self.objects.list(None).collect().await;
        let mut names =
            objects.into_iter().map(|object| Ok(object?.location.to_string())).collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// The store without its faults.
    #[must_use]
    pub fn objects(&self) -> &InMemory {
        &self.objects
    }

    /// SplitMix64.
    fn fate(&self, count: impl FnOnce(&mut Asked)) -> Fate {
        let mut state = self.state.lock();
        count(&mut state.asked);
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state.random ^ (state.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut drawn = (mixed ^ (mixed >> 31)) % 1000;
        let FaultRates { refused, answer_lost, silent, late, broken_off } = state.rates;
        for (rate, fate) in [
            (refused, Fate::Refused),
            (answer_lost, Fate::AnswerLost),
            (silent, Fate::Silent),
            (late, Fate::Late),
            (broken_off, Fate::BrokenOff),
        ] {
            match drawn.checked_sub(rate) {
                None => return fate,
                Some(rest) => drawn = rest,
            }
        }
        Fate::Done
    }

    /// Every few requests, what is late arrives.
    async fn let_late_arrive(&self, all: bool) -> Result<()> {
        let arriving = {
            let mut state = self.state.lock();
            let count = if all || state.late.len() > 3 { state.late.len() } else { 0 };
            state.late.drain(..count).collect::<Vec<_>>()
        };
        for (path, payload) in arriving {
            self.objects.put(&path, payload).await?;
        }
        Ok(())
    }

    /// Does it, or not, and answers, or not.
    async fn request<R>(&self, fate: Fate, request: impl Future<Output = Result<R>>) -> Result<R> {
        self.let_late_arrive(false).await?;
        match fate {
            Fate::Done | Fate::BrokenOff => request.await,
            Fate::Refused | Fate::Late => Err(unavailable()),
            Fate::AnswerLost => {
                request.await?;
                Err(Error::Generic { store: "faulty store", source: "the connection was closed".into() })
            }
            Fate::Silent => futures::future::pending().await,
        }
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fate = self.fate(|asked| asked.puts += 1);
        if fate == Fate::Late {
            self.state.lock().late.push((location.clone(), payload.clone()));
        }
        self.request(fate, self.objects.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let implementer = self.to_string();
        Err(Error::NotImplemented { operation: "put_multipart_opts".to_owned(), implementer })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let fate = self.fate(|asked| if is_head { asked.heads += 1 } else { asked.gets += 1 });
        let result = self.request(fate, self.objects.get_opts(location, options)).await?;
        if fate != Fate::BrokenOff || is_head {
            return Ok(result);
        }
        let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        let bytes = result.bytes().await?;
        let bytes: Bytes = bytes.slice(..bytes.len() / 2);
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fate = self.fate(|asked| asked.gets += ranges.len());
        self.request(fate, self.objects.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |path: Result<Path>| {
            let store = store.clone();
            async move {
                let path = path?;
                let fate = store.fate(|asked| asked.deletes += 1);
                store.request(fate, store.objects.delete(&path)).await?;
                Ok(path)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.state.lock().asked.lists += 1;
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.state.lock().asked.lists += 1;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for FaultyStore {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let fate = self.fate(|asked| asked.puts += 1);
        self.request(fate, self.objects.create_multipart(path)).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part_idx: usize, data: PutPayload) -> Result<PartId> {
        let fate = self.fate(|asked| asked.puts += 1);
        self.request(fate, self.objects.put_part(path, id, part_idx, data)).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        let fate = self.fate(|asked| asked.puts += 1);
        self.request(fate, self.objects.complete_multipart(path, id, parts)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let fate = self.fate(|asked| asked.deletes += 1);
        self.request(fate, self.objects.abort_multipart(path, id)).await
    }
}
