//! `freshet bucket`: `/api/v2/buckets`.

use std::time::Duration;

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, Session, change, id_of, narrowed, object};
use crate::options::{BucketCreateOptions, BucketDeleteOptions, BucketListOptions, BucketUpdateOptions};
use crate::output::{self, Column, text};

const PATH: &str = "api/v2/buckets";

const COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Name", |row| text(row, "/name")),
    Column("Retention", |row| output::retention(rule(row, "everySeconds"))),
    Column("Shard group duration", |row| match rule(row, "shardGroupDurationSeconds") {
        0 => "n/a".to_owned(),
        seconds => output::go_duration(Duration::from_secs(seconds)),
    }),
    Column("Organization ID", |row| text(row, "/orgID")),
    Column("Schema Type", |row| {
        Some(text(row, "/schemaType")).filter(|kind| !kind.is_empty()).unwrap_or("implicit".into())
    }),
];

/// Seconds of the retention rule; 0 without one.
fn rule(bucket: &Value, member: &str) -> u64 {
    bucket["retentionRules"][0][member].as_u64().unwrap_or_default()
}

/// The retention rules of a request; none where nothing is said.
fn rules(retention: Option<Duration>, shard_group: Option<Duration>) -> Option<Value> {
    if retention.is_none() && shard_group.is_none() {
        return None;
    }
    let seconds = |duration: Duration| json!(duration.as_secs());
    Some(json!([object([
        ("type", Some(json!("expire"))),
        ("everySeconds", retention.map(seconds)),
        ("shardGroupDurationSeconds", shard_group.map(seconds)),
    ])]))
}

pub(super) async fn create(session: &Session, options: BucketCreateOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let body = object([
        ("orgID", Some(json!(organisation_id))),
        ("name", Some(json!(options.name))),
        ("description", options.description.map(Value::from)),
        ("retentionRules", rules(Some(options.retention), options.shard_group_duration)),
    ]);
    session.print_one(&session.post(PATH, body).await?, COLUMNS)
}

pub(super) async fn list(session: &Session, options: BucketListOptions) -> Result<(), ManageError> {
    let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
    let request = narrowed(request, [("id", options.which.id), ("name", options.which.name)]);
    session.print_all(&session.list(&request, "buckets", (options.limit, options.offset)).await?, COLUMNS)
}

pub(super) async fn update(session: &Session, options: BucketUpdateOptions) -> Result<(), ManageError> {
    let body = change([
        ("name", options.name.map(Value::from)),
        ("description", options.description.map(Value::from)),
        ("retentionRules", rules(options.retention, options.shard_group_duration)),
    ])?;
    session.print_one(&session.patch(&format!("{PATH}/{}", options.id), body).await?, COLUMNS)
}

pub(super) async fn delete(session: &Session, options: BucketDeleteOptions) -> Result<(), ManageError> {
    if options.which.id.is_none() && session.organisation(&options.organisation).is_none() {
        return Err(ManageError::NoOrganisation);
    }
    let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
    let bucket = session.resource(request, (PATH, "buckets", "bucket"), &options.which).await?;
    session.remove(&format!("{PATH}/{}", id_of(&bucket)?)).await?;
    session.print_one(&bucket, COLUMNS)
}
