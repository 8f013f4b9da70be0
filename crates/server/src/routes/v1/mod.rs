//! The endpoints of InfluxDB 1.x: `/write` and `/query` (wire-api section 3), with their credentials and errors.
//!
//! The organisation is that of the token; `org` is not looked at.

mod admin;
mod answer;
pub(crate) mod continuous;
mod into;
mod multipart;
pub(super) mod query;
mod removal;
mod statements;
mod users;
pub(super) mod write;

pub(crate) use self::answer::StatementResult;
pub(crate) use self::statements::Runner;

use std::sync::Arc;

use crate::api_error::ApiResult;
use crate::auth;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::serve::PeerAddress;
use crate::state::AppState;
use catalog::{Organisation, Principal};

/// Whoever is asking, and the organisation that is meant.
pub(super) async fn caller(
    state: &AppState,
    parts: &http::request::Parts,
    parameters: &Parameters,
) -> ApiResult<(Principal, Arc<Organisation>)> {
    let address = parts.extensions.get::<PeerAddress>().map(|PeerAddress(address)| address.ip());
    let principal = auth::v1_principal(state, &parts.headers, parameters, address).await?;
    let organisation = scope::own_organisation(state, &principal)?.ok_or(RequestError::MissingOrganisation)?;
    Ok((principal, organisation))
}
