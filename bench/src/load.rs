//! Sends prepared bodies over a few keep-alive connections and measures how they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::error::BenchError;
use crate::http_connection::{Answer, Call, Connection};
use crate::stopwatch::Stopwatch;

/// A server that says "later" is asked again this often, then the request counts as failed.
const RETRIES_MAX: u32 = 50;

const RETRY_DELAY: Duration = Duration::from_millis(200);

/// A request body and the rows in it.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) row_count: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct LoadResult {
    /// Rows that were acknowledged.
    pub(crate) row_count: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Milliseconds of each request with its repetitions, in rising order.
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) failed_count: u64,
    pub(crate) retried_count: u64,
    /// The first answer that was not a success.
    pub(crate) first_error: Option<String>,
}

impl LoadResult {
    fn add(&mut self, other: Self) {
        self.row_count += other.row_count;
        self.latencies_ms.extend(other.latencies_ms);
        self.failed_count += other.failed_count;
        self.retried_count += other.retried_count;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The latency that the given share of the requests stayed within.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.latencies_ms.len().saturating_sub(1);
        self.latencies_ms.get((share * last as f64) as usize).copied().unwrap_or(0.0)
    }
}

/// Sends every body once. Each connection takes the next body as soon as it has its answer.
pub(crate) async fn load(port: u16, call: &Call, bodies: &Arc<Vec<Body>>, connections: usize) -> LoadResult {
    let next = Arc::new(AtomicUsize::new(0));
    let stopwatch = Stopwatch::start();
    let workers: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(work(port, call.clone(), Arc::clone(bodies), Arc::clone(&next))))
        .collect();
    let mut result = LoadResult::default();
    for worker in workers {
        match worker.await {
            Ok(part) => result.add(part),
            Err(error) => {
                result.failed_count += 1;
                result.first_error.get_or_insert(error.to_string());
            }
        }
    }
    result.elapsed = stopwatch.elapsed();
    result.latencies_ms.sort_by(f64::total_cmp);
    result
}

async fn work(port: u16, mut call: Call, bodies: Arc<Vec<Body>>, next: Arc<AtomicUsize>) -> LoadResult {
    let mut connection = Connection::to(port);
    let mut result = LoadResult::default();
    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        call.body = body.bytes.clone();
        let stopwatch = Stopwatch::start();
        if send(&mut connection, &call, &mut result).await {
            result.row_count += body.row_count;
        } else {
            result.failed_count += 1;
        }
        result.latencies_ms.push(stopwatch.elapsed().as_secs_f64() * 1_000.0);
    }
    result
}

/// Sends one request, again if the server asks for it; whether it was acknowledged in the end.
async fn send(connection: &mut Connection, call: &Call, result: &mut LoadResult) -> bool {
    for attempt in 0..=RETRIES_MAX {
        let Some(failure) = failure(connection.send(call).await) else {
            return true;
        };
        result.first_error.get_or_insert(failure.text);
        if !failure.is_temporary || attempt == RETRIES_MAX {
            return false;
        }
        result.retried_count += 1;
        tokio::time::sleep(RETRY_DELAY).await;
    }
    false
}

struct Failure {
    text: String,
    /// The server asked to try again.
    is_temporary: bool,
}

fn failure(answer: Result<Answer, BenchError>) -> Option<Failure> {
    match answer {
        Ok(answer) if answer.is_success() => None,
        Ok(answer) => {
            let body: String = answer.text().chars().take(200).collect();
            let is_temporary = matches!(answer.status, 429 | 503);
            Some(Failure { text: format!("{} {body}", answer.status), is_temporary })
        }
        Err(error) => Some(Failure { text: error.to_string(), is_temporary: false }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server for one connection that gives each request the next of the answers.
    fn serve(answers: &'static [&'static str]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4_096];
            for answer in answers {
                let mut request = Vec::new();
                while !request.ends_with(b"point") {
                    let length = stream.read(&mut buffer).unwrap();
                    request.extend_from_slice(&buffer[..length]);
                }
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        port
    }

    async fn load_two(answers: &'static [&'static str]) -> LoadResult {
        let body = || Body { bytes: Bytes::from_static(b"point"), row_count: 10 };
        load(serve(answers), &Call::post("/write", ""), &Arc::new(vec![body(), body()]), 1).await
    }

    #[tokio::test]
    async fn acknowledged_rows_are_counted() {
        let result = load_two(&["204 No Content", "204 No Content"]).await;
        assert_eq!((result.row_count, result.failed_count, result.retried_count), (20, 0, 0));
        assert_eq!(result.latencies_ms.len(), 2);
        assert_eq!(result.first_error, None);
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again_and_a_refusal_is_not() {
        let result = load_two(&["503 Busy", "204 No Content", "400 Bad Request"]).await;
        assert_eq!((result.row_count, result.failed_count, result.retried_count), (10, 1, 1));
        assert_eq!(result.first_error.as_deref(), Some("503 "));
    }

    #[test]
    fn quantiles_are_taken_from_the_sorted_latencies() {
        let result = LoadResult { latencies_ms: (0..=100).map(f64::from).collect(), ..LoadResult::default() };
        assert_eq!((result.quantile_ms(0.5), result.quantile_ms(0.99), result.quantile_ms(1.0)), (50.0, 99.0, 100.0));
        assert_eq!(LoadResult::default().quantile_ms(0.5), 0.0);
    }
}
