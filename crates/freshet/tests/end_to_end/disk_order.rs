//! The order of system calls, seen by `strace`: what is promised is on the disk before the promise leaves.

use std::ffi::OsString;
use std::path::Path;

use testkit::{Server, strace, until};

use crate::server;

/// One system call, with the lines of the trace on which it begins and ends.
#[derive(Debug)]
struct Call {
    name: String,
    /// Arguments and result; descriptors have the path behind them (`12</data/wal/…>`).
    text: String,
    begin: usize,
    end: usize,
}

impl Call {
    fn is_write(&self) -> bool {
        ["write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg"].contains(&self.name.as_str())
    }

    fn is_sync(&self) -> bool {
        ["fsync", "fdatasync"].contains(&self.name.as_str())
    }

    /// Whether it succeeded.
    fn succeeded(&self) -> bool {
        !self.text.contains(" = -1 ")
    }

    /// The path of its first descriptor.
    fn path(&self) -> &str {
        let Some((before, behind)) = self.text.split_once('<') else { return "" };
        if before.contains('"') { "" } else { behind.split('>').next().unwrap_or_default() }
    }
}

/// Reads `strace -f -o` output: `PID name(arguments) = result`, or the two halves of a call that others interrupted.
fn parse(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: Vec<(&str, usize)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some(position) = unfinished.iter().rposition(|(waiting, _)| *waiting == pid) else { continue };
            let (_, index) = unfinished.remove(position);
            calls[index].text.push_str(resumed.split_once('>').map_or("", |(_, result)| result));
            calls[index].end = number;
        } else if let Some((name, text)) = rest.split_once('(') {
            if text.ends_with("<unfinished ...>") {
                unfinished.push((pid, calls.len()));
            }
            calls.push(Call { name: name.to_owned(), text: text.to_owned(), begin: number, end: number });
        }
    }
    calls
}

/// A server whose system calls are written to `trace`.
async fn traced_server(strace: &Path, trace: &Path) -> Server {
    let calls = "trace=openat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,rename,renameat,\
                 renameat2,link,linkat";
    // -D: the tracer is no parent, so that the process that we start, and signal, is the server.
    let options = ["-D", "-f", "-y", "-s", "16384", "-e", calls, "-o"].map(OsString::from);
    let wrapper = [vec![strace.into()], options.into(), vec![trace.into()]].concat();
    server().wrapper(wrapper).start().await
}

/// The whole trace of a server that is asked to stop.
async fn stop_and_read(mut server: Server, trace: &Path) -> Vec<Call> {
    let pid = server.pid();
    server.stop().await;
    let text = until("the end of the trace", async || {
        let text = String::from_utf8_lossy(&std::fs::read(trace).ok()?).into_owned();
        text.lines().any(|line| line.starts_with(&pid.to_string()) && line.contains("+++ exited")).then_some(text)
    })
    .await;
    parse(&text)
}

fn position(calls: &[Call], what: &str, is_it: impl Fn(&Call) -> bool) -> usize {
    calls.iter().position(is_it).unwrap_or_else(|| panic!("no {what} in {} calls", calls.len()))
}

#[tokio::test]
async fn a_write_is_on_the_disk_before_its_answer() {
    let Some(strace) = strace() else { return };
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let server = traced_server(&strace, &trace).await;
    let wal = format!("{}/wal", server.data_dir().canonicalize().unwrap().display());
    let writes = 5;
    for number in 0..writes {
        server.write(format!("m,host=a f={number} {number}\n")).await;
    }
    let calls = stop_and_read(server, &trace).await;

    let answers: Vec<&Call> =
        calls.iter().filter(|call| call.is_write() && call.text.contains("HTTP/1.1 204")).collect();
    assert_eq!(answers.len(), writes);
    let in_segment = |call: &&Call| call.path().starts_with(&format!("{wal}/"));
    let mut from = 0;
    for answer in answers {
        let within = || calls.iter().filter(|call| call.begin >= from && call.end < answer.begin && call.succeeded());
        let payload = within().filter(in_segment).rfind(|call| call.is_write()).expect("a payload before the answer");
        let synced = within()
            .filter(in_segment)
            .any(|call| call.is_sync() && call.begin > payload.end && call.path() == payload.path());
        assert!(synced, "no sync of {} between the payload {payload:?} and its answer {answer:?}", payload.path());
        from = answer.end;
    }

    // The directory names the segment, durably, before the first answer.
    let first_answer = &calls[position(&calls, "answer", |call| call.is_write() && call.text.contains("HTTP/1.1 204"))];
    let is_new_segment = |call: &Call| {
        call.name == "openat" && call.text.contains(&format!("\"{wal}/")) && call.text.contains("O_CREAT")
    };
    let created: Vec<&Call> =
        calls.iter().filter(|call| is_new_segment(call) && call.begin < first_answer.begin).collect();
    let created = created.last().expect("a new segment before the first answer");
    let named = calls.iter().any(|call| {
        call.is_sync()
            && call.succeeded()
            && call.path() == wal
            && call.begin > created.end
            && call.end < first_answer.begin
    });
    assert!(named, "no sync of the directory {wal} after {created:?}");
}

#[tokio::test]
async fn a_parquet_file_is_on_the_disk_before_the_catalog_names_it() {
    let Some(strace) = strace() else { return };
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let server = traced_server(&strace, &trace).await;
    server.write("m,host=a f=1 1\nm,host=b f=2 2\n").await;
    server.flush().await;
    let names: Vec<String> = parquet_files(&server.data_dir().join("files"));
    let calls = stop_and_read(server, &trace).await;

    let [name] = &names[..] else { panic!("{names:?}") };
    let is_catalog = |call: &Call| call.path().contains("/catalog.sqlite");
    let commit = position(&calls, "commit that names the file", |call| {
        call.is_write() && is_catalog(call) && call.text.contains(name.as_str())
    });
    let before: Vec<&Call> = calls.iter().filter(|call| call.end < calls[commit].begin && call.succeeded()).collect();
    let written = before.iter().rfind(|call| call.is_write() && call.path().contains("/files/"));
    let written = written.expect("the file's bytes before the commit");
    let renamed = before.iter().rfind(|call| {
        (call.name.starts_with("rename") || call.name.starts_with("link")) && call.text.contains(name.as_str())
    });
    let renamed = renamed.expect("the file's final name before the commit");
    let synced = before
        .iter()
        .find(|call| call.is_sync() && call.begin > written.end && call.path().ends_with(&format!("/{name}")));
    let synced = synced.expect("a sync of the file before the commit");
    let folder = synced.path().rsplit_once('/').unwrap().0;
    let named = before.iter().any(|call| call.is_sync() && call.begin > renamed.end && call.path() == folder);
    assert!(named, "no sync of the directory {folder} before the commit");

    // And the commit itself is durable before the flush is answered.
    let answer = position(&calls, "answer to the flush", |call| {
        call.is_write() && call.text.contains("HTTP/1.1 200") && call.begin > calls[commit].begin
    });
    let durable = calls.iter().any(|call| {
        call.is_sync() && is_catalog(call) && call.begin > calls[commit].end && call.end < calls[answer].begin
    });
    assert!(durable, "no sync of the catalog before the answer");
}

/// The names of all Parquet files below a directory.
fn parquet_files(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

#[test]
fn traces_are_read_with_their_interrupted_calls() {
    let calls = parse(
        "12 pwrite64(7</d/wal/1>, \"a<b>\", 4, 0) = 4\n\
         12 fdatasync(7</d/wal/1> <unfinished ...>\n\
         13 sendto(9<socket:[1]>, \"HTTP/1.1 204 No Content\", 23, MSG_NOSIGNAL, NULL, 0) = 23\n\
         12 <... fdatasync resumed>) = 0\n\
         12 openat(AT_FDCWD, \"/d/<x>\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
         12 +++ exited with 0 +++\n",
    );
    let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.path(), call.begin, call.end)).collect();
    assert_eq!(
        seen,
        [
            ("pwrite64", "/d/wal/1", 0, 0),
            ("fdatasync", "/d/wal/1", 1, 3),
            ("sendto", "socket:[1]", 2, 2),
            ("openat", "", 4, 4)
        ]
    );
    assert!(calls[1].is_sync() && calls[1].succeeded() && !calls[3].succeeded());
}
