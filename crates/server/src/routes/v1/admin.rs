//! Statements about the server: running queries, counters, and what there is nothing of here.
//!
//! What needs no permission in InfluxDB 1.x without authentication needs one here: who may read the organisation sees
//! all of its queries and the counters of the server, others see their own queries.

use std::time::Duration;

use catalog::{Action, Permission};
use query::influxql::ast::Statement;
use query::influxql::{Series, Value};

use super::answer::StatementResult;
use super::statements::{Runner, table};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::routes::stats::{self, Module, Number};
use crate::running::RunningQuery;

impl Runner {
    /// Answers a statement about the server.
    pub(super) fn administer(&self, statement: &Statement) -> ApiResult<StatementResult> {
        let series = match statement {
            Statement::ShowQueries => vec![self.show_queries()],
            Statement::KillQuery { id, .. } => {
                self.kill_query(*id)?;
                Vec::new()
            }
            Statement::ShowStats { module } => {
                self.require_organisation(Action::Read)?;
                shown(stats::modules(&self.state), module.as_deref())
            }
            Statement::ShowDiagnostics { module } => {
                self.require_organisation(Action::Read)?;
                shown(stats::diagnostics(&self.state), module.as_deref())
            }
            // Points are not sent to other servers as they come.
            Statement::ShowSubscriptions => Vec::new(),
            Statement::ShowShards => self.show_shards(),
            Statement::ShowShardGroups => {
                let columns = ["id", "database", "retention_policy", "start_time", "end_time", "expiry_time"];
                vec![table("shard groups", &columns, Vec::new())]
            }
            other => return Err(ApiError::invalid(format!("not implemented: {other}"))),
        };
        Ok(StatementResult { series, ..StatementResult::default() })
    }

    fn may(&self, action: Action) -> bool {
        self.principal.allows(&Permission::on_organisation(action, self.organisation.id))
    }

    fn require_organisation(&self, action: Action) -> ApiResult<()> {
        if self.may(action) { Ok(()) } else { Err(ApiError::new(Code::Forbidden, "insufficient permissions for read")) }
    }

    /// Whether a query is the caller's, or of the organisation that it may do this to.
    fn is_mine(&self, query: &RunningQuery, action: Action) -> bool {
        query.organisation == self.organisation.id && (query.user == self.principal.user_id || self.may(action))
    }

    fn show_queries(&self) -> Series {
        let row = |query: RunningQuery| {
            vec![
                Value::Integer(i64::try_from(query.id).unwrap_or(i64::MAX)),
                Value::Text(query.text.as_str().into()),
                Value::Text(query.database.as_str().into()),
                Value::Text(rounded(query.duration()).into()),
                Value::Text(if query.is_killed() { "killed" } else { "running" }.into()),
            ]
        };
        let queries = self.state.running().list().into_iter();
        let rows = queries.filter(|query| self.is_mine(query, Action::Read)).map(row).collect();
        table("", &["qid", "query", "database", "duration", "status"], rows)
    }

    fn kill_query(&self, id: u64) -> ApiResult<()> {
        let queries = self.state.running().list();
        let found = queries.iter().find(|query| query.id == id && self.is_mine(query, Action::Write));
        // As for a query that is not there: who may not end it need not know of it.
        let found = found.ok_or_else(|| ApiError::not_found(format!("no such query id: {id}")))?;
        found.kill();
        Ok(())
    }

    /// Points are not kept in shards, so a database has none.
    fn show_shards(&self) -> Vec<Series> {
        let mut names: Vec<String> = self.readable().into_iter().map(|mapping| mapping.database).collect();
        names.dedup();
        let columns =
            ["id", "database", "retention_policy", "shard_group", "start_time", "end_time", "expiry_time", "owners"];
        names.iter().map(|name| table(name, &columns, Vec::new())).collect()
    }
}

/// One series for each module; only that of the name if one is given.
fn shown(modules: Vec<Module>, name: Option<&str>) -> Vec<Series> {
    let wanted = modules.into_iter().filter(|module| name.is_none_or(|name| name == module.name));
    let series = |module: Module| {
        let columns = module.values.iter().map(|(name, _)| (*name).to_owned()).collect();
        let value = |number: Number| match number {
            Number::Integer(value) => Value::Integer(value),
            Number::Text(text) => Value::Text(text.into()),
        };
        let row = module.values.into_iter().map(|(_, number)| value(number)).collect();
        let tags = module.tags.into_iter().map(|(tag, value)| (tag.to_owned(), value.into())).collect();
        Series { name: module.name.to_owned(), tags, columns, rows: vec![row], zone: None }
    };
    wanted.map(series).collect()
}

/// A duration in its largest unit, as InfluxDB prints it here.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.as_nanos() {
        1_000_000_000.. => crate::times::go_duration(Duration::from_secs(seconds)),
        1_000_000.. => format!("{}ms", duration.as_millis()),
        1_000.. => format!("{}µs", duration.as_micros()),
        nanoseconds => format!("{nanoseconds}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_down_to_their_unit() {
        for (nanoseconds, expected) in
            [(7, "7ns"), (1_999, "1µs"), (2_500_000, "2ms"), (61_900_000_000, "1m1s"), (999_999_999, "999ms")]
        {
            assert_eq!(rounded(Duration::from_nanos(nanoseconds)), expected);
        }
    }
}
