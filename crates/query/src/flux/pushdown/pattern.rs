//! Recognises pipelines that the storage can compute, and says of each under which conditions. Nothing is read here but
//! the catalog.

use std::sync::Arc;

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::source::target::Target;
use super::super::source::{Chain, chain};
use super::super::stream::{Bounds, Shape, Stream};
use super::super::value::Text;
use super::super::vector::ColumnType;
use super::super::window::WindowSpec;
use crate::ops::partial::AggregateFunction;
use crate::ops::window::Windows;

/// `from |> range |> filter… [|> group] [|> window] |> aggregate [|> the end of aggregateWindow]`.
#[derive(Debug)]
pub(super) struct Pipeline<'a> {
    pub(super) chain: Chain<'a>,
    pub(super) group: Option<Group<'a>>,
    pub(super) window: Option<&'a WindowSpec>,
    pub(super) function: AggregateFunction,
    /// Whether it gives whole rows.
    pub(super) selects: bool,
    pub(super) rejoin: Option<Rejoin<'a>>,
}

/// `group`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    columns: &'a [Text],
    except: bool,
}

/// The end of `aggregateWindow`: the time of each row is a bound of its window, and the windows of a table come
/// together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejoin<'a> {
    /// `_start` or `_stop`.
    pub(super) time_source: &'a str,
    /// Whether windows without rows have a row.
    pub(super) fills: bool,
}

/// How far from the ends of time bounds have to be, so that no window is cut there.
const fn room(every: i64) -> i64 {
    every.saturating_mul(2)
}

impl Group<'_> {
    /// Whether no column is named that becomes part of the key.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty() && !self.except
    }

    /// Whether a column becomes part of the key.
    pub(super) fn is_key(&self, label: &str) -> bool {
        let is_named = self.columns.iter().any(|column| **column == *label);
        // InfluxDB's storage keeps the bounds in the key.
        if self.except { !is_named } else { is_named || matches!(label, "_start" | "_stop") }
    }
}

/// The pipeline that ends here, if it is one.
pub(super) fn recognise(stream: &Stream) -> Option<Pipeline<'_>> {
    let (rejoin, stream) = match &stream.0.shape {
        Shape::Window(spec) if spec.is_everything() => {
            let (rejoin, stream) = rejoin(spec, stream)?;
            (Some(rejoin), stream)
        }
        _ => (None, stream),
    };
    let (function, selects, column) = match &stream.0.shape {
        Shape::Aggregate { name, column } => (aggregate(name)?, false, column),
        Shape::Selector { name, column } => (selector(name)?, true, column),
        _ => return None,
    };
    if **column != *"_value" {
        return None;
    }
    let mut below = stream.0.inputs.first()?;
    let window = match &below.0.shape {
        Shape::Window(spec) => {
            below = below.0.inputs.first()?;
            Some(&**spec)
        }
        _ => None,
    };
    if window.is_none() && rejoin.is_some() {
        return None;
    }
    let group = match &below.0.shape {
        Shape::Group { columns, except } => {
            below = below.0.inputs.first()?;
            Some(Group { columns, except: *except })
        }
        _ => None,
    };
    // Rows of different times and values would be kept apart.
    if group.is_some_and(|group| group.is_key("_time") || group.is_key("_value")) {
        return None;
    }
    let chain = chain(below)?;
    if let Some(spec) = window {
        windows(spec, chain.bounds)?;
        // Too many of them are an error of `window`.
        if spec.create_empty && spec.all(chain.bounds).is_err() {
            return None;
        }
    }
    Some(Pipeline { chain, group, window, function, selects, rejoin })
}

/// `duplicate |> window(every: inf)`, perhaps with `table.fill` before.
fn rejoin<'a>(spec: &WindowSpec, stream: &'a Stream) -> Option<(Rejoin<'a>, &'a Stream)> {
    let columns = [&spec.time_column, &spec.start_column, &spec.stop_column];
    let duplicate = stream.0.inputs.first()?;
    let Shape::Duplicate { column, to } = &duplicate.0.shape else { return None };
    let is_simple = columns.iter().map(|column| &***column).eq(["_time", "_start", "_stop"])
        && matches!(&**column, "_start" | "_stop")
        && **to == *"_time";
    let below = duplicate.0.inputs.first()?;
    let fills = matches!(below.0.shape, Shape::FillEmpty);
    let below = if fills { below.0.inputs.first()? } else { below };
    is_simple.then_some((Rejoin { time_source: column, fills }, below))
}

/// The windows in the terms of the operators that all languages share.
pub(super) fn windows(spec: &WindowSpec, bounds: Bounds) -> Option<Windows> {
    let columns = [&spec.time_column, &spec.start_column, &spec.stop_column];
    let every = spec.every.nanoseconds;
    let is_simple = spec.every == spec.period
        && !spec.is_everything()
        && spec.every.months == 0
        && every > 0
        && spec.offset.months == 0
        && spec.location.is_utc()
        && columns.iter().map(|column| &***column).eq(["_time", "_start", "_stop"]);
    let has_room = bounds.0 >= i64::MIN.saturating_add(room(every)) && bounds.1 <= i64::MAX.saturating_sub(room(every));
    (is_simple && has_room).then(|| Windows { every, offset: spec.offset.nanoseconds % every, zone: None })
}

fn aggregate(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "mean" => AggregateFunction::Mean,
        "sum" => AggregateFunction::Sum,
        _ => return None,
    })
}

fn selector(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "first" => AggregateFunction::First,
        "last" => AggregateFunction::Last,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        _ => return None,
    })
}

impl std::fmt::Display for Pipeline<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.function {
            AggregateFunction::Count => "count",
            AggregateFunction::Mean => "mean",
            AggregateFunction::Sum => "sum",
            AggregateFunction::First => "first",
            AggregateFunction::Last => "last",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::Spread => "spread",
        })?;
        if let Some(window) = self.window {
            write!(formatter, " of windows of {}", window.every)?;
        }
        match self.group {
            None => formatter.write_str(" of each series and field,"),
            Some(Group { columns: [], except: false }) => formatter.write_str(" of all tables together,"),
            Some(Group { columns, except }) => {
                let names: Vec<&str> = columns.iter().map(|column| &**column).collect();
                write!(formatter, ", by {}{},", if except { "all but " } else { "" }, names.join(", "))
            }
        }
    }
}

impl Pipeline<'_> {
    /// What there is to read; none if a type of a field needs the interpreter, which may have an error to report.
    pub(super) fn targets(&self, runtime: &Arc<Runtime>) -> Result<Option<Vec<Target>>> {
        let Some(targets) = self.chain.targets(runtime)? else { return Ok(None) };
        let takes = |kind: ColumnType| match self.function {
            AggregateFunction::Count => kind != ColumnType::Time,
            AggregateFunction::First | AggregateFunction::Last => !matches!(kind, ColumnType::String),
            _ => kind.is_numeric(),
        };
        let all_taken = targets.iter().flat_map(|target| &target.fields).all(|field| takes(field.kind));
        let is_reserved = targets.iter().any(Target::has_reserved_tag);
        // Tables of values of different types do not go together.
        let keeps_fields = self.group.is_none_or(|group| group.is_key("_field") && group.is_key("_measurement"));
        let mut kinds = targets.iter().flat_map(|target| &target.fields).map(|field| field.kind);
        let first = kinds.next();
        let one_kind = kinds.all(|kind| Some(kind) == first);
        Ok((all_taken && !is_reserved && (keeps_fields || one_kind)).then_some(targets))
    }

    /// The windows to aggregate by.
    pub(super) fn windows(&self) -> Option<Windows> {
        self.window.and_then(|spec| windows(spec, self.chain.bounds))
    }
}
