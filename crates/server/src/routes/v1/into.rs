//! `SELECT … INTO`: the rows of an answer as line protocol, through the same door as every other write.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Action, Bucket, Permission};
use futures::StreamExt as _;
use query::influxql::ast::Target;
use query::influxql::{InfluxqlAnswer, Series, Value};
use storage::{BucketInfo, Precision, WriteRequest};

use super::answer::StatementResult;
use super::statements::Runner;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::dbrp;
use crate::limits;
use crate::routes::buckets::bucket_info;
use crate::routes::write::FORBIDDEN;

impl Runner {
    /// The bucket that a target names, if the caller may write to it.
    pub(super) fn target_bucket(&self, target: &Target) -> ApiResult<Arc<Bucket>> {
        let default_policy = if target.database.is_none() { self.retention_policy.as_deref() } else { None };
        let database = target.database.as_deref().or(self.database.as_deref());
        let policy = target.retention_policy.as_deref().or(default_policy);
        let bucket = dbrp::find(&self.state, &self.organisation, database, policy)?;
        if !self.principal.allows(&Permission::on_bucket(Action::Write, bucket.id, self.organisation.id)) {
            return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
        }
        Ok(bucket)
    }

    /// Writes the rows of an answer as they come, and says how many there were.
    pub(super) async fn write_into(
        &self,
        target: &Target,
        bucket: &Bucket,
        mut answer: InfluxqlAnswer,
    ) -> ApiResult<StatementResult> {
        let info = Arc::new(bucket_info(&self.organisation, bucket));
        let retention = (!bucket.retention.is_zero()).then_some(bucket.retention);
        let mut written = 0;
        while let Some(part) = answer.next().await.transpose()? {
            for series in &part.series {
                written += self.write_series(target, &info, retention, series).await?;
            }
        }
        let row = vec![Value::Time(0), Value::Integer(written)];
        let result = Series {
            name: "result".to_owned(),
            tags: Vec::new(),
            columns: ["time", "written"].map(str::to_owned).into_iter().collect(),
            rows: vec![row],
            zone: None,
        };
        Ok(StatementResult { series: vec![result], ..StatementResult::default() })
    }

    /// Writes the rows of a series. Returns how many there were.
    async fn write_series(
        &self,
        target: &Target,
        bucket: &Arc<BucketInfo>,
        retention: Option<Duration>,
        series: &Series,
    ) -> ApiResult<i64> {
        let mut written = 0;
        let name = target.measurement.as_deref().unwrap_or(&series.name);
        let key = series_key(name, series)?;
        for rows in series.rows.chunks(limits::CHUNK_ROWS) {
            let mut body = String::new();
            for row in rows {
                written += i64::from(line(&mut body, &key, &series.columns, row));
            }
            if body.is_empty() {
                continue;
            }
            let request = WriteRequest {
                bucket: Arc::clone(bucket),
                retention,
                body: body.into(),
                precision: Precision::Nanosecond,
            };
            if let Some(dropped) = self.state.engine().write(request).await?.dropped {
                return Err(ApiError::new(Code::UnprocessableEntity, dropped.to_string()));
            }
        }
        Ok(written)
    }
}

/// Measurement and tags as line protocol writes them. Tags that group are tags again.
fn series_key(name: &str, series: &Series) -> ApiResult<String> {
    let mut key = escape(name, &[',', ' ']);
    for (tag, value) in series.tags.iter().filter(|(_, value)| !value.is_empty()) {
        let special = [',', '=', ' '];
        let _ = write!(key, ",{}={}", escape(tag, &special), escape(value, &special));
    }
    if key.contains('\n') || name.is_empty() {
        return Err(ApiError::invalid(format!("the series {key:?} cannot be written as line protocol")));
    }
    Ok(key)
}

/// One line; none if the row has no value. Returns whether there is one.
fn line(body: &mut String, key: &str, columns: &[String], row: &[Value]) -> bool {
    let (Some(Value::Time(time)), Some(values)) = (row.first(), row.get(1..)) else { return false };
    let mut fields = String::new();
    for (column, value) in columns.iter().skip(1).zip(values) {
        let text = match value {
            Value::Null | Value::Time(_) => continue,
            Value::Float(value) if !value.is_finite() => continue,
            Value::Float(value) => value.to_string(),
            Value::Integer(value) => format!("{value}i"),
            Value::Unsigned(value) => format!("{value}u"),
            Value::Boolean(value) => value.to_string(),
            Value::Text(value) => format!("\"{}\"", escape(value, &['\\', '"'])),
        };
        let comma = if fields.is_empty() { "" } else { "," };
        let _ = write!(fields, "{comma}{}={text}", escape(column, &[',', '=', ' ']));
    }
    if fields.is_empty() {
        return false;
    }
    let _ = writeln!(body, "{key} {fields} {time}");
    true
}

fn escape(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
