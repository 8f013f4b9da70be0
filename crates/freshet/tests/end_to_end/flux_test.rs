//! `freshet flux test`: output and exit codes for test cases that pass, fail, are skipped, or cannot be read.

use std::path::Path;

use crate::command_line::{Ended, freshet};

const CASES: &str = r#"package some_test

import "array"
import "testing"

rows = array.from(rows: [{_value: 1}, {_value: 2}])

testcase passes {
    testing.diff(got: rows |> sum(), want: array.from(rows: [{_value: 3}]))
}
testcase differs {
    testing.diff(got: rows, want: array.from(rows: [{_value: 1}, {_value: 9}]))
}
testcase asserts {
    testing.assertEqualValues(got: "a", want: "a")
    rows |> filter(fn: (r) => r._value > 5) |> testing.assertEmpty() |> yield(name: "empty")
}
testcase fails_as_it_should {
    testing.shouldError(fn: () => die(msg: "no good"), want: /no good/)
}
testcase does_not_run {
    rows |> map(fn: (r) => ({r with _value: 1 / 0}))
}
testcase slow {
    option testing.tags = ["slow", "large"]
    testing.assertEqualValues(got: 1, want: 1)
}
testcase reads_a_bucket {
    testing.diff(got: from(bucket: "b") |> range(start: 0), want: rows)
}
testcase child extends "other/parent" {
    parent.passes()
}
"#;

async fn test(arguments: &[&str], path: &Path) -> Ended {
    freshet(&[&["flux", "test"], arguments, &[path.to_str().unwrap()]].concat()).await
}

#[tokio::test]
async fn test_cases_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some_test.flux");
    std::fs::write(&path, CASES).unwrap();
    let ended = test(&[], &path).await;
    let shown = ended.output.replace(path.to_str().unwrap(), "FILE");
    let expected = "\
FILE:8: passes: ok
FILE:11: differs: failed
    _diff:string  _value:int
    -  9
    +  2
FILE:14: asserts: ok
FILE:18: fails_as_it_should: ok
FILE:21: does_not_run: failed
    runtime error @22:13-22:53: map: failed to evaluate map function: cannot divide by zero
FILE:24: slow: skipped, because it has the tag slow
FILE:28: reads_a_bucket: failed
    failed to initialize execute state: could not find bucket \"b\"
FILE:31: child: failed
    test cases that extend another one are not supported: child extends \"other/parent\"
3 passed, 4 failed, 1 skipped
";
    assert_eq!(shown, expected);
    assert_eq!((ended.code, ended.errors.as_str()), (1, "freshet: 4 of 7 failed\n"));
}

#[tokio::test]
async fn some_test_cases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some_test.flux");
    std::fs::write(&path, CASES).unwrap();
    let ended = test(&["--name", "slow", "--tags", "large,slow"], &path).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.output.ends_with(": slow: ok\n1 passed, 0 failed\n"), "{ended:?}");
    // Of directories, files with the names of tests; hidden deep down too.
    let deep = folder.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::rename(&path, deep.join("some_test.flux")).unwrap();
    std::fs::write(folder.path().join("no.flux"), "this is no Flux (").unwrap();
    let ended = test(&["--name", "passes"], folder.path()).await;
    assert_eq!((ended.code, ended.output.lines().last().unwrap()), (0, "1 passed, 0 failed"), "{ended:?}");
}

#[tokio::test]
async fn what_is_no_test() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.flux");
    std::fs::write(&path, "x = (").unwrap();
    let ended = test(&[], &path).await;
    assert_eq!(ended.code, 1);
    assert!(ended.output.contains("wrong.flux: failed\n    compilation failed: error @1:"), "{ended:?}");
    std::fs::write(&path, "x = 1").unwrap();
    let ended = test(&[], &path).await;
    assert_eq!((ended.code, ended.errors.as_str()), (1, "freshet: there is no test case in these files\n"));
    let ended = test(&[], &folder.path().join("absent.flux")).await;
    assert_eq!(ended.code, 1);
    assert!(ended.errors.contains("cannot read") && ended.errors.contains("absent.flux"), "{ended:?}");
    assert_eq!(freshet(&["flux", "test"]).await.code, 2);
}
