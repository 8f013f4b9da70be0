//! Numbers and booleans: the fast readers, which answer `None` whenever anything is unusual, and the slow
//! classification of what is wrong with a value. Works on bytes from the start of the value to the end of the body;
//! the caller checks what follows.

use crate::error::Cause;

/// `10^n` for the digits of one eight-byte step.
const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many decimal digits always fit 64 bits.
const SAFE_DIGITS: usize = 19;

/// How much of an over-long number is quoted in its error.
const QUOTED_DIGITS: usize = 128;

/// Value and count of the leading decimal digits among eight bytes, of which the first is the least significant.
#[inline(always)]
fn eight_digits(chunk: u64) -> (u64, usize) {
    let digits = chunk ^ 0x3030_3030_3030_3030;
    // The top bit of each byte that is not 0..=9. A carry can only reach bytes after the first such byte.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = (others.trailing_zeros() / 8) as usize;
    // Move the digits to the top: zeros come in below, which are leading zeros, and what followed the digits leaves.
    let digits = digits.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (eight, count)
}

/// Reads leading decimal digits. The value is right if at most [`SAFE_DIGITS`] of them were read; a count beyond that
/// may stop short of the last digit.
#[inline(always)]
fn digits(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    let mut count = 0;
    while count <= SAFE_DIGITS {
        let rest = bytes.get(count..).unwrap_or_default();
        let Some(chunk) = rest.first_chunk::<8>() else {
            for byte in rest.iter().take_while(|byte| byte.is_ascii_digit()) {
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                count += 1;
            }
            break;
        };
        let (part, part_count) = eight_digits(u64::from_le_bytes(*chunk));
        value = value.wrapping_mul(POWERS_OF_TEN[part_count]).wrapping_add(part);
        count += part_count;
        if part_count < 8 {
            break;
        }
    }
    (value, count)
}

/// Reads all leading decimal digits, however many zeros they begin with. `None`: no digit, or more than 64 bits.
/// The count is that of all digits.
#[inline(always)]
fn magnitude(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, count) = digits(bytes);
    if count == 0 {
        None
    } else if count <= SAFE_DIGITS {
        Some((value, count))
    } else {
        long_magnitude(bytes)
    }
}

/// [`magnitude`] for twenty digits and more.
#[cold]
fn long_magnitude(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    let mut count = 0;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        count += 1;
    }
    Some((value, count))
}

/// Reads `-?[0-9]+`. `None`: no digit, or more than 64 bits. Returns the value and the bytes read.
#[inline(always)]
pub(crate) fn decimal(bytes: &[u8]) -> Option<(i64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let sign_bytes = usize::from(negative);
    let (magnitude, count) = magnitude(bytes.get(sign_bytes..).unwrap_or_default())?;
    let value = if negative { 0_i64.checked_sub_unsigned(magnitude)? } else { i64::try_from(magnitude).ok()? };
    Some((value, count + sign_bytes))
}

/// Reads an integer field: `-?[0-9]+i`.
#[inline(always)]
pub(crate) fn integer(bytes: &[u8]) -> Option<(i64, usize)> {
    let (value, used) = decimal(bytes)?;
    (bytes.get(used) == Some(&b'i')).then_some((value, used + 1))
}

/// Reads an unsigned field: `[0-9]+u`.
#[inline(always)]
pub(crate) fn unsigned(bytes: &[u8]) -> Option<(u64, usize)> {
    let (value, used) = magnitude(bytes)?;
    (bytes.get(used) == Some(&b'u')).then_some((value, used + 1))
}

/// Reads a float field: digits with at most one point and an exponent. No leading plus, no NaN, no infinity.
#[inline(always)]
pub(crate) fn float(bytes: &[u8]) -> Option<(f64, usize)> {
    match bytes.first() {
        Some(b'0'..=b'9' | b'-' | b'.') => {}
        _ => return None,
    }
    let (value, used) = fast_float2::parse_partial::<f64, _>(bytes).ok()?;
    value.is_finite().then_some((value, used))
}

/// Reads a boolean field.
#[inline(always)]
pub(crate) fn boolean(bytes: &[u8]) -> Option<(bool, usize)> {
    let (value, rest): (bool, [&[u8]; 2]) = match bytes.first()? {
        b't' => (true, [b"rue", b"rue"]),
        b'T' => (true, [b"rue", b"RUE"]),
        b'f' => (false, [b"alse", b"alse"]),
        b'F' => (false, [b"alse", b"ALSE"]),
        _ => return None,
    };
    let after = bytes.get(1..).unwrap_or_default();
    let long = rest.iter().find(|rest| after.starts_with(rest));
    Some((value, 1 + long.map_or(0, |rest| rest.len())))
}

/// Whether a value that begins like this is read as a number.
pub(crate) fn begins_number(first: u8) -> bool {
    matches!(first, b'0'..=b'9' | b'.' | b'-' | b'N' | b'n')
}

/// Why a value that begins like a number is none, in the order in which InfluxDB's scanner finds out.
#[cold]
pub(crate) fn number_cause(token: &str) -> Cause {
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = token.strip_suffix('i')
        && all_digits(number.strip_prefix('-').unwrap_or(number))
    {
        return Cause::IntegerOutOfRange(quoted_digits(number));
    }
    if let Some(number) = token.strip_suffix('u')
        && all_digits(number)
    {
        return Cause::UnsignedOutOfRange(quoted_digits(number));
    }
    if has_float_letters(token.as_bytes()) { Cause::InvalidFloat } else { Cause::InvalidNumber }
}

/// Whether the token consists of what a float may consist of, in whatever order the exponent's digits come.
fn has_float_letters(token: &[u8]) -> bool {
    let mut points = 0;
    let mut previous = 0;
    for (index, &byte) in token.iter().enumerate() {
        let allowed = match byte {
            b'0'..=b'9' => true,
            b'.' => {
                points += 1;
                points == 1
            }
            b'e' | b'E' => index > 0,
            b'-' => index == 0 || matches!(previous, b'e' | b'E'),
            b'+' => matches!(previous, b'e' | b'E'),
            _ => false,
        };
        if !allowed {
            return false;
        }
        previous = byte;
    }
    let sign_bytes = usize::from(token.first() == Some(&b'-'));
    token.len() > points + sign_bytes
}

/// A number for an error message, cut if it is absurdly long.
pub(crate) fn quoted_digits(number: &str) -> String {
    number.chars().take(QUOTED_DIGITS).collect()
}
