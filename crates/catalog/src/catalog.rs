//! The catalog itself: one connection that writes, one image that answers, and the section in which both change.
//!
//! The rules of each kind of resource stand in its own module, as further methods of [`Catalog`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;

use crate::error::{CatalogError, OpenError};
use crate::id::IdGenerator;
use crate::image::{Change, Image};
use crate::password::PasswordHasher;
use crate::sql::{self, LoadError};
use crate::time::Clock;

/// The resource database. Cheap to clone; all clones are the same catalog.
///
/// Look-ups are answered from memory and never wait for SQL. Changes are checked, written in one transaction with
/// `synchronous=FULL`, and visible once that is committed, one change after the other. A change goes on when the future
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
}

/// The only connection. `None` after [`Catalog::close`].
#[derive(Debug)]
struct Writer {
    connection: Option<SqliteConnection>,
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
    /// Opens the resource database `path`; creates it, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// [`OpenError`]: the file cannot be prepared, is in use, damaged, or written by a newer release.
    pub async fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = PathBuf::from(path.as_ref());
        let opened = sql::open(&path).await?;
        let inner = Inner {
            image: RwLock::new(opened.image),
            writer: Arc::new(Mutex::new(Writer { connection: Some(opened.connection), in_doubt: false })),
            ids: IdGenerator::new(Arc::clone(&clock), opened.last_id),
            clock,
            passwords: PasswordHasher::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits for the change under way and closes the database. Look-ups still work, changes fail from now on.
    ///
    /// # Errors
    /// [`CatalogError::Database`] if SQLite cannot close the file; what was acknowledged is on disk all the same.
    pub async fn close(&self) -> Result<(), CatalogError> {
        let mut writer = self.inner.writer.lock().await;
        match writer.connection.take() {
            Some(connection) => connection.close().await.map_err(CatalogError::Database),
            None => Ok(()),
        }
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
        let connection = self.connection.as_mut().ok_or(CatalogError::Closed)?;
        self.in_doubt = true;
        match sql::write(connection, &changes, inner.ids.last()).await {
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
                Err(CatalogError::Database(error))
            }
        }
    }

    /// Takes the image from the database again, after a transaction with an unknown end.
    async fn reload(&mut self, image: &RwLock<Image>) -> Result<(), CatalogError> {
        let connection = self.connection.as_mut().ok_or(CatalogError::Closed)?;
        let (loaded, _) = sql::load(connection).await.map_err(|error| match error {
            LoadError::Database(error) => CatalogError::Database(error),
            LoadError::Damaged(error) => CatalogError::Damaged(error),
        })?;
        *image.write() = loaded;
        self.in_doubt = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
