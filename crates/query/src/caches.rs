//! The last-value and distinct-value caches of InfluxDB 3: `last_cache('table', 'name')` and
//! `distinct_cache('table', 'name')` as tables of SQL.
//!
//! A cache is a definition and nothing else: its rows are found in the snapshot when a query asks for them. So they are
//! always those that are stored, right after a start as well, and take no memory between queries. What bounds a cache
//! is in its definition; the storage engine leaves out files that are older.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Column, Result, TableReference, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt as _, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;
use storage::{Snapshot, TableSnapshot};

use crate::table::SnapshotTable;

/// The time column of every table.
const TIME: &str = "time";

/// What a cache holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheKind {
    /// The last rows of each combination of key values.
    Last {
        /// The columns that tell rows apart; all tags if none are named.
        keys: Option<Vec<String>>,
        /// The other columns; all others if none are named. A row without a value in any of them does not count.
        values: Option<Vec<String>>,
        /// Rows for each combination.
        count: u64,
        /// How old a row may be by its time.
        ttl: Duration,
    },
    /// The distinct combinations of values.
    Distinct {
        /// Of these columns.
        columns: Vec<String>,
        /// At most so many.
        max_cardinality: u64,
        /// Of rows that are this old at most by their time.
        max_age: Duration,
    },
}

/// A cache of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDefinition {
    /// The measurement.
    pub table: String,
    /// Its name in the measurement.
    pub name: String,
    /// What it holds.
    pub kind: CacheKind,
}

/// The caches of a database at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caches {
    /// All of them.
    pub definitions: Vec<CacheDefinition>,
    /// The time that ages are counted from, in nanoseconds since 1970.
    pub now_ns: i64,
}

/// One of the two functions, over a snapshot.
pub(crate) struct CacheFunction {
    pub(crate) snapshot: Snapshot,
    pub(crate) caches: Arc<Caches>,
    pub(crate) is_last: bool,
}

/// The functions by their names.
pub(crate) fn functions(snapshot: &Snapshot, caches: Caches) -> [(&'static str, CacheFunction); 2] {
    let caches = Arc::new(caches);
    let function = |is_last| CacheFunction { snapshot: snapshot.clone(), caches: Arc::clone(&caches), is_last };
    [("last_cache", function(true)), ("distinct_cache", function(false))]
}

impl fmt::Debug for CacheFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFunction").field("is_last", &self.is_last).finish_non_exhaustive()
    }
}

impl TableFunctionImpl for CacheFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let (table, name) = match args.exprs() {
            [table] => (text(table)?, None),
            [table, name] => (text(table)?, Some(text(name)?)),
            _ => return plan_err!("a cache is named by its table and its name, both as texts"),
        };
        let is_kind = |kind: &CacheKind| matches!(kind, CacheKind::Last { .. }) == self.is_last;
        let mut found = self.caches.definitions.iter().filter(|cache| {
            cache.table == table && is_kind(&cache.kind) && name.as_ref().is_none_or(|name| *name == cache.name)
        });
        // Without a name the table must have one cache only.
        let (Some(cache), None) = (found.next(), found.next()) else {
            return plan_err!("could not find cache for the given arguments");
        };
        let Some(table) = self.snapshot.table(&table) else {
            return plan_err!("could not find cache for the given arguments");
        };
        let plan = cache_plan(table, &cache.kind, self.caches.now_ns)?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

fn text(expression: &Expr) -> Result<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => Ok(text.clone()),
        other => plan_err!("a cache is named by texts, not by {other}"),
    }
}

fn cache_plan(table: &Arc<TableSnapshot>, kind: &CacheKind, now_ns: i64) -> Result<LogicalPlan> {
    let name = table.table_schema().measurement.as_str();
    let provider: Arc<dyn TableProvider> = Arc::new(SnapshotTable::new(Arc::clone(table)));
    // By parts, since a dot in a name is no border.
    let reference = TableReference::bare(name);
    let rows = LogicalPlanBuilder::scan(reference.clone(), provider_as_source(provider), None)?;
    let column = |name: &str| Expr::Column(Column::new(Some(reference.clone()), name));
    let since = |age: &Duration| {
        let bound = now_ns.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        column(TIME).gt_eq(lit(ScalarValue::TimestampNanosecond(Some(bound), None)))
    };
    match kind {
        CacheKind::Distinct { columns, max_cardinality, max_age } => {
            let limit = usize::try_from(*max_cardinality).unwrap_or(usize::MAX);
            rows.filter(since(max_age))?
                .project(columns.iter().map(|name| column(name)))?
                .distinct()?
                .limit(0, Some(limit))?
                .build()
        }
        CacheKind::Last { keys, values, count, ttl } => {
            let keys = keys.clone().unwrap_or_else(|| tags(table));
            let values = values.clone().unwrap_or_else(|| others(table, &keys));
            let mut rows = rows.filter(since(ttl))?;
            let given = values.iter().map(|name| column(name).is_not_null()).reduce(Expr::or);
            if let Some(given) = given {
                rows = rows.filter(given)?;
            }
            let numbered = row_number()
                .partition_by(keys.iter().map(|name| column(name)).collect())
                .order_by(vec![column(TIME).sort(false, false)])
                .build()?;
            let number = Expr::Column(Column::from_name(numbered.schema_name().to_string()));
            let shown = keys.iter().chain(&values).map(String::as_str).chain([TIME]);
            rows.window([numbered])?.filter(number.lt_eq(lit(*count)))?.project(shown.map(column))?.build()
        }
    }
}

/// The names of the tags.
fn tags(table: &TableSnapshot) -> Vec<String> {
    let schema = table.schema();
    let tags = schema.fields().iter().enumerate().filter(|(index, _)| table.is_tag(*index));
    tags.map(|(_, field)| field.name().clone()).collect()
}

/// The names of all columns but these and the time.
fn others(table: &TableSnapshot, keys: &[String]) -> Vec<String> {
    let schema = table.schema();
    let others = schema.fields().iter().map(|field| field.name()).filter(|name| *name != TIME && !keys.contains(name));
    others.cloned().collect()
}
