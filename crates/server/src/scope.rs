//! Which organisation and which bucket a request means: from `org`, `orgID`, `bucket` and the token to resources.
//!
//! InfluxDB 2 ignores a wrong `org` beside an `orgID`, and takes a bucket of another organisation if it is named by id.
//! Here both have to be right, as its documentation says.

use std::sync::Arc;

use catalog::{Bucket, CatalogError, Organisation, OrganisationFilter, OrganisationId, Page, Principal};

use crate::api_error::ApiResult;
use crate::request::{Parameters, RequestError};
use crate::state::{AppState, Mode};

/// The organisation that a request must name in OSS mode. In Cloud mode the token's is meant where none is named.
pub(crate) fn organisation(
    state: &AppState,
    principal: &Principal,
    parameters: &Parameters,
) -> ApiResult<Arc<Organisation>> {
    if let Some(named) = named_organisation(state, parameters)? {
        return Ok(named);
    }
    match state.mode() {
        Mode::Oss => Err(RequestError::MissingOrganisation.into()),
        Mode::Cloud => own_organisation(state, principal)?.ok_or_else(|| RequestError::MissingOrganisation.into()),
    }
}

/// The organisation that `org` and `orgID` name, if any: both have to exist and to be the same.
pub(crate) fn named_organisation(state: &AppState, parameters: &Parameters) -> ApiResult<Option<Arc<Organisation>>> {
    let by_id = parameters.id("orgID")?.map(|id| state.catalog().find_organisation(id)).transpose()?;
    let by_name = parameters.get("org").map(|name| organisation_by_name_or_id(state, name)).transpose()?;
    if let (Some(by_id), Some(by_name)) = (&by_id, &by_name)
        && by_id.id != by_name.id
    {
        let org = parameters.get("org").unwrap_or_default().to_owned();
        return Err(RequestError::OrganisationMismatch { org, id: by_id.id.to_string() }.into());
    }
    Ok(by_id.or(by_name))
}

/// What 16 hexadecimal digits name is an id first, then a name.
fn organisation_by_name_or_id(state: &AppState, text: &str) -> Result<Arc<Organisation>, CatalogError> {
    match text.parse::<OrganisationId>() {
        Err(_) => state.catalog().find_organisation_by_name(text),
        Ok(id) => match state.catalog().find_organisation(id) {
            Err(CatalogError::OrganisationNotFound) => {
                state.catalog().find_organisation_by_name(text).map_err(|_| CatalogError::OrganisationNotFound)
            }
            found => found,
        },
    }
}

/// The organisation of the token; of a session, the first that its user belongs to.
pub(crate) fn own_organisation(state: &AppState, principal: &Principal) -> ApiResult<Option<Arc<Organisation>>> {
    if let Some(id) = principal.organisation_id {
        return Ok(Some(state.catalog().find_organisation(id)?));
    }
    let filter = OrganisationFilter { user_id: Some(principal.user_id), ..OrganisationFilter::default() };
    let page = Page { limit: 1, ..Page::default() };
    Ok(state.catalog().list_organisations(&filter, &page, |_| true)?.pop())
}

/// The bucket of this name or id in the organisation.
pub(crate) fn bucket(state: &AppState, organisation: &Organisation, text: &str) -> Result<Arc<Bucket>, CatalogError> {
    if let Ok(id) = text.parse()
        && let Ok(bucket) = state.catalog().find_bucket(id)
        && bucket.organisation_id == organisation.id
    {
        return Ok(bucket);
    }
    state.catalog().find_bucket_by_name(organisation.id, text)
}
