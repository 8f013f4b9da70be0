//! `join` of the universe, package `join`, and `experimental.join`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use flux::ast::{LogicalOperator, Operator};

use super::super::error::{Code, FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::ir::Expr;
use super::super::runtime::Runtime;
use super::super::stream::Stream;
use super::super::table::{Column, GroupKey, Merger, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::Functions;
use super::rows::order_of;
use crate::limits;

/// Counts the rows that a join gives.
#[derive(Debug, Default)]
struct Counter(usize);

impl Counter {
    fn add(&mut self, runtime: &Runtime) -> Result<()> {
        runtime.step(1)?;
        self.0 += 1;
        if self.0 > limits::FLUX_JOIN_ROWS {
            let message = format!("the join gives more than {} rows, the limit for a join", limits::FLUX_JOIN_ROWS);
            return Err(FluxError::new(Code::ResourceExhausted, message));
        }
        Ok(())
    }
}

fn join(call: &mut Call<'_>) -> Result<Value> {
    let method: Text = call.or("method", Text::from("inner"))?;
    if &*method != "inner" {
        return Err(FluxError::invalid(format!("{method} is not a valid join type")));
    }
    let tables: Record = call.required("tables")?;
    let on: Vec<Text> = call.or("on", Vec::new())?;
    if on.is_empty() {
        return Err(FluxError::invalid("at least one column in 'on' column list is required"));
    }
    let mut names = Vec::new();
    let mut inputs = Vec::new();
    for (name, value) in tables.fields() {
        let Value::Stream(stream) = value else {
            return Err(FluxError::invalid(format!("tables.{name} should be a stream, but is a {}", value.kind())));
        };
        names.push(name);
        inputs.push(stream);
    }
    let [left, right] = names.as_slice() else {
        return Err(FluxError::invalid(format!("joins take two streams, but there are {}", names.len())));
    };
    let names = [Arc::clone(left), Arc::clone(right)];
    Ok(call.whole(inputs, move |runtime, inputs| {
        let mut inputs = inputs.into_iter();
        let (left, right) = (inputs.next().unwrap_or_default(), inputs.next().unwrap_or_default());
        equijoin(runtime, &on, &names, &left, &right)
    }))
}

/// Rows of tables by the values of some columns.
#[derive(Debug, Default)]
struct Index {
    /// The first and the last row with a key, by place in `rows`.
    ends: HashMap<Box<[u8]>, (usize, usize)>,
    /// The table and the row, and the next one with the same key.
    rows: Vec<(usize, usize, Option<usize>)>,
}

impl Index {
    fn add(&mut self, key: &[u8], table: usize, row: usize) {
        let place = self.rows.len();
        self.rows.push((table, row, None));
        match self.ends.get_mut(key) {
            Some((_, last)) => {
                if let Some(before) = self.rows.get_mut(*last) {
                    before.2 = Some(place);
                }
                *last = place;
            }
            None => {
                self.ends.insert(key.into(), (place, place));
            }
        }
    }

    /// The rows with a key, in the order in which they were added.
    fn rows(&self, key: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let mut next = self.ends.get(key).map(|(first, _)| *first);
        std::iter::from_fn(move || {
            let (table, row, behind) = *self.rows.get(next?)?;
            next = behind;
            Some((table, row))
        })
    }
}

/// The columns to join on; none if one is not there.
fn columns_of<'t>(table: &'t Table, on: &[Text]) -> Option<Vec<&'t Vector>> {
    on.iter().map(|label| table.column(label)).collect()
}

/// Makes the bytes of the values of a row; says whether there is one in each column.
fn write_key(columns: &[&Vector], row: usize, key: &mut Vec<u8>) -> bool {
    key.clear();
    columns.iter().all(|column| {
        column.write_key(row, key);
        !column.is_null(row)
    })
}

fn equijoin(runtime: &Runtime, on: &[Text], names: &[Text; 2], left: &[Table], right: &[Table]) -> Result<Vec<Table>> {
    let mut index = Index::default();
    let mut key = Vec::new();
    for (place, table) in right.iter().enumerate() {
        runtime.step(table.rows() as u64)?;
        let Some(columns) = columns_of(table, on) else { continue };
        for row in 0..table.rows() {
            if write_key(&columns, row, &mut key) {
                index.add(&key, place, row);
            }
        }
    }
    let mut counter = Counter::default();
    let mut merger = Merger::default();
    for table in left {
        let mut pairs: HashMap<usize, (Vec<usize>, Vec<usize>)> = HashMap::new();
        let Some(columns) = columns_of(table, on) else { continue };
        for row in sorted_rows(table, on) {
            if !write_key(&columns, row, &mut key) {
                continue;
            }
            for (place, other) in index.rows(&key) {
                counter.add(runtime)?;
                let (rows, others) = pairs.entry(place).or_default();
                rows.push(row);
                others.push(other);
            }
        }
        let mut places: Vec<usize> = pairs.keys().copied().collect();
        places.sort_unstable();
        for place in places {
            if let (Some(other), Some((rows, others))) = (right.get(place), pairs.remove(&place)) {
                merger.add(beside(on, names, &table.take(&rows), &other.take(&others)));
            }
        }
    }
    merger.finish()
}

fn sorted_rows(table: &Table, on: &[Text]) -> Vec<usize> {
    let vectors = on.iter().filter_map(|label| table.column(label));
    // What is the same in all rows orders nothing.
    let vectors: Vec<&Vector> = vectors.filter(|vector| !matches!(vector, Vector::Constant(..))).collect();
    if let [column] = vectors.as_slice()
        && let Some(rows) = order_of(column, false)
    {
        return rows;
    }
    let mut rows: Vec<usize> = (0..table.rows()).collect();
    rows.sort_by(|left, right| compare_rows(&vectors, *left, &vectors, *right));
    rows
}

fn compare_rows(left: &[&Vector], row: usize, right: &[&Vector], other: usize) -> Ordering {
    let orders = left.iter().zip(right).map(|(left, right)| left.value(row).total_order(&right.value(other)));
    orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

/// Two tables of the same length side by side. What both have and is not joined on gets the name of its stream.
fn beside(on: &[Text], names: &[Text; 2], left: &Table, right: &Table) -> Table {
    let collides = |label: &Text| !on.contains(label) && left.column(label).is_some() && right.column(label).is_some();
    let mut columns: Vec<Column> = Vec::new();
    let mut key: Vec<(Text, Value)> = Vec::new();
    for (table, name) in [left, right].into_iter().zip(names) {
        let relabel = |label: &Text| match collides(label) {
            true => Text::from(format!("{label}_{name}")),
            false => Arc::clone(label),
        };
        for column in table.columns() {
            let label = relabel(&column.label);
            if !columns.iter().any(|known| known.label == label) {
                columns.push(Column::new(label, column.data.clone()));
            }
        }
        key.extend(table.key().columns().iter().map(|(label, value)| (relabel(label), value.clone())));
    }
    left.with(GroupKey::new(key), columns)
}

/// What rows without a partner become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Method {
    keeps_left: bool,
    keeps_right: bool,
}

impl Method {
    fn of(name: &str) -> Result<Self> {
        let (keeps_left, keeps_right) = match name {
            "inner" => (false, false),
            "left" => (true, false),
            "right" => (false, true),
            "full" => (true, true),
            _ => {
                let message = format!("{name} is not a valid join method: use inner, left, right or full");
                return Err(FluxError::invalid(message));
            }
        };
        Ok(Self { keeps_left, keeps_right })
    }
}

/// The columns that the sides are joined on, pair by pair.
#[derive(Debug, Clone, Default)]
struct Pairs {
    left: Vec<Text>,
    right: Vec<Text>,
}

impl Pairs {
    /// Those of `(l, r) => l.a == r.b and …`.
    fn of(function: &Function) -> Result<Self> {
        let wrong = || {
            let message = "on must compare columns of l with columns of r, as in (l, r) => l.a == r.b and l.c == r.d";
            FluxError::invalid(message)
        };
        let Function::Closure(closure) = function else { return Err(wrong()) };
        let mut pairs = Self::default();
        pairs.collect(&closure.lambda.result).ok_or_else(wrong)?;
        Ok(pairs)
    }

    fn collect(&mut self, expression: &Expr) -> Option<()> {
        match expression {
            Expr::Logical(LogicalOperator::And, sides, _) => {
                self.collect(&sides.0)?;
                self.collect(&sides.1)
            }
            Expr::Binary(Operator::Equal, sides, _) => {
                let (first, second) = (column_of(&sides.0)?, column_of(&sides.1)?);
                let (left, right) = match (first.0, second.0) {
                    ("l", "r") => (first.1, second.1),
                    ("r", "l") => (second.1, first.1),
                    _ => return None,
                };
                self.left.push(left);
                self.right.push(right);
                Some(())
            }
            _ => None,
        }
    }
}

fn column_of(expression: &Expr) -> Option<(&str, Text)> {
    match expression {
        Expr::Member(object, label, _) => match &**object {
            Expr::Name(name, _) => Some((&**name, Arc::clone(label))),
            _ => None,
        },
        _ => None,
    }
}

fn join_tables(call: &mut Call<'_>) -> Result<Value> {
    let pairs = Pairs::of(&call.required("on")?)?;
    let method = Method::of(&call.required::<Text>("method")?)?;
    let function: Function = call.required("as")?;
    let inputs = vec![call.stream("left")?, call.stream("right")?];
    Ok(by_group(call, inputs, SideJoin { pairs, method, function, names: [Text::from("l"), Text::from("r")] }))
}

/// `experimental.join`: rows of the same group and time.
pub(super) fn join_on_time(call: &mut Call<'_>) -> Result<Value> {
    let time = vec![Text::from("_time")];
    let pairs = Pairs { left: time.clone(), right: time };
    let method = Method { keeps_left: false, keeps_right: false };
    let function: Function = call.required("fn")?;
    let inputs = vec![call.stream("left")?, call.stream("right")?];
    Ok(by_group(call, inputs, SideJoin { pairs, method, function, names: [Text::from("left"), Text::from("right")] }))
}

/// A join of tables with the same group key.
struct SideJoin {
    pairs: Pairs,
    method: Method,
    /// Makes the record of two rows.
    function: Function,
    /// The names of its parameters.
    names: [Text; 2],
}

fn by_group(call: &Call<'_>, inputs: Vec<Stream>, join: SideJoin) -> Value {
    call.whole(inputs, move |runtime, inputs| {
        let mut inputs = inputs.into_iter();
        let (left, right) = (inputs.next().unwrap_or_default(), inputs.next().unwrap_or_default());
        let (left_like, right_like) = (left.first().cloned(), right.first().cloned());
        let mut groups: HashMap<Vec<u8>, (GroupKey, Option<Table>, Option<Table>)> = HashMap::new();
        for table in left {
            let entry = groups.entry(table.key().bytes()).or_insert_with(|| (table.key().clone(), None, None));
            entry.1 = Some(table);
        }
        for table in right {
            let entry = groups.entry(table.key().bytes()).or_insert_with(|| (table.key().clone(), None, None));
            entry.2 = Some(table);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by(|one, other| one.0.order(&other.0));
        let mut counter = Counter::default();
        let mut joined = Vec::new();
        for (key, left, right) in groups {
            let left = left.unwrap_or_else(|| without_rows(&key, left_like.as_ref()));
            let right = right.unwrap_or_else(|| without_rows(&key, right_like.as_ref()));
            joined.extend(join.group(runtime, &mut counter, &key, &Arc::new(left), &Arc::new(right))?);
        }
        Ok(joined)
    })
}

/// A table of a key with the columns of another one, and no rows.
fn without_rows(key: &GroupKey, like: Option<&Table>) -> Table {
    let columns = like.map_or_else(Vec::new, |like| like.slice(0, 0).columns().to_vec());
    Table::new(key.clone(), columns)
}

/// One row of nulls, but for the group key.
fn null_row(key: &GroupKey, like: &Table) -> Arc<Table> {
    let mut columns: Vec<Column> = Vec::new();
    for column in like.columns() {
        let kind = column.data.column_type();
        let value = key.get(&column.label).cloned().unwrap_or_default();
        columns.push(Column::new(Arc::clone(&column.label), Vector::constant(kind, value, 1)));
    }
    for (label, value) in key.columns() {
        if !columns.iter().any(|column| column.label == *label)
            && let Some(kind) = ColumnType::of(value)
        {
            columns.push(Column::new(Arc::clone(label), Vector::constant(kind, value.clone(), 1)));
        }
    }
    Arc::new(Table::new(key.clone(), columns))
}

impl SideJoin {
    /// The rows of two tables whose columns agree, in the order of these columns.
    fn group(
        &self,
        runtime: &Arc<Runtime>,
        counter: &mut Counter,
        key: &GroupKey,
        left: &Arc<Table>,
        right: &Arc<Table>,
    ) -> Result<Option<Table>> {
        let (left_rows, right_rows) = (sorted_rows(left, &self.pairs.left), sorted_rows(right, &self.pairs.right));
        let mut output =
            Joined { join: self, function: RowFunction::new(runtime, &self.function), columns: Vec::new(), rows: 0 };
        let (no_left, no_right) = (null_row(key, left), null_row(key, right));
        let (mut at, mut other) = (0, 0);
        while at < left_rows.len() || other < right_rows.len() {
            let order = self.order(left, left_rows.get(at), right, right_rows.get(other));
            if order == Ordering::Equal {
                let same = |row: Option<&usize>| self.order(left, left_rows.get(at), right, row) == Ordering::Equal;
                let end = (other..right_rows.len()).find(|place| !same(right_rows.get(*place)));
                let row = left_rows.get(at).copied().unwrap_or_default();
                for place in other..end.unwrap_or(right_rows.len()) {
                    counter.add(runtime)?;
                    let pair = right_rows.get(place).copied().unwrap_or_default();
                    output.push((left, row), (right, pair))?;
                }
                at += 1;
                // The next left row may be the same again.
                let is_repeated = self.order(left, left_rows.get(at), right, right_rows.get(other)) == Ordering::Equal;
                if !is_repeated {
                    other = end.unwrap_or(right_rows.len());
                }
                continue;
            }
            if order == Ordering::Less {
                if self.method.keeps_left {
                    counter.add(runtime)?;
                    output.push((left, left_rows.get(at).copied().unwrap_or_default()), (&no_right, 0))?;
                }
                at += 1;
            } else {
                if self.method.keeps_right {
                    counter.add(runtime)?;
                    output.push((&no_left, 0), (right, right_rows.get(other).copied().unwrap_or_default()))?;
                }
                other += 1;
            }
        }
        let kind = |label: &str| self.declared_kind(label, [left, right]);
        output.finish(key, kind)
    }

    /// The type of a property, as far as the text of the function names a column for it.
    fn declared_kind(&self, label: &str, tables: [&Table; 2]) -> Option<ColumnType> {
        let Function::Closure(closure) = &self.function else { return None };
        let Expr::Record(record) = &closure.lambda.result else { return None };
        let with = match &record.with {
            Some(Expr::Name(name, _)) => Some((&**name, Text::from(label))),
            _ => None,
        };
        let field = record.fields.iter().find(|(name, _)| **name == *label);
        let (side, column) = field.map_or(with, |(_, value)| column_of(value))?;
        let place = self.names.iter().position(|name| **name == *side)?;
        tables.get(place)?.column(&column).map(Vector::column_type)
    }

    /// Which row comes first. Rows with a null come before all others, and agree with none.
    fn order(&self, left: &Table, row: Option<&usize>, right: &Table, other: Option<&usize>) -> Ordering {
        let (row, other) = match (row, other) {
            (Some(row), Some(other)) => (*row, *other),
            (Some(_), None) => return Ordering::Less,
            (None, _) => return Ordering::Greater,
        };
        for (label, other_label) in self.pairs.left.iter().zip(&self.pairs.right) {
            let value = left.column(label).map_or(Value::Null, |vector| vector.value(row));
            let partner = right.column(other_label).map_or(Value::Null, |vector| vector.value(other));
            let order = match (value.is_null(), partner.is_null()) {
                (true, _) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => value.total_order(&partner),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// The records of a join as columns.
struct Joined<'a> {
    join: &'a SideJoin,
    function: RowFunction,
    columns: Vec<(Text, Vec<Value>)>,
    rows: usize,
}

impl Joined<'_> {
    fn push(&mut self, left: (&Arc<Table>, usize), right: (&Arc<Table>, usize)) -> Result<()> {
        let [left_name, right_name] = &self.join.names;
        let arguments = vec![
            (Arc::clone(left_name), Value::Record(Record::Row(Arc::clone(left.0), left.1))),
            (Arc::clone(right_name), Value::Record(Record::Row(Arc::clone(right.0), right.1))),
        ];
        let value = self.function.call(arguments)?;
        let Value::Record(record) = value else {
            return Err(FluxError::invalid(format!(
                "the function of a join should give a record, not a {}",
                value.kind()
            )));
        };
        for (label, value) in record.fields() {
            let known = self.columns.iter().position(|(known, _)| *known == label);
            let place = known.unwrap_or_else(|| {
                self.columns.push((label, Vec::new()));
                self.columns.len() - 1
            });
            if let Some((_, values)) = self.columns.get_mut(place) {
                values.resize(self.rows, Value::Null);
                values.push(value);
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows as a table; `kind` gives the type of a column without any value.
    fn finish(mut self, key: &GroupKey, kind: impl Fn(&str) -> Option<ColumnType>) -> Result<Option<Table>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.columns.sort_by(|left, right| left.0.cmp(&right.0));
        let mut columns = Vec::with_capacity(self.columns.len());
        for (label, mut values) in self.columns {
            values.resize(self.rows, Value::Null);
            if let Some(other) = values.iter().find(|value| !value.is_null() && ColumnType::of(value).is_none()) {
                let kind = other.kind();
                let message =
                    format!("join object property \"{label}\" is {kind} type which is not supported in a flux table");
                return Err(FluxError::invalid(message));
            }
            let known = values.iter().find_map(ColumnType::of).or_else(|| kind(&label));
            let kind = known.unwrap_or(ColumnType::String);
            let mut builder = VectorBuilder::with_capacity(kind, values.len());
            values.iter().try_for_each(|value| builder.push(value))?;
            columns.push(Column::new(label, builder.finish()));
        }
        let table = Table::new(key.clone(), columns);
        for (label, value) in key.columns() {
            let is_kept = table.column(label).is_some_and(|vector| vector.values().all(|kept| kept.equals(value)));
            if !is_kept {
                let message = format!(
                    "join cannot modify group key: output record has a missing or invalid value for column \"{label}\""
                );
                return Err(FluxError::invalid(message));
            }
        }
        Ok(Some(table))
    }
}

/// The function of the universe.
pub(super) const UNIVERSE: Functions = &[("join", join)];

/// The functions of package `join`.
pub(super) const FUNCTIONS: Functions = &[("tables", join_tables)];
