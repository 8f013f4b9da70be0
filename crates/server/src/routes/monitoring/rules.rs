//! `/api/v2/notificationRules`: which statuses are sent to which endpoint.

use std::sync::Arc;

use catalog::{Action, Document, DocumentId, DocumentKind};
use query::flux::monitoring::{RuleScript, Sender, StatusRule, TagOperator, TagRule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::endpoints::EndpointContent;
use super::{Beside, Monitored, Place, Script, Timing, active, level, unwritable};
use crate::api_error::{ApiError, ApiResult};
use crate::routes::documents::{Documents, Shown, content, permission};
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// Notification rules.
pub(in crate::routes) struct Rules;

/// A tag that a status must have, on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::routes) struct TagRuleJson {
    key: String,
    value: String,
    operator: String,
}

/// A level that a status must have or change to, on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct StatusRuleJson {
    current_level: String,
    previous_level: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct RuleRequest {
    name: Option<String>,
    description: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "endpointID")]
    endpoint_id: Option<String>,
    every: Option<String>,
    offset: Option<String>,
    runbook_link: Option<String>,
    tag_rules: Option<Vec<TagRuleJson>>,
    status_rules: Option<Vec<StatusRuleJson>>,
    message_template: Option<String>,
    channel: Option<String>,
}

/// A rule as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::routes) struct RuleContent {
    #[serde(flatten)]
    timing: Timing,
    description: String,
    kind: String,
    endpoint_id: String,
    runbook_link: String,
    tag_rules: Vec<TagRuleJson>,
    status_rules: Vec<StatusRuleJson>,
    message: String,
    channel: String,
}

impl TagRuleJson {
    fn read(&self) -> ApiResult<TagRule> {
        let operator = match self.operator.as_str() {
            "equal" => TagOperator::Equal,
            "notequal" => TagOperator::NotEqual,
            "equalregex" => TagOperator::Matches,
            "notequalregex" => TagOperator::MatchesNot,
            other => return Err(ApiError::invalid(format!("Operator {other:?} is invalid"))),
        };
        if self.key.is_empty() || self.value.is_empty() {
            return Err(ApiError::invalid("tag must contain a key and a value"));
        }
        Ok(TagRule { key: self.key.clone(), value: self.value.clone(), operator })
    }
}

impl RuleContent {
    /// The endpoint, which has to be of the rule's organisation and type.
    fn endpoint(&self, state: &AppState, rule_place: catalog::OrganisationId) -> ApiResult<Arc<Document>> {
        let missing = || ApiError::invalid("Notification Rule EndpointID is invalid");
        let id: DocumentId = self.endpoint_id.parse().map_err(|_| missing())?;
        let found = state.catalog().find_document(DocumentKind::NotificationEndpoint, id)?;
        if found.organisation_id == rule_place {
            Ok(found)
        } else {
            Err(ApiError::not_found("notification endpoint not found"))
        }
    }

    fn sender(&self, endpoint: &EndpointContent) -> ApiResult<Sender> {
        if endpoint.kind != self.kind {
            let (given, wanted) = (&endpoint.kind, &self.kind);
            return Err(ApiError::invalid(format!("endpoint provided is a {given}, not an {wanted} endpoint")));
        }
        Ok(match self.kind.as_str() {
            "http" => Sender::Http { url: endpoint.url.clone(), authorization: endpoint.authorization()? },
            "slack" => Sender::Slack {
                // Where there is only a token, Slack's own API is meant.
                url: Some(endpoint.url.clone())
                    .filter(|url| !url.is_empty())
                    .unwrap_or_else(|| "https://slack.com/api/chat.postMessage".to_owned()),
                token_key: endpoint.token_key(),
                channel: self.channel.clone(),
                message: self.message.clone(),
            },
            _ => Sender::PagerDuty {
                url: Some(endpoint.url.clone()).filter(|url| !url.is_empty()),
                routing_key: endpoint.routing_key()?,
                client_url: endpoint.client_url.clone(),
            },
        })
    }

    fn script(&self, id: DocumentId, name: &str, endpoint: &Document) -> ApiResult<Script> {
        let to: EndpointContent = content(endpoint)?;
        let tags = self.tag_rules.iter().map(TagRuleJson::read).collect::<ApiResult<Vec<_>>>()?;
        let status = |rule: &StatusRuleJson| {
            let previous = rule.previous_level.as_deref().map(level).transpose()?;
            Ok(StatusRule { previous, current: level(&rule.current_level)? })
        };
        let statuses = self.status_rules.iter().map(status).collect::<ApiResult<Vec<_>>>()?;
        let rule = RuleScript {
            id: &id.to_string(),
            name,
            endpoint_id: &endpoint.id.to_string(),
            endpoint_name: &endpoint.name,
            every: &self.timing.every,
            offset: self.timing.offset.as_deref(),
            tags: &tags,
            statuses: &statuses,
            sender: &self.sender(&to)?,
        };
        let flux = rule.write().map_err(unwritable)?;
        Ok(Script { flux, permissions: self.timing.permissions.clone(), is_wanted: to.is_active })
    }
}

impl Documents for Rules {
    const KIND: DocumentKind = DocumentKind::NotificationRule;
    const PATH: &'static str = "/api/v2/notificationRules";
    const LIST: &'static str = "notificationRules";
    type Request = RuleRequest;
    type Content = RuleContent;

    fn change(request: RuleRequest, before: Option<(&str, RuleContent)>) -> ApiResult<(String, RuleContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(ApiError::invalid("Notification Rule Name can't be empty"));
        }
        let was_active = before.as_ref().map(|before| before.timing.is_active);
        let mut rule = before.unwrap_or_default();
        rule.timing.is_active = active(request.status.as_deref(), was_active)?;
        for (place, given) in [
            (&mut rule.timing.every, request.every),
            (&mut rule.description, request.description),
            (&mut rule.kind, request.kind),
            (&mut rule.endpoint_id, request.endpoint_id),
            (&mut rule.runbook_link, request.runbook_link),
            (&mut rule.message, request.message_template),
            (&mut rule.channel, request.channel),
        ] {
            if let Some(given) = given {
                *place = given;
            }
        }
        rule.timing.offset = request.offset.or(rule.timing.offset).filter(|offset| !offset.is_empty());
        rule.tag_rules = request.tag_rules.unwrap_or(rule.tag_rules);
        rule.status_rules = request.status_rules.unwrap_or(rule.status_rules);
        match rule.kind.as_str() {
            "http" => {}
            "slack" if rule.message.is_empty() => return Err(ApiError::invalid("slack msg template is empty")),
            "pagerduty" if rule.message.is_empty() => {
                return Err(ApiError::invalid("pagerduty invalid message template"));
            }
            "slack" | "pagerduty" => {}
            other => {
                let message = format!("invalid notification type {other:?}: there are http, slack and pagerduty");
                return Err(ApiError::invalid(message));
            }
        }
        Ok((name, rule))
    }

    fn show(shown: &Shown<'_>, rule: RuleContent) -> Value {
        let document = shown.document;
        let upper = |rule: &StatusRuleJson| {
            let previous = rule.previous_level.as_ref().map(|level| level.to_uppercase());
            json!({ "currentLevel": rule.current_level.to_uppercase(), "previousLevel": previous })
        };
        let mut answer = json!({
            "id": document.id.to_string(),
            "name": document.name,
            "endpointID": rule.endpoint_id,
            "orgID": document.organisation_id.to_string(),
            "ownerID": document.owner_id.to_string(),
            "runbookLink": rule.runbook_link,
            "statusRules": rule.status_rules.iter().map(upper).collect::<Vec<Value>>(),
            "createdAt": rfc3339_nano(document.created_at_ns),
            "updatedAt": rfc3339_nano(document.updated_at_ns),
            "type": rule.kind,
            "labels": shown.labels(),
            "links": shown.links::<Self>(&["labels", "members", "owners", "query"]),
        });
        if !rule.description.is_empty() {
            answer["description"] = rule.description.into();
        }
        if !rule.tag_rules.is_empty() {
            answer["tagRules"] = json!(rule.tag_rules);
        }
        if matches!(rule.kind.as_str(), "slack" | "pagerduty") {
            answer["messageTemplate"] = rule.message.into();
        }
        if rule.kind == "slack" {
            answer["channel"] = rule.channel.into();
        }
        rule.timing.show(shown.state, document, &mut answer);
        answer
    }
}

impl Monitored for Rules {
    fn complete(place: &Place<'_>, rule: &mut RuleContent) -> ApiResult<Beside> {
        let endpoint = rule.endpoint(place.state, place.organisation_id)?;
        place.principal.require(permission(Action::Read, &endpoint))?;
        let script = rule.script(place.id, place.name, &endpoint)?;
        rule.timing.read(&script.flux)?;
        Ok(Beside { job: Some(rule.timing.job(place, &script.flux)?), secrets: Vec::new() })
    }

    fn script(state: &AppState, document: &Document) -> ApiResult<Option<Script>> {
        let rule: RuleContent = content(document)?;
        let endpoint = rule.endpoint(state, document.organisation_id)?;
        rule.script(document.id, &document.name, &endpoint).map(Some)
    }
}
