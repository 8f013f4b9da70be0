//! Strings: one Snappy block with the length and the bytes of each.

use super::varint;
use crate::error::Damage;
use crate::limits::{BLOCK_POINTS_MAX, BLOCK_STRING_BYTES_MAX};
use crate::value::Strings;

const SNAPPY: u8 = 1;

/// Reads strings.
pub(super) fn decode(bytes: &[u8], values: &mut Strings) -> Result<(), Damage> {
    let Some((head, rest)) = bytes.split_first() else { return Ok(()) };
    if head >> 4 != SNAPPY {
        return Err(Damage::Encoding(head >> 4));
    }
    let bytes = snappy(rest, BLOCK_STRING_BYTES_MAX)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (length, behind) = varint(rest)?;
        let length = usize::try_from(length).map_err(|_| Damage::Short)?;
        let (text, behind) = behind.split_at_checked(length).ok_or(Damage::Short)?;
        values.push(text);
        if values.len() > BLOCK_POINTS_MAX {
            return Err(Damage::TooLarge);
        }
        rest = behind;
    }
    Ok(())
}

/// Undoes Snappy's block format, of at most so many bytes.
pub(crate) fn snappy(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Damage> {
    let length = snap::raw::decompress_len(bytes).map_err(|_| Damage::Compression)?;
    // The smallest element copies 64 bytes and has two bytes or more, so a head cannot claim memory that the body
    // does not fill.
    if length > bytes_max || length / 64 > bytes.len() {
        return Err(Damage::TooLarge);
    }
    snap::raw::Decoder::new().decompress_vec(bytes).map_err(|_| Damage::Compression)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::{Damage, Strings, decode};

    fn strings(plain: &[u8]) -> Result<Strings, Damage> {
        let mut bytes = vec![0x10];
        bytes.extend(snap::raw::Encoder::new().compress_vec(plain).unwrap());
        let mut found = Strings::default();
        decode(&bytes, &mut found).map(|()| found)
    }

    #[test]
    fn lengths_and_bytes() {
        let found = strings(b"\x02ab\x00\x01\xff").unwrap();
        assert_eq!((found.get(0), found.get(1), found.get(2)), (Some(&b"ab"[..]), Some(&b""[..]), Some(&b"\xff"[..])));
        assert_eq!(found.get(3), None);
        assert_eq!(strings(b"\x05ab"), Err(Damage::Short));
        let mut found = Strings::default();
        assert_eq!(decode(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x0f], &mut found), Err(Damage::TooLarge));
        assert_eq!(decode(&[0x10, 0x05, 0xff], &mut found), Err(Damage::Compression));
    }
}
