//! A stream of the network for a thread that reads.

use std::io::{self, Read};

use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::BATCHES_AHEAD;

/// A stream as something that a thread reads.
pub(crate) struct Streamed<B, E> {
    pieces: mpsc::Receiver<Result<B, E>>,
    piece: Option<B>,
    given: usize,
}

impl<B: AsRef<[u8]> + Send + 'static, E: Send + 'static> Streamed<B, E> {
    /// Begins to receive, a few pieces ahead.
    pub(crate) fn start(mut stream: impl Stream<Item = Result<B, E>> + Send + Unpin + 'static) -> Self {
        let (sender, pieces) = mpsc::channel(BATCHES_AHEAD);
        tokio::spawn(async move {
            while let Some(piece) = stream.next().await {
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
        });
        Self { pieces, piece: None, given: 0 }
    }
}

impl<B: AsRef<[u8]>, E: Into<Box<dyn std::error::Error + Send + Sync>>> Read for Streamed<B, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let waiting = self.piece.as_ref().and_then(|piece| piece.as_ref().get(self.given..)).unwrap_or_default();
            let count = waiting.len().min(buffer.len());
            if let (1.., Some(target), Some(bytes)) = (count, buffer.get_mut(..count), waiting.get(..count)) {
                target.copy_from_slice(bytes);
                self.given += count;
                return Ok(count);
            }
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => (self.piece, self.given) = (Some(piece.map_err(io::Error::other)?), 0),
            }
        }
    }
}
