//! What there is, in the columns that Flight SQL prescribes: catalogs, schemas, tables, kinds of tables and types.
//!
//! Names come from `information_schema`, by the engine that answers all queries, so what a client is told and what it
//! may query are the same.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BinaryArray, RecordBatch, StringArray, new_empty_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt as _;
use serde_json::{Map, Value};

use super::commands::{Command, Query, Tables};
use super::encode::{plain_schema, schema_bytes};
use super::session::{Rows, Session};
use super::{sql_info, type_info};
use crate::api_error::{ApiError, ApiResult};

/// The columns of the answer to a command that is no query.
pub(super) fn schema(command: &Command) -> Option<SchemaRef> {
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    let fields = match command {
        Command::Query(_) => return None,
        Command::SqlInfo(_) => return Some(sql_info::schema()),
        Command::TypeInfo(_) => return Some(type_info::schema()),
        Command::Catalogs => vec![text("catalog_name", false)],
        Command::Schemas { .. } => vec![text("catalog_name", true), text("db_schema_name", false)],
        Command::TableTypes => vec![text("table_type", false)],
        Command::Tables(tables) => {
            let mut fields = vec![
                text("catalog_name", true),
                text("db_schema_name", true),
                text("table_name", false),
                text("table_type", false),
            ];
            if tables.with_schema {
                fields.push(Field::new("table_schema", DataType::Binary, false));
            }
            fields
        }
        Command::PrimaryKeys => vec![
            text("catalog_name", true),
            text("db_schema_name", true),
            text("table_name", false),
            text("column_name", false),
            text("key_name", true),
            Field::new("key_sequence", DataType::Int32, false),
        ],
        Command::ForeignKeys => vec![
            text("pk_catalog_name", true),
            text("pk_db_schema_name", true),
            text("pk_table_name", false),
            text("pk_column_name", false),
            text("fk_catalog_name", true),
            text("fk_db_schema_name", true),
            text("fk_table_name", false),
            text("fk_column_name", false),
            Field::new("key_sequence", DataType::Int32, false),
            text("fk_key_name", true),
            text("pk_key_name", true),
            Field::new("update_rule", DataType::UInt8, false),
            Field::new("delete_rule", DataType::UInt8, false),
        ],
    };
    Some(Arc::new(Schema::new(fields)))
}

/// The rows that answer a command.
pub(super) async fn rows(session: &Session, command: &Command) -> ApiResult<Rows> {
    let columns = match command {
        Command::Query(query) => return session.run(query).await,
        Command::SqlInfo(wanted) => return sql_info::rows(wanted).map(Rows::of).map_err(ApiError::internal),
        Command::TypeInfo(wanted) => return type_info::rows(*wanted).map(Rows::of).map_err(ApiError::internal),
        Command::Catalogs => {
            names(session, "SELECT DISTINCT table_catalog FROM information_schema.tables", Map::new()).await?
        }
        Command::Schemas { catalog, schema } => schemas(session, catalog.as_deref(), schema.as_deref()).await?,
        Command::Tables(wanted) => tables(session, wanted).await?,
        Command::TableTypes => {
            let base = session.base_table_type()?;
            vec![Arc::new(StringArray::from_iter_values([base, "VIEW"])) as ArrayRef]
        }
        // There are none in line protocol; a row is known by its tags and its time.
        Command::PrimaryKeys | Command::ForeignKeys => Vec::new(),
    };
    let schema = schema(command).ok_or_else(|| ApiError::internal("a command without columns"))?;
    let columns = match columns.is_empty() {
        true => schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect(),
        false => columns,
    };
    RecordBatch::try_new(schema, columns).map(Rows::of).map_err(ApiError::internal)
}

/// The columns of a query over `information_schema`, as texts.
async fn names(session: &Session, text: &str, params: Map<String, Value>) -> ApiResult<Vec<ArrayRef>> {
    let rows = session.run(&Query { text: text.to_owned(), params, ..Query::default() }).await?;
    let schema = Arc::clone(&rows.schema);
    let batches: Vec<RecordBatch> = rows.batches.try_collect().await?;
    let batch = concat_batches(&schema, &batches).map_err(ApiError::internal)?;
    let text = |array: &ArrayRef| cast(array, &DataType::Utf8);
    batch.columns().iter().map(text).collect::<Result<_, _>>().map_err(ApiError::internal)
}

/// Conditions with their values. Patterns are those of `LIKE`.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    params: Map<String, Value>,
}

impl Conditions {
    fn add(&mut self, column: &str, operator: &str, value: Option<&str>) {
        if let Some(value) = value {
            let name = format!("p{}", self.params.len());
            self.texts.push(format!("{column} {operator} ${name}"));
            self.params.insert(name, Value::from(value));
        }
    }

    fn add_any(&mut self, column: &str, values: &[String]) {
        let start = self.texts.len();
        values.iter().for_each(|value| self.add(column, "=", Some(value)));
        let any: Vec<String> = self.texts.drain(start..).collect();
        if !any.is_empty() {
            self.texts.push(format!("({})", any.join(" OR ")));
        }
    }

    fn text(&self) -> String {
        if self.texts.is_empty() { String::new() } else { format!(" WHERE {}", self.texts.join(" AND ")) }
    }
}

async fn schemas(session: &Session, catalog: Option<&str>, schema: Option<&str>) -> ApiResult<Vec<ArrayRef>> {
    let mut conditions = Conditions::default();
    conditions.add("c", "=", catalog);
    conditions.add("s", "LIKE", schema);
    // A database without tables has its schema too, and `information_schema` is only among the tables.
    let text = format!(
        "SELECT c, s FROM (SELECT catalog_name AS c, schema_name AS s FROM information_schema.schemata \
         UNION SELECT table_catalog AS c, table_schema AS s FROM information_schema.tables) AS known{} ORDER BY c, s",
        conditions.text()
    );
    names(session, &text, conditions.params).await
}

async fn tables(session: &Session, wanted: &Tables) -> ApiResult<Vec<ArrayRef>> {
    let mut conditions = Conditions::default();
    conditions.add("c", "=", wanted.catalog.as_deref());
    conditions.add("s", "LIKE", wanted.schema.as_deref());
    conditions.add("t", "LIKE", wanted.table.as_deref());
    conditions.add_any("k", &wanted.types);
    let base = session.base_table_type()?;
    let text = format!(
        "SELECT c, s, t, k FROM (SELECT table_catalog AS c, table_schema AS s, table_name AS t, \
         CASE table_type WHEN 'BASE TABLE' THEN '{base}' ELSE table_type END AS k \
         FROM information_schema.tables) AS known{} ORDER BY c, s, t, k",
        conditions.text()
    );
    let mut columns = names(session, &text, conditions.params).await?;
    if let (true, [_, schemas, tables, _]) = (wanted.with_schema, columns.as_slice()) {
        let (schemas, tables) = (schemas.as_string::<i32>(), tables.as_string::<i32>());
        let mut known = Vec::with_capacity(tables.len());
        for row in 0..tables.len() {
            let schema = session.table_schema(schemas.value(row), tables.value(row)).await?;
            known.push(schema_bytes(&plain_schema(&schema)).map_err(ApiError::internal)?);
        }
        columns.push(Arc::new(BinaryArray::from_iter_values(known)));
    }
    Ok(columns)
}
