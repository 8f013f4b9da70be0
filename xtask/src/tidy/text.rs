//! Checks of lines and words: length, unfinished code, ignored tests, clocks, sleeps, names of other products.

use super::Finding;
use super::rust_source::RustSource;
use super::tree::Tree;

const LINE_CHARACTERS_MAX: usize = 120;

/// Files whose lines people read as code. Papers wrap by themselves, and data is as long as it is.
const CODE_ENDINGS: [&str; 5] = [".rs", ".py", ".js", ".cjs", ".mjs"];

/// Words that stand for code still to be written, or that only help while writing it. With what to do instead.
const UNFINISHED: [(&str, &str); 3] = [
    ("todo!", "write the code, or return an error that says what is not supported"),
    ("unimplemented!", "write the code, or return an error that says what is not supported"),
    ("dbg!", "use `tracing` for what stays, and remove the rest"),
];

/// The mark of work left over, put together so that this file does not hold it.
const MARK: &str = concat!("FIX", "ME");

/// What reads a clock. `tokio::time::Instant` is not meant: tests can stop it.
const CLOCKS: [&str; 4] = ["SystemTime::now", "Instant::now", "Utc::now", "Local::now"];

/// Where clocks may be read: a file, or a folder with a slash at the end, and why.
const CLOCK_PLACES: [(&str, &str); 8] = [
    ("bench/", "it measures"),
    ("crates/catalog/src/time.rs", "the clock of the catalog, which is injected"),
    ("crates/client/src/client.rs", "stamps points in the user's program, whose clock is the only one"),
    ("crates/freshet/src/", "the edge of the program: progress and rates shown to a person"),
    ("crates/storage/src/clock.rs", "the clock of the engine, which is injected"),
    ("crates/storage/src/wal/metrics.rs", "a duration for a metric, which decides nothing"),
    ("crates/testkit/", "deadlines of waiting for a server in tests"),
    ("xtask/src/ci.rs", "the time that a step takes"),
];

/// Other products with the same purpose. InfluxDB and its agents are not meant: their protocols are what we speak.
const RIVALS: [&str; 8] =
    ["cnosdb", "clickhouse", "greptime", "iotdb", "questdb", "tdengine", "timescale", "victoriametrics"];

/// Where they may be named, besides the papers: Markdown is not searched.
const RIVAL_PLACES: [&str; 1] = ["bench/"];

pub(super) fn check_line_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| CODE_ENDINGS.iter().any(|ending| path.ends_with(ending))) {
        for (index, line) in text.lines().enumerate() {
            let length = line.chars().count();
            if length > LINE_CHARACTERS_MAX {
                let message = format!("{length} characters of at most {LINE_CHARACTERS_MAX}: break the line");
                findings.push(Finding::new("line-length", path, index + 1, message));
            }
        }
    }
    findings
}

pub(super) fn check_unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.rust() {
        for (word, replacement) in UNFINISHED {
            for position in source.words(word) {
                let message = format!("`{word}`: {replacement}");
                findings.push(Finding::new("unfinished", &source.path, source.line_of(position), message));
            }
        }
    }
    for (path, text) in tree.texts() {
        for (index, _) in text.lines().enumerate().filter(|(_, line)| line.contains(MARK)) {
            let message = format!("`{MARK}`: do it now, or file an issue and say in the comment how things are");
            findings.push(Finding::new("unfinished", path, index + 1, message));
        }
    }
    findings
}

pub(super) fn check_ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.rust() {
        for position in source.words("#[ignore") {
            let message = "`#[ignore]` hides a test from the run: make it fast enough, or a benchmark in `bench/`";
            findings.push(Finding::new("ignored-test", &source.path, source.line_of(position), message));
        }
    }
    findings
}

pub(super) fn check_clock(tree: &Tree) -> Vec<Finding> {
    let may_read = |path: &str| {
        CLOCK_PLACES.iter().any(|(place, _)| path == *place || (place.ends_with('/') && path.starts_with(place)))
    };
    let mut findings = Vec::new();
    for source in tree.rust().filter(|source| !may_read(&source.path)) {
        for clock in CLOCKS {
            for position in source.words(clock).filter(|position| !source.is_test(*position)) {
                if clock == "Instant::now" && is_stoppable(source, position) {
                    continue;
                }
                let message = format!("`{clock}`: take the time from the injected `Clock`, so that tests can set it");
                findings.push(Finding::new("clock", &source.path, source.line_of(position), message));
            }
        }
    }
    findings
}

/// Whether `Instant` at this position is that of tokio, by its path or by the file's imports.
fn is_stoppable(source: &RustSource, position: usize) -> bool {
    let imported = source.code.split(';').any(|statement| {
        statement.rsplit_once("use tokio::time::").is_some_and(|(_, names)| names.contains("Instant"))
    });
    imported || source.code[..position].ends_with("tokio::time::")
}

/// Under `start_paused` a sleep is fine: the test's clock jumps, and nobody waits.
pub(super) fn check_sleep_in_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.rust() {
        for position in source.words("sleep").filter(|position| source.is_test(*position)) {
            if is_call(source, position) && !in_paused_test(source, position) {
                let message = "`sleep` in a test: wait for the state it needs (`testkit` has waits with a deadline)";
                findings.push(Finding::new("sleep-in-test", &source.path, source.line_of(position), message));
            }
        }
    }
    findings
}

fn in_paused_test(source: &RustSource, position: usize) -> bool {
    let mut around = source.functions().filter(|function| function.range.contains(&position));
    around.any(|function| source.attributes_before(function.range.start).contains("start_paused"))
}

/// Whether the word is called, as a function of `time` or `thread` or by its bare name; a method has a dot before it.
fn is_call(source: &RustSource, position: usize) -> bool {
    let code = &source.code;
    let is_method = code[..position].ends_with('.') || code[..position].trim_end().ends_with("fn");
    code[position + "sleep".len()..].starts_with('(') && !is_method
}

pub(super) fn check_rivals(tree: &Tree) -> Vec<Finding> {
    let may_name = |path: &str| path.ends_with(".md") || RIVAL_PLACES.iter().any(|place| path.starts_with(place));
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !may_name(path)) {
        for (index, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for rival in RIVALS.iter().filter(|rival| line.contains(*rival)) {
                let message = format!("`{rival}`: compare in `bench/` and in docs/ only");
                findings.push(Finding::new("rivals", path, index + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&Tree) -> Vec<Finding>;

    /// The check finds something in exactly these lines of the sample.
    fn expect_lines(check: Check, path: &str, text: &str, expected: &[usize]) {
        let lines: Vec<usize> = check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{path}: {text}");
    }

    #[test]
    fn line_length() {
        let good = format!("{}\n", "ä".repeat(120));
        let bad = format!("{good}{}\n", "a".repeat(121));
        expect_lines(check_line_length, "a.rs", &good, &[]);
        expect_lines(check_line_length, "a.rs", &bad, &[2]);
        expect_lines(check_line_length, "a.md", &bad, &[]);
    }

    #[test]
    fn unfinished() {
        let good = "// todo! is banned\nlet text = \"dbg!\"; my_dbg!(1); let todo = 1;\n";
        expect_lines(check_unfinished, "a.rs", good, &[]);
        for word in ["todo!()", "unimplemented!(\"x\")", "dbg!(x)"] {
            expect_lines(check_unfinished, "a.rs", &format!("\n{word};\n"), &[2]);
        }
        expect_lines(check_unfinished, "a.py", &format!("# {MARK}: later\n"), &[1]);
    }

    #[test]
    fn ignored_tests() {
        expect_lines(check_ignored_tests, "a.rs", "// #[ignore]\n#[test]\n#[ignored]\nfn f() {}\n", &[]);
        for bad in ["#[ignore]\n", "#[ignore = \"slow\"]\n"] {
            expect_lines(check_ignored_tests, "a.rs", bad, &[1]);
        }
    }

    #[test]
    fn clock() {
        let reads = "fn f() {\n    let now = std::time::Instant::now();\n}\n";
        expect_lines(check_clock, "crates/storage/src/wal.rs", reads, &[2]);
        expect_lines(check_clock, "crates/storage/src/clock.rs", reads, &[]);
        expect_lines(check_clock, "bench/src/main.rs", reads, &[]);
        expect_lines(check_clock, "crates/storage/tests/wal.rs", reads, &[]);
        for stoppable in [
            "fn f() {\n    let now = tokio::time::Instant::now();\n}\n",
            "use tokio::time::{Duration, Instant};\nfn f() {\n    let now = Instant::now();\n}\n",
        ] {
            expect_lines(check_clock, "crates/storage/src/wal.rs", stoppable, &[]);
        }
        let other_import = "use tokio::time::sleep;\nuse std::time::Instant;\nfn f() {\n    Instant::now();\n}\n";
        expect_lines(check_clock, "crates/storage/src/wal.rs", other_import, &[4]);
    }

    #[test]
    fn sleep_in_tests() {
        let sleeps = "#[cfg(test)]\nmod tests {\n    fn f() {\n        tokio::time::sleep(second).await;\n    }\n}\n";
        expect_lines(check_sleep_in_tests, "crates/a/src/b.rs", sleeps, &[4]);
        expect_lines(check_sleep_in_tests, "crates/a/tests/b.rs", "std::thread::sleep(second);", &[1]);
        expect_lines(check_sleep_in_tests, "crates/a/src/b.rs", "std::thread::sleep(second);", &[]);
        let paused = "#[tokio::test(start_paused = true)]\nasync fn f() {\n    sleep(day).await;\n}\n";
        expect_lines(check_sleep_in_tests, "crates/a/tests/b.rs", paused, &[]);
        let others = "clock.sleep(second); fn sleep() {} let sleep = 1; // sleep(1)\n";
        expect_lines(check_sleep_in_tests, "crates/a/tests/b.rs", others, &[]);
    }

    #[test]
    fn rivals() {
        let names = format!("\n// as {}DB does\n", "Quest");
        expect_lines(check_rivals, "crates/a/src/b.rs", &names, &[2]);
        expect_lines(check_rivals, "bench/src/b.rs", &names, &[]);
        expect_lines(check_rivals, "docs/benchmarks.md", &names, &[]);
        expect_lines(check_rivals, "crates/a/src/b.rs", "// as InfluxDB does\n", &[]);
    }
}
