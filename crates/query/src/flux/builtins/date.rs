//! Package `date`: bindings. Times are read on the clock of a location.

use chrono::{DateTime, Datelike as _, NaiveDateTime, Timelike as _};

use super::super::duration::{Duration, add_months, month_of, start_of_month};
use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::value::{Record, Value};
use super::super::window::Location;
use super::Functions;
use crate::ops::window::Windows;

/// The location of the argument of that name.
pub(super) fn location(call: &Call<'_>) -> Result<Location> {
    match call.optional::<Record>("location")? {
        Some(record) => Location::from_record(&record),
        None => Ok(Location::default()),
    }
}

/// What the clock of a location shows.
fn clock(location: Location, time: i64) -> NaiveDateTime {
    DateTime::from_timestamp_nanos(location.to_local(time)).naive_utc()
}

/// The hour that the clock of a location shows.
pub(super) fn hour(location: Location, time: i64) -> i64 {
    i64::from(clock(location, time).hour())
}

/// A time, or a duration from now.
fn time(call: &mut Call<'_>, name: &str) -> Result<i64> {
    match call.value(name) {
        Value::Time(time) => Ok(time),
        Value::Duration(duration) => Ok(duration.add_to(call.interpreter.now()?)),
        other => {
            let kind = other.kind();
            Err(FluxError::invalid(format!("cannot convert argument {name} of type {kind} to time")))
        }
    }
}

fn part(call: &mut Call<'_>, part: fn(NaiveDateTime) -> u32) -> Result<Value> {
    let place = location(call)?;
    let time = time(call, "t")?;
    Ok(Value::Int(i64::from(part(clock(place, time)))))
}

/// Down to the start of a unit of time. Weeks begin on Thursday, as 1970 did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truncation {
    place: Location,
    unit: Duration,
}

impl Truncation {
    /// That of the arguments `unit` and `location`.
    pub(super) fn of(call: &Call<'_>) -> Result<Self> {
        let place = location(call)?;
        let unit: Duration = call.required("unit")?;
        if unit.is_zero() {
            return Err(FluxError::invalid("duration used as an interval cannot be zero"));
        }
        if unit.is_negative() {
            return Err(FluxError::invalid("duration used as an interval cannot be negative"));
        }
        if unit.months != 0 && unit.nanoseconds != 0 {
            return Err(FluxError::invalid("duration used as an interval cannot mix month and nanosecond units"));
        }
        Ok(Self { place, unit })
    }

    /// The start of the unit that a time is in.
    pub(super) fn apply(self, time: i64) -> i64 {
        let Self { place, unit } = self;
        let moved = time.saturating_add(place.offset_ns);
        let start = if unit.months != 0 {
            let month = month_of(moved, place.zone);
            start_of_month(month - month.rem_euclid(unit.months), place.zone)
        } else {
            Windows { every: unit.nanoseconds, offset: 0, zone: place.zone }.bounds(moved).0
        };
        start.saturating_sub(place.offset_ns)
    }
}

fn truncate(call: &mut Call<'_>) -> Result<Value> {
    let truncation = Truncation::of(call)?;
    Ok(Value::Time(truncation.apply(time(call, "t")?)))
}

/// A time and a duration together: months on the clock of the location, to the last day of a month at most.
fn add(call: &mut Call<'_>, name: &str, is_back: bool) -> Result<Value> {
    let place = location(call)?;
    let time = time(call, name)?;
    let duration: Duration = call.required("d")?;
    let duration = if is_back { duration.checked_neg() } else { Some(duration) };
    let duration = duration.ok_or_else(|| FluxError::invalid("duration is out of range"))?;
    let moved = add_months(time.saturating_add(place.offset_ns), duration.months, place.zone);
    Ok(Value::Time(moved.saturating_sub(place.offset_ns).saturating_add(duration.nanoseconds)))
}

fn scale(call: &Call<'_>) -> Result<Value> {
    let scaled = call.required::<Duration>("d")?.checked_mul(call.required("n")?);
    scaled.map(Value::Duration).ok_or_else(|| FluxError::invalid("duration is out of range"))
}

/// The functions of package `date`.
pub(super) const FUNCTIONS: Functions = &[
    ("_second", |call| part(call, |clock| clock.second())),
    ("_minute", |call| part(call, |clock| clock.minute())),
    ("_hour", |call| part(call, |clock| clock.hour())),
    ("_weekDay", |call| part(call, |clock| clock.weekday().num_days_from_sunday())),
    ("_monthDay", |call| part(call, |clock| clock.day())),
    ("_yearDay", |call| part(call, |clock| clock.ordinal())),
    ("_month", |call| part(call, |clock| clock.month())),
    ("_year", |call| {
        let place = location(call)?;
        let time = time(call, "t")?;
        Ok(Value::Int(i64::from(clock(place, time).year())))
    }),
    ("_week", |call| part(call, |clock| clock.iso_week().week())),
    ("_quarter", |call| part(call, |clock| clock.month0() / 3 + 1)),
    ("_millisecond", |call| part(call, |clock| clock.nanosecond() / 1_000_000)),
    ("_microsecond", |call| part(call, |clock| clock.nanosecond() / 1_000)),
    ("_nanosecond", |call| part(call, |clock| clock.nanosecond())),
    ("_truncate", truncate),
    ("_time", |call| time(call, "t").map(Value::Time)),
    ("_add", |call| add(call, "to", false)),
    ("_sub", |call| add(call, "from", true)),
    ("scale", |call| scale(call)),
];
