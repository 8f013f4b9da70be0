//! `WHERE`, parted: the bounds of `time`, and the rest.
//!
//! Bounds are taken out of the whole tree and all of them hold, even where `OR` stands between them: so does InfluxDB.

use chrono_tz::Tz;
use influxql::{Expression, Operator, TimeLiteralError, parse_time_literal};

use crate::ops::window::{MAX_TIME, MIN_TIME, zone_offset_ns};

/// Bounds of time, both inclusive; none is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TimeRange {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

impl TimeRange {
    /// What lies in both.
    pub(super) fn intersect(self, other: Self) -> Self {
        let both = |left: Option<i64>, right: Option<i64>, pick: fn(i64, i64) -> i64| match (left, right) {
            (Some(left), Some(right)) => Some(pick(left, right)),
            (one, None) | (None, one) => one,
        };
        Self { min: both(self.min, other.min, i64::max), max: both(self.max, other.max, i64::min) }
    }
}

/// What the bounds depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// `now()`
    pub(super) now: i64,
    /// The zone of times that name none.
    pub(super) zone: Option<Tz>,
}

/// An operand of a comparison with `time`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operand {
    Time(i128),
    Duration(i64),
    Integer(i64),
    Number(f64),
}

/// Whether this is the column `time`.
pub(super) fn is_time(expression: &Expression) -> bool {
    matches!(expression, Expression::Reference(reference) if reference.name.eq_ignore_ascii_case("time"))
}

/// The condition without its bounds of time, and the bounds.
///
/// # Errors
/// If `time` is compared with what is no time.
pub(super) fn split(condition: Option<&Expression>, moment: Moment) -> Result<(Option<Expression>, TimeRange), String> {
    let Some(condition) = condition else { return Ok((None, TimeRange::default())) };
    let binary = match condition {
        Expression::Paren(inner) => {
            let (rest, range) = split(Some(inner), moment)?;
            return Ok((rest.map(|rest| Expression::Paren(Box::new(rest))), range));
        }
        Expression::Binary(binary) => binary,
        Expression::Boolean(_) => return Ok((Some(condition.clone()), TimeRange::default())),
        other => return Err(format!("invalid condition expression: {other}")),
    };
    if matches!(binary.operator, Operator::And | Operator::Or) {
        let (left, left_range) = split(Some(&binary.left), moment)?;
        let (right, right_range) = split(Some(&binary.right), moment)?;
        let rest = match (left, right) {
            (Some(left), Some(right)) => Some(Expression::binary(left, binary.operator, right)),
            (one, None) | (None, one) => one,
        };
        return Ok((rest, left_range.intersect(right_range)));
    }
    if is_time(&binary.left) {
        return Ok((None, bound(binary.operator, &binary.right, moment)?));
    }
    if is_time(&binary.right) {
        let operator = match binary.operator {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            other => other,
        };
        return Ok((None, bound(operator, &binary.left, moment)?));
    }
    Ok((Some(condition.clone()), TimeRange::default()))
}

fn bound(operator: Operator, value: &Expression, moment: Moment) -> Result<TimeRange, String> {
    let time = match operand(value, moment)? {
        Some(Operand::Time(time)) => {
            if time > i128::from(MAX_TIME) {
                return Err(format!("time {} overflows time literal", go_time(time)));
            }
            if time < i128::from(MIN_TIME) + 1 {
                return Err(format!("time {} underflows time literal", go_time(time)));
            }
            i64::try_from(time).unwrap_or(MAX_TIME)
        }
        Some(Operand::Duration(time) | Operand::Integer(time)) => time,
        Some(Operand::Number(time)) => time as i64,
        None => return Err(format!("invalid operation: time and {} are not compatible", go_type(value))),
    };
    let range = |min, max| Ok(TimeRange { min, max });
    match operator {
        Operator::Equal => range(Some(time), Some(time)),
        Operator::Less => range(None, Some(time.saturating_sub(1))),
        Operator::LessOrEqual => range(None, Some(time)),
        Operator::Greater => range(Some(time.saturating_add(1)), None),
        Operator::GreaterOrEqual => range(Some(time), None),
        other => Err(format!("invalid time comparison operator: {}", other.as_str())),
    }
}

/// What is compared with `time`; none if it is no time.
fn operand(expression: &Expression, moment: Moment) -> Result<Option<Operand>, String> {
    Ok(Some(match expression {
        Expression::Integer(value) => Operand::Integer(*value),
        Expression::Number(value) => Operand::Number(*value),
        Expression::Duration(duration) => Operand::Duration(duration.0),
        Expression::String(text) => return literal(text, moment),
        Expression::Call(call) if call.name == "now" && call.arguments.is_empty() => {
            Operand::Time(i128::from(moment.now))
        }
        Expression::Paren(inner) => return operand(inner, moment),
        Expression::Binary(binary) => {
            let (left, right) = (operand(&binary.left, moment)?, operand(&binary.right, moment)?);
            return Ok(left.zip(right).and_then(|(left, right)| arithmetic(binary.operator, left, right)));
        }
        _ => return Ok(None),
    }))
}

/// A string that looks like a time is one.
fn literal(text: &str, moment: Moment) -> Result<Option<Operand>, String> {
    match parse_time_literal(text) {
        Ok(time) => {
            // The offset of a clock on the wall: that of the moment which it would be in UTC, looked up twice.
            let nanoseconds = |offset: i64| time.at_offset(i32::try_from(offset / 1_000_000_000).unwrap_or(0));
            let saturated = |time: i128| i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX });
            let offset = |at: i128| moment.zone.map_or(0, |zone| zone_offset_ns(zone, saturated(at)));
            let guess = nanoseconds(offset(nanoseconds(0)));
            Ok(Some(Operand::Time(nanoseconds(offset(guess)))))
        }
        Err(TimeLiteralError::NotATime) => Ok(None),
        Err(error @ TimeLiteralError::Invalid) => Err(error.to_string()),
    }
}

fn arithmetic(operator: Operator, left: Operand, right: Operand) -> Option<Operand> {
    use Operand::{Duration, Integer, Number, Time};
    let (add, subtract) = (operator == Operator::Add, operator == Operator::Subtract);
    Some(match (left, right) {
        (Time(time), Duration(span) | Integer(span)) if add => Time(time + i128::from(span)),
        (Time(time), Duration(span) | Integer(span)) if subtract => Time(time - i128::from(span)),
        (Duration(span) | Integer(span), Time(time)) if add => Time(time + i128::from(span)),
        (Time(left), Time(right)) if subtract => Duration(i64::try_from(left - right).ok()?),
        (Duration(left), Duration(right)) if add => Duration(left.checked_add(right)?),
        (Duration(left), Duration(right)) if subtract => Duration(left.checked_sub(right)?),
        (Duration(left), Integer(right)) | (Integer(right), Duration(left)) if operator == Operator::Multiply => {
            Duration(left.checked_mul(right)?)
        }
        (Duration(left), Integer(right)) if operator == Operator::Divide => Duration(left.checked_div(right)?),
        (Duration(left), Integer(right)) | (Integer(left), Duration(right)) if add => {
            Duration(left.checked_add(right)?)
        }
        (Duration(left), Integer(right)) | (Integer(left), Duration(right)) if subtract => {
            Duration(left.checked_sub(right)?)
        }
        (Integer(left), Integer(right)) => match operator {
            Operator::Add => Integer(left.checked_add(right)?),
            Operator::Subtract => Integer(left.checked_sub(right)?),
            Operator::Multiply => Integer(left.checked_mul(right)?),
            Operator::Divide => Integer(left.checked_div(right)?),
            _ => return None,
        },
        (Number(left), Number(right)) => match operator {
            Operator::Add => Number(left + right),
            Operator::Subtract => Number(left - right),
            Operator::Multiply => Number(left * right),
            Operator::Divide => Number(left / right),
            _ => return None,
        },
        _ => return None,
    })
}

/// As Go prints the type of a literal, which is in InfluxDB's messages.
pub(super) fn go_type(expression: &Expression) -> &'static str {
    match expression {
        Expression::Reference(_) => "*influxql.VarRef",
        Expression::Call(_) => "*influxql.Call",
        Expression::Distinct(_) => "*influxql.Distinct",
        Expression::Wildcard(_) => "*influxql.Wildcard",
        Expression::Regex(_) => "*influxql.RegexLiteral",
        Expression::Number(_) => "*influxql.NumberLiteral",
        Expression::Integer(_) => "*influxql.IntegerLiteral",
        Expression::Unsigned(_) => "*influxql.UnsignedLiteral",
        Expression::String(_) => "*influxql.StringLiteral",
        Expression::Boolean(_) => "*influxql.BooleanLiteral",
        Expression::Duration(_) => "*influxql.DurationLiteral",
        Expression::Binary(_) => "*influxql.BinaryExpr",
        Expression::Paren(_) => "*influxql.ParenExpr",
    }
}

/// A time outside 64 bits, as RFC 3339.
fn go_time(time: i128) -> String {
    let seconds = i64::try_from(time.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    match chrono::DateTime::from_timestamp(seconds, 0) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => format!("{time}ns"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use influxql::{ParseOptions, parse_expression};

    use super::*;

    fn check(text: &str, zone: Option<&str>, rest: &str, min: Option<i64>, max: Option<i64>) {
        let condition = parse_expression(text, &ParseOptions::default()).unwrap();
        let moment = Moment { now: 1_000, zone: zone.map(|zone| zone.parse().unwrap()) };
        let (left, range) = split(Some(&condition), moment).unwrap();
        assert_eq!(left.map(|left| left.to_string()).unwrap_or_default(), rest, "{text}");
        assert_eq!(range, TimeRange { min, max }, "{text}");
    }

    #[test]
    fn bounds_leave_the_condition() {
        check("time > 5 AND a = 1", None, "a = 1", Some(6), None);
        check("(time >= 5 OR time < 9) AND (a = 1 OR b = 2)", None, "(a = 1 OR b = 2)", Some(5), Some(8));
        check("5 < time", None, "", Some(6), None);
        check("time = 7", None, "", Some(7), Some(7));
        check("time > now() - 10ns", None, "", Some(991), None);
        check("time <= 2s", None, "", None, Some(2_000_000_000));
        check("time >= '1970-01-01T00:00:01Z' + 1s", None, "", Some(2_000_000_000), None);
        check("time >= '1970-01-02'", None, "", Some(86_400_000_000_000), None);
        check("time >= '2026-07-01'", Some("Europe/Paris"), "", Some(1_782_856_800_000_000_000), None);
        check("a = 1", None, "a = 1", None, None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (text, message) in [
            ("time > '2026'", "invalid operation: time and *influxql.StringLiteral are not compatible"),
            ("time > true", "invalid operation: time and *influxql.BooleanLiteral are not compatible"),
            ("time != 5", "invalid time comparison operator: !="),
            ("time > '2026-13-01'", "invalid timestamp string"),
        ] {
            let condition = parse_expression(text, &ParseOptions::default()).unwrap();
            let moment = Moment { now: 0, zone: None };
            assert_eq!(split(Some(&condition), moment).unwrap_err(), message, "{text}");
        }
    }
}
