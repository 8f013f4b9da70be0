//! Every route behind authentication: nobody gets in without a token, a token without the permission is refused in the
//! words of wire-api section 0, and the permission named here is enough.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;

use crate::support::{Answer, TestServer};

/// What a token without the permission gets.
enum Refusal {
    /// 401 and `<permission> is unauthorized`.
    Unauthorized(&'static str),
    /// 403 with this message.
    Forbidden(&'static str),
    /// 404 with this message behind the words for where: what may not be seen is not there.
    NotFound(&'static str),
    /// 200 and a list under this key without what the token may not see.
    EmptyList(&'static str),
    /// The route is for everybody with a token.
    None,
    /// Everybody with a token gets this.
    Always(u16),
}

use Refusal::{EmptyList, Forbidden, NotFound, Unauthorized};

/// Method, route, body, the permission that suffices (action, type, its id and whether it is bound to `o`), the status
/// with it, and what happens without it. `{id}` in a route is filled by its kind, `{user_id}` by a second user.
type Row = (&'static str, &'static str, &'static str, Needed, u16, Refusal);

/// Action, resource type, id, bound to the organisation.
type Needed = (&'static str, &'static str, &'static str, bool);

const MEMBER: &str = r#"{"id":"<second>"}"#;

fn rows() -> Vec<Row> {
    let few = [organisation_rows(), bucket_rows(), other_rows(), influxdb_1_rows(), flux_rows()];
    let few = few.into_iter().chain([resource_rows(), template_rows()]);
    few.flatten().chain(DOCUMENTS.iter().flat_map(document_rows)).collect()
}

/// A permission on all of a kind.
fn all(action: &'static str, kind: &'static str) -> Needed {
    (action, kind, "", false)
}

fn bucket(action: &'static str) -> Needed {
    (action, "buckets", "<bucket>", true)
}

fn organisation_rows() -> Vec<Row> {
    let org = |action| (action, "orgs", "<org>", false);
    let read_org = || Unauthorized("read:orgs/<org>");
    let write_org = || Unauthorized("write:orgs/<org>");
    vec![
        ("GET", "/api/v2/orgs", "", org("read"), 200, EmptyList("orgs")),
        ("POST", "/api/v2/orgs", r#"{"name":"new"}"#, all("write", "orgs"), 201, Unauthorized("write:orgs")),
        ("GET", "/api/v2/orgs/{id}", "", org("read"), 200, read_org()),
        ("PATCH", "/api/v2/orgs/{id}", r#"{"description":"d"}"#, org("write"), 200, write_org()),
        ("DELETE", "/api/v2/orgs/{id}", "", org("write"), 204, write_org()),
        ("GET", "/api/v2/orgs/{id}/members", "", org("read"), 200, read_org()),
        ("POST", "/api/v2/orgs/{id}/members", MEMBER, org("write"), 201, write_org()),
        ("DELETE", "/api/v2/orgs/{id}/members/{user_id}", "", org("write"), 404, write_org()),
        ("GET", "/api/v2/orgs/{id}/owners", "", org("read"), 200, read_org()),
        ("POST", "/api/v2/orgs/{id}/owners", MEMBER, org("write"), 201, write_org()),
        ("DELETE", "/api/v2/orgs/{id}/owners/{user_id}", "", org("write"), 404, write_org()),
    ]
}

fn bucket_rows() -> Vec<Row> {
    let read_bucket = || Unauthorized("read:orgs/<org>/buckets/<bucket>");
    let write_bucket = || Unauthorized("write:orgs/<org>/buckets/<bucket>");
    let new_bucket = r#"{"orgID":"<org>","name":"new"}"#;
    vec![
        ("GET", "/api/v2/buckets", "", bucket("read"), 200, EmptyList("buckets")),
        (
            "POST",
            "/api/v2/buckets",
            new_bucket,
            ("write", "buckets", "", true),
            201,
            Unauthorized("write:orgs/<org>/buckets"),
        ),
        ("GET", "/api/v2/buckets/{id}", "", bucket("read"), 200, read_bucket()),
        ("PATCH", "/api/v2/buckets/{id}", r#"{"description":"d"}"#, bucket("write"), 200, write_bucket()),
        ("DELETE", "/api/v2/buckets/{id}", "", bucket("write"), 204, write_bucket()),
        ("GET", "/api/v2/buckets/{id}/labels", "", bucket("read"), 200, read_bucket()),
        ("GET", "/api/v2/buckets/{id}/members", "", bucket("read"), 200, read_bucket()),
        ("POST", "/api/v2/buckets/{id}/members", MEMBER, bucket("write"), 201, write_bucket()),
        ("DELETE", "/api/v2/buckets/{id}/members/{user_id}", "", bucket("write"), 404, write_bucket()),
        ("GET", "/api/v2/buckets/{id}/owners", "", bucket("read"), 200, read_bucket()),
        ("POST", "/api/v2/buckets/{id}/owners", MEMBER, bucket("write"), 201, write_bucket()),
        ("DELETE", "/api/v2/buckets/{id}/owners/{user_id}", "", bucket("write"), 404, write_bucket()),
        // Past the check of permissions: the label may not be read, and it is not there.
        ("POST", "/api/v2/buckets/{id}/labels", LABEL, bucket("write"), 404, write_bucket()),
        ("DELETE", "/api/v2/buckets/{id}/labels/{label_id}", "", bucket("write"), 404, write_bucket()),
    ]
}

fn other_rows() -> Vec<Row> {
    let user = |action| (action, "users", "<second>", false);
    let authorization = |action| (action, "authorizations", "<auth>", true);
    let write_authorization = || Unauthorized("write:orgs/<org>/authorizations/<auth>");
    let new_token = concat!(
        r#"{"orgID":"<org>","permissions":[{"action":"write","#,
        r#""resource":{"type":"authorizations","id":"<auth>","orgID":"<org>"}}]}"#
    );
    let query = r#"{"db":"b","q":"SELECT 1"}"#;
    let range = r#"{"start":"2020-01-01T00:00:00Z","stop":"2020-01-02T00:00:00Z"}"#;
    let statement = r#"{"db":"b","q":"SHOW MEASUREMENTS"}"#;
    vec![
        ("GET", "/api/v2/me", "", all("read", "labels"), 200, Refusal::None),
        ("GET", "/api/v2/users", "", user("read"), 200, EmptyList("users")),
        ("POST", "/api/v2/users", r#"{"name":"new"}"#, all("write", "users"), 201, Unauthorized("write:users")),
        ("GET", "/api/v2/users/{id}", "", user("read"), 200, Unauthorized("read:users/<second>")),
        ("PATCH", "/api/v2/users/{id}", r#"{"name":"new"}"#, user("write"), 200, Unauthorized("write:users/<second>")),
        ("DELETE", "/api/v2/users/{id}", "", user("write"), 204, Unauthorized("write:users/<second>")),
        (
            "POST",
            "/api/v2/users/{id}/password",
            r#"{"password":"long enough"}"#,
            user("write"),
            204,
            Unauthorized("write:users/<second>"),
        ),
        ("GET", "/api/v2/authorizations", "", authorization("read"), 200, EmptyList("authorizations")),
        (
            "POST",
            "/api/v2/authorizations",
            new_token,
            ("write", "authorizations", "", true),
            201,
            Unauthorized("write:orgs/<org>/authorizations"),
        ),
        (
            "GET",
            "/api/v2/authorizations/{id}",
            "",
            authorization("read"),
            200,
            Unauthorized("read:orgs/<org>/authorizations/<auth>"),
        ),
        (
            "PATCH",
            "/api/v2/authorizations/{id}",
            r#"{"description":"d"}"#,
            authorization("write"),
            200,
            write_authorization(),
        ),
        ("DELETE", "/api/v2/authorizations/{id}", "", authorization("write"), 204, write_authorization()),
        ("GET", "/api/v3/query_sql", "", bucket("read"), 200, Forbidden("insufficient permissions for read")),
        ("POST", "/api/v3/query_sql", query, bucket("read"), 200, Forbidden("insufficient permissions for read")),
        ("GET", "/api/v3/query_influxql", "", bucket("read"), 200, Forbidden("insufficient permissions for read")),
        (
            "POST",
            "/api/v3/query_influxql",
            statement,
            bucket("read"),
            200,
            Forbidden("insufficient permissions for read"),
        ),
        ("POST", "/api/v2/write", "m f=1", bucket("write"), 204, Forbidden("insufficient permissions for write")),
        ("POST", "/api/v2/delete", range, bucket("write"), 204, Forbidden("insufficient permissions to delete")),
        ("GET", "/api/freshet/v1/export", "", bucket("read"), 200, Forbidden("insufficient permissions for read")),
        ("POST", "/api/freshet/v1/flush", "", all("write", "buckets"), 200, Unauthorized("write:buckets")),
        ("POST", "/api/freshet/v1/compact", "", all("write", "buckets"), 202, Unauthorized("write:buckets")),
    ]
}

/// What belongs to the API of InfluxDB 1.x.
fn influxdb_1_rows() -> Vec<Row> {
    let dbrp = |action| (action, "dbrp", "<dbrp>", true);
    let read_dbrp = || Unauthorized("read:orgs/<org>/dbrp/<dbrp>");
    let write_dbrp = || Unauthorized("write:orgs/<org>/dbrp/<dbrp>");
    let new_dbrp = r#"{"orgID":"<org>","bucketID":"<bucket>","database":"d","retention_policy":"r"}"#;
    let user = |action| (action, "authorizations", "<legacy>", true);
    let read_user = || Unauthorized("read:orgs/<org>/authorizations/<legacy>");
    let write_user = || Unauthorized("write:orgs/<org>/authorizations/<legacy>");
    let new_user = concat!(
        r#"{"orgID":"<org>","token":"new","permissions":[{"action":"write","#,
        r#""resource":{"type":"authorizations","orgID":"<org>"}}]}"#
    );
    let in_org = |kind| ("write", kind, "", true);
    let users = "/private/legacy/authorizations";
    let (one, password) = ("/private/legacy/authorizations/{id}", "/private/legacy/authorizations/{id}/password");
    vec![
        ("GET", "/api/v2/dbrps", "", dbrp("read"), 200, EmptyList("content")),
        ("POST", "/api/v2/dbrps", new_dbrp, in_org("dbrp"), 201, Unauthorized("write:orgs/<org>/dbrp")),
        ("GET", "/api/v2/dbrps/{id}", "", dbrp("read"), 200, read_dbrp()),
        ("PATCH", "/api/v2/dbrps/{id}", r#"{"default":true}"#, dbrp("write"), 200, write_dbrp()),
        ("DELETE", "/api/v2/dbrps/{id}", "", dbrp("write"), 204, write_dbrp()),
        ("GET", users, "", user("read"), 200, EmptyList("authorizations")),
        ("POST", users, new_user, in_org("authorizations"), 201, Unauthorized("write:orgs/<org>/authorizations")),
        ("GET", one, "", user("read"), 200, read_user()),
        ("PATCH", one, r#"{"description":"d"}"#, user("write"), 200, write_user()),
        ("DELETE", one, "", user("write"), 204, write_user()),
        ("POST", password, r#"{"password":"long enough"}"#, user("write"), 204, write_user()),
    ]
}

fn flux_rows() -> Vec<Row> {
    let script = r#"{"query":"from(bucket: \"b\") |> range(start: -1h)"}"#;
    vec![
        ("POST", "/api/v2/query", script, bucket("read"), 200, NotFound("could not find bucket \"b\"")),
        ("POST", "/api/v2/query/ast", script, all("read", "labels"), 200, Refusal::None),
        ("POST", "/api/v2/query/explain", script, bucket("read"), 200, NotFound("could not find bucket \"b\"")),
        ("POST", "/api/v2/query/analyze", script, all("read", "labels"), 200, Refusal::None),
        ("GET", "/api/v2/query/suggestions", "", all("read", "labels"), 200, Refusal::None),
        ("GET", "/api/v2/query/suggestions/{name}", "", all("read", "labels"), 200, Refusal::None),
    ]
}

const LABEL: &str = r#"{"labelID":"<labels>"}"#;

/// A kind of documents: its path and the name of its permissions; the key of a list; a body that makes one; whether it
/// can be replaced, changed; whether it has members and owners, labels.
struct DocumentRoutes {
    path: &'static str,
    kind: &'static str,
    list: &'static str,
    new: &'static str,
    methods: &'static [&'static str],
    people: bool,
    labels: bool,
}

const DOCUMENTS: &[DocumentRoutes] = &[
    DocumentRoutes {
        path: "/api/v2/labels",
        kind: "labels",
        list: "labels",
        new: r#"{"orgID":"<org>","name":"new"}"#,
        methods: &["GET", "PATCH", "DELETE"],
        people: false,
        labels: false,
    },
    DocumentRoutes {
        path: "/api/v2/variables",
        kind: "variables",
        list: "variables",
        new: r#"{"orgID":"<org>","name":"new","arguments":{"type":"constant","values":["a"]}}"#,
        methods: &["GET", "PATCH", "PUT", "DELETE"],
        people: false,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/dashboards",
        kind: "dashboards",
        list: "dashboards",
        new: r#"{"orgID":"<org>","name":"new"}"#,
        methods: &["GET", "PATCH", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/telegrafs",
        kind: "telegrafs",
        list: "configurations",
        new: r#"{"orgID":"<org>","name":"new","config":"[agent]"}"#,
        methods: &["GET", "PUT", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/scrapers",
        kind: "scrapers",
        list: "configurations",
        new: r#"{"orgID":"<org>","name":"new","url":"http://127.0.0.1:1/metrics","bucketID":"<bucket>"}"#,
        methods: &["GET", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2private/notebooks",
        kind: "notebooks",
        list: "flows",
        new: r#"{"orgID":"<org>","name":"new"}"#,
        methods: &["GET", "PATCH", "PUT", "DELETE"],
        people: false,
        labels: false,
    },
    DocumentRoutes {
        path: "/api/v2/tasks",
        kind: "tasks",
        list: "tasks",
        new: r#"{"orgID":"<org>","flux":"option task = {name: \"t\", every: 1h}"}"#,
        methods: &["GET", "PATCH", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/stacks",
        kind: "documents",
        list: "stacks",
        new: r#"{"orgID":"<org>","name":"new"}"#,
        methods: &["GET", "PATCH", "DELETE"],
        people: false,
        labels: false,
    },
    DocumentRoutes {
        path: "/api/v2/checks",
        kind: "checks",
        list: "checks",
        new: concat!(
            r#"{"orgID":"<org>","name":"new","type":"threshold","every":"1h","query":{"text":"#,
            r#""from(bucket: \"b\") |> range(start: -1h) |> filter(fn: (r) => r._field == \"f\")"}}"#
        ),
        methods: &["GET", "PATCH", "PUT", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/notificationEndpoints",
        kind: "notificationEndpoints",
        list: "notificationEndpoints",
        new: r#"{"orgID":"<org>","name":"new","type":"http","method":"POST","url":"http://a/b","authMethod":"none"}"#,
        methods: &["GET", "PATCH", "PUT", "DELETE"],
        people: true,
        labels: true,
    },
    DocumentRoutes {
        path: "/api/v2/notificationRules",
        kind: "notificationRules",
        list: "notificationRules",
        new: concat!(
            r#"{"orgID":"<org>","name":"new","type":"http","every":"1h","endpointID":"<notificationEndpoints>","#,
            r#""statusRules":[{"currentLevel":"CRIT"}]}"#
        ),
        methods: &["GET", "DELETE"],
        people: true,
        labels: true,
    },
];

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The rows of one kind of documents; the stage has one of each, whose id stands as `<kind>`.
fn document_rows(of: &DocumentRoutes) -> Vec<Row> {
    let (path, kind) = (of.path, of.kind);
    let at = |below: &str| leak(format!("{path}/{{id}}{below}"));
    let one = leak(format!("<{kind}>"));
    let needed = |action| (action, kind, one, true);
    let refused = |action: &str| Unauthorized(leak(format!("{action}:orgs/<org>/{kind}/{one}")));
    let in_organisation = Unauthorized(leak(format!("write:orgs/<org>/{kind}")));
    let created = if kind == "notebooks" { 200 } else { 201 };
    let mut rows = vec![("GET", path, "", needed("read"), 200, EmptyList(of.list))];
    // Making a scraper needs a right on its bucket too, making a rule one on its endpoint.
    if !matches!(kind, "scrapers" | "notificationRules") {
        rows.push(("POST", path, of.new, ("write", kind, "", true), created, in_organisation));
    } else {
        rows.push(("POST", path, of.new, ("write", kind, "", true), 401, in_organisation));
        rows.push(("PATCH", at(""), r#"{"name":"other"}"#, needed("write"), 401, refused("write")));
    }
    if kind == "notificationRules" {
        rows.push(("PUT", at(""), of.new, needed("write"), 401, refused("write")));
    }
    if matches!(kind, "checks" | "notificationRules") {
        rows.push(("GET", at("/query"), "", needed("read"), 200, refused("read")));
    }
    for &method in of.methods {
        let (body, action, status) = match method {
            "GET" => ("", "read", 200),
            "PATCH" => (r#"{"name":"other"}"#, "write", 200),
            "PUT" => (leak(of.new.replace("\"new\"", "\"other\"")), "write", 200),
            _ => ("", "write", 204),
        };
        rows.push((method, at(""), body, needed(action), status, refused(action)));
    }
    for list in ["/members", "/owners"].into_iter().filter(|_| of.people) {
        rows.push(("GET", at(list), "", needed("read"), 200, refused("read")));
        rows.push(("POST", at(list), MEMBER, needed("write"), 201, refused("write")));
        rows.push(("DELETE", at(&format!("{list}/{{user_id}}")), "", needed("write"), 404, refused("write")));
    }
    if of.labels {
        rows.push(("GET", at("/labels"), "", needed("read"), 200, refused("read")));
        rows.push(("POST", at("/labels"), LABEL, needed("write"), 404, refused("write")));
        rows.push(("DELETE", at("/labels/{label_id}"), "", needed("write"), 404, refused("write")));
    }
    rows
}

/// Cells, secrets, and what is asked about the server.
fn resource_rows() -> Vec<Row> {
    let dashboard = |action| (action, "dashboards", "<dashboards>", true);
    let read_dashboard = || Unauthorized("read:orgs/<org>/dashboards/<dashboards>");
    let write_dashboard = || Unauthorized("write:orgs/<org>/dashboards/<dashboards>");
    let cells = "/api/v2/dashboards/{id}/cells";
    let (cell, view) = ("/api/v2/dashboards/{id}/cells/{cell_id}", "/api/v2/dashboards/{id}/cells/{cell_id}/view");
    let secrets = |action| (action, "secrets", "", true);
    let (read_secrets, write_secrets) = ("read:orgs/<org>/secrets", "write:orgs/<org>/secrets");
    let (all_secrets, secret) = ("/api/v2/orgs/{id}/secrets", "/api/v2/orgs/{id}/secrets/{key}");
    let everybody = || all("read", "labels");
    let remote = r#"{"orgID":"<org>"}"#;
    let task = |action| (action, "tasks", "<tasks>", true);
    let (read_task, write_task) = ("read:orgs/<org>/tasks/<tasks>", "write:orgs/<org>/tasks/<tasks>");
    let (runs, run) = ("/api/v2/tasks/{id}/runs", "/api/v2/tasks/{id}/runs/{run_id}");
    vec![
        ("GET", "/api/v2/tasks/{id}/logs", "", task("read"), 200, Unauthorized(read_task)),
        ("GET", runs, "", task("read"), 200, Unauthorized(read_task)),
        ("POST", runs, "{}", task("write"), 201, Unauthorized(write_task)),
        ("GET", run, "", task("read"), 404, Unauthorized(read_task)),
        ("DELETE", run, "", task("write"), 404, Unauthorized(write_task)),
        ("GET", "/api/v2/tasks/{id}/runs/{run_id}/logs", "", task("read"), 404, Unauthorized(read_task)),
        ("POST", "/api/v2/tasks/{id}/runs/{run_id}/retry", "", task("write"), 404, Unauthorized(write_task)),
        ("POST", cells, "{}", dashboard("write"), 201, write_dashboard()),
        ("PUT", cells, "[]", dashboard("write"), 201, write_dashboard()),
        ("PATCH", cell, r#"{"x":1}"#, dashboard("write"), 200, write_dashboard()),
        ("DELETE", cell, "", dashboard("write"), 204, write_dashboard()),
        ("GET", view, "", dashboard("read"), 200, read_dashboard()),
        ("PATCH", view, r#"{"name":"v"}"#, dashboard("write"), 200, write_dashboard()),
        ("GET", all_secrets, "", secrets("read"), 200, Unauthorized(read_secrets)),
        ("PATCH", all_secrets, r#"{"a":"b"}"#, secrets("write"), 204, Unauthorized(write_secrets)),
        ("POST", secret, r#"{"secrets":["a"]}"#, secrets("write"), 204, Unauthorized(write_secrets)),
        ("DELETE", secret, "", secrets("write"), 204, Unauthorized(write_secrets)),
        ("GET", "/api/v2/resources", "", everybody(), 200, Refusal::None),
        ("GET", "/api/v2/flags", "", everybody(), 200, Refusal::None),
        ("GET", "/api/v2/config", "", all("read", "users"), 200, Unauthorized("read:users")),
        ("GET", "/api/v2/sources", "", everybody(), 200, Refusal::None),
        ("POST", "/api/v2/sources", "{}", everybody(), 501, Refusal::Always(501)),
        ("GET", "/api/v2/sources/{id}", "", everybody(), 200, Refusal::None),
        ("GET", "/api/v2/sources/{id}/health", "", everybody(), 200, Refusal::None),
        ("GET", "/api/v2/remotes", "", everybody(), 200, Refusal::None),
        (
            "POST",
            "/api/v2/remotes",
            remote,
            ("write", "remotes", "", true),
            501,
            Unauthorized("write:orgs/<org>/remotes"),
        ),
        ("GET", "/api/v2/remotes/{id}", "", everybody(), 404, Refusal::Always(404)),
        ("GET", "/api/v2/replications", "", everybody(), 200, Refusal::None),
        (
            "POST",
            "/api/v2/replications",
            remote,
            ("write", "replications", "", true),
            501,
            Unauthorized("write:orgs/<org>/replications"),
        ),
        ("GET", "/api/v2/replications/{id}", "", everybody(), 404, Refusal::Always(404)),
    ]
}

/// Templates and stacks.
fn template_rows() -> Vec<Row> {
    vec![
        (
            "POST",
            "/api/v2/templates/export",
            r#"{"resources":[{"kind":"Label","id":"<labels>"}]}"#,
            ("read", "labels", "<labels>", true),
            200,
            Unauthorized("read:orgs/<org>/labels/<labels>"),
        ),
        // What is in a template decides what is needed.
        (
            "POST",
            "/api/v2/templates/apply",
            r#"{"orgID":"<org>","dryRun":true}"#,
            all("read", "labels"),
            200,
            Refusal::None,
        ),
        (
            "POST",
            "/api/v2/stacks/{id}/uninstall",
            "{}",
            ("write", "documents", "<documents>", true),
            200,
            Unauthorized("write:orgs/<org>/documents/<documents>"),
        ),
    ]
}

/// A server with a second user, a user of 1.x and a mapping of a database, and the text that fills a row's
/// placeholders.
struct Stage {
    server: TestServer,
    second: String,
    legacy: String,
    dbrp: String,
    /// One document of each kind: the name of its permissions and its id.
    documents: Vec<(&'static str, String)>,
}

impl Stage {
    async fn new() -> Self {
        let server = TestServer::start(&[]).await;
        let made = server.call("POST", "/api/v2/users", r#"{"name":"second"}"#).await;
        let second = made.json()["id"].as_str().unwrap().to_owned();
        let fill = |text: &str| server.placeholders().fill(text);
        let user = concat!(
            r#"{"orgID":"<org>","token":"v1","permissions":[{"action":"read","#,
            r#""resource":{"type":"buckets","orgID":"<org>"}}]}"#
        );
        let made = server.call("POST", "/private/legacy/authorizations", fill(user)).await;
        let legacy = made.json()["id"].as_str().unwrap().to_owned();
        let made = server.call("POST", "/api/v2/buckets", fill(r#"{"orgID":"<org>","name":"mapped"}"#)).await;
        let bucket = made.json()["id"].as_str().unwrap().to_owned();
        let mapping = fill(r#"{"orgID":"<org>","bucketID":"<mapped>","database":"x","retention_policy":"y"}"#);
        let made = server.call("POST", "/api/v2/dbrps", mapping.replace("<mapped>", &bucket)).await;
        let dbrp = made.json()["id"].as_str().unwrap().to_owned();
        let mut documents = Vec::new();
        for of in DOCUMENTS {
            let new = fill(&of.new.replace("\"new\"", "\"known\""));
            let replace = |text: String, (kind, id): &(&str, String)| text.replace(&format!("<{kind}>"), id);
            let made = server.call("POST", of.path, documents.iter().fold(new, replace)).await;
            let made = made.json();
            let made = if made["label"].is_object() { &made["label"] } else { &made };
            documents.push((of.kind, made["id"].as_str().unwrap().to_owned()));
        }
        let (_, dashboard) = documents.iter().find(|(kind, _)| *kind == "dashboards").unwrap();
        server.call("POST", &format!("/api/v2/dashboards/{dashboard}/cells"), "{}").await;
        Self { server, second, legacy, dbrp, documents }
    }

    fn fill(&self, text: &str) -> String {
        let text = self.server.placeholders().fill(text).replace("<second>", &self.second);
        let text = text.replace("<legacy>", &self.legacy).replace("<dbrp>", &self.dbrp);
        self.documents.iter().fold(text, |text, (kind, id)| text.replace(&format!("<{kind}>"), id))
    }

    async fn token(&self, (action, kind, id, is_bound): Needed) -> String {
        let id = if id.is_empty() { String::new() } else { format!(r#","id":"{id}""#) };
        let organisation = if is_bound { r#","orgID":"<org>""# } else { "" };
        let permission = format!(r#"[{{"action":"{action}","resource":{{"type":"{kind}"{id}{organisation}}}}}]"#);
        self.server.token(&self.fill(&permission)).await
    }

    async fn send(&self, row: &Row, token: Option<&str>) -> Answer {
        let (method, route, body, ..) = row;
        let id = match route.split('/').nth(3).unwrap() {
            _ if route.starts_with("/private/legacy") => "<legacy>",
            "dbrps" => "<dbrp>",
            "orgs" => "<org>",
            "buckets" => "<bucket>",
            "users" => "<second>",
            "authorizations" => "<auth>",
            "sources" => "020f755c3c082000",
            "remotes" | "replications" => "0000000000000001",
            other => match DOCUMENTS.iter().find(|of| of.path.ends_with(other)) {
                Some(of) => leak(format!("<{}>", of.kind)),
                None => "",
            },
        };
        let key = if *method == "POST" { "delete" } else { "a" };
        let address = route.replace("{id}", id).replace("{user_id}", "<second>").replace("{name}", "filter");
        let address = address.replace("{label_id}", "<labels>").replace("{cell_id}", "0000000000000001");
        let address = address.replace("{run_id}", "0000000000000001");
        let mut address = self.fill(&address.replace("{key}", key));
        match (*method, *route) {
            ("GET", "/api/v3/query_sql") => address.push_str("?db=b&q=SELECT+1"),
            ("GET", "/api/v3/query_influxql") => address.push_str("?db=b&q=SHOW+MEASUREMENTS"),
            (_, "/api/v2/dbrps" | "/api/v2/dbrps/{id}" | "/api/v2/query" | "/api/v2/query/explain") => {
                address.push_str("?org=o")
            }
            (_, "/api/v2/write" | "/api/v2/delete" | "/api/freshet/v1/export") => address.push_str("?org=o&bucket=b"),
            _ => {}
        }
        let mut request = Request::builder().method(*method).uri(address);
        if let Some(token) = token {
            request = request.header("authorization", format!("Token {token}"));
        }
        self.server.send(request.body(Body::from(self.fill(body))).unwrap()).await
    }
}

/// Code and message of an error. On the endpoints of InfluxDB 3 the message stands there twice, by another key.
fn said(answer: &Answer) -> serde_json::Value {
    let mut json = answer.json();
    let fields = json.as_object_mut().unwrap();
    let (code, message) = (fields.remove("code"), fields.remove("message"));
    assert!(fields.iter().all(|(key, value)| key == "error" && Some(value) == message.as_ref()), "{}", answer.text());
    serde_json::json!([code, message])
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let stage = Stage::new().await;
    for row in rows() {
        for token in [None, Some("unknown")] {
            let answer = stage.send(&row, token).await;
            assert_eq!(answer.status, 401, "{} {} {}", row.0, row.1, answer.text());
            assert_eq!(said(&answer), serde_json::json!(["unauthorized", "unauthorized access"]));
        }
    }
}

#[tokio::test]
async fn a_token_without_the_permission_is_refused() {
    let stage = Stage::new().await;
    // The right type with the wrong action, and everything on another type.
    for row in rows() {
        let (method, route, _, (action, kind, id, is_bound), _, refusal) = &row;
        let other = if *action == "read" { "write" } else { "read" };
        for weak in [("write", "views", "", false), (other, kind, id, *is_bound)] {
            let token = stage.token(weak).await;
            let answer = stage.send(&row, Some(&token)).await;
            let description = format!("{method} {route} with {weak:?}: {}", answer.text());
            let check = |status: u16, code: &str, message: &str| {
                assert_eq!(answer.status, status, "{description}");
                assert_eq!(answer.header("x-platform-error-code"), code, "{description}");
                assert_eq!(said(&answer), serde_json::json!([code, message]), "{description}");
            };
            match refusal {
                Unauthorized(permission) => {
                    check(401, "unauthorized", &format!("{} is unauthorized", stage.fill(permission)));
                }
                Forbidden(message) => check(403, "forbidden", message),
                NotFound(message) => {
                    check(404, "not found", &format!("failed to initialize execute state: {message}"));
                }
                EmptyList(key) => {
                    assert_eq!(answer.status, 200, "{description}");
                    assert_eq!(answer.json()[key], serde_json::json!([]), "{description}");
                }
                Refusal::None => assert_eq!(answer.status, 200, "{description}"),
                Refusal::Always(status) => assert_eq!(answer.status, *status, "{description}"),
            }
        }
    }
}

#[tokio::test]
async fn the_permission_is_enough() {
    let (mut stage, mut is_changed) = (Stage::new().await, false);
    for row in rows() {
        if is_changed {
            stage = Stage::new().await;
        }
        // What only looks leaves the stage as it was.
        is_changed = row.0 != "GET";
        let token = stage.token(row.3).await;
        let answer = stage.send(&row, Some(&token)).await;
        let description = format!("{} {}: {}", row.0, row.1, answer.text());
        assert_eq!(answer.status, row.4, "{description}");
        match (row.4, &row.5) {
            // Past the check of permissions: there is no such member or label.
            (404, Unauthorized(_)) => {
                let says = ["mapping not found", "label not found", "run not found"]
                    .iter()
                    .any(|text| description.contains(text));
                assert!(says, "{description}");
            }
            // Past the first check: the bucket of a scraper and the endpoint of a rule are other resources.
            (401, _) => {
                let is_other = description.contains("/buckets/") || description.contains("read:orgs");
                assert!(is_other, "{description}");
            }
            (_, EmptyList(key)) => assert_eq!(answer.json()[key].as_array().unwrap().len(), 1, "{description}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn another_organisation_is_out_of_reach() {
    let stage = Stage::new().await;
    let other = stage.server.call("POST", "/api/v2/orgs", r#"{"name":"other"}"#).await.json();
    let other_id = other["id"].as_str().unwrap();
    let permissions: Vec<String> = ["buckets", "authorizations", "users", "orgs"]
        .iter()
        .flat_map(|kind| ["read", "write"].map(|action| (kind, action)))
        .map(|(kind, action)| match *kind {
            "orgs" => format!(r#"{{"action":"{action}","resource":{{"type":"orgs","id":"{other_id}"}}}}"#),
            _ => format!(r#"{{"action":"{action}","resource":{{"type":"{kind}","orgID":"{other_id}"}}}}"#),
        })
        .collect();
    let body = format!(r#"{{"orgID":"{other_id}","permissions":[{}]}}"#, permissions.join(","));
    let made = stage.server.call("POST", "/api/v2/authorizations", body).await;
    let token = made.json()["token"].as_str().unwrap().to_owned();
    for row in rows() {
        let answer = stage.send(&row, Some(&token)).await;
        let description = format!("{} {}: {}", row.0, row.1, answer.text());
        match row.5 {
            Refusal::None => assert_eq!(answer.status, 200, "{description}"),
            Refusal::Always(status) => assert_eq!(answer.status, status, "{description}"),
            EmptyList(_) => {
                assert_eq!(answer.status, 200, "{description}");
                for name in [r#""name":"o""#, r#""name":"b""#, r#""name":"u""#] {
                    assert!(!answer.text().contains(name), "{description}");
                }
            }
            Unauthorized(_) => assert_eq!(answer.status, 401, "{description}"),
            // The token's own organisation has no such bucket.
            NotFound(_) => assert_eq!(answer.status, 404, "{description}"),
            Forbidden(_) => assert!(matches!(answer.status, 403 | 404), "{description}"),
        }
    }
}

/// The routes and methods in the text of the table of routes.
pub(crate) fn routes_in(text: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for route in text.split(".route(").skip(1) {
        // What stands behind the end of the function belongs to another one.
        let route = route.split("\n}\n").next().unwrap();
        let path = route.split('"').nth(1).unwrap();
        for (word, method) in
            [("get(", "GET"), ("post(", "POST"), ("put(", "PUT"), ("patch(", "PATCH"), ("delete(", "DELETE")]
        {
            let is_call = |position: usize| !route[..position].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if route.match_indices(word).any(|(position, _)| is_call(position)) {
                routes.insert((method.to_owned(), path.to_owned()));
            }
        }
        if route.contains("monitored::<") {
            routes.extend(["GET", "PATCH", "PUT", "DELETE"].map(|method| (method.to_owned(), path.to_owned())));
        }
        if route.contains("one::<") {
            routes.extend(["GET", "PATCH", "DELETE"].map(|method| (method.to_owned(), path.to_owned())));
        }
    }
    for (helper, below) in [("people::<", &["members", "owners"][..]), ("labelled::<", &["labels"])] {
        for call in text.split(&format!(".merge({helper}")).skip(1) {
            let path = call.split('"').nth(1).unwrap();
            for list in below {
                let entry = if *list == "labels" { "{label_id}" } else { "{user_id}" };
                routes.extend(["GET", "POST"].map(|method| (method.to_owned(), format!("{path}/{{id}}/{list}"))));
                routes.insert(("DELETE".to_owned(), format!("{path}/{{id}}/{list}/{entry}")));
            }
        }
    }
    routes.retain(|(_, path)| path.starts_with('/') && !path.contains("{path}"));
    routes
}

#[test]
fn no_route_is_missing_above() {
    let source = include_str!("../../src/routes.rs");
    let (_, protected) = source.split_once("fn protected_routes").unwrap();
    let protected = routes_in(protected);
    assert!(protected.len() >= 35, "{protected:?}");
    let covered: BTreeSet<(String, String)> = rows().iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
    let missing: Vec<_> = protected.difference(&covered).filter(|(_, route)| route != BACKUP).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The one route that needs more than one permission.
const BACKUP: &str = "/api/freshet/v1/backup";

#[tokio::test]
async fn a_backup_needs_every_permission_of_an_operator() {
    let server = TestServer::start(&[]).await;
    let needed: Vec<String> = ["buckets", "users", "authorizations"]
        .iter()
        .flat_map(|kind| ["read", "write"].map(|action| (kind, action)))
        .map(|(kind, action)| format!(r#"{{"action":"{action}","resource":{{"type":"{kind}"}}}}"#))
        .collect();
    let backup = async |permissions: &[String]| {
        let token = server.token(&format!("[{}]", permissions.join(","))).await;
        let request = Request::builder().method("POST").uri(BACKUP).header("authorization", format!("Token {token}"));
        server.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(backup(&needed).await.status, 200);
    for missing in 0..needed.len() {
        let mut permissions = needed.clone();
        permissions.remove(missing);
        let answer = backup(&permissions).await;
        assert_eq!(answer.status, 401, "{}: {}", needed[missing], answer.text());
    }
}

#[tokio::test]
async fn open_routes_answer_without_a_token() {
    let server = TestServer::start(&[]).await;
    for (method, path, status) in [
        ("GET", "/health", 200),
        ("GET", "/api/v1/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/ping", 204),
        ("HEAD", "/ping", 204),
        ("GET", "/metrics", 200),
        ("GET", "/api/v2", 200),
        ("GET", "/api/v2/setup", 200),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, status, "{method} {path}");
    }
}
