//! Sends batches, and narrows a refusal down to the lines that cause it.
//!
//! A server refuses a batch as a whole if one line of it does not parse, and stores nothing of it. Such a batch is sent
//! again in halves until the bad lines stand alone: all others are stored, and each bad one is named by its number.

use std::ops::Range;

use freshet_client::{BatchWriterBuilder, FlushError, Rejection, StartError, WriteError};

use super::WriteCommandError;
use super::input::Batch;
use super::rejected::Rejected;
use super::report::Report;

/// Halving stops after so many bad lines; refused batches are then reported as a whole. Who has so many has other
/// worries than the good lines between them.
const LINES_NARROWED_MAX: u64 = 100;

/// The part of the message by which servers refuse lines, and not the request.
const LINE_REFUSAL: &str = "unable to parse";

/// Why sending cannot go on: what stands behind these lines would meet the same.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("{origin}, lines {first} to {last}: {source}")]
    Refused { origin: String, first: u64, last: u64, source: WriteError },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Rejected(Box<WriteCommandError>),
    #[error("{origin}, lines {first} to {last}: the writer stopped")]
    Stopped { origin: String, first: u64, last: u64 },
}

/// Where batches go, and who hears of it.
pub(crate) struct Delivery<'a> {
    pub(crate) writer: BatchWriterBuilder,
    pub(crate) report: &'a Report,
    /// Keeps lines that are refused.
    pub(crate) rejected: Option<&'a Rejected>,
}

/// What became of some lines.
enum Verdict {
    Stored,
    /// The server does not like some of the lines; none of them is stored.
    Unparsable(Rejection),
    /// Some of the points were dropped, the others are stored.
    Partial(Rejection),
}

impl Delivery<'_> {
    /// Sends all lines of a batch. `Ok` means that each is stored or reported.
    pub(crate) async fn deliver(&self, origin: &str, batch: &Batch) -> Result<(), DeliveryError> {
        let mut waiting: Vec<_> = std::iter::once(0..batch.len()).collect();
        while let Some(lines) = waiting.pop() {
            let (first, last) = (batch.number(lines.start), batch.number(lines.end - 1));
            match self.send(origin, batch, lines.clone()).await? {
                Verdict::Stored => self.report.stored(lines.len() as u64),
                Verdict::Unparsable(_) if lines.len() > 1 && self.report.lines_refused() < LINES_NARROWED_MAX => {
                    let middle = lines.start + lines.len() / 2;
                    // The stack gives the first half first, so that the order of lines stays.
                    waiting.extend([middle..lines.end, lines.start..middle]);
                }
                Verdict::Unparsable(rejection) => {
                    self.report.refused_lines(origin, first, last, lines.len() as u64, &rejection.message);
                    self.keep(&rejection.message, batch.text(lines))?;
                }
                Verdict::Partial(rejection) => {
                    let dropped = dropped_points(&rejection.message).unwrap_or(lines.len() as u64);
                    self.report.stored((lines.len() as u64).saturating_sub(dropped));
                    self.report.refused_lines(origin, first, last, dropped, &rejection.message);
                }
            }
        }
        Ok(())
    }

    /// Keeps lines of which none was stored.
    fn keep(&self, cause: &str, text: &str) -> Result<(), DeliveryError> {
        let kept = self.rejected.map_or(Ok(()), |rejected| rejected.write(cause, text));
        kept.map_err(|error| DeliveryError::Rejected(Box::new(error)))
    }

    async fn send(&self, origin: &str, batch: &Batch, lines: Range<usize>) -> Result<Verdict, DeliveryError> {
        let origin = || origin.to_owned();
        let (first, last) = (batch.number(lines.start), batch.number(lines.end - 1));
        let writer = self.writer.clone().start()?;
        let stopped = || DeliveryError::Stopped { origin: origin(), first, last };
        writer.write(batch.text(lines)).await.map_err(|_| stopped())?;
        let failures = match writer.close().await {
            Ok(()) => return Ok(Verdict::Stored),
            Err(FlushError::Failed(failures)) => failures.failures,
            Err(_) => return Err(stopped()),
        };
        // The writer halves what is too large, so there may be several; the first one says what is wrong.
        let several = failures.len() > 1;
        let Some(failure) = failures.into_iter().next() else { return Err(stopped()) };
        match failure.error.rejection() {
            Some(rejection) if rejection.status == 422 => Ok(Verdict::Partial(rejection.clone())),
            Some(rejection) if rejection.status == 400 && rejection.message.contains(LINE_REFUSAL) && !several => {
                Ok(Verdict::Unparsable(rejection.clone()))
            }
            _ => Err(DeliveryError::Refused { origin: origin(), first, last, source: failure.error }),
        }
    }
}

/// The number in `… dropped=12`, as all servers say it.
fn dropped_points(message: &str) -> Option<u64> {
    let (_, behind) = message.rsplit_once("dropped=")?;
    let digits = behind.find(|character: char| !character.is_ascii_digit()).unwrap_or(behind.len());
    behind.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::dropped_points;

    #[test]
    fn dropped() {
        for (message, expected) in [
            ("partial write: points beyond retention policy dropped=12", Some(12)),
            ("partial write: field type conflict dropped=1; more", Some(1)),
            ("dropped=", None),
            ("nothing", None),
        ] {
            assert_eq!(dropped_points(message), expected, "{message}");
        }
    }
}
