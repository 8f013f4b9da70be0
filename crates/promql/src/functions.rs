//! The functions of PromQL: their names, and what they take and give.

use crate::ast::ValueType::{self, Matrix, Scalar, String as Text, Vector};

/// What a function takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments.
    pub arguments: &'static [ValueType],
    /// How many of the arguments may be missing.
    pub optional: usize,
    /// Whether the last argument may come again and again.
    pub variadic: bool,
    /// What it gives.
    pub returns: ValueType,
}

macro_rules! functions {
    ($(
        $variant:ident $name:literal ($($argument:ident),*) $([$optional:literal])? $(+ $repeat:ident)?
            -> $returns:ident,
    )*) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are PromQL's, and so is what they mean")]
        pub enum Function {
            $($variant,)*
        }

        impl Function {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it takes and gives.
            #[must_use]
            pub fn signature(self) -> Signature {
                match self {
                    $(Self::$variant => Signature {
                        name: $name,
                        arguments: &[$($argument),*],
                        optional: 0 $(+ $optional)?,
                        variadic: false $(|| stringify!($repeat) == "more")?,
                        returns: $returns,
                    },)*
                }
            }
        }
    };
}

functions! {
    Abs "abs" (Vector) -> Vector,
    Absent "absent" (Vector) -> Vector,
    AbsentOverTime "absent_over_time" (Matrix) -> Vector,
    Acos "acos" (Vector) -> Vector,
    Acosh "acosh" (Vector) -> Vector,
    Asin "asin" (Vector) -> Vector,
    Asinh "asinh" (Vector) -> Vector,
    Atan "atan" (Vector) -> Vector,
    Atanh "atanh" (Vector) -> Vector,
    AvgOverTime "avg_over_time" (Matrix) -> Vector,
    Ceil "ceil" (Vector) -> Vector,
    Changes "changes" (Matrix) -> Vector,
    Clamp "clamp" (Vector, Scalar, Scalar) -> Vector,
    ClampMax "clamp_max" (Vector, Scalar) -> Vector,
    ClampMin "clamp_min" (Vector, Scalar) -> Vector,
    Cos "cos" (Vector) -> Vector,
    Cosh "cosh" (Vector) -> Vector,
    CountOverTime "count_over_time" (Matrix) -> Vector,
    DayOfMonth "day_of_month" (Vector) [1] -> Vector,
    DayOfWeek "day_of_week" (Vector) [1] -> Vector,
    DayOfYear "day_of_year" (Vector) [1] -> Vector,
    DaysInMonth "days_in_month" (Vector) [1] -> Vector,
    Deg "deg" (Vector) -> Vector,
    Delta "delta" (Matrix) -> Vector,
    Deriv "deriv" (Matrix) -> Vector,
    DoubleExponentialSmoothing "double_exponential_smoothing" (Matrix, Scalar, Scalar) -> Vector,
    Exp "exp" (Vector) -> Vector,
    FirstOverTime "first_over_time" (Matrix) -> Vector,
    Floor "floor" (Vector) -> Vector,
    HistogramQuantile "histogram_quantile" (Scalar, Vector) -> Vector,
    HoltWinters "holt_winters" (Matrix, Scalar, Scalar) -> Vector,
    Hour "hour" (Vector) [1] -> Vector,
    Idelta "idelta" (Matrix) -> Vector,
    Increase "increase" (Matrix) -> Vector,
    Irate "irate" (Matrix) -> Vector,
    LabelJoin "label_join" (Vector, Text, Text, Text) [1] + more -> Vector,
    LabelReplace "label_replace" (Vector, Text, Text, Text, Text) -> Vector,
    LastOverTime "last_over_time" (Matrix) -> Vector,
    Ln "ln" (Vector) -> Vector,
    Log10 "log10" (Vector) -> Vector,
    Log2 "log2" (Vector) -> Vector,
    MadOverTime "mad_over_time" (Matrix) -> Vector,
    MaxOverTime "max_over_time" (Matrix) -> Vector,
    MinOverTime "min_over_time" (Matrix) -> Vector,
    Minute "minute" (Vector) [1] -> Vector,
    Month "month" (Vector) [1] -> Vector,
    Pi "pi" () -> Scalar,
    PredictLinear "predict_linear" (Matrix, Scalar) -> Vector,
    PresentOverTime "present_over_time" (Matrix) -> Vector,
    QuantileOverTime "quantile_over_time" (Scalar, Matrix) -> Vector,
    Rad "rad" (Vector) -> Vector,
    Rate "rate" (Matrix) -> Vector,
    Resets "resets" (Matrix) -> Vector,
    Round "round" (Vector, Scalar) [1] -> Vector,
    ScalarOf "scalar" (Vector) -> Scalar,
    Sgn "sgn" (Vector) -> Vector,
    Sin "sin" (Vector) -> Vector,
    Sinh "sinh" (Vector) -> Vector,
    Sort "sort" (Vector) -> Vector,
    SortByLabel "sort_by_label" (Vector, Text) [1] + more -> Vector,
    SortByLabelDesc "sort_by_label_desc" (Vector, Text) [1] + more -> Vector,
    SortDesc "sort_desc" (Vector) -> Vector,
    Sqrt "sqrt" (Vector) -> Vector,
    StddevOverTime "stddev_over_time" (Matrix) -> Vector,
    StdvarOverTime "stdvar_over_time" (Matrix) -> Vector,
    SumOverTime "sum_over_time" (Matrix) -> Vector,
    Tan "tan" (Vector) -> Vector,
    Tanh "tanh" (Vector) -> Vector,
    Time "time" () -> Scalar,
    Timestamp "timestamp" (Vector) -> Vector,
    VectorOf "vector" (Scalar) -> Vector,
    Year "year" (Vector) [1] -> Vector,
}

impl Function {
    /// The function of this name. Case counts.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.signature().name == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        let names: Vec<&str> = Function::ALL.iter().map(|function| function.signature().name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(Function::named("rate"), Some(Function::Rate));
        assert_eq!(Function::named("Rate"), None);
        let join = Function::LabelJoin.signature();
        assert!(join.variadic && join.optional == 1, "{join:?}");
        assert!(!Function::Round.signature().variadic);
    }
}
