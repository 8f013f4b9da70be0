//! Package `math`: functions of floats with the special cases of Go's math.

use std::f64::consts;

/// The smaller one, see [`maximum`].
pub(crate) fn minimum(x: f64, y: f64) -> f64 {
    -maximum(-x, -y)
}

/// The larger one; NaN where one is, and 0 rather than -0.
pub(crate) fn maximum(x: f64, y: f64) -> f64 {
    if x == f64::INFINITY || y == f64::INFINITY {
        f64::INFINITY
    } else if x.is_nan() || y.is_nan() {
        f64::NAN
    } else if x == 0.0 && y == 0.0 {
        if x.is_sign_negative() { y } else { x }
    } else {
        x.max(y)
    }
}

/// How much `x` is larger; 0 if it is not.
pub(crate) fn positive_difference(x: f64, y: f64) -> f64 {
    let difference = x - y;
    if difference <= 0.0 { 0.0 } else { difference }
}

/// Euler's gamma function.
pub(crate) fn gamma(x: f64) -> f64 {
    // Go: no value at the negative whole numbers.
    if x < 0.0 && x == x.floor() { f64::NAN } else { libm::tgamma(x) }
}

/// The binary exponent as a float.
pub(crate) fn logb(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x.is_infinite() {
        f64::INFINITY
    } else if x.is_nan() {
        x
    } else {
        f64::from(binary_exponent(x))
    }
}

fn binary_exponent(x: f64) -> i32 {
    libm::frexp(x).1 - 1
}

/// The binary exponent as a whole number; the ends of 32 bits for 0 and for what is not finite.
pub(crate) fn ilogb(x: f64) -> i64 {
    if x == 0.0 {
        i64::from(i32::MIN)
    } else if x.is_finite() {
        i64::from(binary_exponent(x))
    } else {
        i64::from(i32::MAX)
    }
}

/// A fraction in [1/2, 1) and a power of two.
pub(crate) fn frexp(x: f64) -> (f64, i64) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let (fraction, exponent) = libm::frexp(x);
    (fraction, i64::from(exponent))
}

/// `fraction × 2^exponent`.
pub(crate) fn ldexp(fraction: f64, exponent: i64) -> f64 {
    libm::ldexp(fraction, clamp(exponent))
}

/// The logarithm of gamma, and the sign of gamma.
pub(crate) fn lgamma(x: f64) -> (f64, i64) {
    if x.is_infinite() {
        return (if x < 0.0 { x } else { f64::INFINITY }, 1);
    }
    let (value, sign) = libm::lgamma_r(x);
    (value, if sign < 0 { -1 } else { 1 })
}

/// The whole part and the fraction, both with the sign of `x`.
pub(crate) fn modf(x: f64) -> (f64, f64) {
    if x.is_infinite() {
        return (x, f64::NAN);
    }
    (x.trunc(), (x - x.trunc()).copysign(x))
}

/// Whether it is infinite: positive, negative, or either for a sign of 0.
pub(crate) fn is_infinite(x: f64, sign: i64) -> bool {
    x.is_infinite() && (sign == 0 || (sign > 0) == (x > 0.0))
}

/// Infinity with a sign; 0 counts as positive.
pub(crate) fn infinity(sign: i64) -> f64 {
    if sign < 0 { f64::NEG_INFINITY } else { f64::INFINITY }
}

/// The Bessel function of the first kind and of an order.
pub(crate) fn jn(order: i64, x: f64) -> f64 {
    libm::jn(clamp(order), x)
}

/// The Bessel function of the second kind and of an order.
pub(crate) fn yn(order: i64, x: f64) -> f64 {
    libm::yn(clamp(order), x)
}

/// `10^n`, 0 or infinite outside of the range of floats.
pub(crate) fn pow10(n: i64) -> f64 {
    match n {
        ..-323 => 0.0,
        309.. => f64::INFINITY,
        // Parsed, so that it is the nearest float.
        n => format!("1e{n}").parse().unwrap_or(f64::NAN),
    }
}

fn clamp(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN + 1 } else { i32::MAX })
}

/// The inverse of the error function, by Wichura's rational approximations (AS 241, PPND16).
pub(crate) fn inverse_error(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 1.0 {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    let polynomial = |coefficients: [f64; 8], at: f64| coefficients.iter().rev().fold(0.0, |sum, c| sum * at + c);
    // Half of the argument of the quantile of the normal distribution, which is off by a factor of the root of 2.
    let centred = 0.5 * x.abs();
    let quantile = if centred <= 0.425 {
        let at = 0.180_625 - centred * centred;
        centred * polynomial(CENTRE.0, at) / polynomial(CENTRE.1, at)
    } else {
        let at = (-(0.5 - centred).ln()).sqrt();
        if at <= 5.0 {
            polynomial(MIDDLE.0, at - 1.6) / polynomial(MIDDLE.1, at - 1.6)
        } else {
            polynomial(TAIL.0, at - 5.0) / polynomial(TAIL.1, at - 5.0)
        }
    };
    (quantile / consts::SQRT_2).copysign(x)
}

/// Numerator and denominator, lowest power first.
type Rational = ([f64; 8], [f64; 8]);

#[rustfmt::skip]
const CENTRE: Rational = (
    [3.387_132_872_796_366_5, 133.141_667_891_784_38, 1_971.590_950_306_551_3, 13_731.693_765_509_46,
     45_921.953_931_549_87, 67_265.770_927_008_7, 33_430.575_583_588_13, 2_509.080_928_730_122_7],
    [1.0, 42.313_330_701_600_91, 687.187_007_492_057_9, 5_394.196_021_424_751,
     21_213.794_301_586_597, 39_307.895_800_092_71, 28_729.085_735_721_943, 5_226.495_278_852_854],
);

#[rustfmt::skip]
const MIDDLE: Rational = (
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691, 3.647_848_324_763_204_5,
     1.270_458_252_452_368_4, 0.241_780_725_177_450_6, 0.022_723_844_989_269_184, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 0.689_767_334_985_1,
     0.148_103_976_427_480_08, 0.015_198_666_563_616_457, 5.475_938_084_995_345e-4, 1.050_750_071_644_416_8e-9],
);

#[rustfmt::skip]
const TAIL: Rational = (
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3, 0.296_560_571_828_504_87,
     0.026_532_189_526_576_124, 1.242_660_947_388_078_4e-3, 2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 0.599_832_206_555_888, 0.136_929_880_922_735_8, 0.014_875_361_290_850_615,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7, 2.044_263_103_389_939_7e-15],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_cases_are_those_of_go() {
        assert!(maximum(1.0, f64::NAN).is_nan());
        assert_eq!(maximum(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert!(maximum(-0.0, 0.0).is_sign_positive());
        assert!(minimum(-0.0, 0.0).is_sign_negative());
        assert_eq!(minimum(f64::NEG_INFINITY, f64::NAN), f64::NEG_INFINITY);
        assert_eq!(positive_difference(4.0, -2.0), 6.0);
        assert_eq!(positive_difference(-4.0, 2.0), 0.0);
        assert_eq!(logb(8.0), 3.0);
        assert_eq!(logb(0.0), f64::NEG_INFINITY);
        assert!(gamma(-1.0).is_nan());
        assert_eq!(gamma(5.0), 24.0);
        assert_eq!((ilogb(0.0), ilogb(8.5), ilogb(f64::NAN)), (-2_147_483_648, 3, 2_147_483_647));
        assert_eq!(frexp(8.0), (0.5, 4));
        assert_eq!(ldexp(0.5, 4), 8.0);
        assert_eq!(ldexp(0.5, i64::MAX), f64::INFINITY);
        assert_eq!(modf(-3.25), (-3.0, -0.25));
        assert_eq!(lgamma(-0.5).1, -1);
        assert!(is_infinite(f64::INFINITY, 1) && is_infinite(f64::NEG_INFINITY, 0) && !is_infinite(f64::INFINITY, -1));
        assert_eq!((pow10(2), pow10(-324), pow10(309)), (100.0, 0.0, f64::INFINITY));
    }

    #[test]
    fn the_inverse_error_function_is_one() {
        for x in [-0.999_999, -0.9, -0.3, 0.0, 1e-9, 0.25, 0.85, 0.86, 0.99, 0.999_999_999_9] {
            assert!((libm::erf(inverse_error(x)) - x).abs() < 4e-16, "{x}");
        }
        assert_eq!(inverse_error(1.0), f64::INFINITY);
        assert!(inverse_error(1.5).is_nan());
    }
}
