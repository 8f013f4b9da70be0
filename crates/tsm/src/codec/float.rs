//! Floats: the bits of each value, as they differ from those of the value before (the scheme of Facebook's Gorilla).
//! A NaN of certain bits marks the end.

use crate::error::Damage;
use crate::limits::BLOCK_POINTS_MAX;

const GORILLA: u8 = 1;

/// The NaN of Go, which no point can have.
const END: u64 = 0x7ff8_0000_0000_0001;

/// Reads floats.
pub(super) fn decode(bytes: &[u8], values: &mut Vec<f64>) -> Result<(), Damage> {
    let Some((head, rest)) = bytes.split_first() else { return Ok(()) };
    if head >> 4 != GORILLA {
        return Err(Damage::Encoding(head >> 4));
    }
    let mut bits = Bits { bytes: rest, held: 0, count: 0 };
    let mut value = bits.take(64)?;
    let (mut trailing, mut meaningful) = (0, 64);
    while value != END {
        values.push(f64::from_bits(value));
        if values.len() > BLOCK_POINTS_MAX {
            return Err(Damage::TooLarge);
        }
        if bits.take(1)? == 0 {
            continue;
        }
        if bits.take(1)? == 1 {
            let leading = bits.take(5)? as u32;
            // All 64 bits do not fit into the six of their number, and none never differ.
            meaningful = match bits.take(6)? as u32 {
                0 => 64,
                meaningful => meaningful,
            };
            trailing = 64_u32.checked_sub(leading + meaningful).ok_or(Damage::TooLarge)?;
        }
        value ^= bits.take(meaningful)? << trailing;
    }
    Ok(())
}

/// Bits of bytes, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that were read from the bytes and not taken yet; they stand highest, and all below are zero.
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// So many bits, from 1 to 64, as the lowest of the number.
    fn take(&mut self, count: u32) -> Result<u64, Damage> {
        if count <= self.count {
            let taken = self.held >> (64 - count);
            self.held = if count == 64 { 0 } else { self.held << count };
            self.count -= count;
            return Ok(taken);
        }
        // What is held goes first, and the rest comes from the next word.
        let missing = count - self.count;
        let high = if self.count == 0 { 0 } else { self.held >> (64 - self.count) };
        self.refill();
        if missing > self.count {
            return Err(Damage::Short);
        }
        let low = self.held >> (64 - missing);
        self.held = if missing == 64 { 0 } else { self.held << missing };
        self.count -= missing;
        Ok(if missing == 64 { low } else { high << missing | low })
    }

    fn refill(&mut self) {
        if let Some((word, rest)) = self.bytes.split_first_chunk::<8>() {
            (self.held, self.count, self.bytes) = (u64::from_be_bytes(*word), 64, rest);
            return;
        }
        (self.held, self.count) = (0, 0);
        for byte in self.bytes {
            self.held |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
        }
        self.bytes = &[];
    }
}

#[cfg(test)]
mod tests {
    use super::{Damage, END, decode};

    /// Writes bits as text.
    fn block(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, bit| byte << 1 | bits.get(bit).copied().unwrap_or(0));
        std::iter::once(0x10).chain(bits.chunks(8).map(byte)).collect()
    }

    fn floats(bytes: &[u8]) -> Result<Vec<f64>, Damage> {
        let mut found = Vec::new();
        decode(bytes, &mut found).map(|()| found)
    }

    #[test]
    fn differences_of_bits() {
        let one = 1.5_f64.to_bits();
        let difference = one ^ 2.5_f64.to_bits();
        let (leading, trailing) = (difference.leading_zeros(), difference.trailing_zeros());
        let meaningful = 64 - leading - trailing;
        let width = meaningful as usize;
        let bits = format!(
            "{one:064b} 0 11 {leading:05b} {meaningful:06b} {:0width$b} 10 {:0width$b} 11 00000 000000 {:064b}",
            difference >> trailing,
            difference >> trailing,
            one ^ END
        );
        assert_eq!(floats(&block(&bits)), Ok(vec![1.5, 1.5, 2.5, 1.5]));
        assert_eq!(floats(&block(&format!("{END:064b}"))), Ok(vec![]));
    }

    #[test]
    fn damage() {
        assert_eq!(floats(&[0x10, 0, 0]), Err(Damage::Short));
        assert_eq!(floats(&[0x10, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Damage::Short), "no end");
        assert_eq!(floats(&block(&format!("{:064b} 11 11111 111111", 0))), Err(Damage::TooLarge));
        assert_eq!(floats(&[0x00]), Err(Damage::Encoding(0)));
    }
}
