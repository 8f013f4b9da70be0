//! A disk in memory, for tests: it forgets what was not synced, and fails on demand. Deterministic by seed.
//!
//! What it models, as the worst that a disk which honours fdatasync may do:
//! - written bytes are visible at once and durable after `sync_data`; a power failure keeps, of what was not synced,
//!   any prefix of the operations or any subset of the 512-byte sectors and length changes;
//! - a created, renamed or removed name is durable after `sync_directory`; a power failure keeps any subset of those
//!   that were not;
//! - a failed sync of data loses the unsynced writes for good although readers still see them, and the next sync
//!   succeeds (what Linux does with pages whose write-back failed); a failed sync of a directory loses nothing by
//!   itself, because names are metadata, and a file system that cannot write those stops;
//! - a full disk takes the part of a write that still fits.
//!
//! [`SimulatedDisk::set_lying_syncs`] models a disk that breaks its promise. Clones share one disk. Handles that were
//! open before a crash or a restart fail afterwards, so that a thread of the "dead" process can do no harm.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{Disk, DiskFile};

/// What a disk writes as a whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A disk in memory; see the module's documentation.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Grows with every crash and restart; handles of an earlier one are dead.
    epoch: u64,
    files: BTreeMap<u64, File>,
    next_file: u64,
    /// What processes see.
    names: BTreeMap<PathBuf, Entry>,
    /// What a power failure leaves.
    durable_names: BTreeMap<PathBuf, Entry>,
    /// Changes of names that no sync has covered, in order.
    unsynced_names: Vec<NameChange>,
    faults: Faults,
    syncs: u64,
    sync_is_held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Directory,
    File(u64),
}

/// One atomic change of a directory: names that go and a name that comes.
#[derive(Debug)]
struct NameChange {
    removed: Option<PathBuf>,
    added: Option<(PathBuf, Entry)>,
}

#[derive(Debug, Default)]
struct File {
    visible: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Default)]
struct Faults {
    capacity_bytes: Option<u64>,
    /// Data and directory syncs to go before one fails.
    syncs_before_failure: Option<u64>,
    /// Writes to go before one fails, and how many of its bytes it writes.
    writes_before_failure: Option<(u64, usize)>,
    /// Changes to go before the power fails.
    changes_before_power_failure: Option<u64>,
    power_is_off: bool,
    lying_syncs: bool,
    hold_syncs: bool,
    no_allocation: bool,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails and comes back: what was not synced is kept in part, by chance that `seed` decides.
    pub fn crash(&self, seed: u64) {
        let mut state = self.shared.state.lock();
        state.crash(&mut Random::new(seed));
        state.end_epoch();
        self.shared.changed.notify_all();
    }

    /// The process dies and another starts: nothing is lost, but what was not synced still is not.
    pub fn restart(&self) {
        self.shared.state.lock().end_epoch();
        self.shared.changed.notify_all();
    }

    /// Cuts the power after `changes` more changes (writes, lengths, names, syncs): the one after them takes no effect
    /// or, if it is a write, an unsynced one, and everything fails until [`SimulatedDisk::crash`].
    pub fn cut_power_after(&self, changes: u64) {
        self.shared.state.lock().faults.changes_before_power_failure = Some(changes);
    }

    /// Makes the sync (of data or of a directory) after the next `count` ones fail, once.
    pub fn fail_sync_after(&self, count: u64) {
        self.shared.state.lock().faults.syncs_before_failure = Some(count);
    }

    /// Makes the write after the next `count` ones write only `kept_bytes` and then fail, once.
    pub fn fail_write_after(&self, count: u64, kept_bytes: usize) {
        self.shared.state.lock().faults.writes_before_failure = Some((count, kept_bytes));
    }

    /// Limits the bytes of all files together; `None` is no limit. Files that are already larger stay.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().faults.capacity_bytes = bytes;
    }

    /// From now on (or no longer) syncs say that they succeeded and do nothing.
    pub fn set_lying_syncs(&self, lying: bool) {
        self.shared.state.lock().faults.lying_syncs = lying;
    }

    /// From now on the file system cannot allocate in advance.
    pub fn disable_allocation(&self) {
        self.shared.state.lock().faults.no_allocation = true;
    }

    /// From now on data syncs wait until [`SimulatedDisk::release_syncs`].
    pub fn hold_syncs(&self) {
        self.shared.state.lock().faults.hold_syncs = true;
    }

    /// Waits until a sync waits because of [`SimulatedDisk::hold_syncs`].
    pub fn wait_for_held_sync(&self) {
        let mut state = self.shared.state.lock();
        while !state.sync_is_held {
            self.shared.changed.wait(&mut state);
        }
    }

    /// Lets held syncs go on, and all later ones.
    pub fn release_syncs(&self) {
        self.shared.state.lock().faults.hold_syncs = false;
        self.shared.changed.notify_all();
    }

    /// How many data syncs have returned success.
    #[must_use]
    pub fn data_syncs(&self) -> u64 {
        self.shared.state.lock().syncs
    }

    /// Flips the bits of `mask` in a byte, visible and durable: the medium has rotted. `false` if there is no such
    /// byte.
    pub fn corrupt(&self, path: &Path, offset: usize, mask: u8) -> bool {
        let mut state = self.shared.state.lock();
        let Some(Entry::File(id)) = state.names.get(path).copied() else {
            return false;
        };
        let Some(file) = state.files.get_mut(&id) else {
            return false;
        };
        if let Some(byte) = file.durable.get_mut(offset) {
            *byte ^= mask;
        }
        file.visible.get_mut(offset).map(|byte| *byte ^= mask).is_some()
    }

    /// The visible bytes of a file; `None` if there is none.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.shared.state.lock();
        let Some(Entry::File(id)) = state.names.get(path) else {
            return None;
        };
        state.files.get(id).map(|file| file.visible.clone())
    }

    /// Puts a file there, durable.
    pub fn set_contents(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.shared.state.lock();
        let id = state.new_file();
        state.files.insert(id, File { visible: bytes.to_vec(), durable: bytes.to_vec(), unsynced: Vec::new() });
        state.names.insert(path.to_owned(), Entry::File(id));
        state.durable_names.insert(path.to_owned(), Entry::File(id));
    }

    fn handle(&self, state: &State, id: u64) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile { shared: Arc::clone(&self.shared), epoch: state.epoch, id })
    }

    /// The disk, if the power is on.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.shared.state.lock();
        if state.faults.power_is_off { Err(power_failure()) } else { Ok(state) }
    }
}

impl State {
    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    fn end_epoch(&mut self) {
        self.epoch += 1;
        self.faults = Faults { capacity_bytes: self.faults.capacity_bytes, ..Faults::default() };
        self.sync_is_held = false;
    }

    fn crash(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced_names) {
            if random.chance() {
                apply_name_change(&mut self.durable_names, &change);
            }
        }
        self.names = self.durable_names.clone();
        for file in self.files.values_mut() {
            file.crash(random);
        }
        let linked: Vec<u64> = self.names.values().filter_map(Entry::file).collect();
        self.files.retain(|id, _| linked.contains(id));
    }

    /// Counts a change towards the power failure. `Err` if this is the one that the power fails at.
    fn count_change(&mut self) -> io::Result<()> {
        if self.faults.power_is_off {
            return Err(power_failure());
        }
        match &mut self.faults.changes_before_power_failure {
            Some(0) => {
                self.faults.power_is_off = true;
                Err(power_failure())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts a sync towards the injected failure; `true` if this is the one that fails.
    fn sync_fails(&mut self) -> bool {
        match &mut self.faults.syncs_before_failure {
            Some(0) => {
                self.faults.syncs_before_failure = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn change_names(&mut self, change: NameChange) {
        apply_name_change(&mut self.names, &change);
        self.unsynced_names.push(change);
    }

    fn used_bytes(&self) -> u64 {
        let linked = self.names.values().filter_map(Entry::file);
        linked.filter_map(|id| self.files.get(&id)).map(|file| file.visible.len() as u64).sum()
    }

    /// How much longer a file may become.
    fn free_bytes(&self) -> u64 {
        self.faults.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used_bytes()))
    }

    fn file(&mut self, id: u64) -> io::Result<&mut File> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Entry {
    fn file(&self) -> Option<u64> {
        match self {
            Self::File(id) => Some(*id),
            Self::Directory => None,
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        apply(&mut self.visible, &change);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            apply(&mut self.durable, &change);
        }
    }

    fn crash(&mut self, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        if random.chance() {
            // The cache was written back in order up to some sector.
            let kept = random.below(changes.len() as u64 + 1) as usize;
            changes.iter().take(kept).for_each(|change| apply(&mut self.durable, change));
            if let Some(Change::Write { offset, bytes }) = changes.get(kept) {
                let cut = random.below(bytes.len() as u64 + 1) as usize;
                let end = (offset + cut) / SECTOR_BYTES * SECTOR_BYTES;
                let part = bytes.get(..end.saturating_sub(*offset)).unwrap_or_default();
                apply(&mut self.durable, &Change::Write { offset: *offset, bytes: part.to_vec() });
            }
        } else {
            for change in &changes {
                for part in sectors(change) {
                    if random.chance() {
                        apply(&mut self.durable, &part);
                    }
                }
            }
        }
        self.visible.clone_from(&self.durable);
    }
}

/// The parts of a change that reach the disk independently of one another.
fn sectors(change: &Change) -> Vec<Change> {
    let Change::Write { offset, bytes } = change else {
        return vec![change.clone()];
    };
    let mut parts = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes.len().min((offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - offset);
        let part = bytes.get(start..end).unwrap_or_default().to_vec();
        parts.push(Change::Write { offset: offset + start, bytes: part });
        start = end;
    }
    parts
}

fn apply(contents: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => contents.resize(*length, 0),
        Change::Write { bytes, .. } if bytes.is_empty() => {}
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if contents.len() < end {
                contents.resize(end, 0);
            }
            if let Some(target) = contents.get_mut(*offset..end) {
                target.copy_from_slice(bytes);
            }
        }
    }
}

fn apply_name_change(names: &mut BTreeMap<PathBuf, Entry>, change: &NameChange) {
    if let Some(path) = &change.removed {
        names.remove(path);
    }
    if let Some((path, entry)) = &change.added {
        names.insert(path.clone(), *entry);
    }
}

fn power_failure() -> io::Error {
    io::Error::other("simulated power failure")
}

impl Disk for SimulatedDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        for ancestor in path.ancestors() {
            state.names.insert(ancestor.to_owned(), Entry::Directory);
            state.durable_names.insert(ancestor.to_owned(), Entry::Directory);
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.powered()?;
        if state.names.get(directory) != Some(&Entry::Directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files =
            state.names.iter().filter(|(path, entry)| entry.file().is_some() && path.parent() == Some(directory));
        Ok(files.filter_map(|(path, _)| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        state.count_change()?;
        if state.sync_fails() {
            return Err(io::Error::other("simulated failure of a directory sync"));
        }
        if state.faults.lying_syncs {
            return Ok(());
        }
        let in_directory = |path: &PathBuf| path.parent() == Some(directory);
        for change in std::mem::take(&mut state.unsynced_names) {
            let is_here = change.removed.as_ref().is_some_and(in_directory)
                || change.added.as_ref().is_some_and(|(path, _)| in_directory(path));
            if is_here {
                apply_name_change(&mut state.durable_names, &change);
            } else {
                state.unsynced_names.push(change);
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.powered()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.parent().and_then(|parent| state.names.get(parent)) != Some(&Entry::Directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.count_change()?;
        let id = state.new_file();
        state.files.insert(id, File::default());
        state.change_names(NameChange { removed: None, added: Some((path.to_owned(), Entry::File(id))) });
        Ok(self.handle(&state, id))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.powered()?;
        match state.names.get(path) {
            Some(Entry::File(id)) => Ok(self.handle(&state, *id)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        let entry = state.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        state.count_change()?;
        state.change_names(NameChange { removed: Some(from.to_owned()), added: Some((to.to_owned(), entry)) });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        if state.names.get(path).and_then(Entry::file).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.count_change()?;
        state.change_names(NameChange { removed: Some(path.to_owned()), added: None });
        Ok(())
    }

    fn available_bytes(&self, _directory: &Path) -> io::Result<u64> {
        Ok(self.powered()?.free_bytes())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    shared: Arc<Shared>,
    epoch: u64,
    id: u64,
}

impl SimulatedFile {
    /// The disk, if the power is on and this handle belongs to the living process.
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.shared.state.lock();
        self.check_alive(&state)?;
        Ok(state)
    }

    fn check_alive(&self, state: &State) -> io::Result<()> {
        if state.faults.power_is_off || state.epoch != self.epoch { Err(power_failure()) } else { Ok(()) }
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.alive()?.file(self.id)?.visible.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.alive()?;
        let rest = state.file(self.id)?.visible.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (target, byte) in buffer.iter_mut().zip(rest) {
            *target = *byte;
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        let power = state.count_change();
        let free = state.free_bytes();
        let mut kept = bytes.len();
        let mut failure = power.err();
        if let Some((left, kept_bytes)) = &mut state.faults.writes_before_failure {
            if *left == 0 {
                kept = kept.min(*kept_bytes);
                failure = Some(io::Error::other("simulated failure of a write"));
                state.faults.writes_before_failure = None;
            } else {
                *left -= 1;
            }
        }
        let offset = offset as usize;
        let file = state.file(self.id)?;
        let room = (file.visible.len() as u64).saturating_sub(offset as u64).saturating_add(free);
        if failure.is_none() && kept as u64 > room {
            kept = room as usize;
            failure = Some(io::ErrorKind::StorageFull.into());
        }
        file.change(Change::Write { offset, bytes: bytes.get(..kept).unwrap_or_default().to_vec() });
        failure.map_or(Ok(()), Err)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        let free = state.free_bytes();
        let current = state.file(self.id)?.visible.len() as u64;
        if length <= current || state.faults.no_allocation {
            return Ok(());
        }
        state.count_change()?;
        let file = state.file(self.id)?;
        if length - current > free {
            // As ext4 does, what still fits is allocated before the failure shows.
            file.change(Change::Length((current + free) as usize));
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.change(Change::Length(length as usize));
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        state.count_change()?;
        state.file(self.id)?.change(Change::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.count_change()?;
        while state.faults.hold_syncs && state.epoch == self.epoch {
            state.sync_is_held = true;
            self.shared.changed.notify_all();
            self.shared.changed.wait(&mut state);
        }
        state.sync_is_held = false;
        self.check_alive(&state)?;
        let fails = state.sync_fails();
        let lying = state.faults.lying_syncs;
        let file = state.file(self.id)?;
        if fails {
            file.unsynced.clear();
            return Err(io::Error::other("simulated failure of a data sync"));
        }
        if !lying {
            file.sync();
        }
        state.syncs += 1;
        Ok(())
    }
}

/// A small generator of numbers for tests (splitmix64): the same seed, the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// Heads or tails.
    pub fn chance(&mut self) -> bool {
        self.next_u64() & 1 == 1
    }
}
