//! Registration: buckets become DuckLake schemas, measurements tables, tags and fields columns. One transaction for
//! everything that the waiting batches need.
//!
//! What exists already is returned, not made again, so that a registration may be repeated. Types are decided by the
//! caller; here a conflict is only refused.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use catalog::BucketId;
use line_protocol::FieldKind;

use super::load::{self, kind_text};
use super::sql::{self, NewSnapshot, Transaction};
use super::{Lake, LakeError, buckets, names};
use crate::ids::{ColumnId, TableId};
use crate::table::{BucketInfo, Column, ColumnKind, TableSchema};

/// What is to exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// Buckets. A bucket that exists keeps its names; see [`Lake::rename_bucket`].
    pub buckets: Vec<BucketInfo>,
    /// Measurements, of these buckets or of ones that exist.
    pub tables: Vec<NewTable>,
    /// Columns for tables that exist.
    pub columns: Vec<(TableId, NewColumn)>,
}

/// A measurement that is to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTable {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its name.
    pub measurement: String,
    /// Its tags and fields, or some of them.
    pub columns: Vec<NewColumn>,
}

/// A tag or field that is to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name. A tag and a field may have the same.
    pub name: String,
    /// Tag or field, and the field's type.
    pub kind: ColumnKind,
}

/// What exists after a registration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// The whole schemas of all tables that the registration named, by ascending id.
    pub tables: Vec<TableSchema>,
}

/// A table of a registration on its way into the catalog.
#[derive(Debug)]
struct TableWork {
    schema: TableSchema,
    /// How many of the schema's columns the catalog has already.
    known_columns: usize,
    /// The name in the catalog, for a table that is new.
    created_as: Option<String>,
}

/// The DuckLake schema of a bucket.
#[derive(Debug, Clone)]
pub(super) struct BucketSchema {
    /// Its id.
    pub(super) id: i64,
    /// Its name.
    pub(super) name: String,
}

impl Lake {
    /// Makes sure that buckets, tables and columns exist: all of them, or (on an error) nothing.
    ///
    /// # Errors
    /// [`LakeError::FieldTypeConflict`] for a field that exists with another type, [`LakeError::UnknownBucket`] and
    /// [`LakeError::UnknownTable`] for what is neither there nor in the request, and failures of the database.
    pub async fn register(&self, request: Registration) -> Result<Registered, LakeError> {
        let mut transaction = self.begin().await?;
        let mut snapshot = NewSnapshot::begin(&mut transaction).await?;
        for bucket in &request.buckets {
            buckets::register(&mut transaction, &mut snapshot, bucket).await?;
        }
        let mut work = resolve_tables(&mut transaction, &mut snapshot, request).await?;
        let schemas = bucket_schemas(&mut transaction, &work).await?;
        name_tables(&mut transaction, &mut work).await?;
        if work.iter().any(TableWork::is_changed) {
            write_tables(&mut transaction, &mut snapshot, &work, &schemas)
                .await
                .map_err(LakeError::database("write tables and columns"))?;
        }
        if !snapshot.is_empty() {
            snapshot.write(&mut transaction, self.clock.now_ns()).await?;
            transaction.commit().await.map_err(LakeError::database("commit a registration"))?;
        }
        let mut tables: Vec<_> = work.into_iter().map(|table| table.schema).collect();
        tables.sort_unstable_by_key(|schema| schema.table);
        Ok(Registered { tables })
    }
}

impl TableWork {
    fn is_changed(&self) -> bool {
        self.created_as.is_some() || self.known_columns < self.schema.columns.len()
    }

    /// Adds the columns that the table does not have.
    fn add_columns(&mut self, columns: Vec<NewColumn>) -> Result<(), LakeError> {
        let mut existing: HashMap<(String, bool), ColumnKind> = HashMap::new();
        let mut taken = HashSet::from([names::TIME_COLUMN.to_owned()]);
        for column in &self.schema.columns {
            existing.insert((column.name.clone(), column.kind == ColumnKind::Tag), column.kind);
            taken.insert(names::fold(&column.physical_name));
        }
        for NewColumn { name, kind } in columns {
            let key = (name, kind == ColumnKind::Tag);
            match (existing.get(&key), kind) {
                (None, _) => {}
                (Some(present), _) if *present == kind => continue,
                (Some(ColumnKind::Field(existing)), ColumnKind::Field(requested)) => {
                    return Err(self.conflict(key.0, *existing, requested));
                }
                // The key says whether it is a tag, so both sides agree on that.
                (Some(_), _) => continue,
            }
            let last = self.schema.columns.last().map_or(ColumnId::TIME, |column| column.id);
            let id = ColumnId(last.0 + 1);
            let physical_name =
                names::first_free(|attempt| names::candidate(&key.0, id, attempt), |name| taken.contains(name));
            taken.insert(names::fold(&physical_name));
            self.schema.columns.push(Column { id, name: key.0.clone(), kind, physical_name });
            existing.insert(key, kind);
        }
        Ok(())
    }

    fn conflict(&self, field: String, existing: FieldKind, requested: FieldKind) -> LakeError {
        LakeError::FieldTypeConflict {
            table: self.created_as.is_none().then_some(self.schema.table),
            measurement: self.schema.measurement.clone(),
            field,
            existing,
            requested,
        }
    }
}

/// Finds the tables of a request, or gives ids to those that are new, and adds the columns.
async fn resolve_tables(
    transaction: &mut Transaction,
    snapshot: &mut NewSnapshot,
    request: Registration,
) -> Result<Vec<TableWork>, LakeError> {
    let found = find_tables(transaction, &request.tables).await?;
    let mut ids: Vec<i64> = found.values().map(|table| table.0).collect();
    ids.extend(request.columns.iter().map(|(table, _)| table.0));
    ids.sort_unstable();
    ids.dedup();
    let mut work: Vec<TableWork> = Vec::with_capacity(ids.len() + request.tables.len());
    for schema in load::schemas(transaction, &ids).await? {
        work.push(TableWork { known_columns: schema.columns.len(), schema, created_as: None });
    }
    let mut by_id: HashMap<TableId, usize> =
        work.iter().enumerate().map(|(index, table)| (table.schema.table, index)).collect();
    let mut by_name = found;
    for NewTable { bucket, measurement, columns } in request.tables {
        let table = *by_name.entry((bucket, measurement)).or_insert_with_key(|(bucket, measurement)| {
            let table = TableId(snapshot.take_catalog_id());
            by_id.insert(table, work.len());
            let schema = TableSchema {
                table,
                bucket: *bucket,
                measurement: measurement.clone(),
                columns: Vec::new(),
                tag_order: Vec::new(),
            };
            work.push(TableWork { schema, known_columns: 0, created_as: Some(String::new()) });
            table
        });
        table_work(&mut work, &by_id, table)?.add_columns(columns)?;
    }
    for (table, columns) in grouped(request.columns) {
        table_work(&mut work, &by_id, table)?.add_columns(columns)?;
    }
    Ok(work)
}

fn table_work<'a>(
    work: &'a mut [TableWork],
    by_id: &HashMap<TableId, usize>,
    table: TableId,
) -> Result<&'a mut TableWork, LakeError> {
    by_id.get(&table).and_then(|index| work.get_mut(*index)).ok_or(LakeError::UnknownTable(table))
}

/// Columns by table, tables in the order of their first column.
fn grouped(columns: Vec<(TableId, NewColumn)>) -> Vec<(TableId, Vec<NewColumn>)> {
    let mut groups: Vec<(TableId, Vec<NewColumn>)> = Vec::new();
    let mut index: HashMap<TableId, usize> = HashMap::new();
    for (table, column) in columns {
        let at = *index.entry(table).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, of_table)) => of_table.push(column),
            None => groups.push((table, vec![column])),
        }
    }
    groups
}

/// The tables that exist already, by bucket and measurement.
async fn find_tables(
    transaction: &mut Transaction,
    tables: &[NewTable],
) -> Result<HashMap<(BucketId, String), TableId>, LakeError> {
    let mut hashes: Vec<i64> = tables.iter().map(|table| measurement_hash(&table.measurement)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let wanted: HashSet<(BucketId, &str)> =
        tables.iter().map(|table| (table.bucket, table.measurement.as_str())).collect();
    let statement = "SELECT table_id, bucket_id, measurement FROM freshet_table WHERE measurement_hash IN";
    let rows: Vec<(i64, i64, Vec<u8>)> =
        sql::select_in(transaction, statement, &hashes).await.map_err(LakeError::database("look up tables"))?;
    let mut found = HashMap::with_capacity(rows.len());
    for (table, bucket, measurement) in rows {
        let key = (sql::bucket_id(bucket)?, sql::name_text(measurement)?);
        if wanted.contains(&(key.0, key.1.as_str())) {
            found.insert(key, TableId(table));
        }
    }
    Ok(found)
}

fn measurement_hash(measurement: &str) -> i64 {
    i64::from(crc32c::crc32c(measurement.as_bytes()))
}

/// The DuckLake schemas of the buckets that new tables are in.
async fn bucket_schemas(
    transaction: &mut Transaction,
    work: &[TableWork],
) -> Result<HashMap<BucketId, BucketSchema>, LakeError> {
    let mut schemas = HashMap::new();
    for table in work.iter().filter(|table| table.created_as.is_some()) {
        let bucket = table.schema.bucket;
        if let Entry::Vacant(entry) = schemas.entry(bucket) {
            let schema = buckets::schema_of(transaction, bucket).await?;
            entry.insert(schema.ok_or(LakeError::UnknownBucket(bucket))?);
        }
    }
    Ok(schemas)
}

/// Gives every new table the first name that no other table of its bucket has. A round asks the database for the next
/// candidate of all that are still without a name; nearly always one round is enough.
async fn name_tables(transaction: &mut Transaction, work: &mut [TableWork]) -> Result<(), LakeError> {
    let mut given: HashSet<(BucketId, String)> = HashSet::new();
    let mut pending: Vec<(usize, usize)> =
        work.iter().enumerate().filter(|(_, table)| table.created_as.is_some()).map(|(index, _)| (index, 0)).collect();
    while !pending.is_empty() {
        let mut round = Vec::with_capacity(pending.len());
        for (index, attempt) in pending {
            let Some(TableWork { schema, .. }) = work.get(index) else {
                continue;
            };
            let (attempt, name) = match names::candidate(&schema.measurement, schema.table, attempt) {
                Some(name) => (attempt, Some(name)),
                None => (attempt + 1, names::candidate(&schema.measurement, schema.table, attempt + 1)),
            };
            if let Some(name) = name {
                round.push((index, attempt, schema.bucket, names::fold(&name), name));
            }
        }
        let folded: Vec<String> = round.iter().map(|(_, _, _, folded, _)| folded.clone()).collect();
        let statement = "SELECT bucket_id, folded_name FROM freshet_table WHERE folded_name IN";
        let taken: Vec<(i64, String)> =
            sql::select_in(transaction, statement, &folded).await.map_err(LakeError::database("look up names"))?;
        let taken: HashSet<(i64, String)> = taken.into_iter().collect();
        pending = Vec::new();
        for (index, attempt, bucket, folded, name) in round {
            if taken.contains(&(bucket.to_i64(), folded.clone())) || !given.insert((bucket, folded)) {
                pending.push((index, attempt + 1));
            } else if let Some(table) = work.get_mut(index) {
                table.created_as = Some(name);
            }
        }
    }
    Ok(())
}

/// Makes tables with the ids of tables and columns, and the names of columns, that they had once.
pub(super) async fn create_tables(
    transaction: &mut Transaction,
    snapshot: &mut NewSnapshot,
    schemas: Vec<TableSchema>,
) -> Result<(), LakeError> {
    let new = |schema| TableWork { schema, known_columns: 0, created_as: Some(String::new()) };
    let mut work: Vec<TableWork> = schemas.into_iter().map(new).collect();
    let schemas = bucket_schemas(transaction, &work).await?;
    name_tables(transaction, &mut work).await?;
    let written = write_tables(transaction, snapshot, &work, &schemas).await;
    written.map_err(LakeError::database("write tables and columns"))
}

/// Writes the rows of new tables and columns, and notes what changed.
async fn write_tables(
    transaction: &mut Transaction,
    snapshot: &mut NewSnapshot,
    work: &[TableWork],
    schemas: &HashMap<BucketId, BucketSchema>,
) -> Result<(), sqlx::Error> {
    let mut created = Vec::new();
    for table in work {
        let schema = schemas.get(&table.schema.bucket);
        if let (Some(name), Some(schema)) = (&table.created_as, schema) {
            snapshot.change_schema(format!("created_table:{}.{}", sql::quoted(&schema.name), sql::quoted(name)));
            created.push((table, name, schema.id));
        } else if table.is_changed() {
            snapshot.change_schema(format!("altered_table:{}", table.schema.table));
        }
    }
    write_created_tables(transaction, snapshot.id, &created).await?;
    write_columns(transaction, snapshot.id, work).await?;
    let changed: Vec<TableId> =
        work.iter().filter(|table| table.is_changed()).map(|table| table.schema.table).collect();
    let statement = ("INSERT INTO ducklake_schema_versions(begin_snapshot, schema_version, table_id)", "");
    sql::insert(transaction, statement, 3, &changed, |values, table| {
        values.bind(snapshot.id).bind(snapshot.schema_version).bind(table.0);
    })
    .await
}

async fn write_created_tables(
    transaction: &mut Transaction,
    snapshot_id: i64,
    created: &[(&TableWork, &String, i64)],
) -> Result<(), sqlx::Error> {
    let statement = (
        "INSERT INTO ducklake_table(table_id, table_uuid, begin_snapshot, schema_id, table_name, path, \
         path_is_relative)",
        "",
    );
    sql::insert(transaction, statement, 6, created, |values, (table, name, schema_id)| {
        let id = table.schema.table;
        values.bind(id.0).bind(sql::new_uuid()).bind(snapshot_id).bind(*schema_id);
        values.bind(name.as_str()).bind(format!("{id}/")).literal("TRUE");
    })
    .await?;
    let statement = (
        "INSERT INTO freshet_table(table_id, bucket_id, measurement, measurement_hash, folded_name, \
         flushed_sequence, tag_order)",
        "",
    );
    sql::insert(transaction, statement, 5, created, |values, (table, name, _)| {
        let TableSchema { table, bucket, measurement, .. } = &table.schema;
        values.bind(table.0).bind(bucket.to_i64()).bind(measurement.as_bytes());
        values.bind(measurement_hash(measurement)).bind(names::fold(name)).literal("0").literal("''");
    })
    .await?;
    let renamed: Vec<(i64, &'static str, String)> = created
        .iter()
        .filter(|(table, name, _)| table.schema.measurement != **name)
        .map(|(table, _, _)| (table.schema.table.0, buckets::NAME_TAG, buckets::tag_text(&table.schema.measurement)))
        .collect();
    buckets::write_tags(transaction, snapshot_id, &renamed).await
}

/// A row of `ducklake_column`.
struct DuckLakeColumn<'a> {
    table: TableId,
    id: ColumnId,
    name: &'a str,
    data_type: &'static str,
}

async fn write_columns(transaction: &mut Transaction, snapshot_id: i64, work: &[TableWork]) -> Result<(), sqlx::Error> {
    let new_columns: Vec<(TableId, &Column)> = work
        .iter()
        .flat_map(|table| {
            let id = table.schema.table;
            table.schema.columns.iter().skip(table.known_columns).map(move |column| (id, column))
        })
        .collect();
    let times = work.iter().filter(|table| table.created_as.is_some()).map(|table| DuckLakeColumn {
        table: table.schema.table,
        id: ColumnId::TIME,
        name: names::TIME_COLUMN,
        data_type: "timestamp_ns",
    });
    let others = new_columns.iter().map(|(table, column)| DuckLakeColumn {
        table: *table,
        id: column.id,
        name: &column.physical_name,
        data_type: ducklake_type(column.kind),
    });
    write_ducklake_columns(transaction, snapshot_id, &times.chain(others).collect::<Vec<_>>()).await?;
    let statement = ("INSERT INTO freshet_column(table_id, column_id, column_name, kind, physical_name)", "");
    sql::insert(transaction, statement, 5, &new_columns, |values, (table, column)| {
        values.bind(table.0).bind(column.id.0);
        values.bind(column.name.as_bytes()).bind(kind_text(column.kind));
        values.bind(column.physical_name.as_str());
    })
    .await?;
    write_comments(transaction, snapshot_id, &new_columns).await
}

async fn write_ducklake_columns(
    transaction: &mut Transaction,
    snapshot_id: i64,
    rows: &[DuckLakeColumn<'_>],
) -> Result<(), sqlx::Error> {
    let statement = (
        "INSERT INTO ducklake_column(column_id, begin_snapshot, table_id, column_order, column_name, column_type, \
         default_value, nulls_allowed, default_value_type, default_value_dialect)",
        "",
    );
    sql::insert(transaction, statement, 6, rows, |values, row| {
        let nulls_allowed = if row.id == ColumnId::TIME { "FALSE" } else { "TRUE" };
        values.bind(row.id.0).bind(snapshot_id).bind(row.table.0);
        values.bind(row.id.0).bind(row.name).bind(row.data_type);
        values.literal("'NULL'").literal(nulls_allowed).literal("'literal'").literal("'duckdb'");
    })
    .await
}

/// Writes what an outside reader is told of columns that are tags or have another name.
async fn write_comments(
    transaction: &mut Transaction,
    snapshot_id: i64,
    columns: &[(TableId, &Column)],
) -> Result<(), sqlx::Error> {
    let comments: Vec<(TableId, ColumnId, String)> =
        columns.iter().filter_map(|(table, column)| Some((*table, column.id, column_comment(column)?))).collect();
    let statement = ("INSERT INTO ducklake_column_tag(table_id, column_id, begin_snapshot, \"key\", \"value\")", "");
    sql::insert(transaction, statement, 4, &comments, |values, (table, column, comment)| {
        values.bind(table.0).bind(column.0).bind(snapshot_id);
        values.literal("'comment'").bind(comment.as_str());
    })
    .await
}

/// What an outside reader is told of a column: `tag` or `field`, and the real name as a JSON string if it is another
/// one; nothing of a field with its own name. The place is DuckLake's tag `comment`, because DuckDB 1.5.5 refuses a
/// table that has any other tag on a column.
fn column_comment(column: &Column) -> Option<String> {
    let kind = if column.kind == ColumnKind::Tag { "tag" } else { "field" };
    if column.name != column.physical_name {
        Some(format!("{kind} {}", buckets::tag_text(&column.name)))
    } else {
        (column.kind == ColumnKind::Tag).then(|| kind.to_owned())
    }
}

/// DuckLake's name of a column's type.
fn ducklake_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Tag | ColumnKind::Field(FieldKind::String) => "varchar",
        ColumnKind::Field(FieldKind::Float) => "float64",
        ColumnKind::Field(FieldKind::Integer) => "int64",
        ColumnKind::Field(FieldKind::Unsigned) => "uint64",
        ColumnKind::Field(FieldKind::Boolean) => "boolean",
    }
}
