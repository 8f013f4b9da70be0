//! The memory limit as the kernel sees it: the most that the process ever has resident, whatever is asked of it. The
//! short form of `cargo xtask bench memory`, which takes real amounts of rows.

use std::fmt::Write as _;

use testkit::Server;

use crate::PROGRAM;

const LIMIT_BYTES: u64 = 256 << 20;

const HEAVY: [&str; 10] = [
    "SELECT host, date_trunc('second', time) AS s, avg(a) AS a FROM cpu GROUP BY host, s ORDER BY a",
    "SELECT count(*) AS n FROM (SELECT * FROM cpu ORDER BY a, b, c, time)",
    "SELECT count(DISTINCT time) AS n FROM cpu",
    "SELECT count(DISTINCT concat(host, CAST(time AS VARCHAR))) AS n FROM cpu",
    "SELECT max(r) AS r FROM (SELECT row_number() OVER (PARTITION BY host ORDER BY a) AS r FROM cpu)",
    "SELECT time, sum(a) AS a, sum(b) AS b FROM cpu GROUP BY time ORDER BY a",
    "SELECT median(a) AS a, median(b) AS b, median(c) AS c FROM cpu",
    "SELECT host, array_agg(a ORDER BY time) AS a FROM cpu GROUP BY host",
    "SELECT a, b, c, count(*) AS n FROM cpu GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT 5",
    "SELECT count(*) AS n FROM (SELECT host, a FROM cpu UNION SELECT host, b FROM cpu)",
];

const JOIN: &str = "SELECT count(*) AS n FROM cpu x JOIN cpu y ON x.host = y.host AND x.time >= y.time";

fn check_peak(server: &Server, phase: &str) {
    let peak_bytes = server.peak_memory_bytes();
    assert!(peak_bytes <= LIMIT_BYTES / 4 * 5, "{phase}: {} MiB", peak_bytes >> 20);
}

/// Asks; the answer, or the error that names the limit.
async fn ask(server: &Server, sql: &str) {
    let answer = server.try_sql(sql).await;
    let names_limit =
        ["memory", "Resources exhausted", "spill", "longer than"].iter().any(|word| answer.body.contains(word));
    assert!(answer.status == 200 || names_limit, "{} {}: {sql}", answer.status, answer.body);
}

#[tokio::test]
async fn the_process_stays_near_its_limit_whatever_is_asked_of_it() {
    let limit = format!("{LIMIT_BYTES}B");
    let mut server = Server::builder(PROGRAM).args([
        "--memory-limit",
        &limit,
        "--flush-table-bytes",
        "1GiB",
        "--query-timeout",
        "20s",
    ]);
    server = server.args(["--flush-age", "1h"]);
    let mut server = server.start().await;
    for part in 0..30_u64 {
        let mut lines = String::new();
        for row in 0..2_000 {
            let (host, time) = (row % 100, (part * 20 + row / 100) * 100_000_000);
            let noise = (part * 2_000 + row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (a, b, c) = (noise % 9_973, noise % 7_919, noise % 104_729);
            writeln!(lines, "cpu,host=h{host},region=r{} a={a}.5,b={b}.25,c={c}.125,d={noise}u {time}", host % 7)
                .unwrap();
        }
        server.write(lines).await;
    }
    check_peak(&server, "ingest");
    server.kill9().await;
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM cpu").await, 60_000);
    check_peak(&server, "replay");
    server.compact().await;
    check_peak(&server, "compaction");
    futures::future::join_all(HEAVY.map(|sql| ask(&server, sql))).await;
    check_peak(&server, "ten queries");
    ask(&server, JOIN).await;
    check_peak(&server, "a join");
    assert_eq!(server.sql_number("SELECT count(*) FROM cpu").await, 60_000);
    server.stop().await;
}
