//! Paging of lists: which part of a list, sorted by id, one answer shows.

use crate::error::CatalogError;

/// The largest page.
pub const LIMIT_MAX: usize = 100;

/// A part of a list. Lists are sorted by id, that is by creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The most entries, 1 to 100.
    pub limit: usize,
    /// How many entries to leave out at the start.
    pub offset: usize,
    /// Only entries behind this id, in the direction of the list; it need not exist.
    pub after: Option<u64>,
    /// From the newest to the oldest.
    pub descending: bool,
}

impl Default for Page {
    /// The first 20 entries.
    fn default() -> Self {
        Self { limit: 20, offset: 0, after: None, descending: false }
    }
}

impl Page {
    /// Whether the limit is one that may be asked for.
    ///
    /// # Errors
    /// [`CatalogError::LimitOutOfRange`] unless it is 1 to 100.
    pub fn check(&self) -> Result<(), CatalogError> {
        if (1..=LIMIT_MAX).contains(&self.limit) { Ok(()) } else { Err(CatalogError::LimitOutOfRange) }
    }

    /// The part of `entries`, which come by rising id.
    pub(crate) fn cut<T>(&self, entries: impl DoubleEndedIterator<Item = T>, id: impl Fn(&T) -> u64) -> Vec<T> {
        let part = |entries: &mut dyn Iterator<Item = T>| entries.skip(self.offset).take(self.limit).collect();
        match (self.descending, self.after) {
            (false, None) => part(&mut entries.into_iter()),
            (false, Some(after)) => part(&mut entries.filter(|entry| id(entry) > after)),
            (true, None) => part(&mut entries.rev()),
            (true, Some(after)) => part(&mut entries.rev().filter(|entry| id(entry) < after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_in_both_directions() {
        let numbers: Vec<u64> = (1..=9).collect();
        let check = |page: Page, expected: &[u64]| {
            let cut = page.cut(numbers.iter().copied(), |number| *number);
            assert_eq!(cut, expected, "{page:?}");
        };
        let page = |limit, offset, after, descending| Page { limit, offset, after, descending };
        check(page(3, 0, None, false), &[1, 2, 3]);
        check(page(3, 2, None, false), &[3, 4, 5]);
        check(page(3, 8, None, false), &[9]);
        check(page(3, 9, None, false), &[]);
        check(page(3, 0, None, true), &[9, 8, 7]);
        check(page(2, 1, None, true), &[8, 7]);
        check(page(3, 0, Some(4), false), &[5, 6, 7]);
        check(page(3, 1, Some(4), false), &[6, 7, 8]);
        check(page(3, 0, Some(4), true), &[3, 2, 1]);
        check(page(3, 0, Some(0), false), &[1, 2, 3]);
        check(page(3, 0, Some(100), true), &[9, 8, 7]);
        check(Page::default(), &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_limit_is_one_to_a_hundred() {
        let check = |limit: usize, expected: bool| {
            assert_eq!(Page { limit, ..Page::default() }.check().is_ok(), expected, "{limit}");
        };
        check(0, false);
        check(1, true);
        check(20, true);
        check(100, true);
        check(101, false);
    }
}
