//! Bytes of an input on their way to text: gzip undone, other encodings made UTF-8.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::input::BATCH_BYTES;
use crate::options::Compression;

/// Undoes gzip: where the first bytes say so, or always, or never.
pub(crate) fn decompressed(
    mut source: Box<dyn Read + Send>,
    compression: Compression,
) -> io::Result<Box<dyn BufRead + Send>> {
    let mut head = Vec::new();
    source.by_ref().take(2).read_to_end(&mut head)?;
    let is_gzip = match compression {
        Compression::Auto => head == [0x1f, 0x8b],
        Compression::None => false,
        Compression::Gzip => true,
    };
    let whole = BufReader::with_capacity(BATCH_BYTES, io::Cursor::new(head).chain(source));
    Ok(match is_gzip {
        true => Box::new(BufReader::with_capacity(BATCH_BYTES, MultiGzDecoder::new(whole))),
        false => Box::new(whole),
    })
}

/// Encodings of text that are made UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// The first 256 characters of Unicode, a byte each.
    Latin1,
    /// As Latin 1, with other characters from 0x80 to 0x9f.
    Windows1252,
    /// Units of two bytes, the lower one first.
    Utf16LittleEndian,
    /// Units of two bytes, the higher one first.
    Utf16BigEndian,
}

/// Characters of windows-1252 from 0x80 on; those that it leaves open are those of Unicode's numbers.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Encoding {
    /// By its name at IANA, or one of its other names.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" => Some(Self::Utf8),
            "iso-8859-1" | "latin1" | "iso_8859-1" => Some(Self::Latin1),
            "windows-1252" | "cp1252" => Some(Self::Windows1252),
            "utf-16" | "utf-16le" => Some(Self::Utf16LittleEndian),
            "utf-16be" => Some(Self::Utf16BigEndian),
            _ => None,
        }
    }

    fn unit_bytes(self) -> usize {
        if matches!(self, Self::Utf16LittleEndian | Self::Utf16BigEndian) { 2 } else { 1 }
    }

    /// Adds the characters of whole units. A half of a surrogate pair at the end is kept for the next units.
    fn decode(self, bytes: &[u8], text: &mut String, kept: &mut Vec<u16>) {
        match self {
            Self::Utf8 | Self::Latin1 => text.extend(bytes.iter().map(|byte| char::from(*byte))),
            Self::Windows1252 => text.extend(bytes.iter().map(|byte| {
                let special = byte.checked_sub(0x80).and_then(|index| WINDOWS_1252.get(usize::from(index)));
                special.copied().unwrap_or(char::from(*byte))
            })),
            Self::Utf16LittleEndian | Self::Utf16BigEndian => {
                let unit = |pair: &[u8]| match (pair, self) {
                    ([first, second], Self::Utf16BigEndian) => u16::from_be_bytes([*first, *second]),
                    ([first, second], _) => u16::from_le_bytes([*first, *second]),
                    _ => 0xfffd,
                };
                let mut units = std::mem::take(kept);
                units.extend(bytes.chunks_exact(2).map(unit));
                if let Some(last) = units.pop_if(|last| (0xd800..0xdc00).contains(last)) {
                    kept.push(last);
                }
                text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
    }
}

/// Makes UTF-8 of a stream in an encoding. UTF-8 itself is left to who looks at the lines.
pub(super) fn decoded(source: Box<dyn BufRead + Send>, encoding: Encoding) -> Box<dyn BufRead + Send> {
    if encoding == Encoding::Utf8 {
        return source;
    }
    let decoding = Decoding { source, encoding, kept: Vec::new(), text: String::new(), given: 0 };
    Box::new(BufReader::with_capacity(BATCH_BYTES, decoding))
}

/// A stream that is decoded as it is read.
struct Decoding {
    source: Box<dyn BufRead + Send>,
    encoding: Encoding,
    /// The first half of a surrogate pair.
    kept: Vec<u16>,
    /// Text of which so many bytes were given out.
    text: String,
    given: usize,
}

/// Bytes that are decoded at once; whole units of every encoding.
const PIECE_BYTES: u64 = 64 << 10;

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            let mut bytes = Vec::new();
            self.source.by_ref().take(PIECE_BYTES).read_to_end(&mut bytes)?;
            self.text.clear();
            self.given = 0;
            if bytes.is_empty() {
                break;
            }
            if bytes.len() % self.encoding.unit_bytes() != 0 {
                return Err(io::Error::other("the text ends within a character"));
            }
            self.encoding.decode(&bytes, &mut self.text, &mut self.kept);
        }
        let waiting = self.text.as_bytes().get(self.given..).unwrap_or_default();
        let count = waiting.len().min(buffer.len());
        if let (Some(target), Some(bytes)) = (buffer.get_mut(..count), waiting.get(..count)) {
            target.copy_from_slice(bytes);
        }
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn encodings_become_utf_8() {
        let read = |bytes: Vec<u8>, name: &str| {
            let mut text = String::new();
            let source = Box::new(io::Cursor::new(bytes));
            decoded(source, Encoding::by_name(name).unwrap()).read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(b"caf\xe9".to_vec(), "ISO-8859-1").unwrap(), "café");
        assert_eq!(read(b"\x80 \x9f \xe9".to_vec(), "windows-1252").unwrap(), "€ Ÿ é");
        // Longer than a piece, with a pair across its end.
        let long = format!("{}😀ž", "ž".repeat(PIECE_BYTES as usize / 2 - 1));
        let little = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(little, "UTF-16LE").unwrap(), long);
        assert_eq!(read(long.encode_utf16().flat_map(u16::to_be_bytes).collect(), "UTF-16BE").unwrap(), long);
        assert!(read(vec![0x41], "UTF-16BE").is_err());
        assert!(read(vec![0xff], "UTF-8").is_err(), "UTF-8 is left to who looks at the lines");
        assert_eq!(Encoding::by_name("EBCDIC"), None);
    }

    #[test]
    fn gzip_is_undone_as_it_is_asked_for() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, b"text").unwrap();
        let packed = packed.finish().unwrap();
        let read = |bytes: &[u8], compression| {
            let mut found = Vec::new();
            let source = Box::new(io::Cursor::new(bytes.to_vec()));
            decompressed(source, compression).unwrap().read_to_end(&mut found).map(|_| found)
        };
        assert_eq!(read(&packed, Compression::Auto).unwrap(), b"text");
        assert_eq!(read(&packed, Compression::Gzip).unwrap(), b"text");
        assert_eq!(read(&packed, Compression::None).unwrap(), packed);
        assert_eq!(read(b"text", Compression::Auto).unwrap(), b"text");
        assert!(read(b"text", Compression::Gzip).is_err());
    }
}
