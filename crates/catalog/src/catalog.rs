//! The catalog itself: one connection that writes, one image that answers, and the section in which both change.
//!
//! The rules of each kind of resource stand in its own module, as further methods of [`Catalog`].

use std::path::Path;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use tokio::sync::Mutex;

use crate::database::{Database, Location};
use crate::error::{CatalogError, OpenError};
use crate::id::IdGenerator;
use crate::image::{Change, Image};
use crate::password::PasswordHasher;
use crate::sql::{self, LoadError};
use crate::time::Clock;
use crate::verified::VerifiedPasswords;

/// The resource database. Cheap to clone; all clones are the same catalog.
///
/// Look-ups are answered from memory and never wait for SQL. Changes are checked, written in one transaction that is
/// on the disk, and visible once that is committed, one change after the other. A change goes on when the future
/// that asked for it is dropped: it is made as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    image: RwLock<Image>,
    writer: Arc<Mutex<Writer>>,
    clock: Arc<dyn Clock>,
    ids: IdGenerator,
    passwords: PasswordHasher,
    verified: VerifiedPasswords,
}

/// The database. `None` after [`Catalog::close`].
#[derive(Debug)]
struct Writer {
    database: Option<Database>,
    /// Set while a transaction runs: if it is found set, nobody knows whether that one was committed.
    in_doubt: bool,
}

/// How many resources there are, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Organisations.
    pub organisations: usize,
    /// Buckets, with those of the system.
    pub buckets: usize,
    /// Users.
    pub users: usize,
    /// Authorizations.
    pub tokens: usize,
}

impl Catalog {
    /// Opens the resource database in the file `path`; creates it, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be prepared, is in use, damaged, or written by a newer release.
    pub async fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_at(&Location::Sqlite(path.as_ref().to_owned()), clock).await
    }

    /// As [`Catalog::open`], wherever the database is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_at(location: &Location, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = sql::open(location).await?;
        let inner = Inner {
            image: RwLock::new(opened.image),
            writer: Arc::new(Mutex::new(Writer { database: Some(opened.database), in_doubt: false })),
            ids: IdGenerator::new(Arc::clone(&clock), opened.last_id),
            clock,
            passwords: PasswordHasher::default(),
            verified: VerifiedPasswords::new().map_err(OpenError::Randomness)?,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits for the change under way and closes the database. Look-ups still work, changes fail from now on.
    pub async fn close(&self) {
        let mut writer = self.inner.writer.lock().await;
        if let Some(database) = writer.database.take() {
            database.close().await;
        }
    }

    /// Copies the database, as it is between two changes, into the file `target`, which is made and readable by its
    /// owner only.
    ///
    /// # Errors
    /// [`CatalogError`] if the copy cannot be made; the file is of no use then.
    pub async fn copy_to(&self, target: &Path) -> Result<(), CatalogError> {
        let writer = self.inner.writer.lock().await;
        let database = writer.database.as_ref().ok_or(CatalogError::Closed)?;
        sql::copy(database, target).await.map_err(CatalogError::Database)
    }

    /// How many resources there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let image = self.image();
        Counts {
            organisations: image.organisations.len(),
            buckets: image.buckets.len(),
            users: image.users.len(),
            tokens: image.authorizations.len(),
        }
    }

    pub(crate) fn image(&self) -> RwLockReadGuard<'_, Image> {
        self.inner.image.read()
    }

    pub(crate) fn now_ns(&self) -> i64 {
        self.inner.clock.now_ns()
    }

    pub(crate) fn ids(&self) -> &IdGenerator {
        &self.inner.ids
    }

    pub(crate) fn passwords(&self) -> &PasswordHasher {
        &self.inner.passwords
    }

    pub(crate) fn verified(&self) -> &VerifiedPasswords {
        &self.inner.verified
    }

    /// Makes one change of the catalog: `decide` looks at the image as it is, and either refuses or says which rows
    /// change and what to answer. Nobody else changes anything between its look and the commit.
    pub(crate) async fn commit<T>(
        &self,
        decide: impl FnOnce(&Image) -> Result<(Vec<Change>, T), CatalogError> + Send,
    ) -> Result<T, CatalogError> {
        let mut writer = Arc::clone(&self.inner.writer).lock_owned().await;
        if writer.in_doubt {
            writer.reload(&self.inner.image).await?;
        }
        let (changes, answer) = decide(&self.image())?;
        if !changes.is_empty() {
            let inner = Arc::clone(&self.inner);
            // A task of its own, since the caller's future may be dropped at any await.
            let task = tokio::spawn(async move { writer.persist(&inner, changes).await });
            task.await.map_err(CatalogError::TaskStopped)??;
        }
        Ok(answer)
    }
}

impl Writer {
    async fn persist(&mut self, inner: &Inner, changes: Vec<Change>) -> Result<(), CatalogError> {
        let database = self.database.clone().ok_or(CatalogError::Closed)?;
        self.in_doubt = true;
        match sql::write(&database, &changes, inner.ids.last()).await {
            Ok(()) => {
                let mut image = inner.image.write();
                changes.into_iter().for_each(|change| image.apply(change));
                self.in_doubt = false;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a change of the resource database failed");
                // If this fails too, the next change tries again; look-ups go on with the image there is.
                if let Err(error) = self.reload(&inner.image).await {
                    tracing::error!(error = ?error, "the resource database cannot be read back");
                }
                Err(error.into())
            }
        }
    }

    /// Takes the image from the database again, after a transaction with an unknown end.
    async fn reload(&mut self, image: &RwLock<Image>) -> Result<(), CatalogError> {
        let database = self.database.as_ref().ok_or(CatalogError::Closed)?;
        let (loaded, _) = sql::load(database).await.map_err(|error| match error {
            LoadError::Database(error) => error.into(),
            LoadError::Damaged(error) => CatalogError::Damaged(error),
        })?;
        *image.write() = loaded;
        self.in_doubt = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
