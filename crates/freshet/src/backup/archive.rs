//! Reads the tar archive of a backup as it comes. Only what the server writes is understood: plain files.

use storage::backup::ManifestFile;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const BLOCK_BYTES: usize = 512;
/// Bytes that are taken at once.
const PIECE_BYTES: usize = 256 << 10;
/// The longest manifest: a million files.
const MANIFEST_BYTES_MAX: u64 = 512 << 20;

/// Why the archive cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("the archive was cut off: {0}")]
    Read(#[from] std::io::Error),
    #[error("the archive is damaged: {0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Write(#[from] super::directory::DirectoryError),
}

/// An archive on its way.
pub(super) struct Archive<R> {
    source: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Archive<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, buffer: vec![0; PIECE_BYTES] }
    }

    /// The next file, whose bytes are to be read at once; none at the archive's end.
    pub(super) async fn next_file(&mut self) -> Result<Option<ManifestFile>, ArchiveError> {
        let mut block = [0_u8; BLOCK_BYTES];
        self.source.read_exact(&mut block).await?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        parse(&block).map(Some)
    }

    /// Reads a file piece by piece.
    pub(super) async fn read_into(
        &mut self,
        file: &ManifestFile,
        mut take: impl FnMut(&[u8]) -> Result<(), super::directory::DirectoryError>,
    ) -> Result<(), ArchiveError> {
        let mut left = file.size;
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let piece = self.buffer.get_mut(..room).unwrap_or_default();
            self.source.read_exact(piece).await?;
            take(piece)?;
            left -= piece.len() as u64;
        }
        let over = (file.size % BLOCK_BYTES as u64) as usize;
        if over > 0 {
            let mut padding = [0_u8; BLOCK_BYTES];
            self.source.read_exact(padding.get_mut(over..).unwrap_or_default()).await?;
        }
        Ok(())
    }

    /// Reads the manifest.
    pub(super) async fn read_small(&mut self, file: &ManifestFile) -> Result<Vec<u8>, ArchiveError> {
        if file.size > MANIFEST_BYTES_MAX {
            return Err(ArchiveError::Damaged("its manifest is too long"));
        }
        let mut bytes = Vec::new();
        self.read_into(file, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }
}

/// The path and size in a header.
fn parse(block: &[u8; BLOCK_BYTES]) -> Result<ManifestFile, ArchiveError> {
    let field = |start: usize, end: usize| block.get(start..end).unwrap_or_default();
    let text = |start: usize, end: usize| {
        let bytes = field(start, end).split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| ArchiveError::Damaged("a header is not text"))
    };
    let octal = |start: usize, end: usize| {
        u64::from_str_radix(text(start, end)?.trim(), 8).map_err(|_| ArchiveError::Damaged("a header has no number"))
    };
    // Its own field counts as blanks.
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) };
    let sum: u64 = block.iter().enumerate().map(byte).sum();
    if octal(148, 156)? != sum {
        return Err(ArchiveError::Damaged("the sum of a header is wrong"));
    }
    let size = match block.get(124) {
        Some(0x80) => field(128, 136).first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default(),
        _ => octal(124, 136)?,
    };
    let path = text(0, 100)?;
    let is_inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !is_inside || block.get(156) != Some(&b'0') {
        return Err(ArchiveError::Damaged("it holds something else than files below its own folder"));
    }
    Ok(ManifestFile { path: path.to_owned(), size, sha256: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A header as GNU tar writes it.
    fn header(path: &str, size: &[u8; 12], kind: u8) -> [u8; BLOCK_BYTES] {
        let mut block = [0_u8; BLOCK_BYTES];
        block[..path.len()].copy_from_slice(path.as_bytes());
        block[124..136].copy_from_slice(size);
        block[156] = kind;
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[tokio::test]
    async fn files_come_with_their_bytes_and_the_end_is_seen() {
        let mut bytes = header("files/a", b"00000000003\0", b'0').to_vec();
        bytes.extend_from_slice(b"abc");
        bytes.resize(1024, 0);
        bytes.extend_from_slice(&header("manifest.json", b"00000000000\0", b'0'));
        bytes.resize(3 * 512 + 1024, 0);
        let mut archive = Archive::new(&bytes[..]);
        let file = archive.next_file().await.unwrap().unwrap();
        assert_eq!((file.path.as_str(), file.size), ("files/a", 3));
        assert_eq!(archive.read_small(&file).await.unwrap(), b"abc");
        let file = archive.next_file().await.unwrap().unwrap();
        assert_eq!((file.path.as_str(), file.size), ("manifest.json", 0));
        assert!(archive.next_file().await.unwrap().is_none());
        let mut cut = Archive::new(&bytes[..514]);
        let file = cut.next_file().await.unwrap().unwrap();
        assert!(matches!(cut.read_small(&file).await, Err(ArchiveError::Read(_))));
    }

    #[test]
    fn headers_are_checked() {
        assert_eq!(parse(&header("x", &[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], b'0')).unwrap().size, 2 << 32);
        for path in ["../x", "/etc/x", "a/../b", "a//b", "."] {
            assert!(parse(&header(path, b"00000000003\0", b'0')).is_err(), "{path}");
        }
        assert!(parse(&header("x", b"00000000003\0", b'2')).is_err(), "a link");
        let mut broken = header("x", b"00000000003\0", b'0');
        broken[3] ^= 1;
        assert!(parse(&broken).is_err());
    }
}
