//! What the tests of this crate share: a catalog in a temporary directory, with a clock that stands still.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use crate::{Catalog, CatalogError, Class, ManualClock, OnboardingRequest, OnboardingResult, Organisation, Secret};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW_NS: i64 = 1_795_305_600_000_000_000;
/// The password of the first user of [`Fixture::onboarded`].
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Fixture {
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: TempDir,
}

impl Fixture {
    /// An empty catalog.
    pub(crate) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(NOW_NS));
        let path = directory.path().join("resources.sqlite");
        let catalog = Catalog::open(path, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        Self { catalog, clock, directory }
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
        self.catalog.close().await.unwrap();
        self.catalog = Catalog::open(self.path(), Arc::<ManualClock>::clone(&self.clock)).await.unwrap();
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
