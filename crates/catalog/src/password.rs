//! Passwords: the rule of their length, argon2id hashes, and the bound on how many are worked on at once.
//!
//! Nothing here knows users, and no password is kept.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::CatalogError;
use crate::secret::Secret;

/// Passwords have at least this many bytes.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Passwords have at most this many bytes: bcrypt's limit, which clients of InfluxDB know.
pub const PASSWORD_BYTES_MAX: usize = 72;

/// 19 MiB, 2 passes, 1 lane: the least that OWASP's password storage cheat sheet recommends for argon2id, so that a
/// small machine can check a few at once. The parameters are part of each stored hash and can be raised at any time.
const PARAMETERS: Params = Params::DEFAULT;
/// Each takes a core and 19 MiB; two leave the others of a small machine to writes and queries.
const RUNNING_MAX: usize = 2;
/// Running and waiting: some seconds of work. More than that is an attack or a mistake, and is refused.
const ADMITTED_MAX: usize = 64;
const SALT_BYTES: usize = 16;
/// Stands in for the hash of a user that has none. It has the parameters of real ones, thus costs the same time.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether the password may be set.
///
/// # Errors
/// [`CatalogError::PasswordLength`] unless it has 8 to 72 bytes.
pub fn check_password(password: &str) -> Result<(), CatalogError> {
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        Ok(())
    } else {
        Err(CatalogError::PasswordLength)
    }
}

/// Hashes and verifies on blocking threads, a bounded number at a time.
#[derive(Debug)]
pub(crate) struct PasswordHasher {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(RUNNING_MAX)), admitted: Arc::new(Semaphore::new(ADMITTED_MAX)) }
    }
}

impl PasswordHasher {
    /// The PHC string of a password with a new random salt.
    pub(crate) async fn hash(&self, password: &str) -> Result<Arc<str>, CatalogError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(CatalogError::Randomness)?;
        let password = Secret::from(password);
        self.run(move || {
            let salt = SaltString::encode_b64(&salt)?;
            Ok(argon2id().hash_password(password.expose().as_bytes(), &salt)?.to_string().into())
        })
        .await
    }

    /// Whether the password is the one of the hash. Without a hash it takes the same time and is not.
    pub(crate) async fn verify(&self, password: &str, hash: Option<Arc<str>>) -> Result<bool, CatalogError> {
        let password = Secret::from(password);
        self.run(move || {
            let stored = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY))?;
            match argon2id().verify_password(password.expose().as_bytes(), &stored) {
                Ok(()) => Ok(hash.is_some()),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let admitted = self.admit()?;
        // The semaphore is never closed; if it were, the work would be refused.
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| CatalogError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            // Given back by the thread: the work goes on when the caller's future is dropped.
            drop((admitted, running));
            result
        });
        task.await.map_err(CatalogError::TaskStopped)?.map_err(CatalogError::PasswordHash)
    }

    fn admit(&self) -> Result<OwnedSemaphorePermit, CatalogError> {
        Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| CatalogError::PasswordQueueFull)
    }
}

fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMETERS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn passwords_have_8_to_72_bytes() {
        let check = |password: &str, expected: bool| assert_eq!(check_password(password).is_ok(), expected);
        check("", false);
        check("1234567", false);
        check("12345678", true);
        check(&"x".repeat(72), true);
        check(&"x".repeat(73), false);
        check("éééé", true);
        check(&"é".repeat(37), false);
    }

    #[test]
    fn the_stand_in_costs_as_much_as_a_real_hash() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let costs = |parameters: &Params| (parameters.m_cost(), parameters.t_cost(), parameters.p_cost());
        assert_eq!(costs(&Params::try_from(&nobody).unwrap()), costs(&PARAMETERS));
        assert_eq!(nobody.algorithm, Algorithm::Argon2id.ident());
        assert_eq!(nobody.salt.unwrap().as_str().len(), 22);
        assert_eq!(nobody.hash.unwrap().len(), 32);
    }

    #[tokio::test]
    async fn only_the_right_password_verifies() {
        let hasher = PasswordHasher::default();
        let hash = hasher.hash("password1").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("password1").await.unwrap(), "each hash has its own salt");
        assert!(hasher.verify("password1", Some(Arc::clone(&hash))).await.unwrap());
        assert!(!hasher.verify("password2", Some(hash)).await.unwrap());
        assert!(!hasher.verify("password1", None).await.unwrap());
        let broken = hasher.verify("password1", Some("no hash".into())).await;
        assert!(matches!(broken, Err(CatalogError::PasswordHash(_))));
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_empties() {
        let hasher = PasswordHasher::default();
        let admitted: Vec<_> = (0..ADMITTED_MAX).map(|_| hasher.admit().unwrap()).collect();
        assert!(matches!(hasher.hash("password1").await, Err(CatalogError::PasswordQueueFull)));
        drop(admitted);
        hasher.hash("password1").await.unwrap();
        assert_eq!(hasher.admitted.available_permits(), ADMITTED_MAX);
        assert_eq!(hasher.running.available_permits(), RUNNING_MAX);
    }
}
