//! The exact text of every format, errors before and after the first byte, and the choice of a format.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow::datatypes::Int32Type;
use axum::body::to_bytes;

use super::*;
use crate::api_error::ApiError;

#[derive(Debug, thiserror::Error)]
#[error("the query failed")]
struct QueryFailed;

impl From<QueryFailed> for ApiError {
    fn from(error: QueryFailed) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Two rows of every type that a bucket has; the second has only a time and a float.
fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 7] = [
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None])), true),
        ("f", Arc::new(Float64Array::from(vec![1.5, 2.0])), true),
        ("i", Arc::new(Int64Array::from(vec![Some(2), None])), true),
        ("s", Arc::new(StringArray::from(vec![Some("a,\"b\"\n"), None])), true),
        ("t", Arc::new([Some("x"), None].into_iter().collect::<DictionaryArray<Int32Type>>()), true),
        (
            "time",
            Arc::new(TimestampNanosecondArray::from(vec![1_767_225_600_000_000_000, 1_767_225_600_250_000_000])),
            false,
        ),
        ("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn formatter() -> Formatter {
    Formatter { cpu: CpuPool::new(2), pretty_limit_bytes: 1 << 20 }
}

async fn respond(format: Format, batches: Vec<Result<RecordBatch, QueryFailed>>) -> ApiResult<Response> {
    formatter().respond(format, batch().schema(), futures::stream::iter(batches)).await
}

async fn bytes(format: Format, batches: Vec<RecordBatch>) -> Bytes {
    let response = respond(format, batches.into_iter().map(Ok).collect()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], format.content_type());
    to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

async fn check(format: Format, batches: Vec<RecordBatch>, expected: &str) {
    assert_eq!(String::from_utf8(bytes(format, batches).await.to_vec()).unwrap(), expected, "{format:?}");
}

#[tokio::test]
async fn json() {
    let first =
        r#"{"b":true,"f":1.5,"i":2,"s":"a,\"b\"\n","t":"x","time":"2026-01-01T00:00:00","u":18446744073709551615}"#;
    let second = r#"{"f":2.0,"time":"2026-01-01T00:00:00.250"}"#;
    check(Format::Json, vec![batch()], &format!("[{first},{second}]")).await;
    check(Format::Json, vec![batch(), batch()], &format!("[{first},{second},{first},{second}]")).await;
    check(Format::Json, vec![], "[]").await;
    check(Format::Json, vec![batch().slice(0, 0)], "[]").await;
    check(Format::JsonLines, vec![batch(), batch().slice(1, 1)], &format!("{first}\n{second}\n{second}\n")).await;
    check(Format::JsonLines, vec![], "").await;
}

#[tokio::test]
async fn csv() {
    let header = "b,f,i,s,t,time,u\n";
    let rows = "true,1.5,2,\"a,\"\"b\"\"\n\",x,2026-01-01T00:00:00,18446744073709551615\n\
                ,2.0,,,,2026-01-01T00:00:00.250,\n";
    check(Format::Csv, vec![batch(), batch()], &format!("{header}{rows}{rows}")).await;
    check(Format::Csv, vec![], header).await;
}

#[tokio::test]
async fn pretty() {
    let expected = "\
+------+-----+---+-----+---+-------------------------+----------------------+
| b    | f   | i | s   | t | time                    | u                    |
+------+-----+---+-----+---+-------------------------+----------------------+
|      | 2.0 |   |     |   | 2026-01-01T00:00:00.250 |                      |
+------+-----+---+-----+---+-------------------------+----------------------+";
    let rows = batch().slice(1, 1);
    let text = String::from_utf8(bytes(Format::Pretty, vec![rows]).await.to_vec()).unwrap();
    let squeeze = |text: &str| text.lines().map(|line| line.replace([' ', '-'], "")).collect::<Vec<_>>();
    assert_eq!(squeeze(&text), squeeze(expected));
    let empty = String::from_utf8(bytes(Format::Pretty, vec![]).await.to_vec()).unwrap();
    assert!(empty.starts_with("+---") && empty.contains("| time |"), "{empty}");
}

#[tokio::test]
async fn pretty_has_a_limit() {
    let small = Formatter { pretty_limit_bytes: 10, ..formatter() };
    let batches = futures::stream::iter([Ok::<_, QueryFailed>(batch())]);
    let error = small.respond(Format::Pretty, batch().schema(), batches).await.unwrap_err();
    assert_eq!(error.code(), crate::api_error::Code::Invalid);
}

#[tokio::test]
async fn parquet() {
    let file = bytes(Format::Parquet, vec![batch(), batch()]).await;
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].slice(0, 2).column(5), batch().column(5));
    assert_eq!(batches[0].num_rows(), 4);
    let empty = bytes(Format::Parquet, vec![]).await;
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(empty, 100).unwrap();
    assert_eq!(reader.count(), 0);
}

#[tokio::test]
async fn an_error_before_the_first_byte_is_an_answer() {
    for format in [Format::Json, Format::JsonLines, Format::Csv, Format::Parquet, Format::Pretty] {
        let error = respond(format, vec![Err(QueryFailed)]).await.unwrap_err();
        assert_eq!(error.code(), crate::api_error::Code::Invalid);
    }
    assert!(respond(Format::Pretty, vec![Ok(batch()), Err(QueryFailed)]).await.is_err());
}

#[tokio::test]
async fn an_error_after_the_first_byte_cuts_the_answer() {
    for format in [Format::Json, Format::JsonLines, Format::Csv] {
        let response = respond(format, vec![Ok(batch()), Err(QueryFailed)]).await.unwrap();
        assert!(to_bytes(response.into_body(), usize::MAX).await.is_err(), "{format:?}");
    }
}

#[test]
fn negotiation() {
    for (format, accept, expected) in [
        (None, None, Some(Format::Json)),
        (None, Some("*/*"), Some(Format::Json)),
        (None, Some("application/json"), Some(Format::Json)),
        (None, Some("text/csv"), Some(Format::Csv)),
        (None, Some("TEXT/CSV; charset=utf-8"), Some(Format::Csv)),
        (None, Some("text/plain"), Some(Format::Pretty)),
        (None, Some("application/vnd.apache.parquet"), Some(Format::Parquet)),
        (None, Some("text/html, text/csv;q=0.5"), Some(Format::Csv)),
        (None, Some("text/html"), None),
        (Some("csv"), Some("text/html"), Some(Format::Csv)),
        (Some("json"), None, Some(Format::Json)),
        (Some("jsonl"), None, Some(Format::JsonLines)),
        (Some("json_lines"), None, Some(Format::JsonLines)),
        (Some("pretty"), None, Some(Format::Pretty)),
        (Some("parquet"), None, Some(Format::Parquet)),
        (Some("xml"), Some("text/csv"), None),
    ] {
        let accept_header = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept)));
        let headers = HeaderMap::from_iter(accept_header);
        assert_eq!(Format::negotiate(format, &headers).ok(), expected, "{format:?} {accept:?}");
    }
}
