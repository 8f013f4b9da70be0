//! Answers in gzip, for callers that ask for it. What is compressed goes out as soon as nothing more is there to be
//! compressed, so that who reads rows as they come is not kept waiting.

use std::convert::Infallible;
use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{FutureExt as _, Stream, StreamExt as _};
use http::{HeaderMap, header};

use crate::limits;

/// Whether `Accept-Encoding` names gzip, and not with a weight of nothing.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = |part: &str| {
            let weight = part.strip_prefix("q=").map(str::trim);
            weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
        };
        is_gzip && !parts.any(is_refused)
    })
}

/// The same text, compressed.
pub(crate) fn compressed(
    text: impl Stream<Item = Result<Bytes, Infallible>> + Send,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    // A network takes it faster than a better compression gives it.
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    futures::stream::unfold((Box::pin(text), Some(encoder)), |(mut text, encoder)| async move {
        let mut encoder = encoder?;
        let mut is_flushed = true;
        loop {
            let next = match text.next().now_or_never() {
                Some(next) => next,
                None if is_flushed => text.next().await,
                None => {
                    let flushed = encoder.flush().map(|()| Bytes::from(std::mem::take(encoder.get_mut())));
                    return Some((flushed, (text, Some(encoder))));
                }
            };
            match next {
                Some(Ok(piece)) => {
                    if let Err(error) = encoder.write_all(&piece) {
                        return Some((Err(error), (text, None)));
                    }
                    is_flushed = false;
                    if encoder.get_ref().len() >= limits::GZIP_PIECE_BYTES {
                        let piece = Bytes::from(std::mem::take(encoder.get_mut()));
                        return Some((Ok(piece), (text, Some(encoder))));
                    }
                }
                Some(Err(never)) => match never {},
                None => return Some((encoder.finish().map(Bytes::from), (text, None))),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Read as _;

    use super::*;

    #[test]
    fn gzip_is_wanted_where_it_is_named_with_a_weight() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("br, gzip; q=1", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("gzipped", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(is_wanted(&headers), expected, "{value}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_is_there_goes_out_before_the_next_comes() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let text = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (Ok(piece), receiver))
        });
        let mut pieces = Box::pin(compressed(text));
        let mut sent = Vec::new();
        let read = |sent: &[u8]| {
            let mut text = String::new();
            // An answer that is not at its end is cut: what is before counts.
            let _ = flate2::read::GzDecoder::new(sent).read_to_string(&mut text);
            text
        };
        for (piece, expected) in [("first ", "first "), ("second", "first second")] {
            sender.send(Bytes::from(piece)).unwrap();
            while read(&sent) != expected {
                sent.extend_from_slice(&pieces.next().await.unwrap().unwrap());
            }
        }
        drop(sender);
        while let Some(piece) = pieces.next().await {
            sent.extend_from_slice(&piece.unwrap());
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(&sent[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "first second");
    }
}
