//! Buckets and mappings that an import needs: found, or made as they were where the data comes from.

use freshet_client::{ApiRequest, Client, Method, RequestError};
use serde_json::{Value, json};

/// Why a target cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("cannot ask for {what}: {source}")]
    Request { what: String, source: RequestError },
    #[error("there is no organisation {0:?} that the token may see")]
    NoOrganisation(String),
    #[error("the token may see {0} organisations; give --org")]
    SeveralOrganisations(usize),
    #[error("the server's answer has no id of {0}")]
    NoId(String),
}

/// An organisation of the server in which buckets are made.
pub(crate) struct Target<'a> {
    client: &'a Client,
    org_id: String,
}

impl<'a> Target<'a> {
    /// Finds the organisation by name or id, or the only one.
    pub(crate) async fn find(client: &'a Client, org: Option<&str>) -> Result<Self, TargetError> {
        let organisations = call(client, ApiRequest::new(Method::Get, "api/v2/orgs"), "the organisations").await?;
        let organisations = organisations["orgs"].as_array().cloned().unwrap_or_default();
        let found = match org.filter(|org| !org.is_empty()) {
            Some(org) => organisations
                .iter()
                .find(|found| found["name"] == org || found["id"] == org)
                .ok_or_else(|| TargetError::NoOrganisation(org.to_owned()))?,
            None => match organisations.as_slice() {
                [only] => only,
                several => return Err(TargetError::SeveralOrganisations(several.len())),
            },
        };
        Ok(Self { client, org_id: id(found, "the organisation")? })
    }

    /// The id of the organisation.
    pub(crate) fn org_id(&self) -> &str {
        &self.org_id
    }

    /// The id of a bucket of this name; made with the retention if there is none.
    pub(crate) async fn bucket(&self, name: &str, retention_s: u64) -> Result<String, TargetError> {
        let what = format!("the bucket {name:?}");
        let request = ApiRequest::new(Method::Get, "api/v2/buckets");
        let request = request.parameter("orgID", &self.org_id).parameter("name", name);
        match self.client.call(&request).await {
            Ok(answer) if answer["buckets"][0].is_object() => return id(&answer["buckets"][0], &what),
            Ok(_) => {}
            // Some servers answer so where no bucket has the name.
            Err(RequestError::Rejected(rejection)) if rejection.status == 404 => {}
            Err(source) => return Err(TargetError::Request { what, source }),
        }
        let rules = json!([{ "type": "expire", "everySeconds": retention_s }]);
        let body = json!({ "orgID": self.org_id, "name": name, "retentionRules": rules });
        let made = call(self.client, ApiRequest::new(Method::Post, "api/v2/buckets").body(body), &what).await?;
        id(&made, &what)
    }

    /// Maps a database and retention policy of 1.x to a bucket, unless a mapping is there.
    pub(crate) async fn mapping(
        &self,
        bucket_id: &str,
        database: &str,
        policy: &str,
        is_default: bool,
    ) -> Result<(), TargetError> {
        let what = format!("the mapping of {database}.{policy}");
        let request = ApiRequest::new(Method::Get, "api/v2/dbrps").parameter("orgID", &self.org_id);
        let request = request.parameter("db", database).parameter("rp", policy);
        let there = call(self.client, request, &what).await?;
        let is_stored = |mapping: &Value| mapping["virtual"] != true;
        if there["content"].as_array().is_some_and(|mappings| mappings.iter().any(is_stored)) {
            return Ok(());
        }
        let body = json!({
            "orgID": self.org_id, "bucketID": bucket_id, "database": database, "retention_policy": policy,
            "default": is_default,
        });
        call(self.client, ApiRequest::new(Method::Post, "api/v2/dbrps").body(body), &what).await.map(drop)
    }

    /// Runs a statement of InfluxQL that changes something; what is wrong with it is a text.
    pub(crate) async fn run_influxql(&self, statement: &str) -> Result<(), String> {
        let request = ApiRequest::new(Method::Post, "query").parameter("q", statement);
        let answer = self.client.call(&request).await.map_err(|error| error.to_string())?;
        match answer["results"][0]["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(()),
        }
    }
}

async fn call(client: &Client, request: ApiRequest, what: &str) -> Result<Value, TargetError> {
    client.call(&request).await.map_err(|source| TargetError::Request { what: what.to_owned(), source })
}

fn id(resource: &Value, what: &str) -> Result<String, TargetError> {
    resource["id"].as_str().map(str::to_owned).ok_or_else(|| TargetError::NoId(what.to_owned()))
}
