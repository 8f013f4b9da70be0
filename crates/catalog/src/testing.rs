//! What the tests of this crate share: a catalog in a temporary directory, with a clock that stands still.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::database::{Location, PostgresDatabase};
use crate::{Catalog, CatalogError, Class, ManualClock, OnboardingRequest, OnboardingResult, Organisation, Secret};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW_NS: i64 = 1_795_305_600_000_000_000;
/// The password of the first user of [`Fixture::onboarded`].
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Fixture {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) location: Location,
    pub(crate) directory: TempDir,
}

/// Whether these tests run on PostgreSQL; see `on_postgres`.
pub(crate) fn is_postgres() -> bool {
    std::env::var_os(testkit::TEST_CATALOG).is_some()
}

/// An empty database of the kind that these tests run on.
pub(crate) fn new_location(directory: &Path) -> Location {
    match std::env::var(testkit::TEST_CATALOG) {
        Ok(url) => {
            let database = PostgresDatabase::parse(&testkit::schema_url(&url)).unwrap();
            Location::Postgres(database.resources("directory"))
        }
        Err(_) => Location::Sqlite(directory.join("resources.sqlite")),
    }
}

/// Every test of this crate that opens a database, on PostgreSQL.
#[test]
fn on_postgres() {
    testkit::again_on_postgres(&[], 90);
}

impl Fixture {
    /// An empty catalog.
    pub(crate) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(NOW_NS));
        let location = new_location(directory.path());
        let catalog = Catalog::open_at(&location, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        Self { catalog, clock, location, directory }
    }

    /// A catalog that was set up with user `u`, organisation `o` and bucket `b`.
    pub(crate) async fn onboarded() -> (Self, OnboardingResult) {
        let fixture = Self::new().await;
        let result = fixture.catalog.onboard(onboarding_request()).await.unwrap();
        (fixture, result)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("resources.sqlite")
    }

    /// Closes and opens the catalog, and checks that the database says what the image said.
    pub(crate) async fn reopen(&mut self) {
        let before = self.catalog.image().clone();
        self.catalog.close().await;
        self.catalog = Catalog::open_at(&self.location, Arc::<ManualClock>::clone(&self.clock)).await.unwrap();
        assert!(*self.catalog.image() == before, "the database differs from the image");
    }

    pub(crate) async fn organisation(&self, name: &str) -> Arc<Organisation> {
        self.catalog.create_organisation(name, "", None).await.unwrap()
    }
}

pub(crate) fn onboarding_request() -> OnboardingRequest {
    OnboardingRequest {
        username: "u".to_owned(),
        password: Some(Secret::from(PASSWORD)),
        organisation: "o".to_owned(),
        bucket: "b".to_owned(),
        ..OnboardingRequest::default()
    }
}

/// Checks that it was refused, with this class and message.
#[track_caller]
pub(crate) fn assert_refused<T: Debug>(result: Result<T, CatalogError>, class: Class, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.class(), error.to_string().as_str()), (class, message));
}
