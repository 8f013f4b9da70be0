//! `FlightSqlServiceClient` of the crate arrow-flight against a Freshet server: the handshake, statements, prepared
//! statements with parameters, and metadata. Each check is a function; the last line says how many passed.

use std::error::Error;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array as _, Int64Array, RecordBatch, StringArray};
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, SqlInfo};
use arrow_flight::{FlightInfo, sql::client::PreparedStatement};
use arrow_schema::{DataType, Field, Schema};
use futures::TryStreamExt as _;
use tonic::transport::{Channel, Endpoint};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Client = FlightSqlServiceClient<Channel>;

fn setting(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

async fn connect() -> Result<Client> {
    let channel = Endpoint::from_shared(setting("FRESHET_URL")?)?.connect().await?;
    let mut client = FlightSqlServiceClient::new(channel);
    client.set_header("database", setting("FRESHET_BUCKET")?);
    Ok(client)
}

async fn rows(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for endpoint in info.endpoint {
        let ticket = endpoint.ticket.ok_or("an endpoint without a ticket")?;
        batches.extend(client.do_get(ticket).await?.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}

/// The only value of a query that counts.
async fn count(client: &mut Client, statement: &mut PreparedStatement<Channel>) -> Result<i64> {
    let info = statement.execute().await?;
    let batches = rows(client, info).await?;
    Ok(batches.first().ok_or("no rows")?.column(0).as_primitive::<Int64Type>().value(0))
}

async fn handshake_and_statement(client: &mut Client) -> Result<()> {
    client.handshake("anybody", &setting("FRESHET_TOKEN")?).await?;
    let info = client.execute("SELECT host, usage FROM cpu ORDER BY host".to_owned(), None).await?;
    let schema = info.clone().try_decode_schema()?;
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
    let batches = rows(client, info).await?;
    let batch = batches.first().ok_or("no rows")?;
    assert_eq!(batch.schema().fields(), schema.fields());
    assert_eq!(batch.column(0).as_string::<i32>(), &StringArray::from(vec!["a", "b", "c"]));
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().values(), &[1.0, 2.0, 3.0]);
    Ok(())
}

async fn prepared_statement(client: &mut Client) -> Result<()> {
    let text = "SELECT count(*) AS n FROM cpu WHERE usage > $1 AND host <> $2";
    let mut statement = client.prepare(text.to_owned(), None).await?;
    assert_eq!(statement.parameter_schema()?.fields().len(), 2);
    assert_eq!(statement.dataset_schema()?.field(0).name(), "n");
    for (least, host, expected) in [(0, "c", 2), (1, "c", 1), (5, "x", 0)] {
        let fields = vec![Field::new("$1", DataType::Int64, false), Field::new("$2", DataType::Utf8, false)];
        let row = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![Arc::new(Int64Array::from(vec![least])), Arc::new(StringArray::from(vec![host]))],
        )?;
        statement.set_parameters(row)?;
        assert_eq!(count(client, &mut statement).await?, expected, "{least} {host}");
    }
    statement.close().await?;
    Ok(())
}

async fn metadata(client: &mut Client) -> Result<()> {
    let info = client.get_catalogs().await?;
    assert_eq!(rows(client, info).await?[0].column(0).as_string::<i32>().value(0), "public");
    let info = client.get_db_schemas(CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None }).await?;
    assert_eq!(rows(client, info).await?[0].num_rows(), 3);
    let wanted = CommandGetTables {
        catalog: Some("public".to_owned()),
        db_schema_filter_pattern: Some("iox".to_owned()),
        table_name_filter_pattern: Some("c%".to_owned()),
        table_types: vec!["BASE TABLE".to_owned()],
        include_schema: true,
    };
    let info = client.get_tables(wanted).await?;
    let tables = rows(client, info).await?;
    assert_eq!(tables[0].column(2).as_string::<i32>(), &StringArray::from(vec!["cpu"]));
    assert!(!tables[0].column(4).as_binary::<i32>().value(0).is_empty());
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await?;
    assert_eq!(rows(client, info).await?[0].num_rows(), 1);
    let info = client.get_xdbc_type_info(arrow_flight::sql::CommandGetXdbcTypeInfo { data_type: None }).await?;
    assert!(!rows(client, info).await?[0].column(0).is_empty());
    Ok(())
}

async fn errors(client: &mut Client) -> Result<()> {
    let refused = client.execute("SELECT * FROM absent".to_owned(), None).await.unwrap_err().to_string();
    assert!(refused.contains("absent"), "{refused}");
    let refused = client.execute_update("DELETE FROM cpu".to_owned(), None).await.unwrap_err().to_string();
    assert!(refused.contains("not supported"), "{refused}");
    let mut stranger = connect().await?;
    let refused = stranger.handshake("anybody", "wrong").await.unwrap_err().to_string();
    assert!(refused.contains("unauthorized"), "{refused}");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut client = connect().await?;
    handshake_and_statement(&mut client).await?;
    prepared_statement(&mut client).await?;
    metadata(&mut client).await?;
    errors(&mut client).await?;
    println!("4 passed");
    Ok(())
}
