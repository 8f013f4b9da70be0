//! Times: the first byte says the encoding and by which power of ten the differences were divided.

use super::{simple8b, varint, word};
use crate::error::Damage;
use crate::limits::BLOCK_POINTS_MAX;

const RAW: u8 = 0;
const PACKED: u8 = 1;
const RUN: u8 = 2;

/// Reads times in nanoseconds; they ascend.
pub(super) fn decode(bytes: &[u8], times: &mut Vec<i64>) -> Result<(), Damage> {
    times.clear();
    let Some((head, rest)) = bytes.split_first() else { return Ok(()) };
    let scale = 10_u64.pow(u32::from(head & 0x0f));
    match head >> 4 {
        RAW => {
            let (words, behind) = rest.as_chunks::<8>();
            if !behind.is_empty() {
                return Err(Damage::Short);
            }
            if words.len() > BLOCK_POINTS_MAX {
                return Err(Damage::TooLarge);
            }
            let mut time = 0_u64;
            times.extend(words.iter().map(|difference| {
                time = time.wrapping_add(u64::from_be_bytes(*difference));
                time as i64
            }));
        }
        PACKED => {
            let (first, rest) = word(rest)?;
            let mut time = first;
            times.push(time as i64);
            simple8b::decode(rest, |difference| {
                time = time.wrapping_add(difference.wrapping_mul(scale));
                times.push(time as i64);
            })?;
        }
        RUN => {
            let (first, rest) = word(rest)?;
            let (difference, rest) = varint(rest)?;
            let (count, _) = varint(rest)?;
            let count = usize::try_from(count).ok().filter(|count| *count <= BLOCK_POINTS_MAX);
            let count = count.ok_or(Damage::TooLarge)?;
            let (mut time, difference) = (first, difference.wrapping_mul(scale));
            times.extend(
                std::iter::repeat_with(|| {
                    let this = time;
                    time = time.wrapping_add(difference);
                    this as i64
                })
                .take(count),
            );
        }
        other => return Err(Damage::Encoding(other)),
    }
    // The last nanosecond is none that a point can have, and marks the end of a series for readers.
    let ascend = times.is_sorted_by(|earlier, later| earlier < later);
    if !ascend || times.last() == Some(&i64::MAX) { Err(Damage::Times) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{Damage, decode};

    fn times(head: u8, words: &[u64], more: &[u8]) -> Result<Vec<i64>, Damage> {
        let mut bytes = vec![head];
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        bytes.extend(more);
        let mut found = Vec::new();
        decode(&bytes, &mut found).map(|()| found)
    }

    #[test]
    fn every_encoding() {
        assert_eq!(times(0x00, &[-5_i64 as u64, 7, 1 << 62], &[]), Ok(vec![-5, 2, (1 << 62) + 2]));
        assert_eq!(times(0x13, &[1_000, 14 << 60 | 5 << 30 | 7], &[]), Ok(vec![1_000, 8_000, 13_000]));
        assert_eq!(times(0x29, &[7], &[10, 3]), Ok(vec![7, 10_000_000_007, 20_000_000_007]));
        assert_eq!(decode(&[], &mut Vec::new()), Ok(()));
    }

    #[test]
    fn damage() {
        assert_eq!(times(0x30, &[], &[]), Err(Damage::Encoding(3)));
        assert_eq!(times(0x20, &[7], &[1, 0xff, 0xff, 0xff, 0xff, 0x7f]), Err(Damage::TooLarge));
        assert_eq!(times(0x20, &[7], &[0, 2]), Err(Damage::Times), "twice the same time");
        assert_eq!(times(0x00, &[5, -1_i64 as u64], &[]), Err(Damage::Times), "backwards");
        assert_eq!(times(0x00, &[i64::MAX as u64], &[]), Err(Damage::Times));
        assert_eq!(times(0x10, &[], &[1, 2]), Err(Damage::Short));
    }
}
