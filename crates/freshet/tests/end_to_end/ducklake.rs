//! An outside DuckDB attaches the live catalog and reads the same rows as our SQL, whatever names and values look like.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use testkit::{Server, python, run};
use tokio::process::Command;

use crate::programs::tell;
use crate::{checkout, server};

/// The earliest and latest times that line protocol can say.
const TIMES: [i64; 2] = [-9_223_372_036_854_775_806, 9_223_372_036_854_775_806];

fn escaped(name: &str) -> String {
    name.replace(',', "\\,").replace(' ', "\\ ").replace('=', "\\=")
}

/// Lines with plain data and with everything that line protocol allows and others find odd.
fn lines() -> String {
    let mut lines = String::new();
    for number in 0..200_i64 {
        let time = 1_700_000_000_000_000_000 + number * 1_000_000_007;
        let (host, text) = (number % 5, number % 3);
        writeln!(
            lines,
            "cpu,host=h{host},zone=z{text} f={},i={number}i,u={number}u,b={},s=\"text {text}\" {time}",
            number as f64 / 3.0,
            number % 2 == 0
        )
        .unwrap();
    }
    // Names that differ in case only, a tag and a field of one name, columns that few rows have.
    lines += "CPU,Host=a,host=b F=1,f=2 1\nCpu f=1i 1\nboth,name=tag name=\"field\",time_=1 5\nboth name=\"alone\" 6\n";
    let long = "n".repeat(60_000);
    writeln!(lines, "{long} f=1 1\nlong_tag,{long}=v f=1 1\nlong_field {long}=1i 1").unwrap();
    for (index, name) in
        ["\u{1}\u{2}", "a\u{0}b", "tab\tname", "quo\"te's", "ünï çødé 🌊", "..", "/", "a=b c,d", "main"]
            .iter()
            .enumerate()
    {
        let name = escaped(name);
        writeln!(lines, "m{index}{name},t{name}=v{name} f{name}=1,s=\"x\u{0}y\\\"z\\\\ \" {index}").unwrap();
    }
    let large = "0123456789abcdef".repeat(65_536);
    writeln!(lines, "large s=\"{large}\" 1\nlarge s=\"{large_short}\" 2\nlarge s=\"\" 3", large_short = &large[..70])
        .unwrap();
    for time in TIMES {
        writeln!(lines, "limits,t=x i={}i,u={}u,f=1.7976931348623157e308,g=-5e-324 {time}", i64::MIN, u64::MAX)
            .unwrap();
    }
    writeln!(lines, "limits,t=x i={}i,u=0u,f=-0.0,g=1e-7 0", i64::MAX).unwrap();
    lines
}

/// Compares every row of DuckDB with what our SQL says; returns what the program prints.
pub(crate) async fn compare(server: &Server, python: &Path, environment: &[(&str, String)]) -> String {
    compare_catalog(server, python, server.data_dir().join("catalog.sqlite").as_os_str(), environment).await
}

/// As [`compare`], with the catalog at this path or address.
pub(crate) async fn compare_catalog(
    server: &Server,
    python: &Path,
    catalog: &OsStr,
    environment: &[(&str, String)],
) -> String {
    let mut command = Command::new(python);
    command.arg(checkout().join("tests/clients/python/lake_equals_sql.py")).arg(catalog);
    tell(&mut command, server);
    command.envs(environment.iter().cloned());
    run(command, server.data_dir()).await
}

/// Points that are written again by later flushes, whole and in part, late ones, and columns that come later.
fn overwriting_lines(flush: i64) -> String {
    let mut lines = String::new();
    for number in 0..300_i64 {
        let time = 1_700_000_000_000_000_000 + (number * 7 + flush * 900) % 2000 * 1_000_000_000;
        let (host, value) = (number % 5, number * 10 + flush);
        match (number + flush) % 3 {
            0 => writeln!(lines, "cpu,host=h{host} f={value}.25,s=\"flush {flush}\" {time}"),
            1 => writeln!(lines, "cpu,host=h{host} i={value}i,b={} {time}", value % 2 == 0),
            _ => writeln!(lines, "cpu,host=h{host},late{flush}=x u{flush}={value}u {time}"),
        }
        .unwrap();
    }
    writeln!(lines, "mem used={flush}i 5\nonly{flush} f=1 {flush}").unwrap();
    lines
}

#[tokio::test]
async fn after_a_compaction_an_outside_duckdb_sees_each_point_once() {
    let Some(python) = python() else { return };
    let mut server = server().start().await;
    for flush in 0..5 {
        server.write(overwriting_lines(flush)).await;
        server.flush().await;
    }
    server.compact().await;
    let printed = compare(&server, &python, &[]).await;
    assert!(printed.contains("7 tables"), "{printed}");
    // Again over what is merged already; some of it is in memory when the request comes.
    server.write(overwriting_lines(1)).await;
    server.flush().await;
    server.write(overwriting_lines(3)).await;
    server.compact().await;
    compare(&server, &python, &[]).await;
    server.stop().await;
}

#[tokio::test]
async fn an_outside_duckdb_reads_the_same_rows() {
    let Some(python) = python() else { return };
    let mut server = server().start().await;
    // Two flushes, so that tables have several files, none of which overwrites another.
    let lines = lines();
    let (first, second): (Vec<_>, Vec<_>) =
        lines.split_inclusive('\n').enumerate().partition(|(index, _)| index % 2 == 0);
    for half in [first, second] {
        let half: String = half.into_iter().map(|(_, line)| line).collect();
        server.write(half).await;
        server.flush().await;
    }
    let printed = compare(&server, &python, &[]).await;
    assert!(printed.contains("18 tables"), "{printed}");
    // The reader has done no harm.
    server.write("cpu,host=h0,zone=z0 f=1 5").await;
    server.stop().await;
}
