//! `freshet delete`: deletes points of a bucket by time and predicate, with the flags of `influx delete`.

use freshet_client::{DeleteRequest, RequestError};

use crate::connection::{self, ConnectionError};
use crate::options::DeleteOptions;

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteCommandError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket or --bucket-id: whose points are meant?")]
    NoBucket,
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Sends the request; the server says what is wrong with it.
pub(crate) async fn run(options: DeleteOptions) -> Result<(), DeleteCommandError> {
    let client = connection::client(&options.connection, |builder| builder)?;
    let bucket_id = options.bucket_id.unwrap_or_default();
    // An id that is given as a flag counts before a name that may come from the environment.
    let bucket = if bucket_id.is_empty() { options.target.bucket.unwrap_or_default() } else { String::new() };
    let org_id = options.org_id.unwrap_or_default();
    let org = if org_id.is_empty() { options.target.org.unwrap_or_default() } else { String::new() };
    if bucket.is_empty() && bucket_id.is_empty() {
        return Err(DeleteCommandError::NoBucket);
    }
    let (start, stop, predicate) = (options.start, options.stop, options.predicate.unwrap_or_default());
    Ok(client.delete(&DeleteRequest { bucket, bucket_id, org, org_id, start, stop, predicate }).await?)
}
