//! Tokens to a syntax tree, by precedence. Types are checked as the tree grows, so that a tree that was made can be
//! evaluated.

mod check;
mod selector;

use crate::ast::{
    Aggregate, AggregateKind, Binary, Cardinality, Expr, ExprKind, Grouping, Operator, Subquery, TimeShift, ValueType,
};
use crate::functions::Function;
use crate::lexer::{Token, TokenKind, tokens};
use crate::limits::{Limits, SUBQUERY_STEP_MS};

/// Why a text is no query, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |place| place + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            message: message.into(),
        }
    }
}

/// Parses a query.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse(text: &str, limits: &Limits) -> Result<Expr, ParseError> {
    if text.len() > limits.text_bytes {
        let message = format!("the query has {} bytes, more than {}", text.len(), limits.text_bytes);
        return Err(ParseError { line: 1, column: 1, message });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, place: 0, limits: *limits, depth: 0, selectors: 0 };
    if parser.peek().kind == TokenKind::End {
        return Err(parser.error_here("no expression found in input"));
    }
    let (expr, _) = parser.expression(0)?;
    match &parser.peek().kind {
        TokenKind::End => Ok(expr),
        other => Err(parser.error_here(format!("unexpected {}", other.describe()))),
    }
}

/// Parses a selector such as `up{job="x"}`, as `match[]` has it, into its matchers.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse_selector(text: &str, limits: &Limits) -> Result<Vec<crate::labels::Matcher>, ParseError> {
    match parse(text, limits)?.kind {
        ExprKind::Selector(selector) if selector.time == TimeShift::default() => Ok(selector.matchers),
        _ => Err(ParseError::new(text, 0, "only a selector of series is allowed here")),
    }
}

/// An expression and the height of its tree.
type Parsed = (Expr, usize);

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    place: usize,
    limits: Limits,
    depth: usize,
    selectors: usize,
}

/// The operator of a token with its precedence; a larger one binds closer.
fn operator(kind: &TokenKind) -> Option<(Operator, u8)> {
    Some(match kind {
        TokenKind::Word(word) => match word.to_ascii_lowercase().as_str() {
            "or" => (Operator::Or, 1),
            "and" => (Operator::And, 2),
            "unless" => (Operator::Unless, 2),
            "atan2" => (Operator::Atan2, 5),
            _ => return None,
        },
        TokenKind::Sign(sign) => match *sign {
            "==" => (Operator::Equal, 3),
            "!=" => (Operator::NotEqual, 3),
            "<" => (Operator::Less, 3),
            "<=" => (Operator::LessOrEqual, 3),
            ">" => (Operator::Greater, 3),
            ">=" => (Operator::GreaterOrEqual, 3),
            "+" => (Operator::Add, 4),
            "-" => (Operator::Subtract, 4),
            "*" => (Operator::Multiply, 5),
            "/" => (Operator::Divide, 5),
            "%" => (Operator::Modulo, 5),
            "^" => (Operator::Power, POWER),
            _ => return None,
        },
        _ => return None,
    })
}

/// The precedence of `^`, which binds closer than a sign.
const POWER: u8 = 6;

fn aggregate_kind(word: &str) -> Option<AggregateKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "sum" => AggregateKind::Sum,
        "avg" => AggregateKind::Avg,
        "count" => AggregateKind::Count,
        "min" => AggregateKind::Min,
        "max" => AggregateKind::Max,
        "group" => AggregateKind::Group,
        "stddev" => AggregateKind::Stddev,
        "stdvar" => AggregateKind::Stdvar,
        "topk" => AggregateKind::Topk,
        "bottomk" => AggregateKind::Bottomk,
        "quantile" => AggregateKind::Quantile,
        "count_values" => AggregateKind::CountValues,
        _ => return None,
    })
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // There is always an end, which is never passed.
        &self.tokens[self.place.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &TokenKind {
        &self.tokens[(self.place + 1).min(self.tokens.len() - 1)].kind
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.place += 1;
        token
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn error_here(&self, message: impl Into<String>) -> ParseError {
        self.error(self.peek().at, message)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.place += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.place += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str, context: &str) -> Result<(), ParseError> {
        if self.accept(sign) {
            return Ok(());
        }
        let found = self.peek().kind.describe();
        Err(self.error_here(format!("unexpected {found} in {context}, expected {sign:?}")))
    }

    /// A node over these heights.
    fn node(&self, at: usize, kind: ExprKind, below: usize) -> Result<Parsed, ParseError> {
        if below >= self.limits.height {
            return Err(self.error(at, format!("the expression is higher than {} levels", self.limits.height)));
        }
        Ok((Expr { kind, at }, below + 1))
    }

    /// An expression of operators that bind at least this close.
    fn expression(&mut self, least: u8) -> Result<Parsed, ParseError> {
        if self.depth >= self.limits.nesting {
            return Err(self.error_here(format!("the expression is nested deeper than {} levels", self.limits.nesting)));
        }
        self.depth += 1;
        let mut left = self.unary()?;
        while let Some((operator, precedence)) = operator(&self.peek().kind) {
            if precedence < least {
                break;
            }
            let at = self.advance().at;
            left = self.binary(left, operator, precedence, at)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn binary(&mut self, left: Parsed, operator: Operator, precedence: u8, at: usize) -> Result<Parsed, ParseError> {
        let returns_bool = self.accept_word("bool");
        let mut matching = None;
        for (word, is_only) in [("on", true), ("ignoring", false)] {
            if matching.is_none() && self.accept_word(word) {
                let labels = self.label_list()?;
                matching = Some(if is_only { Grouping::Only(labels) } else { Grouping::Without(labels) });
            }
        }
        let mut cardinality = Cardinality::OneToOne;
        for word in ["group_left", "group_right"] {
            if matching.is_some() && self.accept_word(word) {
                let labels = if self.is_sign("(") { self.label_list()? } else { Vec::new() };
                cardinality = match word {
                    "group_left" => Cardinality::ManyToOne(labels),
                    _ => Cardinality::OneToMany(labels),
                };
            }
        }
        // The power binds to the right, all others to the left.
        let right = self.expression(if precedence == POWER { precedence } else { precedence + 1 })?;
        let has_matching = matching.is_some();
        let below = left.1.max(right.1);
        let matching = matching.unwrap_or_else(|| Grouping::Without(Vec::new()));
        let begins = left.0.at;
        let binary = Binary { operator, left: left.0, right: right.0, returns_bool, matching, cardinality };
        self.check_binary(&binary, has_matching, at)?;
        self.node(begins, ExprKind::Binary(Box::new(binary)), below)
    }

    fn unary(&mut self) -> Result<Parsed, ParseError> {
        let at = self.peek().at;
        let is_minus = self.is_sign("-");
        if !is_minus && !self.is_sign("+") {
            return self.postfix();
        }
        self.advance();
        let (inner, below) = self.expression(POWER)?;
        let found = inner.value_type();
        if !matches!(found, ValueType::Scalar | ValueType::Vector) {
            let message = "unary expression only allowed on expressions of type scalar or instant vector, got";
            return Err(self.error(at, format!("{message} {:?}", found.as_str())));
        }
        match (is_minus, &inner.kind) {
            (false, _) => Ok((inner, below)),
            (true, ExprKind::Number(number)) => Ok((Expr { kind: ExprKind::Number(-number), at }, below)),
            (true, _) => self.node(at, ExprKind::Negation(Box::new(inner)), below),
        }
    }

    /// What may stand behind an operand: ranges, subqueries, `offset`, `@`.
    fn postfix(&mut self) -> Result<Parsed, ParseError> {
        let (mut expr, mut height) = self.primary()?;
        loop {
            let at = self.peek().at;
            if self.accept("[") {
                (expr, height) = self.brackets(expr, height, at)?;
            } else if self.accept_word("offset") {
                let offset_ms = self.signed_duration()?;
                let time = self.time_shift(&mut expr, at, "offset")?;
                if time.offset_ms != 0 {
                    return Err(self.error(at, "offset may not be set multiple times"));
                }
                time.offset_ms = offset_ms;
            } else if self.accept("@") {
                let moment = self.moment()?;
                let time = self.time_shift(&mut expr, at, "@")?;
                if time.at.is_some() {
                    return Err(self.error(at, "@ <timestamp> may not be set multiple times"));
                }
                time.at = Some(moment);
            } else {
                return Ok((expr, height));
            }
        }
    }

    fn brackets(&mut self, expr: Expr, height: usize, at: usize) -> Result<Parsed, ParseError> {
        let range_ms = self.positive_duration()?;
        let begins = expr.at;
        if self.accept(":") {
            let step_ms = if self.is_sign("]") { SUBQUERY_STEP_MS } else { self.positive_duration()? };
            self.expect("]", "subquery")?;
            let found = expr.value_type();
            if found != ValueType::Vector {
                let message = format!("subquery is only allowed on instant vector, got {} instead", found.as_str());
                return Err(self.error(at, message));
            }
            let subquery = Subquery { inner: expr, range_ms, step_ms, time: TimeShift::default() };
            return self.node(begins, ExprKind::Subquery(Box::new(subquery)), height);
        }
        self.expect("]", "range selector")?;
        match expr.kind {
            ExprKind::Selector(selector) if selector.time == TimeShift::default() => {
                self.node(begins, ExprKind::Range { selector, range_ms }, height)
            }
            ExprKind::Selector(selector) => {
                let what = if selector.time.at.is_some() { "@" } else { "offset" };
                Err(self.error(at, format!("no {what} modifiers allowed before range")))
            }
            _ => Err(self.error(at, "ranges only allowed for vector selectors")),
        }
    }

    fn primary(&mut self) -> Result<Parsed, ParseError> {
        let token = self.peek().clone();
        let at = token.at;
        match token.kind {
            TokenKind::Number(number) => {
                self.advance();
                self.node(at, ExprKind::Number(number), 0)
            }
            // A duration is a number of seconds, as in Prometheus 3.
            TokenKind::Duration(ms) => {
                self.advance();
                self.node(at, ExprKind::Number(ms as f64 / 1000.0), 0)
            }
            TokenKind::Text(text) => {
                self.advance();
                self.node(at, ExprKind::String(text), 0)
            }
            TokenKind::Sign("(") => {
                self.advance();
                let (inner, below) = self.expression(0)?;
                self.expect(")", "paren expression")?;
                self.node(at, ExprKind::Parens(Box::new(inner)), below)
            }
            TokenKind::Sign("{") => self.selector(None, at),
            TokenKind::Word(word) => self.word(&word, at),
            other => Err(self.error(at, format!("unexpected {}", other.describe()))),
        }
    }

    /// A call, an aggregation or a metric.
    fn word(&mut self, word: &str, at: usize) -> Result<Parsed, ParseError> {
        let second = self.peek_second();
        let is_call = *second == TokenKind::Sign("(");
        let is_grouping = matches!(second, TokenKind::Word(next)
            if next.eq_ignore_ascii_case("by") || next.eq_ignore_ascii_case("without"));
        if let Some(kind) = aggregate_kind(word).filter(|_| is_call || is_grouping) {
            self.advance();
            return self.aggregate(kind, word, at);
        }
        if is_call {
            let Some(function) = Function::named(word) else {
                return Err(self.error(at, format!("unknown function with name {word:?}")));
            };
            self.advance();
            let (arguments, below) = self.arguments("call")?;
            self.check_call(function, &arguments, at)?;
            return self.node(at, ExprKind::Call { function, arguments }, below);
        }
        let lower = word.to_ascii_lowercase();
        if ["bool", "on", "ignoring", "group_left", "group_right"].contains(&lower.as_str()) {
            return Err(self.error(at, format!("unexpected {word:?}")));
        }
        self.advance();
        self.selector(Some(word.to_owned()), at)
    }

    fn arguments(&mut self, context: &str) -> Result<(Vec<Expr>, usize), ParseError> {
        self.expect("(", context)?;
        let (mut arguments, mut below) = (Vec::new(), 0);
        while !self.accept(")") {
            let (argument, height) = self.expression(0)?;
            arguments.push(argument);
            below = below.max(height);
            if !self.is_sign(")") {
                self.expect(",", context)?;
            }
        }
        Ok((arguments, below))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        if self.accept_word("by") {
            return Ok(Some(Grouping::Only(self.label_list()?)));
        }
        if self.accept_word("without") {
            return Ok(Some(Grouping::Without(self.label_list()?)));
        }
        Ok(None)
    }

    fn aggregate(&mut self, kind: AggregateKind, word: &str, at: usize) -> Result<Parsed, ParseError> {
        let before = self.grouping()?;
        let (mut arguments, below) = self.arguments("aggregation")?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => self.grouping()?.unwrap_or_else(|| Grouping::Only(Vec::new())),
        };
        use AggregateKind::{Bottomk, CountValues, Quantile, Topk};
        let has_parameter = matches!(kind, Topk | Bottomk | Quantile | CountValues);
        let expected = if has_parameter { 2 } else { 1 };
        if arguments.len() != expected {
            let message =
                format!("wrong number of arguments for aggregate expression provided, expected {expected}, got");
            return Err(self.error(at, format!("{message} {}", arguments.len())));
        }
        let Some(inner) = arguments.pop() else { return Err(self.error(at, "no arguments for aggregate expression")) };
        let parameter = arguments.pop();
        let aggregate = Aggregate { kind, parameter, inner, grouping };
        self.check_aggregate(&aggregate, word, at)?;
        self.node(at, ExprKind::Aggregate(Box::new(aggregate)), below)
    }
}

#[cfg(test)]
mod tests;
