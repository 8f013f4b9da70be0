//! Writes changes, all of one call in one transaction.

use crate::authorizations::Authorization;
use crate::buckets::Bucket;
use crate::database::{Database, DatabaseError, Statement, statement as sql};
use crate::id::UserId;
use crate::image::Change;
use crate::mappings::{MappedResource, Role};
use crate::organisations::Organisation;
use crate::sessions::Session;
use crate::time::duration_ns;
use crate::users::User;

/// Commits `changes` together with the largest identifier given out so far.
pub(crate) async fn write(database: &Database, changes: &[Change], last_id: u64) -> Result<(), DatabaseError> {
    let mut transaction = database.begin_write().await?;
    for change in changes {
        statement(change)?.execute(&mut transaction).await?;
    }
    sql("UPDATE catalog_state SET last_id = $1 WHERE id = 1")
        .bind(last_id.cast_signed())
        .execute(&mut transaction)
        .await?;
    Ok(transaction.commit().await?)
}

fn statement(change: &Change) -> Result<Statement, sqlx::Error> {
    Ok(match change {
        Change::PutOrganisation(organisation) => put_organisation(organisation),
        Change::RemoveOrganisation(id) => sql("DELETE FROM organisations WHERE id = $1").bind(id.to_i64()),
        Change::PutBucket(bucket) => put_bucket(bucket),
        Change::RemoveBucket(id) => sql("DELETE FROM buckets WHERE id = $1").bind(id.to_i64()),
        Change::PutDroppedBucket(id, organisation_id) => {
            sql("INSERT INTO dropped_buckets (bucket_id, organisation_id) VALUES ($1, $2) \
             ON CONFLICT (bucket_id) DO NOTHING")
            .bind(id.to_i64())
            .bind(organisation_id.to_i64())
        }
        Change::RemoveDroppedBucket(id) => sql("DELETE FROM dropped_buckets WHERE bucket_id = $1").bind(id.to_i64()),
        Change::PutUser(user) => put_user(user),
        Change::RemoveUser(id) => sql("DELETE FROM users WHERE id = $1").bind(id.to_i64()),
        Change::PutPassword(user_id, hash) => sql("INSERT INTO passwords (user_id, hash) VALUES ($1, $2) \
             ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash")
        .bind(user_id.to_i64())
        .bind(&**hash),
        Change::RemovePassword(id) => sql("DELETE FROM passwords WHERE user_id = $1").bind(id.to_i64()),
        Change::PutSession(session) => put_session(session),
        Change::RemoveSession(digest) => sql("DELETE FROM sessions WHERE digest = $1").bind(digest.to_hex()),
        Change::PutAuthorization(authorization) => put_authorization(authorization)?,
        Change::RemoveAuthorization(id) => sql("DELETE FROM authorizations WHERE id = $1").bind(id.to_i64()),
        Change::PutMapping(user_id, resource, role) => put_mapping(*user_id, *resource, *role),
        Change::RemoveMapping(user_id, resource) => {
            sql("DELETE FROM user_resource_mappings WHERE user_id = $1 AND resource_type = $2 AND resource_id = $3")
                .bind(user_id.to_i64())
                .bind(resource.resource_type.as_str())
                .bind(resource.id.cast_signed())
        }
        Change::PutCache(cache) => super::caches::put(cache),
        Change::RemoveCache(id) => super::caches::remove(*id),
        Change::CompleteOnboarding(at_ns) => {
            sql("UPDATE catalog_state SET onboarded_at_ns = $1 WHERE id = 1").bind(*at_ns)
        }
        change => return super::influxdb_1::statement(change),
    })
}

fn put_organisation(organisation: &Organisation) -> Statement {
    sql("INSERT INTO organisations (id, name, description, created_at_ns, updated_at_ns) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, \
         updated_at_ns = excluded.updated_at_ns")
    .bind(organisation.id.to_i64())
    .bind(&organisation.name)
    .bind(&organisation.description)
    .bind(organisation.created_at_ns)
    .bind(organisation.updated_at_ns)
}

fn put_bucket(bucket: &Bucket) -> Statement {
    sql("INSERT INTO buckets (id, organisation_id, name, description, bucket_type, retention_ns, \
         shard_group_duration_ns, created_at_ns, updated_at_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, \
         retention_ns = excluded.retention_ns, shard_group_duration_ns = excluded.shard_group_duration_ns, \
         updated_at_ns = excluded.updated_at_ns")
    .bind(bucket.id.to_i64())
    .bind(bucket.organisation_id.to_i64())
    .bind(&bucket.name)
    .bind(&bucket.description)
    .bind(bucket.bucket_type.as_str())
    .bind(duration_ns(bucket.retention))
    .bind(duration_ns(bucket.shard_group_duration))
    .bind(bucket.created_at_ns)
    .bind(bucket.updated_at_ns)
}

fn put_user(user: &User) -> Statement {
    sql("INSERT INTO users (id, name, status, created_at_ns, updated_at_ns) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, \
         updated_at_ns = excluded.updated_at_ns")
    .bind(user.id.to_i64())
    .bind(&user.name)
    .bind(user.status.as_str())
    .bind(user.created_at_ns)
    .bind(user.updated_at_ns)
}

fn put_session(session: &Session) -> Statement {
    sql("INSERT INTO sessions (digest, user_id, created_at_ns, expires_at_ns) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (digest) DO UPDATE SET expires_at_ns = excluded.expires_at_ns")
    .bind(session.digest.to_hex())
    .bind(session.user_id.to_i64())
    .bind(session.created_at_ns)
    .bind(session.expires_at_ns)
}

fn put_authorization(authorization: &Authorization) -> Result<Statement, sqlx::Error> {
    let permissions = authorization.permissions.to_stored().map_err(|error| sqlx::Error::Encode(error.into()))?;
    let statement =
        sql("INSERT INTO authorizations (id, digest, status, description, organisation_id, user_id, permissions, \
         created_at_ns, updated_at_ns, expires_at_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, description = excluded.description, \
         updated_at_ns = excluded.updated_at_ns")
        .bind(authorization.id.to_i64())
        .bind(authorization.digest.to_hex())
        .bind(authorization.status.as_str())
        .bind(&authorization.description)
        .bind(authorization.organisation_id.to_i64())
        .bind(authorization.user_id.to_i64())
        .bind(permissions)
        .bind(authorization.created_at_ns)
        .bind(authorization.updated_at_ns)
        .bind(authorization.expires_at_ns);
    Ok(statement)
}

fn put_mapping(user_id: UserId, resource: MappedResource, role: Role) -> Statement {
    sql("INSERT INTO user_resource_mappings (user_id, resource_type, resource_id, role) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id, resource_type, resource_id) DO UPDATE SET role = excluded.role")
    .bind(user_id.to_i64())
    .bind(resource.resource_type.as_str())
    .bind(resource.id.cast_signed())
    .bind(role.as_str())
}
