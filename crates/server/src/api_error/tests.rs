//! Every code has its status, every error of another crate its answer, and no cause gets out.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use axum::body::to_bytes;
use catalog::Permission;

use super::*;
use crate::body::DecompressError;

/// Status, code in the header, code and message in the body, and Retry-After.
async fn parts(error: ApiError) -> (u16, String, serde_json::Value, Option<String>) {
    let response = error.into_response();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, code, retry) = (response.status().as_u16(), header("x-platform-error-code"), header("retry-after"));
    assert_eq!(header("content-type").as_deref(), Some("application/json; charset=utf-8"));
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, code.unwrap(), serde_json::from_slice(&body).unwrap(), retry)
}

#[tokio::test]
async fn every_code_has_its_status() {
    for (code, status, text) in [
        (Code::Internal, 500, "internal error"),
        (Code::Invalid, 400, "invalid"),
        (Code::UnprocessableEntity, 422, "unprocessable entity"),
        (Code::Conflict, 422, "conflict"),
        (Code::NotFound, 404, "not found"),
        (Code::Unavailable, 503, "unavailable"),
        (Code::Forbidden, 403, "forbidden"),
        (Code::TooManyRequests, 429, "too many requests"),
        (Code::Unauthorized, 401, "unauthorized"),
        (Code::MethodNotAllowed, 405, "method not allowed"),
        (Code::RequestTooLarge, 413, "request too large"),
        (Code::UnsupportedMediaType, 415, "unsupported media type"),
        (Code::RequestTimeout, 408, "request timeout"),
    ] {
        let (got, header, body, retry) = parts(ApiError::new(code, "m\"")).await;
        assert_eq!((got, header.as_str()), (status, text));
        assert_eq!(body, serde_json::json!({"code": text, "message": "m\""}));
        assert_eq!(retry.is_some(), matches!(status, 503 | 429), "{status}");
    }
}

#[tokio::test]
async fn causes_of_internal_errors_stay_inside() {
    let secret = || std::io::Error::other("/secret/path");
    for error in [
        ApiError::internal(secret()),
        ApiError::internal(secret()).prefixed("x: "),
        WriteError::Internal("/secret/path".to_owned()).into(),
        QueryError::Internal("/secret/path".to_owned()).into(),
        WorkerDied(secret().into()).into(),
        BodyError::Worker(WorkerDied(secret().into())).into(),
    ] {
        let (status, _, body, _) = parts(error).await;
        assert_eq!((status, body["message"].as_str()), (500, Some(MASKED)));
    }
}

#[tokio::test]
async fn errors_of_other_crates() {
    let permission = Permission::on_type(catalog::Action::Write, catalog::ResourceType::Buckets);
    let overloaded = WriteError::Overloaded { what: "the buffer", retry_after_s: 7 };
    let cases: Vec<(ApiError, u16, &str, Option<&str>)> = vec![
        (CatalogError::OrganisationNotFound.into(), 404, "organization not found", None),
        (CatalogError::BucketExists { name: "b".into() }.into(), 422, "bucket with name b already exists", None),
        (CatalogError::PasswordQueueFull.into(), 429, "too many password checks at once, try again later", Some("1")),
        (CatalogError::Closed.into(), 503, "the resource database is closed", Some("1")),
        (CatalogError::RetentionTooShort.into(), 422, "retention policy duration must be at least 1h0m0s", None),
        (AuthError::Missing.into(), 401, "unauthorized access", None),
        (AuthError::Rejected(AuthenticationError::UserInactive).into(), 403, "User is inactive", None),
        (PermissionDeniedError(permission).into(), 401, "write:buckets is unauthorized", None),
        (ParseIdError::Length.into(), 400, "id must have a length of 16 bytes", None),
        (RequestError::MissingOrganisation.into(), 400, "Please provide either orgID or org", None),
        (BodyError::UnsupportedEncoding("br".into()).into(), 415, "", None),
        (BodyError::TooLarge { limit_bytes: 5, decompressed: true }.into(), 413, "", None),
        (BodyError::Busy.into(), 503, "", Some("1")),
        (BodyError::Stalled(Duration::from_secs(1)).into(), 408, "", None),
        (
            BodyError::Decompress(DecompressError::Checksum("gzip")).into(),
            400,
            "unable to read data: gzip: invalid checksum",
            None,
        ),
        (overloaded.into(), 503, "", Some("7")),
        (WriteError::OutOfSpace.into(), 503, "", Some("10")),
        (WriteError::Poisoned { cause: "EIO".into() }.into(), 503, "", Some("30")),
        (WriteError::Closed.into(), 503, "", Some("1")),
        (WriteError::BucketDropped.into(), 404, "bucket not found", None),
        (WriteError::Limit(storage::LimitError::DeleteFilter { limit: 1 }).into(), 422, "", None),
        (SnapshotError::Replay("x".into()).into(), 503, "", Some("30")),
        (FlushFailure::Refused("x".into()).into(), 503, "x", Some("1")),
        (QueryError::Plan("no such table".into()).into(), 400, "no such table", None),
        (QueryError::Busy { running: 1, waiting: 1 }.into(), 503, "", Some("1")),
        (FormatError::Name("xml".into()).into(), 400, "", None),
    ];
    for (error, status, message, retry) in cases {
        let description = format!("{error:?}");
        let (got, _, body, got_retry) = parts(error).await;
        assert_eq!(got, status, "{description}");
        assert_eq!(got_retry.as_deref(), retry, "{description}");
        if !message.is_empty() {
            assert_eq!(body["message"], message, "{description}");
        }
    }
}
