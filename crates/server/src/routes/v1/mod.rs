//! The endpoints of InfluxDB 1.x: `/write` and `/query` (wire-api section 3), with their credentials and errors.
//!
//! The organisation is that of the token; `org` is not looked at.

mod into;
pub(super) mod query;
mod removal;
mod statements;
pub(super) mod tables;
pub(super) mod write;

pub(crate) use self::statements::StatementResult;

use std::sync::Arc;

use catalog::{Organisation, Principal};
use http::HeaderMap;

use crate::api_error::{ApiError, ApiResult};
use crate::auth;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::state::AppState;

/// Whoever is asking, and the organisation that is meant.
fn caller(state: &AppState, headers: &HeaderMap, parameters: &Parameters) -> ApiResult<(Principal, Arc<Organisation>)> {
    let principal = auth::v1_principal(state, headers, parameters).map_err(ApiError::from)?;
    let organisation = scope::own_organisation(state, &principal)?.ok_or(RequestError::MissingOrganisation)?;
    Ok((principal, organisation))
}
