//! From options to a client of a server.

use std::path::PathBuf;
use std::time::Duration;

use freshet_client::{BuildError, Client, ClientBuilder};

use crate::options::ConnectionOptions;

const DEFAULT_URL: &str = "http://127.0.0.1:8086";

/// No limit of ours: a query or flush takes as long as the server lets it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The certificate's file.
    #[error("cannot read the certificate {}: {source}", path.display())]
    Certificate { path: PathBuf, source: std::io::Error },
    /// The address, the token or the certificate is none.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The server's address.
pub(crate) fn url(options: &ConnectionOptions) -> &str {
    options.url.as_deref().filter(|url| !url.is_empty()).unwrap_or(DEFAULT_URL)
}

/// A client for addresses of others, which are not told the token.
pub(crate) fn anonymous_client(options: &ConnectionOptions) -> Result<Client, ConnectionError> {
    client(&ConnectionOptions { token: None, ..options.clone() }, |builder| builder)
}

/// A client, with what the command still sets.
pub(crate) fn client(
    options: &ConnectionOptions,
    adjust: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Client, ConnectionError> {
    let mut builder =
        Client::builder(url(options)).query_timeout(QUERY_TIMEOUT).accept_any_certificate(options.skip_verify);
    if let Some(token) = options.token.as_deref().filter(|token| !token.is_empty()) {
        builder = builder.token(token);
    }
    if let Some(path) = &options.ca_cert {
        let pem = std::fs::read(path);
        let pem = pem.map_err(|source| ConnectionError::Certificate { path: path.clone(), source })?;
        builder = builder.root_certificate_pem(pem);
    }
    Ok(adjust(builder).build()?)
}
