//! The engine's errors, one enum an operation. The server decides statuses; here stands what happened and whose fault
//! it is.

use std::fmt;

use line_protocol::{FieldKind, LineError};

use crate::limits;

/// Why a write stored nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Lines that do not parse; nothing of the batch is stored.
    #[error("{0}")]
    Parse(ParseErrors),
    /// Points that cannot be stored, in a write that asked for all or nothing. Nothing of it is stored.
    #[error("{0}")]
    Refused(Box<PartialWrite>),
    /// A limit of deletes.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The buffer or a queue is full.
    #[error("the server is overloaded: {what}; try again in {retry_after_s} s")]
    Overloaded {
        /// What is full.
        what: &'static str,
        /// When to try again.
        retry_after_s: u32,
    },
    /// The disk of the WAL or of the catalog is full. Writing goes on by itself when there is space.
    #[error("no space left on the device of the data directory")]
    OutOfSpace,
    /// A write or sync of the WAL failed: what the disk holds is not known, so nothing is accepted until a restart.
    #[error("writes are refused until a restart, because the write-ahead log failed: {cause}")]
    Poisoned {
        /// The failure.
        cause: String,
    },
    /// The engine is closing.
    #[error("the server is shutting down")]
    Closed,
    /// The bucket was dropped while the write was on its way.
    #[error("the bucket was deleted")]
    BucketDropped,
    /// The write needs a new column, and the catalog's database cannot be reached. Nothing of it is stored.
    #[error("new columns cannot be registered, because the catalog cannot be reached; try again in {retry_after_s} s")]
    CatalogUnreachable {
        /// Why, for the log.
        cause: String,
        /// When to try again.
        retry_after_s: u32,
    },
    /// The registry could not be committed.
    #[error("the catalog failed: {0}")]
    Catalog(String),
    /// A worker thread failed.
    #[error("internal error: {0}")]
    Internal(String),
}

/// All lines of a batch that do not parse. Displays as InfluxDB does: one cause a line.
#[derive(Debug)]
pub struct ParseErrors {
    /// The first ones, as many as the parser reports.
    pub lines: Vec<LineError>,
    /// How many there are in all.
    pub count: usize,
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            line.fmt(f)?;
        }
        match self.count.saturating_sub(self.lines.len()) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more lines that cannot be parsed"),
        }
    }
}

/// A limit that a delete would break. Nothing is deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A delete with too much to compare.
    #[error("the predicate of the delete takes more than {limit} bytes")]
    DeleteFilter {
        /// The limit.
        limit: usize,
    },
}

/// The lower end of a bucket's retention at the time of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionBound {
    /// How long the bucket keeps points, in nanoseconds.
    pub duration_ns: i64,
    /// The earliest time that is kept, in nanoseconds since the epoch.
    pub oldest_time_ns: i64,
}

/// Why a point that parses is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// A field has another type. The wording is InfluxDB's (`tsdb/field_validator.go`).
    FieldTypeConflict {
        /// The field.
        field: String,
        /// Its measurement.
        measurement: String,
        /// The type in the point.
        given: FieldKind,
        /// The type that the field has.
        existing: FieldKind,
    },
    /// The point needs a column beyond those that a measurement may have.
    TooManyColumns {
        /// Its measurement.
        measurement: String,
        /// The first tag or field of the point for which there is no room.
        column: String,
        /// Tags and fields that a measurement may have.
        limit: usize,
    },
    /// The point needs a measurement beyond those that a bucket may have.
    TooManyTables {
        /// The measurement.
        measurement: String,
        /// Measurements that a bucket may have.
        limit: usize,
    },
    /// The point is older than the bucket's retention.
    TooOld {
        /// The bound that it is behind.
        bound: RetentionBound,
        /// The point's series in line protocol.
        point: String,
        /// Its time in nanoseconds.
        time_ns: i64,
    },
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldTypeConflict { field, measurement, given, existing } => write!(
                f,
                "field type conflict: input field \"{field}\" on measurement \"{measurement}\" is type {given}, \
                 already exists as type {existing}"
            ),
            Self::TooManyColumns { measurement, column, limit } => write!(
                f,
                "max-columns-per-measurement limit exceeded: measurement \"{measurement}\" has no room for \
                 \"{column}\" beside {limit} tags and fields"
            ),
            Self::TooManyTables { measurement, limit } => write!(
                f,
                "max-measurements-per-bucket limit exceeded: the bucket has no room for \"{measurement}\" beside \
                 {limit} measurements"
            ),
            Self::TooOld { bound, time_ns, .. } => {
                write!(
                    f,
                    "the point at {} is outside retention policy of duration {}",
                    rfc3339(*time_ns),
                    go_duration(bound.duration_ns)
                )
            }
        }
    }
}

/// The points of a batch that were not stored. Displays as InfluxDB's `partial write: … dropped=N`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialWrite {
    /// How many points were dropped.
    pub dropped: usize,
    too_old: Option<TooOld>,
    reasons: Vec<String>,
    lines: Vec<RejectedLine>,
    /// Whether a limit of the schema was among the reasons.
    pub over_limit: bool,
}

/// A line of a body whose point was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// Its number, from 1; a line break inside a string does not count.
    pub line: u32,
    /// How it begins. Of a line that parses, its point; empty where that is not known any more.
    pub text: String,
    /// Why.
    pub cause: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TooOld {
    bound: RetentionBound,
    count: usize,
    oldest: (i64, String),
    newest: (i64, String),
}

impl PartialWrite {
    /// Whether every point was stored as it was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dropped == 0 && self.reasons.is_empty()
    }

    /// A write of which the parser already dropped so many points.
    #[must_use]
    pub fn of(dropped: usize) -> Self {
        Self { dropped, ..Self::default() }
    }

    /// The rejected lines, the first ones in order of their numbers.
    #[must_use]
    pub fn lines(&self) -> &[RejectedLine] {
        &self.lines
    }

    /// Names a line whose point is counted by itself.
    pub fn reject(&mut self, line: RejectedLine) {
        if self.lines.len() < limits::REJECTED_LINES {
            let place = self.lines.partition_point(|known| known.line <= line.line);
            self.lines.insert(place, line);
        }
    }

    /// Adds what another part of the write dropped.
    pub fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        self.over_limit |= other.over_limit;
        other.lines.into_iter().for_each(|line| self.reject(line));
        for reason in other.reasons {
            self.note(reason);
        }
        self.too_old = self.too_old.take().or(other.too_old);
    }

    /// Counts a dropped point.
    pub fn add(&mut self, reason: DropReason) {
        self.dropped += 1;
        self.over_limit |= matches!(reason, DropReason::TooManyColumns { .. } | DropReason::TooManyTables { .. });
        match reason {
            DropReason::TooOld { bound, point, time_ns } => self.add_too_old(bound, point, time_ns),
            other => self.note(other.to_string()),
        }
    }

    /// Adds a reason without counting a point: something was stripped from a point that was stored.
    pub fn note(&mut self, reason: String) {
        if self.reasons.len() < limits::DROP_REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn add_too_old(&mut self, bound: RetentionBound, point: String, time_ns: i64) {
        let Some(too_old) = &mut self.too_old else {
            let seen = (time_ns, point);
            self.too_old = Some(TooOld { bound, count: 1, oldest: seen.clone(), newest: seen });
            return;
        };
        too_old.count += 1;
        if time_ns < too_old.oldest.0 {
            too_old.oldest = (time_ns, point);
        } else if time_ns > too_old.newest.0 {
            too_old.newest = (time_ns, point);
        }
    }
}

impl fmt::Display for PartialWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("partial write: ")?;
        if let Some(too_old) = &self.too_old {
            let bound = rfc3339(too_old.bound.oldest_time_ns);
            let violation = format!("dropped because it violates a Retention Policy Lower Bound at {bound}");
            write!(
                f,
                "dropped {} points outside retention policy of duration {} - oldest point {} at {} {violation}, \
                 newest point {} at {} {violation} ",
                too_old.count,
                go_duration(too_old.bound.duration_ns),
                too_old.oldest.1,
                rfc3339(too_old.oldest.0),
                too_old.newest.1,
                rfc3339(too_old.newest.0),
            )?;
        }
        if !self.reasons.is_empty() {
            write!(f, "{} ", self.reasons.join("; "))?;
        }
        write!(f, "dropped={}", self.dropped)
    }
}

/// A time as Go's RFC3339Nano in UTC.
fn rfc3339(time_ns: i64) -> String {
    let text = chrono::DateTime::from_timestamp_nanos(time_ns).format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A whole number of seconds as Go prints a duration (`1h0m0s`).
fn go_duration(duration_ns: i64) -> String {
    let seconds = duration_ns / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_read_as_influxdb_words_them() {
        let mut partial = PartialWrite::default();
        assert!(partial.is_empty());
        partial.add(DropReason::FieldTypeConflict {
            field: "f".to_owned(),
            measurement: "m".to_owned(),
            given: FieldKind::Float,
            existing: FieldKind::Integer,
        });
        assert_eq!(
            partial.to_string(),
            "partial write: field type conflict: input field \"f\" on measurement \"m\" is type float, already exists \
             as type integer dropped=1"
        );
    }

    #[test]
    fn points_beyond_retention_name_the_oldest_and_the_newest() {
        let bound = RetentionBound { duration_ns: 3_600_000_000_000, oldest_time_ns: 1_577_840_400_500_000_000 };
        let mut partial = PartialWrite::default();
        for (point, time_ns) in [("m,t=a", 1_577_836_800_000_000_000), ("m,t=b", 1_577_836_801_000_000_000)] {
            partial.add(DropReason::TooOld { bound, point: point.to_owned(), time_ns });
        }
        assert_eq!(
            partial.to_string(),
            "partial write: dropped 2 points outside retention policy of duration 1h0m0s - oldest point m,t=a at \
             2020-01-01T00:00:00Z dropped because it violates a Retention Policy Lower Bound at \
             2020-01-01T01:00:00.5Z, newest point m,t=b at 2020-01-01T00:00:01Z dropped because it violates a \
             Retention Policy Lower Bound at 2020-01-01T01:00:00.5Z dropped=2"
        );
    }
}
