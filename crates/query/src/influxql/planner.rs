//! From the syntax tree of a `SELECT` to a [`Plan`].

use std::sync::Arc;

use chrono_tz::Tz;
use influxql::ast::{Call, DataType, Fill, MeasurementName, Order, Page, Reference, Select, Source};
use influxql::{Duration, Expression, Operator};

use super::Databases;
use super::aggregate::Function;
use super::check::check;
use super::columns::Slot;
use super::indicators::Indicator;
use super::node::Node;
use super::plan::{CallPlan, PagePlan, Plan, PlannedSource, Projection};
use super::rewrite::{self, FlatField, is_math};
use super::schema::SourceSchema;
use super::time_range::{Moment, TimeRange, is_time, split};
use super::transform::Transform;
use super::value::{Kind, MATH_FUNCTIONS, Scalar, Value, binary as operate};
use crate::ops::forecast::Forecast;
use crate::ops::window::Windows;

/// What a statement gets from the one that it stands in.
#[derive(Debug, Clone)]
struct Parent {
    range: TimeRange,
    windows: Option<Windows>,
    dimensions: Vec<String>,
    descending: bool,
}

/// Plans a statement over these databases.
///
/// # Errors
/// InfluxDB's message.
pub(super) fn plan(select: &Select, databases: &Databases, now: i64) -> Result<Plan, String> {
    Planner { databases, now }.select(select, None)
}

/// A name of a database, or an error for a zone that there is none of.
fn zone(select: &Select) -> Result<Option<Tz>, String> {
    let parse = |name: &String| name.parse().map_err(|_| format!("unable to find time zone {name}"));
    select.time_zone.as_ref().map(parse).transpose()
}

fn page(page: Page) -> PagePlan {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    // `LIMIT 0` is no limit.
    PagePlan { limit: page.limit.filter(|limit| *limit > 0).map(size), offset: size(page.offset) }
}

struct Planner<'a> {
    databases: &'a Databases,
    now: i64,
}

impl Planner<'_> {
    fn select(&self, select: &Select, parent: Option<&Parent>) -> Result<Plan, String> {
        let zone = zone(select)?;
        let inherited = parent.and_then(|parent| parent.windows);
        let shape = check(select, self.now, inherited.is_some())?;
        let (condition, range) = split(select.condition.as_ref(), Moment { now: self.now, zone })?;
        let descending = match (select.order, parent) {
            (order, None) => order == Some(Order::Descending),
            (None, Some(parent)) => parent.descending,
            (Some(order), Some(parent)) => {
                if (order == Order::Descending) != parent.descending {
                    return Err("subqueries must be ordered in the same direction as the query itself".to_owned());
                }
                parent.descending
            }
        };
        let mut range = parent.map_or(range, |parent| range.intersect(parent.range));
        let own = shape.interval.map(|(every, offset)| Windows { every, offset, zone });
        let windows = own.or(inherited);
        if windows.is_some() && range.max.is_none() {
            range.max = Some(self.now);
        }
        let fill = match (select.fill, parent) {
            (Fill::Null, Some(_)) if own.is_some() => Fill::None,
            (fill, _) => fill,
        };
        let outer = parent.map(|parent| parent.dimensions.clone()).unwrap_or_default();
        let (sources, schema) = self.sources(select, &range, windows, &outer, descending)?;
        let mut dimensions = rewrite::dimensions(select, &schema)?;
        let own_dimensions = dimensions.clone();
        dimensions.extend(outer);
        dimensions.sort();
        dimensions.dedup();
        let fields = rewrite::fields(select, &schema, &own_dimensions)?;
        let mut builder =
            Builder { schema: &schema, slots: Vec::new(), windows, range, descending, required: Vec::new() };
        let condition_node = condition.as_ref().map(|condition| builder.condition(condition)).transpose()?;
        let projection = builder.projection(&fields, shape.calls > 0)?;
        let tag_filters = condition.as_ref().map_or_else(Vec::new, |condition| tag_filters(condition, &schema));
        Ok(Plan {
            columns: rewrite::column_names(&fields),
            kinds: fields.iter().map(|field| builder.kind(&field.expression)).collect(),
            time_name: time_name(select),
            slots: builder.slots,
            sources,
            dimensions,
            windows,
            range,
            condition: condition_node,
            tag_filters,
            projection,
            fill,
            page: page(select.page),
            series_page: page(select.series_page),
            descending,
            zone,
            seed: self.now as u64,
            row_by_row: self.databases.row_by_row,
        })
    }

    /// The sources, and what they hold.
    fn sources(
        &self,
        select: &Select,
        range: &TimeRange,
        windows: Option<Windows>,
        outer: &[String],
        descending: bool,
    ) -> Result<(Vec<PlannedSource>, SourceSchema), String> {
        let mut schema = SourceSchema::default();
        let mut sources = Vec::new();
        // Tags of this statement's own groups have to be there in the statements within.
        let named = select.dimensions.iter().filter_map(|dimension| match dimension {
            Expression::Reference(reference) => Some(reference.name.clone()),
            _ => None,
        });
        let dimensions = named.chain(outer.iter().cloned()).collect();
        let parent = Parent { range: *range, windows, dimensions, descending };
        for source in &select.sources {
            match source {
                Source::Measurement(measurement) => {
                    let snapshot = self.databases.get(&measurement.database, &measurement.retention_policy)?;
                    let tables: Vec<_> = match &measurement.name {
                        MeasurementName::Name(name) => snapshot.table(name).into_iter().cloned().collect(),
                        MeasurementName::Regex(text) => {
                            let regex = rewrite::regex(text)?;
                            let matches = |name: &str| regex.is_match(name);
                            let tables = snapshot.tables();
                            tables.filter(|table| matches(&table.table_schema().measurement)).cloned().collect()
                        }
                    };
                    for table in tables {
                        schema.add_table(table.table_schema());
                        sources.push(PlannedSource::Table(Arc::clone(&table)));
                    }
                }
                Source::Subquery(inner) => {
                    let plan = self.select(inner, Some(&parent))?;
                    for (name, kind) in plan.columns.iter().zip(&plan.kinds) {
                        match kind {
                            Some(Kind::Tag) => {
                                schema.tag_columns.insert(name.clone());
                            }
                            Some(kind) => schema.add_field(name, *kind),
                            None => {}
                        }
                    }
                    schema.tags.extend(plan.dimensions.iter().cloned());
                    sources.push(PlannedSource::Subquery(Box::new(plan)));
                }
            }
        }
        Ok((sources, schema))
    }
}

fn time_name(select: &Select) -> String {
    let renamed = select.fields.iter().find(|field| is_time(&field.expression)).and_then(|field| field.alias.clone());
    renamed.unwrap_or_else(|| "time".to_owned())
}

/// Values that tags must have, as far as the condition says so for every row: what both sides of `OR` say of a tag
/// holds in one of the two ways.
fn tag_filters(condition: &Expression, schema: &SourceSchema) -> Vec<(String, Vec<String>)> {
    match condition {
        Expression::Paren(inner) => tag_filters(inner, schema),
        Expression::Binary(binary) if binary.operator == Operator::And => {
            let mut filters = tag_filters(&binary.left, schema);
            filters.extend(tag_filters(&binary.right, schema));
            filters
        }
        Expression::Binary(binary) if binary.operator == Operator::Or => {
            let (left, right) = (tag_filters(&binary.left, schema), tag_filters(&binary.right, schema));
            let both = |(tag, mut values): (String, Vec<String>)| {
                let (_, more) = right.iter().find(|(other, _)| *other == tag)?;
                values.extend(more.iter().cloned());
                Some((tag, values))
            };
            left.into_iter().filter_map(both).collect()
        }
        Expression::Binary(binary) if binary.operator == Operator::Equal => match (&binary.left, &binary.right) {
            (Expression::Reference(reference), Expression::String(text))
            | (Expression::String(text), Expression::Reference(reference))
                if schema.kind(reference) == Some(Kind::Tag) =>
            {
                vec![(reference.name.clone(), vec![text.clone()])]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

struct Builder<'a> {
    schema: &'a SourceSchema,
    slots: Vec<Slot>,
    windows: Option<Windows>,
    range: TimeRange,
    descending: bool,
    /// Slots of fields that raw rows show.
    required: Vec<usize>,
}

impl Builder<'_> {
    fn slot(&mut self, reference: &Reference) -> (usize, Option<Kind>) {
        let kind = self.schema.kind(reference);
        let is_tag = kind == Some(Kind::Tag);
        let slot = Slot { name: reference.name.clone(), kind };
        let same = |known: &Slot| {
            known.name == slot.name && known.kind.is_some() == kind.is_some() && {
                (known.kind == Some(Kind::Tag)) == is_tag
            }
        };
        let place = self.slots.iter().position(same).unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        (place, kind)
    }

    /// A condition over the slots.
    fn condition(&mut self, expression: &Expression) -> Result<Node, String> {
        if let Expression::Reference(reference) = expression {
            return Ok(match self.slot(reference) {
                // What is no field is a tag, which no series has.
                (slot, None | Some(Kind::Tag)) => Node::Tag(slot),
                (slot, kind) => Node::Slot(slot, kind),
            });
        }
        self.common(expression, &mut Self::condition)
    }

    /// What is the same in conditions and fields.
    fn common(
        &mut self,
        expression: &Expression,
        inner: &mut impl FnMut(&mut Self, &Expression) -> Result<Node, String>,
    ) -> Result<Node, String> {
        Ok(match expression {
            Expression::Number(value) => Node::Literal(Value::Float(*value)),
            Expression::Integer(value) => Node::Literal(Value::Integer(*value)),
            Expression::Unsigned(value) => Node::Literal(Value::Unsigned(*value)),
            Expression::Boolean(value) => Node::Literal(Value::Boolean(*value)),
            Expression::String(value) => Node::Literal(Value::Text(value.as_str().into())),
            Expression::Duration(value) => Node::Literal(Value::Integer(value.0)),
            Expression::Paren(expression) => inner(self, expression)?,
            Expression::Binary(binary) => {
                let left = inner(self, &binary.left)?;
                let expected = binary.operator == Operator::Matches;
                if expected || binary.operator == Operator::NotMatches {
                    let Expression::Regex(text) = &binary.right else {
                        return Err(format!("invalid regular expression: {}", binary.right));
                    };
                    return Ok(Node::Matches(Box::new(left), rewrite::regex(text)?, expected));
                }
                Node::Binary(binary.operator, Box::new(left), Box::new(inner(self, &binary.right)?))
            }
            Expression::Call(call) if is_math(call) => {
                let name = MATH_FUNCTIONS.iter().find(|name| **name == call.name).copied().unwrap_or_default();
                let arguments = call.arguments.iter().map(|argument| inner(self, argument));
                Node::Math(name, arguments.collect::<Result<_, _>>()?)
            }
            other => return Err(format!("unsupported expression: {other}")),
        })
    }

    /// What an operator makes nothing of is refused, as InfluxDB finds out: by values of these types.
    fn check_types(&mut self, expression: &Expression) -> Result<(), String> {
        match expression {
            Expression::Paren(inner) => self.check_types(inner),
            Expression::Call(call) => call.arguments.iter().try_for_each(|argument| self.check_types(argument)),
            Expression::Binary(binary) => {
                self.check_types(&binary.left)?;
                self.check_types(&binary.right)?;
                match (self.kind(&binary.left), self.kind(&binary.right)) {
                    (Some(left), Some(right))
                        if operate(binary.operator, left.zero(), right.zero()) == Scalar::Null =>
                    {
                        let (left, right) = (left.as_str(), right.as_str());
                        Err(format!("type error: {}: incompatible types: {left} and {right}", self.typed(expression)))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The expression with the types of its names, as InfluxDB prints it.
    fn typed(&self, expression: &Expression) -> Expression {
        match expression {
            Expression::Reference(reference) => {
                let data_type = self.schema.kind(reference).map(|kind| match kind {
                    Kind::Float => DataType::Float,
                    Kind::Integer => DataType::Integer,
                    Kind::Unsigned => DataType::Unsigned,
                    Kind::String => DataType::String,
                    Kind::Boolean => DataType::Boolean,
                    Kind::Tag => DataType::Tag,
                });
                Expression::Reference(Reference { name: reference.name.clone(), data_type })
            }
            Expression::Binary(binary) => {
                Expression::binary(self.typed(&binary.left), binary.operator, self.typed(&binary.right))
            }
            Expression::Paren(inner) => Expression::Paren(Box::new(self.typed(inner))),
            Expression::Call(call) => Expression::Call(Call {
                name: call.name.clone(),
                arguments: call.arguments.iter().map(|argument| self.typed(argument)).collect(),
            }),
            other => other.clone(),
        }
    }

    fn projection(&mut self, fields: &[FlatField], has_calls: bool) -> Result<Projection, String> {
        fields.iter().try_for_each(|field| self.check_types(&field.expression))?;
        if !has_calls {
            let nodes = fields.iter().map(|field| self.raw(&field.expression)).collect::<Result<_, _>>()?;
            let required = std::mem::take(&mut self.required);
            return Ok(Projection::Raw { fields: nodes, required });
        }
        let mut calls: Vec<Call> = Vec::new();
        for field in fields {
            field.expression.walk(&mut |expression| match expression {
                Expression::Call(call) if !is_math(call) => {
                    if !calls.contains(call) {
                        calls.push(call.clone());
                    }
                    false
                }
                _ => true,
            });
        }
        let plans = calls.iter().map(|call| self.call(call)).collect::<Result<Vec<_>, _>>()?;
        let mut auxiliary = Vec::new();
        let mut nodes = Vec::new();
        for field in fields {
            nodes.push(self.computed(&field.expression, &calls, &mut auxiliary)?);
        }
        let is_selector = match plans.as_slice() {
            [only] => only.function.is_selector() && only.transforms.is_empty(),
            _ => false,
        };
        Ok(Projection::Calls { calls: plans, auxiliary, fields: nodes, is_selector })
    }

    /// A field of raw rows.
    fn raw(&mut self, expression: &Expression) -> Result<Node, String> {
        if let Expression::Reference(reference) = expression {
            let (slot, kind) = self.slot(reference);
            if kind.is_some_and(|kind| kind != Kind::Tag) && !self.required.contains(&slot) {
                self.required.push(slot);
            }
            return Ok(Node::Slot(slot, kind));
        }
        self.common(expression, &mut Self::raw)
    }

    /// A field over the results of calls and the values beside a selector.
    fn computed(
        &mut self,
        expression: &Expression,
        calls: &[Call],
        auxiliary: &mut Vec<usize>,
    ) -> Result<Node, String> {
        match expression {
            Expression::Call(call) if !is_math(call) => {
                let place = calls.iter().position(|known| known == call).unwrap_or_default();
                Ok(Node::Slot(place, None))
            }
            Expression::Reference(reference) => {
                let (slot, kind) = self.slot(reference);
                let place = auxiliary.iter().position(|known| *known == slot).unwrap_or_else(|| {
                    auxiliary.push(slot);
                    auxiliary.len() - 1
                });
                Ok(Node::Slot(calls.len() + place, kind))
            }
            other => {
                let mut inner =
                    |builder: &mut Self, expression: &Expression| builder.computed(expression, calls, auxiliary);
                self.common(other, &mut inner)
            }
        }
    }

    /// A call with what stands in it.
    fn call(&mut self, call: &Call) -> Result<CallPlan, String> {
        let argument = call.arguments.first();
        if let Some(transform) = self.transform(call) {
            let mut plan = match argument {
                Some(Expression::Call(inner)) => self.call(inner)?,
                Some(Expression::Distinct(name)) => {
                    let arguments = vec![Expression::reference(name.as_str())];
                    self.call(&Call { name: "distinct".to_owned(), arguments })?
                }
                _ => self.function(call, Function::Points)?,
            };
            let before = plan.transforms.iter().fold(plan.kind, |kind, inner| inner.result_kind(kind).unwrap_or(kind));
            if transform.result_kind(before).is_none() {
                // InfluxDB names indicators as people do.
                let is_indicator = matches!(transform, Transform::Indicator(_));
                let name = if is_indicator { call.name.replace('_', " ") } else { call.name.clone() };
                return Err(unsupported(&name, before));
            }
            if let Some(windows) = self.windows {
                let more = windows.every.saturating_mul(transform.windows_before());
                // The window before the first one of the answer, which a descending answer begins at the end.
                if self.descending {
                    plan.range.max = plan.range.max.map(|max| max.saturating_add(more));
                } else {
                    plan.range.min = plan.range.min.map(|min| min.saturating_sub(more));
                }
            }
            plan.transforms.push(transform);
            return Ok(plan);
        }
        let function = self.named_function(call)?;
        match argument {
            Some(Expression::Call(inner)) if function == Function::CountDistinct => self.function(inner, function),
            _ => self.function(call, function),
        }
    }

    /// A function of a field.
    fn function(&mut self, call: &Call, function: Function) -> Result<CallPlan, String> {
        let reference = match call.arguments.first() {
            Some(Expression::Reference(reference)) => reference.clone(),
            Some(Expression::Distinct(name)) => Reference { name: name.clone(), data_type: None },
            _ => return Err(format!("expected field argument in {}()", call.name)),
        };
        let (input, kind) = self.slot(&reference);
        // Functions see fields only; of what is none there are no points.
        let (input, input_kind, kind) = match kind.filter(|kind| *kind != Kind::Tag) {
            None => (usize::MAX, Kind::Float, Kind::Float),
            Some(known) => match function.result_kind(known) {
                Some(result) => (input, known, result),
                None => return Err(unsupported(&call.name, known)),
            },
        };
        Ok(CallPlan { function, input, input_kind, transforms: Vec::new(), kind, range: self.range })
    }

    fn named_function(&mut self, call: &Call) -> Result<Function, String> {
        let number = |place: usize| match call.arguments.get(place) {
            Some(Expression::Integer(number)) => *number as f64,
            Some(Expression::Number(number)) => *number,
            _ => 0.0,
        };
        let whole = |place: usize| match call.arguments.get(place) {
            Some(Expression::Integer(number)) => usize::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        Ok(match call.name.as_str() {
            "count" => match call.arguments.first() {
                Some(Expression::Distinct(_) | Expression::Call(_)) => Function::CountDistinct,
                _ => Function::Count,
            },
            "sum" => Function::Sum,
            "mean" => Function::Mean,
            "min" => Function::Min,
            "max" => Function::Max,
            "first" => Function::First,
            "last" => Function::Last,
            "spread" => Function::Spread,
            "stddev" => Function::Stddev,
            "median" => Function::Median,
            "mode" => Function::Mode,
            "percentile" => Function::Percentile(number(1)),
            "distinct" => Function::Distinct,
            "integral" => Function::Integral(duration(call.arguments.get(1)).unwrap_or(1_000_000_000)),
            "sample" => Function::Sample(whole(1)),
            "top" | "bottom" => {
                let last = call.arguments.len().saturating_sub(1);
                let between = call.arguments.get(1..last).unwrap_or_default();
                let mut tags = Vec::new();
                for argument in between {
                    if let Expression::Reference(reference) = argument {
                        tags.push(self.slot(reference).0);
                    }
                }
                Function::Ranked { highest: call.name == "top", count: whole(last), tags }
            }
            name => return Err(format!("undefined function {name}()")),
        })
    }

    fn transform(&self, call: &Call) -> Option<Transform> {
        let unit = duration(call.arguments.get(1));
        let grouped = matches!(call.arguments.first(), Some(Expression::Call(_) | Expression::Distinct(_)));
        let every = self.windows.map_or(0, |windows| windows.every);
        let whole = |place: usize| match call.arguments.get(place) {
            Some(Expression::Integer(number)) => usize::try_from(*number).unwrap_or(0),
            _ => 0,
        };
        let rate = |non_negative| Transform::Derivative {
            unit: unit.unwrap_or(if grouped && every > 0 { every } else { 1_000_000_000 }),
            non_negative,
        };
        Some(match call.name.as_str() {
            "derivative" => rate(false),
            "non_negative_derivative" => rate(true),
            "difference" => Transform::Difference { non_negative: false },
            "non_negative_difference" => Transform::Difference { non_negative: true },
            "cumulative_sum" => Transform::CumulativeSum,
            "moving_average" => Transform::MovingAverage(whole(1)),
            "elapsed" => Transform::Elapsed(unit.unwrap_or(1)),
            "holt_winters" | "holt_winters_with_fit" => Transform::HoltWinters(Forecast {
                values: whole(1),
                season: whole(2),
                with_fit: call.name == "holt_winters_with_fit",
                every: every.max(1),
            }),
            _ => Transform::Indicator(Indicator::of(call)?),
        })
    }

    /// The type that a call gives by its name, whether it takes its argument or not.
    fn declared_kind(&mut self, call: &Call) -> Option<Kind> {
        match call.name.as_str() {
            "count" | "elapsed" => Some(Kind::Integer),
            "min" | "max" | "sum" | "first" | "last" | "mode" | "spread" | "percentile" | "top" | "bottom"
            | "distinct" | "sample" => self.kind(call.arguments.first()?),
            _ => Some(Kind::Float),
        }
    }

    /// The type of an expression, if anything is known of it.
    fn kind(&mut self, expression: &Expression) -> Option<Kind> {
        match expression {
            Expression::Reference(reference) => self.schema.kind(reference),
            Expression::Call(call) if is_math(call) => {
                match call.arguments.first().and_then(|first| self.kind(first)) {
                    Some(kind @ (Kind::Integer | Kind::Unsigned))
                        if matches!(call.name.as_str(), "abs" | "ceil" | "floor" | "round" | "pow") =>
                    {
                        Some(kind)
                    }
                    Some(_) => Some(Kind::Float),
                    None => None,
                }
            }
            Expression::Call(call) => {
                // One that does not take its argument has the type that it would give, as in InfluxDB.
                let Ok(plan) = self.call(call) else { return self.declared_kind(call) };
                Some(plan.transforms.iter().fold(plan.kind, |kind, inner| inner.result_kind(kind).unwrap_or(kind)))
            }
            Expression::Paren(inner) => self.kind(inner),
            Expression::Number(_) => Some(Kind::Float),
            Expression::Integer(_) => Some(Kind::Integer),
            Expression::Unsigned(_) => Some(Kind::Unsigned),
            Expression::String(_) => Some(Kind::String),
            Expression::Boolean(_) => Some(Kind::Boolean),
            Expression::Binary(binary) => {
                if !binary.operator.is_arithmetic() {
                    return Some(Kind::Boolean);
                }
                let (left, right) = (self.kind(&binary.left)?, self.kind(&binary.right)?);
                match (left, right) {
                    (Kind::Integer, Kind::Integer) if binary.operator == Operator::Divide => Some(Kind::Float),
                    (Kind::Integer, Kind::Unsigned) | (Kind::Unsigned, Kind::Integer) => Some(Kind::Unsigned),
                    (left, right) => Some(left.min(right)),
                }
            }
            _ => None,
        }
    }
}

fn duration(argument: Option<&Expression>) -> Option<i64> {
    match argument {
        Some(Expression::Duration(Duration(unit))) => Some(*unit),
        _ => None,
    }
}

/// InfluxDB's message for a function that does not take values of a type. It names a type of its own program.
fn unsupported(function: &str, kind: Kind) -> String {
    format!("unsupported {function} iterator type: *query.{}InterruptIterator", kind.as_str())
}
