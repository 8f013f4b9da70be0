//! Reading the live rows of the registry: at the start of the engine, and around a retry.

use std::collections::HashMap;

use catalog::OrganisationId;
use line_protocol::FieldKind;

use super::sql::{self, Transaction};
use super::tombstones::{self, DeleteRow};
use super::{FlushCommit, Lake, LakeError};
use crate::delete::Tombstone;
use crate::ids::{ColumnId, FileId, Sequence, TableId};
use crate::table::{BucketInfo, Column, ColumnKind, DataFile, TableSchema};

/// What is live in the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LakeState {
    /// The buckets that have a DuckLake schema, by ascending id's BIGINT.
    pub buckets: Vec<BucketInfo>,
    /// The tables by ascending id, each with the sequence up to which its rows are in files.
    pub tables: Vec<(TableSchema, Sequence)>,
    /// The files by ascending id.
    pub files: Vec<DataFile>,
    /// The deletes that some file may not have applied, by ascending sequence.
    pub tombstones: Vec<Tombstone>,
    /// The WAL record up to which everything is in files.
    pub watermark: Sequence,
}

type BucketRow = (i64, Vec<u8>, i64, Vec<u8>);
type TableRow = (i64, i64, Vec<u8>, i64, String);
type ColumnRow = (i64, i64, Vec<u8>, String, String);
pub(super) type FileRow = (i64, i64, String, i64, i64, i64, i64, i64, i64, i64, i64, i64, String);

impl Lake {
    /// Reads everything that is live, as of one moment.
    pub(super) async fn load(&self) -> Result<LakeState, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        let read = async {
            let buckets: Vec<BucketRow> = sql::statement(
                "SELECT bucket_id, bucket_name, organisation_id, organisation_name FROM freshet_bucket \
                 ORDER BY bucket_id",
            )
            .rows(&mut transaction)
            .await?;
            let tables: Vec<TableRow> = sql::statement(
                "SELECT table_id, bucket_id, measurement, flushed_sequence, tag_order FROM freshet_table \
                 ORDER BY table_id",
            )
            .rows(&mut transaction)
            .await?;
            let columns: Vec<ColumnRow> = sql::statement(
                "SELECT table_id, column_id, column_name, kind, physical_name FROM freshet_column \
                 ORDER BY table_id, column_id",
            )
            .rows(&mut transaction)
            .await?;
            let files: Vec<FileRow> = sql::statement(
                "SELECT f.data_file_id, f.table_id, f.path, d.record_count, d.file_size_bytes, d.footer_size, \
                 f.min_time_ns, f.max_time_ns, f.first_sequence, f.last_sequence, f.deletes_applied, f.level, \
                 f.sort_tags \
                 FROM freshet_file f JOIN ducklake_data_file d ON d.data_file_id = f.data_file_id \
                 WHERE d.end_snapshot IS NULL ORDER BY f.data_file_id",
            )
            .rows(&mut transaction)
            .await?;
            let watermark: i64 =
                sql::statement("SELECT sequence FROM freshet_watermark").value(&mut transaction).await?;
            let deletes: Vec<DeleteRow> = sql::statement(tombstones::SELECT).rows(&mut transaction).await?;
            Ok((buckets, tables, columns, files, watermark, deletes))
        };
        let (buckets, tables, columns, files, watermark, deletes) =
            read.await.map_err(LakeError::database("read its live rows"))?;
        Ok(LakeState {
            buckets: buckets.into_iter().map(bucket).collect::<Result<_, _>>()?,
            tables: with_columns(tables, columns)?,
            files: files.into_iter().map(file).collect::<Result<_, _>>()?,
            tombstones: deletes.into_iter().map(tombstones::tombstone).collect::<Result<_, _>>()?,
            watermark: sequence(watermark)?,
        })
    }

    /// The files of a commit whose answer was lost, in the order of the request; `None` if the commit did not happen.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn committed_files(&self, commit: &FlushCommit) -> Result<Option<Vec<DataFile>>, LakeError> {
        let flushed: HashMap<TableId, Sequence> = self.flushed_sequences().await?.into_iter().collect();
        let reached = |(table, sequence): &(TableId, Sequence)| flushed.get(table).is_some_and(|now| now >= sequence);
        if !commit.flushed.iter().all(reached) {
            return Ok(None);
        }
        let mut by_path: HashMap<String, DataFile> =
            self.load().await?.files.into_iter().map(|file| (file.path.clone(), file)).collect();
        Ok(commit.files.iter().map(|file| by_path.remove(&file.path)).collect())
    }

    /// The watermark of every live table: the sequence up to which its rows are in committed files. Read it before a
    /// commit of unknown outcome is tried again.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn flushed_sequences(&self) -> Result<Vec<(TableId, Sequence)>, LakeError> {
        let statement = sql::statement("SELECT table_id, flushed_sequence FROM freshet_table ORDER BY table_id");
        let rows: Vec<(i64, i64)> = self.read("read the watermarks", statement).await?;
        rows.into_iter().map(|(table, flushed)| Ok((TableId(table), sequence(flushed)?))).collect()
    }
}

/// The whole schemas of these tables, by ascending id; those that do not exist are left out.
pub(super) async fn schemas(transaction: &mut Transaction, tables: &[i64]) -> Result<Vec<TableSchema>, LakeError> {
    let read = async {
        let tables_read = sql::select_in(
            transaction,
            "SELECT table_id, bucket_id, measurement, flushed_sequence, tag_order FROM freshet_table \
             WHERE table_id IN",
            tables,
        )
        .await?;
        let columns = sql::select_in(
            transaction,
            "SELECT table_id, column_id, column_name, kind, physical_name FROM freshet_column WHERE table_id IN",
            tables,
        )
        .await?;
        Ok((tables_read, columns))
    };
    let (mut tables, mut columns): (Vec<TableRow>, Vec<ColumnRow>) =
        read.await.map_err(LakeError::database("read tables"))?;
    tables.sort_unstable_by_key(|row| row.0);
    columns.sort_unstable_by_key(|row| (row.0, row.1));
    Ok(with_columns(tables, columns)?.into_iter().map(|(schema, _)| schema).collect())
}

/// Puts columns (by ascending table and column) to their tables.
fn with_columns(tables: Vec<TableRow>, columns: Vec<ColumnRow>) -> Result<Vec<(TableSchema, Sequence)>, LakeError> {
    let mut of_table: HashMap<i64, Vec<Column>> = HashMap::with_capacity(tables.len());
    for (table, id, name, kind, physical_name) in columns {
        let column = Column { id: ColumnId(id), name: sql::name_text(name)?, kind: parse_kind(&kind)?, physical_name };
        of_table.entry(table).or_default().push(column);
    }
    let mut schemas = Vec::with_capacity(tables.len());
    for (table, bucket, measurement, flushed, tag_order) in tables {
        let schema = TableSchema {
            table: TableId(table),
            bucket: sql::bucket_id(bucket)?,
            measurement: sql::name_text(measurement)?,
            columns: of_table.remove(&table).unwrap_or_default(),
            tag_order: sql::parse_column_list(&tag_order)?,
        };
        schemas.push((schema, sequence(flushed)?));
    }
    Ok(schemas)
}

fn bucket((id, name, organisation, organisation_name): BucketRow) -> Result<BucketInfo, LakeError> {
    Ok(BucketInfo {
        organisation: OrganisationId::from_i64(organisation)
            .ok_or_else(|| LakeError::Damaged("an organisation has id 0".to_owned()))?,
        organisation_name: sql::name_text(organisation_name)?,
        bucket: sql::bucket_id(id)?,
        name: sql::name_text(name)?,
    })
}

pub(super) fn file(row: FileRow) -> Result<DataFile, LakeError> {
    let (id, table, path, rows, size, footer, min_time, max_time, first, last, deletes, level, sort_tags) = row;
    Ok(DataFile {
        file: FileId(id),
        table: TableId(table),
        path,
        row_count: sql::count("a row count", rows)?,
        size_bytes: sql::count("a file size", size)?,
        footer_size_bytes: sql::count("a footer size", footer)?,
        time_range: (min_time, max_time),
        sequences: (sequence(first)?, sequence(last)?),
        deletes_applied: sequence(deletes)?,
        level: u8::try_from(level).map_err(|_| LakeError::Damaged(format!("file {id} has level {level}")))?,
        sort_tags: sql::parse_column_list(&sort_tags)?,
    })
}

fn sequence(stored: i64) -> Result<Sequence, LakeError> {
    sql::count("a sequence", stored).map(Sequence)
}

/// The stored name of a kind.
pub(super) fn kind_text(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Tag => "tag",
        ColumnKind::Field(FieldKind::Float) => "float",
        ColumnKind::Field(FieldKind::Integer) => "integer",
        ColumnKind::Field(FieldKind::Unsigned) => "unsigned",
        ColumnKind::Field(FieldKind::Boolean) => "boolean",
        ColumnKind::Field(FieldKind::String) => "string",
    }
}

/// The kind of a stored name.
pub(super) fn parse_kind(text: &str) -> Result<ColumnKind, LakeError> {
    Ok(match text {
        "tag" => ColumnKind::Tag,
        "float" => ColumnKind::Field(FieldKind::Float),
        "integer" => ColumnKind::Field(FieldKind::Integer),
        "unsigned" => ColumnKind::Field(FieldKind::Unsigned),
        "boolean" => ColumnKind::Field(FieldKind::Boolean),
        "string" => ColumnKind::Field(FieldKind::String),
        other => return Err(LakeError::Damaged(format!("a column is of kind {other:?}"))),
    })
}
