//! `label_replace` and `label_join`, and the order of labels for `sort_by_label`.

use std::cmp::Ordering;

use super::{EvalError, Evaluator, Result, Steps, argument, merged, text};
use crate::ast::Expr;
use crate::functions::Function;
use crate::labels::{Labels, is_label_name, whole_regex};
use crate::value::Series;

impl Evaluator<'_> {
    pub(super) fn relabel(&mut self, function: Function, arguments: &[Expr], steps: Steps) -> Result<Vec<Series>> {
        let mut series = self.vector(argument(arguments, 0)?, steps)?;
        let texts: Vec<&str> = arguments.iter().skip(1).map(text).collect::<Result<_>>()?;
        let name = function.signature().name;
        let [target, ..] = *texts else { return Err(EvalError::execution("an argument is missing")) };
        if !is_label_name(target) {
            return Err(EvalError::execution(format!("invalid destination label name in {name}(): {target}")));
        }
        let change: Box<dyn Fn(&mut Labels)> = match (function, &texts[1..]) {
            (Function::LabelReplace, &[replacement, source, pattern]) => {
                let regex = whole_regex(pattern);
                let invalid = |_| EvalError::execution(format!("invalid regular expression in {name}(): {pattern}"));
                let regex = regex.map_err(invalid)?;
                Box::new(move |labels| {
                    if let Some(captures) = regex.captures(labels.get(source)) {
                        let mut value = String::new();
                        captures.expand(replacement, &mut value);
                        labels.set(target, &value);
                    }
                })
            }
            (_, [separator, sources @ ..]) => {
                if let Some(wrong) = sources.iter().find(|source| !is_label_name(source)) {
                    return Err(EvalError::execution(format!("invalid source label name in {name}(): {wrong}")));
                }
                Box::new(move |labels| {
                    let values: Vec<&str> = sources.iter().map(|source| labels.get(source)).collect();
                    let joined = values.join(separator);
                    labels.set(target, &joined);
                })
            }
            (_, []) => return Err(EvalError::execution("an argument is missing")),
        };
        series.iter_mut().for_each(|series| change(&mut series.labels));
        merged(series)
    }
}

/// Texts by their letters, and numbers in them by their size: `a2` before `a10`.
pub(super) fn natural_order(left: &str, right: &str) -> Ordering {
    let is_digit = |c: char| c.is_ascii_digit();
    let (mut left, mut right) = (left, right);
    while let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) {
        if is_digit(a) && is_digit(b) {
            let digits = |text: &str| text.find(|c| !is_digit(c)).unwrap_or(text.len());
            let (one, other) = (left.split_at(digits(left)), right.split_at(digits(right)));
            let (number, second) = (one.0.trim_start_matches('0'), other.0.trim_start_matches('0'));
            let order = number.len().cmp(&second.len()).then_with(|| number.cmp(second));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (one.1, other.1);
        } else if a != b {
            return a.cmp(&b);
        } else {
            (left, right) = (&left[a.len_utf8()..], &right[b.len_utf8()..]);
        }
    }
    left.len().cmp(&right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_count() {
        for (left, right, expected) in [
            ("a2", "a10", Ordering::Less),
            ("a02", "a2", Ordering::Equal),
            ("a", "a1", Ordering::Less),
            ("b1", "a2", Ordering::Greater),
            ("1.10", "1.9", Ordering::Greater),
        ] {
            assert_eq!(natural_order(left, right), expected, "{left} {right}");
        }
    }
}
