//! Authorizations: tokens and what they permit.
//!
//! The text of a token is given out once, at its creation; the catalog keeps its SHA-256.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{AuthorizationId, IdGenerator, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::permission::{Permission, PermissionSet};
use crate::secret::{Secret, SecretDigest};
use crate::words::words;

words! {
    /// Whether a token counts.
    pub enum AuthorizationStatus, unknown is AuthorizationStatus {
        /// It does.
        Active = "active",
        /// It is known and refused.
        Inactive = "inactive",
    }
}

/// A token's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    pub(crate) digest: SecretDigest,
    /// Whether it counts.
    pub status: AuthorizationStatus,
    /// Free text, possibly empty.
    pub description: String,
    /// The organisation it was made in.
    pub organisation_id: OrganisationId,
    /// The user it acts for.
    pub user_id: UserId,
    /// What it permits.
    pub permissions: PermissionSet,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
    /// From when on it does not count any more, in nanoseconds since 1970; `None` if it does not end.
    pub expires_at_ns: Option<i64>,
}

/// An authorization to create.
#[derive(Debug, Clone)]
pub struct NewAuthorization {
    /// The organisation it is made in.
    pub organisation_id: OrganisationId,
    /// The user it will act for.
    pub user_id: UserId,
    /// Free text, possibly empty.
    pub description: String,
    /// Whether it counts at once.
    pub status: AuthorizationStatus,
    /// What it permits; at least one.
    pub permissions: Vec<Permission>,
    /// The token's text; `None` or an empty one for a random token.
    pub token: Option<Secret>,
}

/// An authorization that was just created.
#[derive(Debug, Clone)]
pub struct CreatedAuthorization {
    /// The authorization.
    pub authorization: Arc<Authorization>,
    /// The token, shown only here.
    pub token: Secret,
}

/// Which authorizations to list; each part that is given narrows the list.
#[derive(Debug, Clone, Default)]
pub struct AuthorizationFilter {
    /// Those of this user.
    pub user_id: Option<UserId>,
    /// Those of the user of this name.
    pub user: Option<String>,
    /// Those of this organisation.
    pub organisation_id: Option<OrganisationId>,
    /// Those of the organisation of this name.
    pub organisation: Option<String>,
}

/// What to change of an authorization; `None` stays. Token and permissions never change.
#[derive(Debug, Clone, Default)]
pub struct AuthorizationUpdate {
    /// The new status.
    pub status: Option<AuthorizationStatus>,
    /// The new description.
    pub description: Option<String>,
}

impl Catalog {
    /// Creates an authorization. With a `granter` (what the creator may do) only permissions of the creator are given.
    ///
    /// # Errors
    /// The organisation or user does not exist, there are no permissions or one that the granter lacks, the given token
    /// is in use, or the database failed.
    pub async fn create_authorization(
        &self,
        new: NewAuthorization,
        granter: Option<&PermissionSet>,
    ) -> Result<CreatedAuthorization, CatalogError> {
        self.create_expiring_authorization(new, granter, None).await
    }

    /// Creates an authorization that ends, like [`Self::create_authorization`]. From that time on its token is as one
    /// that nobody knows; its record stays until it is deleted.
    ///
    /// # Errors
    /// As [`Self::create_authorization`].
    pub async fn create_expiring_authorization(
        &self,
        new: NewAuthorization,
        granter: Option<&PermissionSet>,
        expires_at_ns: Option<i64>,
    ) -> Result<CreatedAuthorization, CatalogError> {
        let token = token_or_random(new.token.clone())?;
        let authorization = self
            .commit(|image| {
                if !image.organisations.contains_key(&new.organisation_id) {
                    return Err(CatalogError::OrganisationNotFound);
                }
                if !image.users.contains_key(&new.user_id) {
                    return Err(CatalogError::UserNotFound);
                }
                let lacking = |permission: &&Permission| granter.is_some_and(|held| !held.may_grant(permission));
                if let Some(permission) = new.permissions.iter().find(lacking) {
                    return Err(CatalogError::GrantNotAllowed(*permission));
                }
                let authorization = new_authorization(image, self.ids(), self.now_ns(), new, &token)?;
                let authorization = Arc::new(Authorization { expires_at_ns, ..authorization });
                Ok((vec![Change::PutAuthorization(Arc::clone(&authorization))], authorization))
            })
            .await?;
        Ok(CreatedAuthorization { authorization, token })
    }

    /// The authorization of an id.
    ///
    /// # Errors
    /// [`CatalogError::AuthorizationNotFound`].
    pub fn find_authorization(&self, id: AuthorizationId) -> Result<Arc<Authorization>, CatalogError> {
        self.image().authorizations.get(&id).cloned().ok_or(CatalogError::AuthorizationNotFound)
    }

    /// The authorizations that the filter and `visible` let through, all of them by id: InfluxDB does not page here.
    ///
    /// # Errors
    /// The filter names a user or an organisation that does not exist.
    pub fn list_authorizations(
        &self,
        filter: &AuthorizationFilter,
        visible: impl Fn(&Authorization) -> bool,
    ) -> Result<Vec<Arc<Authorization>>, CatalogError> {
        let user = filter.user.as_deref().map(|name| self.find_user_by_name(name)).transpose()?;
        let organisation =
            filter.organisation.as_deref().map(|name| self.find_organisation_by_name(name)).transpose()?;
        let matches = |authorization: &&Arc<Authorization>| {
            filter.user_id.is_none_or(|id| id == authorization.user_id)
                && user.as_ref().is_none_or(|user| user.id == authorization.user_id)
                && filter.organisation_id.is_none_or(|id| id == authorization.organisation_id)
                && organisation.as_ref().is_none_or(|found| found.id == authorization.organisation_id)
        };
        let matching: Vec<_> = self.image().authorizations.values().filter(matches).cloned().collect();
        Ok(matching.into_iter().filter(|authorization| visible(authorization)).collect())
    }

    /// Changes status and description.
    ///
    /// # Errors
    /// It does not exist, or the database failed.
    pub async fn update_authorization(
        &self,
        id: AuthorizationId,
        update: AuthorizationUpdate,
    ) -> Result<Arc<Authorization>, CatalogError> {
        self.commit(|image| {
            let before = image.authorizations.get(&id).ok_or(CatalogError::AuthorizationNotFound)?;
            let mut after = Authorization::clone(before);
            after.status = update.status.unwrap_or(after.status);
            after.description = update.description.unwrap_or(after.description);
            after.updated_at_ns = self.now_ns();
            let after = Arc::new(after);
            Ok((vec![Change::PutAuthorization(Arc::clone(&after))], after))
        })
        .await
    }

    /// Deletes an authorization; its token is unknown from then on.
    ///
    /// # Errors
    /// It does not exist, or the database failed.
    pub async fn delete_authorization(&self, id: AuthorizationId) -> Result<(), CatalogError> {
        self.commit(|image| {
            if !image.authorizations.contains_key(&id) {
                return Err(CatalogError::AuthorizationNotFound);
            }
            Ok((vec![Change::RemoveAuthorization(id)], ()))
        })
        .await
    }
}

/// The given token, or a random one.
pub(crate) fn token_or_random(given: Option<Secret>) -> Result<Secret, CatalogError> {
    match given {
        Some(token) if !token.expose().is_empty() => Ok(token),
        _ => Secret::random(),
    }
}

/// The authorization to be created, with an id. Organisation, user and the right to grant are the caller's to check.
pub(crate) fn new_authorization(
    image: &Image,
    ids: &IdGenerator,
    now_ns: i64,
    new: NewAuthorization,
    token: &Secret,
) -> Result<Authorization, CatalogError> {
    if new.permissions.is_empty() {
        return Err(CatalogError::PermissionsMissing);
    }
    let digest = SecretDigest::of(token.expose());
    if image.tokens.contains_key(&digest) {
        return Err(CatalogError::TokenExists);
    }
    Ok(Authorization {
        id: ids.next(),
        digest,
        status: new.status,
        description: new.description,
        organisation_id: new.organisation_id,
        user_id: new.user_id,
        permissions: PermissionSet::new(new.permissions),
        created_at_ns: now_ns,
        updated_at_ns: now_ns,
        expires_at_ns: None,
    })
}

#[cfg(test)]
mod tests;
