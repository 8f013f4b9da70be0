//! What applying objects does: which resources are there already, and which requests make or change the others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::Method;
use serde_json::{Value, json};

use super::kind::Kind;
use super::object::{Object, unprocessable};
use super::stacks::Member;
use super::{Inside, text};
use crate::api_error::ApiResult;
use crate::request::percent_encode;

/// The id of what is not there yet.
const NO_ID: &str = "0000000000000000";

/// An object and the resource that it means.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) object: Object,
    /// The resource as it is, if it is there.
    pub(super) before: Option<Value>,
    /// The id, once it is there.
    pub(super) id: Option<String>,
    /// The resource as it is shown afterwards.
    pub(super) after: Option<Value>,
}

/// A label on a resource.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Places of steps.
    pub(super) resource: usize,
    pub(super) label: usize,
    pub(super) is_new: bool,
}

/// All steps, in order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) mappings: Vec<Mapping>,
    /// Resources of the stack that the templates do not have any more.
    pub(super) removed: Vec<Member>,
    organisation_id: String,
}

/// A resource as it is shown.
pub(super) async fn shown(inside: &Inside, kind: Kind, id: &str) -> ApiResult<Value> {
    let include = if kind == Kind::Dashboard { "?include=properties" } else { "" };
    let answer = inside.get(&format!("{}/{}{include}", kind.path(), percent_encode(id))).await?;
    Ok(if kind == Kind::Label { answer.get("label").cloned().unwrap_or_default() } else { answer })
}

/// All resources of a kind in an organisation.
pub(super) async fn listed(inside: &Inside, kind: Kind, organisation_id: &str) -> ApiResult<Vec<Value>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    let limit = if kind == Kind::Task { 500 } else { 100 };
    loop {
        let path = format!("{}?orgID={organisation_id}&limit={limit}{after}", kind.path());
        let answer = inside.get(&path).await?;
        let page = answer.get(kind.list()).and_then(Value::as_array).cloned().unwrap_or_default();
        let is_last = page.len() < limit;
        after = page.last().map(|last| format!("&after={}", text(last, "id"))).unwrap_or_default();
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

impl Plan {
    /// Finds the resources that the objects mean: those of the stack, and those of their names.
    pub(super) async fn new(
        inside: &Inside,
        organisation_id: &str,
        objects: Vec<Object>,
        members: &[Member],
    ) -> ApiResult<Self> {
        let mut known: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
        let mut steps = Vec::with_capacity(objects.len());
        for object in objects {
            let member = members.iter().find(|member| member.is_of(object.kind, &object.meta_name));
            let mut before = match member {
                Some(member) => shown(inside, object.kind, &member.id).await.ok(),
                None => None,
            };
            if before.is_none() && object.kind.is_known_by_name() {
                if let Entry::Vacant(entry) = known.entry(object.kind) {
                    entry.insert(listed(inside, object.kind, organisation_id).await?);
                }
                let same = |value: &&Value| text(value, "name") == object.name();
                before = known.get(&object.kind).and_then(|all| all.iter().find(same)).cloned();
            }
            let id = before.as_ref().map(|before| text(before, "id").to_owned());
            steps.push(Step { object, before, id, after: None });
        }
        let mappings = mappings(&steps)?;
        let is_gone =
            |member: &&Member| !steps.iter().any(|step: &Step| member.is_of(step.object.kind, &step.object.meta_name));
        let removed = members.iter().filter(is_gone).cloned().collect();
        let plan = Self { steps, mappings, removed, organisation_id: organisation_id.to_owned() };
        // What cannot be a request is told before anything is done.
        for (place, _) in plan.steps.iter().enumerate() {
            plan.request(place)?;
        }
        Ok(plan)
    }

    /// The endpoint of a rule: as it is, or with what is known of it before it is made.
    fn endpoint(&self, rule: &Object) -> ApiResult<Value> {
        let name = text(&rule.spec, "endpointName");
        let is_meant = |step: &&Step| step.object.kind == Kind::Endpoint && step.object.meta_name == name;
        let found = self.steps.iter().find(is_meant);
        let found = found
            .ok_or_else(|| unprocessable(format!("notification endpoint {name:?} does not exist in the template")))?;
        let request = found.object.kind.request(&found.object.word, &found.object.spec, found.object.name(), None)?;
        Ok(json!({ "id": found.id.as_deref().unwrap_or(NO_ID), "type": text(&request, "type") }))
    }

    /// The request that makes or changes the resource of a step.
    fn request(&self, place: usize) -> ApiResult<Value> {
        let Some(Step { object, .. }) = self.steps.get(place) else { return Ok(Value::Null) };
        let endpoint = if object.kind == Kind::Rule { Some(self.endpoint(object)?) } else { None };
        let mut request = object.kind.request(&object.word, &object.spec, object.name(), endpoint.as_ref())?;
        request["orgID"] = self.organisation_id.as_str().into();
        Ok(request)
    }

    /// Makes and changes the resources. If one is refused, what was made before is taken back.
    pub(super) async fn carry_out(&mut self, inside: &Inside) -> ApiResult<()> {
        let mut made = Vec::new();
        let result = self.carry_out_noting(inside, &mut made).await;
        if result.is_err() {
            for (kind, id) in made.into_iter().rev() {
                if let Err(error) = inside.call(Method::DELETE, &format!("{}/{id}", kind.path()), None).await {
                    tracing::warn!(
                        kind = kind.word(),
                        id,
                        error = error.logged_message(),
                        "a resource of a template that failed is left"
                    );
                }
            }
        }
        result
    }

    async fn carry_out_noting(&mut self, inside: &Inside, made: &mut Vec<(Kind, String)>) -> ApiResult<()> {
        for place in 0..self.steps.len() {
            let request = self.request(place)?;
            let Some(step) = self.steps.get_mut(place) else { continue };
            let kind = step.object.kind;
            let at = |error: crate::api_error::ApiError| {
                error.prefixed(&format!("{} {:?}: ", step.object.word, step.object.meta_name))
            };
            let answer = match &step.id {
                Some(id) => {
                    let method = if kind.is_replaced() { Method::PUT } else { Method::PATCH };
                    inside.call(method, &format!("{}/{id}", kind.path()), Some(&request)).await.map_err(at)?
                }
                None => {
                    let answer = inside.call(Method::POST, kind.path(), Some(&request)).await.map_err(at)?;
                    let of_label = answer.pointer("/label/id").or_else(|| answer.get("id"));
                    let id = of_label.and_then(Value::as_str).unwrap_or_default().to_owned();
                    made.push((kind, id.clone()));
                    step.id = Some(id);
                    answer
                }
            };
            step.after =
                Some(if kind == Kind::Label { answer.get("label").cloned().unwrap_or_default() } else { answer });
        }
        for mapping in self.mappings.iter().filter(|mapping| mapping.is_new) {
            let (Some(resource), Some(label)) = (self.steps.get(mapping.resource), self.steps.get(mapping.label))
            else {
                continue;
            };
            let (Some(id), Some(label)) = (&resource.id, &label.id) else { continue };
            let path = format!("{}/{id}/labels", resource.object.kind.path());
            inside.call(Method::POST, &path, Some(&json!({ "labelID": label }))).await?;
        }
        for member in &self.removed {
            let path = format!("{}/{}", member.kind.path(), member.id);
            if let Err(error) = inside.call(Method::DELETE, &path, None).await {
                tracing::info!(
                    path,
                    error = error.logged_message(),
                    "a resource that a template does not have any more is gone already"
                );
            }
        }
        Ok(())
    }

    /// What would or did change, kind by kind.
    pub(super) fn difference(&self) -> Value {
        let mut kinds: BTreeMap<&str, Vec<Value>> = Kind::ALL.iter().map(|kind| (kind.summary(), Vec::new())).collect();
        for Step { object, before, .. } in &self.steps {
            let id = before.as_ref().map_or(NO_ID, |before| text(before, "id"));
            let mut new = object.spec.clone();
            new["name"] = object.name().into();
            let entry = json!({
                "kind": object.word,
                "id": id,
                "templateMetaName": object.meta_name,
                "stateStatus": if before.is_some() { "exists" } else { "new" },
                "new": new,
                "old": before,
            });
            kinds.entry(object.kind.summary()).or_default().push(entry);
        }
        for member in &self.removed {
            let entry = json!({
                "kind": member.kind.word(),
                "id": member.id,
                "templateMetaName": member.meta_name,
                "stateStatus": "remove",
                "new": null, "old": null,
            });
            kinds.entry(member.kind.summary()).or_default().push(entry);
        }
        let mut difference = json!(kinds);
        difference["labelMappings"] = self.mappings.iter().filter_map(|mapping| self.show_mapping(mapping)).collect();
        difference
    }

    fn show_mapping(&self, mapping: &Mapping) -> Option<Value> {
        let (resource, label) = (self.steps.get(mapping.resource)?, self.steps.get(mapping.label)?);
        let id = |step: &Step| step.id.clone().unwrap_or_else(|| NO_ID.to_owned());
        Some(json!({
            "stateStatus": if mapping.is_new { "new" } else { "exists" },
            "status": if mapping.is_new { "new" } else { "exists" },
            "resourceType": resource.object.kind.list(),
            "resourceID": id(resource),
            "resourceName": resource.object.name(),
            "resourceMetaName": resource.object.meta_name,
            "labelID": id(label),
            "labelName": label.object.name(),
            "labelMetaName": label.object.meta_name,
        }))
    }

    /// The resources as they are or would be, kind by kind.
    pub(super) fn summary(&self) -> Value {
        let mut kinds: BTreeMap<&str, Vec<Value>> = Kind::ALL.iter().map(|kind| (kind.summary(), Vec::new())).collect();
        for (place, step) in self.steps.iter().enumerate() {
            let Step { object, after, before, id } = step;
            let shown = after.as_ref().or(before.as_ref()).cloned();
            let mut entry = shown.clone().unwrap_or_else(|| object.spec.clone());
            entry["kind"] = object.word.as_str().into();
            entry["templateMetaName"] = object.meta_name.as_str().into();
            entry["name"] = object.name().into();
            entry["orgID"] = self.organisation_id.as_str().into();
            entry["id"] = id.as_deref().unwrap_or(NO_ID).into();
            entry["envReferences"] =
                json!(object.references.iter().map(|key| json!({ "envRefKey": key })).collect::<Vec<_>>());
            let own = self.mappings.iter().filter(|mapping| mapping.resource == place);
            let labels = own.filter_map(|mapping| {
                let label = self.steps.get(mapping.label)?;
                Some(json!({
                    "id": label.id,
                    "kind": "Label",
                    "name": label.object.name(),
                    "templateMetaName": label.object.meta_name,
                    "properties": {
                        "color": text(&label.object.spec, "color"),
                        "description": text(&label.object.spec, "description"),
                    },
                }))
            });
            entry["labelAssociations"] = labels.collect();
            let wrapped = match object.kind {
                Kind::Check => Some("check"),
                Kind::Endpoint => Some("notificationEndpoint"),
                Kind::Telegraf => Some("telegrafConfig"),
                _ => None,
            };
            if let Some(key) = wrapped {
                entry[key] = shown.unwrap_or_else(|| object.spec.clone());
            }
            kinds.entry(object.kind.summary()).or_default().push(entry);
        }
        let mut summary = json!(kinds);
        summary["labelMappings"] = self.mappings.iter().filter_map(|mapping| self.show_mapping(mapping)).collect();
        summary
    }

    /// What a stack has after it.
    pub(super) fn members(&self) -> Vec<Member> {
        let member = |step: &Step| {
            let labels = step.object.labels().map(str::to_owned).collect();
            let (kind, meta_name) = (step.object.kind, step.object.meta_name.clone());
            Some(Member { kind, id: step.id.clone()?, meta_name, labels })
        };
        self.steps.iter().filter_map(member).collect()
    }
}

/// The labels that the objects have.
fn mappings(steps: &[Step]) -> ApiResult<Vec<Mapping>> {
    let mut mappings = Vec::new();
    for (resource, step) in steps.iter().enumerate() {
        for name in step.object.labels() {
            let is_meant = |label: &Step| label.object.kind == Kind::Label && label.object.meta_name == name;
            let label = steps.iter().position(is_meant);
            let label = label.ok_or_else(|| unprocessable(format!("label {name:?} does not exist in the template")))?;
            let label_id = steps.get(label).and_then(|label| label.id.as_deref());
            let has = |before: &Value| {
                let mut labels = before.get("labels").and_then(Value::as_array).into_iter().flatten();
                labels.any(|known| Some(text(known, "id")) == label_id)
            };
            mappings.push(Mapping { resource, label, is_new: !step.before.as_ref().is_some_and(has) });
        }
    }
    Ok(mappings)
}
