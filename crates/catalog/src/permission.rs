//! What a token or session may do: permissions, how they match, and the sets that the server hands out.
//!
//! The rules are those of InfluxDB 2 (authz.go). Nothing here knows who holds a set.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::PermissionDeniedError;
use crate::id::{BucketId, OrganisationId, UserId, parse_id};
use crate::words::words;

words! {
    /// What may be done to a resource.
    pub enum Action, unknown is Action {
        /// Look at it.
        Read = "read",
        /// Create, change or delete it, or write points into it.
        Write = "write",
    }
}

words! {
    /// The kinds of resources that permissions speak of.
    pub enum ResourceType, unknown is ResourceType {
        /// Tokens.
        Authorizations = "authorizations",
        /// Buckets and the points in them.
        Buckets = "buckets",
        /// Dashboards.
        Dashboards = "dashboards",
        /// Organisations.
        Orgs = "orgs",
        /// Sources of the old user interface.
        Sources = "sources",
        /// Tasks.
        Tasks = "tasks",
        /// Telegraf configurations.
        Telegrafs = "telegrafs",
        /// Users.
        Users = "users",
        /// Dashboard variables.
        Variables = "variables",
        /// Scrapers.
        Scrapers = "scrapers",
        /// Secrets.
        Secrets = "secrets",
        /// Labels.
        Labels = "labels",
        /// Views of dashboard cells.
        Views = "views",
        /// Documents.
        Documents = "documents",
        /// Notification rules.
        NotificationRules = "notificationRules",
        /// Notification endpoints.
        NotificationEndpoints = "notificationEndpoints",
        /// Checks.
        Checks = "checks",
        /// Mappings of 1.x databases and retention policies.
        Dbrp = "dbrp",
        /// Notebooks.
        Notebooks = "notebooks",
        /// Annotations.
        Annotations = "annotations",
        /// Remote servers.
        Remotes = "remotes",
        /// Replications to remote servers.
        Replications = "replications",
        /// The whole server: a permission on it matches every resource.
        Instance = "instance",
    }
}

impl ResourceType {
    /// Whether the server checks resources of this kind without an organisation, since none owns them.
    fn is_global(self) -> bool {
        matches!(self, Self::Orgs | Self::Users | Self::Instance)
    }
}

/// The resources that a permission is about, or the one that a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The kind.
    pub resource_type: ResourceType,
    /// One resource; `None` for all of the kind (in the organisation, if that is given).
    pub id: Option<u64>,
    /// The organisation; `None` for any.
    pub organisation_id: Option<OrganisationId>,
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(organisation_id) = self.organisation_id {
            write!(formatter, "orgs/{organisation_id}/")?;
        }
        write!(formatter, "{}", self.resource_type)?;
        match self.id {
            Some(id) => write!(formatter, "/{id:016x}"),
            None => Ok(()),
        }
    }
}

/// An action on resources: what a token grants, and also what a request needs.
///
/// Its text is the one of InfluxDB's messages: `write:orgs/<organisation id>/buckets/<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission {
    /// What may be done.
    pub action: Action,
    /// To what.
    pub resource: Resource,
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.action, self.resource)
    }
}

impl Permission {
    /// On all resources of a kind in all organisations.
    #[must_use]
    pub fn on_type(action: Action, resource_type: ResourceType) -> Self {
        Self { action, resource: Resource { resource_type, id: None, organisation_id: None } }
    }

    /// On all resources of a kind in one organisation.
    #[must_use]
    pub fn in_organisation(action: Action, resource_type: ResourceType, organisation_id: OrganisationId) -> Self {
        Self { action, resource: Resource { resource_type, id: None, organisation_id: Some(organisation_id) } }
    }

    /// On one organisation itself.
    #[must_use]
    pub fn on_organisation(action: Action, organisation_id: OrganisationId) -> Self {
        Self::on_one(action, ResourceType::Orgs, organisation_id.get(), None)
    }

    /// On one bucket of an organisation.
    #[must_use]
    pub fn on_bucket(action: Action, bucket_id: BucketId, organisation_id: OrganisationId) -> Self {
        Self::on_one(action, ResourceType::Buckets, bucket_id.get(), Some(organisation_id))
    }

    /// On one user.
    #[must_use]
    pub fn on_user(action: Action, user_id: UserId) -> Self {
        Self::on_one(action, ResourceType::Users, user_id.get(), None)
    }

    /// On one resource, in an organisation if one owns it.
    #[must_use]
    pub fn on_one(action: Action, resource_type: ResourceType, id: u64, organisation: Option<OrganisationId>) -> Self {
        Self { action, resource: Resource { resource_type, id: Some(id), organisation_id: organisation } }
    }

    /// What both permissions allow, if there is anything.
    fn common(&self, other: &Self) -> Option<Self> {
        if self.action != other.action {
            return None;
        }
        let (left, right) = (&self.resource, &other.resource);
        let resource_type = match (left.resource_type, right.resource_type) {
            (ResourceType::Instance, _) => return Some(*other),
            (_, ResourceType::Instance) => return Some(*self),
            (left, right) if left == right => left,
            _ => return None,
        };
        let same = |left: Option<u64>, right: Option<u64>| match (left, right) {
            (Some(left), Some(right)) => (left == right).then_some(Some(left)),
            (left, right) => Some(left.or(right)),
        };
        let id = same(left.id, right.id)?;
        let organisation = |resource: &Resource| resource.organisation_id.map(OrganisationId::get);
        let organisation = same(organisation(left), organisation(right))?;
        let organisation_id = organisation.and_then(OrganisationId::from_u64);
        Some(Self { action: self.action, resource: Resource { resource_type, id, organisation_id } })
    }

    /// The same permission without an organisation that never decides anything.
    fn without_idle_organisation(&self) -> Self {
        let mut permission = *self;
        if permission.resource.resource_type.is_global() && permission.resource.id.is_some() {
            permission.resource.organisation_id = None;
        }
        permission
    }

    /// Whether holding `self` is enough for `needed`.
    ///
    /// The action has to be the same. Then: type `instance` matches all; otherwise the type has to be the same, and a
    /// permission with neither organisation nor id matches all organisations, one with an organisation all that is in
    /// it, one with an id that resource. Where both name an organisation, it has to be the same one even if the ids are
    /// equal: InfluxDB only logs that case, so that a token of one organisation can be made to reach into another.
    #[must_use]
    pub fn matches(&self, needed: &Self) -> bool {
        if self.action != needed.action {
            return false;
        }
        let (held, needed) = (&self.resource, &needed.resource);
        if held.resource_type == ResourceType::Instance {
            return true;
        }
        if held.resource_type != needed.resource_type {
            return false;
        }
        match (held.organisation_id, held.id) {
            (None, None) => true,
            (Some(organisation), None) => needed.organisation_id == Some(organisation),
            (None, Some(id)) => needed.id == Some(id),
            (Some(organisation), Some(id)) => {
                needed.id == Some(id) && needed.organisation_id.is_none_or(|other| other == organisation)
            }
        }
    }
}

/// The permissions of one principal. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionSet(Arc<[Permission]>);

impl PermissionSet {
    /// A set of these, in this order.
    #[must_use]
    pub fn new(permissions: Vec<Permission>) -> Self {
        Self(permissions.into())
    }

    /// The permissions in the order they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[Permission] {
        &self.0
    }

    /// Whether one of them matches.
    #[must_use]
    pub fn allows(&self, needed: &Permission) -> bool {
        self.0.iter().any(|held| held.matches(needed))
    }

    /// [`PermissionSet::allows`] as a result.
    ///
    /// # Errors
    /// [`PermissionDeniedError`], whose text is `write:orgs/<organisation id>/buckets/<id> is unauthorized`.
    pub fn require(&self, needed: Permission) -> Result<(), PermissionDeniedError> {
        if self.allows(&needed) { Ok(()) } else { Err(PermissionDeniedError(needed)) }
    }

    /// Whether the holder of this set may give `granted` to a new token: only if nothing that `granted` matches is
    /// beyond the set.
    ///
    /// That takes more than matching. Requests for users and organisations are checked by id alone, so an organisation
    /// beside such an id says nothing; and a permission that names no organisation reaches into all of them, so one
    /// that is bound to an organisation does not cover it.
    #[must_use]
    pub fn may_grant(&self, granted: &Permission) -> bool {
        let granted = granted.without_idle_organisation();
        self.0.iter().map(Permission::without_idle_organisation).any(|held| {
            let bound_to = held.resource.organisation_id;
            let unbound = bound_to.is_none() || held.resource.resource_type == ResourceType::Instance;
            held.matches(&granted) && (unbound || bound_to == granted.resource.organisation_id)
        })
    }

    /// What both sets allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut common: Vec<Permission> = Vec::new();
        for permission in self.0.iter().flat_map(|left| other.0.iter().filter_map(|right| left.common(right))) {
            if !common.contains(&permission) {
                common.push(permission);
            }
        }
        Self::new(common)
    }

    /// The text for SQL: a JSON array.
    ///
    /// # Errors
    /// Only faults of the encoder.
    pub fn to_stored(&self) -> Result<String, serde_json::Error> {
        let rows: Vec<StoredPermission> = self.0.iter().map(StoredPermission::from_permission).collect();
        serde_json::to_string(&rows)
    }

    /// The set that [`PermissionSet::to_stored`] wrote; `None` if the text is anything else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let rows: Vec<StoredPermission> = serde_json::from_str(text).ok()?;
        let permissions: Option<Vec<Permission>> = rows.iter().map(StoredPermission::to_permission).collect();
        permissions.map(Self::new)
    }
}

/// A permission as it stands in the database.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPermission {
    action: String,
    resource_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation_id: Option<String>,
}

impl StoredPermission {
    fn from_permission(permission: &Permission) -> Self {
        Self {
            action: permission.action.to_string(),
            resource_type: permission.resource.resource_type.to_string(),
            id: permission.resource.id.map(|id| format!("{id:016x}")),
            organisation_id: permission.resource.organisation_id.map(|id| id.to_string()),
        }
    }

    fn to_permission(&self) -> Option<Permission> {
        let id = self.id.as_deref().map(parse_id).transpose().ok()?;
        let organisation_id = self.organisation_id.as_deref().map(str::parse).transpose().ok()?;
        let resource_type = self.resource_type.parse().ok()?;
        Some(Permission {
            action: self.action.parse().ok()?,
            resource: Resource { resource_type, id: id.map(std::num::NonZeroU64::get), organisation_id },
        })
    }
}

/// Read and write on everything in every organisation: 44 permissions, those of the first token of a server.
#[must_use]
pub fn operator_permissions() -> PermissionSet {
    let permissions = grantable_types()
        .flat_map(|resource_type| Action::ALL.iter().map(move |&action| Permission::on_type(action, resource_type)));
    PermissionSet::new(permissions.collect())
}

/// Read and write on everything in one organisation: 44 permissions, those of an all-access token.
#[must_use]
pub fn all_access_permissions(organisation_id: OrganisationId) -> PermissionSet {
    PermissionSet::new(organisation_permissions(organisation_id, Action::ALL))
}

/// What an owner (both actions) or a member (read) of an organisation may do in it.
pub(crate) fn organisation_permissions(organisation_id: OrganisationId, actions: &[Action]) -> Vec<Permission> {
    let of_type = |resource_type| {
        actions.iter().map(move |&action| match resource_type {
            ResourceType::Orgs => Permission::on_organisation(action, organisation_id),
            _ => Permission::in_organisation(action, resource_type, organisation_id),
        })
    };
    grantable_types().flat_map(of_type).collect()
}

/// All types but the instance, which only a mapping can give.
fn grantable_types() -> impl Iterator<Item = ResourceType> {
    ResourceType::ALL.iter().copied().filter(|&resource_type| resource_type != ResourceType::Instance)
}

#[cfg(test)]
mod tests;
