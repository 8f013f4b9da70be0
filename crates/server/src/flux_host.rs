//! What Flux scripts may reach: buckets of their organisation, with the permissions of whoever asks.

use std::sync::Arc;

use catalog::{Action, Bucket, Organisation, Permission, Principal, ResourceType};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use query::flux::{
    BucketReference, BucketRow, Code as FluxCode, DatabaseRow, FluxError, FluxHost, OutgoingRequest, secret_not_found,
};
use storage::{Precision, Snapshot, WriteRequest};

use crate::api_error::{ApiError, Code};
use crate::dbrp::{self, Mapping};
use crate::outgoing::{OutgoingError, Request};
use crate::routes::bucket_info;
use crate::state::AppState;

/// The door for one script.
#[derive(Debug)]
pub(crate) struct ScriptHost {
    pub(crate) state: AppState,
    pub(crate) principal: Principal,
    pub(crate) organisation: Arc<Organisation>,
}

impl ScriptHost {
    /// The bucket that a script names, if it may be used so. One that may not is not found, as in InfluxDB.
    fn bucket(&self, reference: &BucketReference, action: Action) -> Result<Arc<Bucket>, FluxError> {
        let not_found = || reference.not_found();
        let organisation = self.named_organisation(reference)?;
        let bucket = match (&reference.name, &reference.id) {
            (Some(name), _) => self.state.catalog().find_bucket_by_name(organisation.id, name),
            (None, Some(id)) => self
                .state
                .catalog()
                .find_bucket(id.parse().map_err(|_| FluxError::invalid("bucket ID must have 16 hexadecimal digits"))?),
            (None, None) => return Err(not_found()),
        };
        let bucket = bucket.map_err(|_| not_found())?;
        let permission = Permission::on_bucket(action, bucket.id, bucket.organisation_id);
        if bucket.organisation_id != organisation.id || !self.principal.allows(&permission) {
            return Err(not_found());
        }
        Ok(bucket)
    }

    fn named_organisation(&self, reference: &BucketReference) -> Result<Arc<Organisation>, FluxError> {
        let catalog = self.state.catalog();
        let found = match (&reference.organisation, &reference.organisation_id) {
            (None, None) => return Ok(Arc::clone(&self.organisation)),
            (Some(name), _) => catalog.find_organisation_by_name(name).ok(),
            (None, Some(id)) => id.parse().ok().and_then(|id| catalog.find_organisation(id).ok()),
        };
        let name = reference.organisation.as_ref().or(reference.organisation_id.as_ref());
        let message = || format!("organization \"{}\" not found", name.map_or("", String::as_str));
        found.ok_or_else(|| FluxError::new(FluxCode::NotFound, message()))
    }
}

impl FluxHost for ScriptHost {
    fn snapshot(&self, bucket: BucketReference) -> BoxFuture<'_, Result<Snapshot, FluxError>> {
        async move {
            let bucket = self.bucket(&bucket, Action::Read)?;
            let retention = (!bucket.retention.is_zero()).then_some(bucket.retention);
            let snapshot = self.state.engine().snapshot(bucket.id, retention).await;
            snapshot.map_err(|error| flux_error(&error.into()))
        }
        .boxed()
    }

    fn buckets(&self) -> BoxFuture<'_, Result<Vec<BucketRow>, FluxError>> {
        let may_read = |bucket: &Arc<Bucket>| {
            let permission = Permission::on_bucket(Action::Read, bucket.id, bucket.organisation_id);
            bucket.organisation_id == self.organisation.id && self.principal.allows(&permission)
        };
        let mut rows: Vec<BucketRow> = self
            .state
            .catalog()
            .all_buckets()
            .iter()
            .filter(|bucket| may_read(bucket))
            .map(|bucket| row(bucket))
            .collect();
        rows.sort_by(|left, right| left.name.cmp(&right.name));
        async move { Ok(rows) }.boxed()
    }

    fn databases(&self) -> BoxFuture<'_, Result<Vec<DatabaseRow>, FluxError>> {
        let mut mappings = dbrp::mappings(&self.state, &self.organisation);
        mappings.retain(|mapping| {
            let bucket = &mapping.bucket;
            self.principal.allows(&Permission::on_bucket(Action::Read, bucket.id, bucket.organisation_id))
        });
        let database = |mapping: Mapping| DatabaseRow {
            bucket: row(&mapping.bucket),
            database: mapping.database,
            policy: mapping.policy,
            is_default: mapping.is_default,
        };
        let rows = mappings.into_iter().map(database).collect();
        async move { Ok(rows) }.boxed()
    }

    fn write(&self, bucket: BucketReference, lines: String) -> BoxFuture<'_, Result<(), FluxError>> {
        async move {
            let organisation = self.named_organisation(&bucket)?;
            let bucket = self.bucket(&bucket, Action::Write)?;
            let request = WriteRequest {
                bucket: Arc::new(bucket_info(&organisation, &bucket)),
                retention: (!bucket.retention.is_zero()).then_some(bucket.retention),
                body: lines.into(),
                precision: Precision::Nanosecond,
            };
            let outcome = self.state.engine().write(request).await.map_err(|error| flux_error(&error.into()))?;
            match outcome.dropped {
                None => Ok(()),
                Some(dropped) => Err(FluxError::invalid(format!("failure writing points to database: {dropped}"))),
            }
        }
        .boxed()
    }

    fn secret(&self, key: &str) -> Result<String, FluxError> {
        let organisation = self.organisation.id;
        if !self.principal.allows(&Permission::in_organisation(Action::Read, ResourceType::Secrets, organisation)) {
            return Err(FluxError::new(FluxCode::PermissionDenied, "insufficient permissions for reading secrets"));
        }
        let found = self.state.catalog().find_secret(organisation, self.state.secret_key(), key);
        let found = found.map_err(|error| flux_error(&error.into()))?;
        found.map(|secret| secret.expose().to_owned()).ok_or_else(|| secret_not_found(key))
    }

    fn send(&self, request: OutgoingRequest) -> BoxFuture<'_, Result<u16, FluxError>> {
        async move {
            let wrong = |error: OutgoingError| FluxError::invalid(error.to_string());
            let OutgoingRequest { method, url, headers, body } = request;
            let method = method.parse().map_err(|_| FluxError::invalid(format!("{method:?} is no method")))?;
            let request = Request::notification(method, url, &headers, body).map_err(wrong)?;
            let (status, _) = self.state.outgoing().send(request).await.map_err(wrong)?;
            Ok(status)
        }
        .boxed()
    }
}

/// A bucket for a script.
fn row(bucket: &Bucket) -> BucketRow {
    BucketRow {
        name: bucket.name.clone(),
        id: bucket.id.to_string(),
        organisation_id: bucket.organisation_id.to_string(),
        retention_policy: String::new(),
        retention_period_ns: i64::try_from(bucket.retention.as_nanos()).unwrap_or(i64::MAX),
    }
}

/// An answer of the API as an error of a script.
fn flux_error(error: &ApiError) -> FluxError {
    let code = match error.code() {
        Code::NotFound => FluxCode::NotFound,
        Code::Forbidden => FluxCode::PermissionDenied,
        Code::Internal | Code::Unavailable => FluxCode::Internal,
        _ => FluxCode::Invalid,
    };
    FluxError::new(code, error.message())
}
