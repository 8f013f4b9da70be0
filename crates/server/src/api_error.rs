//! The one place where errors become answers: code, status and message of wire-api section 0.
//!
//! An answer is `{"code","message"}` with the code also in `X-Platform-Error-Code`. The cause of an internal error goes
//! to the log, where the request's id stands beside it, and never to the client.

use std::error::Error;

use axum::response::{IntoResponse, Response};
use catalog::{AuthenticationError, CatalogError, Class, ParseIdError, PermissionDeniedError, UnknownWordError};
use http::{HeaderName, HeaderValue, StatusCode, header};
use query::QueryError;
use query::flux::{Code as FluxCode, FluxError};
use serde::Serialize;
use storage::{
    BackupError, BucketError, CompactFailure, CreateTableError, FlushFailure, ParseSelectorError, SnapshotError,
    WriteError,
};

use crate::auth::AuthError;
use crate::body::BodyError;
use crate::budget::WorkerDied;
use crate::dbrp::DbrpError;
use crate::flight::WireError;
use crate::format::{EncodeError, FormatError};
use crate::json::Json;
use crate::limits::{BUSY_RETRY_AFTER_S, GRPC_MESSAGE_BYTES, OUT_OF_SPACE_RETRY_AFTER_S, POISONED_RETRY_AFTER_S};
use crate::request::RequestError;
use crate::routes::DeleteBodyError;

/// Carries the code beside the body.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-platform-error-code");

/// What a client is told of an internal error.
const MASKED: &str = "An internal error has occurred - check server logs";

/// What a client is told when PostgreSQL is away; the log has the cause.
const CATALOG_UNREACHABLE: &str = "the catalog cannot be reached, try again later";

/// The codes of the v2 API (kit/platform/errors), and two that are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// 500: our fault.
    Internal,
    /// 400: the request makes no sense.
    Invalid,
    /// 422: understood, but against a rule.
    UnprocessableEntity,
    /// 422, not 409: it exists already.
    Conflict,
    /// 404.
    NotFound,
    /// 503: try again later.
    Unavailable,
    /// 403.
    Forbidden,
    /// 429.
    TooManyRequests,
    /// 401.
    Unauthorized,
    /// 405.
    MethodNotAllowed,
    /// 413.
    RequestTooLarge,
    /// 415: a content encoding that we cannot undo.
    UnsupportedMediaType,
    /// 408: the client stopped in the middle of its request.
    RequestTimeout,
    /// 501: what InfluxDB does and this server does not.
    NotImplemented,
}

impl Code {
    /// The text in the body and in the header.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal error",
            Self::Invalid => "invalid",
            Self::UnprocessableEntity => "unprocessable entity",
            Self::Conflict => "conflict",
            Self::NotFound => "not found",
            Self::Unavailable => "unavailable",
            Self::Forbidden => "forbidden",
            Self::TooManyRequests => "too many requests",
            Self::Unauthorized => "unauthorized",
            Self::MethodNotAllowed => "method not allowed",
            Self::RequestTooLarge => "request too large",
            Self::UnsupportedMediaType => "unsupported media type",
            Self::RequestTimeout => "request timeout",
            Self::NotImplemented => "not implemented",
        }
    }

    /// The code of its text.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Internal,
            Self::Invalid,
            Self::UnprocessableEntity,
            Self::Conflict,
            Self::NotFound,
            Self::Unavailable,
            Self::Forbidden,
            Self::TooManyRequests,
            Self::Unauthorized,
            Self::MethodNotAllowed,
            Self::RequestTooLarge,
            Self::UnsupportedMediaType,
            Self::RequestTimeout,
            Self::NotImplemented,
        ];
        all.into_iter().find(|code| code.as_str() == word)
    }

    /// The status (kit/transport/http/error_handler.go).
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::UnprocessableEntity | Self::Conflict => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// The code of gRPC.
    fn grpc(self) -> tonic::Code {
        match self {
            Self::Internal => tonic::Code::Internal,
            Self::Invalid | Self::UnprocessableEntity => tonic::Code::InvalidArgument,
            Self::Conflict => tonic::Code::AlreadyExists,
            Self::NotFound => tonic::Code::NotFound,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::TooManyRequests | Self::RequestTooLarge => tonic::Code::ResourceExhausted,
            Self::Unauthorized => tonic::Code::Unauthenticated,
            Self::MethodNotAllowed | Self::UnsupportedMediaType | Self::NotImplemented => tonic::Code::Unimplemented,
            Self::RequestTimeout => tonic::Code::DeadlineExceeded,
        }
    }
}

/// An answer that says what went wrong.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    message: String,
    retry_after_s: Option<u32>,
    cause: Option<Box<dyn Error + Send + Sync>>,
    /// The words of InfluxDB 1.x, where they are others.
    v1_message: Option<String>,
}

/// The result of every handler.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An answer with this code and message. 503 always says when to try again: clients otherwise guess.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let retry_after_s = match code {
            Code::Unavailable | Code::TooManyRequests => Some(BUSY_RETRY_AFTER_S),
            _ => None,
        };
        Self { code, message: message.into(), retry_after_s, cause: None, v1_message: None }
    }

    /// 400 `invalid`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// 404 `not found`.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// 500 with a text that says nothing; `cause` is logged.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal, MASKED) }
    }

    /// The same answer, asking the client to wait this long.
    pub(crate) fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same answer with text before its message, unless the message is masked.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        if self.code != Code::Internal {
            self.message.insert_str(0, prefix);
        }
        self
    }

    /// A text that is no InfluxQL, in the words of InfluxDB 2; those of 1.x begin otherwise.
    pub(crate) fn influxql(cause: &str) -> Self {
        let v1_message = Some(format!("error parsing query: {cause}"));
        Self { v1_message, ..Self::invalid(format!("failed to parse query: {cause}")) }
    }

    /// The text that stands inside of an answer to InfluxQL.
    pub(crate) fn influxql_text(self) -> String {
        if let Some(cause) = &self.cause {
            tracing::error!(error = %Chain(cause.as_ref()), "statement failed");
        }
        self.message
    }

    /// The answer on an endpoint of 1.x: what clients of 1.x read stands beside what clients of 2 read.
    pub(crate) fn into_v1_response(self) -> Response {
        let text = self.v1_message.clone().unwrap_or_else(|| self.message.clone());
        let body = V1ErrorBody { code: self.code.as_str(), message: &self.message, error: &text };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let unauthorised = self.code == Code::Unauthorized;
        let mut response = self.into_response();
        *response.body_mut() = body.into();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        if unauthorised {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"InfluxDB\""));
        } else {
            let line: String = text.chars().map(|c| if c.is_control() || !c.is_ascii() { ' ' } else { c }).collect();
            let short = line.get(..V1_HEADER_BYTES.min(line.len())).unwrap_or_default();
            if let Ok(value) = HeaderValue::from_str(short) {
                headers.insert(V1_ERROR, value);
            }
        }
        response
    }

    /// A PromQL query that failed: what the data or the limits do not allow is Prometheus's `execution`.
    pub(crate) fn promql(error: QueryError) -> Self {
        match error {
            QueryError::Execution(_) | QueryError::Memory { .. } => {
                Self::new(Code::UnprocessableEntity, error.to_string())
            }
            error => error.into(),
        }
    }

    /// The answer on an endpoint of Prometheus.
    pub(crate) fn into_prometheus_response(self) -> Response {
        let kind = match self.code {
            Code::Internal => "internal",
            Code::NotFound => "not_found",
            Code::Unavailable => "unavailable",
            Code::UnprocessableEntity => "execution",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            _ => "bad_data",
        };
        let body = serde_json::json!({"status": "error", "errorType": kind, "error": self.message});
        let unauthorised = self.code == Code::Unauthorized;
        let mut response = self.into_response();
        *response.body_mut() = body.to_string().into();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        if unauthorised {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Freshet\""));
        }
        response
    }

    /// The message for the client.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The message for a client that has begun to read an answer; the cause goes to the log.
    pub(crate) fn logged_message(self) -> String {
        self.influxql_text()
    }

    /// The code.
    pub(crate) fn code(&self) -> Code {
        self.code
    }
}

/// An error on an endpoint of InfluxDB 3: `error` beside `code` and `message`, and 409 for what exists already.
#[derive(Debug)]
pub(crate) struct V3Error(ApiError);

/// The result of the handlers of InfluxDB 3's endpoints.
pub(crate) type V3Result<T> = Result<T, V3Error>;

impl<E> From<E> for V3Error
where
    ApiError: From<E>,
{
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for V3Error {
    fn into_response(self) -> Response {
        let is_conflict = self.0.code == Code::Conflict;
        let mut response = self.0.into_v1_response();
        if is_conflict {
            *response.status_mut() = StatusCode::CONFLICT;
        }
        response
    }
}

/// The error in one line, as InfluxDB 1.x sends it beside the body.
const V1_ERROR: HeaderName = HeaderName::from_static("x-influxdb-error");

/// Bytes of it, as in InfluxDB.
const V1_HEADER_BYTES: usize = 1024;

/// The body of an error on an endpoint of 1.x.
#[derive(Serialize)]
struct V1ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    error: &'a str,
}

/// The body of an error; no other keys, as InfluxDB 2.9 sends it.
#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

/// The answer to a call of gRPC. The message travels in a header, so that it is cut where headers end to be read.
impl From<ApiError> for tonic::Status {
    fn from(error: ApiError) -> Self {
        let code = error.code.grpc();
        let mut message = error.logged_message();
        if message.len() > GRPC_MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(GRPC_MESSAGE_BYTES));
            message.push('…');
        }
        Self::new(code, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(error = %Chain(cause.as_ref()), "request failed");
        }
        let body = ErrorBody { code: self.code.as_str(), message: &self.message };
        let mut response = (self.code.status(), Json(body)).into_response();
        response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(self.code.as_str()));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error with all its causes on one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// The catalog's classes are the API's codes.
fn code_of(class: Class) -> Code {
    match class {
        Class::Invalid => Code::Invalid,
        Class::UnprocessableEntity => Code::UnprocessableEntity,
        Class::Conflict => Code::Conflict,
        Class::NotFound => Code::NotFound,
        Class::Unauthorized => Code::Unauthorized,
        Class::Forbidden => Code::Forbidden,
        Class::TooManyRequests => Code::TooManyRequests,
        Class::Unavailable => Code::Unavailable,
        Class::Internal => Code::Internal,
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match code_of(error.class()) {
            Code::Internal => Self::internal(error),
            code => Self::new(code, error.to_string()),
        }
    }
}

impl From<AuthenticationError> for ApiError {
    fn from(error: AuthenticationError) -> Self {
        Self::new(code_of(error.class()), error.to_string())
    }
}

impl From<PermissionDeniedError> for ApiError {
    fn from(error: PermissionDeniedError) -> Self {
        Self::new(code_of(error.class()), error.to_string())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing => Self::new(Code::Unauthorized, error.to_string()),
            AuthError::Rejected(rejected) => rejected.into(),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Query(_)
            | RequestError::Json(_)
            | RequestError::Form(_)
            | RequestError::MissingOrganisation
            | RequestError::OrganisationMismatch { .. }
            | RequestError::MissingBucket
            | RequestError::MissingPrometheusBucket
            | RequestError::BucketMismatch { .. }
            | RequestError::Id(_)
            | RequestError::Precision
            | RequestError::Limit
            | RequestError::Offset => Self::invalid(error.to_string()),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let code = match &error {
            BodyError::UnsupportedEncoding(_) => Code::UnsupportedMediaType,
            BodyError::TooLarge { .. } => Code::RequestTooLarge,
            BodyError::Busy => Code::Unavailable,
            BodyError::Stalled(_) | BodyError::TooSlow(_) => Code::RequestTimeout,
            BodyError::Interrupted(_) | BodyError::Decompress(_) => Code::Invalid,
            BodyError::Worker(_) => return Self::internal(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<DeleteBodyError> for ApiError {
    fn from(error: DeleteBodyError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<ParseIdError> for ApiError {
    fn from(error: ParseIdError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<UnknownWordError> for ApiError {
    fn from(error: UnknownWordError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<FormatError> for ApiError {
    fn from(error: FormatError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<EncodeError> for ApiError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Arrow(_) | EncodeError::Parquet(_) | EncodeError::Footer(_) => Self::internal(error),
            EncodeError::TooLarge { .. } => Self::invalid(error.to_string()),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let text = error.to_string();
        match error {
            WriteError::Parse(_) => Self::invalid(text),
            WriteError::Limit(_) | WriteError::Refused(_) => Self::new(Code::UnprocessableEntity, text),
            WriteError::Overloaded { retry_after_s, .. } | WriteError::CatalogUnreachable { retry_after_s, .. } => {
                Self::new(Code::Unavailable, text).retry_after_s(retry_after_s)
            }
            WriteError::OutOfSpace => Self::new(Code::Unavailable, text).retry_after_s(OUT_OF_SPACE_RETRY_AFTER_S),
            WriteError::Poisoned { .. } => Self::new(Code::Unavailable, text).retry_after_s(POISONED_RETRY_AFTER_S),
            WriteError::Closed => Self::new(Code::Unavailable, text),
            WriteError::BucketDropped => Self::not_found("bucket not found"),
            // The enum may grow; what is not known here is ours to look at, not the client's.
            WriteError::Catalog(_) | WriteError::Internal(_) | _ => Self::internal(error),
        }
    }
}

impl From<CreateTableError> for ApiError {
    fn from(error: CreateTableError) -> Self {
        match error {
            CreateTableError::Exists => Self::new(Code::Conflict, "attempted to create a resource that already exists"),
            CreateTableError::Invalid(_) => Self::invalid(error.to_string()),
            CreateTableError::Limit(_) => Self::new(Code::UnprocessableEntity, error.to_string()),
            CreateTableError::Write(error) => error.into(),
            // The enum may grow.
            error => Self::internal(error),
        }
    }
}

impl From<BucketError> for ApiError {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Write(error) => error.into(),
            error if error.is_temporary() => Self::new(Code::Unavailable, CATALOG_UNREACHABLE),
            error => Self::internal(error),
        }
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Replay(_) => {
                Self::new(Code::Unavailable, error.to_string()).retry_after_s(POISONED_RETRY_AFTER_S)
            }
            SnapshotError::NotKept(_) => Self::not_found(error.to_string()),
            // The enum may grow.
            error => Self::internal(error),
        }
    }
}

impl From<ParseSelectorError> for ApiError {
    fn from(error: ParseSelectorError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Only operators may flush, and they need the cause.
impl From<FlushFailure> for ApiError {
    fn from(error: FlushFailure) -> Self {
        match &error {
            FlushFailure::Refused(_) => Self::new(Code::Unavailable, error.to_string()),
            failure if failure.is_temporary() => Self::new(Code::Unavailable, error.to_string()),
            _ => Self { message: error.to_string(), ..Self::internal(error) },
        }
    }
}

/// Only operators may compact, and they need the cause.
impl From<CompactFailure> for ApiError {
    fn from(error: CompactFailure) -> Self {
        match error {
            CompactFailure::Flush(error) => error.into(),
            CompactFailure::Busy | CompactFailure::Closing => Self::new(Code::Unavailable, error.to_string()),
            _ => Self { message: error.to_string(), ..Self::internal(error) },
        }
    }
}

/// Only operators may take backups, and they need the cause.
impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Flush(error) => error.into(),
            BackupError::Busy => Self::new(Code::Unavailable, error.to_string()),
            _ => Self { message: error.to_string(), ..Self::internal(error) },
        }
    }
}

impl From<DbrpError> for ApiError {
    fn from(error: DbrpError) -> Self {
        match error {
            DbrpError::NoDatabase => Self::invalid(error.to_string()),
            DbrpError::Database(_) | DbrpError::Policy(_) => Self::not_found(error.to_string()),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Plan(_)
            | QueryError::ReadOnly(_)
            | QueryError::Parameter { .. }
            | QueryError::TooLong { .. }
            | QueryError::Execution(_)
            // As InfluxDB 2 answers exhausted resources: the same query would fail again.
            | QueryError::Memory { .. } => Self::invalid(text),
            QueryError::Flux(error) => flux_error(error),
            QueryError::Timeout(_) | QueryError::Busy { .. } => Self::new(Code::Unavailable, text),
            QueryError::Internal(_) | _ => Self::internal(error),
        }
    }
}

/// The codes of Flux as InfluxDB's query controller answers them.
fn flux_error(error: FluxError) -> ApiError {
    match error.code {
        FluxCode::NotFound => ApiError::not_found(error.message),
        FluxCode::PermissionDenied => ApiError::new(Code::Forbidden, error.message),
        FluxCode::Internal => ApiError::internal(error),
        FluxCode::Invalid | FluxCode::ResourceExhausted | FluxCode::Canceled | FluxCode::Unimplemented => {
            ApiError::invalid(error.message)
        }
    }
}

impl From<WorkerDied> for ApiError {
    fn from(error: WorkerDied) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests;
