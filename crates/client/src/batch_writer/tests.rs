//! The writer over a target without a network. tokio's clock stands still and jumps to the next timer, so times are
//! exact; `at` below is counted from the start of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::worker::Deliver;
use super::{BatchWriter, BatchWriterBuilder, FlushError, QueueError, StartError, WriteFailures};
use crate::client::Client;
use crate::error::{Rejection, RequestError, WriteError};
use crate::lines::Lines;
use crate::point::Point;
use crate::retry::RetryPolicy;
use crate::write::{ContentEncoding, PostWriteRequest, Precision};

#[derive(Debug, Clone, Copy)]
enum Answer {
    Taken,
    Status(u16),
    RetryAfter(u16, u64),
    Reset,
}

struct Seen {
    request: PostWriteRequest,
    at: Duration,
}

impl Seen {
    fn text(&self) -> String {
        if self.request.content_encoding == Some(ContentEncoding::Gzip) {
            let mut text = String::new();
            flate2::read::GzDecoder::new(self.request.body.as_ref()).read_to_string(&mut text).unwrap();
            return text;
        }
        String::from_utf8(self.request.body.to_vec()).unwrap()
    }
}

/// Answers in turn, then takes everything; refuses with 413 what has more than `lines_max` lines.
struct FakeTarget {
    answers: Mutex<VecDeque<Answer>>,
    lines_max: usize,
    /// One permit per attempt.
    gate: Arc<Semaphore>,
    seen: mpsc::UnboundedSender<Seen>,
    started: Instant,
}

impl Deliver for FakeTarget {
    async fn deliver(&self, request: &PostWriteRequest) -> Result<(), WriteError> {
        self.gate.acquire().await.unwrap().forget();
        let seen = Seen { request: request.clone(), at: self.started.elapsed() };
        let answer = match self.answers.lock().unwrap().pop_front() {
            _ if seen.text().lines().count() > self.lines_max => Answer::Status(413),
            answer => answer.unwrap_or(Answer::Taken),
        };
        let _ = self.seen.send(seen);
        let rejection = |status, retry_after| {
            let message = "no".to_owned();
            RequestError::from(Rejection { status, code: None, message, retry_after }).into()
        };
        match answer {
            Answer::Taken => Ok(()),
            Answer::Status(status) => Err(rejection(status, None)),
            Answer::RetryAfter(status, seconds) => Err(rejection(status, Some(Duration::from_secs(seconds)))),
            Answer::Reset => Err(RequestError::Transport { source: "reset".into() }.into()),
        }
    }
}

struct Bench {
    target: FakeTarget,
    seen: mpsc::UnboundedReceiver<Seen>,
    gate: Arc<Semaphore>,
}

impl Bench {
    fn new(answers: &[Answer]) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let target = FakeTarget {
            answers: Mutex::new(answers.iter().copied().collect()),
            lines_max: usize::MAX,
            gate: Arc::clone(&gate),
            seen: sender,
            started: Instant::now(),
        };
        Self { target, seen, gate }
    }

    /// Holds back every attempt until the gate gets permits.
    fn shut(mut self) -> Self {
        self.gate = Arc::new(Semaphore::new(0));
        self.target.gate = Arc::clone(&self.gate);
        self
    }

    fn start(self, builder: BatchWriterBuilder) -> (BatchWriter, mpsc::UnboundedReceiver<Seen>) {
        (builder.start_with(self.target).unwrap(), self.seen)
    }
}

fn builder() -> BatchWriterBuilder {
    Client::builder("http://nowhere.invalid").build().unwrap().batch_writer("b")
}

fn line(number: usize) -> String {
    format!("m f={number}i {number}")
}

/// All that was sent until the writer ended.
fn drain(mut seen: mpsc::UnboundedReceiver<Seen>) -> Vec<Seen> {
    std::iter::from_fn(|| seen.try_recv().ok()).collect()
}

fn failures(result: Result<(), FlushError>) -> WriteFailures {
    match result {
        Err(FlushError::Failed(failures)) => failures,
        other => panic!("{other:?}"),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_out_with_its_last_line_or_when_it_is_old() {
    let (writer, mut seen) = Bench::new(&[]).start(builder().batch_lines(3).interval(seconds(5)));
    for number in 0..7 {
        writer.write(line(number)).await.unwrap();
    }
    for (lines, at) in [(vec![0, 1, 2], 0), (vec![3, 4, 5], 0), (vec![6], 5)] {
        let batch = seen.recv().await.unwrap();
        let expected: String = lines.into_iter().map(|number| line(number) + "\n").collect();
        assert_eq!((batch.text(), batch.at), (expected, seconds(at)));
    }
    writer.close().await.unwrap();
    assert!(seen.recv().await.is_none(), "nothing is sent twice");
    assert_eq!((writer.lines_written(), writer.lines_failed(), writer.lines_pending()), (7, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_does_not_grow_beyond_its_bytes() {
    // Each line has 9 bytes with its line feed.
    let (writer, mut seen) = Bench::new(&[]).start(builder().batch_bytes(20).interval(seconds(1)));
    let long = format!("m f=\"{}\" 9", "x".repeat(50));
    writer.write(format!("{}\n{}\n{}\n{long}\n{}", line(1), line(2), line(3), line(4))).await.unwrap();
    writer.close().await.unwrap();
    let sent: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).map(|seen| seen.text()).collect();
    let first = format!("{}\n{}\n", line(1), line(2));
    assert_eq!(sent, [first, line(3) + "\n", long + "\n", line(4) + "\n"]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_without_end_waits_for_a_flush() {
    let (writer, mut seen) = Bench::new(&[]).start(builder().interval(Duration::MAX));
    writer.write(line(1)).await.unwrap();
    tokio::time::sleep(seconds(86_400)).await;
    assert!(seen.try_recv().is_err());
    writer.flush().await.unwrap();
    assert_eq!(seen.try_recv().unwrap().text(), line(1) + "\n");
}

#[tokio::test(start_paused = true)]
async fn the_request_carries_the_settings() {
    let settings = builder().org("o").org_id("id").precision(Precision::Seconds);
    let (writer, seen) = Bench::new(&[]).start(settings);
    let point = Point::builder("m").field("f", 1).timestamp_ns(7_900_000_000).build().unwrap();
    writer.write(&point).await.unwrap();
    writer.close().await.unwrap();
    let expected = PostWriteRequest {
        body: "m f=1i 7\n".into(),
        bucket: "b".to_owned(),
        org: "o".to_owned(),
        org_id: Some("id".to_owned()),
        precision: Some(Precision::Seconds),
        content_encoding: Some(ContentEncoding::Identity),
    };
    assert_eq!(drain(seen)[0].request, expected);
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_gets_the_time_that_it_asks_for_and_then_the_same_bytes() {
    let answers = [Answer::RetryAfter(503, 7), Answer::RetryAfter(429, 20), Answer::Reset];
    let mut settings = builder().interval(Duration::ZERO);
    let now = Arc::new(AtomicI64::new(1000));
    settings.clock = Arc::new(move || now.fetch_add(1, Ordering::Relaxed));
    let (writer, seen) = Bench::new(&answers).start(settings);
    let untimed = Point::builder("m").field("f", 2).build().unwrap();
    writer.write("m f=1i\nm f=1i 5").await.unwrap();
    writer.write(untimed).await.unwrap();
    writer.close().await.unwrap();

    let seen = drain(seen);
    assert_eq!(seen.len(), 4);
    for attempt in &seen {
        assert_eq!(attempt.text(), "m f=1i 1000\nm f=1i 5\nm f=2i 1001\n");
    }
    let waits: Vec<_> = seen.array_windows().map(|[before, after]| after.at - before.at).collect();
    // Up to a tenth more than asked for, and a millisecond for the granularity of tokio's timers.
    let between = |wait: Duration, least_ms: u64, most_ms: u64| {
        assert!((Duration::from_millis(least_ms)..=Duration::from_millis(most_ms + 1)).contains(&wait), "{wait:?}");
    };
    between(waits[0], 7_000, 7_700);
    between(waits[1], 20_000, 22_000);
    between(waits[2], 1_000, 2_000);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_for_good_is_not_repeated() {
    for status in [200, 301, 400, 401, 403, 404, 415, 422, 501] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let settings = builder().on_error({
            let told = Arc::clone(&told);
            move |failure| told.lock().unwrap().push((failure.lines.clone(), failure.attempts))
        });
        let (writer, seen) = Bench::new(&[Answer::Status(status)]).start(settings);
        writer.write("m f=1 1\nm f=2 2").await.unwrap();
        let failures = failures(writer.close().await);
        assert_eq!(drain(seen).len(), 1, "{status}");
        assert_eq!(failures.failures.len(), 1);
        let failure = &failures.failures[0];
        assert_eq!((failure.lines.as_str(), failure.line_count, failure.attempts), ("m f=1 1\nm f=2 2\n", 2, 1));
        assert_eq!(failure.error.rejection().unwrap().status, status);
        assert_eq!(*told.lock().unwrap(), [("m f=1 1\nm f=2 2\n".to_owned(), 1)]);
        assert_eq!((writer.lines_written(), writer.lines_failed()), (0, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end_by_number_or_by_time() {
    let retry = RetryPolicy { retries_max: 2, ..RetryPolicy::default() };
    let (writer, seen) = Bench::new(&[Answer::Status(503); 9]).start(builder().retry(retry));
    writer.write(line(1)).await.unwrap();
    assert_eq!(failures(writer.close().await).failures[0].attempts, 3);
    assert_eq!(drain(seen).len(), 3);

    let retry = RetryPolicy { retries_max: u32::MAX, total_max: seconds(60), ..RetryPolicy::default() };
    let (writer, seen) = Bench::new(&[Answer::RetryAfter(503, 25); 9]).start(builder().retry(retry));
    writer.write(line(1)).await.unwrap();
    assert_eq!(failures(writer.close().await).failures[0].attempts, 4);
    let seen = drain(seen);
    let span = seen[3].at - seen[0].at;
    assert!(span >= seconds(60) && span <= Duration::from_millis(60_010), "the last attempt ends the time: {span:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_halved_in_order() {
    let mut bench = Bench::new(&[]);
    bench.target.lines_max = 2;
    let (writer, seen) = bench.start(builder());
    let text: String = (0..7).map(|number| line(number) + "\n").collect();
    writer.write(text.as_str()).await.unwrap();
    writer.close().await.unwrap();
    let sent: Vec<_> = drain(seen).iter().map(Seen::text).filter(|text| text.lines().count() <= 2).collect();
    assert_eq!(sent.concat(), text);
    assert_eq!(sent.len(), 4);
    assert_eq!(writer.lines_written(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_single_line_that_is_too_large_fails_alone() {
    let mut bench = Bench::new(&[]);
    bench.target.lines_max = 1;
    let (writer, seen) = bench.start(builder());
    writer.write("m f=\"a\nb\" 1\nm f=2 2").await.unwrap();
    let failures = failures(writer.close().await);
    assert_eq!(failures.failures.len(), 1);
    assert_eq!(failures.failures[0].lines, "m f=\"a\nb\" 1\n");
    assert!(failures.failures[0].error.is_too_large());
    assert_eq!(failures.to_string(), "1 lines were not written, the first because: the server answered 413: no");
    assert_eq!(drain(seen).last().unwrap().text(), "m f=2 2\n");
}

#[tokio::test(start_paused = true)]
async fn large_batches_are_compressed_and_small_ones_are_not() {
    let (writer, seen) = Bench::new(&[Answer::Status(503)]).start(builder().gzip(true));
    let large: String = (0..500).map(|number| line(number) + "\n").collect();
    writer.write(large.as_str()).await.unwrap();
    assert!(writer.flush().await.is_ok());
    writer.write(line(1)).await.unwrap();
    writer.close().await.unwrap();
    let seen = drain(seen);
    let encodings: Vec<_> = seen.iter().map(|seen| seen.request.content_encoding).collect();
    let (gzip, identity) = (Some(ContentEncoding::Gzip), Some(ContentEncoding::Identity));
    assert_eq!(encodings, [gzip, gzip, identity]);
    assert!(seen[0].request.body.len() < large.len() / 2);
    assert_eq!([seen[0].text(), seen[1].text()], [large.clone(), large]);
}

#[tokio::test(start_paused = true)]
async fn flush_settles_what_came_before_and_returns_each_failure_once() {
    let (writer, seen) = Bench::new(&[Answer::Status(400)]).start(builder().interval(Duration::MAX));
    writer.write(line(1)).await.unwrap();
    assert_eq!(failures(writer.flush().await).line_count(), 1);
    writer.write(line(2)).await.unwrap();
    assert!(writer.flush().await.is_ok());
    assert!(writer.flush().await.is_ok(), "nothing to do");
    assert!(writer.close().await.is_ok());
    assert_eq!(drain(seen).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_kept_within_their_limit() {
    let settings = builder().batch_lines(1).failure_bytes_max(20);
    let (writer, _seen) = Bench::new(&[Answer::Status(400); 5]).start(settings);
    for number in 0..5 {
        writer.write(line(number)).await.unwrap();
    }
    let failures = failures(writer.flush().await);
    assert_eq!((failures.failures.len(), failures.lines_not_kept, failures.line_count()), (2, 3, 5));
    writer.write(line(6)).await.unwrap();
    writer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_sends_what_is_left_and_then_nothing_is_accepted() {
    let (writer, seen) = Bench::new(&[]).start(builder().interval(Duration::MAX));
    writer.write(line(1)).await.unwrap();
    writer.close().await.unwrap();
    assert_eq!(drain(seen)[0].text(), line(1) + "\n");
    let lines = Lines::from(line(2));
    assert_eq!(writer.write(lines.clone()).await, Err(QueueError::Closed { lines: lines.clone() }));
    assert_eq!(writer.try_write(lines.clone()).unwrap_err().into_lines(), lines);
    assert!(writer.close().await.is_ok(), "closing again does nothing");
    assert!(matches!(writer.flush().await, Err(FlushError::Stopped)));
    assert_eq!(writer.lines_pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_the_writer_back() {
    let bench = Bench::new(&[]).shut();
    let gate = Arc::clone(&bench.gate);
    // Two lines of 9 bytes with the overhead of two writes.
    let settings = builder().batch_lines(1).queue_bytes(2 * (9 + super::COMMAND_OVERHEAD_BYTES));
    let (writer, mut seen) = bench.start(settings);
    writer.write(line(1)).await.unwrap();
    writer.try_write(line(2)).unwrap();
    let third = Lines::from(line(3));
    assert_eq!(writer.try_write(third.clone()), Err(QueueError::Full { lines: third.clone() }));
    let mut waiting = Box::pin(writer.write(third));
    tokio::time::sleep(seconds(60)).await;
    assert!(waiting.as_mut().now_or_never().is_none(), "a line on its way still counts");
    gate.add_permits(1);
    waiting.await.unwrap();
    assert_eq!(seen.recv().await.unwrap().text(), line(1) + "\n");
    assert_eq!(writer.lines_pending(), 2);
    gate.add_permits(2);
    writer.close().await.unwrap();
    assert_eq!(drain(seen).iter().map(Seen::text).collect::<String>(), format!("{}\n{}\n", line(2), line(3)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_write_leaves_nothing_behind_and_text_above_the_queue_goes_alone() {
    let bench = Bench::new(&[]).shut();
    let gate = Arc::clone(&bench.gate);
    let (writer, seen) = bench.start(builder().batch_lines(2).queue_bytes(100));
    writer.write(line(1)).await.unwrap();
    assert!(writer.write(line(2)).now_or_never().is_none());
    gate.add_permits(100);
    let large: String = (10..40).map(|number| line(number) + "\n").collect();
    writer.flush().await.unwrap();
    writer.write(large.as_str()).await.unwrap();
    writer.close().await.unwrap();
    let sent: String = drain(seen).iter().map(Seen::text).collect();
    assert_eq!(sent, format!("{}\n{large}", line(1)));
}

#[tokio::test(start_paused = true)]
async fn closing_returns_the_lines_of_writes_that_wait() {
    let bench = Bench::new(&[]).shut();
    let gate = Arc::clone(&bench.gate);
    let (writer, seen) = bench.start(builder().batch_lines(1).queue_bytes(1));
    let writer = Arc::new(writer);
    writer.write(line(1)).await.unwrap();
    let mut waiting = Box::pin(writer.write(line(2)));
    assert!(waiting.as_mut().now_or_never().is_none());
    let closing = tokio::spawn({
        let writer = Arc::clone(&writer);
        async move { writer.close().await }
    });
    assert_eq!(waiting.await.unwrap_err().into_lines(), line(2).into());
    gate.add_permits(1);
    closing.await.unwrap().unwrap();
    assert_eq!(drain(seen).iter().map(Seen::text).collect::<String>(), line(1) + "\n");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_had_its_room_before_the_close_is_delivered() {
    let (writer, seen) = Bench::new(&[]).start(builder());
    let lines = Lines::from(line(1));
    let permit = Arc::clone(&writer.room).try_acquire_many_owned(1).unwrap();
    let mut closing = Box::pin(writer.close());
    assert!(closing.as_mut().now_or_never().is_none(), "the command to close is in the queue");
    writer.enqueue(writer.blocks(&lines), permit, lines).unwrap();
    closing.await.unwrap();
    assert_eq!(drain(seen).iter().map(Seen::text).collect::<String>(), line(1) + "\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_line_is_settled_once_and_in_order_while_the_writer_is_closed_under_load() {
    let answers: Vec<_> =
        (0..40).map(|number| [Answer::Taken, Answer::Reset, Answer::Status(500)][number % 3]).collect();
    let delay = Duration::from_micros(10);
    let retry = RetryPolicy { delay_first: delay, delay_max: delay, ..RetryPolicy::default() };
    let settings = builder().batch_lines(7).queue_bytes(4_000).interval(Duration::from_millis(1)).retry(retry);
    let (writer, mut seen) = Bench::new(&answers).start(settings);
    let writer = Arc::new(writer);
    let accepted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (writer, accepted) = (Arc::clone(&writer), Arc::clone(&accepted));
            tokio::spawn(async move {
                let mut count = 0_u64;
                while writer.write(format!("m,t={task} f={count}i {count}")).await.is_ok() {
                    count += 1;
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                count
            })
        })
        .collect();
    while accepted.load(Ordering::Relaxed) < 2_000 {
        tokio::task::yield_now().await;
    }
    writer.close().await.unwrap();

    // A repeated attempt has the same bytes; what is left must be each task's lines, each once, counted up.
    let mut next = [0_u64; 4];
    let mut previous = String::new();
    while let Ok(batch) = seen.try_recv() {
        let text = batch.text();
        if text == previous {
            continue;
        }
        for line in text.lines() {
            let task = usize::from(line.as_bytes()[4] - b'0');
            assert_eq!(line, format!("m,t={task} f={count}i {count}", count = next[task]));
            next[task] += 1;
        }
        previous = text;
    }
    for (task, count) in tasks.into_iter().zip(next) {
        assert_eq!(task.await.unwrap(), count);
    }
    assert_eq!(writer.lines_written(), next.iter().sum::<u64>());
}

#[tokio::test(start_paused = true)]
async fn a_writer_dropped_without_close_still_delivers() {
    let (writer, mut seen) = Bench::new(&[]).start(builder().interval(Duration::MAX));
    writer.write(line(1)).await.unwrap();
    drop(writer);
    assert_eq!(seen.recv().await.unwrap().text(), line(1) + "\n");
    assert!(seen.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_is_reported_as_a_stop() {
    let settings = builder().on_error(|_| panic!("the callback's own fault"));
    let (writer, _seen) = Bench::new(&[Answer::Status(400)]).start(settings);
    writer.write(line(1)).await.unwrap();
    assert!(matches!(writer.flush().await, Err(FlushError::Stopped)));
    assert!(matches!(writer.write(line(2)).await, Err(QueueError::Closed { .. })));
    assert!(matches!(writer.close().await, Err(FlushError::Stopped)));
}

#[tokio::test]
async fn limits_of_zero_are_refused() {
    let name = |settings: BatchWriterBuilder| match settings.start() {
        Err(StartError::InvalidLimit { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(builder().batch_lines(0)), "batch_lines");
    assert_eq!(name(builder().batch_bytes(0)), "batch_bytes");
    assert_eq!(name(builder().queue_bytes(0)), "queue_bytes");
    assert_eq!(name(builder().queue_bytes(usize::MAX)), "queue_bytes");
}

#[test]
fn a_writer_needs_a_runtime() {
    assert!(matches!(builder().start(), Err(StartError::NoRuntime)));
}
