//! Integers, signed and unsigned: differences to the value before, written as zigzag numbers.

use super::{simple8b, varint, word, zigzag};
use crate::error::Damage;
use crate::limits::BLOCK_POINTS_MAX;

const RAW: u8 = 0;
const PACKED: u8 = 1;
const RUN: u8 = 2;

/// Reads signed integers.
pub(super) fn decode(bytes: &[u8], values: &mut Vec<i64>) -> Result<(), Damage> {
    decode_into(bytes, |value| values.push(value))
}

/// Reads unsigned integers, which are written as the signed ones of the same bits.
pub(super) fn decode_unsigned(bytes: &[u8], values: &mut Vec<u64>) -> Result<(), Damage> {
    decode_into(bytes, |value| values.push(value as u64))
}

fn decode_into(bytes: &[u8], mut take: impl FnMut(i64)) -> Result<(), Damage> {
    let Some((head, rest)) = bytes.split_first() else { return Ok(()) };
    let mut value = 0_i64;
    let mut next = |difference: u64| {
        value = value.wrapping_add(zigzag(difference));
        take(value);
    };
    match head >> 4 {
        RAW => {
            let (words, behind) = rest.as_chunks::<8>();
            if !behind.is_empty() {
                return Err(Damage::Short);
            }
            if words.len() > BLOCK_POINTS_MAX {
                return Err(Damage::TooLarge);
            }
            words.iter().for_each(|word| next(u64::from_be_bytes(*word)));
        }
        PACKED => {
            let (first, rest) = word(rest)?;
            next(first);
            simple8b::decode(rest, next)?;
        }
        RUN => {
            let (first, rest) = word(rest)?;
            let (difference, rest) = varint(rest)?;
            // Of those behind the first.
            let (count, _) = varint(rest)?;
            if count >= BLOCK_POINTS_MAX as u64 {
                return Err(Damage::TooLarge);
            }
            next(first);
            (0..count).for_each(|_| next(difference));
        }
        other => return Err(Damage::Encoding(other)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Damage, decode, decode_unsigned};

    fn bytes(head: u8, words: &[u64], more: &[u8]) -> Vec<u8> {
        let words = words.iter().flat_map(|word| word.to_be_bytes());
        std::iter::once(head).chain(words).chain(more.iter().copied()).collect()
    }

    fn integers(bytes: &[u8]) -> Result<Vec<i64>, Damage> {
        let mut found = Vec::new();
        decode(bytes, &mut found).map(|()| found)
    }

    #[test]
    fn every_encoding() {
        // Differences as zigzag numbers: -1 is 1, 1 is 2.
        assert_eq!(integers(&bytes(0x00, &[9, 2, 1], &[])), Ok(vec![-5, -4, -5]));
        assert_eq!(integers(&bytes(0x10, &[4, 14 << 60 | 1 << 30 | 2], &[])), Ok(vec![2, 3, 2]));
        assert_eq!(integers(&bytes(0x20, &[4], &[6, 2])), Ok(vec![2, 5, 8]));
        assert_eq!(integers(&bytes(0x20, &[u64::MAX], &[1, 1])), Ok(vec![i64::MIN, i64::MAX]));
        let mut found = Vec::new();
        assert_eq!(decode_unsigned(&bytes(0x00, &[1], &[]), &mut found), Ok(()));
        assert_eq!(found, [u64::MAX]);
    }

    #[test]
    fn damage() {
        assert_eq!(integers(&[0x30]), Err(Damage::Encoding(3)));
        assert_eq!(integers(&bytes(0x20, &[4], &[6, 0xff, 0xff, 0xff, 0x7f])), Err(Damage::TooLarge));
        assert_eq!(integers(&[0x10, 1]), Err(Damage::Short));
    }
}
