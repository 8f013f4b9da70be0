//! The messages of Prometheus's remote write 1.0 and remote read, in protocol buffers (`prompb/remote.proto`,
//! `prompb/types.proto`). What is unknown is passed over; exemplars and metadata are read over too. Compression and
//! limits of size are the caller's.

use std::sync::Arc;

use crate::labels::{Labels, MatchKind, Matcher, RegexError};
use crate::value::SampleSeries;

/// Why bytes are no such message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end in the middle of a field.
    #[error("the message ends in the middle")]
    Truncated,
    /// A number or a kind of field that there is not.
    #[error("the message is no protocol buffer: {0}")]
    Malformed(&'static str),
    /// A text that is none.
    #[error("a label is not UTF-8")]
    Utf8,
    /// A matcher that cannot be used.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

type Result<T> = std::result::Result<T, DecodeError>;

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
    /// Of four bytes, which no field here has.
    Other,
}

/// The fields of a message, one after another.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let (byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("a number of more than ten bytes"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                let bytes = self.take(8)?.try_into().map_err(|_| DecodeError::Truncated)?;
                Field::Fixed(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Field::Other
            }
            _ => return Err(DecodeError::Malformed("an unknown wire type")),
        };
        Ok(Some((tag >> 3, field)))
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)
}

/// What a remote write brings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WriteRequest {
    /// The series, as they came: labels in any order, samples too, some perhaps none.
    pub series: Vec<SampleSeries>,
    /// Samples of native histograms, which are not kept.
    pub histograms: usize,
}

impl WriteRequest {
    /// Reads a `prometheus.WriteRequest`, not compressed.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut request = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            if let (1, Field::Bytes(bytes)) = (number, field) {
                request.add_series(bytes)?;
            }
        }
        Ok(request)
    }

    fn add_series(&mut self, bytes: &[u8]) -> Result<()> {
        let mut labels: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        let mut series = SampleSeries::default();
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => {
                    let (name, value) = label(bytes)?;
                    labels.push((name.into(), value.into()));
                }
                (2, Field::Bytes(bytes)) => {
                    let (time, value) = sample(bytes)?;
                    series.times.push(time);
                    series.values.push(value);
                }
                (4, Field::Bytes(_)) => self.histograms += 1,
                _ => {}
            }
        }
        series.labels = Labels::new(labels);
        self.series.push(series);
        Ok(())
    }

    /// The message, as a sender makes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.series.iter().for_each(|series| put_bytes(&mut bytes, 1, &encoded_series(series)));
        bytes
    }
}

fn label(bytes: &[u8]) -> Result<(&str, &str)> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => name = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn sample(bytes: &[u8]) -> Result<(i64, f64)> {
    let (mut time, mut value) = (0, 0.0);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Fixed(bits)) => value = f64::from_bits(bits),
            (2, Field::Number(number)) => time = number.cast_signed(),
            _ => {}
        }
    }
    Ok((time, value))
}

/// One question of a remote read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadQuery {
    /// The earliest time, in milliseconds since 1970, inclusive.
    pub start_ms: i64,
    /// The latest, inclusive.
    pub end_ms: i64,
    /// Which series.
    pub matchers: Vec<Matcher>,
}

/// What a remote read asks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadRequest {
    /// Each is answered by itself.
    pub queries: Vec<ReadQuery>,
}

impl ReadRequest {
    /// Reads a `prometheus.ReadRequest`, not compressed.
    ///
    /// # Errors
    /// If it is none, or a regular expression cannot be used.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut request = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            if let (1, Field::Bytes(bytes)) = (number, field) {
                request.queries.push(read_query(bytes)?);
            }
        }
        Ok(request)
    }

    /// The message, as a reader makes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for query in &self.queries {
            let mut inner = Vec::new();
            put_number(&mut inner, 1, query.start_ms.cast_unsigned());
            put_number(&mut inner, 2, query.end_ms.cast_unsigned());
            for matcher in &query.matchers {
                let mut bytes = Vec::new();
                put_number(&mut bytes, 1, matcher.kind as u64);
                put_bytes(&mut bytes, 2, matcher.name.as_bytes());
                put_bytes(&mut bytes, 3, matcher.value.as_bytes());
                put_bytes(&mut inner, 3, &bytes);
            }
            put_bytes(&mut bytes, 1, &inner);
        }
        bytes
    }
}

fn read_query(bytes: &[u8]) -> Result<ReadQuery> {
    let mut query = ReadQuery::default();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Number(number)) => query.start_ms = number.cast_signed(),
            (2, Field::Number(number)) => query.end_ms = number.cast_signed(),
            (3, Field::Bytes(bytes)) => query.matchers.push(matcher(bytes)?),
            _ => {}
        }
    }
    Ok(query)
}

fn matcher(bytes: &[u8]) -> Result<Matcher> {
    let (mut kind, mut name, mut value) = (MatchKind::Equal, "", "");
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Number(number)) => {
                kind = match number {
                    0 => MatchKind::Equal,
                    1 => MatchKind::NotEqual,
                    2 => MatchKind::Matches,
                    3 => MatchKind::NotMatches,
                    _ => return Err(DecodeError::Malformed("an unknown kind of matcher")),
                }
            }
            (2, Field::Bytes(bytes)) => name = text(bytes)?,
            (3, Field::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok(Matcher::new(name, kind, value)?)
}

/// The answer to a remote read, a `prometheus.ReadResponse` of samples: the series of each query, by labels.
#[must_use]
pub fn encode_read_response(results: &[Vec<SampleSeries>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for series in results {
        let mut inner = Vec::new();
        series.iter().for_each(|series| put_bytes(&mut inner, 1, &encoded_series(series)));
        put_bytes(&mut bytes, 1, &inner);
    }
    bytes
}

/// Reads the answer to a remote read.
///
/// # Errors
/// If it is none.
pub fn decode_read_response(bytes: &[u8]) -> Result<Vec<Vec<SampleSeries>>> {
    let mut results = Vec::new();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            // A result has the series where a write request has them.
            results.push(WriteRequest::decode(bytes)?.series);
        }
    }
    Ok(results)
}

fn encoded_series(series: &SampleSeries) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(series.values.len() * 18 + 64);
    let mut inner = Vec::new();
    for (name, value) in series.labels.iter() {
        inner.clear();
        put_bytes(&mut inner, 1, name.as_bytes());
        put_bytes(&mut inner, 2, value.as_bytes());
        put_bytes(&mut bytes, 1, &inner);
    }
    for (time, value) in series.times.iter().zip(&series.values) {
        inner.clear();
        inner.push(1 << 3 | 1);
        inner.extend(value.to_bits().to_le_bytes());
        put_number(&mut inner, 2, time.cast_unsigned());
        put_bytes(&mut bytes, 2, &inner);
    }
    bytes
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_number(bytes: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(bytes, number << 3);
    put_varint(bytes, value);
}

fn put_bytes(bytes: &mut Vec<u8>, number: u64, value: &[u8]) {
    put_varint(bytes, number << 3 | 2);
    put_varint(bytes, value.len() as u64);
    bytes.extend(value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::value::{STALE_NAN, is_stale};

    fn series() -> SampleSeries {
        let labels = Labels::new([("__name__", "up"), ("job", "é")]);
        SampleSeries { labels, times: vec![-5, 1_700_000_000_000], values: vec![1.5, STALE_NAN] }
    }

    #[test]
    fn a_written_message_by_its_bytes() {
        let labels = Labels::new([("a", "b")]);
        let request =
            WriteRequest { series: vec![SampleSeries { labels, times: vec![3], values: vec![1.0] }], histograms: 0 };
        let expected = b"\x0a\x15\x0a\x06\x0a\x01a\x12\x01b\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x03";
        assert_eq!(request.encode(), expected);
    }

    #[test]
    fn what_is_written_is_read() {
        let request = WriteRequest { series: vec![series(), SampleSeries::default()], histograms: 0 };
        let read = WriteRequest::decode(&request.encode()).unwrap();
        assert_eq!((read.series[0].times.clone(), read.series[0].labels.clone()), (series().times, series().labels));
        assert!(read.series[0].values[0] == 1.5 && is_stale(read.series[0].values[1]));
        assert_eq!(read.series[1], SampleSeries::default());
        let matcher = |kind| Matcher::new("n", kind, "v").unwrap();
        let kinds = [MatchKind::Equal, MatchKind::NotEqual, MatchKind::Matches, MatchKind::NotMatches];
        let query = ReadQuery { start_ms: -1, end_ms: 7, matchers: kinds.map(matcher).to_vec() };
        let request = ReadRequest { queries: vec![query, ReadQuery::default()] };
        assert_eq!(ReadRequest::decode(&request.encode()), Ok(request));
        let results = decode_read_response(&encode_read_response(&[vec![series()], vec![]])).unwrap();
        assert_eq!((results.len(), results[0][0].times.len(), results[1].len()), (2, 2, 0));
    }

    #[test]
    fn unknown_fields_are_passed_over_and_histograms_counted() {
        // An exemplar, a histogram, fields of each wire type, metadata.
        let mut series = Vec::new();
        put_bytes(&mut series, 3, b"x");
        put_bytes(&mut series, 4, b"x");
        series.extend([9 << 3 | 5, 0, 0, 0, 0, 9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 9 << 3, 1]);
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, 1, &series);
        put_bytes(&mut bytes, 3, b"metadata");
        assert_eq!(WriteRequest::decode(&bytes).unwrap().histograms, 1);
    }

    #[test]
    fn what_is_no_message() {
        for bytes in [&b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..], b"\x0a", b"\x0a\x05a", b"\x09\x00", b"\x80"] {
            assert_eq!(WriteRequest::decode(bytes), Err(DecodeError::Truncated), "{bytes:?}");
        }
        assert!(matches!(WriteRequest::decode(b"\x0b"), Err(DecodeError::Malformed(_))));
        assert!(matches!(WriteRequest::decode(&[0xff; 11]), Err(DecodeError::Malformed(_))));
        assert_eq!(WriteRequest::decode(b"\x0a\x05\x0a\x03\x0a\x01\xff"), Err(DecodeError::Utf8));
        let query = b"\x0a\x07\x1a\x05\x08\x02\x1a\x01(";
        assert!(matches!(ReadRequest::decode(query), Err(DecodeError::Regex(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = WriteRequest::decode(&bytes);
            let _ = ReadRequest::decode(&bytes);
        }
    }
}
