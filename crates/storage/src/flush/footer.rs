//! The key-value metadata of a Parquet footer: all that is needed to take a file back into a catalog.
//!
//! Each value is JSON, so that names with control characters and U+0000 are legal. `docs/formats/files.md` names the
//! keys one by one. A file of a newer version is refused, never guessed at.

use catalog::{BucketId, OrganisationId};
use line_protocol::FieldKind;
use parquet::file::metadata::{FileMetaData, KeyValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::{ColumnId, Sequence, TableId};
use crate::table::{BucketInfo, ColumnKind, TableSchema};

/// The version of the footer that this code writes, and the newest that it reads.
pub const FOOTER_VERSION: u32 = 1;

const VERSION: &str = "freshet.version";
const ORGANISATION: &str = "freshet.organisation";
const BUCKET: &str = "freshet.bucket";
const TABLE: &str = "freshet.table";
const COLUMNS: &str = "freshet.columns";
const SORT_TAGS: &str = "freshet.sort_tags";
const SEQUENCES: &str = "freshet.sequences";
const TIME_RANGE: &str = "freshet.time_range";
const DELETES_APPLIED: &str = "freshet.deletes_applied";
const LEVEL: &str = "freshet.level";
const INPUTS: &str = "freshet.inputs";

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterMetadata {
    /// The organisation's id and, when the file was written, its name; likewise of the bucket.
    pub bucket: BucketInfo,
    /// The table.
    pub table: TableId,
    /// The measurement's name, unescaped.
    pub measurement: String,
    /// The columns of the file apart from the time, by ascending id.
    pub columns: Vec<FooterColumn>,
    /// The tags that the rows are sorted by, in order, before the time.
    pub sort_tags: Vec<ColumnId>,
    /// First and last WAL sequence of the rows, inclusive.
    pub sequences: (Sequence, Sequence),
    /// Bounds of the times in nanoseconds, inclusive.
    pub time_range: (i64, i64),
    /// What every delete up to this record means is not in the file. Files that do not say it are older than deletes.
    pub deletes_applied: Sequence,
    /// 0 for a flush, higher for the output of compaction.
    pub level: u8,
    /// The paths of the files that a merged file replaces; empty for a flush.
    pub inputs: Vec<String>,
}

/// A tag or field column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterColumn {
    /// The column, which is also its Parquet field id.
    pub id: ColumnId,
    /// The name as it was written in line protocol, unescaped.
    pub name: String,
    /// Tag or field, and the field's type.
    pub kind: ColumnKind,
}

/// Why a footer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FooterError {
    /// The file was written by a later program.
    #[error("the file has footer version {found}; this program reads versions up to {FOOTER_VERSION}: use a newer one")]
    NewerVersion {
        /// The version of the file.
        found: u32,
    },
    /// A key is missing: the file is not one of ours.
    #[error("the file's footer has no key {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value is not what its key promises.
    #[error("the file's footer has a bad value under {key}: {source}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An id is not one.
    #[error("the file's footer has a bad id under {key}")]
    Id {
        /// The key.
        key: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct NamedId {
    id: String,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Table {
    id: i64,
    measurement: String,
}

#[derive(Serialize, Deserialize)]
struct JsonColumn {
    id: i64,
    name: String,
    kind: Kind,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Tag,
    Float,
    Integer,
    Unsigned,
    Boolean,
    String,
}

impl From<ColumnKind> for Kind {
    fn from(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Tag => Self::Tag,
            ColumnKind::Field(FieldKind::Float) => Self::Float,
            ColumnKind::Field(FieldKind::Integer) => Self::Integer,
            ColumnKind::Field(FieldKind::Unsigned) => Self::Unsigned,
            ColumnKind::Field(FieldKind::Boolean) => Self::Boolean,
            ColumnKind::Field(FieldKind::String) => Self::String,
        }
    }
}

impl From<Kind> for ColumnKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Tag => Self::Tag,
            Kind::Float => Self::Field(FieldKind::Float),
            Kind::Integer => Self::Field(FieldKind::Integer),
            Kind::Unsigned => Self::Field(FieldKind::Unsigned),
            Kind::Boolean => Self::Field(FieldKind::Boolean),
            Kind::String => Self::Field(FieldKind::String),
        }
    }
}

impl FooterColumn {
    /// The columns of `schema`.
    #[must_use]
    pub fn of_schema(schema: &TableSchema) -> Vec<Self> {
        let column =
            |column: &crate::table::Column| Self { id: column.id, name: column.name.clone(), kind: column.kind };
        schema.columns.iter().map(column).collect()
    }
}

impl FooterMetadata {
    /// The key-value pairs for the footer.
    ///
    /// # Errors
    /// If JSON cannot be written, which these values give no cause for.
    pub fn encode(&self) -> Result<Vec<KeyValue>, FooterError> {
        let organisation =
            NamedId { id: self.bucket.organisation.to_string(), name: self.bucket.organisation_name.clone() };
        let bucket = NamedId { id: self.bucket.bucket.to_string(), name: self.bucket.name.clone() };
        let table = Table { id: self.table.0, measurement: self.measurement.clone() };
        let column =
            |column: &FooterColumn| JsonColumn { id: column.id.0, name: column.name.clone(), kind: column.kind.into() };
        Ok(vec![
            pair(VERSION, &FOOTER_VERSION)?,
            pair(ORGANISATION, &organisation)?,
            pair(BUCKET, &bucket)?,
            pair(TABLE, &table)?,
            pair(COLUMNS, &self.columns.iter().map(column).collect::<Vec<_>>())?,
            pair(SORT_TAGS, &self.sort_tags.iter().map(|id| id.0).collect::<Vec<_>>())?,
            pair(SEQUENCES, &(self.sequences.0.0, self.sequences.1.0))?,
            pair(TIME_RANGE, &self.time_range)?,
            pair(DELETES_APPLIED, &self.deletes_applied.0)?,
            pair(LEVEL, &self.level)?,
            pair(INPUTS, &self.inputs)?,
        ])
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// If the file is of a newer version, or not one of ours.
    pub fn decode(file: &FileMetaData) -> Result<Self, FooterError> {
        let pairs = file.key_value_metadata().map_or(&[][..], Vec::as_slice);
        let found: u32 = value(pairs, VERSION)?;
        if found > FOOTER_VERSION {
            return Err(FooterError::NewerVersion { found });
        }
        let organisation: NamedId = value(pairs, ORGANISATION)?;
        let bucket: NamedId = value(pairs, BUCKET)?;
        let table: Table = value(pairs, TABLE)?;
        let columns: Vec<JsonColumn> = value(pairs, COLUMNS)?;
        let sequences: (u64, u64) = value(pairs, SEQUENCES)?;
        let organisation_id: OrganisationId =
            organisation.id.parse().map_err(|_| FooterError::Id { key: ORGANISATION })?;
        let bucket_id: BucketId = bucket.id.parse().map_err(|_| FooterError::Id { key: BUCKET })?;
        Ok(Self {
            bucket: BucketInfo {
                organisation: organisation_id,
                organisation_name: organisation.name,
                bucket: bucket_id,
                name: bucket.name,
            },
            table: TableId(table.id),
            measurement: table.measurement,
            columns: columns
                .into_iter()
                .map(|column| FooterColumn { id: ColumnId(column.id), name: column.name, kind: column.kind.into() })
                .collect(),
            sort_tags: value::<Vec<i64>>(pairs, SORT_TAGS)?.into_iter().map(ColumnId).collect(),
            sequences: (Sequence(sequences.0), Sequence(sequences.1)),
            time_range: value(pairs, TIME_RANGE)?,
            deletes_applied: match value(pairs, DELETES_APPLIED) {
                Err(FooterError::Missing { .. }) => Sequence(sequences.1),
                found => Sequence(found?),
            },
            level: value(pairs, LEVEL)?,
            inputs: value(pairs, INPUTS)?,
        })
    }
}

/// The keys that say which measurement a file is of and what its columns hold, for a file that leaves the store.
///
/// # Errors
/// If JSON cannot be written, which these values give no cause for.
pub fn encode_table(schema: &TableSchema) -> Result<Vec<KeyValue>, FooterError> {
    let table = Table { id: schema.table.0, measurement: schema.measurement.clone() };
    let columns = FooterColumn::of_schema(schema).into_iter();
    let columns: Vec<JsonColumn> =
        columns.map(|column| JsonColumn { id: column.id.0, name: column.name, kind: column.kind.into() }).collect();
    Ok(vec![pair(VERSION, &FOOTER_VERSION)?, pair(TABLE, &table)?, pair(COLUMNS, &columns)?])
}

/// The measurement and the columns of a file of ours, whether it is a data file or was exported.
///
/// # Errors
/// If the file is of a newer version, or not one of ours.
pub fn decode_table(file: &FileMetaData) -> Result<(String, Vec<FooterColumn>), FooterError> {
    check_version(file)?;
    let pairs = file.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let table: Table = value(pairs, TABLE)?;
    let columns = value::<Vec<JsonColumn>>(pairs, COLUMNS)?.into_iter();
    let columns =
        columns.map(|column| FooterColumn { id: ColumnId(column.id), name: column.name, kind: column.kind.into() });
    Ok((table.measurement, columns.collect()))
}

/// Refuses a file of a newer version; a reader calls it before it looks at anything else.
pub(crate) fn check_version(file: &FileMetaData) -> Result<(), FooterError> {
    let found: u32 = value(file.key_value_metadata().map_or(&[][..], Vec::as_slice), VERSION)?;
    if found > FOOTER_VERSION { Err(FooterError::NewerVersion { found }) } else { Ok(()) }
}

fn pair<T: Serialize>(key: &'static str, value: &T) -> Result<KeyValue, FooterError> {
    let json = serde_json::to_string(value).map_err(|source| FooterError::Value { key, source })?;
    Ok(KeyValue::new(key.to_owned(), json))
}

fn value<T: DeserializeOwned>(pairs: &[KeyValue], key: &'static str) -> Result<T, FooterError> {
    let found = pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
    serde_json::from_str(found.ok_or(FooterError::Missing { key })?)
        .map_err(|source| FooterError::Value { key, source })
}

#[cfg(test)]
mod tests {
    use parquet::basic::Type;
    use parquet::file::metadata::FileMetaData;
    use parquet::schema::types::{SchemaDescriptor, Type as SchemaType};
    use std::sync::Arc;

    use super::*;

    fn example() -> FooterMetadata {
        let kinds = [FieldKind::Float, FieldKind::Integer, FieldKind::Unsigned, FieldKind::Boolean, FieldKind::String];
        let mut columns = vec![FooterColumn { id: ColumnId(2), name: "\u{0}\u{1f}\"=".into(), kind: ColumnKind::Tag }];
        columns.extend(kinds.iter().enumerate().map(|(index, kind)| FooterColumn {
            id: ColumnId(3 + index as i64),
            name: "n".repeat(65_000 + index),
            kind: ColumnKind::Field(*kind),
        }));
        FooterMetadata {
            bucket: BucketInfo {
                organisation: OrganisationId::from_u64(7).unwrap(),
                organisation_name: "örg \u{0}".into(),
                bucket: BucketId::from_u64(u64::MAX).unwrap(),
                name: "b\n".into(),
            },
            table: TableId(9),
            measurement: "\u{0}".into(),
            columns,
            sort_tags: vec![ColumnId(2)],
            sequences: (Sequence(1), Sequence(u64::MAX)),
            time_range: (-(i64::MAX - 1), i64::MAX - 1),
            deletes_applied: Sequence(u64::MAX),
            level: 3,
            inputs: vec!["a/b.parquet".into()],
        }
    }

    fn file(pairs: Vec<KeyValue>) -> FileMetaData {
        let column = SchemaType::primitive_type_builder("c", Type::INT32).build().unwrap();
        let root = SchemaType::group_type_builder("r").with_fields(vec![Arc::new(column)]).build().unwrap();
        FileMetaData::new(2, 0, None, Some(pairs), Arc::new(SchemaDescriptor::new(Arc::new(root))), None)
    }

    #[test]
    fn footers_round_trip() {
        let footer = example();
        assert_eq!(FooterMetadata::decode(&file(footer.encode().unwrap())).unwrap(), footer);
    }

    #[test]
    fn a_newer_version_and_foreign_files_are_refused() {
        let mut pairs = example().encode().unwrap();
        pairs[0].value = Some((FOOTER_VERSION + 1).to_string());
        let newer = file(pairs.clone());
        assert!(matches!(FooterMetadata::decode(&newer), Err(FooterError::NewerVersion { found: 2 })));
        assert!(matches!(check_version(&newer), Err(FooterError::NewerVersion { found: 2 })));
        assert!(matches!(check_version(&file(vec![])), Err(FooterError::Missing { key: VERSION })));
        for index in 1..pairs.len() {
            let mut broken = example().encode().unwrap();
            broken[index].value = Some("{".into());
            assert!(FooterMetadata::decode(&file(broken.clone())).is_err(), "key {}", pairs[index].key);
            let key = broken.remove(index).key;
            let decoded = FooterMetadata::decode(&file(broken));
            if key == DELETES_APPLIED {
                // A file of before deletes.
                assert_eq!(decoded.unwrap().deletes_applied, example().sequences.1);
            } else {
                assert!(matches!(decoded, Err(FooterError::Missing { .. })));
            }
        }
    }
}
