//! The rows of what InfluxDB 1.x knows, and of jobs: read once, and written change by change.

use std::sync::Arc;

use super::LoadError;
use super::load::sound;
use crate::continuous_queries::ContinuousQuery;
use crate::database::{Statement, Transaction, statement as sql};
use crate::dbrp::Dbrp;
use crate::id::{BucketId, DbrpId, JobId, OrganisationId, UserId, V1UserId};
use crate::image::{Change, Image};
use crate::jobs::{Job, JobRun, Lease};
use crate::permission::PermissionSet;
use crate::v1_users::V1User;

/// Reads all of it.
pub(super) async fn load(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    load_dbrps(transaction, image).await?;
    load_v1_users(transaction, image).await?;
    load_v1_grants(transaction, image).await?;
    load_jobs(transaction, image).await?;
    load_job_runs(transaction, image).await?;
    load_continuous_queries(transaction, image).await
}

async fn load_dbrps(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "dbrp_mappings";
    type Row = (i64, i64, String, String, i64, i64);
    let rows: Vec<Row> =
        sql("SELECT id, organisation_id, database_name, retention_policy, bucket_id, is_default FROM dbrp_mappings")
            .rows(transaction)
            .await?;
    for (id, organisation_id, database, retention_policy, bucket_id, is_default) in rows {
        let dbrp = Dbrp {
            id: sound(DbrpId::from_i64(id), TABLE, "id")?,
            organisation_id: sound(OrganisationId::from_i64(organisation_id), TABLE, "organisation_id")?,
            database,
            retention_policy,
            is_default: is_default != 0,
            is_virtual: false,
            bucket_id: sound(BucketId::from_i64(bucket_id), TABLE, "bucket_id")?,
        };
        image.apply(Change::PutDbrp(Arc::new(dbrp)));
    }
    Ok(())
}

async fn load_v1_users(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "v1_users";
    type Row = (i64, String, String, String, i64, i64, String, Option<String>, i64, i64);
    let rows: Vec<Row> = sql(
        "SELECT id, name, status, description, organisation_id, user_id, permissions, password_hash, created_at_ns, \
         updated_at_ns FROM v1_users",
    )
    .rows(transaction)
    .await?;
    for row in rows {
        let user = V1User {
            id: sound(V1UserId::from_i64(row.0), TABLE, "id")?,
            name: row.1,
            status: sound(row.2.parse().ok(), TABLE, "status")?,
            description: row.3,
            organisation_id: sound(OrganisationId::from_i64(row.4), TABLE, "organisation_id")?,
            user_id: sound(UserId::from_i64(row.5), TABLE, "user_id")?,
            permissions: sound(PermissionSet::from_stored(&row.6), TABLE, "permissions")?,
            created_at_ns: row.8,
            updated_at_ns: row.9,
        };
        let id = user.id;
        image.apply(Change::PutV1User(Arc::new(user)));
        if let Some(hash) = row.7 {
            image.apply(Change::PutV1Password(id, hash.into()));
        }
    }
    Ok(())
}

async fn load_v1_grants(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "v1_grants";
    let rows: Vec<(i64, String, String)> =
        sql("SELECT v1_user_id, database_name, privilege FROM v1_grants").rows(transaction).await?;
    for (id, database, privilege) in rows {
        let id = sound(V1UserId::from_i64(id), TABLE, "v1_user_id")?;
        image.apply(Change::PutV1Grant(id, database, sound(privilege.parse().ok(), TABLE, "privilege")?));
    }
    Ok(())
}

async fn load_jobs(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "jobs";
    type Row = (i64, String, String, i64, i64, Option<String>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sql(
        "SELECT id, kind, schedule, offset_ns, done_until_ns, lease_holder, leased_until_ns, parent_id, requested_ns \
         FROM jobs",
    )
    .rows(transaction)
    .await?;
    for (id, kind, schedule, offset_ns, done_until_ns, holder, until_ns, parent_id, requested_ns) in rows {
        let job = Job {
            id: sound(JobId::from_i64(id), TABLE, "id")?,
            kind: sound(kind.parse().ok(), TABLE, "kind")?,
            schedule,
            offset_ns,
            done_until_ns,
            lease: holder.zip(until_ns).map(|(holder, until_ns)| Lease { holder, until_ns }),
            parent_id: parent_id.and_then(JobId::from_i64),
            requested_ns,
        };
        image.apply(Change::PutJob(Arc::new(job)));
    }
    Ok(())
}

async fn load_job_runs(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    type Row = (i64, i64, i64, i64, Option<i64>, i64, i64, Option<String>, i64);
    let rows: Vec<Row> =
        sql("SELECT job_id, id, due_ns, first_due_ns, requested_ns, started_ns, finished_ns, error, is_canceled \
         FROM job_runs")
        .rows(transaction)
        .await?;
    for (job_id, id, due_ns, first_due_ns, requested_ns, started_ns, finished_ns, error, is_canceled) in rows {
        let job_id = sound(JobId::from_i64(job_id), "job_runs", "job_id")?;
        let id = sound(JobId::from_i64(id), "job_runs", "id")?;
        let is_canceled = is_canceled != 0;
        let run =
            JobRun { job_id, id, first_due_ns, due_ns, requested_ns, started_ns, finished_ns, error, is_canceled };
        image.apply(Change::PutJobRun(Arc::new(run)));
    }
    Ok(())
}

async fn load_continuous_queries(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "continuous_queries";
    let rows: Vec<(i64, i64, String, String, i64, String)> =
        sql("SELECT id, organisation_id, database_name, name, user_id, statement FROM continuous_queries")
            .rows(transaction)
            .await?;
    for (id, organisation_id, database, name, user_id, statement) in rows {
        let user_id = sound(UserId::from_i64(user_id), TABLE, "user_id")?;
        let id = sound(JobId::from_i64(id), TABLE, "id")?;
        let organisation_id = sound(OrganisationId::from_i64(organisation_id), TABLE, "organisation_id")?;
        let query = ContinuousQuery { id, organisation_id, database, name, user_id, statement };
        image.apply(Change::PutContinuousQuery(Arc::new(query)));
    }
    Ok(())
}

/// What a change writes. All others are written elsewhere.
pub(super) fn statement(change: &Change) -> Result<Statement, sqlx::Error> {
    Ok(match change {
        Change::PutDbrp(dbrp) => put_dbrp(dbrp),
        Change::RemoveDbrp(id) => sql("DELETE FROM dbrp_mappings WHERE id = $1").bind(id.to_i64()),
        Change::PutV1User(user) => put_v1_user(user)?,
        Change::RemoveV1User(id) => sql("DELETE FROM v1_users WHERE id = $1").bind(id.to_i64()),
        Change::PutV1Password(id, hash) => {
            sql("UPDATE v1_users SET password_hash = $1 WHERE id = $2").bind(&**hash).bind(id.to_i64())
        }
        Change::PutV1Grant(id, database, privilege) => {
            sql("INSERT INTO v1_grants (v1_user_id, database_name, privilege) VALUES ($1, $2, $3) \
             ON CONFLICT (v1_user_id, database_name) DO UPDATE SET privilege = excluded.privilege")
            .bind(id.to_i64())
            .bind(database)
            .bind(privilege.as_str())
        }
        Change::RemoveV1Grant(id, database) => {
            sql("DELETE FROM v1_grants WHERE v1_user_id = $1 AND database_name = $2").bind(id.to_i64()).bind(database)
        }
        Change::PutContinuousQuery(query) => put_continuous_query(query),
        Change::RemoveContinuousQuery(id) => sql("DELETE FROM continuous_queries WHERE id = $1").bind(id.to_i64()),
        Change::PutJob(job) => put_job(job),
        Change::RemoveJob(id) => sql("DELETE FROM jobs WHERE id = $1").bind(id.to_i64()),
        Change::PutJobRun(run) => put_job_run(run),
        Change::RemoveJobRun(id, run) => {
            sql("DELETE FROM job_runs WHERE job_id = $1 AND id = $2").bind(id.to_i64()).bind(run.to_i64())
        }
        other => return super::documents::statement(other),
    })
}

fn put_dbrp(dbrp: &Dbrp) -> Statement {
    sql("INSERT INTO dbrp_mappings (id, organisation_id, database_name, retention_policy, bucket_id, is_default) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET \
         retention_policy = excluded.retention_policy, is_default = excluded.is_default")
    .bind(dbrp.id.to_i64())
    .bind(dbrp.organisation_id.to_i64())
    .bind(&dbrp.database)
    .bind(&dbrp.retention_policy)
    .bind(dbrp.bucket_id.to_i64())
    .bind(i64::from(dbrp.is_default))
}

/// The password is written by a change of its own.
fn put_v1_user(user: &V1User) -> Result<Statement, sqlx::Error> {
    let permissions = user.permissions.to_stored().map_err(|error| sqlx::Error::Encode(error.into()))?;
    let statement = sql(
        "INSERT INTO v1_users (id, name, status, description, organisation_id, user_id, permissions, created_at_ns, \
         updated_at_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, description = excluded.description, \
         permissions = excluded.permissions, updated_at_ns = excluded.updated_at_ns",
    )
    .bind(user.id.to_i64())
    .bind(&user.name)
    .bind(user.status.as_str())
    .bind(&user.description)
    .bind(user.organisation_id.to_i64())
    .bind(user.user_id.to_i64())
    .bind(permissions)
    .bind(user.created_at_ns)
    .bind(user.updated_at_ns);
    Ok(statement)
}

fn put_continuous_query(query: &ContinuousQuery) -> Statement {
    sql("INSERT INTO continuous_queries (id, organisation_id, database_name, name, user_id, statement) \
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(query.id.to_i64())
    .bind(query.organisation_id.to_i64())
    .bind(&query.database)
    .bind(&query.name)
    .bind(query.user_id.to_i64())
    .bind(&query.statement)
}

fn put_job(job: &Job) -> Statement {
    let lease = job.lease.as_ref();
    sql("INSERT INTO jobs (id, kind, schedule, offset_ns, done_until_ns, lease_holder, leased_until_ns, parent_id, \
         requested_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET schedule = excluded.schedule, \
         offset_ns = excluded.offset_ns, done_until_ns = excluded.done_until_ns, \
         lease_holder = excluded.lease_holder, leased_until_ns = excluded.leased_until_ns")
    .bind(job.id.to_i64())
    .bind(job.kind.as_str())
    .bind(&job.schedule)
    .bind(job.offset_ns)
    .bind(job.done_until_ns)
    .bind(lease.map(|lease| lease.holder.as_str()))
    .bind(lease.map(|lease| lease.until_ns))
    .bind(job.parent_id.map(JobId::to_i64))
    .bind(job.requested_ns)
}

fn put_job_run(run: &JobRun) -> Statement {
    sql("INSERT INTO job_runs (job_id, id, due_ns, first_due_ns, requested_ns, started_ns, finished_ns, error, \
         is_canceled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(run.job_id.to_i64())
    .bind(run.id.to_i64())
    .bind(run.due_ns)
    .bind(run.first_due_ns)
    .bind(run.requested_ns)
    .bind(run.started_ns)
    .bind(run.finished_ns)
    .bind(run.error.as_deref())
    .bind(i64::from(run.is_canceled))
}
