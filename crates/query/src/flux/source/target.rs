//! What a chain `from |> range |> filter…` wants of one measurement: decided by the catalog, before any data is read.

use std::sync::Arc;

use storage::{ColumnKind, FieldKind, TableSnapshot, TagFilter};

use super::super::stream::Bounds;
use super::super::table::GroupKey;
use super::super::value::{Text, Value};
use super::super::vector::ColumnType;
use super::predicate::Predicate;

/// A field that is read.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Text,
    /// In the schema of queries.
    pub(crate) index: usize,
    pub(crate) kind: ColumnType,
    /// What is left of the condition when measurement and field are known: tags and the value.
    pub(crate) predicate: Predicate,
}

/// A measurement that is read.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) table: Arc<TableSnapshot>,
    pub(crate) measurement: Text,
    /// All tags by name, with their indices in the schema of queries.
    pub(crate) tags: Vec<(Text, usize)>,
    /// The wanted fields by name.
    pub(crate) fields: Vec<Field>,
    /// What narrows the scan: tags that are the same condition for all fields.
    pub(crate) filters: Vec<TagFilter>,
}

impl Target {
    /// What there is to read of a measurement; none if nothing is.
    pub(crate) fn new(table: &Arc<TableSnapshot>, predicate: Option<&Predicate>) -> Option<Self> {
        let schema = table.table_schema();
        let measurement: Text = Arc::from(schema.measurement.as_str());
        let sorted = |mut columns: Vec<&storage::Column>| {
            columns.sort_unstable_by(|left, right| left.name.cmp(&right.name).then(left.id.cmp(&right.id)));
            columns.into_iter().map(|column| (Arc::from(column.name.as_str()), column.kind)).collect::<Vec<_>>()
        };
        // The order of `TableSnapshot::schema`: the time, the tags by name, the fields by name.
        let tags: Vec<(Text, usize)> =
            sorted(schema.tags().collect()).into_iter().map(|(name, _)| name).zip(1..).collect();
        let named = sorted(schema.fields().collect()).into_iter().zip(1 + tags.len()..);
        let field = |((name, kind), index): ((Text, ColumnKind), usize)| {
            let known = [("_measurement", &measurement), ("_field", &name)];
            let predicate = predicate.map_or(Predicate::Constant(true), |predicate| predicate.reduce_some(&known));
            let is_wanted = !matches!(predicate, Predicate::Constant(false));
            is_wanted.then_some(Field { name, index, kind: column_type(kind), predicate })
        };
        let fields: Vec<Field> = named.filter_map(field).collect();
        let filters = tag_filters(&tags, &fields)?;
        Some(Self { table: Arc::clone(table), measurement, tags, fields, filters })
    }

    /// Whether a tag has the name of a column that every table has.
    pub(crate) fn has_reserved_tag(&self) -> bool {
        let is_reserved =
            |name: &str| matches!(name, "_start" | "_stop" | "_time" | "_value" | "_field" | "_measurement");
        self.tags.iter().any(|(name, _)| is_reserved(name))
    }
}

/// The key of the tables of a measurement, but for the tags.
#[derive(Debug)]
pub(crate) struct KeyTemplate {
    /// The labels by name; the place of a tag where it comes from one.
    columns: Vec<(Text, Value, Option<usize>)>,
}

impl KeyTemplate {
    /// That of a field, or of all fields together.
    pub(crate) fn new(bounds: Bounds, target: &Target, field: Option<&Field>) -> Self {
        let mut columns = vec![
            (Text::from("_start"), Value::Time(bounds.0), None),
            (Text::from("_stop"), Value::Time(bounds.1), None),
            (Text::from("_measurement"), Value::String(Arc::clone(&target.measurement)), None),
        ];
        columns.extend(field.map(|field| (Text::from("_field"), Value::String(Arc::clone(&field.name)), None)));
        let tags = target.tags.iter().enumerate();
        columns.extend(tags.map(|(place, (name, _))| (Arc::clone(name), Value::Null, Some(place))));
        columns.sort_by(|left, right| left.0.cmp(&right.0));
        Self { columns }
    }

    /// The key for a series.
    pub(crate) fn of(&self, tags: &[Option<Text>]) -> GroupKey {
        let column = |(label, value, place): &(Text, Value, Option<usize>)| {
            let value = match place {
                Some(place) => Value::String(tags.get(*place).cloned().flatten()?),
                None => value.clone(),
            };
            Some((Arc::clone(label), value))
        };
        GroupKey::new(self.columns.iter().filter_map(column).collect())
    }
}

/// Tags whose condition is the same for all fields; none if no series can fulfil it.
fn tag_filters(tags: &[(Text, usize)], fields: &[Field]) -> Option<Vec<TagFilter>> {
    let same = |(tag, values): (Text, Vec<String>)| {
        let column = tags.iter().find(|(name, _)| *name == tag).map(|(_, index)| *index);
        let in_all = fields
            .iter()
            .all(|field| field.predicate.tag_values().iter().any(|(other, known)| *other == tag && *known == values));
        in_all.then_some((column, values))
    };
    let mut filters = Vec::new();
    for (column, values) in fields.first()?.predicate.tag_values().into_iter().filter_map(same) {
        match column {
            Some(column) => filters.push(TagFilter { column, values }),
            None if values.iter().any(String::is_empty) => {}
            // No series of the measurement has the tag.
            None => return None,
        }
    }
    Some(filters)
}

fn column_type(kind: ColumnKind) -> ColumnType {
    match kind {
        ColumnKind::Tag | ColumnKind::Field(FieldKind::String) => ColumnType::String,
        ColumnKind::Field(FieldKind::Float) => ColumnType::Float,
        ColumnKind::Field(FieldKind::Integer) => ColumnType::Int,
        ColumnKind::Field(FieldKind::Unsigned) => ColumnType::UInt,
        ColumnKind::Field(FieldKind::Boolean) => ColumnType::Bool,
    }
}
