//! Tokens and session keys: how they are made, and the digests that stand for them in memory and in SQL.
//!
//! The text of a secret is never stored and never printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::CatalogError;

/// Random bytes in a token or session key; 88 characters in URL-safe base64 with padding, as in InfluxDB.
const SECRET_BYTES: usize = 64;

/// A token, session key or password in clear text. `Debug` does not show it, and it is not `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The clear text, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 64 random bytes in URL-safe base64 with padding: 88 characters.
    pub(crate) fn random() -> Result<Self, CatalogError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(CatalogError::Randomness)?;
        Ok(Self(URL_SAFE.encode(bytes)))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// The SHA-256 of a token or session key. Equality takes the same time wherever two digests differ.
#[derive(Clone, Copy)]
pub(crate) struct SecretDigest([u8; 32]);

impl SecretDigest {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The digest of 64 hexadecimal digits, as they stand in SQL.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl std::hash::Hash for SecretDigest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretDigest(hidden)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn random_secrets_have_the_form_of_influxdb() {
        let first = Secret::random().unwrap();
        let second = Secret::random().unwrap();
        assert_ne!(first, second);
        assert_eq!(first.expose().len(), 88);
        assert!(first.expose().ends_with("=="));
        assert_eq!(URL_SAFE.decode(first.expose()).unwrap().len(), 64);
    }

    #[test]
    fn secrets_and_digests_are_not_printed() {
        let secret = Secret::from("my-token");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(format!("{:?}", SecretDigest::of("my-token")), "SecretDigest(hidden)");
    }

    #[test]
    fn a_digest_is_sha_256_and_survives_sql() {
        let digest = SecretDigest::of("abc");
        assert_eq!(digest.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(SecretDigest::from_hex(&digest.to_hex()), Some(digest));
        assert_ne!(digest, SecretDigest::of("abd"));
        for text in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(SecretDigest::from_hex(text), None, "{text:?}");
        }
    }
}
