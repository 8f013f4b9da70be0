//! What a person sees of a write: a bar on a terminal, errors with their lines, and the rate at the end. All of it on
//! standard error.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Errors that are printed; the rest is only counted, so that a wrong file does not fill the screen.
const PRINTED_ERRORS_MAX: u64 = 100;

/// Counts and prints.
pub(crate) struct Report {
    bar: ProgressBar,
    quiet: bool,
    started: Instant,
    stored: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
}

impl Report {
    /// Begins, with the size of the input if it is known. Only a terminal shows a bar.
    pub(crate) fn start(total_bytes: Option<u64>, quiet: bool) -> Self {
        // Ten pictures a second do not slow anything down.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(total_bytes, target);
        let template = match total_bytes {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} {eta}",
            None => "{spinner} {bytes} {binary_bytes_per_sec} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            quiet,
            started: now(),
            stored: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// A reader that moves the bar.
    pub(crate) fn count<R: Read>(&self, source: R) -> impl Read + use<R> {
        self.bar.wrap_read(source)
    }

    /// So many lines are stored.
    pub(crate) fn stored(&self, lines: u64) {
        let stored = self.stored.fetch_add(lines, Ordering::Relaxed) + lines;
        self.bar.set_message(format!("{stored} lines"));
    }

    /// Lines that are refused so far.
    pub(crate) fn lines_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// All lines from `first` to `last` are not stored.
    pub(crate) fn refused(&self, origin: &str, first: u64, last: u64, cause: &str) {
        self.refused_lines(origin, first, last, last - first + 1, cause);
    }

    /// So many of the lines from `first` to `last` are not stored.
    pub(crate) fn refused_lines(&self, origin: &str, first: u64, last: u64, lines: u64, cause: &str) {
        self.refused.fetch_add(lines, Ordering::Relaxed);
        let printed = self.errors.fetch_add(1, Ordering::Relaxed);
        let place = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
        self.bar.suspend(|| match printed {
            ..PRINTED_ERRORS_MAX => eprintln!("{origin}, {place}: {cause}"),
            PRINTED_ERRORS_MAX => eprintln!("further errors are only counted"),
            _ => {}
        });
    }

    /// An earlier part of the same work had so many refused.
    pub(crate) fn went_on(&self, refused: u64) {
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }

    /// So many bytes of the input count as read: of a file that is not read from end to end.
    pub(crate) fn passed(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Removes the bar, prints the summary, and returns how many lines were stored and how many were not.
    pub(crate) fn finish(&self) -> (u64, u64) {
        self.bar.finish_and_clear();
        let (stored, refused) = (self.stored.load(Ordering::Relaxed), self.lines_refused());
        if !self.quiet {
            let elapsed_s = self.started.elapsed().as_secs_f64();
            let rate = stored as f64 / elapsed_s.max(f64::EPSILON);
            eprintln!("{stored} lines written in {elapsed_s:.1} s ({rate:.0} lines/s), {refused} refused");
        }
        (stored, refused)
    }
}

#[expect(clippy::disallowed_methods, reason = "the rate is printed and decides nothing")]
fn now() -> Instant {
    Instant::now()
}
