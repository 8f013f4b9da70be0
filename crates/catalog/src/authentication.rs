//! From a token or session key to who is asking: called for every request, answered from memory.

use crate::authorizations::AuthorizationStatus;
use crate::catalog::Catalog;
use crate::error::{AuthenticationError, PermissionDeniedError};
use crate::id::{AuthorizationId, JobId, OrganisationId, UserId, V1UserId};
use crate::image::Image;
use crate::mappings::permissions_by_role;
use crate::permission::{Permission, PermissionSet};
use crate::secret::SecretDigest;
use crate::users::UserStatus;

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// By a token.
    Authorization(AuthorizationId),
    /// By name and password of a user of InfluxDB 1.x.
    V1User(V1UserId),
    /// It is the server itself, in a job.
    Job(JobId),
    /// By a session key.
    Session,
}

/// Somebody who is known, active, and may do what the permissions say.
#[derive(Debug, Clone)]
pub struct Principal {
    /// How they showed it.
    pub credential: Credential,
    /// The user.
    pub user_id: UserId,
    /// The organisation of the token; a session has none.
    pub organisation_id: Option<OrganisationId>,
    /// What they may do.
    pub permissions: PermissionSet,
}

impl Principal {
    /// Whether they may do it.
    #[must_use]
    pub fn allows(&self, needed: &Permission) -> bool {
        self.permissions.allows(needed)
    }

    /// [`Principal::allows`] as a result.
    ///
    /// # Errors
    /// [`PermissionDeniedError`] with the message of management endpoints.
    pub fn require(&self, needed: Permission) -> Result<(), PermissionDeniedError> {
        self.permissions.require(needed)
    }
}

impl Catalog {
    /// Whoever has the token.
    ///
    /// # Errors
    /// [`AuthenticationError`]: the token is unknown or has ended, its user inactive, or it is inactive itself.
    pub fn authenticate_token(&self, token: &str) -> Result<Principal, AuthenticationError> {
        let digest = SecretDigest::of(token);
        let image = self.image();
        let found = image.authorization_by_token(&digest).ok_or(AuthenticationError::Unauthorized)?;
        if found.expires_at_ns.is_some_and(|end| end <= self.now_ns()) {
            return Err(AuthenticationError::Unauthorized);
        }
        check_user(&image, found.user_id)?;
        if found.status == AuthorizationStatus::Inactive {
            return Err(AuthenticationError::TokenInactive);
        }
        Ok(Principal {
            credential: Credential::Authorization(found.id),
            user_id: found.user_id,
            organisation_id: Some(found.organisation_id),
            permissions: found.permissions.clone(),
        })
    }

    /// Whoever has the session key. Does not renew the session.
    ///
    /// # Errors
    /// [`AuthenticationError`]: there is no such session or it has expired, or its user is inactive.
    pub fn authenticate_session(&self, key: &str) -> Result<Principal, AuthenticationError> {
        let session = self.find_session(key).ok_or(AuthenticationError::Unauthorized)?;
        let image = self.image();
        check_user(&image, session.user_id)?;
        Ok(Principal {
            credential: Credential::Session,
            user_id: session.user_id,
            organisation_id: None,
            permissions: permissions_by_role(&image, session.user_id),
        })
    }
}

pub(crate) fn check_user(image: &Image, user_id: UserId) -> Result<(), AuthenticationError> {
    match image.users.get(&user_id).map(|user| user.status) {
        Some(UserStatus::Active) => Ok(()),
        Some(UserStatus::Inactive) => Err(AuthenticationError::UserInactive),
        None => Err(AuthenticationError::Unauthorized),
    }
}

#[cfg(test)]
mod tests;
