//! Packages `math` and `bitwise`: bindings. A null argument gives null.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::{Call, FromValue};
use super::super::library::math;
use super::super::value::{Record, Value};
use super::Functions;

/// An argument; none where it is null.
fn argument<T: FromValue>(call: &Call<'_>, name: &str) -> Result<Option<T>> {
    call.optional(name)
}

fn one(call: &Call<'_>, function: fn(f64) -> f64) -> Result<Value> {
    Ok(argument(call, "x")?.map_or(Value::Null, |x| Value::Float(function(x))))
}

fn two(call: &Call<'_>, names: [&str; 2], function: fn(f64, f64) -> f64) -> Result<Value> {
    let arguments = argument(call, names[0])?.zip(argument(call, names[1])?);
    Ok(arguments.map_or(Value::Null, |(x, y)| Value::Float(function(x, y))))
}

const X_Y: [&str; 2] = ["x", "y"];

/// The two results of a function that does not take null.
fn pair(call: &Call<'_>, name: &str, function: fn(f64) -> [(&'static str, Value); 2]) -> Result<Value> {
    let Some(x) = argument(call, name)? else {
        return Err(FluxError::invalid(format!("{} does not support null values", call.place.name)));
    };
    let fields = function(x).into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    Ok(Value::Record(Record::new(fields)))
}

fn of_order(call: &Call<'_>, function: fn(i64, f64) -> f64) -> Result<Value> {
    let arguments = argument(call, "n")?.zip(argument(call, "x")?);
    Ok(arguments.map_or(Value::Null, |(n, x)| Value::Float(function(n, x))))
}

/// The functions of package `math`.
pub(super) const MATH: Functions = &[
    ("abs", |call| one(call, f64::abs)),
    ("acos", |call| one(call, f64::acos)),
    ("acosh", |call| one(call, f64::acosh)),
    ("asin", |call| one(call, f64::asin)),
    ("asinh", |call| one(call, f64::asinh)),
    ("atan", |call| one(call, f64::atan)),
    ("atan2", |call| two(call, ["y", "x"], f64::atan2)),
    ("atanh", |call| one(call, f64::atanh)),
    ("cbrt", |call| one(call, f64::cbrt)),
    ("ceil", |call| one(call, f64::ceil)),
    ("copysign", |call| two(call, X_Y, f64::copysign)),
    ("cos", |call| one(call, f64::cos)),
    ("cosh", |call| one(call, f64::cosh)),
    ("dim", |call| two(call, X_Y, math::positive_difference)),
    ("erf", |call| one(call, libm::erf)),
    ("erfc", |call| one(call, libm::erfc)),
    ("erfcinv", |call| one(call, |x| math::inverse_error(1.0 - x))),
    ("erfinv", |call| one(call, math::inverse_error)),
    ("exp", |call| one(call, f64::exp)),
    ("exp2", |call| one(call, f64::exp2)),
    ("expm1", |call| one(call, f64::exp_m1)),
    ("float64bits", |call| Ok(argument(call, "f")?.map_or(Value::Null, |f: f64| Value::UInt(f.to_bits())))),
    ("float64frombits", |call| Ok(argument(call, "b")?.map_or(Value::Null, |bits| Value::Float(f64::from_bits(bits))))),
    ("floor", |call| one(call, f64::floor)),
    ("frexp", |call| {
        pair(call, "f", |f| {
            let (fraction, exponent) = math::frexp(f);
            [("frac", Value::Float(fraction)), ("exp", Value::Int(exponent))]
        })
    }),
    ("gamma", |call| one(call, math::gamma)),
    ("hypot", |call| two(call, ["p", "q"], f64::hypot)),
    ("ilogb", |call| Ok(argument(call, "x")?.map_or(Value::Null, |x| Value::Int(math::ilogb(x))))),
    ("isInf", |call| {
        let arguments = argument(call, "f")?.zip(argument(call, "sign")?);
        Ok(arguments.map_or(Value::Null, |(f, sign)| Value::Bool(math::is_infinite(f, sign))))
    }),
    ("isNaN", |call| Ok(argument(call, "f")?.map_or(Value::Null, |f: f64| Value::Bool(f.is_nan())))),
    ("j0", |call| one(call, libm::j0)),
    ("j1", |call| one(call, libm::j1)),
    ("jn", |call| of_order(call, math::jn)),
    ("ldexp", |call| {
        let arguments = argument(call, "frac")?.zip(argument(call, "exp")?);
        Ok(arguments.map_or(Value::Null, |(fraction, exponent)| Value::Float(math::ldexp(fraction, exponent))))
    }),
    ("lgamma", |call| {
        pair(call, "x", |x| {
            let (value, sign) = math::lgamma(x);
            [("lgamma", Value::Float(value)), ("sign", Value::Int(sign))]
        })
    }),
    ("log", |call| one(call, f64::ln)),
    ("log10", |call| one(call, f64::log10)),
    ("log1p", |call| one(call, f64::ln_1p)),
    ("log2", |call| one(call, f64::log2)),
    ("logb", |call| one(call, math::logb)),
    ("mInf", |call| Ok(argument(call, "sign")?.map_or(Value::Null, |sign| Value::Float(math::infinity(sign))))),
    ("mMax", |call| two(call, X_Y, math::maximum)),
    ("mMin", |call| two(call, X_Y, math::minimum)),
    ("mod", |call| two(call, X_Y, |x, y| x % y)),
    ("modf", |call| {
        pair(call, "f", |f| {
            let (whole, fraction) = math::modf(f);
            [("int", Value::Float(whole)), ("frac", Value::Float(fraction))]
        })
    }),
    ("NaN", |_| Ok(Value::Float(f64::NAN))),
    ("nextafter", |call| two(call, X_Y, libm::nextafter)),
    ("pow", |call| two(call, X_Y, f64::powf)),
    ("pow10", |call| Ok(argument(call, "n")?.map_or(Value::Null, |n| Value::Float(math::pow10(n))))),
    ("remainder", |call| two(call, X_Y, libm::remainder)),
    ("round", |call| one(call, f64::round)),
    ("roundtoeven", |call| one(call, f64::round_ties_even)),
    ("signbit", |call| Ok(argument(call, "x")?.map_or(Value::Null, |x: f64| Value::Bool(x.is_sign_negative())))),
    ("sin", |call| one(call, f64::sin)),
    ("sincos", |call| pair(call, "x", |x| [("sin", Value::Float(x.sin())), ("cos", Value::Float(x.cos()))])),
    ("sinh", |call| one(call, f64::sinh)),
    ("sqrt", |call| one(call, f64::sqrt)),
    ("tan", |call| one(call, f64::tan)),
    ("tanh", |call| one(call, f64::tanh)),
    ("trunc", |call| one(call, f64::trunc)),
    ("y0", |call| one(call, libm::y0)),
    ("y1", |call| one(call, libm::y1)),
    ("yn", |call| of_order(call, math::yn)),
];

fn unsigned(call: &Call<'_>, function: fn(u64, u64) -> u64) -> Result<Value> {
    let arguments = argument(call, "a")?.zip(argument(call, "b")?);
    Ok(arguments.map_or(Value::Null, |(a, b)| Value::UInt(function(a, b))))
}

fn signed(call: &Call<'_>, function: fn(i64, i64) -> i64) -> Result<Value> {
    let arguments = argument(call, "a")?.zip(argument(call, "b")?);
    Ok(arguments.map_or(Value::Null, |(a, b)| Value::Int(function(a, b))))
}

/// By how many bits to shift; none for null.
fn bits(call: &Call<'_>) -> Result<Option<u32>> {
    let count = match call.value("b") {
        Value::Null => return Ok(None),
        Value::UInt(count) => Some(count),
        Value::Int(count) => u64::try_from(count).ok(),
        _ => None,
    };
    let count = count.ok_or_else(|| FluxError::invalid("argument \"b\" should be a number of bits, not negative"))?;
    Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// The functions of package `bitwise`.
pub(super) const BITWISE: Functions = &[
    ("uand", |call| unsigned(call, |a, b| a & b)),
    ("uor", |call| unsigned(call, |a, b| a | b)),
    ("uxor", |call| unsigned(call, |a, b| a ^ b)),
    ("uclear", |call| unsigned(call, |a, b| a & !b)),
    ("unot", |call| Ok(argument::<u64>(call, "a")?.map_or(Value::Null, |a| Value::UInt(!a)))),
    ("ulshift", |call| {
        let arguments = argument::<u64>(call, "a")?.zip(bits(call)?);
        Ok(arguments.map_or(Value::Null, |(a, bits)| Value::UInt(a.checked_shl(bits).unwrap_or(0))))
    }),
    ("urshift", |call| {
        let arguments = argument::<u64>(call, "a")?.zip(bits(call)?);
        Ok(arguments.map_or(Value::Null, |(a, bits)| Value::UInt(a.checked_shr(bits).unwrap_or(0))))
    }),
    ("sand", |call| signed(call, |a, b| a & b)),
    ("sor", |call| signed(call, |a, b| a | b)),
    ("sxor", |call| signed(call, |a, b| a ^ b)),
    ("sclear", |call| signed(call, |a, b| a & !b)),
    ("snot", |call| Ok(argument::<i64>(call, "a")?.map_or(Value::Null, |a| Value::Int(!a)))),
    ("slshift", |call| {
        let arguments = argument::<i64>(call, "a")?.zip(bits(call)?);
        Ok(arguments.map_or(Value::Null, |(a, bits)| Value::Int(a.checked_shl(bits).unwrap_or(0))))
    }),
    ("srshift", |call| {
        let arguments = argument::<i64>(call, "a")?.zip(bits(call)?);
        Ok(arguments.map_or(Value::Null, |(a, bits)| Value::Int(a >> bits.min(63))))
    }),
];
