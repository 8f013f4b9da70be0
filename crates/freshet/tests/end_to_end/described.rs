//! Requests that the description of the API allows and forbids, made by Schemathesis at random: none of them may be
//! answered with a server error.

use std::process::Stdio;

use testkit::schemathesis;
use tokio::process::Command;

use crate::server;

/// Operations that are left out: those that are 501 by design, and those that end the token of the run or make a whole
/// backup for each request.
const LEFT_OUT: [&str; 6] = [
    "postApiV2Sources",
    "postApiV2Remotes",
    "postApiV2Replications",
    "postApiV3ConfigureTokenAdminRegenerate",
    "deleteApiV3ConfigureToken",
    "postApiFreshetV1Backup",
];

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test]
async fn random_requests_get_no_server_error() {
    let Some(program) = schemathesis() else { return };
    let mut server = server().start().await;
    let mut command = Command::new(program);
    command.arg("run").arg(format!("{}/api/v2/swagger.json", server.url()));
    command.args(["--header", &format!("Authorization: Token {}", server.token())]);
    command.args(["--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--workers", "2"]);
    command.args(["--generation-with-security-parameters", "false", "--generation-database", "none"]);
    command.args(["--max-examples", "100", "--max-time", &number("FRESHET_API_SECONDS", 60).to_string()]);
    command.args(["--seed", &number("FRESHET_API_SEED", 1).to_string()]);
    command.args(["--no-color", "--warnings", "off", "--request-timeout", "30", "--suppress-health-check", "all"]);
    for operation in LEFT_OUT {
        command.args(["--exclude-operation-id", operation]);
    }
    let output = command.current_dir(server.data_dir()).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains(" passed"), "{printed}");
    server.stop().await;
}
