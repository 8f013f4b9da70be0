//! Remote write 1.0: samples of Prometheus into a bucket, as InfluxDB 1.x lays them out. The measurement is the name
//! of the metric, labels are tags, the value is the field `value`; what is no finite number is a text in the field
//! `non_finite`.
//!
//! Prometheus sends again what is answered 5xx or 429, and throws away what is answered 4xx. So a request of which
//! something cannot be kept is stored as far as it can be, and answered 400 with what is missing.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::Action;
use http::{HeaderMap, StatusCode, header};
use promql::remote::WriteRequest;
use promql::{METRIC_NAME, SampleSeries};
use query::promql::{NON_FINITE, VALUE, non_finite_text};
use storage::{Precision, line_text};

use super::{Target, answered, path_parameters};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::limits::REMOTE_WRITE_TEXT_BYTES;
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::state::AppState;

/// Times that nanoseconds of 64 bits can have, in milliseconds.
const TIME_BOUND_MS: i64 = i64::MAX / 1_000_000 - 1;

/// Answers 204, or says what was not stored.
pub(super) async fn write(State(state): State<AppState>, request: Request) -> Response {
    answered(answer(&state, request).await)
}

async fn answer(state: &AppState, request: Request) -> ApiResult<Response> {
    let (mut parts, body) = request.into_parts();
    let parameters = Parameters::from_uri(&parts.uri)?;
    let path = path_parameters(state, &mut parts).await?;
    let target = Target::of(state, &parts, &parameters, &path, Action::Write).await?;
    check_version(&parts.headers)?;
    let body = state.bodies().read_snappy_body(body).await?;
    let bytes = body.bytes.clone();
    let decoded = state.formatter().cpu.run(move || WriteRequest::decode(&bytes)).await?;
    let stored = match decoded {
        Ok(request) => store(state, &target, request).await,
        Err(error) => Err(ApiError::invalid(format!("cannot read the write request: {error}"))),
    };
    let status = stored.as_ref().map_or_else(|error| error.code().status(), |()| StatusCode::NO_CONTENT);
    target.transferred(state, TransferKind::Write, status, body.wire_bytes);
    stored.map(|()| StatusCode::NO_CONTENT.into_response())
}

/// Version 2 of the protocol has another message, which its senders name in the content type.
fn check_version(headers: &HeaderMap) -> ApiResult<()> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.contains("io.prometheus.write.v2") {
        let message = "remote write 2.0 is not known here: send prometheus.WriteRequest (protobuf_message)";
        return Err(ApiError::new(Code::UnsupportedMediaType, message));
    }
    Ok(())
}

/// What could not be stored.
#[derive(Default)]
struct Refused {
    samples: usize,
    first: Option<String>,
}

impl Refused {
    fn note(&mut self, samples: usize, cause: impl FnOnce() -> String) {
        if samples > 0 {
            self.samples += samples;
            self.first.get_or_insert_with(cause);
        }
    }
}

async fn store(state: &AppState, target: &Target, request: WriteRequest) -> ApiResult<()> {
    let mut refused = Refused::default();
    refused.note(request.histograms, || "native histograms are not kept".to_owned());
    let mut text = String::new();
    for series in &request.series {
        let Some(key) = series_key(series, &mut refused) else { continue };
        for (time, value) in series.times.iter().zip(&series.values) {
            if !(-TIME_BOUND_MS..=TIME_BOUND_MS).contains(time) {
                refused.note(1, || format!("the time {time} ms is out of range"));
                continue;
            }
            push_sample(&mut text, &key, *time, *value);
            if text.len() >= REMOTE_WRITE_TEXT_BYTES {
                write_lines(state, target, std::mem::take(&mut text), &mut refused).await?;
            }
        }
    }
    write_lines(state, target, text, &mut refused).await?;
    match refused {
        Refused { first: Some(cause), samples } => {
            Err(ApiError::invalid(format!("{samples} samples were not stored: {cause}")))
        }
        Refused { first: None, .. } => Ok(()),
    }
}

async fn write_lines(state: &AppState, target: &Target, text: String, refused: &mut Refused) -> ApiResult<()> {
    if text.is_empty() {
        return Ok(());
    }
    let retention = target.bucket.retention;
    let request = storage::WriteRequest {
        bucket: Arc::new(crate::routes::bucket_info(&target.organisation, &target.bucket)),
        retention: (!retention.is_zero()).then_some(retention),
        body: text.into(),
        precision: Precision::Millisecond,
    };
    let outcome = state.engine().write(request).await?;
    if let Some(dropped) = outcome.dropped {
        refused.note(dropped.dropped.max(1), || dropped.to_string());
    }
    Ok(())
}

/// Measurement and tags of a series as a line begins; none if a line cannot hold them.
fn series_key(series: &SampleSeries, refused: &mut Refused) -> Option<String> {
    let name = series.labels.get(METRIC_NAME);
    let count = series.times.len();
    if name.is_empty() {
        refused.note(count, || format!("the series {} has no name", series.labels));
        return None;
    }
    // See `line_text`: these cannot be written.
    let is_bad = |text: &str| text.ends_with('\\') || text.contains(['\n', '\r']);
    if name.starts_with('#') || series.labels.iter().any(|(name, value)| is_bad(name) || is_bad(value)) {
        refused.note(count, || {
            let cause = "a name begins with #, ends in a backslash or has a line break";
            format!("{cause}: {}", series.labels)
        });
        return None;
    }
    let mut key = String::new();
    line_text::push_measurement(&mut key, name);
    for (name, value) in series.labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        key.push(',');
        line_text::push_name(&mut key, name);
        key.push('=');
        line_text::push_name(&mut key, value);
    }
    Some(key)
}

fn push_sample(text: &mut String, key: &str, time: i64, value: f64) {
    text.push_str(key);
    text.push(' ');
    match non_finite_text(value) {
        None => {
            text.push_str(VALUE);
            text.push('=');
            line_text::push_float(text, value);
        }
        Some(special) => {
            text.push_str(NON_FINITE);
            text.push('=');
            line_text::push_string(text, special);
        }
    }
    text.push(' ');
    text.push_str(&time.to_string());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use promql::{Labels, STALE_NAN};

    use super::*;

    fn series(labels: &[(&str, &str)]) -> SampleSeries {
        let labels = Labels::new(labels.iter().copied());
        SampleSeries { labels, times: vec![1, 2], values: vec![1.5, STALE_NAN] }
    }

    #[test]
    fn samples_as_lines() {
        let mut refused = Refused::default();
        let series = series(&[("__name__", "a b"), ("job", "x,y=z"), ("empty", "")]);
        let key = series_key(&series, &mut refused).unwrap_or_default();
        let mut text = String::new();
        series.times.iter().zip(&series.values).for_each(|(time, value)| push_sample(&mut text, &key, *time, *value));
        assert_eq!(text, "a\\ b,job=x\\,y\\=z value=1.5 1\na\\ b,job=x\\,y\\=z non_finite=\"stale\" 2\n");
        assert_eq!(refused.samples, 0);
    }

    #[test]
    fn what_a_line_cannot_hold_is_counted() {
        let mut refused = Refused::default();
        for labels in [&[("job", "x")][..], &[("__name__", "m"), ("a", "b\\")], &[("__name__", "#m")]] {
            assert_eq!(series_key(&series(labels), &mut refused), None);
        }
        assert_eq!((refused.samples, refused.first.as_deref()), (6, Some("the series {job=\"x\"} has no name")));
    }
}
