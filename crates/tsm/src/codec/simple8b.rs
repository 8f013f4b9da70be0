//! Simple-8b: words of 64 bits whose first four bits say how many numbers of how many bits follow, the first one
//! lowest. The first two kinds hold no bits at all: they are runs of ones.

use crate::error::Damage;
use crate::limits::BLOCK_POINTS_MAX;

/// Numbers and bits of each, by selector.
const KINDS: [(usize, u32); 16] = [
    (240, 0),
    (120, 0),
    (60, 1),
    (30, 2),
    (20, 3),
    (15, 4),
    (12, 5),
    (10, 6),
    (8, 7),
    (7, 8),
    (6, 10),
    (5, 12),
    (4, 15),
    (3, 20),
    (2, 30),
    (1, 60),
];

/// Gives each number to `take`.
pub(super) fn decode(bytes: &[u8], mut take: impl FnMut(u64)) -> Result<(), Damage> {
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Damage::Short);
    }
    let mut count = 0;
    for word in words {
        let word = u64::from_be_bytes(*word);
        // Four bits always name one of the sixteen.
        let (numbers, bits) = KINDS.get((word >> 60) as usize).copied().unwrap_or_default();
        count += numbers;
        if count > BLOCK_POINTS_MAX {
            return Err(Damage::TooLarge);
        }
        if bits == 0 {
            (0..numbers).for_each(|_| take(1));
            continue;
        }
        let mask = (1_u64 << bits) - 1;
        let mut rest = word;
        for _ in 0..numbers {
            take(rest & mask);
            rest >>= bits;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::decode;

    fn all(words: &[u64]) -> Vec<u64> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut found = Vec::new();
        decode(&bytes, |value| found.push(value)).unwrap();
        found
    }

    #[test]
    fn every_kind() {
        assert_eq!(all(&[0]), [1; 240]);
        assert_eq!(all(&[1 << 60]), [1; 120]);
        assert_eq!(all(&[14 << 60 | 5 << 30 | 7]), [7, 5]);
        assert_eq!(all(&[15 << 60 | ((1 << 60) - 1)]), [(1 << 60) - 1]);
        assert_eq!(all(&[13 << 60 | 3 << 40 | 2 << 20 | 1]), [1, 2, 3]);
        assert_eq!(all(&[2 << 60 | 0b101])[..4], [1, 0, 1, 0]);
        for (selector, numbers) in [(3, 30), (4, 20), (5, 15), (6, 12), (7, 10), (8, 8), (9, 7), (10, 6), (11, 5)] {
            assert_eq!(all(&[selector << 60]).len(), numbers);
        }
        assert!(decode(&[0; 9], |_| {}).is_err());
    }
}
