//! Answers as JSON, with numbers as Prometheus writes them: values as texts, times as seconds.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::header;
use promql::{Answer, Labels, SampleSeries};

use crate::json::CONTENT_TYPE;

/// An answer with status 200.
pub(super) fn response(body: String) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}

/// The text of an answer with this `data`.
pub(super) fn success(data: &str) -> String {
    format!("{{\"status\":\"success\",\"data\":{data}}}")
}

/// The text of a query's answer.
pub(super) fn text(answer: &Answer) -> String {
    let mut result = String::new();
    let kind = match answer {
        Answer::Scalar(time, value) => {
            push_sample(&mut result, *time, *value);
            "scalar"
        }
        Answer::String(time, text) => {
            result.push('[');
            push_time(&mut result, *time);
            result.push(',');
            push_text(&mut result, text);
            result.push(']');
            "string"
        }
        Answer::Vector(time, samples) => {
            push_list(&mut result, samples, |text, (labels, value)| {
                text.push_str("{\"metric\":");
                push_labels(text, labels);
                text.push_str(",\"value\":");
                push_sample(text, *time, *value);
                text.push('}');
            });
            "vector"
        }
        Answer::Matrix(series) => {
            push_list(&mut result, series, push_series);
            "matrix"
        }
    };
    success(&format!("{{\"resultType\":\"{kind}\",\"result\":{result}}}"))
}

fn push_series(text: &mut String, series: &SampleSeries) {
    text.push_str("{\"metric\":");
    push_labels(text, &series.labels);
    text.push_str(",\"values\":");
    let samples: Vec<(i64, f64)> = series.times.iter().copied().zip(series.values.iter().copied()).collect();
    push_list(text, &samples, |text, (time, value)| push_sample(text, *time, *value));
    text.push('}');
}

/// Several texts between brackets.
pub(super) fn push_list<T>(text: &mut String, entries: &[T], push: impl Fn(&mut String, &T)) {
    text.push('[');
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push(text, entry);
    }
    text.push(']');
}

/// Labels as an object.
pub(super) fn push_labels(text: &mut String, labels: &Labels) {
    text.push('{');
    for (place, (name, value)) in labels.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_text(text, name);
        text.push(':');
        push_text(text, value);
    }
    text.push('}');
}

/// A text in quotes.
pub(super) fn push_text(text: &mut String, value: &str) {
    text.push_str(&serde_json::Value::from(value).to_string());
}

fn push_sample(text: &mut String, time: i64, value: f64) {
    text.push('[');
    push_time(text, time);
    text.push_str(",\"");
    push_number(text, value);
    text.push_str("\"]");
}

/// Seconds, with the milliseconds behind the point where there are any.
fn push_time(text: &mut String, time: i64) {
    let sign = if time < 0 { "-" } else { "" };
    let (seconds, ms) = (time.unsigned_abs() / 1000, time.unsigned_abs() % 1000);
    // Writing to a string does not fail.
    let _ = match ms {
        0 => write!(text, "{sign}{seconds}"),
        ms => write!(text, "{sign}{seconds}.{ms:03}"),
    };
}

/// As Prometheus: with an exponent only where the number is very small or large.
fn push_number(text: &mut String, value: f64) {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        text.push_str(&promql::number_text(value));
        return;
    }
    let number = format!("{value:e}");
    let (digits, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |exponent| ("-", exponent));
    let _ = write!(text, "{digits}e{sign}{exponent:0>2}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        for (time, value, expected) in [
            (1_700_000_000_000, 1.0, "[1700000000,\"1\"]"),
            (1_700_000_000_050, -0.5, "[1700000000.050,\"-0.5\"]"),
            (-1, f64::NAN, "[-0.001,\"NaN\"]"),
            (0, f64::INFINITY, "[0,\"+Inf\"]"),
            (0, 1e-7, "[0,\"1e-07\"]"),
            (0, 1.5e21, "[0,\"1.5e+21\"]"),
            (0, 1e20, "[0,\"100000000000000000000\"]"),
            (0, -2e-300, "[0,\"-2e-300\"]"),
        ] {
            let mut text = String::new();
            push_sample(&mut text, time, value);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn every_kind_of_answer() {
        let labels = Labels::new([("a", "\"x\""), ("__name__", "m")]);
        let series = SampleSeries { labels: labels.clone(), times: vec![0, 1000], values: vec![1.0, 2.0] };
        for (answer, expected) in [
            (Answer::Scalar(0, 1.0), r#"{"resultType":"scalar","result":[0,"1"]}"#),
            (Answer::String(0, "é".to_owned()), r#"{"resultType":"string","result":[0,"é"]}"#),
            (
                Answer::Vector(0, vec![(labels, 1.0)]),
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"m","a":"\"x\""},"value":[0,"1"]}]}"#,
            ),
            (
                Answer::Matrix(vec![series]),
                concat!(
                    r#"{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"\"x\""},"#,
                    r#""values":[[0,"1"],[1,"2"]]}]}"#
                ),
            ),
        ] {
            assert_eq!(text(&answer), success(expected));
        }
    }
}
