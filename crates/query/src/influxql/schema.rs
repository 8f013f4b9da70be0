//! What the sources of a statement hold: fields with their types, and tags.

use std::collections::{BTreeMap, BTreeSet};

use influxql::ast::{DataType, Reference};
use storage::table::ColumnKind;
use storage::{TableSchema, TableSnapshot};

use super::value::Kind;

/// The fields and tags of all sources together.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceSchema {
    pub(super) fields: BTreeMap<String, Kind>,
    pub(super) tags: BTreeSet<String>,
    /// Tags that a subquery shows and does not group by. They are columns, and `GROUP BY *` does not mean them.
    pub(super) tag_columns: BTreeSet<String>,
}

impl SourceSchema {
    /// Adds a measurement.
    pub(super) fn add_table(&mut self, table: &TableSchema) {
        for column in &table.columns {
            match column.kind {
                ColumnKind::Tag => {
                    self.tags.insert(column.name.clone());
                }
                ColumnKind::Field(_) => self.add_field(&column.name, kind_of(column.kind)),
            }
        }
    }

    /// Adds a field. Where sources do not agree on its type, the first in the order of types wins.
    pub(super) fn add_field(&mut self, name: &str, kind: Kind) {
        self.fields.entry(name.to_owned()).and_modify(|known| *known = (*known).min(kind)).or_insert(kind);
    }

    /// What a name is taken for; none is what nobody knows.
    pub(super) fn kind(&self, reference: &Reference) -> Option<Kind> {
        let field = self.fields.get(&reference.name).copied();
        let is_tag = self.tags.contains(&reference.name) || self.tag_columns.contains(&reference.name);
        let tag = is_tag.then_some(Kind::Tag);
        match reference.data_type {
            None => field.or(tag),
            Some(DataType::Tag) => tag,
            Some(DataType::Field) => field,
            // Numbers are cast; what is no number must be of the type already.
            Some(wanted) => {
                let wanted = match wanted {
                    DataType::Float => Kind::Float,
                    DataType::Integer => Kind::Integer,
                    DataType::Unsigned => Kind::Unsigned,
                    DataType::String => Kind::String,
                    _ => Kind::Boolean,
                };
                field.filter(|field| *field == wanted || (field.is_number() && wanted.is_number())).map(|_| wanted)
            }
        }
    }
}

/// The kind of a column.
pub(super) fn kind_of(kind: ColumnKind) -> Kind {
    use storage::FieldKind;
    match kind {
        ColumnKind::Tag => Kind::Tag,
        ColumnKind::Field(FieldKind::Float) => Kind::Float,
        ColumnKind::Field(FieldKind::Integer) => Kind::Integer,
        ColumnKind::Field(FieldKind::Unsigned) => Kind::Unsigned,
        ColumnKind::Field(FieldKind::Boolean) => Kind::Boolean,
        ColumnKind::Field(FieldKind::String) => Kind::String,
    }
}

/// The columns of [`TableSnapshot::schema`] by their names in line protocol. They are the time, the tags by name, the
/// fields by name.
#[derive(Debug)]
pub(super) struct TableColumns {
    pub(super) tags: Vec<(String, usize)>,
    fields: Vec<(String, usize)>,
}

impl TableColumns {
    pub(super) fn of(table: &TableSnapshot) -> Self {
        let schema = table.table_schema();
        let sorted = |columns: Vec<&storage::Column>, first: usize| {
            let mut names: Vec<_> = columns.iter().map(|column| (column.name.clone(), column.id)).collect();
            names.sort();
            names.into_iter().enumerate().map(|(place, (name, _))| (name, first + place)).collect::<Vec<_>>()
        };
        let tags = sorted(schema.tags().collect(), 1);
        let fields = sorted(schema.fields().collect(), 1 + tags.len());
        Self { tags, fields }
    }

    /// The index of the tag or field of this name.
    pub(super) fn index(&self, name: &str, is_tag: bool) -> Option<usize> {
        let columns = if is_tag { &self.tags } else { &self.fields };
        let place = columns.binary_search_by(|(candidate, _)| candidate.as_str().cmp(name)).ok()?;
        columns.get(place).map(|(_, index)| *index)
    }
}
