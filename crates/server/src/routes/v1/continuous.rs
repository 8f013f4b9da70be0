//! Continuous queries: how they are made, shown and dropped, and how the scheduler runs them.
//!
//! Each is a job. At its time the `SELECT … INTO` runs over the windows that have ended, with the rights of its
//! organisation: what it reads and writes was checked when it was made.

use std::sync::Arc;

use catalog::{
    Action, ContinuousQuery, Credential, Job, JobKind, NewContinuousQuery, NewJob, OrganisationId, Principal,
    all_access_permissions,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jobs::{Due, RunError, RunResult, Schedule, TIMES_A_RUN};
use query::influxql::ast::{CreateContinuousQuery, Measurement, Select, Source, Statement};
use query::influxql::{ContinuousWindows, Value, needed_databases, parse, within};

use super::answer::StatementResult;
use super::statements::{Runner, table};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::dbrp::{self, DbrpError};
use crate::routes::tasks;
use crate::state::AppState;

impl Runner {
    /// Makes a continuous query. The same one again is no error, as in InfluxDB.
    pub(super) async fn create_continuous_query(&self, create: CreateContinuousQuery) -> ApiResult<StatementResult> {
        let create = self.normalised(create)?;
        let select = Statement::Select(create.select.clone());
        for (database, policy) in needed_databases(&select) {
            let bucket = dbrp::find(&self.state, &self.organisation, database.as_deref(), policy.as_deref())?;
            if !self.allows(Action::Read, &bucket) {
                return Err(ApiError::new(Code::Forbidden, "insufficient permissions for read"));
            }
        }
        if let Some(target) = &create.select.target {
            self.target_bucket(target)?;
        }
        let now_ns = self.state.now_ns();
        let windows = ContinuousWindows::of(&create, now_ns).map_err(ApiError::invalid)?;
        let schedule = Schedule::every(windows.period_ns()).map_err(|error| ApiError::invalid(error.to_string()))?;
        let offset_ns = windows.offset_ns();
        let since_ns = now_ns.saturating_sub(offset_ns);
        let job = NewJob {
            done_until_ns: since_ns - since_ns.rem_euclid(windows.period_ns()),
            schedule: schedule.to_string(),
            offset_ns,
        };
        let new = NewContinuousQuery {
            organisation_id: self.organisation.id,
            database: create.database.clone(),
            name: create.name.clone(),
            user_id: self.principal.user_id,
            statement: Statement::CreateContinuousQuery(create).to_string(),
            job,
        };
        self.state.catalog().create_continuous_query(new).await?;
        self.state.jobs().wake();
        Ok(StatementResult::default())
    }

    /// The statement with the names of databases and retention policies that it means, as InfluxDB shows it.
    fn normalised(&self, mut create: CreateContinuousQuery) -> ApiResult<CreateContinuousQuery> {
        let database = create.database.clone();
        let mut policy_of = |database: &str| -> ApiResult<String> {
            let mut mappings = dbrp::mappings(&self.state, &self.organisation);
            mappings.retain(|mapping| mapping.database == database);
            if mappings.is_empty() {
                return Err(DbrpError::Database(database.to_owned()).into());
            }
            let default = mappings.into_iter().find(|mapping| mapping.is_default).map(|mapping| mapping.policy);
            Ok(default.unwrap_or_else(|| dbrp::DEFAULT_POLICY.to_owned()))
        };
        policy_of(&database)?;
        name_sources(&mut create.select, &database, &mut policy_of)?;
        if let Some(target) = &mut create.select.target {
            let of = target.database.get_or_insert_with(|| database.clone()).clone();
            if target.retention_policy.as_ref().is_none_or(String::is_empty) {
                target.retention_policy = Some(policy_of(&of)?);
            }
        }
        Ok(create)
    }

    /// One that is not there is no error, as in InfluxDB.
    pub(super) async fn drop_continuous_query(&self, database: &str, name: &str) -> ApiResult<StatementResult> {
        let organisation = self.organisation.id;
        let own = self.state.catalog().list_continuous_queries(organisation);
        let found = own.iter().find(|query| query.database == database && query.name == name);
        if let Some(query) = found {
            self.check_may_drop(query)?;
            self.state.catalog().delete_continuous_query(organisation, database, name).await?;
        }
        Ok(StatementResult::default())
    }

    /// Who may write to its target may end it.
    fn check_may_drop(&self, query: &ContinuousQuery) -> ApiResult<()> {
        let target = parsed(query).ok().and_then(|create| create.select.target);
        match target.map(|target| self.target_bucket(&target)) {
            Some(Err(error)) if error.code() == Code::Forbidden => Err(error),
            // A target that is gone keeps nobody from dropping it.
            _ => Ok(()),
        }
    }

    /// Those of all databases that the caller may read.
    pub(super) fn show_continuous_queries(&self) -> StatementResult {
        let mut names: Vec<String> = self.readable().into_iter().map(|mapping| mapping.database).collect();
        names.dedup();
        let queries = self.state.catalog().list_continuous_queries(self.organisation.id);
        let of_database = |name: String| {
            let own = queries.iter().filter(|query| query.database == name);
            let text = |text: &str| Value::Text(text.into());
            let rows = own.map(|query| vec![text(&query.name), text(&query.statement)]).collect();
            table(&name, &["name", "query"], rows)
        };
        StatementResult { series: names.into_iter().map(of_database).collect(), ..StatementResult::default() }
    }
}

/// Gives all measurements that are read their database and retention policy.
fn name_sources(
    select: &mut Select,
    database: &str,
    policy_of: &mut impl FnMut(&str) -> ApiResult<String>,
) -> ApiResult<()> {
    for source in &mut select.sources {
        match source {
            Source::Subquery(inner) => name_sources(inner, database, policy_of)?,
            Source::Measurement(Measurement { database: own, retention_policy, .. }) => {
                let of = own.get_or_insert_with(|| database.to_owned()).clone();
                if retention_policy.as_ref().is_none_or(String::is_empty) {
                    *retention_policy = Some(policy_of(&of)?);
                }
            }
        }
    }
    Ok(())
}

/// The statement of a stored query.
fn parsed(query: &ContinuousQuery) -> Result<CreateContinuousQuery, String> {
    match parse(&query.statement, None).map(|mut statements| statements.pop()) {
        Ok(Some(Statement::CreateContinuousQuery(create))) => Ok(create),
        Ok(_) => Err("the stored text is no continuous query".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the jobs of the server: what each kind does.
pub(crate) struct JobRunner {
    state: AppState,
}

impl JobRunner {
    pub(crate) fn new(state: AppState) -> Self {
        Self { state }
    }
}

impl jobs::Runner for JobRunner {
    fn run(&self, due: Due) -> BoxFuture<'static, RunResult> {
        let state = self.state.clone();
        match due.job.kind {
            JobKind::ContinuousQuery => run_continuous_query(state, due).boxed(),
            JobKind::Task => tasks::runner::run(state, due).boxed(),
        }
    }

    /// A task is told one time at once; the windows of a continuous query are computed together.
    fn times_a_run(&self, job: &Job) -> usize {
        match job.kind {
            JobKind::ContinuousQuery => TIMES_A_RUN,
            JobKind::Task => 1,
        }
    }
}

async fn run_continuous_query(state: AppState, due: Due) -> RunResult {
    // Dropped meanwhile.
    let Some(query) = state.catalog().find_continuous_query(due.job.id) else { return Ok(()) };
    let create = parsed(&query).map_err(RunError::Failed)?;
    let windows = ContinuousWindows::of(&create, state.now_ns()).map_err(RunError::Failed)?;
    let Some(range) = windows.range(due.first_ns, due.last_ns) else { return Ok(()) };
    let runner = runner(state, &query).map_err(failure)?;
    let select = Statement::Select(Box::new(within(&create.select, range)));
    runner.run(select).await.map(drop).map_err(failure)
}

/// A runner with the rights of the organisation.
fn runner(state: AppState, query: &ContinuousQuery) -> ApiResult<Runner> {
    let organisation_id: OrganisationId = query.organisation_id;
    let organisation = state.catalog().find_organisation(organisation_id)?;
    let principal = Principal {
        credential: Credential::Job(query.id),
        user_id: query.user_id,
        organisation_id: Some(organisation_id),
        permissions: all_access_permissions(organisation_id),
    };
    let database = Some(query.database.clone());
    Ok(Runner { state, principal, organisation: Arc::clone(&organisation), database, retention_policy: None })
}

/// What the server lacks now it may have later.
fn failure(error: ApiError) -> RunError {
    let is_passing = matches!(error.code(), Code::Unavailable | Code::TooManyRequests);
    let text = error.influxql_text();
    if is_passing { RunError::Again(text) } else { RunError::Failed(text) }
}
