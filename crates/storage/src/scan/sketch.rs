//! About how many different series there are: a sketch that is exact for few, small for many, and can be merged.

use std::hash::BuildHasher as _;

use crate::ids::ColumnId;

/// Series up to which they are told apart one by one: their hashes take what the registers would.
const FEW_SERIES: usize = 2048;

/// The logarithm of the number of registers: 16,384 bytes, and a standard error of 0.8 %.
const REGISTERS_LOG2: u32 = 14;
const REGISTERS: usize = 1 << REGISTERS_LOG2;

/// The highest rank that a register can hold: hash bits that do not choose it, and one.
const RANK_MAX: usize = 64 - REGISTERS_LOG2 as usize + 1;

/// A count of different series that takes at most some kilobytes: exact up to 2,048, with an error of about 0.8 %
/// beyond (HyperLogLog, with Ertl's estimator, <https://arxiv.org/abs/1702.01284>, algorithm 6).
#[derive(Debug, Clone)]
pub struct SeriesSketch(Kept);

#[derive(Debug, Clone)]
enum Kept {
    /// Hashes, of which some may be there twice.
    Few(Vec<u64>),
    /// For each register the highest rank of the hashes that chose it.
    Many(Box<[u8]>),
}

impl Default for SeriesSketch {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

/// The part of a series' hash that a tag gives: those of all its tags are added, in any order.
pub(super) fn tag_hash(column: ColumnId, value: &str) -> u64 {
    foldhash::quality::FixedState::default().hash_one((column.0, value))
}

impl SeriesSketch {
    /// Takes a series into account, by the sum of its [`tag_hash`]es.
    pub(super) fn add(&mut self, hash: u64) {
        match &mut self.0 {
            Kept::Few(hashes) => {
                hashes.push(hash);
                if hashes.len() >= 2 * FEW_SERIES {
                    self.compact();
                }
            }
            Kept::Many(registers) => raise(registers, hash),
        }
    }

    /// Takes all series of another sketch into account.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, Kept::Few(hashes)) => hashes.iter().for_each(|hash| self.add(*hash)),
            (Kept::Many(registers), Kept::Many(others)) => {
                registers.iter_mut().zip(others).for_each(|(register, other)| *register = (*register).max(*other));
            }
            (Kept::Few(hashes), Kept::Many(others)) => {
                let mut registers = others.clone();
                hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                self.0 = Kept::Many(registers);
            }
        }
    }

    /// Makes it as small as it can be.
    pub(super) fn compact(&mut self) {
        let Kept::Few(hashes) = &mut self.0 else { return };
        hashes.sort_unstable();
        hashes.dedup();
        if hashes.len() > FEW_SERIES {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            hashes.iter().for_each(|hash| raise(&mut registers, *hash));
            self.0 = Kept::Many(registers);
        } else {
            hashes.shrink_to_fit();
        }
    }

    /// How many different series there are, about.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            Kept::Few(hashes) => {
                let mut hashes = hashes.clone();
                hashes.sort_unstable();
                hashes.dedup();
                hashes.len() as u64
            }
            Kept::Many(registers) => estimate(registers).round() as u64,
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.0 {
                Kept::Few(hashes) => hashes.capacity() * size_of::<u64>(),
                Kept::Many(registers) => registers.len(),
            }
    }
}

/// The first bits of the hash choose a register; its rank is the place of the first one among the others.
fn raise(registers: &mut [u8], hash: u64) {
    let place = (hash >> (64 - REGISTERS_LOG2)) as usize;
    let rank = ((hash << REGISTERS_LOG2).leading_zeros() as usize + 1).min(RANK_MAX) as u8;
    if let Some(register) = registers.get_mut(place) {
        *register = (*register).max(rank);
    }
}

fn estimate(registers: &[u8]) -> f64 {
    let mut counts = [0_u32; RANK_MAX + 1];
    for register in registers {
        if let Some(count) = counts.get_mut(usize::from(*register)) {
            *count += 1;
        }
    }
    let all = registers.len() as f64;
    let (lowest, highest) = (f64::from(counts[0]), f64::from(counts[RANK_MAX]));
    let mut sum = all * tau(1.0 - highest / all);
    for count in counts[1..RANK_MAX].iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += all * sigma(lowest / all);
    all * all / (2.0 * std::f64::consts::LN_2 * sum)
}

/// What registers at zero add.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum <= before {
            return sum;
        }
    }
}

/// What registers at the highest rank add.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x).powi(2) * y;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(series: std::ops::Range<usize>) -> SeriesSketch {
        let mut sketch = SeriesSketch::default();
        for series in series {
            sketch.add(tag_hash(ColumnId(2), &format!("host_{series}")).wrapping_add(tag_hash(ColumnId(3), "eu")));
        }
        sketch.compact();
        sketch
    }

    #[test]
    fn few_series_are_counted_exactly() {
        assert_eq!(SeriesSketch::default().estimate(), 0);
        for count in [1, 7, 2048] {
            let mut sketch = of(0..count);
            sketch.merge(&of(0..count / 2));
            assert_eq!(sketch.estimate(), count as u64);
        }
    }

    #[test]
    fn many_series_are_estimated_within_three_percent() {
        for count in [2049, 5_000, 20_000, 60_000, 300_000] {
            let sketch = of(0..count);
            let error = (sketch.estimate() as f64 / count as f64 - 1.0).abs();
            assert!(error < 0.03, "{count}: {}", sketch.estimate());
            assert!(sketch.size_bytes() < 17_000);
        }
    }

    /// Whatever the parts are, merged they say what one sketch of everything says.
    #[test]
    fn merged_sketches_are_one_sketch() {
        for (left, right) in [(0..100, 50..3_000), (0..50_000, 40_000..60_000), (0..9_000, 10..20), (0..10, 5..15)] {
            let whole = of(left.start.min(right.start)..left.end.max(right.end)).estimate();
            let (mut merged, mut turned) = (of(left.clone()), of(right.clone()));
            merged.merge(&of(right));
            turned.merge(&of(left));
            assert_eq!((merged.estimate(), turned.estimate()), (whole, whole));
        }
    }
}
