//! The series that a `SHOW` statement is about, each once.

use std::collections::HashSet;

use super::columns::Column;
use super::node::Node;
use super::value::Scalar;

/// Bytes that an entry takes beside its key.
const ENTRY_BYTES: usize = 40;

/// Series by the values of their tags, in the order of the tags; one that is missing is empty.
#[derive(Debug, Default)]
pub(super) struct SeriesSet {
    /// The values, each behind its length in four bytes.
    keys: HashSet<Box<[u8]>>,
}

impl SeriesSet {
    /// Adds the series of some rows for which a condition holds. Returns by how many bytes this grew.
    pub(super) fn add(&mut self, tags: &[Column], rows: usize, condition: Option<&Node>) -> usize {
        let mut bytes = 0;
        let mut key = Vec::new();
        for row in 0..rows {
            // Rows of a series mostly follow each other.
            if row > 0 && tags.iter().all(|tag| tag.same_tag(row - 1, row)) {
                continue;
            }
            let get = |tag: usize| tags.get(tag).map_or(Scalar::Null, |column| column.get(row));
            if condition.is_some_and(|condition| condition.eval(&get) != Scalar::Boolean(true)) {
                continue;
            }
            key.clear();
            for tag in tags {
                let text = if let Scalar::Text(text) = tag.get(row) { text } else { "" };
                key.extend_from_slice(&(text.len() as u32).to_le_bytes());
                key.extend_from_slice(text.as_bytes());
            }
            if !self.keys.contains(key.as_slice()) {
                bytes += key.len() + ENTRY_BYTES;
                self.keys.insert(key.as_slice().into());
            }
        }
        bytes
    }

    /// Takes over the series of another set.
    pub(super) fn merge(&mut self, other: Self) {
        if self.keys.is_empty() {
            *self = other;
        } else {
            self.keys.extend(other.keys);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The values of the tags of each series, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.keys.iter().map(|key| values(key))
    }

    /// The values of one tag, by its place, that are not empty; some of them more than once.
    pub(super) fn values_of_tag(&self, tag: usize) -> impl Iterator<Item = &str> {
        self.iter().filter_map(move |mut values| values.nth(tag)).filter(|value| !value.is_empty())
    }

    /// Which of so many tags some series has.
    pub(super) fn used_tags(&self, tags: usize) -> Vec<bool> {
        let mut is_used = vec![false; tags];
        for values in self.iter() {
            is_used.iter_mut().zip(values).for_each(|(is_used, value)| *is_used |= !value.is_empty());
        }
        is_used
    }
}

/// The values in a key.
fn values(mut key: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (len, rest) = key.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        key = rest;
        std::str::from_utf8(text).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::influxql::value::Value;

    #[test]
    fn series_are_there_once_with_their_values() {
        let column = |texts: [&str; 4]| {
            let value = |text: &str| if text.is_empty() { Value::Null } else { Value::Text(Arc::from(text)) };
            Column::Values(texts.map(value).to_vec())
        };
        let tags = [column(["a", "a", "b", "a"]), column(["x", "x", "", "x"]), column(["", "", "", ""])];
        let mut set = SeriesSet::default();
        assert_eq!(set.add(&tags, 4, None), 2 * (3 * 4 + ENTRY_BYTES) + 3);
        assert_eq!(set.add(&tags, 4, None), 0);
        let mut other = SeriesSet::default();
        other.add(&[column(["c", "a", "ab", ""]), column(["", "x", "", "bx"]), column([""; 4])], 4, None);
        set.merge(other);
        let mut all: Vec<String> = set.iter().map(|values| values.collect::<Vec<_>>().join("|")).collect();
        all.sort();
        assert_eq!(all, ["ab||", "a|x|", "b||", "c||", "|bx|"]);
        assert_eq!(set.len(), 5);
        let mut values: Vec<&str> = set.values_of_tag(1).collect();
        values.sort_unstable();
        assert_eq!(values, ["bx", "x"]);
        assert_eq!(set.used_tags(3), [true, true, false]);
    }
}
