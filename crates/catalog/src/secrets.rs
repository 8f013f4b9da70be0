//! The secrets of organisations, which scripts use: encrypted in SQL and in memory, in clear text only for a moment.
//!
//! The key is not in the database: [`SecretKey`] comes from a file beside it or from the environment, so that a copy of
//! the database alone tells nothing.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::OrganisationId;
use crate::image::Change;
use crate::secret::Secret;

/// Bytes of the name of a secret.
pub const SECRET_NAME_BYTES_MAX: usize = 256;

/// Bytes of the value of a secret: certificates and keys fit.
pub const SECRET_VALUE_BYTES_MAX: usize = 64 << 10;

/// Secrets of one organisation.
pub const SECRETS_PER_ORGANISATION_MAX: usize = 1_000;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file cannot be read or made.
    #[error("cannot read or make the key of the secrets: {0}")]
    File(#[from] io::Error),
    /// It is not 64 hexadecimal digits.
    #[error("the key of the secrets must be 64 hexadecimal digits, that is 32 bytes")]
    Form,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
}

/// The key that secrets are encrypted with. `Debug` does not show it.
#[derive(Clone)]
pub struct SecretKey(Arc<LessSafeKey>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(hidden)")
    }
}

impl SecretKey {
    /// The key of 64 hexadecimal digits; spaces and line breaks around them do not count.
    ///
    /// # Errors
    /// [`SecretKeyError::Form`].
    pub fn from_hex(text: &str) -> Result<Self, SecretKeyError> {
        let digits = text.trim().as_bytes();
        if digits.len() != KEY_BYTES * 2 {
            return Err(SecretKeyError::Form);
        }
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let pairs = digits.chunks_exact(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        Self::from_bytes(&bytes.ok_or(SecretKeyError::Form)?)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SecretKeyError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| SecretKeyError::Form)?;
        Ok(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// The key in a file, which is made, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, or does not hold a key.
    pub fn open_file(path: &Path) -> Result<Self, SecretKeyError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made {
            Ok(mut file) => {
                let key = random_hex()?;
                file.write_all(key.as_bytes())?;
                file.sync_all()?;
                if let Some(directory) = path.parent() {
                    std::fs::File::open(directory)?.sync_all()?;
                }
                Self::from_hex(&key)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut text = String::new();
                std::fs::File::open(path)?.read_to_string(&mut text)?;
                Self::from_hex(&text)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Encrypts a value for this place: it cannot be moved to another one.
    fn seal(&self, place: &str, value: &str) -> Result<String, CatalogError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(CatalogError::Randomness)?;
        let mut bytes = value.as_bytes().to_vec();
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.as_bytes()),
            &mut bytes,
        );
        sealed.map_err(|_| CatalogError::SecretKeyWrong)?;
        Ok(STANDARD.encode([nonce.as_slice(), bytes.as_slice()].concat()))
    }

    fn open(&self, place: &str, sealed: &str) -> Option<Secret> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut ciphertext = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let clear = self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut ciphertext).ok()?;
        Some(Secret::from(std::str::from_utf8(clear).ok()?))
    }
}

fn random_hex() -> Result<String, SecretKeyError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(SecretKeyError::Randomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What binds a ciphertext to its row.
fn place(organisation: OrganisationId, name: &str) -> String {
    format!("{organisation}/{name}")
}

impl Catalog {
    /// Stores secrets of an organisation; others stay.
    ///
    /// # Errors
    /// The organisation does not exist, a name or value is empty or too long, there are too many, or SQL failed.
    pub async fn put_secrets(
        &self,
        organisation: OrganisationId,
        key: &SecretKey,
        secrets: Vec<(String, Secret)>,
    ) -> Result<(), CatalogError> {
        let mut sealed = Vec::with_capacity(secrets.len());
        for (name, value) in secrets {
            if name.trim().is_empty() || name.len() > SECRET_NAME_BYTES_MAX {
                return Err(CatalogError::SecretName);
            }
            if value.expose().len() > SECRET_VALUE_BYTES_MAX {
                return Err(CatalogError::SecretValue);
            }
            let text = key.seal(&place(organisation, &name), value.expose())?;
            sealed.push((name, text));
        }
        self.commit(|image| {
            if !image.organisations.contains_key(&organisation) {
                return Err(CatalogError::OrganisationNotFound);
            }
            let own = image.secrets.get(&organisation);
            let is_new = |name: &str| own.is_none_or(|own| !own.contains_key(name));
            let new = sealed.iter().filter(|(name, _)| is_new(name)).count();
            if own.map_or(0, |own| own.len()) + new > SECRETS_PER_ORGANISATION_MAX {
                return Err(CatalogError::SecretsTooMany);
            }
            let puts = sealed.into_iter().map(|(name, text)| Change::PutSecret(organisation, name, text.into()));
            Ok((puts.collect(), ()))
        })
        .await
    }

    /// Deletes secrets of an organisation. Names without one are no error.
    ///
    /// # Errors
    /// The organisation does not exist, or SQL failed.
    pub async fn delete_secrets(&self, organisation: OrganisationId, names: &[String]) -> Result<(), CatalogError> {
        self.commit(|image| {
            if !image.organisations.contains_key(&organisation) {
                return Err(CatalogError::OrganisationNotFound);
            }
            let own = image.secrets.get(&organisation);
            let known = names.iter().filter(|name| own.is_some_and(|own| own.contains_key(*name)));
            let changes = known.map(|name| Change::RemoveSecret(organisation, name.clone()));
            Ok((changes.collect(), ()))
        })
        .await
    }

    /// The names of an organisation's secrets, sorted.
    #[must_use]
    pub fn list_secret_names(&self, organisation: OrganisationId) -> Vec<String> {
        let image = self.image();
        image.secrets.get(&organisation).map(|own| own.keys().cloned().collect()).unwrap_or_default()
    }

    /// The value of a secret; none if there is none of the name.
    ///
    /// # Errors
    /// [`CatalogError::SecretKeyWrong`]: it was encrypted with another key.
    pub fn find_secret(
        &self,
        organisation: OrganisationId,
        key: &SecretKey,
        name: &str,
    ) -> Result<Option<Secret>, CatalogError> {
        let sealed = self.image().secrets.get(&organisation).and_then(|own| own.get(name).cloned());
        let Some(sealed) = sealed else { return Ok(None) };
        key.open(&place(organisation, name), &sealed).map(Some).ok_or(CatalogError::SecretKeyWrong)
    }
}

#[cfg(test)]
mod tests;
