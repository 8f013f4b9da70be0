//! Statements.

use std::fmt;

use super::expression::Expression;
use super::select::{Measurement, Order, Page, Select, Source};
use crate::duration::Duration;

/// A whole text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Its statements; an empty text has none.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "a statement says what its names are")]
pub enum Statement {
    /// `SELECT`
    Select(Box<Select>),
    /// `EXPLAIN [ANALYZE] SELECT`
    Explain(Explain),
    /// `DELETE`
    Delete(Removal),
    /// `DROP SERIES`
    DropSeries(Removal),
    /// `DROP MEASUREMENT`
    DropMeasurement { name: String },
    /// `DROP SHARD`
    DropShard { id: u64 },

    /// `SHOW DATABASES`
    ShowDatabases,
    /// `SHOW RETENTION POLICIES [ON]`
    ShowRetentionPolicies { database: Option<String> },
    /// `SHOW MEASUREMENTS`
    ShowMeasurements(ShowMeasurements),
    /// `SHOW SERIES`
    ShowSeries(ShowScope),
    /// `SHOW TAG KEYS`
    ShowTagKeys { scope: ShowScope, key: Option<KeyFilter>, series_page: Page },
    /// `SHOW TAG VALUES`
    ShowTagValues { scope: ShowScope, key: KeyFilter },
    /// `SHOW FIELD KEYS`, which has no condition.
    ShowFieldKeys(ShowScope),
    /// `SHOW … [EXACT] CARDINALITY`
    ShowCardinality(Cardinality),
    /// `SHOW CONTINUOUS QUERIES`
    ShowContinuousQueries,
    /// `SHOW SUBSCRIPTIONS`
    ShowSubscriptions,
    /// `SHOW USERS`
    ShowUsers,
    /// `SHOW GRANTS FOR`
    ShowGrants { user: String },
    /// `SHOW QUERIES`
    ShowQueries,
    /// `SHOW SHARDS`
    ShowShards,
    /// `SHOW SHARD GROUPS`
    ShowShardGroups,
    /// `SHOW STATS [FOR]`
    ShowStats { module: Option<String> },
    /// `SHOW DIAGNOSTICS [FOR]`
    ShowDiagnostics { module: Option<String> },

    /// `CREATE DATABASE`
    CreateDatabase(CreateDatabase),
    /// `DROP DATABASE`
    DropDatabase { name: String },
    /// `CREATE RETENTION POLICY`
    CreateRetentionPolicy(CreateRetentionPolicy),
    /// `ALTER RETENTION POLICY`
    AlterRetentionPolicy(AlterRetentionPolicy),
    /// `DROP RETENTION POLICY`
    DropRetentionPolicy { name: String, database: String },
    /// `CREATE CONTINUOUS QUERY`
    CreateContinuousQuery(CreateContinuousQuery),
    /// `DROP CONTINUOUS QUERY`
    DropContinuousQuery { name: String, database: String },
    /// `CREATE SUBSCRIPTION`
    CreateSubscription(CreateSubscription),
    /// `DROP SUBSCRIPTION`
    DropSubscription { name: String, database: String, retention_policy: String },

    /// `CREATE USER`
    CreateUser { name: String, password: Password, admin: bool },
    /// `DROP USER`
    DropUser { name: String },
    /// `SET PASSWORD FOR`
    SetPassword { user: String, password: Password },
    /// `GRANT … ON … TO`
    Grant { privilege: Privilege, database: String, user: String },
    /// `GRANT ALL PRIVILEGES TO`
    GrantAdmin { user: String },
    /// `REVOKE … ON … FROM`
    Revoke { privilege: Privilege, database: String, user: String },
    /// `REVOKE ALL PRIVILEGES FROM`
    RevokeAdmin { user: String },
    /// `KILL QUERY … [ON]`
    KillQuery { id: u64, host: Option<String> },
}

/// A question about a `SELECT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Whether it is run as well.
    pub analyze: bool,
    /// The statement.
    pub select: Box<Select>,
}

/// What is deleted. Sources and condition are not both empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    /// From which measurements; empty is all. They name no database, and in `DROP SERIES` no retention policy.
    pub sources: Vec<Measurement>,
    /// `WHERE`
    pub condition: Option<Expression>,
}

/// The clauses that the `SHOW` statements share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShowScope {
    /// `ON`; none is the database of the request.
    pub database: Option<String>,
    /// `FROM`; empty is all.
    pub sources: Vec<Measurement>,
    /// `WHERE`
    pub condition: Option<Expression>,
    /// `ORDER BY time`, which means nothing here.
    pub order: Option<Order>,
    /// `LIMIT` and `OFFSET`
    pub page: Page,
}

/// `SHOW MEASUREMENTS`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShowMeasurements {
    /// `ON`; none is the database of the request.
    pub database: Option<NameOrAll>,
    /// What follows the point behind the database; none is all.
    pub retention_policy: Option<NameOrAll>,
    /// `WITH MEASUREMENT`
    pub measurement: Option<Measurement>,
    /// `WHERE`
    pub condition: Option<Expression>,
    /// `ORDER BY time`, which means nothing here.
    pub order: Option<Order>,
    /// `LIMIT` and `OFFSET`
    pub page: Page,
}

/// A name or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrAll {
    /// This one.
    Name(String),
    /// `*`
    All,
}

/// `WITH KEY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFilter {
    /// `= key`
    Equal(String),
    /// `!= key`
    NotEqual(String),
    /// `IN (key, …)`
    In(Vec<String>),
    /// `=~ /…/`
    Matches(String),
    /// `!~ /…/`
    NotMatches(String),
}

/// `SHOW … CARDINALITY`
#[derive(Debug, Clone, PartialEq)]
pub struct Cardinality {
    /// What is counted.
    pub of: CardinalityOf,
    /// Whether an estimate will not do.
    pub exact: bool,
    /// `ON`; none is the database of the request.
    pub database: Option<String>,
    /// `FROM`; empty is all.
    pub sources: Vec<Measurement>,
    /// `WHERE`
    pub condition: Option<Expression>,
    /// `GROUP BY`
    pub dimensions: Vec<Expression>,
    /// `LIMIT` and `OFFSET`
    pub page: Page,
}

/// What `SHOW … CARDINALITY` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardinalityOf {
    /// `SERIES`
    Series,
    /// `MEASUREMENT`
    Measurements,
    /// `TAG KEY`
    TagKeys,
    /// `TAG VALUES`, of these keys.
    TagValues(KeyFilter),
    /// `FIELD KEY`
    FieldKeys,
}

/// `CREATE DATABASE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDatabase {
    /// The name.
    pub name: String,
    /// `WITH`: its first retention policy.
    pub policy: Option<DatabasePolicy>,
}

/// The retention policy that comes with a new database; at least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabasePolicy {
    /// `DURATION`: how long points are kept; zero, which is also `INF`, is for ever.
    pub duration: Option<Duration>,
    /// `REPLICATION`: on how many servers.
    pub replication: Option<u32>,
    /// `SHARD DURATION`: how long a time one shard holds.
    pub shard_duration: Option<Duration>,
    /// `NAME`
    pub name: Option<String>,
}

/// `CREATE RETENTION POLICY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRetentionPolicy {
    /// The name.
    pub name: String,
    /// `ON`
    pub database: String,
    /// `DURATION`: how long points are kept; zero, which is also `INF`, is for ever.
    pub duration: Duration,
    /// `REPLICATION`: on how many servers.
    pub replication: u32,
    /// `SHARD DURATION`: how long a time one shard holds.
    pub shard_duration: Option<Duration>,
    /// `DEFAULT`: whether it becomes the one that is meant when none is named.
    pub default: bool,
}

/// `ALTER RETENTION POLICY`: what is given is changed, and at least one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterRetentionPolicy {
    /// The name.
    pub name: String,
    /// `ON`
    pub database: String,
    /// `DURATION`: how long points are kept; zero, which is also `INF`, is for ever.
    pub duration: Option<Duration>,
    /// `REPLICATION`: on how many servers.
    pub replication: Option<u32>,
    /// `SHARD DURATION`: how long a time one shard holds.
    pub shard_duration: Option<Duration>,
    /// `DEFAULT`: whether it becomes the one that is meant when none is named.
    pub default: bool,
}

/// `CREATE CONTINUOUS QUERY`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateContinuousQuery {
    /// The name.
    pub name: String,
    /// `ON`
    pub database: String,
    /// `RESAMPLE EVERY`: how often it runs; none is once a window.
    pub resample_every: Option<Duration>,
    /// `RESAMPLE FOR`: how far it looks back; none is one window.
    pub resample_for: Option<Duration>,
    /// What it does. It has a target, and a `GROUP BY time(…)` if it has calls.
    pub select: Box<Select>,
}

/// `CREATE SUBSCRIPTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSubscription {
    /// The name.
    pub name: String,
    /// `ON`, before the point.
    pub database: String,
    /// `ON`, behind the point.
    pub retention_policy: String,
    /// How many of them get a point.
    pub mode: SubscriptionMode,
    /// The addresses; never empty.
    pub destinations: Vec<String>,
}

/// How many of its destinations a subscription sends a point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionMode {
    /// To each.
    All,
    /// To one, in turn.
    Any,
}

/// What a user may do with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Query it.
    Read,
    /// Write to it.
    Write,
    /// Both.
    All,
}

/// A password, which neither of its printed forms shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(
    /// The password itself.
    pub String,
);

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[REDACTED]")
    }
}

impl Statement {
    /// The `SELECT` that is this statement or stands in it.
    pub fn select(&self) -> Option<&Select> {
        match self {
            Self::Select(select) => Some(select),
            Self::Explain(explain) => Some(&explain.select),
            Self::CreateContinuousQuery(query) => Some(&query.select),
            _ => None,
        }
    }
}

impl From<Measurement> for Source {
    fn from(measurement: Measurement) -> Self {
        Self::Measurement(measurement)
    }
}
