//! Selectors, and what times and labels may be written as.

use super::{ParseError, Parsed, Parser};
use crate::ast::{At, Expr, ExprKind, Selector, TimeShift};
use crate::labels::{METRIC_NAME, MatchKind, Matcher, is_label_name};
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// What stands behind the name of a metric, or alone: `{label="value", …}`.
    pub(super) fn selector(&mut self, name: Option<String>, at: usize) -> Result<Parsed, ParseError> {
        let mut matchers = Vec::new();
        if let Some(name) = &name {
            matchers.push(self.matcher(METRIC_NAME, MatchKind::Equal, name, at)?);
        }
        if self.accept("{") {
            while !self.accept("}") {
                let (place, matcher) = self.label_matcher()?;
                let names = |matcher: &Matcher| matcher.name == METRIC_NAME && matcher.kind == MatchKind::Equal;
                if names(&matcher) && matchers.iter().any(names) {
                    return Err(self.error(place, format!("metric name must not be set twice: {:?}", matcher.value)));
                }
                matchers.push(matcher);
                if !self.is_sign("}") {
                    self.expect(",", "label matching")?;
                }
            }
        }
        if matchers.iter().all(|matcher| matcher.matches("")) {
            return Err(self.error(at, "vector selector must contain at least one non-empty matcher"));
        }
        let index = self.selectors;
        self.selectors += 1;
        self.node(at, ExprKind::Selector(Selector { matchers, time: TimeShift::default(), index }), 0)
    }

    fn matcher(&self, label: &str, kind: MatchKind, value: &str, at: usize) -> Result<Matcher, ParseError> {
        Matcher::new(label, kind, value).map_err(|error| self.error(at, error.to_string()))
    }

    /// `label="value"`, or the name of the metric in quotes.
    fn label_matcher(&mut self) -> Result<(usize, Matcher), ParseError> {
        let token = self.advance();
        let label = match token.kind {
            TokenKind::Word(label) if is_label_name(&label) => label,
            TokenKind::Text(name) if self.is_sign(",") || self.is_sign("}") => {
                return Ok((token.at, self.matcher(METRIC_NAME, MatchKind::Equal, &name, token.at)?));
            }
            TokenKind::Text(label) => label,
            other => {
                let message =
                    format!("unexpected {} in label matching, expected identifier or \"}}\"", other.describe());
                return Err(self.error(token.at, message));
            }
        };
        let sign = self.advance();
        let kind = match sign.kind {
            TokenKind::Sign("=") => MatchKind::Equal,
            TokenKind::Sign("!=") => MatchKind::NotEqual,
            TokenKind::Sign("=~") => MatchKind::Matches,
            TokenKind::Sign("!~") => MatchKind::NotMatches,
            other => {
                let message =
                    format!("unexpected {} in label matching, expected label matching operator", other.describe());
                return Err(self.error(sign.at, message));
            }
        };
        let value = self.advance();
        match value.kind {
            TokenKind::Text(text) => Ok((token.at, self.matcher(&label, kind, &text, value.at)?)),
            other => {
                Err(self.error(value.at, format!("unexpected {} in label matching, expected string", other.describe())))
            }
        }
    }

    /// `(label, …)`
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect("(", "grouping opts")?;
        let mut labels = Vec::new();
        while !self.accept(")") {
            let token = self.advance();
            match token.kind {
                TokenKind::Word(label) if is_label_name(&label) => labels.push(label),
                TokenKind::Text(label) => labels.push(label),
                other => {
                    let message = format!("unexpected {} in grouping opts, expected label", other.describe());
                    return Err(self.error(token.at, message));
                }
            }
            if !self.is_sign(")") {
                self.expect(",", "grouping opts")?;
            }
        }
        Ok(labels)
    }

    /// The time that `offset` and `@` change.
    pub(super) fn time_shift<'e>(
        &self,
        expr: &'e mut Expr,
        at: usize,
        what: &str,
    ) -> Result<&'e mut TimeShift, ParseError> {
        match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => Ok(&mut selector.time),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.time),
            _ => {
                let message = "modifier must be preceded by an instant vector selector or range vector selector or a \
                               subquery";
                Err(self.error(at, format!("{what} {message}")))
            }
        }
    }

    /// A duration, or a number of seconds, in milliseconds.
    fn duration(&mut self) -> Result<i64, ParseError> {
        let token = self.advance();
        match token.kind {
            TokenKind::Duration(ms) => Ok(ms),
            TokenKind::Number(seconds) => {
                milliseconds(seconds).ok_or_else(|| self.error(token.at, "duration out of range"))
            }
            other => Err(self.error(token.at, format!("unexpected {}, expected duration", other.describe()))),
        }
    }

    pub(super) fn signed_duration(&mut self) -> Result<i64, ParseError> {
        let is_negative = self.accept("-");
        if !is_negative {
            self.accept("+");
        }
        let ms = self.duration()?;
        Ok(if is_negative { -ms } else { ms })
    }

    pub(super) fn positive_duration(&mut self) -> Result<i64, ParseError> {
        let at = self.peek().at;
        match self.duration()? {
            0 => Err(self.error(at, "duration must be greater than 0")),
            ms => Ok(ms),
        }
    }

    /// What stands behind `@`: `start()`, `end()` or a number of seconds.
    pub(super) fn moment(&mut self) -> Result<At, ParseError> {
        for (word, moment) in [("start", At::Start), ("end", At::End)] {
            if self.accept_word(word) {
                self.expect("(", "@ modifier")?;
                self.expect(")", "@ modifier")?;
                return Ok(moment);
            }
        }
        let is_negative = self.accept("-");
        if !is_negative {
            self.accept("+");
        }
        let token = self.advance();
        let TokenKind::Number(seconds) = token.kind else {
            let message = format!("unexpected {} in @, expected timestamp", token.kind.describe());
            return Err(self.error(token.at, message));
        };
        let seconds = if is_negative { -seconds } else { seconds };
        let ms = milliseconds(seconds).ok_or_else(|| self.error(token.at, "timestamp out of bounds for @ modifier"))?;
        Ok(At::Time(ms))
    }
}

/// Seconds in whole milliseconds; `None` beyond the times that there are.
fn milliseconds(seconds: f64) -> Option<i64> {
    /// Some 290,000 years: sums of several stay within 64 bits.
    const LARGEST_MS: f64 = 9.0e15;
    let ms = (seconds * 1000.0).round();
    (ms.is_finite() && ms.abs() <= LARGEST_MS).then_some(ms as i64)
}
