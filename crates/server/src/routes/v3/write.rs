//! `POST /api/v3/write_lp`: line protocol into the bucket of a database, which is made where it is missing.
//!
//! By default lines that are bad are named and the others are stored. `no_sync` is accepted and changes nothing: a
//! write is acknowledged when it is durable, and waits for nothing longer than that.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, Bucket, CatalogError, NewBucket, Permission, ResourceType};
use http::StatusCode;
use serde_json::json;
use storage::{Acceptance, PartialWrite, Precision, RejectedLine, WriteError, WriteRequest};

use super::caller;
use super::query::Caller;
use crate::api_error::{ApiError, ApiResult, Code, V3Error};
use crate::auth::{AuthError, describe};
use crate::body::ContentEncoding;
use crate::json::Json;
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::routes::buckets::bucket_info;
use crate::routes::write::FORBIDDEN;
use crate::scope;
use crate::state::AppState;

/// Characters of a line that an answer shows, as in InfluxDB.
const SHOWN_CHARACTERS: usize = 20;

/// Characters of the name of a database, as in InfluxDB.
const NAME_CHARACTERS: usize = 511;

/// What the head of a request says.
struct Target {
    caller: Caller,
    bucket: Arc<Bucket>,
    precision: Precision,
    acceptance: Acceptance,
    encoding: ContentEncoding,
}

/// Answers 204, or says what is wrong.
pub(in crate::routes) async fn write(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match target(&state, &parts).await {
        Ok(target) => target,
        Err(error) => return V3Error::from(error).into_response(),
    };
    let organisation = target.caller.organisation.id.to_string();
    let mut wire_bytes = 0;
    let response = match store(&state, target, body, &mut wire_bytes).await {
        Ok(response) => response,
        Err(error) => V3Error::from(error).into_response(),
    };
    state.metrics().transferred(TransferKind::Write, organisation, response.status(), wire_bytes as u64);
    response
}

async fn target(state: &AppState, parts: &http::request::Parts) -> ApiResult<Target> {
    let parameters = Parameters::from_uri(&parts.uri)?;
    let principal = parts.extensions.get::<catalog::Principal>().cloned().ok_or(AuthError::Missing)?;
    // Clients of InfluxDB 3 name an organisation that is not there, and InfluxDB does not look at it.
    let caller = caller(state, principal, &Parameters::default())?;
    let database = parameters.get("db").ok_or_else(|| ApiError::invalid("missing query parameter 'db'"))?;
    let precision = precision(parameters.get("precision"))?;
    let flag = |name: &str, default: bool| match parameters.get(name) {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(ApiError::invalid(format!("{name} is true or false, not {other:?}"))),
    };
    let acceptance = if flag("accept_partial", true)? { Acceptance::Partial } else { Acceptance::Whole };
    flag("no_sync", false)?;
    let encoding = ContentEncoding::from_headers(&parts.headers)?;
    let bucket = writable_bucket(state, &caller, database).await?;
    Ok(Target { caller, bucket, precision, acceptance, encoding })
}

/// The bucket of a database, made where it is missing and the caller may make buckets.
async fn writable_bucket(state: &AppState, caller: &Caller, database: &str) -> ApiResult<Arc<Bucket>> {
    let organisation = caller.organisation.id;
    let bucket = match scope::bucket(state, &caller.organisation, database) {
        Ok(bucket) => bucket,
        Err(_) => {
            let make = Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation);
            if !caller.principal.allows(&make) {
                return Err(ApiError::not_found(format!("database not found: {database}")));
            }
            make_database(state, caller, database, Duration::ZERO).await.or_else(|error| match error.code() {
                // Another write was faster.
                Code::Conflict => Ok(state.catalog().find_bucket_by_name(organisation, database)?),
                _ => Err(error),
            })?
        }
    };
    if !caller.principal.allows(&Permission::on_bucket(Action::Write, bucket.id, organisation)) {
        return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
    }
    Ok(bucket)
}

/// Makes the bucket of a database. Whether the caller may is asked before.
pub(super) async fn make_database(
    state: &AppState,
    caller: &Caller,
    name: &str,
    retention: Duration,
) -> ApiResult<Arc<Bucket>> {
    check_name(name)?;
    let new = NewBucket {
        organisation_id: caller.organisation.id,
        name: name.to_owned(),
        description: String::new(),
        retention,
        shard_group_duration: None,
    };
    let bucket = state.catalog().create_bucket(new).await.map_err(|error| match error {
        CatalogError::BucketExists { .. } => {
            ApiError::new(Code::Conflict, format!("attempted to create a resource that already exists: {name}"))
        }
        error => error.into(),
    })?;
    tracing::info!(by = describe(&caller.principal), bucket = %bucket.id, name, "made a database");
    Ok(bucket)
}

/// The names that InfluxDB 3 allows for databases; one slash parts a retention policy of 1.x.
fn check_name(name: &str) -> ApiResult<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    if name.chars().count() > NAME_CHARACTERS {
        return Err(ApiError::invalid(format!("the name of a database has at most {NAME_CHARACTERS} characters")));
    }
    if !name.chars().all(is_allowed) {
        return Err(ApiError::invalid(
            "invalid character in database or rp name: must be ASCII, containing only letters, numbers, underscores, \
             or hyphens",
        ));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(ApiError::invalid("db name did not start with a number or letter"));
    }
    if name.ends_with('/') || name.matches('/').count() > 1 {
        return Err(ApiError::invalid("a database has at most one slash in its name, and it is inside"));
    }
    Ok(())
}

fn precision(text: Option<&str>) -> ApiResult<Precision> {
    Ok(match text {
        None | Some("auto") => Precision::Auto,
        Some("s" | "second") => Precision::Second,
        Some("ms" | "millisecond") => Precision::Millisecond,
        Some("us" | "u" | "microsecond") => Precision::Microsecond,
        Some("ns" | "n" | "nanosecond") => Precision::Nanosecond,
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "unknown precision `{other}`, expected one of `auto`, `s`, `second`, `millisecond`, `ms`, \
                 `microsecond`, `u`, `us`, `n`, `nanosecond`, `ns`"
            )));
        }
    })
}

async fn store(
    state: &AppState,
    target: Target,
    body: axum::body::Body,
    wire_bytes: &mut usize,
) -> ApiResult<Response> {
    let body = state.bodies().read_write_body(body, target.encoding).await?;
    *wire_bytes = body.wire_bytes;
    if body.bytes.is_empty() {
        return Err(ApiError::invalid("incoming write was empty"));
    }
    let retention = target.bucket.retention;
    let request = WriteRequest {
        bucket: Arc::new(bucket_info(&target.caller.organisation, &target.bucket)),
        retention: (!retention.is_zero()).then_some(retention),
        body: body.bytes.clone(),
        precision: target.precision,
    };
    let written = state.engine().write_accepting(request, target.acceptance).await;
    // The body counts against the budget until here.
    drop(body);
    match written {
        Ok(outcome) => Ok(match outcome.dropped {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(partial) => partly_written(&partial),
        }),
        Err(WriteError::Parse(errors)) => {
            let first = errors.lines.into_iter().next();
            Ok(not_written(first.map(|error| RejectedLine {
                line: error.line,
                text: error.text,
                cause: error.cause.to_string(),
            })))
        }
        Err(WriteError::Refused(partial)) => match partial.lines().first() {
            Some(first) => Ok(not_written(Some(first.clone()))),
            None => Err(ApiError::invalid(partial.to_string())),
        },
        Err(error) => Err(error.into()),
    }
}

/// A bad line as InfluxDB 3 names it.
fn line_json(line: &RejectedLine) -> serde_json::Value {
    let shown: String = line.text.chars().take(SHOWN_CHARACTERS).collect();
    json!({"error_message": line.cause, "line_number": line.line, "original_line": shown})
}

/// Some lines were stored, and these were not.
fn partly_written(partial: &PartialWrite) -> Response {
    let status = if partial.over_limit { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    let lines: Vec<_> = partial.lines().iter().map(line_json).collect();
    let error =
        if lines.is_empty() { partial.to_string() } else { "partial write of line protocol occurred".to_owned() };
    (status, Json(json!({"error": error, "data": lines}))).into_response()
}

/// Nothing was stored, because of this line first of all.
fn not_written(line: Option<RejectedLine>) -> Response {
    let line = line.as_ref().map(line_json);
    let body = json!({"error": "parsing failed for write_lp endpoint", "data": line});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_of_databases() {
        for name in ["d", "0", "a-b_c", "db/rp", "A9"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(512);
        for name in ["", "_d", "-d", "/d", "d/", "a/b/c", "a b", "d!", "ü", &long] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn precisions() {
        for (text, expected) in [
            (None, Precision::Auto),
            (Some("second"), Precision::Second),
            (Some("u"), Precision::Microsecond),
            (Some("n"), Precision::Nanosecond),
        ] {
            assert_eq!(precision(text).unwrap(), expected, "{text:?}");
        }
        assert!(precision(Some("m")).unwrap_err().message().contains("unknown precision `m`"));
    }
}
