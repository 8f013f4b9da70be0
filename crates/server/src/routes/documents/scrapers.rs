//! `/api/v2/scrapers`: addresses whose Prometheus metrics are written into a bucket.

use catalog::{Action, BucketId, DocumentKind, Permission};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, ListLinks, Place, Shown};
use crate::api_error::{ApiError, ApiResult};
use crate::state::AppState;

/// Scrapers.
pub(in crate::routes) struct Scrapers;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ScraperRequest {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    #[serde(rename = "bucketID")]
    bucket_id: Option<String>,
    allow_insecure: Option<bool>,
}

/// A scraper as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ScraperContent {
    #[serde(rename = "type")]
    kind: String,
    /// The address that is asked.
    pub(in crate::routes) url: String,
    #[serde(rename = "bucketID")]
    bucket_id: String,
    /// Whether certificates are looked at.
    pub(in crate::routes) allow_insecure: bool,
}

impl ScraperContent {
    /// The bucket that is written to.
    pub(in crate::routes) fn bucket(&self, state: &AppState) -> ApiResult<std::sync::Arc<catalog::Bucket>> {
        let id: BucketId = self.bucket_id.parse()?;
        Ok(state.catalog().find_bucket(id)?)
    }
}

/// An address that can be scraped: HTTP with a host.
fn check_url(text: &str) -> ApiResult<()> {
    let uri: http::Uri = text.parse().map_err(|_| ApiError::invalid(format!("the url {text:?} is none")))?;
    if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(ApiError::invalid(format!("the url {text:?} does not begin with http:// or https:// and a host")));
    }
    Ok(())
}

impl Documents for Scrapers {
    const KIND: DocumentKind = DocumentKind::Scraper;
    const PATH: &'static str = "/api/v2/scrapers";
    const LIST: &'static str = "configurations";
    const LINKS: ListLinks = ListLinks::This;
    type Request = ScraperRequest;
    type Content = ScraperContent;

    fn change(request: ScraperRequest, before: Option<(&str, ScraperContent)>) -> ApiResult<(String, ScraperContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let missing = |what: &str| ApiError::invalid(format!("provided scraper target {what} is missing"));
        let (kind, url, bucket_id, allow_insecure) = match before {
            Some(before) => (Some(before.kind), Some(before.url), Some(before.bucket_id), before.allow_insecure),
            None => (Some("prometheus".to_owned()), None, None, false),
        };
        let content = ScraperContent {
            kind: request.kind.or(kind).unwrap_or_default(),
            url: request.url.or(url).ok_or_else(|| missing("url"))?,
            bucket_id: request.bucket_id.or(bucket_id).ok_or_else(|| missing("bucket ID"))?,
            allow_insecure: request.allow_insecure.unwrap_or(allow_insecure),
        };
        if content.kind != "prometheus" {
            return Err(ApiError::invalid(format!("unknown scraper type {:?}: it must be prometheus", content.kind)));
        }
        check_url(&content.url)?;
        Ok((name, content))
    }

    /// The bucket is one of the organisation, and whoever makes the scraper may write to it.
    fn check(place: &Place<'_>, content: &ScraperContent) -> ApiResult<()> {
        let bucket = content.bucket(place.state)?;
        if bucket.organisation_id != place.organisation_id {
            return Err(ApiError::not_found("bucket not found"));
        }
        place.principal.require(Permission::on_bucket(Action::Write, bucket.id, bucket.organisation_id))?;
        Ok(())
    }

    fn show(shown: &Shown<'_>, content: ScraperContent) -> Value {
        let document = shown.document;
        let catalog = shown.state.catalog();
        let organisation = catalog.find_organisation(document.organisation_id).ok();
        let bucket = content.bucket(shown.state).ok();
        let mut links = shown.links::<Self>(&["members", "owners"]);
        links.insert("bucket".to_owned(), format!("/api/v2/buckets/{}", content.bucket_id).into());
        links.insert("organization".to_owned(), shown.organisation_link().into());
        let mut answer = json!({
            "id": document.id.to_string(),
            "name": document.name,
            "type": content.kind,
            "url": content.url,
            "orgID": document.organisation_id.to_string(),
            "bucketID": content.bucket_id,
            "org": organisation.map(|organisation| organisation.name.clone()).unwrap_or_default(),
            "bucket": bucket.map(|bucket| bucket.name.clone()).unwrap_or_default(),
            "links": links,
        });
        if content.allow_insecure {
            answer["allowInsecure"] = true.into();
        }
        answer
    }
}
