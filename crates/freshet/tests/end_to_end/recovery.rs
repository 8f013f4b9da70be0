//! `freshet recovery`: a way in without a server and without a token.

use serde_json::Value;

use crate::command_line::{freshet, run};
use crate::manage::{cells, shell};
use crate::server;

#[tokio::test]
async fn a_lost_token_and_a_lost_password_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let mut server = server().data_dir(&data_dir).start().await;
    let (user, _) = server.user();
    let (user, organisation) = (user.to_owned(), server.organisation().to_owned());
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    let recover = async |words: &[&str], input: &str| run(&[&["recovery"], words, &place].concat(), &[], input).await;

    let ended = recover(&["auth", "list"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("in use by another process"), "{ended:?}");
    server.stop().await;

    let listed = recover(&["auth", "list"], "").await.succeeded().output;
    assert_eq!(cells(&listed)[0], ["ID", "User Name", "User ID", "Description", "Token", "Permissions"]);
    assert!(cells(&listed)[1].contains(&user.as_str()) && listed.contains("read:buckets"), "{listed}");
    assert!(!listed.contains("test-token"));
    let operator = ["auth", "create-operator", "--username", &user, "--org", &organisation, "--json"];
    let made: Value = serde_json::from_str(&recover(&operator, "").await.succeeded().output).unwrap();
    let token = made["token"].as_str().unwrap();
    let _ = recover(&["user", "update", "--username", &user], "a new password\n").await.succeeded();
    let second = recover(&["user", "create", "--username", "second", "--password", "another password"], "").await;
    assert_eq!(cells(&second.succeeded().output)[1][1], "second");
    let ended = recover(&["user", "create", "--username", "third", "--password", "short"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("between 8 and 72"), "{ended:?}");
    let users = recover(&["user", "list", "--hide-headers"], "").await.succeeded().output;
    let mut names: Vec<&str> = cells(&users).into_iter().map(|row| row[1]).collect();
    names.sort_unstable();
    assert_eq!(names, ["second", user.as_str()]);
    let _ = recover(&["org", "create", "--org", "other"], "").await.succeeded();
    let organisations = recover(&["org", "list"], "").await.succeeded().output;
    assert!(organisations.contains("\tother") && organisations.contains(&organisation), "{organisations}");
    for (words, message) in [
        (&["user", "update", "--username", "nobody", "--password", "a password"][..], "user not found"),
        (&["auth", "create-operator", "--username", &user, "--org", "nowhere"], "organization name \"nowhere\""),
    ] {
        let ended = recover(words, "").await;
        assert!(ended.code == 1 && ended.errors.contains(message), "{message}: {ended:?}");
    }

    server.restart().await;
    let mut shell = shell(&server);
    token.clone_into(&mut shell.token);
    let _ = shell.run(&["bucket", "create", "-n", "by-the-new-token"], "").await.succeeded();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (name, password) in [(user.as_str(), "a new password"), ("second", "another password")] {
        let signin = http.post(format!("{}/api/v2/signin", server.url())).basic_auth(name, Some(password));
        assert_eq!(signin.send().await.unwrap().status(), 204, "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_directory_without_a_catalog_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for more in [&[][..], &["--catalog", "postgres://u@127.0.0.1:1/d"]] {
        let ended = freshet(&[&["recovery", "user", "list", "--data-dir", path], more].concat()).await;
        assert!(ended.code == 1 && ended.errors.contains("there is no catalog in the directory"), "{ended:?}");
    }
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
}
