//! `freshet export` and `freshet apply`: resources as templates, `/api/v2/templates`.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use freshet_client::{ApiRequest, Method};
use serde_json::{Map, Value, json};

use super::{ManageError, Session, id_of, object, take_list, task, with_session};
use crate::options::{
    ApplyOptions, TEMPLATE_KINDS, TemplateExportAllOptions, TemplateExportCommand, TemplateExportNamedOptions,
    TemplateExportOptions, TemplateExportStackOptions, TemplateFileOptions, TemplateKind,
};
use crate::output::{Column, text};
use crate::prompt;

const EXPORT: &str = "api/v2/templates/export";
const APPLY: &str = "api/v2/templates/apply";

/// Bytes of a template: more than any server takes.
const TEMPLATE_BYTES_MAX: u64 = 64 << 20;

const CHANGE_COLUMNS: &[Column] = &[
    Column("Change", |row| {
        let mark = match row["stateStatus"].as_str() {
            Some("new") => "+",
            Some("remove") => "-",
            _ => "=",
        };
        mark.to_owned()
    }),
    Column("Kind", |row| text(row, "/kind")),
    Column("Metadata Name", |row| text(row, "/templateMetaName")),
    Column("ID", |row| Some(text(row, "/id")).filter(|id| !id.trim_matches('0').is_empty()).unwrap_or_default()),
    Column("Name", |row| {
        Some(text(row, "/new/name")).filter(|name| !name.is_empty()).unwrap_or(text(row, "/old/name"))
    }),
];

pub(super) async fn export(options: TemplateExportOptions) -> Result<(), ManageError> {
    match options.command {
        None => with_session(options.named, export_named).await,
        Some(TemplateExportCommand::All(options)) => with_session(options, export_all).await,
        Some(TemplateExportCommand::Stack(options)) => with_session(options, export_stack).await,
    }
}

/// Asks for a template and writes it: JSON where the file's name ends so, otherwise YAML.
async fn write(session: &Session, body: Value, file: &TemplateFileOptions) -> Result<(), ManageError> {
    let is_json = file.file.as_deref().and_then(Path::extension).is_some_and(|ending| ending == "json");
    let form = if is_json { "application/json" } else { "application/x-yaml" };
    let template = session.client.call_text(&ApiRequest::new(Method::Post, EXPORT).body(body), form).await?;
    match &file.file {
        Some(path) => std::fs::write(path, template).map_err(|source| ManageError::File { path: path.clone(), source }),
        None => Ok(std::io::stdout().write_all(template.as_bytes())?),
    }
}

async fn export_named(session: &Session, options: TemplateExportNamedOptions) -> Result<(), ManageError> {
    let mut resources: Vec<Value> =
        options.resources.ids.iter().map(|(kind, id)| json!({ "kind": kind.name, "id": id })).collect();
    resources.extend(options.ids.iter().map(|id| json!({ "kind": options.resource_type, "id": id })));
    for (kind, name) in &options.resources.names {
        let organisation_id = session.organisation_id(&options.organisation).await?;
        resources.push(json!({ "kind": kind.name, "id": find(session, kind, name, &organisation_id).await? }));
    }
    if resources.is_empty() && options.stack_id.is_none() {
        return Err(ManageError::NothingToExport);
    }
    let body = object([("stackID", options.stack_id.map(Value::from)), ("resources", Some(json!(resources)))]);
    write(session, body, &options.file).await
}

/// The id of the resource of a kind and name.
async fn find(
    session: &Session,
    kind: &TemplateKind,
    name: &str,
    organisation_id: &str,
) -> Result<String, ManageError> {
    let request = ApiRequest::new(Method::Get, kind.path).parameter("orgID", organisation_id);
    let found = match kind.name {
        // These lists have no pages.
        "Label" | "Telegraf" | "Variable" => take_list(&mut session.call(request).await?, kind.list)?,
        "Task" => task::tasks(session, request, 0).await?,
        _ => session.list(&request, kind.list, (0, 0)).await?,
    };
    let resource = found.iter().find(|resource| resource["name"] == name);
    id_of(resource.ok_or_else(|| ManageError::NotFound { kind: kind.name, name: name.to_owned() })?)
}

async fn export_all(session: &Session, options: TemplateExportAllOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let (mut labels, mut kinds) = (Vec::new(), Vec::new());
    for filter in &options.filter {
        match filter.split_once('=') {
            Some(("labelName", label)) => labels.push(label),
            Some(("kind" | "resourceKind", kind)) => kinds.push(kind),
            _ => return Err(ManageError::Filter { filter: filter.clone(), known: "kind=KIND or labelName=NAME" }),
        }
    }
    let filters = json!({ "byLabel": labels, "byResourceKind": kinds });
    let body = json!({ "orgIDs": [{ "orgID": organisation_id, "resourceFilters": filters }] });
    write(session, body, &options.file).await
}

async fn export_stack(session: &Session, options: TemplateExportStackOptions) -> Result<(), ManageError> {
    write(session, json!({ "stackID": options.stack_id }), &options.file).await
}

/// Says what would change, asks whether it may, and does it.
pub(super) async fn apply(session: &Session, options: ApplyOptions) -> Result<(), ManageError> {
    let mut request = request(session, &options).await?;
    request["dryRun"] = true.into();
    let planned = session.post(APPLY, request.clone()).await?;
    let is_shown = !options.quiet && !session.output.is_json();
    if is_shown {
        session.output.print_all(&changes(&planned["diff"]), CHANGE_COLUMNS)?;
    }
    if options.dry_run {
        return if options.quiet || is_shown { Ok(()) } else { session.print_one(&planned, CHANGE_COLUMNS) };
    }
    for (list, flag) in [("missingEnvRefs", "--env-ref"), ("missingSecrets", "--secret")] {
        let missing: Vec<&str> =
            planned["summary"][list].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !missing.is_empty() {
            return Err(ManageError::Missing { flag, keys: missing.join(", ") });
        }
    }
    if options.force.is_none() && !prompt::agrees("Apply these changes?")? {
        return Err(ManageError::Declined);
    }
    request["dryRun"] = false.into();
    let applied = session.post(APPLY, request).await?;
    if options.quiet {
        return Ok(());
    }
    if session.output.is_json() {
        return session.print_one(&applied, CHANGE_COLUMNS);
    }
    Ok(crate::print_line(&format!("Stack ID: {}", text(&applied, "/stackID")))?)
}

async fn request(session: &Session, options: &ApplyOptions) -> Result<Value, ManageError> {
    let mut templates = Vec::new();
    for path in files(&options.file, options.recurse)? {
        let contents = std::fs::read_to_string(&path);
        let contents = contents.map_err(|source| ManageError::File { path: path.clone(), source })?;
        templates.push(json!({ "sources": [format!("file://{}", path.display())], "contents": contents }));
    }
    if !std::io::stdin().is_terminal() {
        let mut contents = String::new();
        std::io::stdin().take(TEMPLATE_BYTES_MAX).read_to_string(&mut contents).map_err(ManageError::Input)?;
        if !contents.trim().is_empty() {
            templates.push(json!({ "sources": ["stdin"], "contents": contents }));
        }
    }
    let remotes: Vec<Value> = options.template_url.iter().map(|url| json!({ "url": url })).collect();
    if templates.is_empty() && remotes.is_empty() && options.stack_id.is_none() {
        return Err(ManageError::NoTemplate);
    }
    let mut actions = Vec::new();
    for filter in &options.filter {
        let known = "kind=KIND or resource=KIND:NAME";
        let wrong = || ManageError::Filter { filter: filter.clone(), known };
        actions.push(match filter.split_once('=').ok_or_else(wrong)? {
            ("kind", kind) => json!({ "action": "skipKind", "properties": { "kind": kind } }),
            ("resource", resource) => {
                let (kind, name) = resource.split_once(':').ok_or_else(wrong)?;
                json!({ "action": "skipResource", "properties": { "kind": kind, "resourceTemplateName": name } })
            }
            _ => return Err(wrong()),
        });
    }
    Ok(object([
        ("orgID", Some(json!(session.organisation_id(&options.organisation).await?))),
        ("stackID", options.stack_id.clone().map(Value::from)),
        ("templates", Some(json!(templates))),
        ("remotes", Some(json!(remotes))),
        ("actions", Some(json!(actions))),
        ("envRefs", Some(pairs("--env-ref", &options.env_ref)?)),
        ("secrets", Some(pairs("--secret", &options.secret)?)),
    ]))
}

/// `KEY=VALUE` as an object; a value may have `=` in it.
fn pairs(flag: &'static str, given: &[String]) -> Result<Value, ManageError> {
    let mut pairs = Map::new();
    for pair in given {
        let (key, value) = pair.split_once('=').ok_or(ManageError::Pair(flag))?;
        pairs.insert(key.to_owned(), value.into());
    }
    Ok(pairs.into())
}

/// Files, and those of directories by name.
fn files(given: &[PathBuf], is_deep: bool) -> Result<Vec<PathBuf>, ManageError> {
    let is_template = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        ["yml", "yaml", "json"].contains(&ending.to_ascii_lowercase().as_str())
    };
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, bool)> = given.iter().rev().map(|path| (path.clone(), true)).collect();
    while let Some((path, is_named)) = waiting.pop() {
        let failed = |source| ManageError::File { path: path.clone(), source };
        if !path.is_dir() {
            found.push(path);
        } else if is_named || is_deep {
            let entries = std::fs::read_dir(&path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
            let mut inside: Vec<PathBuf> = entries.map_err(failed)?.iter().map(std::fs::DirEntry::path).collect();
            inside.sort();
            let inside = inside.into_iter().rev().filter(|path| path.is_dir() || is_template(path));
            waiting.extend(inside.map(|path| (path, false)));
        }
    }
    Ok(found)
}

/// One row for each resource and each label of one, in the order of the kinds.
fn changes(difference: &Value) -> Vec<Value> {
    let mut by_kind: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    let lists = difference.as_object().into_iter().flatten().filter(|(list, _)| *list != "labelMappings");
    for row in lists.flat_map(|(_, rows)| rows.as_array().into_iter().flatten()) {
        let kind = text(row, "/kind");
        let place = TEMPLATE_KINDS.iter().position(|known| kind.starts_with(known.name));
        by_kind.entry(place.unwrap_or(TEMPLATE_KINDS.len())).or_default().push(row.clone());
    }
    let mut rows: Vec<Value> = by_kind.into_values().flatten().collect();
    let mappings = difference["labelMappings"].as_array().into_iter().flatten();
    rows.extend(mappings.map(|mapping| {
        json!({
            "stateStatus": mapping["stateStatus"],
            "kind": "Label mapping",
            "templateMetaName": mapping["resourceMetaName"],
            "id": mapping["resourceID"],
            "new": { "name": mapping["labelName"] },
        })
    }));
    rows
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn directories_are_read_as_far_as_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("a/deep")).unwrap();
        for name in ["a/2.yml", "a/1.json", "a/deep/3.yaml", "a/readme.txt", "b.txt"] {
            std::fs::write(path(name), "").unwrap();
        }
        let given = [path("b.txt"), path("a")];
        assert_eq!(files(&given, false).unwrap(), [path("b.txt"), path("a/1.json"), path("a/2.yml")]);
        assert_eq!(files(&given[1..], true).unwrap(), [path("a/1.json"), path("a/2.yml"), path("a/deep/3.yaml")]);
    }

    #[test]
    fn pairs_and_rows() {
        assert_eq!(pairs("--secret", &["a=b=c".to_owned()]).unwrap(), json!({ "a": "b=c" }));
        assert!(matches!(pairs("--secret", &["a".to_owned()]), Err(ManageError::Pair("--secret"))));
        let difference = json!({
            "variables": [{ "kind": "Variable", "templateMetaName": "v", "stateStatus": "new" }],
            "buckets": [{ "kind": "Bucket", "templateMetaName": "b", "stateStatus": "exists" }],
            "labelMappings": [{ "stateStatus": "new", "resourceMetaName": "b", "labelName": "l" }],
        });
        let kinds: Vec<String> = changes(&difference).iter().map(|row| text(row, "/kind")).collect();
        assert_eq!(kinds, ["Bucket", "Variable", "Label mapping"]);
    }
}
