//! Runs the SQL query given as the first argument and prints its rows, one JSON object per line.
//!
//! `FRESHET_URL=http://127.0.0.1:8086 FRESHET_TOKEN=… FRESHET_BUCKET=… cargo run -p freshet-client
//! --example query_sql 'SELECT * FROM press LIMIT 10'`

use std::env;
use std::error::Error;

use freshet_client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(env::var("FRESHET_URL")?).token(env::var("FRESHET_TOKEN")?).build()?;
    let sql = env::args().nth(1).unwrap_or_else(|| "SHOW TABLES".to_owned());
    for row in client.query_sql(&env::var("FRESHET_BUCKET")?, &sql).await? {
        println!("{}", serde_json::Value::Object(row));
    }
    Ok(())
}
