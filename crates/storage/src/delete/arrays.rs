//! Rows of a file without what was deleted: masks over batches of columns.
//!
//! All rows of a file are older than the tombstones that it has not applied, so sequences play no part here. Tags come
//! as dictionaries: a term is held against each distinct value of a batch, never against each row.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, nullif};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::{DeletedFields, TableDelete, TagTerm};
use crate::ids::ColumnId;

/// Columns of a batch by id.
struct Columns<'a> {
    ids: &'a [ColumnId],
    arrays: &'a [ArrayRef],
    len: usize,
    tags: Vec<Tag<'a>>,
}

/// A tag of a batch, with its values indexed once some term needs that.
struct Tag<'a> {
    column: ColumnId,
    dictionary: &'a DictionaryArray<Int32Type>,
    keys_of_value: OnceCell<HashMap<&'a str, Vec<i32>, foldhash::fast::RandomState>>,
}

impl<'a> Columns<'a> {
    fn new(ids: &'a [ColumnId], arrays: &'a [ArrayRef], len: usize) -> Self {
        let tag = |(id, array): (&ColumnId, &'a ArrayRef)| {
            let dictionary = array.as_dictionary_opt::<Int32Type>()?;
            Some(Tag { column: *id, dictionary, keys_of_value: OnceCell::new() })
        };
        Self { ids, arrays, len, tags: ids.iter().zip(arrays).filter_map(tag).collect() }
    }

    fn times(&self) -> &'a [i64] {
        let index = self.ids.iter().position(|id| *id == ColumnId::TIME);
        let array = index.and_then(|index| self.arrays.get(index));
        array.map_or(&[][..], |array| array.as_primitive::<TimestampNanosecondType>().values())
    }

    /// Per row whether the delete means it; `None` if it means none.
    fn meant(&self, delete: &TableDelete) -> Option<BooleanBuffer> {
        let mut mask: Option<BooleanBuffer> = None;
        for term in &delete.tags {
            let rows = match self.tags.iter().find(|tag| tag.column == term.column) {
                Some(tag) => tag.rows_with(term, self.len)?,
                // The file is older than the tag, so no row has it.
                None if term.holds_for(None) => continue,
                None => return None,
            };
            mask = Some(mask.map_or_else(|| rows.clone(), |mask| &mask & &rows));
        }
        let (first, last) = delete.time_range;
        let times = self.times();
        let in_time = BooleanBuffer::collect_bool(self.len, |row| {
            times.get(row).is_some_and(|time| first <= *time && *time <= last)
        });
        let mask = mask.map_or_else(|| in_time.clone(), |mask| &mask & &in_time);
        (mask.count_set_bits() > 0).then_some(mask)
    }
}

impl<'a> Tag<'a> {
    /// Per row whether the term holds; `None` if for no row.
    fn rows_with(&self, term: &TagTerm, len: usize) -> Option<BooleanBuffer> {
        let keys = self.dictionary.keys();
        let null_holds = term.holds_for(None);
        let equal_keys = self.index().get(term.value.as_str());
        if term.is_equal && equal_keys.is_none() && !(null_holds && keys.null_count() > 0) {
            return None;
        }
        let mut holds = vec![!term.is_equal; self.dictionary.values().len()];
        for key in equal_keys.into_iter().flatten() {
            holds[*key as usize] = term.is_equal;
        }
        Some(BooleanBuffer::collect_bool(len, |row| {
            if keys.is_null(row) { null_holds } else { holds[keys.value(row) as usize] }
        }))
    }

    fn index(&self) -> &HashMap<&'a str, Vec<i32>, foldhash::fast::RandomState> {
        self.keys_of_value.get_or_init(|| {
            let mut index: HashMap<&'a str, Vec<i32>, _> = HashMap::default();
            let values = self.dictionary.values().as_string::<i32>();
            for key in 0..values.len() {
                index.entry(values.value(key)).or_default().push(key as i32);
            }
            index
        })
    }
}

/// The deletes of whole rows that a file has not applied.
#[derive(Debug, Clone)]
pub(crate) struct RowDeletes {
    deletes: Vec<Arc<TableDelete>>,
}

impl RowDeletes {
    /// Those among the deletes of a file; `None` if there is none.
    pub(crate) fn of(deletes: &[Arc<TableDelete>]) -> Option<Self> {
        let deletes: Vec<_> = deletes.iter().filter(|delete| delete.fields == DeletedFields::All).cloned().collect();
        (!deletes.is_empty()).then_some(Self { deletes })
    }

    /// The columns that must be read to decide: the time, then tags, each once.
    pub(crate) fn columns(&self) -> Vec<ColumnId> {
        needed_columns(&self.deletes)
    }

    /// Per row whether it stays. `arrays` are the columns `ids`; a tag that is not among them is null in every row.
    pub(crate) fn kept(&self, ids: &[ColumnId], arrays: &[ArrayRef], len: usize) -> BooleanArray {
        let columns = Columns::new(ids, arrays, len);
        let gone = self.deletes.iter().filter_map(|delete| columns.meant(delete)).reduce(|left, right| &left | &right);
        BooleanArray::new(gone.map_or_else(|| BooleanBuffer::new_set(len), |gone| !&gone), None)
    }
}

/// The deletes of single fields that a file has not applied.
#[derive(Debug, Clone)]
pub(crate) struct Eraser {
    deletes: Vec<Arc<TableDelete>>,
}

impl Eraser {
    /// Those among the deletes of a file; `None` if there is none.
    pub(crate) fn of(deletes: &[Arc<TableDelete>]) -> Option<Self> {
        let deletes: Vec<_> = deletes.iter().filter(|delete| delete.fields != DeletedFields::All).cloned().collect();
        (!deletes.is_empty()).then_some(Self { deletes })
    }

    /// The columns that must be read to decide which rows are meant. Which rows are left without a value can be said
    /// only with all fields of the file.
    pub(crate) fn columns(&self) -> Vec<ColumnId> {
        needed_columns(&self.deletes)
    }

    /// The columns without the deleted values, and only the rows that still have one: `arrays` are the columns `ids`,
    /// among them every field of the file.
    pub(crate) fn erase(&self, ids: &[ColumnId], mut arrays: Vec<ArrayRef>, len: usize) -> Result<Erased, ArrowError> {
        let mut touched: Option<BooleanBuffer> = None;
        {
            let before = arrays.clone();
            let columns = Columns::new(ids, &before, len);
            for delete in &self.deletes {
                let (DeletedFields::Some(fields), Some(meant)) = (&delete.fields, columns.meant(delete)) else {
                    continue;
                };
                let mask = BooleanArray::new(meant.clone(), None);
                for (array, _) in arrays.iter_mut().zip(ids).filter(|(_, id)| fields.contains(id)) {
                    *array = nullif(array, &mask)?;
                }
                touched = Some(touched.map_or_else(|| meant.clone(), |touched| &touched | &meant));
            }
        }
        let Some(touched) = touched else { return Ok(Erased { arrays, len }) };
        let is_field = |(id, array): &(&ColumnId, &ArrayRef)| {
            **id != ColumnId::TIME && array.as_dictionary_opt::<Int32Type>().is_none()
        };
        let fields: Vec<&ArrayRef> = ids.iter().zip(&arrays).filter(is_field).map(|(_, array)| array).collect();
        let has_value = |row: usize| fields.iter().any(|field| field.is_valid(row));
        let kept = BooleanBuffer::collect_bool(len, |row| !touched.value(row) || has_value(row));
        if kept.count_set_bits() == len {
            return Ok(Erased { arrays, len });
        }
        let mask = BooleanArray::new(kept, None);
        let left = arrays.iter().map(|array| filter(array, &mask)).collect::<Result<Vec<_>, _>>()?;
        Ok(Erased { arrays: left, len: mask.true_count() })
    }
}

/// What an [`Eraser`] left.
#[derive(Debug)]
pub(crate) struct Erased {
    pub(crate) arrays: Vec<ArrayRef>,
    pub(crate) len: usize,
}

fn needed_columns(deletes: &[Arc<TableDelete>]) -> Vec<ColumnId> {
    let tags = deletes.iter().flat_map(|delete| &delete.tags).map(|term| term.column);
    let mut columns: Vec<ColumnId> = [ColumnId::TIME].into_iter().chain(tags).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
