//! Continuous queries of InfluxDB 1.x: a statement that a job runs again and again. What it says is not known here.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{JobId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::jobs::{self, JobKind, NewJob};

/// A continuous query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinuousQuery {
    /// The id of its job.
    pub id: JobId,
    /// The organisation it was made in.
    pub organisation_id: OrganisationId,
    /// The database it belongs to.
    pub database: String,
    /// Its name in the database.
    pub name: String,
    /// Who made it; may be gone.
    pub user_id: UserId,
    /// The statement that made it, in InfluxQL.
    pub statement: String,
}

/// A continuous query to create.
#[derive(Debug, Clone)]
pub struct NewContinuousQuery {
    /// The organisation it is made in.
    pub organisation_id: OrganisationId,
    /// The database it belongs to.
    pub database: String,
    /// Its name in the database.
    pub name: String,
    /// Who makes it.
    pub user_id: UserId,
    /// The statement that makes it, in InfluxQL.
    pub statement: String,
    /// When it runs.
    pub job: NewJob,
}

impl Catalog {
    /// Creates a continuous query and its job. The same one again is no error, and changes nothing.
    ///
    /// # Errors
    /// The database has another one of the name, the organisation does not exist, or SQL failed.
    pub async fn create_continuous_query(&self, new: NewContinuousQuery) -> Result<Arc<ContinuousQuery>, CatalogError> {
        self.commit(|image| {
            if !image.organisations.contains_key(&new.organisation_id) {
                return Err(CatalogError::OrganisationNotFound);
            }
            if let Some(known) = find(image, new.organisation_id, &new.database, &new.name) {
                if known.statement == new.statement {
                    return Ok((Vec::new(), Arc::clone(known)));
                }
                return Err(CatalogError::ContinuousQueryExists);
            }
            let job = jobs::new_job(self.ids().next(), JobKind::ContinuousQuery, new.job);
            let query = Arc::new(ContinuousQuery {
                id: job.id,
                organisation_id: new.organisation_id,
                database: new.database,
                name: new.name,
                user_id: new.user_id,
                statement: new.statement,
            });
            let changes = vec![Change::PutJob(Arc::new(job)), Change::PutContinuousQuery(Arc::clone(&query))];
            Ok((changes, query))
        })
        .await
    }

    /// The continuous queries of an organisation, in the order in which they were made.
    #[must_use]
    pub fn list_continuous_queries(&self, organisation: OrganisationId) -> Vec<Arc<ContinuousQuery>> {
        let image = self.image();
        let own = image.continuous_queries.values().filter(|query| query.organisation_id == organisation);
        own.cloned().collect()
    }

    /// The continuous query of a job, if it has one.
    #[must_use]
    pub fn find_continuous_query(&self, id: JobId) -> Option<Arc<ContinuousQuery>> {
        self.image().continuous_queries.get(&id).cloned()
    }

    /// Deletes a continuous query with its job. Returns whether there was one.
    ///
    /// # Errors
    /// SQL failed.
    pub async fn delete_continuous_query(
        &self,
        organisation: OrganisationId,
        database: &str,
        name: &str,
    ) -> Result<bool, CatalogError> {
        self.commit(|image| {
            let Some(found) = find(image, organisation, database, name) else { return Ok((Vec::new(), false)) };
            Ok((removals(image, |query| query.id == found.id), true))
        })
        .await
    }

    /// Deletes all continuous queries of a database, which is dropped.
    ///
    /// # Errors
    /// SQL failed.
    pub async fn delete_continuous_queries(
        &self,
        organisation: OrganisationId,
        database: &str,
    ) -> Result<(), CatalogError> {
        let is_of_it = |query: &ContinuousQuery| query.organisation_id == organisation && query.database == database;
        self.commit(|image| Ok((removals(image, is_of_it), ()))).await
    }
}

fn find<'a>(
    image: &'a Image,
    organisation: OrganisationId,
    database: &str,
    name: &str,
) -> Option<&'a Arc<ContinuousQuery>> {
    let is_it = |query: &&Arc<ContinuousQuery>| {
        query.organisation_id == organisation && query.database == database && query.name == name
    };
    image.continuous_queries.values().find(is_it)
}

/// The changes that remove continuous queries with their jobs.
pub(crate) fn removals(image: &Image, is_removed: impl Fn(&ContinuousQuery) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for query in image.continuous_queries.values().filter(|query| is_removed(query)) {
        changes.push(Change::RemoveContinuousQuery(query.id));
        changes.extend(jobs::removals(image, query.id));
    }
    changes
}
