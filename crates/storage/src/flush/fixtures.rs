//! For tests of `flush` and `scan`: points, an obvious model of a table, random tables, and rows read back as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use catalog::{BucketId, OrganisationId};
use line_protocol::FieldKind;

use crate::buffered::{BufferedRows, Chunk, ChunkColumn, SeriesTable};
use crate::delete::{DeleteFilter, DeleteSubject, DeleteTerm};
use crate::flush::WrittenFile;
use crate::ids::{ColumnId, FileId, Sequence, TableId};
use crate::lake::NewDataFile;
use crate::rows::SeriesKeys;
use crate::table::{BucketInfo, Column, ColumnKind, DataFile, TableSchema};

/// A value of a column; floats by their bits, so that all compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Float(u64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(String),
    Time(i64),
}

/// A point as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) tags: BTreeMap<ColumnId, String>,
    pub(crate) time: i64,
    pub(crate) fields: BTreeMap<ColumnId, Value>,
}

/// A table as a map: what every scan must agree with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) points: BTreeMap<(BTreeMap<ColumnId, String>, i64), BTreeMap<ColumnId, Value>>,
}

impl Model {
    pub(crate) fn write(&mut self, points: &[Point]) {
        for point in points {
            let fields = self.points.entry((point.tags.clone(), point.time)).or_default();
            fields.extend(point.fields.clone());
        }
    }

    /// Takes out what the filter means, all terms held against each value.
    pub(crate) fn delete(&mut self, schema: &TableSchema, filter: &DeleteFilter) {
        let tag_of = |tags: &BTreeMap<ColumnId, String>, name: &str| {
            let id = schema.tags().find(|tag| tag.name == name).map(|tag| tag.id);
            id.and_then(|id| tags.get(&id)).cloned().unwrap_or_default()
        };
        for ((tags, time), fields) in &mut self.points {
            let is_meant = |field: &ColumnId| {
                (filter.time_range.0..=filter.time_range.1).contains(time)
                    && filter.terms.iter().all(|term| {
                        let text = match &term.subject {
                            DeleteSubject::Measurement => schema.measurement.clone(),
                            DeleteSubject::Field => schema.column(*field).unwrap().name.clone(),
                            DeleteSubject::Tag(name) => tag_of(tags, name),
                        };
                        (text == term.value) == term.is_equal
                    })
            };
            fields.retain(|field, _| !is_meant(field));
        }
        self.points.retain(|_, fields| !fields.is_empty());
    }

    /// All rows as values of `columns`, in the order of files.
    pub(crate) fn rows(&self, schema: &TableSchema, columns: &[ColumnId]) -> Vec<Vec<Option<Value>>> {
        let order = schema.sort_tags();
        let mut points: Vec<_> = self.points.iter().collect();
        points.sort_by_key(|((tags, time), _)| {
            (order.iter().map(|tag| tags.get(tag).cloned()).collect::<Vec<Option<String>>>(), *time)
        });
        let cell = |tags: &BTreeMap<ColumnId, String>, time, fields: &BTreeMap<ColumnId, Value>, id: &ColumnId| {
            if *id == ColumnId::TIME {
                return Some(Value::Time(time));
            }
            tags.get(id).map(|tag| Value::Text(tag.clone())).or_else(|| fields.get(id).cloned())
        };
        let row = |((tags, time), fields): (&(BTreeMap<ColumnId, String>, i64), _)| {
            columns.iter().map(|id| cell(tags, *time, fields, id)).collect()
        };
        points.into_iter().map(row).collect()
    }
}

/// The value in a row of a column.
pub(crate) fn cell(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Timestamp(..) => Value::Time(array.as_primitive::<TimestampNanosecondType>().value(row)),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Value::Unsigned(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Dictionary(..) => {
            let tags = array.as_dictionary::<Int32Type>();
            Value::Text(tags.values().as_string::<i32>().value(tags.keys().value(row) as usize).to_owned())
        }
        other => panic!("no column is of type {other}"),
    })
}

/// Rows of columns as values.
pub(crate) fn values(columns: &[ArrayRef], row_count: usize) -> Vec<Vec<Option<Value>>> {
    (0..row_count).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect()
}

pub(crate) fn schema(columns: &[(i64, &str, ColumnKind)]) -> TableSchema {
    let column = |(id, name, kind): &(i64, &str, ColumnKind)| Column {
        id: ColumnId(*id),
        name: (*name).to_owned(),
        kind: *kind,
        physical_name: format!("{name}_{id}"),
    };
    TableSchema {
        table: TableId(7),
        bucket: BucketId::from_u64(1).unwrap(),
        measurement: "m".to_owned(),
        columns: columns.iter().map(column).collect(),
        tag_order: Vec::new(),
    }
}

pub(crate) fn bucket() -> BucketInfo {
    BucketInfo {
        organisation: OrganisationId::from_u64(2).unwrap(),
        organisation_name: "o\u{0}".to_owned(),
        bucket: BucketId::from_u64(1).unwrap(),
        name: "b".to_owned(),
    }
}

/// The points as a buffer holds them: in chunks of that many rows, each with the fields that occur in it.
pub(crate) fn buffered(schema: &TableSchema, points: &[Point], chunk_rows: usize, sequence: u64) -> BufferedRows {
    let mut ids: BTreeMap<BTreeMap<ColumnId, String>, u32> = BTreeMap::new();
    let mut keys = SeriesKeys::default();
    let mut chunks = Vec::new();
    for rows in points.chunks(chunk_rows) {
        let row_series = rows
            .iter()
            .map(|point| {
                let push = || keys.push(point.tags.iter().map(|(id, value)| (*id, value.as_str())));
                *ids.entry(point.tags.clone()).or_insert_with(push)
            })
            .collect();
        let columns = schema.fields().filter(|field| rows.iter().any(|point| point.fields.contains_key(&field.id)));
        let columns = columns.map(|field| {
            let ColumnKind::Field(kind) = field.kind else { unreachable!("a field") };
            // Some are as a sparse column is, whatever the number of values.
            let is_packed = field.id.0 % 2 == 1;
            let given = rows.iter().enumerate().filter(|(_, point)| point.fields.contains_key(&field.id));
            let numbers: Arc<[u32]> = given.map(|(row, _)| row as u32).collect();
            let cells = rows.iter().map(|point| point.fields.get(&field.id));
            let array = array(kind, cells.filter(|cell| cell.is_some() || !is_packed));
            ChunkColumn { column: field.id, kind, array, rows: is_packed.then_some(numbers) }
        });
        chunks.push(Arc::new(Chunk {
            row_series,
            times: rows.iter().map(|point| point.time).collect(),
            columns: columns.collect(),
            sequences: vec![(0, Sequence(sequence))],
        }));
    }
    let times = points.iter().map(|point| point.time);
    BufferedRows {
        series: SeriesTable::new([Arc::new(keys)]),
        chunks,
        sequences: (Sequence(sequence), Sequence(sequence)),
        deletes_applied: Sequence::ZERO,
        time_range: (times.clone().min().unwrap_or(0), times.max().unwrap_or(0)),
        row_count: points.len(),
    }
}

fn array<'a>(kind: FieldKind, cells: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $variant:pat => $value:expr) => {
            Arc::new(
                cells
                    .map(|cell| match cell {
                        Some($variant) => Some($value),
                        None => None,
                        Some(other) => panic!("{other:?} is not a {kind:?}"),
                    })
                    .collect::<$array>(),
            )
        };
    }
    match kind {
        FieldKind::Float => collect!(Float64Array, Value::Float(bits) => f64::from_bits(*bits)),
        FieldKind::Integer => collect!(Int64Array, Value::Integer(value) => *value),
        FieldKind::Unsigned => collect!(UInt64Array, Value::Unsigned(value) => *value),
        FieldKind::Boolean => collect!(BooleanArray, Value::Boolean(value) => *value),
        FieldKind::String => collect!(StringArray, Value::Text(value) => value.as_str()),
    }
}

/// A written file as the catalog would name it.
pub(crate) fn data_file(schema: &TableSchema, file: &WrittenFile, id: i64) -> DataFile {
    NewDataFile::of(schema.table, file).named(FileId(id))
}

/// SplitMix64: a case is its seed.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn value(&mut self, kind: FieldKind) -> Value {
        match kind {
            FieldKind::Float => Value::Float((self.below(50) as f64 / 4.0).to_bits()),
            FieldKind::Integer => Value::Integer(self.below(1000) as i64 - 500),
            FieldKind::Unsigned => Value::Unsigned(u64::MAX - self.below(1000)),
            FieldKind::Boolean => Value::Boolean(self.chance(50)),
            FieldKind::String => Value::Text("x".repeat(self.below(5) as usize)),
        }
    }

    /// A delete of some of the values of [`Random::point`].
    pub(crate) fn delete_filter(&mut self, schema: &TableSchema, times: (i64, i64)) -> DeleteFilter {
        const VALUES: [&str; 6] = ["", "a", "aa", "b", "ü", "other"];
        let columns: Vec<(String, ColumnKind)> =
            schema.columns.iter().map(|column| (column.name.clone(), column.kind)).collect();
        let mut terms = Vec::new();
        for _ in 0..self.below(4) {
            let (name, kind) = columns[self.below(columns.len() as u64) as usize].clone();
            let value = VALUES[self.below(6) as usize].to_owned();
            let (subject, value) = match (self.below(10), kind) {
                (0, _) => (DeleteSubject::Measurement, schema.measurement.clone()),
                (1, _) => (DeleteSubject::Tag("no such tag".to_owned()), value),
                (2, _) => (DeleteSubject::Field, "no such field".to_owned()),
                (_, ColumnKind::Tag) => (DeleteSubject::Tag(name), value),
                (_, ColumnKind::Field(_)) => (DeleteSubject::Field, name),
            };
            terms.push(DeleteTerm { subject, is_equal: self.chance(60), value });
        }
        let first = times.0 + self.below((times.1 - times.0 + 1) as u64) as i64;
        let last = first + self.below(40) as i64;
        let time_range = if self.chance(15) { (i64::MIN, i64::MAX) } else { (first, last) };
        DeleteFilter { time_range, terms }
    }

    /// A point of few possible series, with a time in `times` and at least one field.
    pub(crate) fn point(&mut self, schema: &TableSchema, times: (i64, i64)) -> Point {
        const TAG_VALUES: [&str; 5] = ["", "a", "aa", "b", "ü"];
        let tags: Vec<ColumnId> = schema.tags().map(|tag| tag.id).collect();
        let tags = tags.into_iter().filter_map(|id| {
            let value = TAG_VALUES[self.below(5) as usize];
            (!value.is_empty() && self.chance(80)).then(|| (id, value.to_owned()))
        });
        let tags = tags.collect();
        let time = times.0 + self.below((times.1 - times.0 + 1) as u64) as i64;
        let fields: Vec<(ColumnId, FieldKind)> = schema
            .fields()
            .filter_map(|field| match field.kind {
                ColumnKind::Field(kind) => Some((field.id, kind)),
                ColumnKind::Tag => None,
            })
            .collect();
        let always = fields[self.below(fields.len() as u64) as usize].0;
        let mut given = Vec::new();
        for (id, kind) in fields {
            if id == always || self.chance(60) {
                given.push((id, self.value(kind)));
            }
        }
        Point { tags, time, fields: given.into_iter().collect() }
    }
}

/// Columns of every kind: two tags and the five types of fields.
pub(crate) fn every_kind() -> TableSchema {
    schema(&[
        (2, "host", ColumnKind::Tag),
        (3, "f", ColumnKind::Field(FieldKind::Float)),
        (4, "i", ColumnKind::Field(FieldKind::Integer)),
        (5, "region", ColumnKind::Tag),
        (6, "u", ColumnKind::Field(FieldKind::Unsigned)),
        (7, "b", ColumnKind::Field(FieldKind::Boolean)),
        (8, "s", ColumnKind::Field(FieldKind::String)),
    ])
}
