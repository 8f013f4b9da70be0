//! Users and their passwords.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{IdGenerator, UserId};
use crate::image::{Change, Image};
use crate::organisations::seen;
use crate::page::Page;
use crate::password::check_password;
use crate::words::words;

words! {
    /// Whether a user's tokens and sessions count.
    pub enum UserStatus, unknown is UserStatus {
        /// They do.
        Active = "active",
        /// They are refused.
        Inactive = "inactive",
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name, unique on the server.
    pub name: String,
    /// Whether it may do anything.
    pub status: UserStatus,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
}

/// Which users to list; each part that is given narrows the list.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// This one.
    pub id: Option<UserId>,
    /// The one of this name.
    pub name: Option<String>,
}

/// What to change of a user; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new status.
    pub status: Option<UserStatus>,
}

impl Catalog {
    /// Creates a user without a password.
    ///
    /// # Errors
    /// The name is empty or taken, or the database failed.
    pub async fn create_user(&self, name: &str, status: UserStatus) -> Result<Arc<User>, CatalogError> {
        self.commit(|image| {
            let user = Arc::new(new_user(image, self.ids(), self.now_ns(), name, status)?);
            Ok((vec![Change::PutUser(Arc::clone(&user))], user))
        })
        .await
    }

    /// The user of an id.
    ///
    /// # Errors
    /// [`CatalogError::UserNotFound`].
    pub fn find_user(&self, id: UserId) -> Result<Arc<User>, CatalogError> {
        self.image().users.get(&id).cloned().ok_or(CatalogError::UserNotFound)
    }

    /// The user of a name.
    ///
    /// # Errors
    /// [`CatalogError::UserNotFound`].
    pub fn find_user_by_name(&self, name: &str) -> Result<Arc<User>, CatalogError> {
        self.image().user_by_name(name).cloned().ok_or(CatalogError::UserNotFound)
    }

    /// The users that the filter and `visible` let through, one page of them by id.
    ///
    /// # Errors
    /// The limit is out of range, or an id or name in the filter is unknown or not visible.
    pub fn list_users(
        &self,
        filter: &UserFilter,
        page: &Page,
        visible: impl Fn(&User) -> bool,
    ) -> Result<Vec<Arc<User>>, CatalogError> {
        page.check()?;
        if let Some(id) = filter.id {
            self.find_user(id).and_then(|found| seen(found, &visible, CatalogError::UserNotFound))?;
        }
        if let Some(name) = &filter.name {
            self.find_user_by_name(name).and_then(|found| seen(found, &visible, CatalogError::UserNotFound))?;
        }
        let matches = |user: &&Arc<User>| {
            filter.id.is_none_or(|id| id == user.id) && filter.name.as_ref().is_none_or(|name| *name == user.name)
        };
        let matching: Vec<_> = self.image().users.values().filter(matches).cloned().collect();
        Ok(page.cut(matching.into_iter().filter(|user| visible(user)), |user| user.id.get()))
    }

    /// Changes name and status. An inactive user keeps its tokens and sessions, which are refused until it is active.
    ///
    /// # Errors
    /// It does not exist, the new name is empty or taken, or the database failed.
    pub async fn update_user(&self, id: UserId, update: UserUpdate) -> Result<Arc<User>, CatalogError> {
        self.commit(|image| {
            let before = image.users.get(&id).ok_or(CatalogError::UserNotFound)?;
            let mut after = User::clone(before);
            if let Some(name) = update.name
                && name != before.name
            {
                check_name(image, &name)?;
                after.name = name;
            }
            after.status = update.status.unwrap_or(after.status);
            after.updated_at_ns = self.now_ns();
            let after = Arc::new(after);
            Ok((vec![Change::PutUser(Arc::clone(&after))], after))
        })
        .await
    }

    /// Deletes a user with its password, sessions, tokens and mappings.
    ///
    /// # Errors
    /// It does not exist, or the database failed.
    pub async fn delete_user(&self, id: UserId) -> Result<(), CatalogError> {
        self.commit(|image| {
            if !image.users.contains_key(&id) {
                return Err(CatalogError::UserNotFound);
            }
            let mut changes = end_sessions(image, id);
            let resources = image.mappings.get(&id).into_iter().flat_map(|roles| roles.keys());
            changes.extend(resources.map(|&resource| Change::RemoveMapping(id, resource)));
            let tokens = image.authorizations.values().filter(|token| token.user_id == id);
            changes.extend(tokens.map(|token| Change::RemoveAuthorization(token.id)));
            changes.extend(crate::v1_users::removals(image, |user| user.user_id == id));
            changes.push(Change::RemovePassword(id));
            changes.push(Change::RemoveUser(id));
            Ok((changes, ()))
        })
        .await
    }

    /// Sets a user's password and ends its sessions: whoever learned the old password is out.
    ///
    /// # Errors
    /// The user does not exist, the password has not 8 to 72 bytes, too many passwords are being worked on, or the
    /// database failed.
    pub async fn set_password(&self, id: UserId, password: &str) -> Result<(), CatalogError> {
        check_password(password)?;
        self.find_user(id)?;
        let hash = self.passwords().hash(password).await?;
        self.commit(|image| {
            if !image.users.contains_key(&id) {
                return Err(CatalogError::UserNotFound);
            }
            let mut changes = end_sessions(image, id);
            changes.push(Change::PutPassword(id, hash));
            Ok((changes, ()))
        })
        .await
    }

    /// The user of a name, if this is its password. A name that does not exist takes as long as a wrong password.
    ///
    /// # Errors
    /// [`CatalogError::PasswordWrong`] whatever is wrong with the two, or too many passwords are being worked on.
    pub async fn verify_password(&self, name: &str, password: &str) -> Result<Arc<User>, CatalogError> {
        let (user, hash) = {
            let image = self.image();
            let user = image.user_by_name(name).cloned();
            let hash = user.as_ref().and_then(|user| image.passwords.get(&user.id)).cloned();
            (user, hash)
        };
        let right = self.passwords().verify(password, hash).await?;
        user.filter(|_| right).ok_or(CatalogError::PasswordWrong)
    }
}

/// The user to be created, with an id.
pub(crate) fn new_user(
    image: &Image,
    ids: &IdGenerator,
    now_ns: i64,
    name: &str,
    status: UserStatus,
) -> Result<User, CatalogError> {
    check_name(image, name)?;
    Ok(User { id: ids.next(), name: name.to_owned(), status, created_at_ns: now_ns, updated_at_ns: now_ns })
}

fn end_sessions(image: &Image, id: UserId) -> Vec<Change> {
    let sessions = image.sessions.values().filter(|session| session.user_id == id);
    sessions.map(|session| Change::RemoveSession(session.digest)).collect()
}

fn check_name(image: &Image, name: &str) -> Result<(), CatalogError> {
    if name.trim().is_empty() {
        return Err(CatalogError::UserNameEmpty);
    }
    if image.user_names.contains_key(name) {
        return Err(CatalogError::UserExists { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
