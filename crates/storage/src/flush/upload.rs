//! The way of a file's bytes from the thread that encodes them to the object store, a part at a time.
//!
//! Nothing is visible in the store before the encoder says that the file is whole. No more than
//! [`PARTS_IN_FLIGHT`] + 2 parts are in memory.

use std::io::{self, Write};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::sync::mpsc;

/// Bytes of a part. S3 takes no part below 5 MiB, and at most 10,000 of them.
const PART_BYTES: usize = 8 << 20;

/// Parts that wait for the store: one is uploaded while the next is made.
const PARTS_IN_FLIGHT: usize = 1;

enum Part {
    Middle(Bytes),
    Last(Bytes),
}

/// Where the encoder writes. Bytes go to the store only after [`PartWriter::finish`].
pub(crate) struct PartWriter {
    parts: mpsc::Sender<Part>,
    buffer: Vec<u8>,
    size_bytes: u64,
    tail: [u8; 8],
}

/// What the store side receives.
pub(crate) struct Parts(mpsc::Receiver<Part>);

/// What a finished file measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileSize {
    pub(crate) size_bytes: u64,
    /// Bytes of the Parquet footer's metadata.
    pub(crate) footer_size_bytes: u64,
}

/// The two ends of a file's way to the store.
pub(crate) fn channel() -> (PartWriter, Parts) {
    let (parts, receiver) = mpsc::channel(PARTS_IN_FLIGHT);
    (PartWriter { parts, buffer: Vec::new(), size_bytes: 0, tail: [0; 8] }, Parts(receiver))
}

impl PartWriter {
    fn send(&self, part: Part) -> io::Result<()> {
        self.parts.blocking_send(part).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Hands over the last bytes: now the file becomes visible.
    ///
    /// # Errors
    /// If the store has given up.
    pub(crate) fn finish(mut self) -> io::Result<FileSize> {
        let last = std::mem::take(&mut self.buffer);
        self.send(Part::Last(last.into()))?;
        // A Parquet file ends with the length of its metadata (4 bytes, little-endian) and "PAR1".
        let [length @ .., _, _, _, _] = self.tail;
        Ok(FileSize { size_bytes: self.size_bytes, footer_size_bytes: u64::from(u32::from_le_bytes(length)) })
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.size_bytes += bytes.len() as u64;
        let kept = bytes.len().min(8);
        self.tail.copy_within(kept.., 0);
        self.tail[8 - kept..].copy_from_slice(&bytes[bytes.len() - kept..]);
        while self.buffer.len() > PART_BYTES {
            let rest = self.buffer.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.buffer, rest);
            self.send(Part::Middle(part.into()))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stores the parts under `path`. If the encoder stops without an end, nothing is stored and `Ok(false)` returned.
///
/// # Errors
/// What the store reports; nothing is visible then.
pub(crate) async fn store_parts(store: &dyn ObjectStore, path: &Path, mut parts: Parts) -> object_store::Result<bool> {
    match parts.0.recv().await {
        None => Ok(false),
        Some(Part::Last(bytes)) => store.put(path, PutPayload::from_bytes(bytes)).await.map(|_| true),
        Some(Part::Middle(first)) => {
            let mut upload = store.put_multipart(path).await?;
            match upload_parts(&mut *upload, first, parts).await {
                Ok(true) => match upload.complete().await {
                    Ok(_) => Ok(true),
                    Err(error) => {
                        let _ = upload.abort().await;
                        Err(error)
                    }
                },
                stopped => {
                    // The cause is in `stopped`; what the store cannot take back stays invisible.
                    let _ = upload.abort().await;
                    stopped
                }
            }
        }
    }
}

async fn upload_parts(upload: &mut dyn MultipartUpload, first: Bytes, mut parts: Parts) -> object_store::Result<bool> {
    upload.put_part(PutPayload::from_bytes(first)).await?;
    while let Some(part) = parts.0.recv().await {
        let (bytes, is_last) = match part {
            Part::Middle(bytes) => (bytes, false),
            Part::Last(bytes) => (bytes, true),
        };
        upload.put_part(PutPayload::from_bytes(bytes)).await?;
        if is_last {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    async fn write(pieces: Vec<Vec<u8>>, finish: bool) -> (InMemory, object_store::Result<bool>, Option<FileSize>) {
        let store = InMemory::new();
        let (mut writer, parts) = channel();
        let encoder = tokio::task::spawn_blocking(move || {
            for piece in &pieces {
                writer.write_all(piece).unwrap();
            }
            finish.then(|| writer.finish().unwrap())
        });
        let stored = store_parts(&store, &Path::from("f"), parts).await;
        (store, stored, encoder.await.unwrap())
    }

    #[tokio::test]
    async fn every_size_arrives_whole() {
        for size in [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7] {
            let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            let pieces = bytes.chunks(100_003).map(<[u8]>::to_vec).collect();
            let (store, stored, measured) = write(pieces, true).await;
            assert!(stored.unwrap());
            assert_eq!(store.get(&Path::from("f")).await.unwrap().bytes().await.unwrap(), bytes);
            assert_eq!(measured.unwrap().size_bytes, size as u64);
        }
    }

    #[tokio::test]
    async fn the_footer_length_is_read_from_the_last_eight_bytes() {
        for pieces in
            [vec![b"xx\x07\x01\0\0PAR1".to_vec()], vec![b"xx\x07".to_vec(), b"\x01\0".to_vec(), b"\0PAR1".to_vec()]]
        {
            let (_, _, measured) = write(pieces, true).await;
            assert_eq!(measured.unwrap().footer_size_bytes, 0x107);
        }
    }

    #[tokio::test]
    async fn an_encoder_that_stops_stores_nothing() {
        for size in [10, 2 * PART_BYTES] {
            let (store, stored, _) = write(vec![vec![1; size]], false).await;
            assert!(!stored.unwrap());
            assert!(store.head(&Path::from("f")).await.is_err());
        }
    }
}
