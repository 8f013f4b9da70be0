//! Who is owner or member of a resource, and what sessions may do because of it.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::documents::DocumentKind;
use crate::error::CatalogError;
use crate::id::{BucketId, DocumentId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::permission::{
    Action, Permission, PermissionSet, ResourceType, operator_permissions, organisation_permissions,
};
use crate::users::User;
use crate::words::words;

words! {
    /// What a user is to a resource.
    pub enum Role, unknown is Role {
        /// Reads and writes it.
        Owner = "owner",
        /// Reads it.
        Member = "member",
    }
}

impl Role {
    fn actions(self) -> &'static [Action] {
        match self {
            Self::Owner => Action::ALL,
            Self::Member => &[Action::Read],
        }
    }
}

/// A resource that has owners and members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappedResource {
    /// The kind.
    pub resource_type: ResourceType,
    /// Its id among those of the kind.
    pub id: u64,
}

impl MappedResource {
    /// The whole server; its owner is the operator.
    pub const INSTANCE: Self = Self { resource_type: ResourceType::Instance, id: 1 };

    /// An organisation.
    #[must_use]
    pub fn organisation(id: OrganisationId) -> Self {
        Self { resource_type: ResourceType::Orgs, id: id.get() }
    }

    /// A bucket.
    #[must_use]
    pub fn bucket(id: BucketId) -> Self {
        Self { resource_type: ResourceType::Buckets, id: id.get() }
    }
}

impl Catalog {
    /// Makes a user owner or member of a resource.
    ///
    /// # Errors
    /// The user, organisation or bucket does not exist; the user is owner or member already; or the database failed.
    pub async fn add_mapping(
        &self,
        resource: MappedResource,
        user_id: UserId,
        role: Role,
    ) -> Result<Arc<User>, CatalogError> {
        self.commit(|image| {
            let user = image.users.get(&user_id).ok_or(CatalogError::UserNotFound)?;
            check_exists(image, resource)?;
            if image.mappings.get(&user_id).is_some_and(|roles| roles.contains_key(&resource)) {
                return Err(CatalogError::MappingExists { user_id });
            }
            Ok((vec![Change::PutMapping(user_id, resource, role)], Arc::clone(user)))
        })
        .await
    }

    /// Takes a role away from a user.
    ///
    /// # Errors
    /// The user does not have that role there, or the database failed.
    pub async fn remove_mapping(
        &self,
        resource: MappedResource,
        user_id: UserId,
        role: Role,
    ) -> Result<(), CatalogError> {
        self.commit(|image| {
            let present = image.mappings.get(&user_id).and_then(|roles| roles.get(&resource));
            if present != Some(&role) {
                return Err(CatalogError::MappingNotFound);
            }
            Ok((vec![Change::RemoveMapping(user_id, resource)], ()))
        })
        .await
    }

    /// The owners or the members of a resource, by id of the user.
    ///
    /// # Errors
    /// The organisation or bucket does not exist.
    pub fn list_mappings(&self, resource: MappedResource, role: Role) -> Result<Vec<Arc<User>>, CatalogError> {
        let image = self.image();
        check_exists(&image, resource)?;
        let of_role = image.mappings_of(resource).filter(|&(_, present)| present == role);
        Ok(of_role.filter_map(|(user_id, _)| image.users.get(&user_id).cloned()).collect())
    }

    /// What a session of the user may do: owners read and write, members read, and everybody is master of itself.
    #[must_use]
    pub fn user_permissions(&self, user_id: UserId) -> PermissionSet {
        permissions_by_role(&self.image(), user_id)
    }
}

/// [`Catalog::user_permissions`] of an image.
pub(crate) fn permissions_by_role(image: &Image, user_id: UserId) -> PermissionSet {
    let mut permissions = Vec::new();
    for (resource, role) in image.mappings.get(&user_id).into_iter().flatten() {
        permissions.extend(permissions_of(image, *resource, *role));
    }
    permissions.extend(Action::ALL.iter().map(|&action| Permission::on_user(action, user_id)));
    PermissionSet::new(permissions)
}

fn permissions_of(image: &Image, resource: MappedResource, role: Role) -> Vec<Permission> {
    let on_one = |owner: Option<OrganisationId>| {
        let actions = role.actions().iter();
        actions.map(|&action| Permission::on_one(action, resource.resource_type, resource.id, owner)).collect()
    };
    match resource.resource_type {
        ResourceType::Orgs => match OrganisationId::from_u64(resource.id) {
            Some(id) => organisation_permissions(id, role.actions()),
            None => Vec::new(),
        },
        ResourceType::Instance => {
            let all = operator_permissions();
            all.as_slice().iter().filter(|permission| role.actions().contains(&permission.action)).copied().collect()
        }
        ResourceType::Buckets => {
            let bucket = BucketId::from_u64(resource.id).and_then(|id| image.buckets.get(&id));
            on_one(bucket.map(|bucket| bucket.organisation_id))
        }
        _ => on_one(organisation_of(image, resource)),
    }
}

/// Whether there is such a resource, of those that have owners, members or labels.
pub(crate) fn check_exists(image: &Image, resource: MappedResource) -> Result<(), CatalogError> {
    match resource.resource_type {
        ResourceType::Orgs => {
            let known = OrganisationId::from_u64(resource.id).is_some_and(|id| image.organisations.contains_key(&id));
            if known { Ok(()) } else { Err(CatalogError::OrganisationNotFound) }
        }
        ResourceType::Buckets => {
            let known = BucketId::from_u64(resource.id).is_some_and(|id| image.buckets.contains_key(&id));
            if known { Ok(()) } else { Err(CatalogError::BucketNotFound) }
        }
        ResourceType::Instance => Ok(()),
        other => {
            let kind = DocumentKind::ALL.iter().copied().find(|kind| kind.resource_type() == other);
            let id = DocumentId::from_u64(resource.id);
            match kind.zip(id).filter(|key| image.documents.contains_key(key)) {
                Some(_) => Ok(()),
                None => Err(kind.map_or(CatalogError::MappingNotFound, CatalogError::DocumentNotFound)),
            }
        }
    }
}

/// The organisation of a document that owners and members refer to.
fn organisation_of(image: &Image, resource: MappedResource) -> Option<OrganisationId> {
    let kind = DocumentKind::ALL.iter().copied().find(|kind| kind.resource_type() == resource.resource_type)?;
    Some(image.documents.get(&(kind, DocumentId::from_u64(resource.id)?))?.organisation_id)
}

#[cfg(test)]
mod tests;
