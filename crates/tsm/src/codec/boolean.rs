//! Booleans: their count and a bit for each, the first one highest.

use super::varint;
use crate::error::Damage;
use crate::limits::BLOCK_POINTS_MAX;

const PACKED: u8 = 1;

/// Reads booleans.
pub(super) fn decode(bytes: &[u8], values: &mut Vec<bool>) -> Result<(), Damage> {
    let Some((head, rest)) = bytes.split_first() else { return Ok(()) };
    if head >> 4 != PACKED {
        return Err(Damage::Encoding(head >> 4));
    }
    let (count, bits) = varint(rest)?;
    let count = usize::try_from(count).ok().filter(|count| *count <= BLOCK_POINTS_MAX).ok_or(Damage::TooLarge)?;
    if bits.len() < count.div_ceil(8) {
        return Err(Damage::Short);
    }
    values.extend(bits.iter().flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0)).take(count));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Damage, decode};

    #[test]
    fn bits() {
        let mut found = Vec::new();
        assert_eq!(decode(&[0x10, 9, 0b1010_0000, 0x80], &mut found), Ok(()));
        assert_eq!(found, [true, false, true, false, false, false, false, false, true]);
        assert_eq!(decode(&[0x10, 9, 0], &mut found), Err(Damage::Short));
        assert_eq!(decode(&[0x10, 0xff, 0xff, 0xff, 0x7f], &mut found), Err(Damage::TooLarge));
        assert_eq!(decode(&[0x20], &mut found), Err(Damage::Encoding(2)));
    }
}
