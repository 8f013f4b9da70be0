//! Reads every row into an [`Image`], at the start and after a failure.

use std::sync::Arc;
use std::time::Duration;

use super::LoadError;
use crate::authorizations::Authorization;
use crate::buckets::Bucket;
use crate::database::{Database, Transaction, statement};
use crate::error::DamagedRowError;
use crate::id::{AuthorizationId, BucketId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::mappings::MappedResource;
use crate::organisations::Organisation;
use crate::permission::PermissionSet;
use crate::secret::SecretDigest;
use crate::sessions::Session;
use crate::users::User;

/// Everything in the database, and the largest identifier that was ever given out.
pub(crate) async fn load(database: &Database) -> Result<(Image, u64), LoadError> {
    let mut transaction = database.begin_read().await?;
    let connection = &mut transaction;
    let mut image = Image::default();
    load_organisations(connection, &mut image).await?;
    load_buckets(connection, &mut image).await?;
    load_dropped_buckets(connection, &mut image).await?;
    load_users(connection, &mut image).await?;
    load_sessions(connection, &mut image).await?;
    load_authorizations(connection, &mut image).await?;
    load_mappings(connection, &mut image).await?;
    super::influxdb_1::load(connection, &mut image).await?;
    super::documents::load(connection, &mut image).await?;
    super::caches::load(connection, &mut image).await?;
    let (last_id, onboarded_at_ns): (i64, Option<i64>) =
        statement("SELECT last_id, onboarded_at_ns FROM catalog_state WHERE id = 1").row(connection).await?;
    image.onboarded_at_ns = onboarded_at_ns;
    Ok((image, last_id.cast_unsigned()))
}

/// The value, or the error that names where it should have been.
pub(super) fn sound<T>(value: Option<T>, table: &'static str, column: &'static str) -> Result<T, DamagedRowError> {
    value.ok_or(DamagedRowError { table, column })
}

fn duration(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

async fn load_organisations(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "organisations";
    let rows: Vec<(i64, String, String, i64, i64)> =
        statement("SELECT id, name, description, created_at_ns, updated_at_ns FROM organisations")
            .rows(connection)
            .await?;
    for (id, name, description, created_at_ns, updated_at_ns) in rows {
        let id = sound(OrganisationId::from_i64(id), TABLE, "id")?;
        let organisation = Organisation { id, name, description, created_at_ns, updated_at_ns };
        image.apply(Change::PutOrganisation(Arc::new(organisation)));
    }
    Ok(())
}

async fn load_buckets(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "buckets";
    type Row = (i64, i64, String, String, String, i64, i64, i64, i64);
    let rows: Vec<Row> = statement(
        "SELECT id, organisation_id, name, description, bucket_type, retention_ns, shard_group_duration_ns, \
         created_at_ns, updated_at_ns FROM buckets",
    )
    .rows(connection)
    .await?;
    for row in rows {
        let bucket = Bucket {
            id: sound(BucketId::from_i64(row.0), TABLE, "id")?,
            organisation_id: sound(OrganisationId::from_i64(row.1), TABLE, "organisation_id")?,
            name: row.2,
            description: row.3,
            bucket_type: sound(row.4.parse().ok(), TABLE, "bucket_type")?,
            retention: sound(duration(row.5), TABLE, "retention_ns")?,
            shard_group_duration: sound(duration(row.6), TABLE, "shard_group_duration_ns")?,
            created_at_ns: row.7,
            updated_at_ns: row.8,
        };
        image.apply(Change::PutBucket(Arc::new(bucket)));
    }
    Ok(())
}

async fn load_dropped_buckets(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "dropped_buckets";
    let rows: Vec<(i64, i64)> =
        statement("SELECT bucket_id, organisation_id FROM dropped_buckets").rows(connection).await?;
    for (id, organisation_id) in rows {
        let id = sound(BucketId::from_i64(id), TABLE, "bucket_id")?;
        let organisation_id = sound(OrganisationId::from_i64(organisation_id), TABLE, "organisation_id")?;
        image.apply(Change::PutDroppedBucket(id, organisation_id));
    }
    Ok(())
}

async fn load_users(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    let rows: Vec<(i64, String, String, i64, i64)> =
        statement("SELECT id, name, status, created_at_ns, updated_at_ns FROM users").rows(connection).await?;
    for (id, name, status, created_at_ns, updated_at_ns) in rows {
        let id = sound(UserId::from_i64(id), "users", "id")?;
        let status = sound(status.parse().ok(), "users", "status")?;
        image.apply(Change::PutUser(Arc::new(User { id, name, status, created_at_ns, updated_at_ns })));
    }
    let rows: Vec<(i64, String)> = statement("SELECT user_id, hash FROM passwords").rows(connection).await?;
    for (user_id, hash) in rows {
        let user_id = sound(UserId::from_i64(user_id), "passwords", "user_id")?;
        image.apply(Change::PutPassword(user_id, hash.into()));
    }
    Ok(())
}

async fn load_sessions(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "sessions";
    let rows: Vec<(String, i64, i64, i64)> =
        statement("SELECT digest, user_id, created_at_ns, expires_at_ns FROM sessions").rows(connection).await?;
    for (digest, user_id, created_at_ns, expires_at_ns) in rows {
        let digest = sound(SecretDigest::from_hex(&digest), TABLE, "digest")?;
        let user_id = sound(UserId::from_i64(user_id), TABLE, "user_id")?;
        image.apply(Change::PutSession(Arc::new(Session { digest, user_id, created_at_ns, expires_at_ns })));
    }
    Ok(())
}

async fn load_authorizations(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "authorizations";
    type Row = (i64, String, String, String, i64, i64, String, i64, i64, Option<i64>);
    let rows: Vec<Row> = statement(
        "SELECT id, digest, status, description, organisation_id, user_id, permissions, created_at_ns, updated_at_ns, \
         expires_at_ns FROM authorizations",
    )
    .rows(connection)
    .await?;
    for row in rows {
        let authorization = Authorization {
            id: sound(AuthorizationId::from_i64(row.0), TABLE, "id")?,
            digest: sound(SecretDigest::from_hex(&row.1), TABLE, "digest")?,
            status: sound(row.2.parse().ok(), TABLE, "status")?,
            description: row.3,
            organisation_id: sound(OrganisationId::from_i64(row.4), TABLE, "organisation_id")?,
            user_id: sound(UserId::from_i64(row.5), TABLE, "user_id")?,
            permissions: sound(PermissionSet::from_stored(&row.6), TABLE, "permissions")?,
            created_at_ns: row.7,
            updated_at_ns: row.8,
            expires_at_ns: row.9,
        };
        image.apply(Change::PutAuthorization(Arc::new(authorization)));
    }
    Ok(())
}

async fn load_mappings(connection: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "user_resource_mappings";
    let rows: Vec<(i64, String, i64, String)> =
        statement("SELECT user_id, resource_type, resource_id, role FROM user_resource_mappings")
            .rows(connection)
            .await?;
    for (user_id, resource_type, resource_id, role) in rows {
        let user_id = sound(UserId::from_i64(user_id), TABLE, "user_id")?;
        let resource_type = sound(resource_type.parse().ok(), TABLE, "resource_type")?;
        let resource = MappedResource { resource_type, id: resource_id.cast_unsigned() };
        let role = sound(role.parse().ok(), TABLE, "role")?;
        image.apply(Change::PutMapping(user_id, resource, role));
    }
    Ok(())
}
