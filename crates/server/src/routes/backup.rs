//! `POST /api/freshet/v1/backup`: everything that is acknowledged now, as one tar archive. For operators.
//!
//! The archive holds copies of the databases, the data files, and at its end the manifest with the checksum of each:
//! an archive without it was cut off. Who has some of the files already says so in the body and does not get them
//! again. The server pins the files as long as it sends, and keeps nothing between two requests, so it does not matter
//! where they lie or whether the receiver comes back.

use std::collections::HashMap;
use std::path::Path;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::{Action, Permission, ResourceType};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::header;
use sha2::{Digest as _, Sha256};
use storage::Backup;
use storage::backup::{BackupRequest, FILES, MANIFEST, MANIFEST_VERSION, Manifest, ManifestFile};
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use crate::api_error::ApiResult;
use crate::auth::{Authenticated, describe};
use crate::body::ContentEncoding;
use crate::json;
use crate::limits::BACKUP_PIECES;
use crate::state::AppState;
use crate::tar::{self, PathTooLong};
use crate::times;

/// Why an archive ends without its manifest.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the receiver is gone")]
    Gone,
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{path} has {found} bytes, and the catalog says {expected}")]
    Size { path: String, found: u64, expected: u64 },
    #[error(transparent)]
    Path(#[from] PathTooLong),
    #[error("cannot write the manifest: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// Answers as soon as the files are pinned, and sends as fast as the receiver reads.
pub(super) async fn backup(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    request: Request,
) -> ApiResult<Response> {
    // It holds all points and the digests of all passwords and tokens.
    for kind in [ResourceType::Buckets, ResourceType::Users, ResourceType::Authorizations] {
        principal.require(Permission::on_type(Action::Read, kind))?;
        principal.require(Permission::on_type(Action::Write, kind))?;
    }
    let (parts, body) = request.into_parts();
    let encoding = ContentEncoding::from_headers(&parts.headers)?;
    let body = state.bodies().read_write_body(body, encoding).await?;
    let wanted: BackupRequest =
        if body.bytes.is_empty() { BackupRequest::default() } else { json::parse(&body.bytes)? };
    drop(body);
    let backup = state.engine().backup().await?;
    state.catalog().copy_to(&backup.folder().join("resources.sqlite")).await?;
    let by = describe(&principal);
    tracing::info!(by, snapshot = backup.newest().id, files = backup.files().len(), "a backup begins");
    let created = times::rfc3339_nano(state.now_ns());
    let (sender, receiver) = mpsc::channel(BACKUP_PIECES);
    tokio::spawn(async move {
        let archive = Archive { sender, manifest_files: Vec::new() };
        match archive.send(backup, wanted, created).await {
            Ok(()) => tracing::info!(by, "a backup is complete"),
            Err(error) => tracing::warn!(by, %error, "a backup was cut off"),
        }
    });
    let pieces = futures::stream::unfold(receiver, |mut receiver: mpsc::Receiver<Result<Bytes, String>>| async {
        Some((receiver.recv().await?, receiver))
    });
    let body = Body::from_stream(pieces.map_err(std::io::Error::other));
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], body).into_response())
}

/// An archive on its way.
struct Archive {
    sender: mpsc::Sender<Result<Bytes, String>>,
    manifest_files: Vec<ManifestFile>,
}

impl Archive {
    async fn send(mut self, backup: Backup, wanted: BackupRequest, created: String) -> Result<(), SendError> {
        let sender = self.sender.clone();
        let sent = self.send_all(backup, wanted, created).await;
        if let Err(error) = &sent {
            // So that the receiver sees a broken answer and no end.
            let _ = sender.send(Err(error.to_string())).await;
        }
        sent
    }

    async fn send_all(&mut self, backup: Backup, wanted: BackupRequest, created: String) -> Result<(), SendError> {
        let have: HashMap<String, u64> = wanted.have.into_iter().collect();
        let folder = format!("databases-{}", uuid::Uuid::now_v7());
        let databases = ["catalog.sqlite", "resources.sqlite"].map(|name| format!("{folder}/{name}"));
        for (path, local) in databases.iter().zip([backup.catalog_path(), backup.folder().join("resources.sqlite")]) {
            self.send_local(path, &local).await?;
        }
        for file in backup.files() {
            let path = format!("{FILES}{}", file.path);
            if have.get(&path) == Some(&file.size_bytes) {
                self.manifest_files.push(ManifestFile { path, size: file.size_bytes, sha256: None });
                continue;
            }
            let bytes = backup.read(file).await.map_err(|source| read_error(&path, source))?;
            let bytes = bytes.map(|piece| piece.map_err(Into::into));
            self.send_file(path, file.size_bytes, bytes).await?;
        }
        let [catalog, resources] = databases;
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            created,
            server: env!("CARGO_PKG_VERSION").to_owned(),
            snapshot_id: backup.newest().id,
            catalog,
            resources,
            files: std::mem::take(&mut self.manifest_files),
        };
        let bytes = Bytes::from(serde_json::to_vec_pretty(&manifest)?);
        self.send_file(MANIFEST.to_owned(), bytes.len() as u64, futures::stream::iter([Ok(bytes)])).await?;
        self.piece(Bytes::from_static(&[0; 2 * tar::BLOCK_BYTES])).await
    }

    async fn send_local(&mut self, path: &str, local: &Path) -> Result<(), SendError> {
        let failed = |source: std::io::Error| read_error(path, source);
        let file = tokio::fs::File::open(local).await.map_err(failed)?;
        let size_bytes = file.metadata().await.map_err(failed)?.len();
        let bytes = ReaderStream::with_capacity(file, 1 << 16).map(|piece| piece.map_err(Into::into));
        self.send_file(path.to_owned(), size_bytes, bytes).await
    }

    /// Sends one file, and notes it for the manifest.
    async fn send_file(
        &mut self,
        path: String,
        size_bytes: u64,
        mut pieces: impl Stream<Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin,
    ) -> Result<(), SendError> {
        self.piece(Bytes::copy_from_slice(&tar::header(&path, size_bytes, 0)?)).await?;
        let (mut digest, mut sent) = (Sha256::new(), 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|source| SendError::Read { path: path.clone(), source })?;
            sent += piece.len() as u64;
            digest.update(&piece);
            if sent > size_bytes {
                break;
            }
            self.piece(piece).await?;
        }
        if sent != size_bytes {
            return Err(SendError::Size { path, found: sent, expected: size_bytes });
        }
        self.piece(Bytes::from_static(tar::padding(size_bytes))).await?;
        let sha256 = Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        self.manifest_files.push(ManifestFile { path, size: size_bytes, sha256 });
        Ok(())
    }

    async fn piece(&self, bytes: Bytes) -> Result<(), SendError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(bytes)).await.map_err(|_| SendError::Gone)
    }
}

fn read_error(path: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SendError {
    SendError::Read { path: path.to_owned(), source: source.into() }
}
