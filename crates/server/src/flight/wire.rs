//! Protocol buffers as far as Flight's messages need them: fields in, fields out. No message is known here.
//!
//! A field that is not asked for is skipped, and of a field that comes twice the last counts, as the format says.

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is broken: {0}")]
pub(crate) struct WireError(&'static str);

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A varint, or the bits of a fixed number.
    Number(u64),
    /// Bytes, text or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of a message.
pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError("it ends in the middle of a field"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().unwrap_or(&0);
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError("a number has more than 64 bits"))
    }

    fn fixed(&mut self, length: usize) -> Result<u64, WireError> {
        let bytes = self.take(length)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), WireError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError("the number of a field is too large"))?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(self.fixed(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Number(self.fixed(4)?),
            _ => return Err(WireError("a field is of an unknown kind")),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The values of a field, in their order.
pub(super) fn all(message: &[u8], number: u32) -> Result<Vec<Value<'_>>, WireError> {
    let is_wanted = |field: &Result<(u32, Value<'_>), WireError>| field.as_ref().map_or(true, |(n, _)| *n == number);
    fields(message).filter(is_wanted).map(|field| field.map(|(_, value)| value)).collect()
}

/// The bytes of a field, if it is there.
pub(super) fn bytes(message: &[u8], number: u32) -> Result<Option<&[u8]>, WireError> {
    match all(message, number)?.pop() {
        None => Ok(None),
        Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
        Some(Value::Number(_)) => Err(WireError("a number stands where text or bytes are wanted")),
    }
}

/// The text of a field, if it is there.
pub(super) fn text(message: &[u8], number: u32) -> Result<Option<String>, WireError> {
    let utf8 =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError("a text is no UTF-8"));
    bytes(message, number)?.map(utf8).transpose()
}

/// All texts of a field.
pub(super) fn texts(message: &[u8], number: u32) -> Result<Vec<String>, WireError> {
    let text = |value| match value {
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError("a text is no UTF-8"))
        }
        Value::Number(_) => Err(WireError("a number stands where text or bytes are wanted")),
    };
    all(message, number)?.into_iter().map(text).collect()
}

/// All numbers of a field, which may be packed.
pub(super) fn numbers(message: &[u8], number: u32) -> Result<Vec<u64>, WireError> {
    let mut numbers = Vec::new();
    for value in all(message, number)? {
        match value {
            Value::Number(number) => numbers.push(number),
            Value::Bytes(packed) => {
                let mut packed = fields(packed);
                while !packed.rest.is_empty() {
                    numbers.push(packed.varint()?);
                }
            }
        }
    }
    Ok(numbers)
}

/// A message that is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A message with nothing in it.
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Adds a number.
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// Adds bytes, text or a message.
    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.0.reserve(value.len() + 16);
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// The message.
    pub(super) fn into_bytes(self) -> bytes::Bytes {
        self.0.into()
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let packed = [1, 0x96, 0x01];
        let message = Message::new()
            .number(1, 0)
            .number(2, u64::MAX)
            .bytes(3, b"first")
            .bytes(3, "zw\u{f6}lf".as_bytes())
            .bytes(1000, b"")
            .bytes(4, &packed)
            .number(4, 300);
        let bytes_of = message.as_ref();
        assert_eq!(text(bytes_of, 3).unwrap().unwrap(), "zw\u{f6}lf");
        assert_eq!(texts(bytes_of, 3).unwrap(), ["first", "zw\u{f6}lf"]);
        assert_eq!(bytes(bytes_of, 1000).unwrap(), Some(&b""[..]));
        assert_eq!(bytes(bytes_of, 7).unwrap(), None);
        assert_eq!(numbers(bytes_of, 2).unwrap(), [u64::MAX]);
        assert_eq!(numbers(bytes_of, 4).unwrap(), [1, 150, 300]);
        assert!(bytes(bytes_of, 1).is_err() && text(bytes_of, 2).is_err());
    }

    #[test]
    fn as_the_format_says() {
        // The examples of protobuf.dev's description of the encoding.
        assert_eq!(Message::new().number(1, 150).as_ref(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::new().bytes(2, b"testing").as_ref(), b"\x12\x07testing");
        let fixed = [0x0d, 1, 0, 0, 0, 0x11, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(numbers(&fixed, 1).unwrap(), [1]);
        assert_eq!(numbers(&fixed, 2).unwrap(), [2]);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        for broken in [
            &b"\x08"[..],
            b"\x12\x05abc",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0b",
            b"\x0d\x01",
        ] {
            assert!(fields(broken).any(|field| field.is_err()), "{broken:x?}");
            assert!(bytes(broken, 99).is_err(), "{broken:x?}");
        }
        assert!(text(b"\x0a\x01\xff", 1).is_err());
    }
}
