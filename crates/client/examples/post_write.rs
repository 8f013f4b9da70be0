//! Writes one point with a single `PostWriteRequest`.
//!
//! `FRESHET_URL=http://127.0.0.1:8086 FRESHET_TOKEN=… FRESHET_ORG=… FRESHET_BUCKET=… cargo run -p freshet-client
//! --example post_write`

use std::env;
use std::error::Error;

use freshet_client::{Client, Point, PostWriteRequest, WriteError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(env::var("FRESHET_URL")?).token(env::var("FRESHET_TOKEN")?).build()?;
    let point = Point::builder("weather").tag("city", "Saint John's").field("temperature", 11.5).build()?;
    let request = PostWriteRequest {
        body: point.to_string().into(),
        bucket: env::var("FRESHET_BUCKET")?,
        // Servers in Cloud mode need none: they take the token's organisation.
        org: env::var("FRESHET_ORG").unwrap_or_default(),
        ..PostWriteRequest::default()
    };
    match client.post_write(&request).await {
        Ok(()) => println!("written: {point}"),
        Err(WriteError::Request(error)) if error.is_retryable() => println!("try again later: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
