//! Writes 100,000 points through a `BatchWriter`, compressed and with retries, and says what became of them.
//!
//! `FRESHET_URL=http://127.0.0.1:8086 FRESHET_TOKEN=… FRESHET_ORG=… FRESHET_BUCKET=… cargo run -p freshet-client
//! --example batch_writer`

use std::env;
use std::error::Error;

use freshet_client::{Client, FlushError, Point};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(env::var("FRESHET_URL")?).token(env::var("FRESHET_TOKEN")?).build()?;
    let writer = client
        .batch_writer(env::var("FRESHET_BUCKET")?)
        .org(env::var("FRESHET_ORG").unwrap_or_default())
        .gzip(true)
        .on_error(|failure| eprintln!("{} lines refused: {}", failure.line_count, failure.error))
        .start()?;

    for reading in 0..100_000_i64 {
        let point = Point::builder("press")
            .tag("line", format!("{}", reading % 10))
            .field("force", f64::from(i32::try_from(reading)?) / 7.0)
            .field("cycle", reading)
            .timestamp_ns(1_700_000_000_000_000_000 + reading * 1_000_000)
            .build()?;
        // Waits while the queue is full.
        writer.write(point).await?;
    }

    match writer.close().await {
        Ok(()) => println!("{} lines written", writer.lines_written()),
        // The lines are in the error, ready to be kept for later.
        Err(FlushError::Failed(failures)) => println!("{failures}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
