//! `SHOW` and `EXPLAIN`: what is in a database. Keys come from the registry; values and series, and everything with a
//! condition or a time, from a scan of the tags and the time. A measurement without a row is not shown: the registry
//! keeps the names and types of those that were dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array as _, LargeStringArray};
use futures::TryStreamExt as _;
use influxql::ast::{
    Cardinality, CardinalityOf, KeyFilter, Measurement, MeasurementName, NameOrAll, Page, ShowMeasurements, ShowScope,
};
use influxql::{Expression, Statement};
use storage::{ScanRequest, TableSnapshot, TagValues, merge_tag_values};

use super::Databases;
use super::answer::Sink;
use super::columns::Column;
use super::direct::partitions;
use super::execute::{Budget, Series};
use super::node::Node;
use super::plan::{Plan, PlannedSource};
use super::rewrite;
use super::schema::{TableColumns, kind_of};
use super::series_set::SeriesSet;
use super::time_range::{Moment, TimeRange, split};
use super::value::Value;
use tokio::task::JoinSet;

use crate::error::QueryError;
use crate::limits;

/// Answers a `SHOW` statement.
pub(super) async fn run(
    statement: &Statement,
    databases: &Databases,
    now: i64,
    budget: &Budget,
    sink: &mut Sink,
) -> Result<(), QueryError> {
    let show = Show { databases, now, budget };
    let all = match statement {
        Statement::ShowMeasurements(statement) => show.measurements(statement).await?,
        Statement::ShowFieldKeys(scope) => show.field_keys(scope).await?,
        Statement::ShowTagKeys { scope, key, series_page } => show.tag_keys(scope, key.as_ref(), series_page).await?,
        Statement::ShowTagValues { scope, key } => return show.tag_values(scope, key, sink).await,
        Statement::ShowSeries(scope) => return show.series(scope, sink).await,
        Statement::ShowCardinality(cardinality) => show.cardinality(cardinality).await?,
        other => return Err(QueryError::Plan(format!("not implemented: {other}"))),
    };
    for series in all {
        sink.add(series).await?;
    }
    Ok(())
}

/// Sends the rows of a page of a table, part by part; a table without rows is not shown.
async fn send(
    name: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<Value>>,
    page: &Page,
    sink: &mut Sink,
) -> Result<(), QueryError> {
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let limit =
        page.limit.filter(|limit| *limit > 0).map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut rows = rows.skip(offset).take(limit);
    let most = sink.rows_of_part(columns.len());
    let mut is_open = false;
    loop {
        let part: Vec<Vec<Value>> = rows.by_ref().take(most).collect();
        if part.is_empty() {
            return Ok(());
        }
        if is_open {
            sink.extend(part).await?;
        } else {
            is_open = true;
            sink.add(table(name, columns, part)).await?;
        }
        tokio::task::yield_now().await;
    }
}

/// What a `SELECT` would read.
pub(super) fn explain(plan: &Plan) -> Vec<Series> {
    let mut lines = Vec::new();
    describe(plan, 0, &mut lines);
    vec![table("", &["QUERY PLAN"], lines.into_iter().map(|line| vec![text(&line)]).collect())]
}

/// What a `SELECT` has read, and how long it took: a tree, as InfluxDB draws it.
pub(super) fn explain_analyze(plan: &Plan, planning: Duration, total: Duration, series: &[Series]) -> Vec<Series> {
    let rows: usize = series.iter().map(|series| series.rows.len()).sum();
    let mut lines = vec![
        ".".to_owned(),
        "└── select".to_owned(),
        format!("    ├── execution_time: {:?}", total.saturating_sub(planning)),
        format!("    ├── planning_time: {planning:?}"),
        format!("    ├── total_time: {total:?}"),
        format!("    ├── series: {}", series.len()),
        format!("    ├── rows: {rows}"),
        "    └── plan".to_owned(),
    ];
    let mut steps = Vec::new();
    describe(plan, 0, &mut steps);
    let last = steps.len().saturating_sub(1);
    let branch = |(place, step): (usize, &String)| {
        let sign = if place == last { "└──" } else { "├──" };
        format!("        {sign} {step}")
    };
    lines.extend(steps.iter().enumerate().map(branch));
    vec![table("", &["EXPLAIN ANALYZE"], lines.into_iter().map(|line| vec![text(&line)]).collect())]
}

fn describe(plan: &Plan, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let bound = |bound: Option<i64>| bound.map_or_else(|| "open".to_owned(), |bound| bound.to_string());
    lines.push(format!("{indent}COLUMNS: {}", plan.columns.join(", ")));
    lines.push(format!("{indent}GROUP BY: {}", plan.dimensions.join(", ")));
    lines.push(format!("{indent}TIME: {} TO {}", bound(plan.range.min), bound(plan.range.max)));
    if let Some(windows) = plan.windows {
        lines.push(format!("{indent}WINDOW: {} OFFSET {}", windows.every, windows.offset));
    }
    for source in &plan.sources {
        match source {
            PlannedSource::Table(table) => lines.push(format!(
                "{indent}MEASUREMENT: {}, AT MOST {} ROWS",
                table.table_schema().measurement,
                table.row_count_bound()
            )),
            PlannedSource::Subquery(inner) => {
                lines.push(format!("{indent}SUBQUERY:"));
                describe(inner, depth + 1, lines);
            }
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn table(name: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Series {
    Series {
        name: name.to_owned(),
        tags: Vec::new(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows,
        zone: None,
    }
}

fn cut<T>(entries: &mut Vec<T>, page: &Page) {
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX).min(entries.len());
    entries.drain(..offset);
    if let Some(limit) = page.limit.filter(|limit| *limit > 0) {
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
}

/// Rows of keys and values.
struct TagValueRows {
    found: Vec<(Arc<str>, TagValues)>,
    /// The places of the next one.
    tag: usize,
    value: usize,
}

impl Iterator for TagValueRows {
    type Item = Vec<Value>;

    fn next(&mut self) -> Option<Vec<Value>> {
        loop {
            let (tag, values) = self.found.get(self.tag)?;
            if self.value < values.len() {
                self.value += 1;
                return Some(vec![Value::Text(Arc::clone(tag)), text(values.value(self.value - 1))]);
            }
            (self.tag, self.value) = (self.tag + 1, 0);
        }
    }
}

/// One table that a statement is about.
struct Candidate {
    table: Arc<TableSnapshot>,
    columns: TableColumns,
}

impl Candidate {
    fn name(&self) -> &str {
        &self.table.table_schema().measurement
    }
}

/// Which keys are wanted.
enum Keys {
    All,
    In(Vec<String>),
    NotIn(String),
    Matching(regex::Regex, bool),
}

impl Keys {
    fn of(filter: Option<&KeyFilter>) -> Result<Self, QueryError> {
        let regex = |text: &str| rewrite::regex(text).map_err(QueryError::Plan);
        Ok(match filter {
            None => Self::All,
            Some(KeyFilter::Equal(key)) => Self::In(vec![key.clone()]),
            Some(KeyFilter::In(keys)) => Self::In(keys.clone()),
            Some(KeyFilter::NotEqual(key)) => Self::NotIn(key.clone()),
            Some(KeyFilter::Matches(text)) => Self::Matching(regex(text)?, true),
            Some(KeyFilter::NotMatches(text)) => Self::Matching(regex(text)?, false),
        })
    }

    fn wants(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::In(keys) => keys.iter().any(|wanted| wanted == key),
            Self::NotIn(unwanted) => unwanted != key,
            Self::Matching(regex, expected) => regex.is_match(key) == *expected,
        }
    }
}

struct Show<'a> {
    databases: &'a Databases,
    now: i64,
    budget: &'a Budget,
}

impl Show<'_> {
    /// The measurements that a statement is about, by name.
    async fn candidates(
        &self,
        database: &Option<String>,
        sources: &[Measurement],
    ) -> Result<Vec<Candidate>, QueryError> {
        let mut tables: BTreeMap<String, Arc<TableSnapshot>> = BTreeMap::new();
        let mut add = |table: &Arc<TableSnapshot>| {
            tables.insert(table.table_schema().measurement.clone(), Arc::clone(table));
        };
        if sources.is_empty() {
            let snapshot = self.databases.get(database, &None).map_err(QueryError::Plan)?;
            snapshot.tables().for_each(&mut add);
        }
        for source in sources {
            let database = source.database.clone().or_else(|| database.clone());
            let snapshot = self.databases.get(&database, &source.retention_policy).map_err(QueryError::Plan)?;
            match &source.name {
                MeasurementName::Name(name) => snapshot.table(name).into_iter().for_each(&mut add),
                MeasurementName::Regex(text) => {
                    let regex = rewrite::regex(text).map_err(QueryError::Plan)?;
                    let tables = snapshot.tables().filter(|table| regex.is_match(&table.table_schema().measurement));
                    tables.for_each(&mut add);
                }
            }
        }
        let mut candidates = Vec::with_capacity(tables.len());
        for table in tables.into_values() {
            if has_rows(&table).await? {
                candidates.push(Candidate { columns: TableColumns::of(&table), table });
            }
        }
        Ok(candidates)
    }

    /// The condition, parted.
    fn condition(&self, condition: Option<&Expression>) -> Result<(Option<Expression>, TimeRange), QueryError> {
        split(condition, Moment { now: self.now, zone: None }).map_err(QueryError::Plan)
    }

    /// The series of a measurement that a condition holds for. Of the files only tags are read, and times where they
    /// matter.
    async fn series_of(
        &self,
        candidate: &Candidate,
        condition: Option<&Expression>,
        range: TimeRange,
    ) -> Result<SeriesSet, QueryError> {
        let node = condition.map(|condition| tag_condition(condition, &candidate.columns)).transpose()?;
        let node = node.map(Arc::new);
        let tags: Vec<usize> = candidate.columns.tags.iter().map(|(_, index)| *index).collect();
        let request = ScanRequest {
            // A table without tags has one series, of which a row tells as well.
            projection: Some(if tags.is_empty() { vec![0] } else { tags.clone() }),
            time_range: (range.min.unwrap_or(i64::MIN), range.max.unwrap_or(i64::MAX)),
            batch_rows: limits::BATCH_ROWS,
            partitions: partitions(),
            ..ScanRequest::default()
        };
        let failed = |error: storage::ScanError| QueryError::Internal(error.to_string());
        let mut tasks = JoinSet::new();
        for partition in candidate.table.scan_tags(&request).map_err(failed)?.partitions {
            let (node, budget, width) = (node.clone(), self.budget.child(), tags.len());
            tasks.spawn(async move {
                let mut found = SeriesSet::default();
                let mut batches = partition.stream();
                while let Some(batch) = batches.try_next().await.map_err(failed)? {
                    let columns: Vec<Column> = batch.columns().iter().take(width).map(Column::from_array).collect();
                    budget.charge(found.add(&columns, batch.num_rows(), node.as_deref()))?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, QueryError>((found, budget))
            });
        }
        let mut all = SeriesSet::default();
        while let Some(joined) = tasks.join_next().await {
            let (found, budget) = joined.map_err(|error| QueryError::Internal(error.to_string()))??;
            self.budget.absorb(budget)?;
            all.merge(found);
        }
        Ok(all)
    }

    async fn measurements(&self, show: &ShowMeasurements) -> Result<Vec<Series>, QueryError> {
        let (condition, range) = self.condition(show.condition.as_ref())?;
        if range != TimeRange::default() {
            return Err(QueryError::Plan("SHOW MEASUREMENTS doesn't support time in WHERE clause".to_owned()));
        }
        let name = |name: &Option<NameOrAll>| match name {
            Some(NameOrAll::Name(name)) => Some(name.clone()),
            _ => None,
        };
        let snapshot =
            self.databases.get(&name(&show.database), &name(&show.retention_policy)).map_err(QueryError::Plan)?.clone();
        let pattern = match show.measurement.as_ref().map(|measurement| &measurement.name) {
            Some(MeasurementName::Regex(text)) => Some(rewrite::regex(text).map_err(QueryError::Plan)?),
            _ => None,
        };
        let mut rows = Vec::new();
        for table in snapshot.tables() {
            let measurement = &table.table_schema().measurement;
            let is_wanted = match show.measurement.as_ref().map(|measurement| &measurement.name) {
                Some(MeasurementName::Name(wanted)) => wanted == measurement,
                _ => pattern.as_ref().is_none_or(|pattern| pattern.is_match(measurement)),
            };
            if !is_wanted || !has_rows(table).await? {
                continue;
            }
            if condition.is_some() {
                let candidate = Candidate { columns: TableColumns::of(table), table: Arc::clone(table) };
                if self.series_of(&candidate, condition.as_ref(), range).await?.is_empty() {
                    continue;
                }
            }
            rows.push(vec![text(measurement)]);
        }
        cut(&mut rows, &show.page);
        Ok(non_empty(table("measurements", &["name"], rows)).into_iter().collect())
    }

    async fn field_keys(&self, scope: &ShowScope) -> Result<Vec<Series>, QueryError> {
        let mut all = Vec::new();
        for candidate in self.candidates(&scope.database, &scope.sources).await? {
            let schema = candidate.table.table_schema();
            let mut fields: Vec<(&str, &str)> =
                schema.fields().map(|field| (field.name.as_str(), kind_of(field.kind).as_str())).collect();
            fields.sort_unstable();
            let mut rows = fields.iter().map(|(name, kind)| vec![text(name), text(kind)]).collect();
            cut(&mut rows, &scope.page);
            all.extend(non_empty(table(candidate.name(), &["fieldKey", "fieldType"], rows)));
        }
        Ok(all)
    }

    /// The tags of a measurement that some series has; all of them where nothing is asked about series.
    async fn keys_of(
        &self,
        candidate: &Candidate,
        condition: Option<&Expression>,
        range: TimeRange,
    ) -> Result<BTreeSet<String>, QueryError> {
        if condition.is_none() && range == TimeRange::default() {
            return Ok(candidate.columns.tags.iter().map(|(tag, _)| tag.clone()).collect());
        }
        let series = self.series_of(candidate, condition, range).await?;
        let is_used = series.used_tags(candidate.columns.tags.len());
        let tags = candidate.columns.tags.iter().zip(is_used);
        Ok(tags.filter(|(_, is_used)| *is_used).map(|((tag, _), _)| tag.clone()).collect())
    }

    async fn tag_keys(
        &self,
        scope: &ShowScope,
        key: Option<&KeyFilter>,
        series_page: &Page,
    ) -> Result<Vec<Series>, QueryError> {
        let keys = Keys::of(key)?;
        let (condition, range) = self.condition(scope.condition.as_ref())?;
        let mut all = Vec::new();
        for candidate in self.candidates(&scope.database, &scope.sources).await? {
            let found = self.keys_of(&candidate, condition.as_ref(), range).await?;
            let mut rows = found.iter().filter(|tag| keys.wants(tag)).map(|tag| vec![text(tag)]).collect();
            cut(&mut rows, &scope.page);
            all.extend(non_empty(table(candidate.name(), &["tagKey"], rows)));
        }
        cut(&mut all, series_page);
        Ok(all)
    }

    /// The wanted tags by name, each with its values in ascending order.
    async fn values_of(
        &self,
        candidate: &Candidate,
        keys: &Keys,
        condition: Option<&Expression>,
        range: TimeRange,
    ) -> Result<Vec<(Arc<str>, TagValues)>, QueryError> {
        let tags = candidate.columns.tags.iter().enumerate();
        let wanted: Vec<(usize, &(String, usize))> = tags.filter(|(_, (tag, _))| keys.wants(tag)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: Vec<(Arc<str>, TagValues)> = Vec::with_capacity(wanted.len());
        if condition.is_none() {
            // Which values there are does not depend on which series have them: each tag for itself.
            for (_, (tag, index)) in wanted {
                found.push((Arc::from(tag.as_str()), self.values_of_tag(candidate, *index, range).await?));
            }
            return Ok(found);
        }
        let series = self.series_of(candidate, condition, range).await?;
        for (place, (tag, _)) in wanted {
            let values: BTreeSet<&str> = series.values_of_tag(place).collect();
            let values: LargeStringArray = values.into_iter().map(Some).collect();
            self.budget.charge(values.get_array_memory_size())?;
            found.push((Arc::from(tag.as_str()), Arc::new(values)));
        }
        Ok(found)
    }

    /// The distinct values of one tag.
    async fn values_of_tag(
        &self,
        candidate: &Candidate,
        index: usize,
        range: TimeRange,
    ) -> Result<TagValues, QueryError> {
        let failed = |error: storage::ScanError| QueryError::Internal(error.to_string());
        let time_range = (range.min.unwrap_or(i64::MIN), range.max.unwrap_or(i64::MAX));
        let mut scan = candidate.table.tag_values(index, time_range).map_err(failed)?;
        let mut lists = Vec::new();
        while let Some(values) = scan.next().await.map_err(failed)? {
            self.budget.charge(values.get_array_memory_size())?;
            lists.push(values);
        }
        Ok(merge_tag_values(lists))
    }

    async fn tag_values(&self, scope: &ShowScope, key: &KeyFilter, sink: &mut Sink) -> Result<(), QueryError> {
        let keys = Keys::of(Some(key))?;
        let (condition, range) = self.condition(scope.condition.as_ref())?;
        for candidate in self.candidates(&scope.database, &scope.sources).await? {
            let found = self.values_of(&candidate, &keys, condition.as_ref(), range).await?;
            let rows = TagValueRows { found, tag: 0, value: 0 };
            send(candidate.name(), &["key", "value"], rows, &scope.page, sink).await?;
        }
        Ok(())
    }

    async fn series(&self, scope: &ShowScope, sink: &mut Sink) -> Result<(), QueryError> {
        let (condition, range) = self.condition(scope.condition.as_ref())?;
        let mut keys: Vec<String> = Vec::new();
        for candidate in self.candidates(&scope.database, &scope.sources).await? {
            let name = escape(candidate.name(), &[',', ' ']);
            let special = [',', '=', ' '];
            let names: Vec<String> = candidate.columns.tags.iter().map(|(tag, _)| escape(tag, &special)).collect();
            let series = self.series_of(&candidate, condition.as_ref(), range).await?;
            let before = keys.len();
            keys.extend(series.iter().map(|values| {
                let mut key = name.clone();
                for (tag, value) in names.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
                    key.extend([",", tag, "=", &escape(value, &special)]);
                }
                key
            }));
            let made = keys.iter().skip(before).map(|key| key.capacity() + size_of::<String>()).sum();
            self.budget.charge(made)?;
        }
        keys.sort_unstable();
        let rows = keys.into_iter().map(|key| vec![Value::Text(key.into())]);
        send("", &["key"], rows, &scope.page, sink).await
    }

    async fn cardinality(&self, cardinality: &Cardinality) -> Result<Vec<Series>, QueryError> {
        let (condition, range) = self.condition(cardinality.condition.as_ref())?;
        let candidates = self.candidates(&cardinality.database, &cardinality.sources).await?;
        let mut counts: Vec<(String, usize)> = Vec::new();
        let mut measurements = 0;
        for candidate in &candidates {
            let condition = condition.as_ref();
            let count = match &cardinality.of {
                CardinalityOf::FieldKeys => candidate.table.table_schema().fields().count(),
                CardinalityOf::TagKeys => self.keys_of(candidate, condition, range).await?.len(),
                CardinalityOf::TagValues(key) => {
                    let keys = Keys::of(Some(key))?;
                    self.values_of(candidate, &keys, condition, range)
                        .await?
                        .iter()
                        .map(|(_, values)| values.len())
                        .sum()
                }
                CardinalityOf::Series if !cardinality.exact && condition.is_none() && range == TimeRange::default() => {
                    let sketch = candidate.table.series_sketch().await;
                    let sketch = sketch.map_err(|error| QueryError::Internal(error.to_string()))?;
                    usize::try_from(sketch.estimate()).unwrap_or(usize::MAX)
                }
                CardinalityOf::Series => self.series_of(candidate, condition, range).await?.len(),
                CardinalityOf::Measurements if condition.is_none() && range == TimeRange::default() => 1,
                CardinalityOf::Measurements => {
                    usize::from(!self.series_of(candidate, condition, range).await?.is_empty())
                }
            };
            measurements += count;
            if count > 0 {
                counts.push((candidate.name().to_owned(), count));
            }
        }
        let number = |count: usize| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        // An estimate is one number for all measurements.
        let is_one = cardinality.of == CardinalityOf::Measurements
            || (cardinality.of == CardinalityOf::Series && !cardinality.exact);
        if is_one {
            let column = if cardinality.exact { "count" } else { "cardinality estimation" };
            return Ok(vec![table("", &[column], vec![vec![number(measurements)]])]);
        }
        let mut all = Vec::new();
        for (name, count) in counts {
            let mut rows = vec![vec![number(count)]];
            cut(&mut rows, &cardinality.page);
            all.extend(non_empty(table(&name, &["count"], rows)));
        }
        Ok(all)
    }
}

/// Whether a measurement has a row. One without deletes is not read for it.
async fn has_rows(table: &Arc<TableSnapshot>) -> Result<bool, QueryError> {
    if table.row_count_bound() == 0 || !table.has_deletes() {
        return Ok(table.row_count_bound() > 0);
    }
    let failed = |error: storage::ScanError| QueryError::Internal(error.to_string());
    let request = ScanRequest { projection: Some(vec![0]), limit: Some(1), ..ScanRequest::default() };
    for partition in table.scan(request).map_err(failed)?.partitions {
        let mut batches = partition.stream();
        while let Some(batch) = batches.try_next().await.map_err(failed)? {
            if batch.num_rows() > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A series without rows is not shown.
fn non_empty(series: Series) -> Option<Series> {
    (!series.rows.is_empty()).then_some(series)
}

/// As line protocol writes a name.
fn escape(name: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if special.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A condition on tags; every name is one.
fn tag_condition(expression: &Expression, columns: &TableColumns) -> Result<Node, QueryError> {
    use influxql::Operator;
    Ok(match expression {
        Expression::Paren(inner) => tag_condition(inner, columns)?,
        Expression::Reference(reference) => {
            let place = columns.tags.iter().position(|(tag, _)| *tag == reference.name);
            // What is no tag of this measurement is missing in all its series.
            Node::Tag(place.unwrap_or(usize::MAX))
        }
        Expression::String(value) => Node::Literal(text(value)),
        Expression::Boolean(value) => Node::Literal(Value::Boolean(*value)),
        Expression::Integer(value) => Node::Literal(Value::Integer(*value)),
        Expression::Number(value) => Node::Literal(Value::Float(*value)),
        Expression::Binary(binary) => {
            let left = Box::new(tag_condition(&binary.left, columns)?);
            match (binary.operator, &binary.right) {
                (Operator::Matches | Operator::NotMatches, Expression::Regex(pattern)) => {
                    let regex = rewrite::regex(pattern).map_err(QueryError::Plan)?;
                    Node::Matches(left, regex, binary.operator == Operator::Matches)
                }
                (operator, right) => Node::Binary(operator, left, Box::new(tag_condition(right, columns)?)),
            }
        }
        other => return Err(QueryError::Plan(format!("invalid expression in the condition: {other}"))),
    })
}
