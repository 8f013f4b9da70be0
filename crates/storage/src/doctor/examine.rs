//! The catalog held against the files, and the repair of what the files lack.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use catalog::database::Location;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::{Doctor, DoctorError, FileFinding, Report, file_error};
use crate::flush::FooterMetadata;
use crate::ids::{FileId, TableId};
use crate::lake::{Lake, Named, Replacement, inspect_catalog};
use crate::limits;
use crate::scan::{FooterCache, read_all_rows};
use crate::table::DataFile;

/// What is wrong with a file.
enum Fault {
    Missing,
    Damaged(String),
}

impl Doctor {
    /// Looks at everything and changes nothing. With `deep` every row of every file is read, otherwise sizes and
    /// footers are.
    ///
    /// # Errors
    /// [`DoctorError`] if files or log cannot be looked at; a damaged catalog is part of the report.
    pub async fn examine(&self, deep: bool) -> Result<Report, DoctorError> {
        let named = match inspect_catalog(&self.catalog_path()).await {
            Ok(named) => named,
            Err(error) => return Ok(Report { catalog_error: Some(error.to_string()), ..Report::default() }),
        };
        if named.data_path.contains("://") && self.elsewhere.is_none() {
            return Err(DoctorError::Elsewhere(named.data_path));
        }
        let mut report = Report {
            files: named.live.len() as u64,
            bytes: named.live.iter().map(|file| file.size_bytes).sum(),
            ..Report::default()
        };
        let footers = Arc::new(FooterCache::new(0));
        let checks: Vec<_> = named.live.iter().map(|file| self.check(file, &footers, deep)).collect();
        let found: Vec<Result<Option<Fault>, DoctorError>> =
            futures::stream::iter(checks).buffered(limits::FOOTER_READS).collect().await;
        for (file, fault) in named.live.iter().zip(found) {
            let Some(fault) = fault? else { continue };
            let (list, cause) = match fault {
                Fault::Missing => (&mut report.missing, "it is not there".to_owned()),
                Fault::Damaged(cause) => (&mut report.damaged, cause),
            };
            let table = named.tables.get(&file.table).cloned();
            list.push(FileFinding { path: file.path.clone(), cause, table, rows: file.row_count });
        }
        let present = self.present().await?;
        let is_missing = |(path, _): &&(String, u64)| !present.contains(path);
        report.missing_of_the_past = named.others.iter().filter(is_missing).map(|(path, _)| path.clone()).collect();
        report.orphaned = orphans(&named, present);
        report.segments = self.segments(&named)?;
        Ok(report)
    }

    /// Everything that lies in the store.
    pub(super) async fn present(&self) -> Result<HashSet<String>, DoctorError> {
        let listed = self.store.list_local().await.map_err(file_error(&self.files_root()))?;
        if let Some(files) = listed {
            return Ok(files.into_iter().map(|file| file.path).collect());
        }
        let objects = self.store.object_store().list(None).map_ok(|object| object.location.to_string());
        Ok(objects.try_collect().await?)
    }

    async fn check(
        &self,
        file: &DataFile,
        footers: &Arc<FooterCache>,
        deep: bool,
    ) -> Result<Option<Fault>, DoctorError> {
        let object = match self.store.object_store().head(&Path::from(file.path.as_str())).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Some(Fault::Missing)),
            object => object?,
        };
        let damaged = |cause: String| Ok(Some(Fault::Damaged(cause)));
        if object.size != file.size_bytes {
            return damaged(format!("it has {} bytes, and the catalog says {}", object.size, file.size_bytes));
        }
        let footer = match footers.get(self.store.object_store(), file).await {
            Ok(footer) => footer,
            Err(error) => return damaged(error.to_string()),
        };
        let metadata = footer.metadata().file_metadata();
        let said = match FooterMetadata::decode(metadata) {
            Ok(said) => said,
            Err(error) => return damaged(error.to_string()),
        };
        if said.table != file.table || said.sequences != file.sequences || said.time_range != file.time_range {
            return damaged("its footer says that it is another file".to_owned());
        }
        if u64::try_from(metadata.num_rows()) != Ok(file.row_count) {
            return damaged(format!("it has {} rows, and the catalog says {}", metadata.num_rows(), file.row_count));
        }
        match deep {
            true => match read_all_rows(&self.store, file, footer).await {
                Ok(rows) if rows == file.row_count => Ok(None),
                Ok(rows) => damaged(format!("{rows} of its {} rows can be read", file.row_count)),
                Err(error) => damaged(error.to_string()),
            },
            false => Ok(None),
        }
    }

    /// Ends the missing and the damaged files of a report in the catalog, so that queries answer again with the rows
    /// that are left. Damaged files are kept aside.
    ///
    /// # Errors
    /// [`DoctorError`]; what was not committed is as it was.
    pub async fn repair_files(&self, report: &Report) -> Result<usize, DoctorError> {
        let paths: HashSet<&str> =
            report.missing.iter().chain(&report.damaged).map(|finding| finding.path.as_str()).collect();
        if paths.is_empty() {
            return Ok(0);
        }
        let named = inspect_catalog(&self.catalog_path()).await?;
        for finding in &report.damaged {
            self.keep_aside(&finding.path).await?;
        }
        let mut by_table: HashMap<TableId, Vec<FileId>> = HashMap::new();
        for file in named.live.iter().filter(|file| paths.contains(file.path.as_str())) {
            by_table.entry(file.table).or_default().push(file.file);
        }
        let replacements: Vec<Replacement> =
            by_table.into_iter().map(|(table, inputs)| Replacement { table, inputs, outputs: Vec::new() }).collect();
        let clock = Arc::new(catalog::SystemClock);
        let (lake, _) = Lake::open(&Location::Sqlite(self.catalog_path()), &self.files_root(), clock, false).await?;
        let replaced = lake.replace_files(&replacements).await;
        lake.close().await;
        replaced?;
        Ok(paths.len())
    }

    /// Copies a file out of the store; the catalog goes on to delete the original in its time.
    async fn keep_aside(&self, path: &str) -> Result<(), DoctorError> {
        let target = self.aside()?.join(path.replace('/', "_"));
        let mut bytes = self.store.object_store().get(&Path::from(path)).await?.into_stream();
        let mut file = tokio::fs::File::create(&target).await.map_err(file_error(&target))?;
        while let Some(piece) = bytes.try_next().await? {
            tokio::io::AsyncWriteExt::write_all(&mut file, &piece).await.map_err(file_error(&target))?;
        }
        file.sync_all().await.map_err(file_error(&target))
    }

    /// Deletes the orphans of a report.
    ///
    /// # Errors
    /// [`DoctorError`]; some may be gone then.
    pub async fn remove_orphans(&self, report: &Report) -> Result<usize, DoctorError> {
        for path in &report.orphaned {
            match self.store.list_local().await.map_err(file_error(&self.files_root()))? {
                // Names of uploads that were cut off are none that an object store takes.
                Some(_) => {
                    let local = self.files_root().join(path);
                    std::fs::remove_file(&local).map_err(file_error(&local))?;
                }
                None => self.store.delete(path).await?,
            }
        }
        Ok(report.orphaned.len())
    }
}

fn orphans(named: &Named, present: HashSet<String>) -> Vec<String> {
    let known: HashSet<&str> = named
        .live
        .iter()
        .map(|file| file.path.as_str())
        .chain(named.others.iter().map(|(path, _)| path.as_str()))
        .chain(named.scheduled.iter().map(String::as_str))
        .collect();
    let mut orphaned: Vec<String> = present.into_iter().filter(|path| !known.contains(path.as_str())).collect();
    orphaned.sort_unstable();
    orphaned
}
