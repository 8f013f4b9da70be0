//! How handlers get their parts of a request: parameters, identifiers in the path, and bodies in JSON.

use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use catalog::ParseIdError;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::api_error::{ApiError, ApiResult, V3Error};
use crate::json;
use crate::request::Parameters;
use crate::state::AppState;

impl FromRequestParts<AppState> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        Ok(Self::from_uri(&parts.uri)?)
    }
}

/// A body in JSON, of bounded size. The content type is not looked at, as in InfluxDB.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = state.bodies().read_small_body(body, &parts.headers).await?;
        Ok(Self(json::parse(&body.bytes)?))
    }
}

/// A [`JsonBody`] on an endpoint of InfluxDB 3, whose errors have another shape.
#[derive(Debug)]
pub(crate) struct V3Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for V3Body<T> {
    type Rejection = V3Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, V3Error> {
        let JsonBody(body) = JsonBody::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// An identifier in a path: 400 if it is none.
pub(crate) fn path_id<Id: FromStr<Err = ParseIdError>>(text: &str) -> ApiResult<Id> {
    Ok(text.parse()?)
}
