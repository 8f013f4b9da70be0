//! The users of the API of InfluxDB 1.x, which InfluxDB 2 calls legacy authorizations: a name, a password, and what may
//! be done with them.
//!
//! Such a user acts for a user of the server and in one organisation. It holds permissions, as a token does, and grants
//! on databases by name, as InfluxQL gives them: a grant counts for all retention policies that the database has at the
//! time of the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authentication::{Credential, Principal, check_user};
use crate::authorizations::AuthorizationStatus;
use crate::catalog::Catalog;
use crate::dbrp;
use crate::error::{AuthenticationError, CatalogError};
use crate::id::{OrganisationId, UserId, V1UserId};
use crate::image::{Change, Image};
use crate::password::{PASSWORD_BYTES_MAX, check_password};
use crate::permission::{Action, Permission, PermissionSet, ResourceType, all_access_permissions};
use crate::words::words;

words! {
    /// What a user of 1.x may do with a database.
    pub enum V1Privilege, unknown is V1Privilege {
        /// Nothing any more; it stays in the list.
        None = "none",
        /// Query it.
        Read = "read",
        /// Write to it.
        Write = "write",
        /// Both.
        All = "all",
    }
}

impl V1Privilege {
    fn parts(self) -> (bool, bool) {
        match self {
            Self::None => (false, false),
            Self::Read => (true, false),
            Self::Write => (false, true),
            Self::All => (true, true),
        }
    }

    /// What is left when `other` is taken away, as in InfluxDB: all of it where the same is.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        match (self, other) {
            (_, Self::All) => Self::None,
            (Self::All, Self::Read) => Self::Write,
            (Self::All, Self::Write) => Self::Read,
            (same, other) if same == other => Self::None,
            (same, _) => same,
        }
    }
}

/// A user of 1.x.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1User {
    /// Its id.
    pub id: V1UserId,
    /// Its name, unique on the server.
    pub name: String,
    /// Whether it counts.
    pub status: AuthorizationStatus,
    /// Free text, possibly empty.
    pub description: String,
    /// The organisation it was made in.
    pub organisation_id: OrganisationId,
    /// The user of the server it acts for.
    pub user_id: UserId,
    /// What it may do, besides its grants.
    pub permissions: PermissionSet,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
}

impl V1User {
    /// Whether it may do everything in its organisation, which InfluxQL calls all privileges.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        let of_organisation =
            Permission::in_organisation(Action::Write, ResourceType::Authorizations, self.organisation_id);
        self.permissions.allows(&of_organisation)
    }
}

/// A user of 1.x to create.
#[derive(Debug, Clone)]
pub struct NewV1User {
    /// Its name.
    pub name: String,
    /// Whether it counts at once.
    pub status: AuthorizationStatus,
    /// Free text, possibly empty.
    pub description: String,
    /// The organisation it is made in.
    pub organisation_id: OrganisationId,
    /// The user of the server it will act for.
    pub user_id: UserId,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

/// What to change of a user of 1.x; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct V1UserUpdate {
    /// The new status.
    pub status: Option<AuthorizationStatus>,
    /// The new description.
    pub description: Option<String>,
}

/// What came of a name and a password.
#[derive(Debug, Clone)]
pub enum V1Authentication {
    /// They are right.
    Known(Principal),
    /// There is no user of 1.x of this name.
    NoSuchUser,
    /// Only argon2 can say whether the password is right: a core is busy for tens of milliseconds.
    NotRemembered,
}

impl Catalog {
    /// Creates a user of 1.x, with a password if one is given. With a `granter` (what the creator may do) only
    /// permissions of the creator are given.
    ///
    /// # Errors
    /// The name is empty or taken, the organisation or user does not exist, the granter lacks a permission, the
    /// password is empty or longer than 72 bytes, too many passwords are being worked on, or SQL failed.
    pub async fn create_v1_user(
        &self,
        new: NewV1User,
        password: Option<&str>,
        granter: Option<&PermissionSet>,
    ) -> Result<Arc<V1User>, CatalogError> {
        if new.name.is_empty() {
            return Err(CatalogError::V1UserNameEmpty);
        }
        if self.image().v1_user_names.contains_key(&new.name) {
            return Err(CatalogError::V1UserExists);
        }
        let hash = match password {
            None => None,
            Some(password) => {
                check_short_password(password)?;
                Some(self.passwords().hash(password).await?)
            }
        };
        self.commit(|image| {
            if image.v1_user_names.contains_key(&new.name) {
                return Err(CatalogError::V1UserExists);
            }
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
            let user = Arc::new(V1User {
                id: self.ids().next(),
                name: new.name,
                status: new.status,
                description: new.description,
                organisation_id: new.organisation_id,
                user_id: new.user_id,
                permissions: PermissionSet::new(new.permissions),
                created_at_ns: self.now_ns(),
                updated_at_ns: self.now_ns(),
            });
            let mut changes = vec![Change::PutV1User(Arc::clone(&user))];
            changes.extend(hash.map(|hash| Change::PutV1Password(user.id, hash)));
            Ok((changes, user))
        })
        .await
    }

    /// All users of 1.x, by id.
    #[must_use]
    pub fn list_v1_users(&self) -> Vec<Arc<V1User>> {
        self.image().v1_users.values().cloned().collect()
    }

    /// The user of 1.x of an id.
    ///
    /// # Errors
    /// [`CatalogError::V1UserNotFound`].
    pub fn find_v1_user(&self, id: V1UserId) -> Result<Arc<V1User>, CatalogError> {
        self.image().v1_users.get(&id).cloned().ok_or(CatalogError::V1UserNotFound)
    }

    /// The user of 1.x of a name.
    ///
    /// # Errors
    /// [`CatalogError::V1UserNotFound`].
    pub fn find_v1_user_by_name(&self, name: &str) -> Result<Arc<V1User>, CatalogError> {
        let image = self.image();
        let found = image.v1_user_names.get(name).and_then(|id| image.v1_users.get(id));
        found.cloned().ok_or(CatalogError::V1UserNotFound)
    }

    /// Changes status and description.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn update_v1_user(&self, id: V1UserId, update: V1UserUpdate) -> Result<Arc<V1User>, CatalogError> {
        self.change_v1_user(id, |user| {
            user.status = update.status.unwrap_or(user.status);
            user.description = update.description.unwrap_or_else(|| user.description.clone());
        })
        .await
    }

    /// Gives everything in its organisation to a user of 1.x, or takes all permissions away. Grants stay.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn set_v1_admin(&self, id: V1UserId, is_admin: bool) -> Result<Arc<V1User>, CatalogError> {
        self.change_v1_user(id, |user| {
            user.permissions = match is_admin {
                true => all_access_permissions(user.organisation_id),
                false => PermissionSet::new(Vec::new()),
            };
        })
        .await
    }

    async fn change_v1_user(
        &self,
        id: V1UserId,
        change: impl FnOnce(&mut V1User) + Send,
    ) -> Result<Arc<V1User>, CatalogError> {
        self.commit(|image| {
            let mut user = V1User::clone(image.v1_users.get(&id).ok_or(CatalogError::V1UserNotFound)?);
            change(&mut user);
            user.updated_at_ns = self.now_ns();
            let user = Arc::new(user);
            Ok((vec![Change::PutV1User(Arc::clone(&user))], user))
        })
        .await
    }

    /// Deletes a user of 1.x with its password and grants.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn delete_v1_user(&self, id: V1UserId) -> Result<(), CatalogError> {
        self.commit(|image| {
            let changes = removals(image, |user| user.id == id);
            if changes.is_empty() { Err(CatalogError::V1UserNotFound) } else { Ok((changes, ())) }
        })
        .await
    }

    /// Sets the password of a user of 1.x: of 8 bytes at least where `is_long`, as InfluxDB 2 wants it, otherwise of 1.
    ///
    /// # Errors
    /// It does not exist, the password has a wrong length, too many passwords are being worked on, or SQL failed.
    pub async fn set_v1_password(&self, id: V1UserId, password: &str, is_long: bool) -> Result<(), CatalogError> {
        if is_long {
            check_password(password)?;
        } else {
            check_short_password(password)?;
        }
        self.find_v1_user(id)?;
        let hash = self.passwords().hash(password).await?;
        self.commit(|image| {
            if !image.v1_users.contains_key(&id) {
                return Err(CatalogError::V1UserNotFound);
            }
            Ok((vec![Change::PutV1Password(id, hash)], ()))
        })
        .await
    }

    /// The grants of a user of 1.x, by database.
    #[must_use]
    pub fn v1_grants(&self, id: V1UserId) -> BTreeMap<String, V1Privilege> {
        self.image().v1_grants.get(&id).cloned().unwrap_or_default()
    }

    /// Sets what a user of 1.x may do with a database.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn set_v1_grant(&self, id: V1UserId, database: &str, privilege: V1Privilege) -> Result<(), CatalogError> {
        self.commit(|image| {
            if !image.v1_users.contains_key(&id) {
                return Err(CatalogError::V1UserNotFound);
            }
            Ok((vec![Change::PutV1Grant(id, database.to_owned(), privilege)], ()))
        })
        .await
    }

    /// Takes a database, which is dropped, out of the grants of all users of 1.x of its organisation.
    ///
    /// # Errors
    /// SQL failed.
    pub async fn forget_v1_grants(&self, organisation: OrganisationId, database: &str) -> Result<(), CatalogError> {
        self.commit(|image| {
            let has_grant = |id: &V1UserId| image.v1_grants.get(id).is_some_and(|grants| grants.contains_key(database));
            let users = image.v1_users.values().filter(|user| user.organisation_id == organisation);
            let ids = users.map(|user| user.id).filter(has_grant);
            Ok((ids.map(|id| Change::RemoveV1Grant(id, database.to_owned())).collect(), ()))
        })
        .await
    }

    /// What is known of a name and a password without much work.
    ///
    /// # Errors
    /// The password is right, and the user or who it acts for is inactive.
    pub fn remembered_v1_user(&self, name: &str, password: &str) -> Result<V1Authentication, AuthenticationError> {
        let image = self.image();
        let found = image.v1_user_names.get(name).and_then(|id| image.v1_users.get(id));
        let Some(user) = found else { return Ok(V1Authentication::NoSuchUser) };
        let Some(hash) = image.v1_passwords.get(&user.id) else { return Err(AuthenticationError::Unauthorized) };
        if !self.verified().knows(name, password, hash, self.now_ns()) {
            return Ok(V1Authentication::NotRemembered);
        }
        principal(&image, user).map(V1Authentication::Known)
    }

    /// Whoever has this name and password among the users of 1.x. A right password is remembered for five minutes, or
    /// until it is changed, so that a client that sends it with every write does not pay for it every time.
    ///
    /// # Errors
    /// [`CatalogError::PasswordWrong`] whatever is wrong with the two, or too many passwords are being worked on. The
    /// inner result says whether the user counts.
    pub async fn verify_v1_user(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Result<Principal, AuthenticationError>, CatalogError> {
        let hash = {
            let image = self.image();
            image.v1_user_names.get(name).and_then(|id| image.v1_passwords.get(id)).cloned()
        };
        if !self.passwords().verify(password, hash.clone()).await? {
            return Err(CatalogError::PasswordWrong);
        }
        let image = self.image();
        let user = image.v1_user_names.get(name).and_then(|id| image.v1_users.get(id));
        // It may have been changed meanwhile.
        let (Some(user), Some(hash)) = (user, hash) else { return Err(CatalogError::PasswordWrong) };
        if image.v1_passwords.get(&user.id) != Some(&hash) {
            return Err(CatalogError::PasswordWrong);
        }
        self.verified().remember(name, password, hash, self.now_ns());
        Ok(principal(&image, user))
    }
}

/// What a user of 1.x may do now.
fn principal(image: &Image, user: &V1User) -> Result<Principal, AuthenticationError> {
    check_user(image, user.user_id)?;
    if user.status == AuthorizationStatus::Inactive {
        return Err(AuthenticationError::TokenInactive);
    }
    let organisation = user.organisation_id;
    let mut permissions = user.permissions.as_slice().to_vec();
    if let Some(grants) = image.v1_grants.get(&user.id) {
        for (database, privilege) in grants {
            let (reads, writes) = privilege.parts();
            for bucket in dbrp::buckets_of(image, organisation, database) {
                let on_bucket = |action| Permission::on_bucket(action, bucket, organisation);
                permissions.extend(reads.then(|| on_bucket(Action::Read)));
                permissions.extend(writes.then(|| on_bucket(Action::Write)));
            }
        }
    }
    Ok(Principal {
        credential: Credential::V1User(user.id),
        user_id: user.user_id,
        organisation_id: Some(organisation),
        permissions: PermissionSet::new(permissions),
    })
}

/// The changes that remove users of 1.x with all that is theirs.
pub(crate) fn removals(image: &Image, is_removed: impl Fn(&V1User) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for user in image.v1_users.values().filter(|user| is_removed(user)) {
        let databases = image.v1_grants.get(&user.id).into_iter().flat_map(|grants| grants.keys());
        changes.extend(databases.map(|database| Change::RemoveV1Grant(user.id, database.clone())));
        changes.push(Change::RemoveV1User(user.id));
    }
    changes
}

/// InfluxDB 1.x takes any password. Here it is not empty, and not longer than what argon2 is given elsewhere.
fn check_short_password(password: &str) -> Result<(), CatalogError> {
    if (1..=PASSWORD_BYTES_MAX).contains(&password.len()) { Ok(()) } else { Err(CatalogError::V1PasswordLength) }
}

#[cfg(test)]
mod tests;
