//! `DELETE`, `DROP SERIES` and `DROP MEASUREMENT`: which buckets a statement means, whether the caller may write to
//! them, and the deletes that it becomes. What it means in a bucket is said by the query engine.
//!
//! As in InfluxDB 1.x a statement means all retention policies of its database. The policy of a source or of the
//! request means that one alone.

use std::sync::Arc;

use catalog::{Action, Bucket, Permission};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use query::influxql::RemovalRequest;
use query::influxql::ast::{Removal, Statement};
use storage::DeleteRequest;

use super::answer::StatementResult;
use super::statements::Runner;
use crate::api_error::ApiResult;
use crate::auth::describe;
use crate::dbrp::{self, DbrpError};
use crate::limits;
use crate::uninterrupted::uninterrupted;

impl Runner {
    /// Deletes what a statement means. All of it is looked up before anything is deleted, and everything is durable
    /// when this returns.
    pub(super) async fn remove(&self, statement: Statement) -> ApiResult<StatementResult> {
        let parts = self.removal_parts(statement)?;
        for (bucket, _) in &parts {
            self.require(Permission::on_bucket(Action::Write, bucket.id, self.organisation.id))?;
        }
        let mut requests = Vec::new();
        for (bucket, statement) in parts {
            // Rows past the retention count as well: a longer one would show them again.
            let snapshot = self.state.engine().snapshot(bucket.id, None).await?;
            let removal = RemovalRequest { statement, snapshot, now_ns: self.state.now_ns() };
            let filters = self.state.query().influxql_deletes(removal).await?;
            let (by, deletes) = (describe(&self.principal), filters.len());
            tracing::info!(by, bucket = %bucket.id, deletes, "deleting points for a statement");
            let organisation = self.organisation.id;
            requests.extend(filters.into_iter().map(|filter| DeleteRequest {
                organisation,
                bucket: bucket.id,
                filter,
            }));
        }
        let state = self.state.clone();
        uninterrupted(async move {
            let deletes = stream::iter(requests).map(|request| state.engine().delete(request));
            deletes.buffer_unordered(limits::DELETES_AT_ONCE).try_collect::<()>().await?;
            Ok(StatementResult::default())
        })
        .await
    }

    /// The buckets of the database that a statement means, each with what is asked of it.
    fn removal_parts(&self, statement: Statement) -> ApiResult<Vec<(Arc<Bucket>, Statement)>> {
        let database = self.database.as_deref().filter(|name| !name.is_empty()).ok_or(DbrpError::NoDatabase)?;
        let mut mappings = dbrp::mappings(&self.state, &self.organisation);
        mappings.retain(|mapping| mapping.database == database);
        if mappings.is_empty() {
            return Err(DbrpError::Database(database.to_owned()).into());
        }
        let default = self.retention_policy.as_deref().filter(|name| !name.is_empty());
        let sources = match &statement {
            Statement::Delete(removal) | Statement::DropSeries(removal) => removal.sources.as_slice(),
            _ => &[],
        };
        let named = sources.iter().filter_map(|source| source.retention_policy.as_deref());
        for policy in named.chain(default) {
            if !mappings.iter().any(|mapping| mapping.policy == policy) {
                return Err(DbrpError::Policy(policy.to_owned()).into());
            }
        }
        let part = |policy: &str| match &statement {
            Statement::Delete(removal) => part_of(removal, policy, default).map(Statement::Delete),
            Statement::DropSeries(removal) => part_of(removal, policy, default).map(Statement::DropSeries),
            other => default.is_none_or(|default| default == policy).then(|| other.clone()),
        };
        let parts = mappings.into_iter().filter_map(|mapping| Some((mapping.bucket, part(&mapping.policy)?)));
        Ok(parts.collect())
    }
}

/// What is asked of one retention policy; none if nothing is.
fn part_of(removal: &Removal, policy: &str, default: Option<&str>) -> Option<Removal> {
    let is_meant = |named: Option<&str>| named.or(default).is_none_or(|wanted| wanted == policy);
    let mut part = removal.clone();
    part.sources.retain(|source| is_meant(source.retention_policy.as_deref()));
    // A removal without sources means all measurements, so one that has lost its sources must not be asked for.
    let is_asked = if removal.sources.is_empty() { is_meant(None) } else { !part.sources.is_empty() };
    is_asked.then_some(part)
}
