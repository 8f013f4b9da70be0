//! `date_bin_gapfill`, `date_bin_wallclock_gapfill`, `locf` and `interpolate` of InfluxDB 3: windows without points get
//! rows of their own.
//!
//! ```text
//! Projection [t, locf(max(f))]            Projection [t, "locf(max(f))"]
//!   Aggregate [date_bin_gapfill(…), tag]    GapFill: bins from the bounds of time below, a fill for each column
//!     Filter [time >= …, time < …]            Aggregate [date_bin(…), tag]
//!                                               Filter [time >= …, time < …]
//! ```
//!
//! The functions stand for this change of the plan and cannot be computed by themselves.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::expr::{Between, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, ColumnarValue, Expr, Extension, Filter, LogicalPlan, Operator, Projection,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, UserDefinedLogicalNodeCore, Volatility, lit,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;

use super::zones::{WallclockFunction, parse_zone, to_local, to_utc};

/// What a window without a value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(super) enum Fill {
    /// The last value before.
    Previous,
    /// On the line between the values around it.
    Linear,
}

/// A function that stands for a part of the plan.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct GapFillFunction {
    name: &'static str,
    signature: Signature,
    fill: Option<Fill>,
}

const BIN: &str = "date_bin_gapfill";
const WALLCLOCK_BIN: &str = "date_bin_wallclock_gapfill";

impl GapFillFunction {
    /// All of them.
    pub(super) fn all() -> [Self; 4] {
        let one = || Signature::any(1, Volatility::Volatile);
        let wallclock = WallclockFunction::new().signature().type_signature.clone();
        [
            Self { name: BIN, signature: date_bin().signature().clone(), fill: None },
            Self { name: WALLCLOCK_BIN, signature: Signature::new(wallclock, Volatility::Volatile), fill: None },
            Self { name: "locf", signature: one(), fill: Some(Fill::Previous) },
            Self { name: "interpolate", signature: one(), fill: Some(Fill::Linear) },
        ]
    }
}

impl ScalarUDFImpl for GapFillFunction {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let argument = if self.fill.is_none() { types.get(1) } else { types.first() };
        match (argument, self.fill) {
            (Some(DataType::Float64 | DataType::Int64 | DataType::UInt64), Some(Fill::Linear)) => {}
            (Some(other), Some(Fill::Linear)) => return plan_err!("interpolate cannot be of {other}"),
            (Some(DataType::Timestamp(TimeUnit::Nanosecond, _)), None) | (Some(_), Some(Fill::Previous)) => {}
            _ => return plan_err!("{} expects an interval and a time in nanoseconds", self.name),
        }
        argument.cloned().map_or_else(|| plan_err!("{} needs an argument", self.name), Ok)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.fill {
            None => exec_err!("{} must be one of the expressions of GROUP BY, and not within another one", self.name),
            Some(_) => exec_err!("{} must be of an aggregate beside date_bin_gapfill in GROUP BY", self.name),
        }
    }
}

/// Which of the functions a call is, with its arguments.
fn call_of(expression: &Expr) -> Option<(&GapFillFunction, &[Expr])> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expression else { return None };
    let function: &dyn std::any::Any = func.inner().as_ref();
    Some((function.downcast_ref::<GapFillFunction>()?, args))
}

/// The starts of windows: the first one as a clock shows it, and how far it is from one to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bins {
    first_local_ns: i64,
    last_local_ns: i64,
    every: IntervalMonthDayNano,
    /// The zone whose clocks count; without it, UTC.
    zone: Option<Arc<str>>,
}

impl Bins {
    /// The start of the window of this number; none behind the last one.
    pub(super) fn start_ns(&self, number: u64) -> Option<i64> {
        let local_ns = self.local_ns(number)?;
        if local_ns > self.last_local_ns {
            return None;
        }
        match self.zone.as_deref().and_then(|zone| parse_zone(zone).ok()) {
            Some(zone) => to_utc(zone, local_ns),
            None => Some(local_ns),
        }
    }

    fn local_ns(&self, number: u64) -> Option<i64> {
        if self.every.months != 0 {
            let months = u32::try_from(self.every.months).ok()?.checked_mul(u32::try_from(number).ok()?)?;
            let first = chrono::DateTime::from_timestamp_nanos(self.first_local_ns);
            return first.checked_add_months(chrono::Months::new(months))?.timestamp_nanos_opt();
        }
        let every_ns =
            i64::from(self.every.days).checked_mul(86_400_000_000_000)?.checked_add(self.every.nanoseconds)?;
        self.first_local_ns.checked_add(every_ns.checked_mul(i64::try_from(number).ok()?)?)
    }
}

/// Rows for windows without points, behind an aggregation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct GapFill {
    pub(super) input: LogicalPlan,
    /// Which column of the input has the starts of windows, and how many in front are groups.
    pub(super) time: usize,
    pub(super) groups: usize,
    pub(super) bins: Bins,
    /// Columns behind those of the input: fill and column of the input.
    pub(super) fills: Vec<(Fill, usize, String)>,
    schema: SchemaKey,
}

/// A schema, which follows from the rest and has no order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SchemaKey(DFSchemaRef);

impl Hash for SchemaKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fields().len().hash(state);
    }
}

impl PartialOrd for GapFill {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl GapFill {
    fn new(
        input: LogicalPlan,
        time: usize,
        groups: usize,
        bins: Bins,
        fills: Vec<(Fill, usize, String)>,
    ) -> Result<Self> {
        let mut fields: Vec<_> =
            input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
        for (_, column, name) in &fills {
            let field = input.schema().field(*column).as_ref().clone().with_name(name).with_nullable(true);
            fields.push((None, Arc::new(field)));
        }
        // A window without points has no value in any aggregate.
        for (_, field) in fields.iter_mut().skip(groups) {
            *field = Arc::new(field.as_ref().clone().with_nullable(true));
        }
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        Ok(Self { input, time, groups, bins, fills, schema: SchemaKey(Arc::new(schema)) })
    }

    fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

impl UserDefinedLogicalNodeCore for GapFill {
    fn name(&self) -> &'static str {
        "GapFill"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema.0
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        // What a condition leaves out below could not be filled from any more.
        self.schema.0.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fills: Vec<&str> = self.fills.iter().map(|(_, _, name)| name.as_str()).collect();
        write!(formatter, "GapFill: every={:?}, fills=[{}]", self.bins.every, fills.join(", "))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let [input] = inputs.try_into().or_else(|_| plan_err!("GapFill has one input"))?;
        Self::new(input, self.time, self.groups, self.bins.clone(), self.fills.clone())
    }
}

/// Puts [`GapFill`] where the functions stand for it.
pub(super) fn rewrite(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Aggregate(aggregate) => aggregated(aggregate, state),
        LogicalPlan::Projection(projection) => projected(projection),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Fills behind an aggregation by windows.
fn aggregated(aggregate: Aggregate, state: &SessionState) -> Result<Transformed<LogicalPlan>> {
    let is_bin =
        |expression: &Expr| call_of(unaliased(expression)).filter(|(function, _)| function.fill.is_none()).is_some();
    let mut places = aggregate.group_expr.iter().enumerate().filter(|(_, expression)| is_bin(expression));
    let Some((place, expression)) = places.next() else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    if places.next().is_some() {
        return plan_err!("date_bin_gapfill can stand once in GROUP BY");
    }
    let Some((function, arguments)) = call_of(unaliased(expression)) else {
        return plan_err!("date_bin_gapfill is not there");
    };
    let bin = match function.name {
        WALLCLOCK_BIN => Arc::new(ScalarUDF::from(WallclockFunction::new())),
        _ => date_bin(),
    };
    let bins = bins(&aggregate, function.name, &bin, arguments, state)?;
    let name = aggregate.schema.field(place).name().clone();
    let groups = aggregate.group_expr.len();
    let mut group_expr = aggregate.group_expr.clone();
    group_expr[place] = bin.call(arguments.to_vec()).alias(name);
    let input = Aggregate::try_new(Arc::clone(&aggregate.input), group_expr, aggregate.aggr_expr.clone())?;
    let filled = GapFill::new(LogicalPlan::Aggregate(input), place, groups, bins, Vec::new())?;
    Ok(Transformed::yes(filled.into_plan()))
}

fn unaliased(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Takes `locf` and `interpolate` out of a projection above.
fn projected(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let has_fill = |expression: &Expr| {
        expression.exists(|part| Ok(call_of(part).is_some_and(|(function, _)| function.fill.is_some())))
    };
    let mut needed = false;
    for expression in &projection.expr {
        needed |= has_fill(expression)?;
    }
    if !needed {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    }
    let mut fills = Vec::new();
    let Some(input) = with_fills(&projection.input, &mut |filled: &GapFill| {
        for expression in &projection.expr {
            expression.apply(|part| {
                collect(part, filled, &mut fills)?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        GapFill::new(filled.input.clone(), filled.time, filled.groups, filled.bins.clone(), fills.clone())
    })?
    else {
        return plan_err!("locf and interpolate need date_bin_gapfill in GROUP BY");
    };
    let names = NamePreserver::new_for_projection();
    let mut expressions = Vec::new();
    for expression in projection.expr {
        let name = names.save(&expression);
        let changed = expression.transform_up(|part| match call_of(&part) {
            Some((function, _)) if function.fill.is_some() => {
                let column = Column::new_unqualified(part.schema_name().to_string());
                Ok(Transformed::yes(Expr::Column(column)))
            }
            _ => Ok(Transformed::no(part)),
        })?;
        expressions.push(name.restore(changed.data));
    }
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(expressions, Arc::new(input))?)))
}

/// The column that a call of `locf` or `interpolate` asks for.
fn collect(part: &Expr, filled: &GapFill, fills: &mut Vec<(Fill, usize, String)>) -> Result<()> {
    let Some((function, [argument])) = call_of(part) else { return Ok(()) };
    let Some(fill) = function.fill else { return Ok(()) };
    let name = part.schema_name().to_string();
    let place = match argument {
        Expr::Column(column) => filled.input.schema().index_of_column(column).ok(),
        _ => None,
    };
    match place.filter(|place| *place >= filled.groups) {
        Some(place) if !fills.iter().any(|(_, _, known)| *known == name) => fills.push((fill, place, name)),
        Some(_) => {}
        None => return plan_err!("the argument of {} must be an aggregate", function.name),
    }
    Ok(())
}

/// The plan with another [`GapFill`] in place of the one below conditions on groups; none if there is none.
fn with_fills(plan: &LogicalPlan, change: &mut dyn FnMut(&GapFill) -> Result<GapFill>) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Extension(extension) => {
            let node: &dyn std::any::Any = extension.node.as_any();
            node.downcast_ref::<GapFill>().map(|filled| Ok(change(filled)?.into_plan())).transpose()
        }
        LogicalPlan::Filter(filter) => {
            let Some(input) = with_fills(&filter.input, change)? else { return Ok(None) };
            Ok(Some(LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), Arc::new(input))?)))
        }
        _ => Ok(None),
    }
}

/// From the bounds of time below the aggregation to windows.
fn bins(
    aggregate: &Aggregate,
    name: &str,
    bin: &Arc<ScalarUDF>,
    arguments: &[Expr],
    state: &SessionState,
) -> Result<Bins> {
    let [interval, time, origin @ ..] = arguments else { return plan_err!("{name} needs an interval and a time") };
    let evaluate = |expression: Expr| evaluated(expression, state);
    let every = match evaluate(interval.clone())? {
        Some(ScalarValue::IntervalMonthDayNano(Some(every))) => every,
        Some(ScalarValue::IntervalDayTime(Some(every))) => {
            IntervalMonthDayNano::new(0, every.days, i64::from(every.milliseconds) * 1_000_000)
        }
        _ => return plan_err!("the interval of {name} must be a constant"),
    };
    let mut columns = time.column_refs().into_iter();
    let (Some(column), None) = (columns.next(), columns.next()) else {
        return plan_err!("the time of {name} must be that of one column");
    };
    let mut range = (None, None);
    bounds(&aggregate.input, &column.name, &evaluate, &mut range)?;
    let (lower_ns, upper_ns) = match range {
        (Some(lower_ns), Some(upper_ns)) => (lower_ns, upper_ns),
        (None, Some(_)) => return plan_err!("gap-filling query is missing lower time bound"),
        (Some(_), None) => return plan_err!("gap-filling query is missing upper time bound"),
        (None, None) => return plan_err!("gap-filling query is missing both upper and lower time bounds"),
    };
    let data_type = time_type(time, &aggregate.input)?;
    let zone = match data_type {
        DataType::Timestamp(_, zone) if name == WALLCLOCK_BIN => zone.clone(),
        _ => None,
    };
    let parsed = zone.as_deref().map(parse_zone).transpose()?;
    let start_local = |time_ns: i64| {
        let time = lit(ScalarValue::TimestampNanosecond(Some(time_ns), zone.clone()));
        let call = bin.call([interval.clone(), time].into_iter().chain(origin.iter().cloned()).collect());
        match evaluate(call)? {
            Some(ScalarValue::TimestampNanosecond(Some(start_ns), _)) => {
                Ok(parsed.map_or(Some(start_ns), |zone| to_local(zone, start_ns)).unwrap_or(start_ns))
            }
            _ => plan_err!("the windows of {name} must be constant"),
        }
    };
    let (first_local_ns, last_local_ns) = (start_local(lower_ns)?, start_local(upper_ns)?);
    Ok(Bins { first_local_ns, last_local_ns, every, zone })
}

fn time_type(time: &Expr, input: &LogicalPlan) -> Result<DataType> {
    use datafusion::logical_expr::ExprSchemable as _;
    time.get_type(input.schema())
}

/// The value of an expression without columns.
fn evaluated(expression: Expr, state: &SessionState) -> Result<Option<ScalarValue>> {
    if !expression.column_refs().is_empty() {
        return Ok(None);
    }
    let now = state.execution_props().query_execution_start_time;
    let schema: DFSchemaRef = Arc::new(DFSchema::empty());
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(now)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expression, &schema)?;
    Ok(match simplifier.simplify(coerced)? {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => match *alias.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        },
        _ => None,
    })
}

/// The earliest and the latest time that conditions below let through.
fn bounds(
    plan: &LogicalPlan,
    time: &str,
    evaluate: &dyn Fn(Expr) -> Result<Option<ScalarValue>>,
    range: &mut (Option<i64>, Option<i64>),
) -> Result<()> {
    if let LogicalPlan::Filter(filter) = plan {
        for condition in datafusion::logical_expr::utils::split_conjunction(&filter.predicate) {
            narrow(condition, time, evaluate, range)?;
        }
    }
    match plan.inputs()[..] {
        [input] => bounds(input, time, evaluate, range),
        _ => Ok(()),
    }
}

fn narrow(
    condition: &Expr,
    time: &str,
    evaluate: &dyn Fn(Expr) -> Result<Option<ScalarValue>>,
    (lower, upper): &mut (Option<i64>, Option<i64>),
) -> Result<()> {
    let is_time = |expression: &Expr| matches!(expression, Expr::Column(column) if column.name == time);
    let constant = |expression: &Expr| -> Result<Option<i64>> {
        let Some(value) = evaluate(expression.clone())? else { return Ok(None) };
        match value.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, None))? {
            ScalarValue::TimestampNanosecond(time_ns, _) => Ok(time_ns),
            _ => Ok(None),
        }
    };
    let mut at_least = |time_ns: Option<i64>| *lower = (*lower).max(time_ns);
    let mut at_most = |time_ns: Option<i64>| *upper = (*upper).into_iter().chain(time_ns).min();
    match condition {
        Expr::Between(Between { expr, negated: false, low, high }) if is_time(expr) => {
            at_least(constant(low)?);
            at_most(constant(high)?);
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (operator, constant) = match (is_time(left), is_time(right)) {
                (true, false) => (*op, constant(right)?),
                (false, true) => (op.swap().unwrap_or(*op), constant(left)?),
                _ => return Ok(()),
            };
            match operator {
                Operator::GtEq => at_least(constant),
                Operator::Gt => at_least(constant.and_then(|time_ns| time_ns.checked_add(1))),
                Operator::LtEq => at_most(constant),
                Operator::Lt => at_most(constant.and_then(|time_ns| time_ns.checked_sub(1))),
                Operator::Eq => {
                    at_least(constant);
                    at_most(constant);
                }
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}
