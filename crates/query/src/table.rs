//! A measurement as a DataFusion table: which part of a filter the scan can use.
//!
//! Bounds of `time` are exact (the scan returns no row outside them), equality and `IN` on tags only prune, and all
//! other filters stay with DataFusion: fields may not be filtered below the merge, since an older version of a row
//! could pass where the newest does not.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Column, Statistics};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use storage::{ScanRequest, TableSnapshot, TagFilter};

use crate::limits;
use crate::scan::SnapshotScan;

/// The time column of every table.
const TIME: &str = "time";

/// One measurement of a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    table: Arc<TableSnapshot>,
    schema: SchemaRef,
}

impl SnapshotTable {
    pub(crate) fn new(table: Arc<TableSnapshot>) -> Self {
        let schema = table.schema();
        Self { table, schema }
    }

    /// The tag filter that `filter` is, if it is one.
    fn tag_filter(&self, filter: &Expr) -> Option<TagFilter> {
        let (column, values) = match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
                    (column, vec![text(value)?])
                }
                _ => return None,
            },
            Expr::InList(InList { expr, list, negated: false }) => {
                let Expr::Column(column) = &**expr else { return None };
                let values =
                    list.iter().map(|item| if let Expr::Literal(value, _) = item { text(value) } else { None });
                (column, values.collect::<Option<Vec<_>>>()?)
            }
            _ => return None,
        };
        let column = self.schema.index_of(column.name()).ok()?;
        let is_tag = self.table.is_tag(column);
        is_tag.then_some(TagFilter { column, values })
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if time_bounds(filter).is_some() {
                    TableProviderFilterPushDown::Exact
                } else if self.tag_filter(filter).is_some() {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = usize::try_from(self.table.row_count_bound()).ok()?;
        Some(Statistics::new_unknown(&self.schema).with_num_rows(Precision::Inexact(rows)))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let time_range = filters
            .iter()
            .filter_map(time_bounds)
            .fold((i64::MIN, i64::MAX), |range, bounds| (range.0.max(bounds.0), range.1.min(bounds.1)));
        let request = ScanRequest {
            projection: projection.cloned(),
            time_range,
            tag_filters: filters.iter().filter_map(|filter| self.tag_filter(filter)).collect(),
            limit,
            batch_rows: limits::BATCH_ROWS,
            partitions: state.config().target_partitions(),
        };
        let scan = self.table.scan(request).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Arc::new(SnapshotScan::new(self.table.table_schema().measurement.clone(), scan, time_range)))
    }
}

/// The inclusive bounds of `time` that `filter` is equal to, if it is nothing else.
fn time_bounds(filter: &Expr) -> Option<(i64, i64)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let (left, right) = (time_bounds(left)?, time_bounds(right)?);
            Some((left.0.max(right.0), left.1.min(right.1)))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(value, _)) => comparison(column, *op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => comparison(column, op.swap()?, value),
            _ => None,
        },
        Expr::Between(Between { expr, negated: false, low, high }) => match (&**expr, &**low, &**high) {
            (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) if column.name() == TIME => {
                Some((nanoseconds(low)?, nanoseconds(high)?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn comparison(column: &Column, op: Operator, value: &ScalarValue) -> Option<(i64, i64)> {
    if column.name() != TIME {
        return None;
    }
    let value = nanoseconds(value)?;
    // A bound that overflows stands for no row at all: an interval whose end is before its start.
    const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
    match op {
        Operator::Eq => Some((value, value)),
        Operator::Lt => Some(value.checked_sub(1).map_or(NOTHING, |end| (i64::MIN, end))),
        Operator::LtEq => Some((i64::MIN, value)),
        Operator::Gt => Some(value.checked_add(1).map_or(NOTHING, |start| (start, i64::MAX))),
        Operator::GtEq => Some((value, i64::MAX)),
        _ => None,
    }
}

/// A literal of the type of `time`. DataFusion has brought other units and texts to it before.
fn nanoseconds(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(value, None) => *value,
        _ => None,
    }
}

fn text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Dictionary(_, value) => text(value),
        ScalarValue::Utf8(value) | ScalarValue::LargeUtf8(value) | ScalarValue::Utf8View(value) => value.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn at(time: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(time), None))
    }

    #[test]
    fn bounds_of_time_are_inclusive() {
        let check = |filter: Expr, expected: Option<(i64, i64)>| assert_eq!(time_bounds(&filter), expected, "{filter}");
        check(col("time").eq(at(5)), Some((5, 5)));
        check(col("time").lt(at(5)), Some((i64::MIN, 4)));
        check(col("time").lt_eq(at(5)), Some((i64::MIN, 5)));
        check(col("time").gt(at(5)), Some((6, i64::MAX)));
        check(at(5).lt(col("time")), Some((6, i64::MAX)));
        check(col("time").gt_eq(at(5)).and(col("time").lt(at(9))), Some((5, 8)));
        check(col("time").between(at(5), at(9)), Some((5, 9)));
        check(col("time").lt(at(i64::MIN)), Some((i64::MAX, i64::MIN)));
        check(col("time").not_between(at(5), at(9)), None);
        check(col("time").not_eq(at(5)), None);
        check(col("other").eq(at(5)), None);
        check(col("time").eq(at(5)).or(col("time").eq(at(7))), None);
        check(col("time").gt(at(1)).and(col("other").gt(at(1))), None);
    }
}
