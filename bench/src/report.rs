//! The table of results, in Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::cpu_data::FIELDS;
use crate::load::LoadResult;
use crate::process::Usage;

/// One run of one server.
pub(crate) struct Run {
    pub(crate) server: &'static str,
    pub(crate) encoding: &'static str,
    pub(crate) load: LoadResult,
    /// From the last acknowledgement until a query saw every row; none if it never did.
    pub(crate) queryable_after: Option<Duration>,
    /// From the first request until the server had stopped.
    pub(crate) usage: Usage,
    pub(crate) disk_bytes: u64,
}

const HEAD: &str = "| server | body | rows | rows/s | values/s | CPU µs/row | p50 ms | p99 ms | queryable after s | \
                    peak MiB | disk MB | failed | retried |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";

/// The table, and below it the first error of each run that had one.
pub(crate) fn markdown(runs: &[Run]) -> String {
    let mut text = String::from(HEAD);
    for run in runs {
        write_row(&mut text, run);
    }
    for run in runs {
        if let Some(error) = &run.load.first_error {
            let _ = write!(text, "\n{}, {}: first error: {error}\n", run.server, run.encoding);
        }
    }
    text
}

fn write_row(text: &mut String, run: &Run) {
    let load = &run.load;
    let rows_per_s = load.row_count as f64 / load.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let cpu_us_per_row = run.usage.cpu_s * 1e6 / (load.row_count.max(1)) as f64;
    let queryable = run.queryable_after.map_or("never".to_owned(), |after| format!("{:.1}", after.as_secs_f64()));
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {cpu_us_per_row:.2} | {:.1} | {:.1} | {queryable} | {} | {:.1} | {} | {} |",
        run.server,
        run.encoding,
        grouped(load.row_count),
        grouped(rows_per_s as u64),
        grouped((rows_per_s * FIELDS.len() as f64) as u64),
        load.quantile_ms(0.5),
        load.quantile_ms(0.99),
        run.usage.peak_memory_kib / 1_024,
        run.disk_bytes as f64 / 1e6,
        load.failed_count,
        load.retried_count,
    );
}

/// A number with a comma before every three digits from the right.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut output = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            output.push(',');
        }
        output.push(digit);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_row() {
        let run = Run {
            server: "S",
            encoding: "gzip",
            load: LoadResult {
                row_count: 1_000_000,
                elapsed: Duration::from_secs(2),
                latencies_ms: vec![1.0, 2.0],
                failed_count: 1,
                first_error: Some("503 busy".to_owned()),
                ..LoadResult::default()
            },
            queryable_after: None,
            usage: Usage { cpu_s: 3.5, peak_memory_kib: 2_048 },
            disk_bytes: 12_340_000,
        };
        let text = markdown(&[run]);
        let row = "| S | gzip | 1,000,000 | 500,000 | 5,000,000 | 3.50 | 1.0 | 1.0 | never | 2 | 12.3 | 1 | 0 |";
        assert_eq!(text.lines().nth(2), Some(row));
        assert!(text.ends_with("S, gzip: first error: 503 busy\n"), "{text}");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
    }
}
