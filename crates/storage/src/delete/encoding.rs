//! A delete in bytes: the payload of its WAL record, and its terms in the registry.
//!
//! Decoding is total: any bytes give a filter or a typed error. The layout stands in docs/formats/wal.md.

use super::{DeleteFilter, DeleteSubject, DeleteTerm};
use crate::rows::{put_varint, take_varint};
use crate::wal::DecodeError;

/// The subjects of terms.
mod subject {
    pub(super) const MEASUREMENT: u8 = 0;
    pub(super) const FIELD: u8 = 1;
    pub(super) const TAG: u8 = 2;
}

/// Added to the subject of a term with `!=`.
const IS_NOT: u8 = 0x80;

/// Appends the payload of a delete.
pub(crate) fn encode_filter(filter: &DeleteFilter, out: &mut Vec<u8>) {
    out.extend_from_slice(&filter.time_range.0.to_le_bytes());
    out.extend_from_slice(&filter.time_range.1.to_le_bytes());
    out.extend_from_slice(&encode_terms(&filter.terms));
}

/// The filter that [`encode_filter`] was given.
pub(crate) fn decode_filter(payload: &[u8]) -> Result<DeleteFilter, DecodeError> {
    let time = |bytes| i64::from_le_bytes(bytes);
    let (first, rest) = payload.split_first_chunk().ok_or(DecodeError::Truncated("the times of a delete"))?;
    let (last, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated("the times of a delete"))?;
    Ok(DeleteFilter { time_range: (time(*first), time(*last)), terms: decode_terms(rest)? })
}

/// The terms as bytes.
pub(crate) fn encode_terms(terms: &[DeleteTerm]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, terms.len() as u64);
    for term in terms {
        let (subject, name) = match &term.subject {
            DeleteSubject::Measurement => (subject::MEASUREMENT, None),
            DeleteSubject::Field => (subject::FIELD, None),
            DeleteSubject::Tag(name) => (subject::TAG, Some(name)),
        };
        out.push(subject | if term.is_equal { 0 } else { IS_NOT });
        for text in name.into_iter().chain([&term.value]) {
            put_varint(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// The terms that [`encode_terms`] was given.
pub(crate) fn decode_terms(bytes: &[u8]) -> Result<Vec<DeleteTerm>, DecodeError> {
    let (count, mut rest) = take_varint(bytes).ok_or(DecodeError::Truncated("the number of terms"))?;
    // A term takes two bytes at least: no count is believed that the bytes cannot hold.
    if count > rest.len() as u64 / 2 {
        return Err(DecodeError::Truncated("the terms of a delete"));
    }
    let mut terms = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (kind, after) = rest.split_first().ok_or(DecodeError::Truncated("a term of a delete"))?;
        rest = after;
        let subject = match kind & !IS_NOT {
            subject::MEASUREMENT => DeleteSubject::Measurement,
            subject::FIELD => DeleteSubject::Field,
            subject::TAG => DeleteSubject::Tag(take_text(&mut rest)?),
            _ => return Err(DecodeError::Invalid("subject of a term")),
        };
        terms.push(DeleteTerm { subject, is_equal: kind & IS_NOT == 0, value: take_text(&mut rest)? });
    }
    if rest.is_empty() { Ok(terms) } else { Err(DecodeError::Trailing(rest.len())) }
}

fn take_text(rest: &mut &[u8]) -> Result<String, DecodeError> {
    const CUT: DecodeError = DecodeError::Truncated("a text of a delete");
    let (length, after) = take_varint(rest).ok_or(CUT)?;
    let split = usize::try_from(length).ok().and_then(|length| after.split_at_checked(length));
    let (text, after) = split.ok_or(CUT)?;
    *rest = after;
    String::from_utf8(text.to_vec()).map_err(|_| DecodeError::Invalid("text of a delete: not UTF-8"))
}
