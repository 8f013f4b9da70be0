//! Identifiers of resources: one type for each kind, and the generator that makes them.
//!
//! An identifier is a `u64` that is not zero. On the wire it is 16 hexadecimal digits, lower case, with leading zeros
//! (upper case is accepted); in SQL it is a BIGINT with the same bits. This module never looks anything up.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Clock;

/// Why a text is not an identifier. The texts are InfluxDB's (kit/platform/id.go); the status is 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text does not have 16 bytes.
    #[error("id must have a length of 16 bytes")]
    Length,
    /// The text is not hexadecimal, or it is zero.
    #[error("invalid ID")]
    Invalid,
}

/// The number of an identifier in its wire form.
///
/// # Errors
/// [`ParseIdError`] if the text is not 16 hexadecimal digits of a number above zero.
pub fn parse_id(text: &str) -> Result<NonZeroU64, ParseIdError> {
    if text.len() != 16 {
        return Err(ParseIdError::Length);
    }
    // `from_str_radix` also takes a leading plus sign, which is no digit here.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ParseIdError::Invalid);
    }
    let number = u64::from_str_radix(text, 16).map_err(|_| ParseIdError::Invalid)?;
    NonZeroU64::new(number).ok_or(ParseIdError::Invalid)
}

macro_rules! identifiers {
    ($($(#[$documentation:meta])* $name:ident)+) => {$(
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The smallest one.
            pub const FIRST: Self = Self(NonZeroU64::MIN);
            /// The largest one.
            pub const LAST: Self = Self(NonZeroU64::MAX);

            /// The number.
            #[must_use]
            pub fn get(self) -> u64 {
                self.0.get()
            }

            /// The identifier of a number; `None` for zero.
            #[must_use]
            pub fn from_u64(number: u64) -> Option<Self> {
                NonZeroU64::new(number).map(Self)
            }

            /// The value of a BIGINT column: the same bits, so that identifiers above `i64::MAX` are negative.
            #[must_use]
            pub fn to_i64(self) -> i64 {
                self.get().cast_signed()
            }

            /// The identifier of a BIGINT column; `None` for zero.
            #[must_use]
            pub fn from_i64(column: i64) -> Option<Self> {
                Self::from_u64(column.cast_unsigned())
            }
        }

        impl From<NonZeroU64> for $name {
            fn from(number: NonZeroU64) -> Self {
                Self(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:016x}", self.get())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({:016x})"), self.get())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_id(text).map(Self)
            }
        }
    )+};
}

identifiers! {
    /// An organisation.
    OrganisationId
    /// A bucket.
    BucketId
    /// A user.
    UserId
    /// An authorization, that is the record of a token.
    AuthorizationId
    /// A user of the API of InfluxDB 1.x.
    V1UserId
    /// A mapping of a database and retention policy to a bucket.
    DbrpId
    /// A document: a label, dashboard and the like.
    DocumentId
    /// A cache of InfluxDB 3.
    CacheId
    /// Something that is done again and again.
    JobId
}

/// 2020-01-01T00:00:00Z in milliseconds since 1970: counting from there, identifiers stay below 2^63 until 2089, and
/// sort the same way as SQL's signed BIGINT.
const EPOCH_MS: u64 = 1_577_836_800_000;
/// Bits below the milliseconds: 4 million identifiers a millisecond before the numbers run ahead of the clock.
const SEQUENCE_BITS: u32 = 22;

/// Makes identifiers that grow: milliseconds since 2020 above a sequence of 22 bits.
///
/// The last number given out is a floor. A clock that goes back therefore makes the numbers grow by one instead of
/// repeating, and whoever keeps [`IdGenerator::last`] on disk and starts the next generator from it gets identifiers
/// that are unique after restarts too. All kinds of resources may share one generator.
#[derive(Debug)]
pub struct IdGenerator {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
}

impl IdGenerator {
    /// A generator whose numbers are all above `last` (0 if none was ever given out).
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, last: u64) -> Self {
        Self { clock, last: AtomicU64::new(last) }
    }

    /// The next identifier, larger than every one before it. Its kind follows from where it is used.
    pub fn next<Id: From<NonZeroU64>>(&self) -> Id {
        Id::from(self.next_number())
    }

    /// The last number given out, or the floor that the generator was made with.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    fn next_number(&self) -> NonZeroU64 {
        let milliseconds = u64::try_from(self.clock.now_ns() / 1_000_000).unwrap_or(0).saturating_sub(EPOCH_MS);
        let by_clock = milliseconds << SEQUENCE_BITS;
        let advance = |last: u64| Some(by_clock.max(last.saturating_add(1)));
        let (Ok(last) | Err(last)) = self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, advance);
        // `saturating_add(1)` of anything is at least 1, so the fallback is never taken.
        NonZeroU64::new(by_clock.max(last.saturating_add(1))).unwrap_or(NonZeroU64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::time::ManualClock;

    const NOW_NS: i64 = 1_795_000_000_000_000_000;

    #[test]
    fn texts_are_parsed_by_the_rule_of_the_wire() {
        let check = |text: &str, expected: Result<u64, ParseIdError>| {
            assert_eq!(text.parse::<BucketId>().map(BucketId::get), expected, "{text:?}");
        };
        check("0000000000000001", Ok(1));
        check("8507e9eddc4316df", Ok(0x8507_e9ed_dc43_16df));
        check("8507E9EDDC4316DF", Ok(0x8507_e9ed_dc43_16df));
        check("ffffffffffffffff", Ok(u64::MAX));
        check("", Err(ParseIdError::Length));
        check("1", Err(ParseIdError::Length));
        check("00000000000000001", Err(ParseIdError::Length));
        check("0000000000000000", Err(ParseIdError::Invalid));
        check("zz00000000000000", Err(ParseIdError::Invalid));
        check("+000000000000001", Err(ParseIdError::Invalid));
        check("ééééé000000", Err(ParseIdError::Invalid));
    }

    #[test]
    fn error_texts_are_those_of_influxdb() {
        assert_eq!(ParseIdError::Length.to_string(), "id must have a length of 16 bytes");
        assert_eq!(ParseIdError::Invalid.to_string(), "invalid ID");
    }

    #[test]
    fn identifiers_print_as_sixteen_digits_and_survive_sql() {
        for number in [1, 0x0a, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, u64::MAX] {
            let id = UserId::from_u64(number).unwrap_or_else(|| panic!("{number} is not zero"));
            assert_eq!(id.to_string(), format!("{number:016x}"));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(UserId::from_i64(id.to_i64()), Some(id));
        }
        assert_eq!(UserId::from_u64(0), None);
        assert_eq!(UserId::from_i64(0), None);
        assert_eq!(format!("{:?}", UserId::from_u64(10)), "Some(UserId(000000000000000a))");
    }

    #[test]
    fn identifiers_grow_even_when_the_clock_goes_back() {
        let clock = Arc::new(ManualClock::new(NOW_NS));
        let generator = IdGenerator::new(Arc::<ManualClock>::clone(&clock), 0);
        let mut ids: Vec<BucketId> = vec![generator.next(), generator.next()];
        clock.set_ns(NOW_NS - 3_600_000_000_000);
        ids.push(generator.next());
        clock.set_ns(i64::MIN);
        ids.push(generator.next());
        clock.set_ns(NOW_NS);
        clock.advance(Duration::from_millis(1));
        ids.push(generator.next());
        assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
    }

    #[test]
    fn a_new_generator_continues_above_the_last_number() {
        let clock = Arc::new(ManualClock::new(NOW_NS));
        let before = IdGenerator::new(Arc::<ManualClock>::clone(&clock), 0);
        let old: UserId = before.next();
        clock.set_ns(0);
        let after = IdGenerator::new(clock, before.last());
        let new: UserId = after.next();
        assert!(new > old);
    }

    #[test]
    fn the_first_identifier_of_a_clock_before_2020_is_not_zero() {
        let generator = IdGenerator::new(Arc::new(ManualClock::new(0)), 0);
        assert_eq!(generator.next::<UserId>().get(), 1);
    }

    #[test]
    fn threads_never_get_the_same_identifier() {
        let generator = IdGenerator::new(Arc::new(ManualClock::new(NOW_NS)), 0);
        let all: Vec<UserId> = std::thread::scope(|scope| {
            let make = || (0..1000).map(|_| generator.next()).collect::<Vec<UserId>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        assert_eq!(all.len(), 4000);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4000);
    }
}
