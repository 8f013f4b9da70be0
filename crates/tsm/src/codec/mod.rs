//! The encodings of a block: type, times, values. Pure; every function takes bytes as they come from anybody.

mod boolean;
mod float;
mod integer;
mod simple8b;
mod string;
mod time;

pub(crate) use string::snappy;

use crate::error::Damage;
use crate::value::{Strings, ValueType, Values};

/// The type of a block by its first byte.
///
/// # Errors
/// There is no such type.
pub fn value_type(byte: u8) -> Result<ValueType, Damage> {
    Ok(match byte {
        0 => ValueType::Float,
        1 => ValueType::Integer,
        2 => ValueType::Boolean,
        3 => ValueType::String,
        4 => ValueType::Unsigned,
        other => return Err(Damage::Type(other)),
    })
}

/// Reads a block without its checksum: a byte for the type, the length of the times (a varint), the times, the values.
/// What `times` and `values` held is replaced; their memory is used again.
///
/// # Errors
/// What is wrong with the bytes. `times` and `values` then hold anything.
pub fn decode_block(block: &[u8], times: &mut Vec<i64>, values: &mut Values) -> Result<(), Damage> {
    let (type_byte, rest) = block.split_first().ok_or(Damage::Short)?;
    let value_type = value_type(*type_byte)?;
    let (time_bytes, rest) = varint(rest)?;
    let time_bytes = usize::try_from(time_bytes).map_err(|_| Damage::Short)?;
    let (encoded_times, encoded_values) = rest.split_at_checked(time_bytes).ok_or(Damage::Short)?;
    time::decode(encoded_times, times)?;
    match value_type {
        ValueType::Float => float::decode(encoded_values, floats(values))?,
        ValueType::Integer => integer::decode(encoded_values, integers(values))?,
        ValueType::Unsigned => integer::decode_unsigned(encoded_values, unsigned(values))?,
        ValueType::Boolean => boolean::decode(encoded_values, booleans(values))?,
        ValueType::String => string::decode(encoded_values, strings(values))?,
    }
    match (times.len(), values.len()) {
        (times, values) if times == values => Ok(()),
        (times, values) => Err(Damage::Count { times, values }),
    }
}

macro_rules! reuse {
    ($name:ident, $variant:ident, $vector:ty, $empty:expr) => {
        /// The memory of this type, emptied; made if the values were of another.
        fn $name(values: &mut Values) -> &mut $vector {
            if !matches!(values, Values::$variant(_)) {
                *values = Values::$variant($empty);
            }
            match values {
                Values::$variant(values) => {
                    values.clear();
                    values
                }
                _ => unreachable!("set above"),
            }
        }
    };
}

reuse!(floats, Float, Vec<f64>, Vec::new());
reuse!(integers, Integer, Vec<i64>, Vec::new());
reuse!(unsigned, Unsigned, Vec<u64>, Vec::new());
reuse!(booleans, Boolean, Vec<bool>, Vec::new());
reuse!(strings, String, Strings, Strings::default());

/// A number of up to ten bytes, seven bits in each, the lowest first, and what stands behind it.
pub(crate) fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Damage> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return Err(Damage::TooLarge);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err(if bytes.len() < 10 { Damage::Short } else { Damage::TooLarge })
}

/// Eight bytes, the highest first, and what stands behind them.
pub(crate) fn word(bytes: &[u8]) -> Result<(u64, &[u8]), Damage> {
    let (word, rest) = bytes.split_first_chunk::<8>().ok_or(Damage::Short)?;
    Ok((u64::from_be_bytes(*word), rest))
}

/// The signed number that was written as 0, -1, 1, -2, …
pub(crate) fn zigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::{Damage, varint, zigzag};

    #[test]
    fn numbers_of_variable_length() {
        assert_eq!(varint(&[0x05, 9]), Ok((5, &[9][..])));
        assert_eq!(varint(&[0x80, 0x01]), Ok((128, &[][..])));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&most), Ok((u64::MAX, &[][..])));
        assert_eq!(varint(&[0x80]), Err(Damage::Short));
        assert_eq!(varint(&[0xff; 10]), Err(Damage::TooLarge));
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }
}
