//! Sessions: what stands behind the cookie of the user interface.
//!
//! The key is given out once and kept as a digest. What a session may do is in `mappings`.

use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::UserId;
use crate::image::{Change, Image};
use crate::secret::{Secret, SecretDigest};
use crate::time::duration_ns;
use crate::users::UserStatus;

/// How long a new session lasts.
pub const SESSION_LENGTH: Duration = Duration::from_mins(60);
/// How long a session lasts at least after it was used.
pub const SESSION_RENEWAL: Duration = Duration::from_mins(5);
/// A user's session above this number ends the one that would expire first.
pub const SESSIONS_PER_USER_MAX: usize = 32;
/// A renewal by less than this is left out: a busy session then costs one write a minute in its last minutes, and one
/// that is left alone lasts 4 to 5 minutes instead of exactly 5.
const RENEWAL_STEP: Duration = Duration::from_mins(1);

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub(crate) digest: SecretDigest,
    /// Who signed in.
    pub user_id: UserId,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// From this time on it does not exist; nanoseconds since 1970.
    pub expires_at_ns: i64,
}

/// A session that was just created.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session.
    pub session: Arc<Session>,
    /// Its key: 88 characters, shown only here.
    pub key: Secret,
}

impl Catalog {
    /// Creates a session of 60 minutes. Removes all expired ones, and the user's oldest above the bound.
    ///
    /// # Errors
    /// The user does not exist or is inactive, or the database failed.
    pub async fn create_session(&self, user_id: UserId) -> Result<NewSession, CatalogError> {
        let key = Secret::random()?;
        let session = self
            .commit(|image| {
                let user = image.users.get(&user_id).ok_or(CatalogError::UserNotFound)?;
                if user.status == UserStatus::Inactive {
                    return Err(CatalogError::UserInactive);
                }
                let now_ns = self.now_ns();
                let session = Arc::new(Session {
                    digest: SecretDigest::of(key.expose()),
                    user_id,
                    created_at_ns: now_ns,
                    expires_at_ns: now_ns.saturating_add(duration_ns(SESSION_LENGTH)),
                });
                let mut changes = surplus_sessions(image, user_id, now_ns);
                changes.push(Change::PutSession(Arc::clone(&session)));
                Ok((changes, session))
            })
            .await?;
        Ok(NewSession { session, key })
    }

    /// The session of a key; `None` if there is none or it has expired.
    #[must_use]
    pub fn find_session(&self, key: &str) -> Option<Arc<Session>> {
        let now_ns = self.now_ns();
        let session = self.image().sessions.get(&SecretDigest::of(key)).cloned();
        session.filter(|session| session.expires_at_ns > now_ns)
    }

    /// To be called when a session was used: it then lasts until 5 minutes from now, if that is later than it would
    /// have. Mostly that is not the case, and nothing is written. A session that does not exist is left at that.
    ///
    /// # Errors
    /// The database failed.
    pub async fn renew_session(&self, key: &str) -> Result<(), CatalogError> {
        let due = |session: &Session| {
            let now_ns = self.now_ns();
            let renewed_ns = now_ns.saturating_add(duration_ns(SESSION_RENEWAL));
            let step_ns = duration_ns(RENEWAL_STEP);
            let alive = session.expires_at_ns > now_ns;
            (alive && renewed_ns.saturating_sub(session.expires_at_ns) >= step_ns).then_some(renewed_ns)
        };
        if self.find_session(key).and_then(|session| due(&session)).is_none() {
            return Ok(());
        }
        let digest = SecretDigest::of(key);
        self.commit(|image| {
            // Looked at again: another request may have renewed or ended it.
            let present = image.sessions.get(&digest).and_then(|session| Some((session, due(session)?)));
            let renewed = present.map(|(session, expires_at_ns)| Session { expires_at_ns, ..Session::clone(session) });
            Ok((renewed.into_iter().map(|session| Change::PutSession(Arc::new(session))).collect(), ()))
        })
        .await
    }

    /// Ends a session. Returns whether there was one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delete_session(&self, key: &str) -> Result<bool, CatalogError> {
        let digest = SecretDigest::of(key);
        self.commit(|image| {
            let now_ns = self.now_ns();
            let Some(session) = image.sessions.get(&digest) else {
                return Ok((Vec::new(), false));
            };
            Ok((vec![Change::RemoveSession(digest)], session.expires_at_ns > now_ns))
        })
        .await
    }
}

/// The removal of all expired sessions, and of as many others of the user as leave room for one more.
fn surplus_sessions(image: &Image, user_id: UserId, now_ns: i64) -> Vec<Change> {
    let (alive, expired): (Vec<_>, Vec<_>) =
        image.sessions.values().partition(|session| session.expires_at_ns > now_ns);
    let mut own: Vec<_> = alive.into_iter().filter(|session| session.user_id == user_id).collect();
    own.sort_by_key(|session| (session.expires_at_ns, session.created_at_ns));
    let surplus = (own.len() + 1).saturating_sub(SESSIONS_PER_USER_MAX);
    let removed = expired.into_iter().chain(own.into_iter().take(surplus));
    removed.map(|session| Change::RemoveSession(session.digest)).collect()
}

#[cfg(test)]
mod tests;
