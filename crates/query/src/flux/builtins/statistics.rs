//! `quantile`, `stddev`, `spread`, `skew`, `mode`, `covariance` and histograms over tables.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::library::digest::Digest;
use super::super::library::histogram::{self, NonMonotonic};
use super::super::library::statistics;
use super::super::table::{Column, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use super::read_columns::{existing, float_row, floats, numbers, values};
use super::{unsupported_aggregate, value_column};

/// The column that most functions take.
pub(super) const VALUE: &str = "_value";

/// The argument `column`.
pub(super) fn column(call: &Call<'_>) -> Result<Text> {
    call.or("column", Arc::from(VALUE))
}

/// An aggregate of numbers that gives a float.
fn float_aggregate(
    call: &Call<'_>,
    function: impl Fn(&mut dyn Iterator<Item = f64>) -> Option<f64> + Send + Sync + 'static,
) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let numbers = numbers(value_column(&table, &label)?)?;
        Ok(Some(float_row(&table, &label, function(&mut numbers.into_iter().flatten()))))
    }))
}

fn stddev(call: &mut Call<'_>) -> Result<Value> {
    let mode: Text = call.or("mode", Arc::from("sample"))?;
    let is_sample = match &*mode {
        "sample" => true,
        "population" => false,
        _ => {
            let message = format!("\"{mode}\" is not a valid standard deviation mode: use sample or population");
            return Err(FluxError::invalid(message));
        }
    };
    float_aggregate(call, move |values| statistics::standard_deviation(values, is_sample))
}

fn quantile(call: &mut Call<'_>) -> Result<Value> {
    let q: f64 = call.required("q")?;
    if !(0.0..=1.0).contains(&q) {
        return Err(FluxError::invalid("quantile must be between 0 and 1"));
    }
    let compression: f64 = call.or("compression", 0.0)?;
    let method: Text = call.or("method", Arc::from("estimate_tdigest"))?;
    if compression != 0.0 && &*method != "estimate_tdigest" {
        let message = "compression parameter is only valid for method estimate_tdigest";
        return Err(FluxError::invalid(message));
    }
    match &*method {
        "estimate_tdigest" if compression == 0.0 => estimate(call, q, 1000.0),
        "estimate_tdigest" if (1.0..=COMPRESSION_MAX).contains(&compression) => estimate(call, q, compression),
        "estimate_tdigest" => {
            let message = format!("compression must be between 1 and {COMPRESSION_MAX}, but is {compression}");
            Err(FluxError::invalid(message))
        }
        "exact_mean" => {
            let label = column(call)?;
            let input = call.stream("tables")?;
            Ok(call.per_table(input, move |_, table| {
                let vector = value_column(&table, &label)?;
                if vector.column_type() != ColumnType::Float {
                    return Err(unsupported_aggregate(vector));
                }
                let values = numbers(vector)?.into_iter().flatten().collect();
                Ok(Some(float_row(&table, &label, statistics::exact_mean_quantile(values, q))))
            }))
        }
        "exact_selector" => select(call, q),
        _ => Err(FluxError::invalid(format!("unknown quantile method {method}"))),
    }
}

/// More means than this are no better than all values.
const COMPRESSION_MAX: f64 = 1_000_000.0;

fn estimate(call: &Call<'_>, q: f64, compression: f64) -> Result<Value> {
    float_aggregate(call, move |values| {
        let mut digest = Digest::new(compression);
        values.for_each(|value| digest.add(value));
        digest.quantile(q)
    })
}

/// The row with the quantile; a row without values where there is none.
fn select(call: &Call<'_>, q: f64) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let vector = existing(&table, &label)?;
        let mut rows: Vec<usize> = (0..table.rows()).filter(|row| !vector.is_null(*row)).collect();
        rows.sort_by(|left, right| vector.value(*left).total_order(&vector.value(*right)));
        match statistics::exact_selector_place(rows.len(), q).and_then(|place| rows.get(place)) {
            Some(row) => Ok(Some(table.take(&[*row]))),
            None if table.rows() == 0 => Ok(Some(table)),
            None => Ok(Some(empty_row(&table))),
        }
    }))
}

/// One row with nothing but the key.
pub(super) fn empty_row(table: &Table) -> Table {
    let column = |column: &Column| {
        let data = match table.key().contains(&column.label) {
            true => table.key_vector(&column.label, 1),
            false => Vector::nulls(column.data.column_type(), 1),
        };
        Column::new(Arc::clone(&column.label), data)
    };
    Table::new(table.key().clone(), table.columns().iter().map(column).collect())
}

/// The difference of the largest and the smallest value, of the column's type.
fn spread(call: &mut Call<'_>) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let vector = value_column(&table, &label)?;
        let kind = vector.column_type();
        if !kind.is_numeric() {
            return Err(unsupported_aggregate(vector));
        }
        let all = || vector.values().filter(|value| !value.is_null());
        let least = all().min_by(Value::total_order).unwrap_or_default();
        let most = all().max_by(Value::total_order).unwrap_or_default();
        let value = match (most, least) {
            (Value::Int(most), Value::Int(least)) => Value::Int(most.wrapping_sub(least)),
            (Value::UInt(most), Value::UInt(least)) => Value::UInt(most.wrapping_sub(least)),
            (Value::Float(most), Value::Float(least)) => Value::Float(most - least),
            _ => Value::Null,
        };
        Ok(Some(table.of_key(1, vec![values(&label, &[value], kind)?])))
    }))
}

/// A value that can be counted.
#[derive(Debug, Clone)]
struct Counted(Value);

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Counted {}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_order(&other.0)
    }
}

fn mode(call: &mut Call<'_>) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let Some(vector) = table.column(&label) else {
            return Ok(Some(table.of_key(1, vec![super::read_columns::texts(VALUE, [""])])));
        };
        let kind = vector.column_type();
        if let Some(value) = table.key().get(&label) {
            return Ok(Some(table.of_key(1, vec![values(VALUE, std::slice::from_ref(value), kind)?])));
        }
        let modes = statistics::mode(vector.values().filter(|value| !value.is_null()).map(Counted));
        let modes: Vec<Value> = modes.into_iter().map(|counted| counted.0).collect();
        let modes = if modes.is_empty() { vec![Value::Null] } else { modes };
        Ok(Some(table.of_key(modes.len(), vec![values(VALUE, &modes, kind)?])))
    }))
}

fn covariance(call: &mut Call<'_>) -> Result<Value> {
    let columns: Vec<Text> = call.required("columns")?;
    let [left, right] = columns.as_slice() else {
        return Err(FluxError::invalid("must provide exactly two columns"));
    };
    let (left, right) = (Arc::clone(left), Arc::clone(right));
    let is_correlation = call.or("pearsonr", false)?;
    let to: Text = call.or("valueDst", Arc::from(VALUE))?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let side = |label: &str| {
            let missing = || FluxError::invalid(format!("specified column does not exist in table: {label}"));
            numbers(table.column(label).ok_or_else(missing)?)
        };
        let pairs = side(&left)?.into_iter().zip(side(&right)?).filter_map(|(x, y)| x.zip(y));
        Ok(Some(float_row(&table, &to, Some(statistics::covariance(pairs, is_correlation)))))
    }))
}

fn make_histogram(call: &mut Call<'_>) -> Result<Value> {
    let label = column(call)?;
    let bound_label: Text = call.or("upperBoundColumn", Arc::from("le"))?;
    let count_label: Text = call.or("countColumn", Arc::from(VALUE))?;
    let mut bins: Vec<f64> = call.required("bins")?;
    bins.sort_by(f64::total_cmp);
    let normalize = call.or("normalize", false)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let missing = || FluxError::invalid(format!("column \"{label}\" is missing"));
        let vector = table.column(&label).ok_or_else(missing)?;
        if vector.column_type() != ColumnType::Float {
            let kind = vector.column_type().name();
            return Err(FluxError::invalid(format!("column \"{label}\" must be a float got {kind}")));
        }
        let counted = histogram::histogram(numbers(vector)?.into_iter().flatten(), &bins, normalize);
        let counts = counted.map_err(FluxError::invalid)?.into_iter().map(Some).collect();
        let bounds = floats(&bound_label, bins.iter().copied().map(Some).collect());
        Ok(Some(table.of_key(bins.len(), vec![bounds, floats(&count_label, counts)])))
    }))
}

/// The columns of a histogram.
struct HistogramColumns {
    count: Text,
    bound: Text,
    value: Text,
}

fn histogram_quantile(call: &mut Call<'_>) -> Result<Value> {
    let q: f64 = call.required("quantile")?;
    let minimum = call.or("minValue", 0.0)?;
    let columns = HistogramColumns {
        count: call.or("countColumn", Arc::from(VALUE))?,
        bound: call.or("upperBoundColumn", Arc::from("le"))?,
        value: call.or("valueColumn", Arc::from(VALUE))?,
    };
    let falling: Text = call.or("onNonmonotonic", Arc::from("error"))?;
    let falling = match &*falling {
        "error" => NonMonotonic::Error,
        "drop" => NonMonotonic::Drop,
        "force" => NonMonotonic::Force,
        _ => {
            let message = format!("onNonmonotonic must be \"error\", \"drop\" or \"force\", but is \"{falling}\"");
            return Err(FluxError::invalid(message));
        }
    };
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let vector = |label: &str, what: &str| {
            let missing = || FluxError::invalid(format!("table is missing {what} column \"{label}\""));
            let vector = table.column(label).ok_or_else(missing)?;
            if vector.column_type() != ColumnType::Float {
                return Err(FluxError::invalid(format!("{what} column \"{label}\" must be of type float")));
            }
            Ok(vector)
        };
        let (counts, bounds) = (vector(&columns.count, "count")?, vector(&columns.bound, "upper bound")?);
        let read = |vector: &Vector, label: &str, what: &str| -> Result<Vec<f64>> {
            let null = || FluxError::invalid(format!("unexpected null in the {what} column \"{label}\""));
            (0..vector.len()).map(|row| vector.number(row).ok_or_else(null)).collect()
        };
        let counts = read(counts, &columns.count, "count")?;
        let bounds = read(bounds, &columns.bound, "upper bound")?;
        let bins = bounds.into_iter().zip(counts).collect();
        let value = histogram::quantile(bins, q, minimum, falling).map_err(FluxError::invalid)?;
        Ok(value.map(|value| float_row(&table, &columns.value, Some(value))))
    }))
}

fn bins(bins: std::result::Result<Vec<f64>, String>) -> Result<Value> {
    let bins = bins.map_err(FluxError::invalid)?;
    Ok(Value::Array(Arc::new(bins.into_iter().map(Value::Float).collect())))
}

/// The first row with each value.
fn unique(call: &mut Call<'_>) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let vector = existing(&table, &label)?;
        let mut seen = std::collections::HashSet::new();
        let mut is_first = |row: &usize| {
            let mut key = Vec::new();
            vector.value(*row).write_key(&mut key);
            seen.insert(key)
        };
        let rows: Vec<usize> = (0..table.rows()).filter(|row| is_first(row)).collect();
        Ok(Some(table.take(&rows)))
    }))
}

/// The functions of the universe that describe columns.
pub(super) const STATISTICS: Functions = &[
    ("quantile", quantile),
    ("stddev", stddev),
    ("spread", spread),
    ("skew", |call| float_aggregate(call, |values| statistics::skew(values))),
    ("mode", mode),
    ("unique", unique),
    ("covariance", covariance),
    ("histogram", make_histogram),
    ("histogramQuantile", histogram_quantile),
    ("linearBins", |call| {
        let infinity = call.or("infinity", true)?;
        bins(histogram::linear_bins(
            call.required("start")?,
            call.required("width")?,
            call.required("count")?,
            infinity,
        ))
    }),
    ("logarithmicBins", |call| {
        let infinity = call.or("infinity", true)?;
        let (start, factor) = (call.required("start")?, call.required("factor")?);
        bins(histogram::logarithmic_bins(start, factor, call.required("count")?, infinity))
    }),
];
