//! Deleting points: the request as InfluxDB's v2 API defines it, and its way to `POST /api/v2/delete`.

use serde::Serialize;

use crate::client::Client;
use crate::error::RequestError;

/// The request of `POST /api/v2/delete`.
///
/// ```
/// use freshet_client::DeleteRequest;
///
/// let request = DeleteRequest {
///     bucket: "metrics".to_owned(),
///     org: "factory".to_owned(),
///     start: "2024-05-01T00:00:00Z".to_owned(),
///     stop: "2024-05-02T00:00:00Z".to_owned(),
///     predicate: "_measurement=\"cpu\" AND host=\"a\"".to_owned(),
///     ..DeleteRequest::default()
/// };
/// # assert!(request.org_id.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Name of the bucket; not sent where it is empty.
    pub bucket: String,
    /// Id of the bucket; not sent where it is empty.
    pub bucket_id: String,
    /// Name or id of the organisation. An empty one is not sent: servers in Cloud mode take the token's.
    pub org: String,
    /// Id of the organisation; not sent where it is empty.
    pub org_id: String,
    /// The earliest time, in RFC 3339.
    pub start: String,
    /// The latest time, which is deleted too.
    pub stop: String,
    /// Comparisons joined by AND; an empty one means every point in the range.
    pub predicate: String,
}

#[derive(Serialize)]
struct DeleteBody<'a> {
    start: &'a str,
    stop: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    predicate: &'a str,
}

impl Client {
    /// Deletes points. `Ok` means that no later query sees them, and also that none may have been there.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection or a time-out. The points may be deleted all the same after one of the
    /// last two; asking again does no harm.
    pub async fn delete(&self, request: &DeleteRequest) -> Result<(), RequestError> {
        let mut url = self.endpoints().delete.clone();
        {
            let DeleteRequest { bucket, bucket_id, org, org_id, .. } = request;
            let mut parameters = url.query_pairs_mut();
            let given = [("org", org), ("orgID", org_id), ("bucket", bucket), ("bucketID", bucket_id)];
            for (name, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
                parameters.append_pair(name, value);
            }
        }
        let body = DeleteBody { start: &request.start, stop: &request.stop, predicate: &request.predicate };
        let response = self.send(self.post(url).timeout(self.timeout()).json(&body)).await?;
        if response.status().as_u16() == 204 { Ok(()) } else { Err(self.rejection(response).await) }
    }
}
