//! At which times the output of a merge is cut into files.

/// What is known of an input: its times (inclusive) and its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    /// Earliest and latest time.
    pub(crate) time_range: (i64, i64),
    /// Bytes of the file.
    pub(crate) size_bytes: u64,
}

/// The times at which all files but the first begin, ascending: the files have about `file_bytes` each if the bytes of
/// each input are spread evenly over its times. Rows before `cutoff` do not count.
#[must_use]
pub(crate) fn cuts(inputs: &[Weight], cutoff: i64, file_bytes: u64) -> Vec<i64> {
    let live: Vec<Piece> = inputs.iter().filter_map(|input| Piece::of(input, cutoff)).collect();
    let total: f64 = live.iter().map(|piece| piece.bytes).sum();
    let count = (total / file_bytes.max(1) as f64).round() as usize;
    if count < 2 {
        return Vec::new();
    }
    let mut bounds: Vec<i128> = live.iter().flat_map(|piece| [piece.start, piece.end]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let wanted = total / count as f64;
    let (mut cuts, mut passed) = (Vec::with_capacity(count - 1), 0.0);
    for pair in bounds.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let open = live.iter().filter(|piece| piece.start <= start && end <= piece.end);
        let density: f64 = open.map(|piece| piece.bytes / (piece.end - piece.start) as f64).sum();
        let bytes = density * (end - start) as f64;
        while cuts.len() + 1 < count && passed + bytes >= wanted * (cuts.len() + 1) as f64 && density > 0.0 {
            let into = (wanted * (cuts.len() + 1) as f64 - passed) / density;
            cuts.push(start + into.round() as i128);
        }
        passed += bytes;
    }
    let (first, end) = bounds.first().copied().zip(bounds.last().copied()).unwrap_or_default();
    let inner = cuts.into_iter().filter(|cut| first < *cut && *cut < end);
    let mut cuts: Vec<i64> = inner.filter_map(|cut| i64::try_from(cut).ok()).collect();
    cuts.dedup();
    cuts
}

/// An input without the rows that are gone; `end` is exclusive.
struct Piece {
    start: i128,
    end: i128,
    bytes: f64,
}

impl Piece {
    fn of(input: &Weight, cutoff: i64) -> Option<Self> {
        let (first, last) = (i128::from(input.time_range.0), i128::from(input.time_range.1) + 1);
        let start = first.max(i128::from(cutoff));
        if start >= last {
            return None;
        }
        let part = (last - start) as f64 / (last - first) as f64;
        Some(Self { start, end: last, bytes: (input.size_bytes as f64 * part).max(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inputs: &[(i64, i64, u64)], cutoff: i64, expected: &[i64]) {
        let weight = |(first, last, size_bytes): &(i64, i64, u64)| Weight {
            time_range: (*first, *last),
            size_bytes: *size_bytes,
        };
        assert_eq!(cuts(&inputs.iter().map(weight).collect::<Vec<_>>(), cutoff, 100), expected, "{inputs:?}");
    }

    #[test]
    fn files_get_about_the_same_bytes() {
        check(&[], i64::MIN, &[]);
        check(&[(0, 99, 100), (0, 99, 49)], i64::MIN, &[]);
        check(&[(0, 99, 100), (0, 99, 100)], i64::MIN, &[50]);
        check(&[(0, 99, 300)], i64::MIN, &[33, 67]);
        check(&[(0, 9, 100), (90, 99, 100)], i64::MIN, &[10]);
        check(&[(0, 99, 100), (50, 99, 100)], i64::MIN, &[67]);
        check(&[(0, 99, 400)], 50, &[75]);
        check(&[(0, 99, 400)], 100, &[]);
        // All at one moment: it cannot be cut.
        check(&[(5, 5, 1000)], i64::MIN, &[]);
        check(&[(i64::MIN, i64::MAX, 200)], i64::MIN, &[0]);
    }
}
