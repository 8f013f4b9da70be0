//! Keys: `measurement,tag=value,…#!~#field`, with commas, spaces and (in tags) equals signs behind backslashes.

const SEPARATOR: &[u8] = b"#!~#";

/// The names by which versions before the release of 2.0 put measurement and field into tags; their own measurement is
/// then the bytes of organisation and bucket.
const MEASUREMENT_TAG: &[u8] = b"\x00";
const FIELD_TAG: &[u8] = b"\xff";

/// Parts a key into series and field.
#[must_use]
pub fn split_key(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = key.windows(SEPARATOR.len()).position(|window| window == SEPARATOR)?;
    let (series, rest) = key.split_at_checked(at)?;
    let field = rest.get(SEPARATOR.len()..)?;
    (!series.is_empty() && !field.is_empty()).then_some((series, field))
}

/// The measurement of a series as it stands in its key; two spellings of a name are never written.
pub(crate) fn raw_measurement(series: &[u8]) -> &[u8] {
    series.get(..end(series, b",")).unwrap_or(series)
}

/// A series by its names, without backslashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesKey {
    /// The measurement.
    pub measurement: String,
    /// Tags and their values, in the order of the key.
    pub tags: Vec<(String, String)>,
}

/// Why a series has no names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeriesKeyError {
    /// Bytes that are no text.
    #[error("a name is not UTF-8")]
    NotUtf8,
    /// A tag without a value.
    #[error("a tag has no value")]
    NoValue,
}

impl SeriesKey {
    /// Reads the part of a key before the separator.
    ///
    /// # Errors
    /// A name is not UTF-8, or a tag has no value.
    pub fn parse(series: &[u8]) -> Result<Self, SeriesKeyError> {
        let (measurement, mut rest) = until(series, b",");
        let mut tags = Vec::new();
        let mut inner_measurement = None;
        while let Some(tag) = rest {
            let (tag, behind) = until(tag, b",");
            rest = behind;
            let (name, value) = until(tag, b"=");
            let value = value.ok_or(SeriesKeyError::NoValue)?;
            match name {
                MEASUREMENT_TAG => inner_measurement = Some(unescaped(value)?),
                FIELD_TAG => {}
                name => tags.push((unescaped(name)?, unescaped(value)?)),
            }
        }
        let measurement = inner_measurement.map_or_else(|| unescaped(measurement), Ok)?;
        Ok(Self { measurement, tags })
    }
}

/// Where the first of some bytes stands that has no backslash before it, or the end.
fn end(bytes: &[u8], marks: &[u8]) -> usize {
    let mut is_escaped = false;
    bytes
        .iter()
        .position(|byte| {
            let found = !is_escaped && marks.contains(byte);
            is_escaped = *byte == b'\\' && !is_escaped;
            found
        })
        .unwrap_or(bytes.len())
}

fn until<'a>(bytes: &'a [u8], marks: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    let end = end(bytes, marks);
    (bytes.get(..end).unwrap_or(bytes), bytes.get(end + 1..))
}

/// A backslash is one, unless what follows it needed it.
fn unescaped(bytes: &[u8]) -> Result<String, SeriesKeyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SeriesKeyError::NotUtf8)?;
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(',' | ' ' | '=') if character == '\\' => {}
            _ => plain.push(character),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::{SeriesKey, SeriesKeyError, split_key};

    fn parsed(series: &[u8]) -> Result<(String, Vec<(String, String)>), SeriesKeyError> {
        SeriesKey::parse(series).map(|key| (key.measurement, key.tags))
    }

    fn names(measurement: &str, tags: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (measurement.to_owned(), tags.collect())
    }

    #[test]
    fn series_and_field() {
        assert_eq!(split_key(b"cpu,host=a#!~#usage"), Some((&b"cpu,host=a"[..], &b"usage"[..])));
        assert_eq!(split_key(b"cpu#!~#a#!~#b"), Some((&b"cpu"[..], &b"a#!~#b"[..])));
        assert_eq!((split_key(b"cpu"), split_key(b"#!~#f"), split_key(b"cpu#!~#")), (None, None, None));
    }

    #[test]
    fn names_without_backslashes() {
        assert_eq!(parsed(b"cpu"), Ok(names("cpu", &[])));
        assert_eq!(parsed(br"a\ b\,c=d,k\=\,\ 1=v\=2,z=back\slash"), {
            Ok(names("a b,c=d", &[("k=, 1", "v=2"), ("z", r"back\slash")]))
        });
        assert_eq!(parsed(b"0123456789abcdef,\x00=cpu,host=a,\xff=usage"), Ok(names("cpu", &[("host", "a")])));
        assert_eq!(parsed(b"cpu,host"), Err(SeriesKeyError::NoValue));
        assert_eq!(parsed(b"c\xff,host=a"), Err(SeriesKeyError::NotUtf8));
    }
}
