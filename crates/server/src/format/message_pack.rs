//! The few forms of MessagePack that an answer to InfluxQL needs. The shape of the answer is that of InfluxDB 1.x.

use query::influxql::{Series, Value};

use super::influx::Epoch;

/// The extension of Go's msgp for a time: seconds in 8 bytes and nanoseconds in 4.
const TIME_EXTENSION: u8 = 5;

/// The head of a map with so many entries.
pub(super) fn map(out: &mut Vec<u8>, entries: usize) {
    match entries {
        0..=15 => out.push(0x80 | entries as u8),
        16..=0xffff => sized(out, 0xde, &(entries as u16).to_be_bytes()),
        _ => sized(out, 0xdf, &length(entries)),
    }
}

/// The head of an array with so many entries.
pub(super) fn array(out: &mut Vec<u8>, entries: usize) {
    match entries {
        0..=15 => out.push(0x90 | entries as u8),
        16..=0xffff => sized(out, 0xdc, &(entries as u16).to_be_bytes()),
        _ => sized(out, 0xdd, &length(entries)),
    }
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        0..=31 => out.push(0xa0 | text.len() as u8),
        32..=0xff => sized(out, 0xd9, &[text.len() as u8]),
        0x100..=0xffff => sized(out, 0xda, &(text.len() as u16).to_be_bytes()),
        _ => sized(out, 0xdb, &length(text.len())),
    }
    out.extend_from_slice(text.as_bytes());
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

pub(super) fn integer(out: &mut Vec<u8>, value: i64) {
    match value {
        0.. => unsigned(out, value.cast_unsigned()),
        -32..0 => out.push((value as i8).cast_unsigned()),
        _ => sized(out, 0xd3, &value.to_be_bytes()),
    }
}

fn unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => sized(out, 0xcc, &[value as u8]),
        0x100..=0xffff => sized(out, 0xcd, &(value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => sized(out, 0xce, &(value as u32).to_be_bytes()),
        _ => sized(out, 0xcf, &value.to_be_bytes()),
    }
}

fn sized(out: &mut Vec<u8>, kind: u8, size: &[u8]) {
    out.push(kind);
    out.extend_from_slice(size);
}

/// Nothing in memory is longer than 4 GiB: an answer is far smaller.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn time(out: &mut Vec<u8>, time_ns: i64, epoch: Option<Epoch>) {
    if let Some(epoch) = epoch {
        return integer(out, epoch.of(time_ns));
    }
    out.extend_from_slice(&[0xc7, 12, TIME_EXTENSION]);
    out.extend_from_slice(&time_ns.div_euclid(1_000_000_000).to_be_bytes());
    out.extend_from_slice(&(time_ns.rem_euclid(1_000_000_000) as u32).to_be_bytes());
}

/// A series up to its rows.
pub(super) fn series_head(out: &mut Vec<u8>, series: &Series) {
    map(out, 2 + usize::from(!series.name.is_empty()) + usize::from(!series.tags.is_empty()));
    if !series.name.is_empty() {
        text(out, "name");
        text(out, &series.name);
    }
    if !series.tags.is_empty() {
        text(out, "tags");
        map(out, series.tags.len());
        for (tag, value) in &series.tags {
            text(out, tag);
            text(out, value);
        }
    }
    text(out, "columns");
    array(out, series.columns.len());
    series.columns.iter().for_each(|column| text(out, column));
    text(out, "values");
    array(out, series.rows.len());
}

pub(super) fn row(out: &mut Vec<u8>, row: &[Value], epoch: Option<Epoch>) {
    array(out, row.len());
    for value in row {
        match value {
            Value::Null => out.push(0xc0),
            Value::Float(value) => sized(out, 0xcb, &value.to_be_bytes()),
            Value::Integer(value) => integer(out, *value),
            Value::Unsigned(value) => unsigned(out, *value),
            Value::Boolean(value) => boolean(out, *value),
            Value::Text(value) => text(out, value),
            Value::Time(value) => time(out, *value, epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    /// The bytes of the specification, at both sides of each border.
    #[test]
    fn numbers_take_their_shortest_form() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0xcc, 0x80]),
            (255, &[0xcc, 0xff]),
            (256, &[0xcd, 1, 0]),
            (65_536, &[0xce, 0, 1, 0, 0]),
            (4_294_967_296, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
            (-1, &[0xff]),
            (-32, &[0xe0]),
            (-33, &[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf]),
        ] {
            assert_eq!(written(|out| integer(out, value)), expected, "{value}");
        }
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        let head = |bytes: usize| written(|out| text(out, &"x".repeat(bytes)))[..3].to_vec();
        assert_eq!(head(31), [0xbf, b'x', b'x']);
        assert_eq!(head(32), [0xd9, 32, b'x']);
        assert_eq!(head(256), [0xda, 1, 0]);
        assert_eq!(head(65_536), [0xdb, 0, 1]);
        assert_eq!(written(|out| array(out, 15)), [0x9f]);
        assert_eq!(written(|out| array(out, 16)), [0xdc, 0, 16]);
        assert_eq!(written(|out| map(out, 70_000)), [0xdf, 0, 1, 17, 112]);
    }

    #[test]
    fn a_time_is_an_extension_or_a_number() {
        let row_of = |epoch| written(|out| row(out, &[Value::Time(1_500_000_000), Value::Float(4.0)], epoch));
        assert_eq!(
            row_of(None),
            [0x92, 0xc7, 12, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0x1d, 0xcd, 0x65, 0, 0xcb, 0x40, 0x10, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(row_of(Some(Epoch::from_unit("s"))), [0x92, 1, 0xcb, 0x40, 0x10, 0, 0, 0, 0, 0, 0]);
        let before = written(|out| time(out, -1, None));
        assert_eq!(before[3..], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3b, 0x9a, 0xc9, 0xff]);
    }
}
