//! The tree as text, in the form in which InfluxDB prints it.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    AlterRetentionPolicy, Binary, Call, Cardinality, CardinalityOf, CreateContinuousQuery, CreateDatabase,
    CreateRetentionPolicy, CreateSubscription, Explain, Expression, Field, Fill, KeyFilter, Measurement,
    MeasurementName, NameOrAll, Operator, Order, Page, Privilege, Query, Reference, Removal, Select, ShowMeasurements,
    ShowScope, Source, Statement, SubscriptionMode, Target, Wildcard,
};
use crate::lexer::is_bare;

/// A name as it must be written: in double quotes unless it is a word that is not reserved.
pub fn quote_identifier(name: &str) -> impl Display {
    fmt::from_fn(
        move |formatter| {
            if is_bare(name) { formatter.write_str(name) } else { write_quoted(formatter, name, '"') }
        },
    )
}

/// A string in single quotes.
pub fn quote_string(text: &str) -> impl Display {
    fmt::from_fn(move |formatter| write_quoted(formatter, text, '\''))
}

fn write_quoted(formatter: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    formatter.write_char(quote)?;
    for character in text.chars() {
        match character {
            '\n' => formatter.write_str("\\n")?,
            '\\' => formatter.write_str("\\\\")?,
            other if other == quote => write!(formatter, "\\{quote}")?,
            other => formatter.write_char(other)?,
        }
    }
    formatter.write_char(quote)
}

/// A regular expression between slashes.
fn regex(text: &str) -> impl Display {
    fmt::from_fn(move |formatter| write!(formatter, "/{}/", text.replace('/', "\\/").replace('\n', "\\n")))
}

fn list<T: Display>(items: impl IntoIterator<Item = T> + Clone) -> impl Display {
    fmt::from_fn(move |formatter| {
        for (index, item) in items.clone().into_iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            item.fmt(formatter)?;
        }
        Ok(())
    })
}

/// A clause if there is something in it, with a blank before it.
fn clause<T: Display>(word: &str, value: Option<T>) -> impl Display {
    fmt::from_fn(move |formatter| match &value {
        Some(value) => write!(formatter, " {word} {value}"),
        None => Ok(()),
    })
}

fn list_clause<T: Display>(word: &str, items: &[T]) -> impl Display {
    fmt::from_fn(move |formatter| clause(word, (!items.is_empty()).then(|| list(items))).fmt(formatter))
}

fn name_clause(word: &str, name: Option<&String>) -> impl Display {
    clause(word, name.map(|name| quote_identifier(name)))
}

fn page_clauses(limit_word: &str, offset_word: &str, page: Page) -> impl Display {
    fmt::from_fn(move |formatter| {
        clause(limit_word, page.limit).fmt(formatter)?;
        clause(offset_word, (page.offset > 0).then_some(page.offset)).fmt(formatter)
    })
}

impl Display for Expression {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => reference.fmt(formatter),
            Self::Call(call) => call.fmt(formatter),
            Self::Distinct(name) => write!(formatter, "DISTINCT {}", quote_identifier(name)),
            Self::Wildcard(wildcard) => formatter.write_str(match wildcard {
                Wildcard::All => "*",
                Wildcard::Fields => "*::field",
                Wildcard::Tags => "*::tag",
            }),
            Self::Regex(text) => regex(text).fmt(formatter),
            Self::Number(number) => number_text(*number).fmt(formatter),
            Self::Integer(integer) => integer.fmt(formatter),
            Self::Unsigned(unsigned) => unsigned.fmt(formatter),
            Self::String(text) => quote_string(text).fmt(formatter),
            Self::Boolean(boolean) => boolean.fmt(formatter),
            Self::Duration(duration) => duration.fmt(formatter),
            Self::Binary(binary) => binary.fmt(formatter),
            Self::Paren(inner) => write!(formatter, "({inner})"),
        }
    }
}

/// A number with a point, so that it stays one, and without an exponent, which the grammar does not have.
fn number_text(number: f64) -> impl Display {
    fmt::from_fn(move |formatter| {
        let point = if number.fract() == 0.0 { ".0" } else { "" };
        write!(formatter, "{number}{point}")
    })
}

impl Display for Reference {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        quote_identifier(&self.name).fmt(formatter)?;
        match self.data_type {
            Some(data_type) => write!(formatter, "::{}", data_type.as_str()),
            None => Ok(()),
        }
    }
}

impl Display for Call {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        // `distinct` is reserved, and yet is a function where a parenthesis follows.
        if self.name == "distinct" {
            formatter.write_str(&self.name)?;
        } else {
            quote_identifier(&self.name).fmt(formatter)?;
        }
        write!(formatter, "({})", list(&self.arguments))
    }
}

impl Display for Binary {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        // What the parser makes never needs parentheses that are not in the tree, but a planner may make others.
        let precedence = self.operator.precedence();
        write_operand(formatter, &self.left, |inner| inner < precedence)?;
        write!(formatter, " {} ", self.operator.as_str())?;
        write_operand(formatter, &self.right, |inner| inner <= precedence)
    }
}

fn write_operand(formatter: &mut Formatter<'_>, operand: &Expression, needs_paren: impl Fn(u8) -> bool) -> fmt::Result {
    match operand {
        Expression::Binary(binary) if needs_paren(binary.operator.precedence()) => write!(formatter, "({binary})"),
        operand => operand.fmt(formatter),
    }
}

impl Display for Operator {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Display for Select {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "SELECT {}", list(&self.fields))?;
        clause("INTO", self.target.as_ref()).fmt(formatter)?;
        list_clause("FROM", &self.sources).fmt(formatter)?;
        clause("WHERE", self.condition.as_ref()).fmt(formatter)?;
        list_clause("GROUP BY", &self.dimensions).fmt(formatter)?;
        match self.fill {
            Fill::Null => Ok(()),
            Fill::None => formatter.write_str(" fill(none)"),
            Fill::Previous => formatter.write_str(" fill(previous)"),
            Fill::Linear => formatter.write_str(" fill(linear)"),
            Fill::Integer(integer) => write!(formatter, " fill({integer})"),
            Fill::Number(number) => write!(formatter, " fill({})", number_text(number)),
        }?;
        clause("ORDER BY", self.order).fmt(formatter)?;
        page_clauses("LIMIT", "OFFSET", self.page).fmt(formatter)?;
        page_clauses("SLIMIT", "SOFFSET", self.series_page).fmt(formatter)?;
        match &self.time_zone {
            Some(name) => write!(formatter, " TZ({})", quote_string(name)),
            None => Ok(()),
        }
    }
}

impl Display for Field {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.expression, name_clause("AS", self.alias.as_ref()))
    }
}

impl Display for Order {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ascending => "time ASC",
            Self::Descending => "time DESC",
        })
    }
}

/// What stands before a measurement: `db.rp.`, `db..`, `rp.` or nothing.
fn qualifier(database: Option<&String>, retention_policy: Option<&String>) -> impl Display {
    fmt::from_fn(move |formatter| {
        if let Some(database) = database {
            write!(formatter, "{}.", quote_identifier(database))?;
        }
        if let Some(retention_policy) = retention_policy {
            quote_identifier(retention_policy).fmt(formatter)?;
        }
        if database.or(retention_policy).is_some() { formatter.write_char('.') } else { Ok(()) }
    })
}

impl Display for Target {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        qualifier(self.database.as_ref(), self.retention_policy.as_ref()).fmt(formatter)?;
        match &self.measurement {
            Some(name) => quote_identifier(name).fmt(formatter),
            None => formatter.write_str(":MEASUREMENT"),
        }
    }
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measurement(measurement) => measurement.fmt(formatter),
            Self::Subquery(select) => write!(formatter, "({select})"),
        }
    }
}

impl Display for Measurement {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        qualifier(self.database.as_ref(), self.retention_policy.as_ref()).fmt(formatter)?;
        match &self.name {
            MeasurementName::Name(name) => quote_identifier(name).fmt(formatter),
            MeasurementName::Regex(text) => regex(text).fmt(formatter),
        }
    }
}

impl Display for Query {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (index, statement) in self.statements.iter().enumerate() {
            if index > 0 {
                formatter.write_str(";\n")?;
            }
            statement.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Display for Statement {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let name = |name| quote_identifier(name);
        match self {
            Self::Select(select) => select.fmt(formatter),
            Self::Explain(explain) => explain.fmt(formatter),
            Self::Delete(removal) => write!(formatter, "DELETE{removal}"),
            Self::DropSeries(removal) => write!(formatter, "DROP SERIES{removal}"),
            Self::DropMeasurement { name: measurement } => write!(formatter, "DROP MEASUREMENT {}", name(measurement)),
            Self::DropShard { id } => write!(formatter, "DROP SHARD {id}"),
            Self::DropDatabase { name: database } => write!(formatter, "DROP DATABASE {}", name(database)),
            Self::DropRetentionPolicy { name: policy, database } => {
                write!(formatter, "DROP RETENTION POLICY {} ON {}", name(policy), name(database))
            }
            Self::DropContinuousQuery { name: query, database } => {
                write!(formatter, "DROP CONTINUOUS QUERY {} ON {}", name(query), name(database))
            }
            Self::DropSubscription { name: subscription, database, retention_policy: policy } => {
                write!(formatter, "DROP SUBSCRIPTION {} ON {}.{}", name(subscription), name(database), name(policy))
            }
            Self::DropUser { name: user } => write!(formatter, "DROP USER {}", name(user)),
            Self::CreateDatabase(database) => database.fmt(formatter),
            Self::CreateRetentionPolicy(policy) => policy.fmt(formatter),
            Self::AlterRetentionPolicy(policy) => policy.fmt(formatter),
            Self::CreateContinuousQuery(query) => query.fmt(formatter),
            Self::CreateSubscription(subscription) => subscription.fmt(formatter),
            Self::CreateUser { name: user, password, admin } => {
                let privileges = if *admin { " WITH ALL PRIVILEGES" } else { "" };
                write!(formatter, "CREATE USER {} WITH PASSWORD {password}{privileges}", name(user))
            }
            Self::SetPassword { user, password } => {
                write!(formatter, "SET PASSWORD FOR {} = {password}", name(user))
            }
            Self::Grant { privilege, database, user } => {
                write!(formatter, "GRANT {privilege} ON {} TO {}", name(database), name(user))
            }
            Self::GrantAdmin { user } => write!(formatter, "GRANT ALL PRIVILEGES TO {}", name(user)),
            Self::Revoke { privilege, database, user } => {
                write!(formatter, "REVOKE {privilege} ON {} FROM {}", name(database), name(user))
            }
            Self::RevokeAdmin { user } => write!(formatter, "REVOKE ALL PRIVILEGES FROM {}", name(user)),
            Self::KillQuery { id, host } => {
                write!(formatter, "KILL QUERY {id}{}", name_clause("ON", host.as_ref()))
            }
            show => write_show(formatter, show),
        }
    }
}

/// The statements that begin with `SHOW`.
fn write_show(formatter: &mut Formatter<'_>, statement: &Statement) -> fmt::Result {
    match statement {
        Statement::ShowRetentionPolicies { database } => {
            write!(formatter, "SHOW RETENTION POLICIES{}", name_clause("ON", database.as_ref()))
        }
        Statement::ShowMeasurements(show) => show.fmt(formatter),
        Statement::ShowSeries(scope) => write!(formatter, "SHOW SERIES{}", scope.with_key(None)),
        Statement::ShowTagKeys { scope, key, series_page } => {
            let series_page = page_clauses("SLIMIT", "SOFFSET", *series_page);
            write!(formatter, "SHOW TAG KEYS{}{series_page}", scope.with_key(key.as_ref()))
        }
        Statement::ShowTagValues { scope, key } => write!(formatter, "SHOW TAG VALUES{}", scope.with_key(Some(key))),
        Statement::ShowFieldKeys(scope) => write!(formatter, "SHOW FIELD KEYS{}", scope.with_key(None)),
        Statement::ShowCardinality(cardinality) => cardinality.fmt(formatter),
        Statement::ShowGrants { user } => write!(formatter, "SHOW GRANTS FOR {}", quote_identifier(user)),
        Statement::ShowStats { module } => {
            write!(formatter, "SHOW STATS{}", clause("FOR", module.as_deref().map(quote_string)))
        }
        Statement::ShowDiagnostics { module } => {
            write!(formatter, "SHOW DIAGNOSTICS{}", clause("FOR", module.as_deref().map(quote_string)))
        }
        Statement::ShowDatabases => formatter.write_str("SHOW DATABASES"),
        Statement::ShowContinuousQueries => formatter.write_str("SHOW CONTINUOUS QUERIES"),
        Statement::ShowSubscriptions => formatter.write_str("SHOW SUBSCRIPTIONS"),
        Statement::ShowUsers => formatter.write_str("SHOW USERS"),
        Statement::ShowQueries => formatter.write_str("SHOW QUERIES"),
        Statement::ShowShards => formatter.write_str("SHOW SHARDS"),
        Statement::ShowShardGroups => formatter.write_str("SHOW SHARD GROUPS"),
        _ => Ok(()),
    }
}

impl Display for Explain {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "EXPLAIN {}{}", if self.analyze { "ANALYZE " } else { "" }, self.select)
    }
}

/// The clauses with a blank before them.
impl Display for Removal {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        list_clause("FROM", &self.sources).fmt(formatter)?;
        clause("WHERE", self.condition.as_ref()).fmt(formatter)
    }
}

impl ShowScope {
    /// The clauses with a blank before them, and `WITH KEY` where it belongs.
    fn with_key(&self, key: Option<&KeyFilter>) -> impl Display {
        fmt::from_fn(move |formatter| {
            name_clause("ON", self.database.as_ref()).fmt(formatter)?;
            list_clause("FROM", &self.sources).fmt(formatter)?;
            clause("WITH KEY", key).fmt(formatter)?;
            clause("WHERE", self.condition.as_ref()).fmt(formatter)?;
            clause("ORDER BY", self.order).fmt(formatter)?;
            page_clauses("LIMIT", "OFFSET", self.page).fmt(formatter)
        })
    }
}

impl Display for KeyFilter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(key) => write!(formatter, "= {}", quote_identifier(key)),
            Self::NotEqual(key) => write!(formatter, "!= {}", quote_identifier(key)),
            Self::In(keys) => write!(formatter, "IN ({})", list(keys.iter().map(|key| quote_identifier(key)))),
            Self::Matches(text) => write!(formatter, "=~ {}", regex(text)),
            Self::NotMatches(text) => write!(formatter, "!~ {}", regex(text)),
        }
    }
}

impl Display for NameOrAll {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => quote_identifier(name).fmt(formatter),
            Self::All => formatter.write_char('*'),
        }
    }
}

impl Display for ShowMeasurements {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("SHOW MEASUREMENTS")?;
        if let Some(database) = &self.database {
            write!(formatter, " ON {database}")?;
            if let Some(retention_policy) = &self.retention_policy {
                write!(formatter, ".{retention_policy}")?;
            }
        }
        if let Some(measurement) = &self.measurement {
            let operator = match measurement.name {
                MeasurementName::Name(_) => Operator::Equal,
                MeasurementName::Regex(_) => Operator::Matches,
            };
            write!(formatter, " WITH MEASUREMENT {operator} {measurement}")?;
        }
        clause("WHERE", self.condition.as_ref()).fmt(formatter)?;
        clause("ORDER BY", self.order).fmt(formatter)?;
        page_clauses("LIMIT", "OFFSET", self.page).fmt(formatter)
    }
}

impl Display for Cardinality {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (of, key) = match &self.of {
            CardinalityOf::Series => ("SERIES", None),
            CardinalityOf::Measurements => ("MEASUREMENT", None),
            CardinalityOf::TagKeys => ("TAG KEY", None),
            CardinalityOf::TagValues(key) => ("TAG VALUES", Some(key)),
            CardinalityOf::FieldKeys => ("FIELD KEY", None),
        };
        write!(formatter, "SHOW {of}{} CARDINALITY", if self.exact { " EXACT" } else { "" })?;
        name_clause("ON", self.database.as_ref()).fmt(formatter)?;
        list_clause("FROM", &self.sources).fmt(formatter)?;
        clause("WITH KEY", key).fmt(formatter)?;
        clause("WHERE", self.condition.as_ref()).fmt(formatter)?;
        list_clause("GROUP BY", &self.dimensions).fmt(formatter)?;
        page_clauses("LIMIT", "OFFSET", self.page).fmt(formatter)
    }
}

impl Display for CreateDatabase {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "CREATE DATABASE {}", quote_identifier(&self.name))?;
        let Some(policy) = &self.policy else { return Ok(()) };
        formatter.write_str(" WITH")?;
        clause("DURATION", policy.duration).fmt(formatter)?;
        clause("REPLICATION", policy.replication).fmt(formatter)?;
        clause("SHARD DURATION", policy.shard_duration).fmt(formatter)?;
        name_clause("NAME", policy.name.as_ref()).fmt(formatter)
    }
}

impl Display for CreateRetentionPolicy {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (name, database) = (quote_identifier(&self.name), quote_identifier(&self.database));
        write!(formatter, "CREATE RETENTION POLICY {name} ON {database} DURATION {}", self.duration)?;
        write!(formatter, " REPLICATION {}{}", self.replication, clause("SHARD DURATION", self.shard_duration))?;
        formatter.write_str(if self.default { " DEFAULT" } else { "" })
    }
}

impl Display for AlterRetentionPolicy {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (name, database) = (quote_identifier(&self.name), quote_identifier(&self.database));
        write!(formatter, "ALTER RETENTION POLICY {name} ON {database}")?;
        clause("DURATION", self.duration).fmt(formatter)?;
        clause("REPLICATION", self.replication).fmt(formatter)?;
        clause("SHARD DURATION", self.shard_duration).fmt(formatter)?;
        formatter.write_str(if self.default { " DEFAULT" } else { "" })
    }
}

impl Display for CreateContinuousQuery {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (name, database) = (quote_identifier(&self.name), quote_identifier(&self.database));
        write!(formatter, "CREATE CONTINUOUS QUERY {name} ON {database}")?;
        if self.resample_every.or(self.resample_for).is_some() {
            formatter.write_str(" RESAMPLE")?;
        }
        clause("EVERY", self.resample_every).fmt(formatter)?;
        clause("FOR", self.resample_for).fmt(formatter)?;
        write!(formatter, " BEGIN {} END", self.select)
    }
}

impl Display for CreateSubscription {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (name, database) = (quote_identifier(&self.name), quote_identifier(&self.database));
        let mode = match self.mode {
            SubscriptionMode::All => "ALL",
            SubscriptionMode::Any => "ANY",
        };
        write!(formatter, "CREATE SUBSCRIPTION {name} ON {database}.{}", quote_identifier(&self.retention_policy))?;
        let destinations = self.destinations.iter().map(|destination| quote_string(destination));
        write!(formatter, " DESTINATIONS {mode} {}", list(destinations))
    }
}

impl Display for Privilege {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::All => "ALL PRIVILEGES",
        })
    }
}
