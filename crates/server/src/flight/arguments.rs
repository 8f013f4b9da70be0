//! The values of a prepared statement: messages of Flight in, one row of Arrow out.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;

use super::wire::{self, WireError};
use crate::api_error::{ApiError, ApiResult};

/// A stream of Arrow's IPC format out of the messages of Flight.
pub(super) fn stream_of(messages: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>, WireError> {
    /// Stands before each message of a stream.
    const CONTINUATION: [u8; 4] = [0xff; 4];
    let mut stream = Vec::new();
    for message in messages {
        let header = wire::bytes(&message, 2)?.unwrap_or_default();
        if header.is_empty() {
            continue;
        }
        let padded = header.len().next_multiple_of(8);
        stream.extend_from_slice(&CONTINUATION);
        stream.extend_from_slice(&u32::try_from(padded).unwrap_or(u32::MAX).to_le_bytes());
        stream.extend_from_slice(header);
        stream.resize(stream.len() + padded - header.len(), 0);
        stream.extend_from_slice(wire::bytes(&message, 1000)?.unwrap_or_default());
    }
    Ok(stream)
}

/// The one row that a stream holds.
pub(super) fn read(stream: &[u8]) -> ApiResult<Option<RecordBatch>> {
    if stream.is_empty() {
        return Ok(None);
    }
    let broken = |error: ArrowError| ApiError::invalid(format!("the parameters cannot be read: {error}"));
    let reader = StreamReader::try_new(Cursor::new(stream), None).map_err(broken)?;
    let mut row = None;
    for batch in reader {
        let batch = batch.map_err(broken)?;
        if batch.num_rows() == 0 {
            continue;
        }
        if batch.num_rows() > 1 || row.is_some() {
            return Err(ApiError::invalid("a statement is run with one row of parameters at a time"));
        }
        row = Some(batch);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::ipc::writer::StreamWriter;

    use super::*;

    fn stream(rows: &[&[i64]]) -> Vec<u8> {
        let batch = |rows: &[i64]| {
            RecordBatch::try_from_iter([("1", Arc::new(Int64Array::from(rows.to_vec())) as ArrayRef)]).unwrap()
        };
        let mut writer = StreamWriter::try_new(Vec::new(), &batch(&[]).schema()).unwrap();
        rows.iter().for_each(|rows| writer.write(&batch(rows)).unwrap());
        writer.into_inner().unwrap()
    }

    #[test]
    fn one_row_of_parameters() {
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&stream(&[&[]])).unwrap(), None);
        assert_eq!(read(&stream(&[&[], &[7]])).unwrap().unwrap().num_rows(), 1);
        for rows in [&[&[1, 2][..]][..], &[&[1], &[2]]] {
            assert!(read(&stream(rows)).unwrap_err().message().contains("one row of parameters"));
        }
        assert!(read(b"nonsense").unwrap_err().message().starts_with("the parameters cannot be read: "));
    }
}
