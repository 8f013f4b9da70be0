//! Deletes: what one says, and which rows and values of a table it means.
//!
//! ```text
//! DeleteFilter (names, as the client gave it) ── WAL record, registry ── Tombstone (with its sequence)
//!                                                                                  │ resolved for a table: TableDelete
//!                                           buffered rows, by each row's sequence ─┴─ files, by deletes_applied
//! ```
//!
//! A tombstone means the rows with a smaller sequence, and no others, wherever they are. Names are resolved against the
//! table as it is when somebody reads: a column that came later is null in every row that the tombstone means, so the
//! answer never changes. Nothing here does I/O or decides which rows are looked at.

mod arrays;
mod buffered;
mod encoding;

use std::sync::Arc;

use catalog::BucketId;

pub(crate) use self::arrays::{Eraser, RowDeletes};
pub(crate) use self::buffered::without_deleted;
pub(crate) use self::encoding::{decode_filter, decode_terms, encode_filter, encode_terms};
use crate::ids::{ColumnId, Sequence};
use crate::table::{ColumnKind, DataFile, TableSchema};

/// What a delete means: values whose time lies in the range and whose point satisfies all terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFilter {
    /// Earliest and latest time in nanoseconds, both inclusive.
    pub time_range: (i64, i64),
    /// All of these hold. Without terms every value in the range is meant.
    pub terms: Vec<DeleteTerm>,
}

/// One comparison of a [`DeleteFilter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTerm {
    /// What is compared.
    pub subject: DeleteSubject,
    /// `=`, otherwise `!=`.
    pub is_equal: bool,
    /// What it is compared with.
    pub value: String,
}

/// What a [`DeleteTerm`] compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteSubject {
    /// The name of the measurement.
    Measurement,
    /// The name of a field: only the values of the fields for which it holds go.
    Field,
    /// The value of the tag of this name; a series without it has the empty string.
    Tag(String),
}

impl DeleteTerm {
    fn holds_for(&self, text: &str) -> bool {
        (text == self.value) == self.is_equal
    }
}

impl DeleteFilter {
    /// Whether the terms about measurements hold for this one.
    #[must_use]
    pub(crate) fn means_measurement(&self, measurement: &str) -> bool {
        let mut terms = self.terms.iter().filter(|term| term.subject == DeleteSubject::Measurement);
        terms.all(|term| term.holds_for(measurement))
    }

    /// The one measurement that can be meant, if the terms say so.
    #[must_use]
    pub(crate) fn only_measurement(&self) -> Option<&str> {
        let is_name = |term: &&DeleteTerm| term.subject == DeleteSubject::Measurement && term.is_equal;
        self.terms.iter().find(is_name).map(|term| term.value.as_str())
    }

    /// Whether a range of times (inclusive) has a time in common with it.
    #[must_use]
    pub(crate) fn overlaps(&self, (first, last): (i64, i64)) -> bool {
        first <= self.time_range.1 && self.time_range.0 <= last
    }

    /// Whether everything that `other` means is meant here too. It may say no where the truth is yes.
    #[must_use]
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let (first, last) = other.time_range;
        self.time_range.0 <= first && last <= self.time_range.1 && self.terms == other.terms
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub(crate) fn memory_bytes(&self) -> usize {
        let term = |term: &DeleteTerm| {
            let name = if let DeleteSubject::Tag(name) = &term.subject { name.len() } else { 0 };
            size_of::<DeleteTerm>() + name + term.value.len()
        };
        size_of::<Tombstone>() + self.terms.iter().map(term).sum::<usize>()
    }
}

/// A delete that is durable: its place among all records, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Its WAL record. Rows with a smaller sequence are meant.
    pub sequence: Sequence,
    /// The bucket.
    pub bucket: BucketId,
    /// Which rows and values.
    pub filter: DeleteFilter,
}

/// The tombstones that may still mean rows of a table. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tombstones {
    /// By ascending sequence.
    pub list: Arc<[Arc<Tombstone>]>,
    /// Every delete up to this record is in the list, or means nothing that the table holds. What a rewrite of files
    /// notes as their `deletes_applied`.
    pub through: Sequence,
}

/// A tombstone in the terms of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableDelete {
    pub(crate) sequence: Sequence,
    /// Inclusive.
    pub(crate) time_range: (i64, i64),
    pub(crate) tags: Vec<TagTerm>,
    pub(crate) fields: DeletedFields,
}

/// A comparison with a tag that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TagTerm {
    pub(crate) column: ColumnId,
    pub(crate) is_equal: bool,
    pub(crate) value: String,
}

impl TagTerm {
    /// Whether it holds for a series with that value of the tag.
    pub(crate) fn holds_for(&self, value: Option<&str>) -> bool {
        (value.unwrap_or("") == self.value) == self.is_equal
    }
}

/// Which fields of a row go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeletedFields {
    /// All: the row goes.
    All,
    /// These; a row whose every field is gone goes too.
    Some(Vec<ColumnId>),
}

impl TableDelete {
    /// What a tombstone means in a table; `None` if nothing.
    pub(crate) fn resolve(tombstone: &Tombstone, schema: &TableSchema) -> Option<Self> {
        let filter = &tombstone.filter;
        if !filter.means_measurement(&schema.measurement) {
            return None;
        }
        let mut tags = Vec::new();
        for term in &filter.terms {
            let DeleteSubject::Tag(name) = &term.subject else { continue };
            match schema.tags().find(|tag| tag.name == *name) {
                Some(tag) => {
                    tags.push(TagTerm { column: tag.id, is_equal: term.is_equal, value: term.value.clone() });
                }
                // No series has the tag.
                None if term.holds_for("") => {}
                None => return None,
            }
        }
        let fields = meant_fields(filter, schema)?;
        Some(Self { sequence: tombstone.sequence, time_range: filter.time_range, tags, fields })
    }

    /// Those of the tombstones that mean something in a table.
    pub(crate) fn resolve_all(tombstones: &[Arc<Tombstone>], schema: &TableSchema) -> Vec<Arc<Self>> {
        tombstones.iter().filter_map(|tombstone| Self::resolve(tombstone, schema)).map(Arc::new).collect()
    }

    /// Whether a range of times (inclusive) has a time in common with it.
    pub(crate) fn overlaps(&self, (first, last): (i64, i64)) -> bool {
        first <= self.time_range.1 && self.time_range.0 <= last
    }

    /// Whether the file has not applied it and may hold rows that it means.
    pub(crate) fn concerns(&self, file: &DataFile) -> bool {
        self.sequence > file.deletes_applied && self.overlaps(file.time_range)
    }

    /// Whether every row with a time in that range (inclusive) goes.
    pub(crate) fn takes_all_of(&self, (first, last): (i64, i64)) -> bool {
        let covers = self.time_range.0 <= first && last <= self.time_range.1;
        covers && self.tags.is_empty() && self.fields == DeletedFields::All
    }
}

/// The fields that a filter means; `None` if the table has none of them.
fn meant_fields(filter: &DeleteFilter, schema: &TableSchema) -> Option<DeletedFields> {
    let terms = || filter.terms.iter().filter(|term| term.subject == DeleteSubject::Field);
    if terms().next().is_none() {
        return Some(DeletedFields::All);
    }
    let is_meant = |name: &str| terms().all(|term| term.holds_for(name));
    let meant: Vec<ColumnId> = schema.fields().filter(|field| is_meant(&field.name)).map(|field| field.id).collect();
    let field_count = schema.columns.iter().filter(|column| column.kind != ColumnKind::Tag).count();
    match meant.len() {
        0 => None,
        // A row without fields goes, so this is the same and costs less to look at.
        count if count == field_count => Some(DeletedFields::All),
        _ => Some(DeletedFields::Some(meant)),
    }
}

#[cfg(test)]
#[path = "delete/tests.rs"]
mod tests;
