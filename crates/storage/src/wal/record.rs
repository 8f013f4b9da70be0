//! A record: its frame, its types, and the encoded form in which it waits for its sequence.
//!
//! ```text
//! header (48 bytes): checksum │ payload length │ payload checksum │ type │ encoding
//!                    sequence │ durable through │ organisation │ bucket
//! payload
//! ```
//!
//! The payload and its checksum are made by the thread that writes; the thread of the WAL only completes the header.
//! `durable through` is what lets recovery tell a torn tail from damage: every record up to that sequence was
//! durable before this one was written. The layout stands in docs/formats/wal.md.

use catalog::{BucketId, OrganisationId};

use super::error::{Damage, DecodeError, EncodeError};
use super::payload;
use super::segment::{u32_at, u64_at};
use crate::delete::{self, DeleteFilter};
use crate::ids::Sequence;
use crate::rows::RowBatch;

/// The length of a record's header.
pub const RECORD_HEADER_BYTES: usize = 48;
/// The longest payload: far more than a request's body may hold, and a bound on what recovery reads into memory for one
/// record.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// The types of records. Programs that know no deletes refuse 2 as unknown.
pub(crate) mod kind {
    /// Rows to add.
    pub(crate) const WRITE: u8 = 1;
    /// Rows or values of a bucket that are gone, of those before this record.
    pub(crate) const DELETE: u8 = 2;
    /// The end of a bucket: its rows before this record are gone.
    pub(crate) const BUCKET_DROP: u8 = 3;
}

/// The one encoding of a delete's payload.
const DELETE_ENCODING: u8 = 1;

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Rows to add.
    Write(RowBatch),
    /// Rows or values with a smaller sequence are gone.
    Delete {
        /// The organisation that owns the bucket.
        organisation: OrganisationId,
        /// The bucket.
        bucket: BucketId,
        /// Which ones.
        filter: DeleteFilter,
    },
    /// The bucket was dropped: rows of it with a smaller sequence are gone.
    BucketDrop {
        /// The organisation that owned the bucket.
        organisation: OrganisationId,
        /// The bucket.
        bucket: BucketId,
    },
}

/// The part of a record before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) payload_length: u32,
    pub(crate) payload_checksum: u32,
    pub(crate) kind: u8,
    pub(crate) encoding: u8,
    pub(crate) sequence: Sequence,
    /// Every record up to this one was durable before this record was written.
    pub(crate) durable_through: Sequence,
    pub(crate) organisation: u64,
    pub(crate) bucket: u64,
}

impl RecordHeader {
    pub(crate) fn encode(&self, salt: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[4..8].copy_from_slice(&self.payload_length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.payload_checksum.to_le_bytes());
        bytes[12] = self.kind;
        bytes[13] = self.encoding;
        bytes[16..24].copy_from_slice(&self.sequence.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.durable_through.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.organisation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.bucket.to_le_bytes());
        let checksum = header_checksum(&bytes, salt);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` if the checksum is wrong.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER_BYTES], salt: u64) -> Option<Self> {
        if header_checksum(bytes, salt) != u32_at(bytes, 0) {
            return None;
        }
        Some(Self {
            payload_length: u32_at(bytes, 4),
            payload_checksum: u32_at(bytes, 8),
            kind: bytes[12],
            encoding: bytes[13],
            sequence: Sequence(u64_at(bytes, 16)),
            durable_through: Sequence(u64_at(bytes, 24)),
            organisation: u64_at(bytes, 32),
            bucket: u64_at(bytes, 40),
        })
    }

    /// The length of the whole record.
    pub(crate) fn record_bytes(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.payload_length)
    }

    /// Whether this version can read records of this kind; checked before writes are accepted.
    pub(crate) fn check_known(&self) -> Result<(), Damage> {
        let sequence = self.sequence;
        match self.kind {
            kind::WRITE if payload::is_known_encoding(self.encoding) => {}
            kind::WRITE => {
                return Err(Damage::Payload { sequence, error: DecodeError::UnknownEncoding(self.encoding) });
            }
            kind::DELETE if self.encoding == DELETE_ENCODING => {}
            kind::DELETE => {
                return Err(Damage::Payload { sequence, error: DecodeError::UnknownEncoding(self.encoding) });
            }
            kind::BUCKET_DROP => {}
            kind => return Err(Damage::UnknownType { sequence, kind }),
        }
        self.owner().map(|_| ())
    }

    /// The record with its payload, whose checksum the caller has checked.
    pub(crate) fn decode_record(&self, payload: &[u8]) -> Result<Record, Damage> {
        self.check_known()?;
        let (organisation, bucket) = self.owner()?;
        let sequence = self.sequence;
        if self.kind == kind::BUCKET_DROP {
            return Ok(Record::BucketDrop { organisation, bucket });
        }
        if self.kind == kind::DELETE {
            let filter = delete::decode_filter(payload).map_err(|error| Damage::Payload { sequence, error })?;
            return Ok(Record::Delete { organisation, bucket, filter });
        }
        let tables = payload::decode(self.encoding, payload).map_err(|error| Damage::Payload { sequence, error })?;
        Ok(Record::Write(RowBatch { organisation, bucket, tables }))
    }

    fn owner(&self) -> Result<(OrganisationId, BucketId), Damage> {
        OrganisationId::from_u64(self.organisation)
            .zip(BucketId::from_u64(self.bucket))
            .ok_or(Damage::Owner { sequence: self.sequence })
    }
}

fn header_checksum(bytes: &[u8; RECORD_HEADER_BYTES], salt: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &bytes[4..])
}

/// A record that waits for its sequence: room for the header, then the payload.
#[derive(Debug, Clone)]
pub struct EncodedRecord {
    bytes: Vec<u8>,
    payload_checksum: u32,
    kind: u8,
    encoding: u8,
    organisation: OrganisationId,
    bucket: BucketId,
}

impl EncodedRecord {
    /// Encodes rows: the expensive part of an append, to be done on the caller's thread.
    ///
    /// # Errors
    /// [`EncodeError`] if the rows do not fit together or are too many for a record.
    pub fn write(batch: &RowBatch) -> Result<Self, EncodeError> {
        let mut bytes = vec![0; RECORD_HEADER_BYTES];
        let encoding = payload::encode(&batch.tables, &mut bytes)?;
        let payload = bytes.get(RECORD_HEADER_BYTES..).unwrap_or_default();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EncodeError::TooLarge { bytes: payload.len(), limit: PAYLOAD_BYTES_MAX });
        }
        let payload_checksum = crc32c::crc32c(payload);
        let (organisation, bucket) = (batch.organisation, batch.bucket);
        Ok(Self { bytes, payload_checksum, kind: kind::WRITE, encoding, organisation, bucket })
    }

    /// The record of a delete.
    #[must_use]
    pub fn delete(organisation: OrganisationId, bucket: BucketId, filter: &DeleteFilter) -> Self {
        let mut bytes = vec![0; RECORD_HEADER_BYTES];
        delete::encode_filter(filter, &mut bytes);
        let payload_checksum = crc32c::crc32c(bytes.get(RECORD_HEADER_BYTES..).unwrap_or_default());
        Self { bytes, payload_checksum, kind: kind::DELETE, encoding: DELETE_ENCODING, organisation, bucket }
    }

    /// The record that ends a bucket.
    #[must_use]
    pub fn bucket_drop(organisation: OrganisationId, bucket: BucketId) -> Self {
        let bytes = vec![0; RECORD_HEADER_BYTES];
        Self {
            bytes,
            payload_checksum: crc32c::crc32c(&[]),
            kind: kind::BUCKET_DROP,
            encoding: 0,
            organisation,
            bucket,
        }
    }

    /// The bytes that the record takes in a segment.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Completes the header and appends the record to `group`.
    pub(crate) fn append_to(&self, group: &mut Vec<u8>, sequence: Sequence, durable_through: Sequence, salt: u64) {
        let payload = self.bytes.get(RECORD_HEADER_BYTES..).unwrap_or_default();
        let header = RecordHeader {
            payload_length: payload.len() as u32,
            payload_checksum: self.payload_checksum,
            kind: self.kind,
            encoding: self.encoding,
            sequence,
            durable_through,
            organisation: self.organisation.get(),
            bucket: self.bucket.get(),
        };
        group.extend_from_slice(&header.encode(salt));
        group.extend_from_slice(payload);
    }
}
