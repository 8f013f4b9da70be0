//! How programs with real clients run: against a server of their own, about which the environment tells them. Each
//! checks its results itself and says at the end how many of its tests passed.

use std::path::PathBuf;

use testkit::{Server, ServerBuilder, go_client, node, python, run, rust_client};
use tokio::process::Command;

use crate::checkout;

/// What each program is told about the server.
pub(crate) fn tell(command: &mut Command, server: &Server) {
    let (username, password) = server.user();
    for (name, value) in [
        ("FRESHET_URL", server.url()),
        ("FRESHET_TOKEN", server.token()),
        ("FRESHET_ORG", server.organisation()),
        ("FRESHET_BUCKET", server.bucket()),
        ("FRESHET_USERNAME", username),
        ("FRESHET_PASSWORD", password),
    ] {
        command.env(name, value);
    }
}

/// Starts a server, writes some lines, and runs a program against it; what it printed.
async fn against(server: ServerBuilder, lines: &'static str, mut command: Command) -> String {
    let mut server = server.start().await;
    if !lines.is_empty() {
        server.write(lines).await;
    }
    tell(&mut command, &server);
    let printed = run(command, server.data_dir()).await;
    server.stop().await;
    printed
}

/// A program of `tests/clients/js`.
pub(crate) async fn javascript(server: ServerBuilder, program: &str) {
    let Some(node_dir) = node() else { return };
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter=tap"]).arg(checkout().join("tests/clients/js").join(program));
    command.env("NODE_PATH", node_dir.join("node_modules"));
    let printed = against(server, "", command).await;
    assert!(printed.contains("# fail 0") && !printed.contains("# pass 0"), "{printed}");
}

/// A program of `tests/clients/python`.
pub(crate) async fn pythonic(server: ServerBuilder, program: &str) {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.arg(checkout().join("tests/clients/python").join(program));
    let printed = against(server, "", command).await;
    assert!(printed.contains(" passed"), "{printed}");
}

/// A program of `tests/clients/go`, with as many tests as it has.
pub(crate) async fn go(server: ServerBuilder, program: &str, tests: usize) {
    built(server, "", go_client(program), tests).await;
}

/// The program of `tests/clients/rust`.
pub(crate) async fn rust(server: ServerBuilder, lines: &'static str, tests: usize) {
    built(server, lines, rust_client(), tests).await;
}

async fn built(server: ServerBuilder, lines: &'static str, program: Option<PathBuf>, tests: usize) {
    let Some(program) = program else { return };
    let printed = against(server, lines, Command::new(program)).await;
    assert!(printed.contains(&format!("{tests} passed")), "{printed}");
}
