//! Where the data files lie, as a URL, and the client that goes with it.
//!
//! ```text
//! file:///srv/files   s3://bucket/prefix   gs://bucket/prefix   az://container/prefix
//! ```
//!
//! Credentials, regions and endpoints come from the environment variables that each cloud's own programs know, never
//! from the URL: it stands in the catalog, where every reader of the lake sees it. No message repeats what was given.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

use super::retry::RetryPolicy;
use super::{OpenStoreError, Store};

/// A place for data files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A directory of the local file system.
    Local(PathBuf),
    /// A bucket (a container in Azure) and the prefix in it, which may be empty.
    Cloud {
        /// Whose.
        cloud: Cloud,
        /// The bucket.
        bucket: String,
        /// What the names of all objects begin with, without slashes at its ends.
        prefix: String,
    },
}

/// Who keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    /// The scheme of its URLs, which DuckDB knows too.
    const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// A text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No scheme that is known.
    #[error("expected file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")]
    Scheme,
    /// A user or password in it.
    #[error("credentials do not belong into the address; they come from the environment variables of the cloud")]
    Credentials,
    /// No bucket, or one with other characters.
    #[error("the name of the bucket must have letters, digits, '-', '_' and '.' only")]
    Bucket,
    /// A prefix that would be written in two ways.
    #[error("the prefix may have letters, digits and any of -_.~= between single slashes, and no part . or ..")]
    Prefix,
    /// A file URL with a host, or a path that is not absolute.
    #[error("expected an absolute path behind file://, such as file:///srv/freshet")]
    Directory,
}

impl FromStr for StoreAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        if scheme == "file" {
            return match rest.starts_with('/') {
                true => Ok(Self::Local(PathBuf::from(rest))),
                false => Err(AddressError::Directory),
            };
        }
        let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.scheme() == scheme).ok_or(AddressError::Scheme)?;
        if rest.contains('@') {
            return Err(AddressError::Credentials);
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_safe = |part: &str, others: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        if !is_safe(bucket, "-_.") {
            return Err(AddressError::Bucket);
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_part = |part: &str| is_safe(part, "-_.~=") && part != "." && part != "..";
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return Err(AddressError::Prefix);
        }
        Ok(Self::Cloud { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// As the catalog names it, but for a local directory, which has no slash at its end here.
impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(formatter, "file://{}", path.display()),
            Self::Cloud { cloud, bucket, prefix } if prefix.is_empty() => {
                write!(formatter, "{}://{bucket}/", cloud.scheme())
            }
            Self::Cloud { cloud, bucket, prefix } => write!(formatter, "{}://{bucket}/{prefix}/", cloud.scheme()),
        }
    }
}

impl StoreAddress {
    /// The store at this address. A local directory is made if it does not exist; to a cloud no request is made.
    ///
    /// # Errors
    /// If the directory cannot be used, or the environment says too little for a client.
    pub fn open(&self) -> Result<Store, OpenStoreError> {
        // The client's own retries see single requests; ours see operations, count them, and end an unclear one.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        match self {
            Self::Local(path) => Store::local(FilePath::new(path)),
            Self::Cloud { cloud, bucket, prefix } => {
                let (prefix, data_path) = (Path::from(prefix.as_str()), self.to_string());
                let policy = RetryPolicy::default();
                Ok(match cloud {
                    Cloud::S3 => {
                        let client = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build()?;
                        Store::remote(Arc::new(PrefixStore::new(client, prefix)), &data_path, policy)
                    }
                    Cloud::Google => {
                        let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                        let client = builder.with_retry(retry).build()?;
                        Store::remote(Arc::new(PrefixStore::new(client, prefix)), &data_path, policy)
                    }
                    Cloud::Azure => {
                        let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
                        let client = builder.with_retry(retry).build()?;
                        Store::remote(Arc::new(PrefixStore::new(client, prefix)), &data_path, policy)
                    }
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_read_and_written_in_one_form() {
        for (text, shown) in [
            ("file:///srv/files", "file:///srv/files"),
            ("s3://bucket/a/b=1/c", "s3://bucket/a/b=1/c/"),
            ("s3://my.bucket-1/a/", "s3://my.bucket-1/a/"),
            ("gs://bucket", "gs://bucket/"),
            ("gs://bucket/", "gs://bucket/"),
            ("az://container/x_y", "az://container/x_y/"),
        ] {
            let address: StoreAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("/srv/files", AddressError::Scheme),
            ("http://host/bucket", AddressError::Scheme),
            ("S3://bucket", AddressError::Scheme),
            ("file://host/files", AddressError::Directory),
            ("s3://KEY:SECRET@bucket/p", AddressError::Credentials),
            ("s3://", AddressError::Bucket),
            ("s3:///prefix", AddressError::Bucket),
            ("s3://bu cket", AddressError::Bucket),
            ("s3://bucket?x", AddressError::Bucket),
            ("s3://bucket//a", AddressError::Prefix),
            ("s3://bucket/a//b", AddressError::Prefix),
            ("s3://bucket/a/../b", AddressError::Prefix),
            ("s3://bucket/a%20b", AddressError::Prefix),
            ("s3://bucket/a?key=SECRET", AddressError::Prefix),
        ] {
            assert_eq!(text.parse::<StoreAddress>(), Err(error), "{text}");
            assert!(!error.to_string().contains("SECRET"));
        }
    }
}
