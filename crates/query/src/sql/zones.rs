//! `tz` and `date_bin_wallclock`: time zones of InfluxDB 3's SQL. Times are stored in UTC; a zone is part of a type and
//! says what clocks show.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array as _, ArrayRef, AsArray as _, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampNanosecondType};
use chrono::{DateTime, Offset as _, TimeZone as _};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

const DAY_NS: i64 = 86_400_000_000_000;

/// What a clock of the zone shows at a time; none where that is no time of a point.
pub(super) fn to_local(zone: Tz, time_ns: i64) -> Option<i64> {
    time_ns.checked_add(offset_ns(zone, time_ns))
}

fn offset_ns(zone: Tz, time_ns: i64) -> i64 {
    let utc = DateTime::from_timestamp_nanos(time_ns).naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1_000_000_000
}

/// When a clock of the zone shows this: the earlier one of two times, and where clocks leave it out, as if they had not
/// been put forward yet.
pub(super) fn to_utc(zone: Tz, local_ns: i64) -> Option<i64> {
    let by_offset_at = |near_ns: i64| local_ns.checked_sub(offset_ns(zone, near_ns));
    let before = by_offset_at(local_ns.saturating_sub(DAY_NS))?;
    let after = by_offset_at(local_ns.saturating_add(DAY_NS))?;
    let shown = |time_ns: &i64| to_local(zone, *time_ns) == Some(local_ns);
    Some([before, after].into_iter().filter(shown).min().unwrap_or(before))
}

pub(super) fn parse_zone(name: &str) -> Result<Tz> {
    match name.parse() {
        Ok(zone) => Ok(zone),
        Err(_) => plan_err!("the time zone {name:?} is not known"),
    }
}

/// The zone of a type of nanoseconds; none where it names none.
fn zone_of(data_type: &DataType, function: &str) -> Result<Option<Arc<str>>> {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => Ok(zone.clone()),
        other => plan_err!("{function} expects a time in nanoseconds, not {other}"),
    }
}

/// `tz(time [, 'Area/City'])`: the same time with a zone, UTC by default.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ZoneFunction {
    signature: Signature,
}

impl ZoneFunction {
    pub(super) fn new() -> Self {
        let arities = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
        Self { signature: Signature::one_of(arities, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ZoneFunction {
    fn name(&self) -> &'static str {
        "tz"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("the type of tz follows from its second argument")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(field) = arguments.arg_fields.first() {
            zone_of(field.data_type(), "tz")?;
        }
        let zone = match arguments.scalar_arguments.get(1) {
            None => "UTC".to_owned(),
            Some(Some(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name)))) => name.clone(),
            Some(_) => return plan_err!("the second argument of tz must be the name of a time zone"),
        };
        parse_zone(&zone)?;
        let data_type = DataType::Timestamp(TimeUnit::Nanosecond, Some(zone.into()));
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = zone_of(arguments.return_type(), "tz")?;
        match arguments.args.first() {
            Some(ColumnarValue::Array(times)) => {
                let times = times.as_primitive::<TimestampNanosecondType>().clone();
                Ok(ColumnarValue::Array(Arc::new(times.with_timezone_opt(zone))))
            }
            Some(ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(time, _))) => {
                Ok(ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(*time, zone)))
            }
            other => exec_err!("tz cannot be of {other:?}"),
        }
    }
}

/// `date_bin_wallclock(interval, time [, origin])`: `date_bin` by what clocks show in the zone of the time.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct WallclockFunction {
    signature: Signature,
}

impl WallclockFunction {
    pub(super) fn new() -> Self {
        let arities = vec![TypeSignature::Any(2), TypeSignature::Any(3)];
        Self { signature: Signature::one_of(arities, Volatility::Immutable) }
    }
}

/// The times of a column or a constant.
fn times(value: &ColumnarValue) -> Result<TimestampNanosecondArray> {
    let array: ArrayRef = value.to_array(1)?;
    match array.as_primitive_opt::<TimestampNanosecondType>() {
        Some(times) => Ok(times.clone()),
        None => exec_err!("date_bin_wallclock cannot be of {}", array.data_type()),
    }
}

impl ScalarUDFImpl for WallclockFunction {
    fn name(&self) -> &'static str {
        "date_bin_wallclock"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let Some(time) = types.get(1) else { return plan_err!("date_bin_wallclock needs a time") };
        zone_of(time, self.name())?;
        if let Some(DataType::Timestamp(_, Some(_))) = types.get(2) {
            return plan_err!("the origin of date_bin_wallclock is what a clock shows, and has no time zone");
        }
        Ok(time.clone())
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = zone_of(arguments.return_type(), self.name())?;
        let Some(argument) = arguments.args.get_mut(1) else { return exec_err!("date_bin_wallclock needs a time") };
        let is_scalar = matches!(argument, ColumnarValue::Scalar(_));
        let parsed = zone.as_deref().map(parse_zone).transpose()?;
        if let Some(parsed) = parsed {
            let local: TimestampNanosecondArray =
                times(argument)?.iter().map(|time| time.and_then(|time| to_local(parsed, time))).collect();
            *argument = ColumnarValue::Array(Arc::new(local));
        }
        let naive = Arc::new(Field::new("time", DataType::Timestamp(TimeUnit::Nanosecond, None), true));
        if let Some(field) = arguments.arg_fields.get_mut(1) {
            *field = Arc::clone(&naive);
        }
        arguments.return_field = naive;
        let binned = date_bin().inner().invoke_with_args(arguments)?;
        let Some(parsed) = parsed else { return Ok(binned) };
        let utc: TimestampNanosecondArray =
            times(&binned)?.iter().map(|time| time.and_then(|time| to_utc(parsed, time))).collect();
        let utc: ArrayRef = Arc::new(utc.with_timezone_opt(zone));
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&utc, 0)?)
        } else {
            ColumnarValue::Array(utc)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn clocks_are_put_forward_and_back() {
        let zone = parse_zone("Europe/Berlin").unwrap();
        let ns = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap();
        let local = |text: &str| ns(&format!("{text}Z"));
        for (utc, shown) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00"),
            ("2026-07-01T00:00:00Z", "2026-07-01T02:00:00"),
            ("2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
            ("2026-10-25T00:30:00Z", "2026-10-25T02:30:00"),
        ] {
            assert_eq!(to_local(zone, ns(utc)), Some(local(shown)), "{utc}");
            assert_eq!(to_utc(zone, local(shown)), Some(ns(utc)), "{shown}");
        }
        assert_eq!(to_local(zone, ns("2026-10-25T01:30:00Z")), Some(local("2026-10-25T02:30:00")), "a second time");
        assert_eq!(to_utc(zone, local("2026-03-29T02:30:00")), Some(ns("2026-03-29T01:30:00Z")), "left out");
        assert_eq!(to_local(zone, i64::MAX), None);
    }
}
