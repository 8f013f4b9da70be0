//! Databases and retention policies of InfluxDB 1.x as the endpoints of 1.x need them: with their buckets. Which bucket
//! a name means is the catalog's to say.

use std::sync::Arc;

use catalog::{Bucket, Organisation};
pub(crate) use catalog::{DEFAULT_POLICY, DbrpError};

use crate::state::AppState;

/// A bucket as InfluxDB 1.x sees it.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) database: String,
    pub(crate) policy: String,
    pub(crate) is_default: bool,
    pub(crate) bucket: Arc<Bucket>,
}

/// All buckets of an organisation, by database and policy.
pub(crate) fn mappings(state: &AppState, organisation: &Organisation) -> Vec<Mapping> {
    let mapping = |dbrp: catalog::Dbrp| {
        // A bucket that is dropped meanwhile has none any more.
        let bucket = state.catalog().find_bucket(dbrp.bucket_id).ok()?;
        let (database, policy) = (dbrp.database, dbrp.retention_policy);
        Some(Mapping { database, policy, is_default: dbrp.is_default, bucket })
    };
    state.catalog().list_dbrps(organisation.id).into_iter().filter_map(mapping).collect()
}

/// The bucket of a database and policy; no policy is the default one.
pub(crate) fn find(
    state: &AppState,
    organisation: &Organisation,
    database: Option<&str>,
    policy: Option<&str>,
) -> Result<Arc<Bucket>, DbrpError> {
    state.catalog().find_dbrp_bucket(organisation.id, database, policy)
}
