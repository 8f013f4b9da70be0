//! Answers that are larger than the memory for queries: they come in parts, and are those of reading all rows at once.
use futures::StreamExt as _;
use query::influxql::InfluxqlAnswer;

use super::*;

/// Too little for any of the answers below.
const LITTLE: usize = 4 << 20;

/// Rows of several files and of memory, no two of them at one time: the order of the answer is theirs. A part of them
/// overlaps what is written first.
async fn large() -> Database {
    let database = Database::open(1 << 30).await;
    let line = |n: usize| {
        let region = ["", ",region=a", ",region=b"][n % 3];
        let text = if n.is_multiple_of(5) { String::new() } else { format!(",s=\"text {}\"", n % 1_000) };
        format!("m,host=h{}{region} f={},i={}i{text} {n}\n", n % 7, n % 100, n % 1_000)
    };
    for (from, to, step) in [(0, 60_000, 2), (60_000, 90_000, 1), (1, 60_000, 2)] {
        database.write((from..to).step_by(step).map(line).collect()).await;
        database.engine.flush().await.unwrap();
    }
    database.write((90_000..100_000).map(line).collect()).await;
    // Few rows of other measurements come before and behind.
    database.write("a,host=h1 f=1 5\nz,host=h2 i=7i 6\n".to_owned()).await;
    database
}

/// The parts of an answer put together, how many there are, and how much memory there was at most when one came.
async fn gathered(queries: &QueryEngine, mut answer: InfluxqlAnswer) -> (Vec<Series>, usize, usize) {
    let (mut all, mut parts, mut bytes): (Vec<Series>, usize, usize) = (Vec::new(), 0, 0);
    while let Some(part) = answer.next().await {
        let part = part.unwrap();
        let mut series = part.series.into_iter();
        if part.continues {
            let (last, more) = (all.last_mut().unwrap(), series.next().unwrap());
            assert_eq!((&last.name, &last.tags), (&more.name, &more.tags));
            last.rows.extend(more.rows);
        }
        all.extend(series);
        (parts, bytes) = (parts + 1, bytes.max(queries.metrics().memory_bytes));
    }
    (all, parts, bytes)
}

#[tokio::test]
async fn an_answer_larger_than_the_memory_is_that_of_reading_all_at_once() {
    let database = large().await;
    let little = query_engine(database.folder.path(), LITTLE);
    for (text, least_parts) in [
        ("SELECT * FROM m", 50),
        ("SELECT * FROM m ORDER BY time DESC", 50),
        ("SELECT f, host, s FROM m WHERE time >= 7000s AND time < 93000s", 50),
        ("SELECT f, i, s FROM m GROUP BY host", 50),
        ("SELECT f, i, s FROM m GROUP BY host, region ORDER BY time DESC", 50),
        ("SELECT i FROM m GROUP BY region LIMIT 15000 OFFSET 3", 5),
        ("SELECT * FROM m WHERE f > 50", 20),
        ("SELECT * FROM m WHERE f > 98", 1),
        ("SELECT * FROM m WHERE f > 98 AND host =~ /h[25]/ GROUP BY *", 1),
        ("SELECT s FROM m WHERE host = 'h3' LIMIT 20 OFFSET 40", 1),
        ("SELECT * FROM m ORDER BY time DESC LIMIT 7 OFFSET 20000", 1),
        ("SELECT i + f, s FROM m LIMIT 40000", 20),
        ("SELECT f, i FROM /[amz]/", 20),
        ("SELECT f FROM m, z, a GROUP BY host ORDER BY time DESC", 20),
        ("SELECT f FROM m GROUP BY host LIMIT 90 SLIMIT 2 SOFFSET 1", 1),
    ] {
        let mut request = database.request(text).await;
        let (streamed, parts, bytes) = gathered(&little, little.influxql(request.clone()).await.unwrap()).await;
        request.databases.read_row_by_row();
        let (whole, _) = database.queries.influxql(request).await.unwrap().collect().await.unwrap();
        assert!(streamed.iter().map(|series| series.rows.len()).sum::<usize>() > 0, "{text}");
        assert!(parts >= least_parts && bytes <= LITTLE, "{text}: {parts} parts, {bytes} bytes");
        for (streamed, whole) in streamed.iter().zip(&whole) {
            let heads =
                [streamed, whole].map(|series| (&series.name, &series.tags, &series.columns, series.rows.len()));
            assert_eq!(heads[0], heads[1], "{text}");
            let first = streamed.rows.iter().zip(&whole.rows).find(|(streamed, whole)| streamed != whole);
            assert_eq!(first, None, "{text}");
        }
        assert_eq!(streamed.len(), whole.len(), "{text}");
        assert_eq!(little.metrics().memory_bytes, 0, "{text}");
    }
}

/// What is small comes at once, and says that nothing follows.
#[tokio::test]
async fn a_small_answer_is_one_part() {
    let database = large().await;
    let request = database.request("SELECT mean(f) FROM m GROUP BY host").await;
    let mut answer = database.queries.influxql(request).await.unwrap();
    let part = answer.next().await.unwrap().unwrap();
    assert!(part.is_last && !part.continues && part.series.len() == 7);
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn whoever_reads_slowly_makes_the_query_wait_and_whoever_leaves_ends_it() {
    let database = large().await;
    let little = query_engine(database.folder.path(), LITTLE);
    let mut answer = little.influxql(database.request("SELECT * FROM m").await).await.unwrap();
    assert!(!answer.next().await.unwrap().unwrap().is_last);
    // With nobody reading, the queue is full at some time, and the query waits with what it holds.
    let mut held = (0, 0);
    while held.1 < 10_000 {
        tokio::task::yield_now().await;
        let bytes = little.metrics().memory_bytes;
        held = if bytes == held.0 { (bytes, held.1 + 1) } else { (bytes, 0) };
    }
    assert!(held.0 > 0 && held.0 <= LITTLE && little.metrics().running == 1, "{held:?}");
    drop(answer);
    let ended = async {
        while little.metrics().running > 0 || little.metrics().memory_bytes > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the query goes on");
    assert_eq!(little.metrics().failed, 0);
}
