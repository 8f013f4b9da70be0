//! Values of options that are more than a text: sizes, parts of the memory, durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A value of an option that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// Not a size.
    #[error("expected a number of bytes with a unit of B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 512MiB")]
    Size,
    /// Not a part.
    #[error("expected a part from 1% to 100%, or a number of bytes such as 512MiB")]
    Part,
    /// Not a duration.
    #[error("expected numbers with units of ns, us, ms, s, m, h, d, w or y, such as 1h30m, or 0")]
    Duration,
    /// Not a rate.
    #[error("expected bytes in a time, such as 17kBs or 5MB/5min")]
    Rate,
    /// More than can be counted.
    #[error("the value is too large")]
    TooLarge,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

const SIZE_UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let (number, unit) = split_number(text);
        let number: u64 =
            number.parse().map_err(|_| if number.is_empty() { ValueError::Size } else { ValueError::TooLarge })?;
        let unit = unit.trim().to_ascii_lowercase();
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Size)?;
        number.checked_mul(*factor).map(Self).ok_or(ValueError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    /// The largest binary unit that says it exactly.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(formatter, "{}{unit}", self.0 >> shift);
            }
        }
        write!(formatter, "{}B", self.0)
    }
}

/// How much memory the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryLimit {
    /// So much.
    Bytes(ByteSize),
    /// So many hundredths of what there is.
    Percent(u8),
}

impl FromStr for MemoryLimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.trim().strip_suffix('%') {
            None => text.parse().map(Self::Bytes),
            Some(number) => match number.trim().parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(ValueError::Part),
            },
        }
    }
}

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RateLimit(pub(crate) f64);

impl FromStr for RateLimit {
    type Err = ValueError;

    /// As InfluxDB's command line writes it: `17kBs`, `5 MB / 5 min`. Units of bytes are powers of 1024.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let number_end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, rest) = text.split_at(number_end.ok_or(ValueError::Rate)?);
        let number: f64 = number.parse().map_err(|_| ValueError::Rate)?;
        let units = [("kB", 1024.0), ("MB", 1_048_576.0), ("GB", 1_073_741_824.0), ("B", 1.0)];
        let unit = units.iter().find_map(|(name, factor)| Some((rest.strip_prefix(name)?, factor)));
        let (rest, factor) = unit.ok_or(ValueError::Rate)?;
        let (count, unit) = split_number(rest.strip_prefix('/').unwrap_or(rest));
        let count: f64 = if count.is_empty() { 1.0 } else { count.parse().map_err(|_| ValueError::Rate)? };
        let seconds = match unit {
            "s" | "sec" => count,
            "m" | "min" => count * 60.0,
            _ => return Err(ValueError::Rate),
        };
        let rate = number * factor / seconds;
        if rate.is_finite() && rate > 0.0 { Ok(Self(rate)) } else { Err(ValueError::Rate) }
    }
}

const DURATION_UNITS: [(&str, u64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND_NS),
    ("m", 60 * SECOND_NS),
    ("h", 3_600 * SECOND_NS),
    ("d", 86_400 * SECOND_NS),
    ("w", 7 * 86_400 * SECOND_NS),
    ("y", 365 * 86_400 * SECOND_NS),
];

const SECOND_NS: u64 = 1_000_000_000;

/// A duration as InfluxDB's programs write it: numbers with units, one behind the other; `0` needs none.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total_ns = 0_u64;
    loop {
        let (number, behind) = split_number(rest);
        let unit_length = behind.find(|character: char| character.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_length);
        if number.is_empty() {
            return Err(ValueError::Duration);
        }
        let (_, unit_ns) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or(ValueError::Duration)?;
        let part_ns = number.parse().ok().and_then(|number: u64| number.checked_mul(*unit_ns));
        total_ns = part_ns.and_then(|part_ns| total_ns.checked_add(part_ns)).ok_or(ValueError::TooLarge)?;
        if next.is_empty() {
            return Ok(Duration::from_nanos(total_ns));
        }
        rest = next;
    }
}

/// The digits at the beginning, and what follows them.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("1024", Ok(1024)),
            ("1b", Ok(1)),
            ("512MiB", Ok(512 << 20)),
            (" 2 GB ", Ok(2_000_000_000)),
            ("1kib", Ok(1024)),
            ("16777216TiB", Err(ValueError::TooLarge)),
            ("99999999999999999999", Err(ValueError::TooLarge)),
            ("", Err(ValueError::Size)),
            ("MiB", Err(ValueError::Size)),
            ("1.5GB", Err(ValueError::Size)),
            ("-1", Err(ValueError::Size)),
            ("1XB", Err(ValueError::Size)),
        ] {
            assert_eq!(text.parse().map(|ByteSize(bytes)| bytes), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_print_in_the_largest_exact_unit() {
        for (bytes, expected) in [(0, "0B"), (1000, "1000B"), (1024, "1KiB"), (512 << 20, "512MiB"), (3 << 40, "3TiB")]
        {
            assert_eq!(ByteSize(bytes).to_string(), expected);
            assert_eq!(expected.parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn rates() {
        for (text, expected) in [
            ("17kBs", Some(17.0 * 1024.0)),
            ("5 MB / 5 min", Some(5.0 * 1_048_576.0 / 300.0)),
            ("0.5B/sec", Some(0.5)),
            ("1GB/m", Some(1_073_741_824.0 / 60.0)),
            ("0B/s", None),
            ("5MB", None),
            ("B/s", None),
            ("5MB/5h", None),
        ] {
            assert_eq!(text.parse().map(|RateLimit(rate)| rate).ok(), expected, "{text}");
        }
    }

    #[test]
    fn memory_limits() {
        for (text, expected) in [
            ("60%", Ok(MemoryLimit::Percent(60))),
            ("100 %", Ok(MemoryLimit::Percent(100))),
            ("1GiB", Ok(MemoryLimit::Bytes(ByteSize(1 << 30)))),
            ("0%", Err(ValueError::Part)),
            ("101%", Err(ValueError::Part)),
            ("%", Err(ValueError::Part)),
            ("some", Err(ValueError::Size)),
        ] {
            assert_eq!(text.parse(), expected, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        let seconds = |seconds| Ok(Duration::from_secs(seconds));
        for (text, expected) in [
            ("0", seconds(0)),
            ("0s", seconds(0)),
            ("1w", seconds(604_800)),
            ("72h", seconds(259_200)),
            ("1h30m", seconds(5_400)),
            ("1d12h5s", seconds(129_605)),
            ("1500ms", Ok(Duration::from_millis(1500))),
            ("3µs", Ok(Duration::from_micros(3))),
            ("", Err(ValueError::Duration)),
            ("5", Err(ValueError::Duration)),
            ("1h5", Err(ValueError::Duration)),
            ("h", Err(ValueError::Duration)),
            ("1 h", Err(ValueError::Duration)),
            ("1mo", Err(ValueError::Duration)),
            ("-1h", Err(ValueError::Duration)),
            ("600y", Err(ValueError::TooLarge)),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }
}
