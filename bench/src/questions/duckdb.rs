//! The questions in DuckDB's SQL, asked of the lake by a Python program: a second engine that says whether answers are
//! right.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Question, Row, Shape};
use crate::cpu_data::FIELDS;
use crate::error::BenchError;

/// Where the program stands in the checkout that this was built from.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients/python/bench_answers.py");

/// Floats are added in another order.
const TOLERANCE: f64 = 1e-9;

/// The answers to some questions, from the lake of a data directory.
pub(crate) fn answers(python: &Path, data_dir: &Path, questions: &[&Question]) -> Result<Vec<Vec<Row>>, BenchError> {
    let statements: Vec<String> = questions.iter().map(|question| statement(question)).collect();
    let mut command = Command::new(python);
    command.arg(PROGRAM).arg(data_dir.join("catalog.sqlite")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let program = || "bench_answers.py".to_owned();
    let mut child = command.spawn().map_err(|source| BenchError::Start { program: program(), source })?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(serde_json::Value::from(statements).to_string().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(BenchError::Failed { program: program(), status: output.status.to_string() });
    }
    let invalid = || BenchError::at(PathBuf::from(PROGRAM))(std::io::ErrorKind::InvalidData.into());
    let answers: Vec<Vec<Vec<serde_json::Value>>> = serde_json::from_slice(&output.stdout).map_err(|_| invalid())?;
    let row = |cells: &Vec<serde_json::Value>| {
        let values = cells.get(2..)?.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>()?;
        Some(Row { host: cells.first()?.as_str()?.to_owned(), time_s: cells.get(1)?.as_i64()?, values })
    };
    let rows = |cells: &Vec<Vec<serde_json::Value>>| cells.iter().map(row).collect::<Option<Vec<Row>>>();
    answers.iter().map(rows).collect::<Option<Vec<_>>>().ok_or_else(invalid)
}

/// Whether two answers hold the same rows, in whatever order.
pub(crate) fn equal(left: &[Row], right: &[Row]) -> bool {
    let sorted = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.sort_by(|left, right| left.partial_cmp(right).unwrap_or(std::cmp::Ordering::Equal));
        rows
    };
    let close = |(left, right): (&f64, &f64)| (left - right).abs() <= TOLERANCE * left.abs().max(right.abs()).max(1.0);
    let same = |(left, right): (&Row, &Row)| {
        left.host == right.host
            && left.time_s == right.time_s
            && left.values.len() == right.values.len()
            && left.values.iter().zip(&right.values).all(close)
    };
    left.len() == right.len() && sorted(left).iter().zip(&sorted(right)).all(same)
}

/// Columns: host, seconds, then the fields. The table is `cpu`, with the time in seconds as `s`.
fn statement(question: &Question) -> String {
    let fields = &FIELDS[..question.kind.fields.min(FIELDS.len())];
    let calls = |name: &str| fields.iter().map(|field| format!("{name}({field})")).collect::<Vec<_>>().join(", ");
    let mut conditions = vec!["true".to_owned()];
    if !question.hosts.is_empty() {
        let hosts: Vec<String> = question.hosts.iter().map(|host| format!("'host_{host}'")).collect();
        conditions.push(format!("hostname IN ({})", hosts.join(", ")));
    }
    conditions.extend(question.start_s.map(|start| format!("s >= {start}")));
    conditions.extend(question.end_s.map(|end| format!("s < {end}")));
    let conditions = conditions.join(" AND ");
    match question.kind.shape {
        Shape::Maxima { window_s } => {
            format!("SELECT '', s // {window_s} * {window_s}, {} FROM cpu WHERE {conditions} GROUP BY 2", calls("max"))
        }
        Shape::Means => {
            format!("SELECT hostname, s // 3600 * 3600, {} FROM cpu WHERE {conditions} GROUP BY 1, 2", calls("avg"))
        }
        Shape::High => {
            format!("SELECT hostname, s, {} FROM cpu WHERE {} > 90 AND {conditions}", fields.join(", "), FIELDS[0])
        }
        Shape::Last => format!(
            "SELECT hostname, s, {} FROM cpu WHERE {conditions} QUALIFY row_number() OVER \
             (PARTITION BY hostname ORDER BY s DESC) = 1",
            fields.join(", ")
        ),
        Shape::LastMinutes => format!(
            "SELECT '', s // 60 * 60, {} FROM cpu WHERE {conditions} GROUP BY 2 ORDER BY 2 DESC LIMIT 5",
            calls("max")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_equal_whatever_their_order_and_rounding() {
        let row = |host: &str, value: f64| Row { host: host.to_owned(), time_s: 1, values: vec![value] };
        assert!(equal(&[row("a", 1.0), row("b", 2.0)], &[row("b", 2.0 + 1e-12), row("a", 1.0)]));
        assert!(!equal(&[row("a", 1.0)], &[row("a", 1.1)]));
        assert!(!equal(&[row("a", 1.0)], &[row("b", 1.0)]));
        assert!(!equal(&[row("a", 1.0)], &[]));
    }
}
