//! Databases and retention policies of InfluxDB 1.x, which are buckets here: the one place that maps one to the other.
//!
//! The bucket `db/rp` is the retention policy `rp` of the database `db`. The bucket `db` is its retention policy
//! `autogen`, and the default. Where there is no bucket `db`, the only bucket `db/…` is the default, so that a database
//! made with a named policy can be used without naming it.

use std::sync::Arc;

use catalog::{Bucket, Organisation};

use crate::state::AppState;

/// The retention policy of a bucket without one in its name.
pub(crate) const DEFAULT_POLICY: &str = "autogen";

/// A name that stands for no bucket. The texts are InfluxDB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DbrpError {
    /// No database is named.
    #[error("database name required")]
    NoDatabase,
    /// There is no bucket for it.
    #[error("database not found: {0}")]
    Database(String),
    /// The database has no such policy.
    #[error("retention policy not found: {0}")]
    Policy(String),
}

/// A bucket as InfluxDB 1.x sees it.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) database: String,
    pub(crate) policy: String,
    pub(crate) is_default: bool,
    pub(crate) bucket: Arc<Bucket>,
}

/// Database and policy of a bucket's name.
fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, DEFAULT_POLICY))
}

/// All buckets of an organisation, by database and policy.
pub(crate) fn mappings(state: &AppState, organisation: &Organisation) -> Vec<Mapping> {
    let buckets = state.catalog().all_buckets();
    let own = buckets.into_iter().filter(|bucket| bucket.organisation_id == organisation.id);
    let mut mappings: Vec<Mapping> = own
        .map(|bucket| {
            let (database, policy) = split(&bucket.name);
            let (database, policy) = (database.to_owned(), policy.to_owned());
            Mapping { is_default: !bucket.name.contains('/'), database, policy, bucket }
        })
        .collect();
    mappings.sort_by(|left, right| (&left.database, &left.policy).cmp(&(&right.database, &right.policy)));
    for policies in mappings.chunk_by_mut(|left, right| left.database == right.database) {
        if let [only] = policies {
            only.is_default = true;
        }
    }
    mappings
}

/// The bucket of a database and policy; no policy is the default one.
pub(crate) fn find(
    state: &AppState,
    organisation: &Organisation,
    database: Option<&str>,
    policy: Option<&str>,
) -> Result<Arc<Bucket>, DbrpError> {
    let database = database.filter(|name| !name.is_empty()).ok_or(DbrpError::NoDatabase)?;
    let policy = policy.filter(|name| !name.is_empty());
    // The usual names need no list of all buckets.
    let name = match policy {
        None | Some(DEFAULT_POLICY) => database.to_owned(),
        Some(policy) => format!("{database}/{policy}"),
    };
    if let Ok(bucket) = state.catalog().find_bucket_by_name(organisation.id, &name)
        && (policy.is_some() || !database.contains('/'))
    {
        return Ok(bucket);
    }
    let mut of_database = mappings(state, organisation);
    of_database.retain(|mapping| mapping.database == database);
    if of_database.is_empty() {
        return Err(DbrpError::Database(database.to_owned()));
    }
    let wanted = |mapping: &Mapping| policy.map_or(mapping.is_default, |policy| mapping.policy == policy);
    let found = of_database.into_iter().find(wanted);
    found.map(|mapping| mapping.bucket).ok_or_else(|| match policy {
        Some(policy) => DbrpError::Policy(policy.to_owned()),
        None => DbrpError::Policy(DEFAULT_POLICY.to_owned()),
    })
}
