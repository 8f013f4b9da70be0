//! `POST /api/v2/templates/export`: resources as objects, in JSON or YAML.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::object::{Object, unprocessable};
use super::plan::{listed, shown};
use super::stacks;
use super::{Inside, text, yaml};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::Json;
use crate::limits::TEMPLATE_OBJECTS;
use crate::state::AppState;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ExportRequest {
    #[serde(rename = "stackID")]
    stack_id: Option<String>,
    #[serde(rename = "orgIDs")]
    org_ids: Option<Vec<Organisation>>,
    resources: Option<Vec<Resource>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organisation {
    #[serde(rename = "orgID")]
    org_id: String,
    resource_filters: Option<Filters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filters {
    by_label: Option<Vec<String>>,
    by_resource_kind: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    kind: String,
    #[serde(default)]
    id: Option<String>,
    name: Option<String>,
}

/// A resource that is exported.
struct Exported {
    kind: Kind,
    shown: Value,
    /// Its name in the template.
    meta_name: String,
}

/// What is exported so far.
#[derive(Default)]
struct Export(Vec<Exported>);

/// The name of a resource in a template: its kind and the end of its id, which rises with time.
fn meta_name(kind: Kind, id: &str) -> String {
    let word = kind.list().trim_end_matches('s').to_lowercase();
    format!("{word}-{}", id.get(id.len().saturating_sub(10)..).unwrap_or(id))
}

impl Export {
    /// Adds a resource with its labels and endpoint, once.
    async fn add(
        &mut self,
        inside: &Inside,
        kind: Kind,
        mut shown_now: Value,
        name: Option<(&str, &str)>,
    ) -> ApiResult<()> {
        let id = text(&shown_now, "id").to_owned();
        if self.find(kind, &id).is_some() {
            return Ok(());
        }
        if self.0.len() >= TEMPLATE_OBJECTS {
            return Err(unprocessable(format!("a template has {TEMPLATE_OBJECTS} objects at most")));
        }
        if kind == Kind::Dashboard {
            shown_now = shown(inside, kind, &id).await?;
        }
        if let Some((_, name)) = name.filter(|(_, name)| !name.is_empty()) {
            shown_now["name"] = name.into();
        }
        let given = name.map(|(meta_name, _)| meta_name).filter(|name| !name.is_empty());
        let meta_name = given.map_or_else(|| meta_name(kind, &id), str::to_owned);
        let labels = shown_now.get("labels").and_then(Value::as_array).cloned().unwrap_or_default();
        let endpoint = text(&shown_now, "endpointID").to_owned();
        self.0.push(Exported { kind, shown: shown_now, meta_name });
        for label in labels {
            Box::pin(self.add(inside, Kind::Label, label, None)).await?;
        }
        if kind == Kind::Rule {
            let endpoint = shown(inside, Kind::Endpoint, &endpoint).await?;
            Box::pin(self.add(inside, Kind::Endpoint, endpoint, None)).await?;
        }
        Ok(())
    }

    fn find(&self, kind: Kind, id: &str) -> Option<&Exported> {
        self.0.iter().find(|known| known.kind == kind && text(&known.shown, "id") == id)
    }

    /// The objects, what others refer to first.
    fn objects(mut self) -> ApiResult<Vec<Value>> {
        self.0.sort_by_key(|exported| exported.kind);
        let object = |exported: &Exported| {
            let endpoint = self.find(Kind::Endpoint, text(&exported.shown, "endpointID"));
            let (word, mut spec): (_, Map<String, Value>) =
                exported.kind.object(&exported.shown, endpoint.map(|endpoint| endpoint.meta_name.as_str()))?;
            let labels = exported.shown.get("labels").and_then(Value::as_array).into_iter().flatten();
            let labels = labels.filter_map(|label| self.find(Kind::Label, text(label, "id")));
            let labels: Vec<Value> = labels.map(|label| json!({ "kind": "Label", "name": label.meta_name })).collect();
            if !labels.is_empty() {
                spec.insert("associations".to_owned(), labels.into());
            }
            Ok(Object::write(word, &exported.meta_name, spec))
        };
        self.0.iter().map(object).collect()
    }
}

/// Whether a resource is one of those that are made by people.
fn is_own(kind: Kind, shown: &Value) -> bool {
    !(kind == Kind::Bucket && text(shown, "type") == "system" || kind == Kind::Check && text(shown, "type") == "custom")
}

/// All of an organisation that the filters let through.
async fn add_organisation(export: &mut Export, inside: &Inside, of: &Organisation) -> ApiResult<()> {
    let id: catalog::OrganisationId = path_id(&of.org_id)?;
    let Filters { by_label, by_resource_kind } = of
        .resource_filters
        .as_ref()
        .map(|filters| Filters {
            by_label: filters.by_label.clone().filter(|labels| !labels.is_empty()),
            by_resource_kind: filters.by_resource_kind.clone().filter(|kinds| !kinds.is_empty()),
        })
        .unwrap_or_default();
    let kinds = by_resource_kind
        .iter()
        .flatten()
        .map(|word| Kind::from_word(word).ok_or_else(|| ApiError::invalid(format!("unsupported kind {word:?}"))));
    let kinds = kinds.collect::<ApiResult<Vec<Kind>>>()?;
    let wanted = |kind: &&Kind| by_resource_kind.is_none() || kinds.contains(kind);
    for kind in Kind::ALL.iter().filter(wanted) {
        for found in listed(inside, *kind, &id.to_string()).await? {
            let mut labels = found.get("labels").and_then(Value::as_array).into_iter().flatten();
            let has_label = by_label.as_ref().is_none_or(|wanted| {
                labels.any(|label| wanted.iter().any(|name| name == text(label, "name")))
                    || *kind == Kind::Label && wanted.iter().any(|name| name == text(&found, "name"))
            });
            if has_label && is_own(*kind, &found) {
                export.add(inside, *kind, found, None).await?;
            }
        }
    }
    Ok(())
}

/// `POST`
pub(in crate::routes) async fn export(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ExportRequest>,
) -> ApiResult<Response> {
    let inside = Inside::new(&state, &principal);
    let mut export = Export::default();
    if let Some(id) = request.stack_id.as_deref().filter(|id| !id.is_empty()) {
        let stack = stacks::stack(&state, &principal, id, catalog::Action::Read)?;
        for member in stacks::members(&stack)? {
            // One that was deleted meanwhile is no longer part of it.
            if let Ok(found) = shown(&inside, member.kind, &member.id).await {
                export.add(&inside, member.kind, found, Some((&member.meta_name, ""))).await?;
            }
        }
    }
    for Resource { kind, id, name } in request.resources.iter().flatten() {
        let kind = Kind::from_word(kind).ok_or_else(|| ApiError::invalid(format!("unsupported kind {kind:?}")))?;
        let id: catalog::DocumentId = path_id(id.as_deref().unwrap_or_default())?;
        let found = shown(&inside, kind, &id.to_string()).await?;
        export.add(&inside, kind, found, name.as_deref().map(|name| ("", name))).await?;
    }
    for organisation in request.org_ids.iter().flatten() {
        add_organisation(&mut export, &inside, organisation).await?;
    }
    let objects = export.objects()?;
    let wants_yaml = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|kinds| {
        ["application/x-yaml", "application/yaml", "text/yml", "text/yaml"].iter().any(|yaml| kinds.contains(yaml))
    });
    if !wants_yaml {
        return Ok(Json(objects).into_response());
    }
    let text = yaml::write(&objects).map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static("application/x-yaml");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
