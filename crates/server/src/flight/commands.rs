//! What a client asks for: the commands of Flight SQL in their `Any`, and the JSON tickets of InfluxDB 3's clients.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::wire::{self, Message, WireError};
use crate::api_error::{ApiError, ApiResult, Code};

/// Before the name of a message in an `Any`.
const TYPE_PREFIX: &str = "type.googleapis.com/arrow.flight.protocol.sql.";

/// A message of Flight SQL in an `Any`.
pub(super) fn any(name: &str, message: &Message) -> Message {
    Message::new().bytes(1, format!("{TYPE_PREFIX}{name}").as_bytes()).bytes(2, message.as_ref())
}

/// The name and the bytes of a message of Flight SQL in an `Any`.
pub(super) fn open_any(bytes: &[u8]) -> ApiResult<(String, &[u8])> {
    let url = wire::text(bytes, 1)?.unwrap_or_default();
    let name = url.strip_prefix(TYPE_PREFIX).ok_or_else(|| {
        ApiError::invalid(format!("the command is no message of Flight SQL, but {:?}", shortened(&url)))
    })?;
    Ok((name.to_owned(), wire::bytes(bytes, 2)?.unwrap_or_default()))
}

/// The start of a text that a client sent, for a message.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A query or a question about what there is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    Query(Query),
    SqlInfo(Vec<u64>),
    TypeInfo(Option<i32>),
    Catalogs,
    Schemas {
        catalog: Option<String>,
        schema: Option<String>,
    },
    Tables(Tables),
    TableTypes,
    PrimaryKeys,
    /// Exported, imported, and those between two tables: all have the same columns.
    ForeignKeys,
}

/// Something that is answered with rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Query {
    pub(super) text: String,
    pub(super) is_influxql: bool,
    pub(super) params: Map<String, Value>,
    /// The values of a prepared statement: a stream of Arrow's IPC format with one row.
    pub(super) arguments: Vec<u8>,
    /// The database, where the query itself names it.
    pub(super) database: Option<String>,
}

/// Which tables are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tables {
    pub(super) catalog: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) table: Option<String>,
    pub(super) types: Vec<String>,
    pub(super) with_schema: bool,
}

impl Command {
    /// The command of a descriptor or of a ticket.
    pub(super) fn parse(bytes: &[u8]) -> ApiResult<Self> {
        if bytes.first() == Some(&b'{') {
            return JsonTicket::parse(bytes).map(Self::Query);
        }
        let (name, message) = open_any(bytes)?;
        Ok(match name.as_str() {
            "CommandStatementQuery" => {
                Self::Query(Query { text: wire::text(message, 1)?.unwrap_or_default(), ..Query::default() })
            }
            "CommandPreparedStatementQuery" => Self::Query(Query::of_handle(handle(message)?)?),
            "CommandGetSqlInfo" => Self::SqlInfo(wire::numbers(message, 1)?),
            // An `int32` that is negative comes with 64 bits.
            "CommandGetXdbcTypeInfo" => Self::TypeInfo(wire::numbers(message, 1)?.pop().map(|number| number as i32)),
            "CommandGetCatalogs" => Self::Catalogs,
            "CommandGetDbSchemas" => {
                Self::Schemas { catalog: wire::text(message, 1)?, schema: wire::text(message, 2)? }
            }
            "CommandGetTables" => Self::Tables(Tables {
                catalog: wire::text(message, 1)?,
                schema: wire::text(message, 2)?,
                table: wire::text(message, 3)?,
                types: wire::texts(message, 4)?,
                with_schema: wire::numbers(message, 5)?.pop().unwrap_or(0) != 0,
            }),
            "CommandGetTableTypes" => Self::TableTypes,
            "CommandGetPrimaryKeys" => Self::PrimaryKeys,
            "CommandGetExportedKeys" | "CommandGetImportedKeys" | "CommandGetCrossReference" => Self::ForeignKeys,
            other => return Err(unsupported(other)),
        })
    }
}

/// The answer to a command that we do not have.
pub(super) fn unsupported(name: &str) -> ApiError {
    let message = format!("{:?} is not supported; this server reads by SQL and InfluxQL", shortened(name));
    ApiError::new(Code::NotImplemented, message)
}

/// The handle of a message about a prepared statement.
pub(super) fn handle(message: &[u8]) -> Result<&[u8], WireError> {
    Ok(wire::bytes(message, 1)?.unwrap_or_default())
}

impl Query {
    /// A handle holds the statement and its values, so that nothing is kept here between calls: a client that goes away
    /// leaves nothing behind, and any server of a cluster can go on.
    pub(super) fn handle(&self) -> Message {
        Message::new().bytes(1, self.text.as_bytes()).bytes(2, &self.arguments)
    }

    /// What a handle stands for.
    pub(super) fn of_handle(handle: &[u8]) -> Result<Self, WireError> {
        Ok(Self {
            text: wire::text(handle, 1)?.unwrap_or_default(),
            arguments: wire::bytes(handle, 2)?.unwrap_or_default().to_vec(),
            ..Self::default()
        })
    }
}

/// The ticket of InfluxDB 3's own clients. Its query stands in `sql_query`, in whichever language.
#[derive(Debug, Deserialize)]
struct JsonTicket {
    #[serde(alias = "bucket", alias = "bucket-name", alias = "bucket_name", alias = "namespace_name")]
    #[serde(alias = "iox-namespace-name", alias = "db")]
    database: Option<String>,
    sql_query: String,
    query_type: Option<String>,
    params: Option<Map<String, Value>>,
}

impl JsonTicket {
    fn parse(bytes: &[u8]) -> ApiResult<Query> {
        let ticket: Self = serde_json::from_slice(bytes)
            .map_err(|error| ApiError::invalid(format!("the ticket is broken: {error}")))?;
        let is_influxql = match ticket.query_type.as_deref() {
            None | Some("sql" | "") => false,
            Some("influxql") => true,
            Some(other) => {
                let other = shortened(other);
                return Err(ApiError::invalid(format!("unknown query_type {other:?}, expected sql or influxql")));
            }
        };
        Ok(Query {
            text: ticket.sql_query,
            is_influxql,
            params: ticket.params.unwrap_or_default(),
            arguments: Vec::new(),
            database: ticket.database,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Command, String> {
        Command::parse(bytes).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn tickets_of_the_clients_of_influxdb_3() {
        let sql = br#"{"database":"d","sql_query":"SELECT 1","query_type":"sql"}"#;
        let expected = Query { text: "SELECT 1".to_owned(), database: Some("d".to_owned()), ..Query::default() };
        assert_eq!(parse(sql).unwrap(), Command::Query(expected.clone()));
        for name in ["bucket", "bucket-name", "namespace_name", "database"] {
            let ticket = format!(r#"{{"{name}":"d","sql_query":"SELECT 1"}}"#);
            assert_eq!(parse(ticket.as_bytes()).unwrap(), Command::Query(expected.clone()), "{name}");
        }
        let influxql = br#"{"database":"d","sql_query":"SELECT 1","query_type":"influxql","params":{"a":1}}"#;
        let Command::Query(query) = parse(influxql).unwrap() else { panic!("no query") };
        assert!(query.is_influxql);
        assert_eq!(query.params["a"], 1);
        let refused = parse(br#"{"sql_query":"","query_type":"flux"}"#).unwrap_err();
        assert_eq!(refused, r#"unknown query_type "flux", expected sql or influxql"#);
        assert!(parse(b"{").unwrap_err().starts_with("the ticket is broken: "));
        assert!(parse(b"{}").unwrap_err().contains("sql_query"));
    }

    #[test]
    fn commands_in_their_any() {
        let check = |name: &str, message: Message, expected: Command| {
            assert_eq!(parse(any(name, &message).as_ref()).unwrap(), expected, "{name}");
        };
        let query = Query { text: "SELECT $1".to_owned(), arguments: vec![1, 2], ..Query::default() };
        let statement = Query { arguments: Vec::new(), ..query.clone() };
        check("CommandStatementQuery", Message::new().bytes(1, b"SELECT $1"), Command::Query(statement));
        let prepared = Message::new().bytes(1, query.handle().as_ref());
        check("CommandPreparedStatementQuery", prepared, Command::Query(query));
        check("CommandGetSqlInfo", Message::new().bytes(1, &[0, 3]), Command::SqlInfo(vec![0, 3]));
        check("CommandGetXdbcTypeInfo", Message::new().number(1, -7_i64 as u64), Command::TypeInfo(Some(-7)));
        let tables = Tables { table: Some("m%".to_owned()), with_schema: true, ..Tables::default() };
        check("CommandGetTables", Message::new().bytes(3, b"m%").number(5, 1), Command::Tables(tables));
        check("CommandGetImportedKeys", Message::new(), Command::ForeignKeys);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let refused = parse(any("CommandStatementIngest", &Message::new()).as_ref()).unwrap_err();
        assert!(refused.starts_with(r#""CommandStatementIngest" is not supported"#), "{refused}");
        let foreign = Message::new().bytes(1, b"type.googleapis.com/google.protobuf.Empty");
        assert!(parse(foreign.as_ref()).unwrap_err().contains("google.protobuf.Empty"));
        assert!(parse(b"\x0a").unwrap_err().contains("broken"));
    }
}
