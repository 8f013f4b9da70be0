//! Organisations: creation with the two system buckets, look-ups, lists, changes, and deletion of all they own.

use std::sync::Arc;

use crate::buckets::system_buckets;
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{BucketId, IdGenerator, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::mappings::{MappedResource, Role};
use crate::page::Page;

/// An organisation, the owner of buckets and tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub id: OrganisationId,
    /// Its name, unique on the server.
    pub name: String,
    /// Free text, possibly empty.
    pub description: String,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
}

/// Which organisations to list; each part that is given narrows the list.
#[derive(Debug, Clone, Default)]
pub struct OrganisationFilter {
    /// This one.
    pub id: Option<OrganisationId>,
    /// The one of this name.
    pub name: Option<String>,
    /// Those of which this user is owner or member.
    pub user_id: Option<UserId>,
}

/// What to change of an organisation; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct OrganisationUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
}

impl Catalog {
    /// Creates an organisation with the buckets `_tasks` (72 h) and `_monitoring` (168 h), and makes `owner` its owner.
    ///
    /// # Errors
    /// The name is empty or taken, the owner does not exist, or the database failed.
    pub async fn create_organisation(
        &self,
        name: &str,
        description: &str,
        owner: Option<UserId>,
    ) -> Result<Arc<Organisation>, CatalogError> {
        self.commit(|image| {
            let (organisation, mut changes) = new_organisation(image, self.ids(), self.now_ns(), name, description)?;
            if let Some(owner) = owner {
                if !image.users.contains_key(&owner) {
                    return Err(CatalogError::UserNotFound);
                }
                let resource = MappedResource::organisation(organisation.id);
                changes.push(Change::PutMapping(owner, resource, Role::Owner));
            }
            Ok((changes, organisation))
        })
        .await
    }

    /// The organisation of an id.
    ///
    /// # Errors
    /// [`CatalogError::OrganisationNotFound`].
    pub fn find_organisation(&self, id: OrganisationId) -> Result<Arc<Organisation>, CatalogError> {
        self.image().organisations.get(&id).cloned().ok_or(CatalogError::OrganisationNotFound)
    }

    /// The organisation of a name.
    ///
    /// # Errors
    /// [`CatalogError::OrganisationNameNotFound`].
    pub fn find_organisation_by_name(&self, name: &str) -> Result<Arc<Organisation>, CatalogError> {
        let found = self.image().organisation_by_name(name).cloned();
        found.ok_or_else(|| CatalogError::OrganisationNameNotFound { name: name.to_owned() })
    }

    /// The organisations that the filter and `visible` let through, one page of them by id.
    ///
    /// # Errors
    /// The limit is out of range, or an id or name in the filter is unknown or not visible.
    pub fn list_organisations(
        &self,
        filter: &OrganisationFilter,
        page: &Page,
        visible: impl Fn(&Organisation) -> bool,
    ) -> Result<Vec<Arc<Organisation>>, CatalogError> {
        page.check()?;
        if let Some(id) = filter.id {
            self.find_organisation(id).and_then(|found| seen(found, &visible, CatalogError::OrganisationNotFound))?;
        }
        if let Some(name) = &filter.name {
            let hidden = CatalogError::OrganisationNameNotFound { name: name.clone() };
            self.find_organisation_by_name(name).and_then(|found| seen(found, &visible, hidden))?;
        }
        let matching = self.matching_organisations(filter).into_iter();
        Ok(page.cut(matching.filter(|organisation| visible(organisation)), |organisation| organisation.id.get()))
    }

    fn matching_organisations(&self, filter: &OrganisationFilter) -> Vec<Arc<Organisation>> {
        let image = self.image();
        let mine = filter.user_id.map(|user_id| image.mappings.get(&user_id));
        let is_mine = |id| {
            let resource = MappedResource::organisation(id);
            mine.is_none_or(|roles| roles.is_some_and(|roles| roles.contains_key(&resource)))
        };
        let matches = |organisation: &&Arc<Organisation>| {
            filter.id.is_none_or(|id| id == organisation.id)
                && filter.name.as_ref().is_none_or(|name| *name == organisation.name)
                && is_mine(organisation.id)
        };
        image.organisations.values().filter(matches).cloned().collect()
    }

    /// Changes name and description.
    ///
    /// # Errors
    /// It does not exist, the new name is empty or taken, or the database failed.
    pub async fn update_organisation(
        &self,
        id: OrganisationId,
        update: OrganisationUpdate,
    ) -> Result<Arc<Organisation>, CatalogError> {
        self.commit(|image| {
            let before = image.organisations.get(&id).ok_or(CatalogError::OrganisationNotFound)?;
            let mut after = Organisation::clone(before);
            if let Some(name) = update.name
                && name != before.name
            {
                check_name(image, &name)?;
                after.name = name;
            }
            after.description = update.description.unwrap_or(after.description);
            after.updated_at_ns = self.now_ns();
            let after = Arc::new(after);
            Ok((vec![Change::PutOrganisation(Arc::clone(&after))], after))
        })
        .await
    }

    /// Deletes an organisation with its buckets, tokens and mappings. Returns the buckets, whose points are still there
    /// and have to be dropped by the caller.
    ///
    /// # Errors
    /// It does not exist, or the database failed.
    pub async fn delete_organisation(&self, id: OrganisationId) -> Result<Vec<BucketId>, CatalogError> {
        self.commit(|image| {
            if !image.organisations.contains_key(&id) {
                return Err(CatalogError::OrganisationNotFound);
            }
            let of_organisation = image.buckets.values().filter(|bucket| bucket.organisation_id == id);
            let buckets: Vec<BucketId> = of_organisation.map(|bucket| bucket.id).collect();
            let mut changes = unmap(image, MappedResource::organisation(id));
            changes.extend(crate::dbrp::removals(image, |dbrp| dbrp.organisation_id == id));
            changes.extend(crate::continuous_queries::removals(image, |query| query.organisation_id == id));
            changes.extend(crate::v1_users::removals(image, |user| user.organisation_id == id));
            for &bucket in &buckets {
                changes.extend(unmap(image, MappedResource::bucket(bucket)));
                changes.extend(crate::labels::removals(image, MappedResource::bucket(bucket)));
                changes.extend(crate::caches::removals(image, bucket));
                changes.push(Change::RemoveBucket(bucket));
                changes.push(Change::PutDroppedBucket(bucket, id));
            }
            changes.extend(crate::documents::removals_in(image, id));
            let secrets = image.secrets.get(&id).into_iter().flat_map(|secrets| secrets.keys());
            changes.extend(secrets.map(|name| Change::RemoveSecret(id, name.clone())));
            let tokens = image.authorizations.values().filter(|token| token.organisation_id == id);
            changes.extend(tokens.map(|token| Change::RemoveAuthorization(token.id)));
            changes.push(Change::RemoveOrganisation(id));
            Ok((changes, buckets))
        })
        .await
    }
}

/// The changes that create an organisation and its system buckets.
pub(crate) fn new_organisation(
    image: &Image,
    ids: &IdGenerator,
    now_ns: i64,
    name: &str,
    description: &str,
) -> Result<(Arc<Organisation>, Vec<Change>), CatalogError> {
    check_name(image, name)?;
    let organisation = Arc::new(Organisation {
        id: ids.next(),
        name: name.to_owned(),
        description: description.to_owned(),
        created_at_ns: now_ns,
        updated_at_ns: now_ns,
    });
    let mut changes = vec![Change::PutOrganisation(Arc::clone(&organisation))];
    let buckets = system_buckets(ids, now_ns, organisation.id);
    changes.extend(buckets.into_iter().map(|bucket| Change::PutBucket(Arc::new(bucket))));
    Ok((organisation, changes))
}

/// The changes that remove all owners and members of a resource.
pub(crate) fn unmap(image: &Image, resource: MappedResource) -> Vec<Change> {
    image.mappings_of(resource).map(|(user_id, _)| Change::RemoveMapping(user_id, resource)).collect()
}

/// The entry, or `hidden` if it is not to be seen.
pub(crate) fn seen<T>(
    entry: Arc<T>,
    visible: impl Fn(&T) -> bool,
    hidden: CatalogError,
) -> Result<Arc<T>, CatalogError> {
    if visible(&entry) { Ok(entry) } else { Err(hidden) }
}

fn check_name(image: &Image, name: &str) -> Result<(), CatalogError> {
    if name.trim().is_empty() {
        return Err(CatalogError::OrganisationNameEmpty);
    }
    if image.organisation_names.contains_key(name) {
        return Err(CatalogError::OrganisationExists { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
