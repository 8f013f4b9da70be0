//! What a slice holds, in few bytes: how many values, and a sum of their hashes, which no order changes.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Values by their number and a sum of hashes of lines of one value each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(super) values: u64,
    sum: u64,
}

impl Checksum {
    /// Adds one value: series, field, value and time as line protocol writes them, with the tags in order.
    pub(super) fn add(&mut self, line: &str) {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        self.values += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} values ({:016x})", self.values, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_count_and_the_rest_does() {
        let sum = |lines: &[&str]| {
            let mut sum = Checksum::default();
            lines.iter().for_each(|line| sum.add(line));
            sum
        };
        assert_eq!(sum(&["m f=1 1", "m f=2 2"]), sum(&["m f=2 2", "m f=1 1"]));
        assert_ne!(sum(&["m f=1 1"]), sum(&["m f=1 2"]));
        assert_ne!(sum(&["m f=1 1"]), sum(&["m f=1 1", "m f=1 1"]));
    }
}
