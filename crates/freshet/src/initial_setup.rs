//! The first set-up of an empty server from its options: user, organisation, bucket and operator token.

use catalog::{Catalog, CatalogError, OnboardingRequest, Secret};

use crate::options::InitOptions;

/// Why the server could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitialSetupError {
    /// Some of the options are there, others are not.
    #[error("the first start needs --init-username, --init-org and --init-bucket together; missing: {}", .0.join(", "))]
    Incomplete(Vec<&'static str>),
    /// Nobody could ever use the server.
    #[error("the first start needs --init-token or --init-password, or nobody could sign in")]
    NoCredential,
    /// The catalog refuses.
    #[error("the first set-up failed: {0}")]
    Refused(#[from] CatalogError),
}

/// Sets the server up if the options ask for it and it was never done.
pub(crate) async fn run(catalog: &Catalog, options: InitOptions) -> Result<(), InitialSetupError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let [username, organisation, bucket] = [options.init_username, options.init_org, options.init_bucket].map(given);
    let password = given(options.init_password).map(Secret::from);
    let token = given(options.init_token).map(Secret::from);
    let names = [("--init-username", &username), ("--init-org", &organisation), ("--init-bucket", &bucket)];
    let is_asked_for = names.iter().any(|(_, name)| name.is_some()) || password.is_some() || token.is_some();
    if !is_asked_for {
        return Ok(());
    }
    if !catalog.is_onboarding_allowed() {
        tracing::info!("the server was set up before, so the options for its first start are ignored");
        return Ok(());
    }
    let missing: Vec<_> = names.iter().filter(|(_, name)| name.is_none()).map(|(option, _)| *option).collect();
    let (Some(username), Some(organisation), Some(bucket)) = (username, organisation, bucket) else {
        return Err(InitialSetupError::Incomplete(missing));
    };
    if password.is_none() && token.is_none() {
        return Err(InitialSetupError::NoCredential);
    }
    let retention = options.init_retention.unwrap_or_default();
    let result =
        catalog.onboard(OnboardingRequest { username, password, organisation, bucket, retention, token }).await?;
    tracing::info!(
        user = result.user.name,
        organisation = result.organisation.name,
        bucket = result.bucket.name,
        "the server is set up"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;
    use std::time::Duration;

    use catalog::SystemClock;

    use super::*;

    fn options(fields: [&str; 5]) -> InitOptions {
        let [username, password, org, bucket, token] = fields.map(|field| (field != "-").then(|| field.to_owned()));
        InitOptions {
            init_username: username,
            init_password: password,
            init_org: org,
            init_bucket: bucket,
            init_retention: Some(Duration::from_secs(7200)),
            init_token: token,
        }
    }

    async fn empty_catalog() -> (tempfile::TempDir, Catalog) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("resources.sqlite");
        let catalog = Catalog::open(&path, Arc::new(SystemClock)).await.unwrap();
        (directory, catalog)
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let (_directory, catalog) = empty_catalog().await;
        for (fields, expected) in [
            (["-", "password1", "o", "-", "t"], "missing: --init-username, --init-bucket"),
            (["u", "-", "o", "b", "-"], "--init-token or --init-password"),
            (["u", "short", "o", "b", "-"], "the first set-up failed: "),
            (["u", "-", "o", "_system", "t"], "the first set-up failed: "),
        ] {
            let error = run(&catalog, options(fields)).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{fields:?}: {error}");
            assert!(catalog.is_onboarding_allowed());
        }
    }

    #[tokio::test]
    async fn the_first_start_counts_and_later_ones_do_not() {
        let (_directory, catalog) = empty_catalog().await;
        run(&catalog, InitOptions::default()).await.unwrap();
        run(&catalog, options(["", "-", "-", "-", ""])).await.unwrap();
        assert!(catalog.is_onboarding_allowed());
        run(&catalog, options(["u", "-", "o", "b", "my-token"])).await.unwrap();
        run(&catalog, options(["other", "-", "other", "other", "other-token"])).await.unwrap();
        run(&catalog, options(["other", "-", "-", "-", "-"])).await.unwrap();
        assert!(catalog.authenticate_token("my-token").is_ok());
        assert!(catalog.authenticate_token("other-token").is_err());
        let organisation = catalog.find_organisation_by_name("o").unwrap();
        let bucket = catalog.find_bucket_by_name(organisation.id, "b").unwrap();
        assert_eq!(bucket.retention, Duration::from_secs(7200));
    }
}
