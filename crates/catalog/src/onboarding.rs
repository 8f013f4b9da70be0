//! The first set-up of a server: a user, an organisation, a bucket and the operator token, all or nothing, once.

use std::sync::Arc;
use std::time::Duration;

use crate::authorizations::{Authorization, AuthorizationStatus, NewAuthorization, new_authorization, token_or_random};
use crate::buckets::{Bucket, NewBucket, new_bucket};
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::image::{Change, Image};
use crate::mappings::{MappedResource, Role};
use crate::organisations::{Organisation, new_organisation};
use crate::password::check_password;
use crate::permission::operator_permissions;
use crate::secret::Secret;
use crate::users::{User, UserStatus, new_user};

/// What to set up. An empty name counts as missing.
#[derive(Debug, Clone, Default)]
pub struct OnboardingRequest {
    /// The first user's name.
    pub username: String,
    /// Its password; without one it cannot sign in.
    pub password: Option<Secret>,
    /// The first organisation's name.
    pub organisation: String,
    /// The first bucket's name.
    pub bucket: String,
    /// How long that bucket keeps points; zero for ever.
    pub retention: Duration,
    /// The operator token; `None` or an empty one for a random token.
    pub token: Option<Secret>,
}

/// What was set up.
#[derive(Debug, Clone)]
pub struct OnboardingResult {
    /// The user, owner of the organisation and of the server.
    pub user: Arc<User>,
    /// The organisation.
    pub organisation: Arc<Organisation>,
    /// The bucket.
    pub bucket: Arc<Bucket>,
    /// The operator token's record.
    pub authorization: Arc<Authorization>,
    /// The operator token, shown only here.
    pub token: Secret,
}

impl Catalog {
    /// Whether [`Catalog::onboard`] was never called and there is no user.
    #[must_use]
    pub fn is_onboarding_allowed(&self) -> bool {
        is_allowed(&self.image())
    }

    /// Sets the server up, in one transaction.
    ///
    /// # Errors
    /// In this order: it was done before; the names of user, organisation or bucket are missing; the password has not 8
    /// to 72 bytes; a rule for organisations or buckets is broken; or the database failed.
    pub async fn onboard(&self, request: OnboardingRequest) -> Result<OnboardingResult, CatalogError> {
        // The commit looks again; this one is cheaper than a hash.
        check_allowed(&self.image())?;
        check_fields(&request)?;
        let hash = match &request.password {
            Some(password) if !password.expose().is_empty() => {
                check_password(password.expose())?;
                Some(self.passwords().hash(password.expose()).await?)
            }
            _ => None,
        };
        let token = token_or_random(request.token.clone())?;
        self.commit(|image| {
            check_allowed(image)?;
            self.first_resources(image, request, hash, token)
        })
        .await
    }

    fn first_resources(
        &self,
        image: &Image,
        request: OnboardingRequest,
        hash: Option<Arc<str>>,
        token: Secret,
    ) -> Result<(Vec<Change>, OnboardingResult), CatalogError> {
        let (ids, now_ns) = (self.ids(), self.now_ns());
        let user = Arc::new(new_user(image, ids, now_ns, &request.username, UserStatus::Active)?);
        let (organisation, organisation_changes) = new_organisation(image, ids, now_ns, &request.organisation, "")?;
        let new = NewBucket {
            organisation_id: organisation.id,
            name: request.bucket,
            description: String::new(),
            retention: request.retention,
            shard_group_duration: None,
        };
        let bucket = Arc::new(new_bucket(image, ids, now_ns, new)?);
        let new = NewAuthorization {
            organisation_id: organisation.id,
            user_id: user.id,
            description: format!("{}'s Token", user.name),
            status: AuthorizationStatus::Active,
            permissions: operator_permissions().as_slice().to_vec(),
            token: None,
        };
        let authorization = Arc::new(new_authorization(image, ids, now_ns, new, &token)?);

        let mut changes = vec![Change::PutUser(Arc::clone(&user))];
        changes.extend(hash.map(|hash| Change::PutPassword(user.id, hash)));
        changes.extend(organisation_changes);
        changes.push(Change::PutBucket(Arc::clone(&bucket)));
        changes.push(Change::PutMapping(user.id, MappedResource::organisation(organisation.id), Role::Owner));
        changes.push(Change::PutMapping(user.id, MappedResource::INSTANCE, Role::Owner));
        changes.push(Change::PutAuthorization(Arc::clone(&authorization)));
        changes.push(Change::CompleteOnboarding(now_ns));
        Ok((changes, OnboardingResult { user, organisation, bucket, authorization, token }))
    }
}

fn is_allowed(image: &Image) -> bool {
    image.onboarded_at_ns.is_none() && image.users.is_empty()
}

fn check_allowed(image: &Image) -> Result<(), CatalogError> {
    if is_allowed(image) { Ok(()) } else { Err(CatalogError::OnboardingCompleted) }
}

fn check_fields(request: &OnboardingRequest) -> Result<(), CatalogError> {
    let fields = [("username", &request.username), ("org", &request.organisation), ("bucket", &request.bucket)];
    let missing: Vec<&str> = fields.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(CatalogError::OnboardingFieldsMissing(missing)) }
}

#[cfg(test)]
mod tests;
