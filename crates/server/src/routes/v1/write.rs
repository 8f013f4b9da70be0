//! `POST /write`: line protocol into the bucket of `db` and `rp`.
//!
//! Every unit that InfluxDB 1.x has for `precision` means what it says; InfluxDB 2 takes minutes and hours for
//! nanoseconds. `consistency` is ignored.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, Permission};
use http::StatusCode;
use storage::Precision;

use crate::api_error::{ApiError, ApiResult, Code};
use crate::body::ContentEncoding;
use crate::dbrp::{self, DbrpError};
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::routes::write::{FORBIDDEN, Target, write_body};
use crate::state::AppState;

/// Answers 204, or says what is wrong.
pub(in crate::routes) async fn write(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match target(&state, &parts) {
        Ok(target) => target,
        Err(error) => return error.into_v1_response(),
    };
    let organisation = target.organisation.id.to_string();
    let mut wire_bytes = 0;
    let response = match write_body(&state, target, body, &mut wire_bytes).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_v1_response(),
    };
    state.metrics().transferred(TransferKind::Write, organisation, response.status(), wire_bytes as u64);
    response
}

fn target(state: &AppState, parts: &http::request::Parts) -> ApiResult<Target> {
    let parameters = Parameters::from_uri(&parts.uri)?;
    let (principal, organisation) = super::caller(state, &parts.headers, &parameters)?;
    let database = parameters.get("db").ok_or_else(|| ApiError::invalid("missing db"))?;
    let precision = precision(parameters.get("precision"))?;
    let encoding = ContentEncoding::from_headers(&parts.headers)?;
    let bucket =
        dbrp::find(state, &organisation, Some(database), parameters.get("rp")).map_err(|error| match error {
            DbrpError::NoDatabase => ApiError::invalid("missing db"),
            DbrpError::Database(_) | DbrpError::Policy(_) => ApiError::not_found("no dbrp mapping found"),
        })?;
    if !principal.allows(&Permission::on_bucket(Action::Write, bucket.id, organisation.id)) {
        return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
    }
    Ok(Target { organisation: Arc::clone(&organisation), bucket, precision, encoding })
}

fn precision(text: Option<&str>) -> ApiResult<Precision> {
    Ok(match text {
        None | Some("n" | "ns") => Precision::Nanosecond,
        Some("u" | "µ" | "us") => Precision::Microsecond,
        Some("ms") => Precision::Millisecond,
        Some("s") => Precision::Second,
        Some("m") => Precision::Minute,
        Some("h") => Precision::Hour,
        Some(other) => {
            return Err(ApiError::invalid(format!("invalid precision {other:?} (use n, u, ms, s, m or h)")));
        }
    })
}
