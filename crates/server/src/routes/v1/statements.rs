//! One statement of InfluxQL: which bucket it means, whether the caller may do this to it, and what is done.
//!
//! What reads points goes to the query engine, what deletes them there and to the storage engine. Databases and
//! retention policies are buckets, so what makes, changes and drops them is done here.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Action, Bucket, BucketUpdate, NewBucket, Organisation, Permission, Principal, ResourceType};
use query::influxql::ast::{AlterRetentionPolicy, CreateDatabase, CreateRetentionPolicy, Statement};
use query::influxql::{Databases, InfluxqlRequest, Series, Value, needed_databases};

use super::answer::{StatementResult, interrupted};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::dbrp::{self, DEFAULT_POLICY, Mapping};
use crate::routes::buckets::drop_points;
use crate::state::AppState;
use crate::times::go_duration;
use crate::uninterrupted::uninterrupted;

/// Runs the statements of one request.
pub(crate) struct Runner {
    pub(crate) state: AppState,
    pub(crate) principal: Principal,
    pub(crate) organisation: Arc<Organisation>,
    /// `db`
    pub(crate) database: Option<String>,
    /// `rp`
    pub(crate) retention_policy: Option<String>,
}

impl Runner {
    /// Runs a statement where `SHOW QUERIES` shows it and `KILL QUERY` ends it.
    pub(crate) async fn run(&self, statement: Statement) -> ApiResult<StatementResult> {
        let running = self.state.running().start(
            self.organisation.id,
            self.principal.user_id,
            self.database.clone().unwrap_or_default(),
            statement.to_string(),
        );
        let mut result = tokio::select! {
            // First, so that a statement that kills itself is told so.
            biased;
            () = running.killed() => Err(interrupted()),
            result = self.dispatch(statement) => result,
        }?;
        result.keep_running(running);
        Ok(result)
    }

    async fn dispatch(&self, statement: Statement) -> ApiResult<StatementResult> {
        match statement {
            Statement::ShowDatabases => Ok(self.show_databases()),
            Statement::ShowRetentionPolicies { database } => self.show_retention_policies(database),
            Statement::CreateDatabase(create) => self.create_database(create).await,
            Statement::DropDatabase { name } => self.drop_database(&name).await,
            Statement::CreateRetentionPolicy(create) => self.create_retention_policy(create).await,
            Statement::AlterRetentionPolicy(alter) => self.alter_retention_policy(alter).await,
            Statement::DropRetentionPolicy { name, database } => self.drop_retention_policy(&database, &name).await,
            Statement::Delete(_) | Statement::DropSeries(_) | Statement::DropMeasurement { .. } => {
                self.remove(statement).await
            }
            Statement::Select(_)
            | Statement::Explain(_)
            | Statement::ShowMeasurements(_)
            | Statement::ShowSeries(_)
            | Statement::ShowTagKeys { .. }
            | Statement::ShowTagValues { .. }
            | Statement::ShowFieldKeys(_)
            | Statement::ShowCardinality(_) => self.query(statement).await,
            Statement::CreateUser { .. }
            | Statement::DropUser { .. }
            | Statement::SetPassword { .. }
            | Statement::Grant { .. }
            | Statement::GrantAdmin { .. }
            | Statement::Revoke { .. }
            | Statement::RevokeAdmin { .. }
            | Statement::ShowUsers
            | Statement::ShowGrants { .. } => self.users(statement).await,
            Statement::CreateContinuousQuery(create) => self.create_continuous_query(create).await,
            Statement::DropContinuousQuery { name, database } => self.drop_continuous_query(&database, &name).await,
            Statement::ShowContinuousQueries => Ok(self.show_continuous_queries()),
            other => self.administer(&other),
        }
    }

    /// What the query engine answers.
    async fn query(&self, statement: Statement) -> ApiResult<StatementResult> {
        let target = match &statement {
            Statement::Select(select) => select.target.clone(),
            _ => None,
        };
        let bucket = target.as_ref().map(|target| self.target_bucket(target)).transpose()?;
        let databases = self.databases(&statement).await?;
        let now_ns = self.state.now_ns();
        let request = InfluxqlRequest { statement, databases, now_ns };
        let answer = self.state.query().influxql(request).await?;
        if let (Some(target), Some(bucket)) = (target, bucket) {
            return self.write_into(&target, &bucket, answer).await;
        }
        StatementResult::of_answer(answer).await
    }

    /// A snapshot of each bucket that a statement reads.
    async fn databases(&self, statement: &Statement) -> ApiResult<Databases> {
        let mut databases = Databases::default();
        for (database, policy) in needed_databases(statement) {
            // The policy of the request belongs to its database.
            let default_policy = if database.is_none() { self.retention_policy.as_deref() } else { None };
            let name = database.as_deref().or(self.database.as_deref());
            let bucket = dbrp::find(&self.state, &self.organisation, name, policy.as_deref().or(default_policy))?;
            if !self.allows(Action::Read, &bucket) {
                return Err(ApiError::new(Code::Forbidden, "insufficient permissions for read"));
            }
            let retention = (!bucket.retention.is_zero()).then_some(bucket.retention);
            databases.insert((database, policy), self.state.engine().snapshot(bucket.id, retention).await?);
        }
        Ok(databases)
    }

    pub(super) fn allows(&self, action: Action, bucket: &Bucket) -> bool {
        self.principal.allows(&Permission::on_bucket(action, bucket.id, self.organisation.id))
    }

    /// The buckets that the caller may read.
    pub(super) fn readable(&self) -> Vec<Mapping> {
        let mut mappings = dbrp::mappings(&self.state, &self.organisation);
        mappings.retain(|mapping| self.allows(Action::Read, &mapping.bucket));
        mappings
    }

    fn show_databases(&self) -> StatementResult {
        let mut names: Vec<String> = self.readable().into_iter().map(|mapping| mapping.database).collect();
        names.dedup();
        let rows = names.into_iter().map(|name| vec![Value::Text(name.into())]).collect();
        StatementResult { series: vec![table("databases", &["name"], rows)], ..StatementResult::default() }
    }

    fn show_retention_policies(&self, database: Option<String>) -> ApiResult<StatementResult> {
        let name = database.as_deref().or(self.database.as_deref()).ok_or(dbrp::DbrpError::NoDatabase)?;
        let policies: Vec<Mapping> = self.readable().into_iter().filter(|mapping| mapping.database == name).collect();
        if policies.is_empty() {
            return Err(dbrp::DbrpError::Database(name.to_owned()).into());
        }
        let duration = |duration: Duration| Value::Text(go_duration(duration).into());
        let row = |mapping: Mapping| {
            vec![
                Value::Text(mapping.policy.into()),
                duration(mapping.bucket.retention),
                duration(mapping.bucket.shard_group_duration),
                Value::Integer(1),
                Value::Boolean(mapping.is_default),
            ]
        };
        let columns = ["name", "duration", "shardGroupDuration", "replicaN", "default"];
        let rows = policies.into_iter().map(row).collect();
        Ok(StatementResult { series: vec![table("", &columns, rows)], ..StatementResult::default() })
    }

    /// Unless the caller may do this, it is refused.
    pub(super) fn require(&self, permission: Permission) -> ApiResult<()> {
        if !self.principal.allows(&permission) {
            return Err(ApiError::new(Code::Forbidden, "insufficient permissions for write"));
        }
        Ok(())
    }

    async fn create_bucket(
        &self,
        name: String,
        retention: Duration,
        shard: Option<Duration>,
    ) -> ApiResult<Arc<Bucket>> {
        let new = NewBucket {
            organisation_id: self.organisation.id,
            name,
            description: String::new(),
            retention,
            shard_group_duration: shard,
        };
        Ok(self.state.catalog().create_bucket(new).await?)
    }

    /// A database that is there already is not changed, and that is no error: agents send this at every start.
    async fn create_database(&self, create: CreateDatabase) -> ApiResult<StatementResult> {
        let mappings = dbrp::mappings(&self.state, &self.organisation);
        let may_know = |bucket: &Bucket| self.allows(Action::Read, bucket) || self.allows(Action::Write, bucket);
        let exists = mappings.iter().any(|mapping| mapping.database == create.name && may_know(&mapping.bucket));
        if exists {
            return Ok(StatementResult::default());
        }
        let organisation = self.organisation.id;
        self.require(Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation))?;
        check_name(&create.name)?;
        let policy = create.policy.unwrap_or_default();
        let name = match policy.name.as_deref() {
            None | Some(DEFAULT_POLICY) => create.name,
            Some(policy) => {
                check_name(policy)?;
                format!("{}/{policy}", create.name)
            }
        };
        let retention = policy.duration.map_or(Duration::ZERO, |duration| nanoseconds(duration.0));
        self.create_bucket(name, retention, policy.shard_duration.map(|duration| nanoseconds(duration.0))).await?;
        Ok(StatementResult::default())
    }

    /// Drops buckets with their points.
    async fn drop_buckets(&self, mappings: Vec<Mapping>) -> ApiResult<StatementResult> {
        for mapping in &mappings {
            let organisation = self.organisation.id;
            self.require(Permission::on_bucket(Action::Write, mapping.bucket.id, organisation))?;
        }
        let state = self.state.clone();
        uninterrupted(async move {
            for mapping in mappings {
                state.catalog().delete_bucket(mapping.bucket.id).await?;
                drop_points(&state, mapping.bucket.organisation_id, mapping.bucket.id).await;
            }
            Ok(StatementResult::default())
        })
        .await
    }

    /// A database that is not there is no error, as in InfluxDB.
    async fn drop_database(&self, name: &str) -> ApiResult<StatementResult> {
        let mut mappings = dbrp::mappings(&self.state, &self.organisation);
        mappings.retain(|mapping| mapping.database == name);
        if mappings.is_empty() {
            return Ok(StatementResult::default());
        }
        let result = self.drop_buckets(mappings).await?;
        let catalog = self.state.catalog();
        catalog.delete_continuous_queries(self.organisation.id, name).await?;
        catalog.forget_v1_grants(self.organisation.id, name).await?;
        Ok(result)
    }

    /// Nor is a policy that is not there.
    async fn drop_retention_policy(&self, database: &str, policy: &str) -> ApiResult<StatementResult> {
        let mut mappings = dbrp::mappings(&self.state, &self.organisation);
        mappings.retain(|mapping| mapping.database == database && mapping.policy == policy);
        self.drop_buckets(mappings).await
    }

    async fn create_retention_policy(&self, create: CreateRetentionPolicy) -> ApiResult<StatementResult> {
        let mappings = dbrp::mappings(&self.state, &self.organisation);
        if !mappings.iter().any(|mapping| mapping.database == create.database) {
            return Err(dbrp::DbrpError::Database(create.database).into());
        }
        let retention = nanoseconds(create.duration.0);
        let same = |mapping: &&Mapping| mapping.database == create.database && mapping.policy == create.name;
        if let Some(known) = mappings.iter().find(same) {
            if known.bucket.retention == retention {
                return Ok(StatementResult::default());
            }
            return Err(ApiError::invalid("retention policy already exists"));
        }
        let organisation = self.organisation.id;
        self.require(Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation))?;
        check_name(&create.name)?;
        let name = format!("{}/{}", create.database, create.name);
        self.create_bucket(name, retention, create.shard_duration.map(|duration| nanoseconds(duration.0))).await?;
        if create.default {
            self.state.catalog().set_default_policy(organisation, &create.database, &create.name).await?;
        }
        Ok(StatementResult::default())
    }

    async fn alter_retention_policy(&self, alter: AlterRetentionPolicy) -> ApiResult<StatementResult> {
        let bucket = dbrp::find(&self.state, &self.organisation, Some(&alter.database), Some(&alter.name))?;
        self.require(Permission::on_bucket(Action::Write, bucket.id, self.organisation.id))?;
        let update = BucketUpdate {
            retention: alter.duration.map(|duration| nanoseconds(duration.0)),
            shard_group_duration: alter.shard_duration.map(|duration| nanoseconds(duration.0)),
            ..BucketUpdate::default()
        };
        self.state.catalog().update_bucket(bucket.id, update).await?;
        if alter.default {
            let organisation = self.organisation.id;
            self.state.catalog().set_default_policy(organisation, &alter.database, &alter.name).await?;
        }
        Ok(StatementResult::default())
    }
}

/// Names of databases and policies: a slash parts them in the bucket's name.
fn check_name(name: &str) -> ApiResult<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\']) {
        return Err(ApiError::invalid("invalid name"));
    }
    Ok(())
}

fn nanoseconds(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

pub(super) fn table(name: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Series {
    Series {
        name: name.to_owned(),
        tags: Vec::new(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows,
        zone: None,
    }
}
