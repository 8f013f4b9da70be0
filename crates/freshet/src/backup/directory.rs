//! The directory of a backup on local disk: what it has, what comes, and when the new one counts.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use storage::backup::{FILES, MANIFEST, MANIFEST_VERSION, Manifest, ManifestFile};

/// Notes of the files of a backup that was cut off, one JSON object a line.
const RECEIVED: &str = "received.jsonl";

/// The end of the name of a file that is being written.
const PART: &str = ".part";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("cannot use {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is no manifest of a backup: {source}", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error("the manifest has version {found}; this program reads versions up to {MANIFEST_VERSION}: use a newer one")]
    NewerVersion { found: u32 },
    #[error("{path} is damaged: {cause}")]
    Damaged { path: String, cause: &'static str },
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

pub(super) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    move |source| DirectoryError::File { path: path.to_owned(), source }
}

/// A directory that is to hold a backup.
pub(super) struct BackupDirectory {
    root: PathBuf,
    /// Files that are there whole, by path.
    known: HashMap<String, ManifestFile>,
    received: Vec<ManifestFile>,
    notes: File,
}

/// A file that is being written.
pub(super) struct Target {
    file: File,
    path: PathBuf,
    digest: Sha256,
}

/// What a backup came to.
pub(super) struct Report {
    pub(super) manifest: Manifest,
    pub(super) received_bytes: u64,
    pub(super) removed: usize,
}

impl Target {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DirectoryError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(file_error(&self.path))
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The checksum of a file on the disk.
fn checksum(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(digest)),
            count => digest.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// The manifest in a directory, if there is one.
pub(super) fn read_manifest(root: &Path) -> Result<Option<Manifest>, DirectoryError> {
    let path = root.join(MANIFEST);
    match fs::read(&path) {
        Ok(bytes) => parse_manifest(&path, &bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(&path)(error)),
    }
}

fn parse_manifest(path: &Path, bytes: &[u8]) -> Result<Manifest, DirectoryError> {
    let damaged = |source| DirectoryError::Manifest { path: path.to_owned(), source };
    // The version first: a newer manifest may have other parts.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    let found = value.get("version").and_then(serde_json::Value::as_u64).and_then(|found| u32::try_from(found).ok());
    match found {
        Some(found) if found > MANIFEST_VERSION => Err(DirectoryError::NewerVersion { found }),
        _ => serde_json::from_value(value).map_err(damaged),
    }
}

impl BackupDirectory {
    /// Opens the directory, and makes it if it does not exist. With `verify` the files in it are read and those that
    /// are not what the manifest says come again.
    pub(super) fn open(root: PathBuf, verify: bool) -> Result<Self, DirectoryError> {
        fs::create_dir_all(&root).map_err(file_error(&root))?;
        let notes_path = root.join(RECEIVED);
        let mut listed = read_manifest(&root)?.map(|manifest| manifest.files).unwrap_or_default();
        if let Ok(file) = File::open(&notes_path) {
            // A last line that was cut off is no note.
            let lines = io::BufReader::new(file).lines().map_while(Result::ok);
            listed.extend(lines.filter_map(|line| serde_json::from_str(&line).ok()));
        }
        let is_whole = |file: &ManifestFile| {
            let path = root.join(&file.path);
            let has_size = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == file.size);
            has_size && (!verify || checksum(&path).ok() == file.sha256)
        };
        let known = listed.into_iter().filter(|file| file.path.starts_with(FILES) && is_whole(file));
        let known = known.map(|file| (file.path.clone(), file)).collect();
        let notes = OpenOptions::new().append(true).create(true).open(&notes_path).map_err(file_error(&notes_path))?;
        Ok(Self { root, known, received: Vec::new(), notes })
    }

    /// What the server need not send.
    pub(super) fn have(&self) -> Vec<(String, u64)> {
        self.known.values().map(|file| (file.path.clone(), file.size)).collect()
    }

    /// How many files have come.
    pub(super) fn received(&self) -> usize {
        self.received.len()
    }

    /// Begins a file.
    pub(super) fn begin(&self, path: &str) -> Result<Target, DirectoryError> {
        let path = self.root.join(format!("{path}{PART}"));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(file_error(parent))?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        Ok(Target { file: file.map_err(file_error(&path))?, path, digest: Sha256::new() })
    }

    /// Makes a file durable under its name, and notes it for the case that the backup is cut off later.
    pub(super) fn finish(&mut self, target: Target, file: ManifestFile) -> Result<(), DirectoryError> {
        let place = self.root.join(&file.path);
        let renamed = target.file.sync_all().and_then(|()| fs::rename(&target.path, &place));
        renamed.map_err(file_error(&place))?;
        let file = ManifestFile { sha256: Some(hexadecimal(target.digest)), ..file };
        let note = serde_json::to_string(&file).unwrap_or_default();
        writeln!(self.notes, "{note}").map_err(file_error(&self.root.join(RECEIVED)))?;
        self.received.push(file);
        Ok(())
    }

    /// Checks what came against the server's manifest, lets the new backup count, and removes what it does not need.
    pub(super) fn complete(mut self, manifest: &[u8]) -> Result<Report, DirectoryError> {
        let path = self.root.join(MANIFEST);
        let mut manifest = parse_manifest(&path, manifest)?;
        let received_bytes = self.received.iter().map(|file| file.size).sum();
        let received = self.received.drain(..).map(|file| (file.path.clone(), file));
        self.known.extend(received);
        for file in &mut manifest.files {
            let damaged = |cause| DirectoryError::Damaged { path: file.path.clone(), cause };
            let found = self.known.get(&file.path).ok_or_else(|| damaged("it did not come"))?;
            if found.size != file.size || (file.sha256.is_some() && found.sha256 != file.sha256) {
                return Err(damaged("what came is not what the server sent"));
            }
            file.sha256.clone_from(&found.sha256);
        }
        let mut bytes = serde_json::to_vec_pretty(&manifest)
            .map_err(|source| DirectoryError::Manifest { path: path.clone(), source })?;
        bytes.push(b'\n');
        sync_folders(&self.root, &manifest).map_err(file_error(&self.root))?;
        let part = self.root.join(format!("{MANIFEST}{PART}"));
        write_durably(&part, &bytes).map_err(file_error(&part))?;
        let named = fs::rename(&part, &path).and_then(|()| File::open(&self.root)?.sync_all());
        named.map_err(file_error(&path))?;
        let removed = remove_others(&self.root, &manifest).map_err(file_error(&self.root))?;
        Ok(Report { manifest, received_bytes, removed })
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names of all files durable.
fn sync_folders(root: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut folders: HashSet<&Path> = HashSet::new();
    for file in &manifest.files {
        folders.extend(Path::new(&file.path).ancestors().skip(1));
    }
    folders.into_iter().try_for_each(|folder| File::open(root.join(folder))?.sync_all())
}

/// Removes what no file of the manifest is: of earlier backups, and what was cut off. Only folders of ours are looked
/// into.
fn remove_others(root: &Path, manifest: &Manifest) -> io::Result<usize> {
    let named: HashSet<PathBuf> = manifest.files.iter().map(|file| root.join(&file.path)).collect();
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let name = name.to_string_lossy();
        if entry.is_dir() && (name == "files" || name.starts_with("databases-")) {
            folders.push(entry);
        }
    }
    let mut removed = 0;
    let mut empty_last = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !named.contains(&path) {
                fs::remove_file(&path)?;
                removed += 1;
            }
        }
        empty_last.push(folder);
    }
    // The inner ones first; those that still hold something stay.
    for folder in empty_last.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
    fs::remove_file(root.join(RECEIVED))?;
    Ok(removed)
}
