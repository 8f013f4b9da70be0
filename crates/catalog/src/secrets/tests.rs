//! Secrets: what is stored of them, who can read them, and their limits.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Class;
use crate::testing::{Fixture, assert_refused};

fn key(digit: char) -> SecretKey {
    SecretKey::from_hex(&digit.to_string().repeat(64)).unwrap()
}

fn pair(name: &str, value: &str) -> (String, Secret) {
    (name.to_owned(), Secret::from(value))
}

#[tokio::test]
async fn secrets_are_encrypted_and_only_their_key_reads_them() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    let secrets = vec![pair("b", "clear text"), pair("a", "")];
    fixture.catalog.put_secrets(organisation, &key('1'), secrets).await.unwrap();
    assert_eq!(fixture.catalog.list_secret_names(organisation), ["a", "b"]);
    fixture.reopen().await;
    let stored = fixture.catalog.image().secrets[&organisation]["b"].to_string();
    assert!(!stored.contains("clear"), "{stored}");
    assert!(!String::from_utf8(STANDARD.decode(&stored).unwrap()).is_ok_and(|text| text.contains("clear")));
    let found = fixture.catalog.find_secret(organisation, &key('1'), "b").unwrap();
    assert_eq!(found, Some(Secret::from("clear text")));
    assert_eq!(fixture.catalog.find_secret(organisation, &key('1'), "c").unwrap(), None);
    assert!(matches!(fixture.catalog.find_secret(organisation, &key('2'), "b"), Err(CatalogError::SecretKeyWrong)));
    let moved = key('1').open(&place(organisation, "a"), &stored);
    assert_eq!(moved, None, "a ciphertext belongs to its name");
    fixture.catalog.put_secrets(organisation, &key('1'), vec![pair("b", "another")]).await.unwrap();
    let found = fixture.catalog.find_secret(organisation, &key('1'), "b").unwrap();
    assert_eq!(found, Some(Secret::from("another")));
    fixture.catalog.delete_secrets(organisation, &["b".to_owned(), "absent".to_owned()]).await.unwrap();
    assert_eq!(fixture.catalog.list_secret_names(organisation), ["a"]);
    fixture.reopen().await;
    fixture.catalog.delete_organisation(organisation).await.unwrap();
    assert!(fixture.catalog.image().secrets.is_empty());
    fixture.reopen().await;
}

#[tokio::test]
async fn names_and_values_have_limits() {
    let (fixture, setup) = Fixture::onboarded().await;
    let put = |name: String, value: String| {
        fixture.catalog.put_secrets(setup.organisation.id, SHARED.get_or_init(|| key('1')), vec![pair(&name, &value)])
    };
    static SHARED: std::sync::OnceLock<SecretKey> = std::sync::OnceLock::new();
    assert_refused(put(" ".to_owned(), "v".to_owned()).await, Class::Invalid, "secret key must have 1 to 256 bytes");
    let long = put("n".repeat(257), "v".to_owned()).await;
    assert_refused(long, Class::Invalid, "secret key must have 1 to 256 bytes");
    let large = put("n".to_owned(), "v".repeat(SECRET_VALUE_BYTES_MAX + 1)).await;
    assert_refused(large, Class::Invalid, "secret value is too long, at most 65536 bytes");
    put("n".repeat(256), "v".repeat(SECRET_VALUE_BYTES_MAX)).await.unwrap();
    let many = (0..=SECRETS_PER_ORGANISATION_MAX).map(|number| pair(&number.to_string(), "v")).collect();
    let many = fixture.catalog.put_secrets(setup.organisation.id, &key('1'), many).await;
    assert_refused(many, Class::UnprocessableEntity, "an organization can have 1000 secrets at most");
}

#[test]
fn a_key_is_made_once_and_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret.key");
    let made = SecretKey::open_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = made.seal("place", "value").unwrap();
    let again = SecretKey::open_file(&path).unwrap();
    assert_eq!(again.open("place", &sealed), Some(Secret::from("value")));
    assert_ne!(made.seal("place", "value").unwrap(), sealed, "no nonce comes twice");
    assert_eq!(format!("{again:?}"), "SecretKey(hidden)");
    std::fs::write(&path, "short").unwrap();
    assert!(matches!(SecretKey::open_file(&path), Err(SecretKeyError::Form)));
    for text in ["", "g".repeat(64).as_str(), "1".repeat(63).as_str(), "1".repeat(65).as_str()] {
        assert!(matches!(SecretKey::from_hex(text), Err(SecretKeyError::Form)), "{text}");
    }
}
