//! A catalog in PostgreSQL, checked out into the data directory and put back.
//!
//! ```text
//! open_postgres ── the lock of the schema ── its rows ──▶ catalog.sqlite.part ── rename ──▶ catalog.sqlite
//! close ── if anything was changed: catalog.sqlite ── one transaction ──▶ the schema ── remove the file
//! ```
//!
//! While `catalog.sqlite` is there it is the catalog: a repair deletes segments of the log because of it, so a server
//! does not start over it, and a doctor that finds one goes on with it instead of checking out anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::database::{Location, Origin, PostgresLocation};
use catalog::{Catalog, SystemClock};

use super::{Doctor, DoctorError, file_error};
use crate::lake::Lake;
use crate::store::Store;

const CATALOG: &str = "catalog.sqlite";
const RESOURCES: &str = "resources.sqlite";
/// The end of the names of files that SQLite makes beside one.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The catalog whose place a file has taken.
#[derive(Debug)]
pub(super) struct CheckedOut {
    /// Holds the lock of the schema.
    lake: Lake,
    /// A doctor was here before and did not come to its end.
    is_resumed: bool,
}

impl Doctor {
    /// As [`Doctor::open`], for a data directory whose catalogs are in PostgreSQL. [`Doctor::close`] is to be called.
    ///
    /// # Errors
    /// As there, and [`DoctorError::Catalog`] if a server has the schema open.
    pub async fn open_postgres(
        data_dir: &Path,
        elsewhere: Option<Store>,
        lake: &PostgresLocation,
        resources: &PostgresLocation,
    ) -> Result<Self, DoctorError> {
        let (lock, store) = Self::take(data_dir, elsewhere.as_ref())?;
        let (lake, origin) = Lake::connect(lake, Arc::new(SystemClock)).await?;
        let data_dir = data_dir.to_owned();
        let is_resumed = data_dir.join(CATALOG).exists();
        let checked_out = CheckedOut { lake, is_resumed };
        let doctor = Self { data_dir, store, elsewhere, lock: Some(lock), postgres: None };
        if !is_resumed && let Err(error) = doctor.check_out(&checked_out.lake, origin, resources).await {
            checked_out.lake.close().await;
            return Err(error);
        }
        Ok(Self { postgres: Some(checked_out), ..doctor })
    }

    async fn check_out(&self, lake: &Lake, origin: Origin, resources: &PostgresLocation) -> Result<(), DoctorError> {
        self.remove(RESOURCES)?;
        let known = Catalog::open_at(&Location::Postgres(resources.clone()), Arc::new(SystemClock)).await?;
        // Without an organisation there is nothing that could say which buckets exist.
        let copied = match known.counts().organisations {
            0 => Ok(()),
            _ => known.copy_to(&self.data_dir.join(RESOURCES)).await,
        };
        known.close().await;
        copied.map_err(|error| DoctorError::Internal(error.to_string()))?;
        lake.refuse_newer_format().await?;
        if origin == Origin::New || !lake.has_tables().await? {
            // No file: the report says that there is no catalog.
            return Ok(());
        }
        let part = self.data_dir.join(format!("{CATALOG}.part"));
        remove_database(&part)?;
        lake.copy_into(&part).await?;
        let place = self.data_dir.join(CATALOG);
        std::fs::rename(&part, &place).map_err(file_error(&place))?;
        sync(&self.data_dir)
    }

    /// Ends the examination. If `is_changed`, or an earlier doctor left its work, the catalog in PostgreSQL becomes
    /// what the file is. Does nothing where the catalog is a file.
    ///
    /// # Errors
    /// [`DoctorError`]; the file stays then, and the next doctor goes on with it.
    pub async fn close(self, is_changed: bool) -> Result<(), DoctorError> {
        let Some(CheckedOut { lake, is_resumed }) = &self.postgres else { return Ok(()) };
        let place = self.data_dir.join(CATALOG);
        let put_back = match (is_changed || *is_resumed) && place.exists() {
            true => lake.replace_by(&place).await,
            false => Ok(()),
        };
        lake.close().await;
        put_back?;
        self.remove(CATALOG)?;
        self.remove(RESOURCES)
    }

    fn remove(&self, name: &str) -> Result<(), DoctorError> {
        remove_database(&self.data_dir.join(name))?;
        sync(&self.data_dir)
    }
}

/// Removes an SQLite file and those beside it, itself last.
fn remove_database(path: &Path) -> Result<(), DoctorError> {
    for companion in COMPANIONS.iter().rev() {
        let path = PathBuf::from(format!("{}{companion}", path.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file_error(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), DoctorError> {
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_error(folder))
}
