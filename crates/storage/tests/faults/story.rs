//! One case: some steps of random work, each held against the map.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock};
use storage::disk::Disk;
use storage::disk::simulated::Random;
use storage::store::Store;
use storage::wal::WalOptions;
use storage::{
    BucketError, BucketInfo, CommitFaults, DeleteFilter, DeleteRequest, DeleteSubject, DeleteTerm, Engine,
    EngineOptions, OpenError, Precision, RetentionSource, TableSnapshot, WriteError, WriteOutcome, WriteRequest,
};

use crate::model::{Effect, Known, Model, Point, TABLES, TAG_VALUES};
use crate::support::table_rows::try_rows;
use crate::support::{NOW_NS, Retention, bucket, open_engine};
use crate::world::{Fate, World};

const STEPS: u64 = 18;
const HOUR: Duration = Duration::from_secs(3600);
const HOUR_NS: i64 = 3_600_000_000_000;
/// Hours before [`NOW_NS`] that points lie in.
const SLOTS: u64 = 10;
const FIELDS: [&str; 6] = ["x", "y", "f", "s", "u", "o"];

/// What a run has seen, to know that it saw enough.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    writes: u64,
    refused: u64,
    uncertain: u64,
    took_effect: u64,
    deletes: u64,
    drops: u64,
    flushes: u64,
    merges: u64,
    failures: u64,
    starts: u64,
    failed_replays: u64,
    refused_starts: u64,
    dropped_points: u64,
    lying: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.writes += other.writes;
        self.refused += other.refused;
        self.uncertain += other.uncertain;
        self.took_effect += other.took_effect;
        self.deletes += other.deletes;
        self.drops += other.drops;
        self.flushes += other.flushes;
        self.merges += other.merges;
        self.failures += other.failures;
        self.starts += other.starts;
        self.failed_replays += other.failed_replays;
        self.refused_starts += other.refused_starts;
        self.dropped_points += other.dropped_points;
        self.lying += other.lying;
    }

    /// A run that never met something cannot say that it is right.
    pub(crate) fn assert_varied(&self, seeds: u64) {
        let often = [self.writes, self.deletes, self.flushes, self.merges, self.failures, self.starts];
        assert!(often.iter().all(|count| *count > seeds / 6), "{self:?}");
        let sometimes = [self.refused, self.uncertain, self.took_effect, self.drops, self.dropped_points, self.lying];
        assert!(sometimes.iter().all(|count| *count > 0), "{self:?}");
    }
}

/// Tables as a query began to read them, and what it must read.
struct Held {
    table: Arc<TableSnapshot>,
    expected: Vec<String>,
    expired: i64,
}

pub(crate) struct Story {
    seed: u64,
    random: Random,
    folder: PathBuf,
    world: World,
    clock: Arc<ManualClock>,
    retention: Arc<Retention>,
    engine: Option<Engine>,
    bucket: Arc<BucketInfo>,
    known: Known,
    /// Rows before it may be gone from files: they were past their retention when files were merged.
    expired: i64,
    /// Whether the field is registered with its type.
    has_x: [bool; TABLES.len()],
    /// Something may have gone wrong since the start.
    is_faulty: bool,
    is_poisoned: bool,
    must_drop: bool,
    /// Nothing more can be asked of this case.
    is_over: bool,
    /// Nothing goes wrong any more.
    is_ending: bool,
    held: Vec<Held>,
    /// The states since the disk began to lie.
    lies: Option<Vec<Model>>,
    /// The last effect that was acknowledged put something into the buffers.
    ends_with_write: bool,
    tally: Tally,
    step: u64,
}

impl Story {
    pub(crate) fn new(seed: u64, folder: &Path) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            folder: folder.to_owned(),
            world: World::default(),
            clock: Arc::new(ManualClock::new(NOW_NS)),
            retention: Arc::default(),
            engine: None,
            bucket: bucket(16, "b"),
            known: Known::default(),
            expired: i64::MIN,
            has_x: [false; TABLES.len()],
            is_faulty: false,
            is_poisoned: false,
            must_drop: false,
            is_over: false,
            is_ending: false,
            held: Vec::new(),
            lies: None,
            ends_with_write: false,
            tally: Tally::default(),
            step: 0,
        }
    }

    pub(crate) async fn run(mut self) -> Tally {
        let lies = self.random.below(10) == 0;
        self.engine = Some(self.open().await.unwrap());
        if lies {
            self.tally.lying += 1;
            self.lies = Some(vec![Model::default()]);
            self.world.disk.set_lying_syncs(true);
        }
        for step in 0..STEPS {
            self.step = step;
            self.take_step().await;
            if self.is_over {
                return self.tally;
            }
            let is_tired = self.is_poisoned && self.random.chance();
            if (self.world.is_dead() || is_tired) && !self.restart(true).await {
                return self.tally;
            }
            self.check().await;
        }
        self.end().await;
        self.tally
    }

    /// Without faults everything works again, and after a request to compact nothing is left to merge.
    async fn end(&mut self) {
        self.is_ending = true;
        if !self.restart(true).await {
            return;
        }
        self.world.disarm();
        let engine = self.engine();
        self.note_expiry();
        engine.compact().await.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
        self.check().await;
        let retention = *self.retention.0.lock();
        let snapshot = engine.snapshot(self.bucket.bucket, retention).await.unwrap();
        for (index, measurement) in TABLES.iter().enumerate() {
            let Some(table) = snapshot.table(measurement) else { continue };
            let is_all_visible = retention.is_none() && self.expired == i64::MIN;
            // A delete that means no row of a file does not make it rewritten, and the bound does not know that.
            if is_all_visible && !table.has_deletes() {
                assert!(table.row_count_is_exact(), "{}: files overlap after a request to compact", self.place());
                let count = self.known.certain.row_count(index) as u64;
                assert_eq!(table.row_count_bound(), count, "{}", self.place());
            }
        }
        drop((snapshot, engine));
        if self.random.below(4) == 0 {
            self.engine().close().await.unwrap();
            assert!(self.restart(false).await);
        }
    }

    fn place(&self) -> String {
        format!("seed {}, step {}", self.seed, self.step)
    }

    fn engine(&self) -> Engine {
        self.engine.clone().unwrap()
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.random.below(values.len() as u64) as usize]
    }

    async fn open(&mut self) -> Result<Engine, OpenError> {
        let memory_bytes = self.pick(&[1 << 30, 1 << 30, 1 << 20, 100_000]);
        let mut options =
            EngineOptions::new(&self.folder, memory_bytes, Arc::clone(&self.clock) as Arc<dyn catalog::Clock>);
        options.retention = Arc::clone(&self.retention) as Arc<dyn RetentionSource>;
        options.wal_disk = Arc::new(self.world.disk.clone()) as Arc<dyn Disk>;
        let segment_bytes = self.pick(&[400, 3000, 100_000]);
        options.wal = WalOptions { segment_bytes, allocate_bytes: 1000, salt: self.seed, ..WalOptions::default() };
        options.store = Some(Store::new(Arc::new(self.world.clone())));
        options.commit_faults = Arc::new(self.world.clone()) as Arc<dyn CommitFaults>;
        options.compacted_file_bytes = self.pick(&[2000, 6000, 1 << 20]);
        options.keep_snapshots = self.pick(&[Duration::ZERO, Duration::from_secs(60)]);
        self.tally.starts += 1;
        open_engine(&options).await
    }

    /// The process ends, by the power or in order, and another one starts. `false` if that one refuses to start for a
    /// good reason.
    async fn restart(&mut self, by_power: bool) -> bool {
        self.read_held().await;
        self.world.die();
        self.engine = None;
        self.wait_for_the_end().await;
        if by_power {
            self.world.disk.crash(self.random.next_u64());
        } else {
            self.world.disk.restart();
        }
        self.world.disk.set_capacity(None);
        self.world.revive();
        (self.is_faulty, self.is_poisoned) = (false, false);
        if self.lies.is_none() && !self.is_ending && self.random.below(6) == 0 {
            self.arm_catalog_and_store();
        }
        let has_lied = self.lies.is_some();
        loop {
            match self.open().await {
                Ok(engine) => self.engine = Some(engine),
                Err(OpenError::Wal(_)) if self.lies.is_some() => {
                    self.tally.refused_starts += 1;
                    return false;
                }
                Err(error) => panic!("{}: {error}", self.place()),
            }
            if self.find_state().await {
                break;
            }
            // The replay met a fault.
            assert!(self.is_faulty, "{}: the log cannot be replayed", self.place());
            self.tally.failed_replays += 1;
            self.world.die();
            self.engine = None;
            self.wait_for_the_end().await;
            self.world.disk.crash(self.random.next_u64());
            self.world.revive();
            self.is_faulty = false;
        }
        if has_lied {
            // That what is there is a state that once was is all that can be asked after a disk has lied: sequences
            // that files hold and the log lost are given again.
            return false;
        }
        if self.must_drop && !self.world.is_dead() {
            self.world.disarm();
            self.drop_bucket().await;
        }
        true
    }

    /// Waits until no task of the old engine is left.
    async fn wait_for_the_end(&self) {
        let lock = std::fs::File::open(self.folder.join("lock")).unwrap();
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// Finds out which of the states that may be is there. `false` if the engine cannot tell.
    async fn find_state(&mut self) -> bool {
        // What retention hides now, a longer one shows later, and only there the states may differ.
        let from = self.expired;
        let Some(rows) = self.read(from, None).await else { return false };
        let candidates = match &self.lies {
            Some(lies) => {
                let known = |certain: &Model| {
                    Known { certain: certain.clone(), uncertain: self.known.uncertain.clone() }.candidates()
                };
                lies.iter().rev().flat_map(known).collect()
            }
            None => self.known.candidates(),
        };
        let is_there = |model: &Model| (0..TABLES.len()).all(|table| model.rows(table, from) == rows[table]);
        let Some(found) = candidates.iter().position(is_there) else {
            let expected: Vec<Vec<String>> = (0..TABLES.len()).map(|t| self.known.certain.rows(t, from)).collect();
            panic!(
                "{}{}: after a start there is\n{rows:#?}\nbut known was\n{expected:#?}\nand perhaps {:#?}",
                self.place(),
                if self.lies.is_some() { ", the disk lied" } else { "" },
                self.known.uncertain
            );
        };
        self.tally.took_effect += u64::from(found > 0 && self.lies.is_none());
        self.known = Known { certain: candidates[found].clone(), uncertain: Vec::new() };
        // The disk is an honest one from here on.
        self.lies = None;
        true
    }

    fn retention_from(&self) -> i64 {
        self.oldest_within(*self.retention.0.lock())
    }

    fn oldest_within(&self, retention: Option<Duration>) -> i64 {
        retention.map_or(i64::MIN, |retention| {
            catalog::Clock::now_ns(&*self.clock) - i64::try_from(retention.as_nanos()).unwrap()
        })
    }

    fn visible_from(&self) -> i64 {
        self.retention_from().max(self.expired)
    }

    /// Files are about to be merged, and lose what is past its retention.
    fn note_expiry(&mut self) {
        self.expired = self.expired.max(self.retention_from());
    }

    /// The rows of the bucket's measurements from a time on, within a retention. `None` if the log could not be
    /// replayed.
    async fn read(&self, from: i64, retention: Option<Duration>) -> Option<Vec<Vec<String>>> {
        let snapshot = self.engine().snapshot(self.bucket.bucket, retention).await.ok()?;
        self.world.pause(true);
        let mut all = Vec::new();
        for measurement in TABLES {
            let mut rows = Vec::new();
            if let Some(table) = snapshot.table(measurement) {
                match try_rows(table).await {
                    Ok(found) => rows = found,
                    Err(_) if self.world.is_dead() => return None,
                    Err(error) => panic!("{}: {error}", self.place()),
                }
            }
            let hidden_before = self.oldest_within(retention);
            assert!(rows.iter().all(|row| time_of(row) >= hidden_before), "{}: {rows:?}", self.place());
            rows.retain(|row| time_of(row) >= from);
            all.push(rows);
        }
        self.world.pause(false);
        Some(all)
    }

    /// Holds the engine against the map.
    async fn check(&mut self) {
        let from = self.visible_from();
        let retention = *self.retention.0.lock();
        let Some(rows) = self.read(from, retention).await else {
            assert!(self.world.is_dead(), "{}: no snapshot", self.place());
            return;
        };
        for (index, measurement) in TABLES.iter().enumerate() {
            assert_eq!(rows[index], self.known.certain.rows(index, from), "{}: {measurement}", self.place());
        }
    }

    async fn read_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if self.world.is_dead() {
            return;
        }
        self.world.pause(true);
        for Held { table, expected, expired } in held {
            let mut rows = try_rows(&table).await.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
            rows.retain(|row| time_of(row) >= expired);
            assert_eq!(rows, expected, "{}: a query sees one snapshot", self.place());
        }
        self.world.pause(false);
    }

    async fn take_step(&mut self) {
        match self.random.below(32) {
            0..9 => self.write().await,
            9..12 => self.work_at_once().await,
            // A merge applies a delete that a lying disk then forgets, and other files never had it applied.
            12..16 if self.lies.is_none() => self.delete().await,
            16..18 => self.maintain_by(0).await,
            18..21 => self.maintain_by(1).await,
            21 => self.maintain_by(2).await,
            22 => self.maintain_by(3).await,
            23 if self.lies.is_none() => self.change_retention(),
            24 if self.lies.is_none() && !self.is_poisoned => self.drop_bucket().await,
            25 => self.hold().await,
            26..28 => {
                let by_power = self.random.chance();
                if !by_power && self.random.chance() && !self.is_faulty {
                    self.engine().close().await.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
                    self.note_flush();
                }
                // What was unsynced under a lying disk stays so; only the power shows it.
                if !self.restart(by_power || self.lies.is_some()).await {
                    self.is_over = true;
                }
            }
            _ if self.lies.is_none() => self.arm(),
            _ => {}
        }
        if self.random.below(3) == 0 {
            self.clock.advance(Duration::from_secs(self.random.below(1800)));
        }
    }

    fn fate(&mut self) -> (u64, Fate, u64) {
        let fates = [Fate::Refused, Fate::LostBefore, Fate::LostAfter, Fate::DieBefore, Fate::DieAfter];
        (self.random.below(4), self.pick(&fates), self.pick(&[1, 1, 2, 3]))
    }

    fn arm_catalog_and_store(&mut self) {
        self.is_faulty = true;
        let (passes, fate, times) = self.fate();
        if self.random.chance() {
            self.world.arm_store(passes, fate, times);
        } else {
            self.world.arm_commits(passes, fate, times);
        }
    }

    fn arm(&mut self) {
        self.is_faulty = true;
        match self.random.below(10) {
            0 => self.world.disk.fail_sync_after(self.random.below(3)),
            1 => self.world.disk.fail_write_after(self.random.below(3), self.random.below(600) as usize),
            2 => self.world.disk.cut_power_after(self.random.below(12)),
            3 => self.world.disk.set_capacity(Some(self.random.below(3000))),
            4 => {
                self.world.disk.set_capacity(None);
                self.world.disarm();
            }
            _ => self.arm_catalog_and_store(),
        }
    }

    /// Some points, and how many of them are refused whatever happens. With a series of its own, other writes at the
    /// same time do not touch them.
    fn points(&mut self, series: Option<usize>) -> (String, Vec<Point>, usize) {
        let (mut lines, mut kept, mut dropped) = (String::new(), Vec::new(), 0);
        let oldest = self.retention_from();
        let known = (2 + self.step / 3).min(FIELDS.len() as u64);
        for line in 0..1 + self.random.below(6) {
            let table = usize::from(self.random.below(4) == 0);
            let tags = (series.unwrap_or(self.random.below(4) as usize), self.random.below(4) as usize);
            let slot = self.random.below(SLOTS) as i64;
            let time = NOW_NS - SLOTS as i64 * HOUR_NS + slot * HOUR_NS + self.random.below(3) as i64;
            let mut text = TABLES[table].to_owned();
            for (name, value) in [("a", tags.0), ("b", tags.1)] {
                if value > 0 {
                    text += &format!(",{name}={}", TAG_VALUES[value]);
                }
            }
            let is_conflict = self.has_x[table] && self.random.below(8) == 0;
            let mut fields = Vec::new();
            let mut given = Vec::new();
            for field in FIELDS.iter().take(known as usize) {
                if self.random.chance() && !(is_conflict && *field == "x") {
                    let (sent, shown) = value(field, self.step * 10 + line);
                    given.push(format!("{field}={sent}"));
                    fields.push((*field, shown));
                }
            }
            if is_conflict {
                given.push("x=1.5".to_owned());
            } else if fields.is_empty() {
                let (sent, shown) = value("x", self.step * 10 + line);
                given.push(format!("x={sent}"));
                fields.push(("x", shown));
            }
            lines += &format!("{text} {} {time}\n", given.join(","));
            if is_conflict || time < oldest {
                dropped += 1;
            } else {
                kept.push(Point { table, tags, time, fields });
            }
        }
        (lines, kept, dropped)
    }

    fn request(&self, lines: String) -> WriteRequest {
        WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: *self.retention.0.lock(),
            body: lines.into(),
            precision: Precision::Nanosecond,
        }
    }

    async fn write(&mut self) {
        let (lines, points, dropped) = self.points(None);
        let result = self.engine().write(self.request(lines)).await;
        self.note_write(result, points, dropped);
        self.note_poison();
    }

    fn note_write(&mut self, result: Result<WriteOutcome, WriteError>, points: Vec<Point>, dropped: usize) {
        match result {
            Ok(outcome) => {
                self.tally.writes += 1;
                let found = outcome.dropped.map_or(0, |dropped| dropped.dropped);
                self.tally.dropped_points += dropped as u64;
                assert_eq!((outcome.accepted, found), (points.len(), dropped), "{}", self.place());
                for point in &points {
                    self.has_x[point.table] |= point.fields.iter().any(|(field, _)| *field == "x");
                }
                if !points.is_empty() {
                    self.acknowledge(&Effect::Write(points));
                }
            }
            Err(error) => self.note_refusal(&error, Effect::Write(points)),
        }
    }

    fn acknowledge(&mut self, effect: &Effect) {
        self.known.certain.apply(effect);
        self.ends_with_write = matches!(effect, Effect::Write(_));
        if let Some(lies) = &mut self.lies {
            lies.push(self.known.certain.clone());
        }
    }

    fn note_refusal(&mut self, error: &WriteError, effect: Effect) {
        assert!(self.is_faulty, "{}: {error}", self.place());
        match error {
            WriteError::Poisoned { .. } if self.is_poisoned => {}
            WriteError::Poisoned { .. } => {
                self.tally.uncertain += 1;
                self.known.uncertain.push(effect);
                return;
            }
            WriteError::OutOfSpace
            | WriteError::Overloaded { .. }
            | WriteError::Catalog(_)
            | WriteError::CatalogUnreachable { .. } => {}
            other => panic!("{}: {other}", self.place()),
        }
        self.tally.refused += 1;
    }

    async fn delete(&mut self) {
        let slot = self.random.below(SLOTS) as i64;
        let first = NOW_NS - SLOTS as i64 * HOUR_NS + slot * HOUR_NS + self.random.below(2) as i64;
        let time_range = match self.random.below(4) {
            0 => (i64::MIN, i64::MAX),
            1 => (first, first),
            _ => (first, first + self.random.below(5) as i64 * HOUR_NS),
        };
        let terms = self.terms();
        let filter = DeleteFilter { time_range, terms: terms.clone() };
        let (organisation, bucket) = (self.bucket.organisation, self.bucket.bucket);
        let effect = Effect::Delete(time_range, terms);
        match self.engine().delete(DeleteRequest { organisation, bucket, filter }).await {
            Ok(()) => {
                self.tally.deletes += 1;
                self.acknowledge(&effect);
            }
            Err(error) => {
                self.note_refusal(&error, effect);
                self.note_poison();
            }
        }
    }

    fn terms(&mut self) -> Vec<DeleteTerm> {
        let mut terms = Vec::new();
        for _ in 0..self.random.below(4) {
            let value = self.pick(&TAG_VALUES).to_owned();
            let (subject, value) = match self.random.below(9) {
                0 => (DeleteSubject::Measurement, self.pick(&TABLES).to_owned()),
                1 => (DeleteSubject::Tag("none".to_owned()), value),
                2..5 => (DeleteSubject::Field, self.pick(&FIELDS).to_owned()),
                5..7 => (DeleteSubject::Tag("a".to_owned()), value),
                _ => (DeleteSubject::Tag("b".to_owned()), value),
            };
            terms.push(DeleteTerm { subject, value, is_equal: self.random.below(3) > 0 });
        }
        terms
    }

    /// Writes of different series, and the engine's own work, all at the same time.
    async fn work_at_once(&mut self) {
        // In which order the log took them is not known, and a disk that lies may keep the first of them alone.
        let count = if self.lies.is_some() { 1 } else { 1 + self.random.below(3) as usize };
        let batches: Vec<_> = (0..count).map(|series| self.points(Some(series))).collect();
        let engine = self.engine();
        let writes = batches.iter().map(|(lines, ..)| engine.write(self.request(lines.clone())));
        let writes = futures::future::join_all(writes.collect::<Vec<_>>());
        let kind = self.random.below(4);
        self.note_expiry_of(kind);
        let (results, merged) = tokio::join!(writes, work(&engine, kind));
        for (result, (_, points, dropped)) in results.into_iter().zip(batches) {
            self.note_write(result, points, dropped);
        }
        self.note_poison();
        self.note_work(kind, merged);
    }

    fn note_expiry_of(&mut self, kind: u64) {
        if matches!(kind, 1 | 2) {
            self.note_expiry();
        }
    }

    async fn maintain_by(&mut self, kind: u64) {
        self.note_expiry_of(kind);
        let merged = work(&self.engine(), kind).await;
        let was_whole = merged.is_ok() && kind < 2;
        self.note_work(kind, merged);
        if was_whole {
            self.note_flush();
        }
    }

    /// All rows that were acknowledged are in files. A delete behind the last of them may still be in the log alone.
    fn note_flush(&mut self) {
        if let Some(lies) = self.lies.as_mut().filter(|_| self.ends_with_write) {
            *lies = vec![self.known.certain.clone()];
        }
    }

    fn note_work(&mut self, kind: u64, merged: Result<usize, String>) {
        match merged {
            Ok(merges) => {
                self.tally.merges += merges as u64;
                self.tally.flushes += u64::from(kind == 0);
            }
            Err(error) => {
                assert!(self.is_faulty, "{}: {error}", self.place());
                self.tally.failures += 1;
            }
        }
    }

    /// Once the log is poisoned nothing is stored any more.
    fn note_poison(&mut self) {
        self.is_poisoned |= !self.known.uncertain.is_empty();
    }

    fn change_retention(&mut self) {
        let retention = self.pick(&[None, Some(4 * HOUR), Some(8 * HOUR)]);
        *self.retention.0.lock() = retention;
        if self.random.below(8) == 0 {
            // More than a day: nothing is deleted for a while, and everything is hidden.
            self.clock.advance(30 * HOUR);
        }
    }

    async fn drop_bucket(&mut self) {
        let (organisation, dropped) = (self.bucket.organisation, self.bucket.bucket);
        let mut result = self.engine().drop_bucket(organisation, dropped).await;
        if let Err(BucketError::Catalog(_)) = result {
            assert!(self.is_faulty, "{}: {result:?}", self.place());
            self.tally.failures += 1;
            if !self.world.is_dead() {
                // Whoever deletes a bucket asks again until it is gone.
                self.world.disarm();
                result = self.engine().drop_bucket(organisation, dropped).await;
            }
        }
        match result {
            Ok(()) => {
                self.tally.drops += 1;
                self.known = Known::default();
                (self.must_drop, self.has_x, self.expired) = (false, [false; TABLES.len()], i64::MIN);
                let snapshot = self.engine().snapshot(dropped, None).await.unwrap();
                assert_eq!(snapshot.tables().count(), 0, "{}", self.place());
                self.bucket = bucket(u64::from_str_radix(&dropped.to_string(), 16).unwrap() + 1, "b");
                assert_ne!(self.bucket.bucket, BucketId::from_u64(16).unwrap());
            }
            Err(BucketError::Write(error)) => {
                self.must_drop |= matches!(error, WriteError::Poisoned { .. });
                self.note_refusal(&error, Effect::DropBucket);
                self.note_poison();
            }
            Err(error) => {
                assert!(self.world.is_dead(), "{}: {error}", self.place());
                self.must_drop = true;
                self.known.uncertain.push(Effect::DropBucket);
            }
        }
    }

    /// A query begins that is read to its end much later.
    async fn hold(&mut self) {
        let from = self.visible_from();
        let retention = *self.retention.0.lock();
        let Ok(snapshot) = self.engine().snapshot(self.bucket.bucket, retention).await else { return };
        for (index, measurement) in TABLES.iter().enumerate() {
            if let Some(table) = snapshot.table(measurement) {
                let expected = self.known.certain.rows(index, from);
                self.held.push(Held { table: Arc::clone(table), expected, expired: from });
            }
        }
    }
}

/// A value of a field as it is sent, and as it is shown.
fn value(field: &str, number: u64) -> (String, String) {
    match field {
        "x" | "y" => (format!("{number}i"), number.to_string()),
        "f" => (format!("{number}.5"), format!("{number}.5")),
        "s" => (format!("\"v{number}\""), format!("v{number}")),
        "u" => (format!("{number}u"), number.to_string()),
        _ => ((number % 2 == 1).to_string(), (number % 2 == 1).to_string()),
    }
}

fn time_of(row: &str) -> i64 {
    row.rsplit_once('@').unwrap().1.parse().unwrap()
}

/// One of the engine's own jobs; the number of merges.
async fn work(engine: &Engine, kind: u64) -> Result<usize, String> {
    match kind {
        0 => engine.flush().await.map(|_| 0).map_err(|error| error.to_string()),
        1 => engine.compact().await.map(|report| report.merges).map_err(|error| error.to_string()),
        2 => engine.maintain().await.map(|report| report.merges).map_err(|error| error.to_string()),
        _ => engine.materialise_deletes().await.map(|_| 0).map_err(|error| error.to_string()),
    }
}
