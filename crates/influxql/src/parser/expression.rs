//! Expressions, by precedence climbing.

use super::{Parser, Result};
use crate::ast::{Call, DataType, Expression, Operator, Reference, Wildcard};
use crate::duration::Duration;
use crate::error::{ParseError, quoted};
use crate::lexer::is_bare;
use crate::parameters::Parameter;
use crate::token::{Keyword, Kind, Token};

/// The parts of a name, and whether a point follows them.
pub(super) struct Segments {
    pub(super) names: Vec<String>,
    /// The last point is followed by something else than a name: a regular expression or `:MEASUREMENT`.
    pub(super) open: bool,
}

impl<'a> Parser<'a> {
    /// An expression with operators.
    pub(super) fn expression(&mut self) -> Result<Expression> {
        self.nested(|parser| parser.operation(1))
    }

    /// Operands joined by operators that bind at least this tightly.
    fn operation(&mut self, loosest: u8) -> Result<Expression> {
        let mut left = self.operand()?;
        let mut height = self.height;
        loop {
            let operator = match self.peek_kind() {
                Kind::Operator(operator) if operator.precedence() >= loosest => operator,
                _ => break,
            };
            self.next();
            let right = if matches!(operator, Operator::Matches | Operator::NotMatches) {
                self.height = 1;
                Expression::Regex(self.expect_regex()?)
            } else {
                let right = self.operation(operator.precedence() + 1)?;
                self.protected(right, operator)
            };
            height = height.max(self.height) + 1;
            let limit = self.options.limits.height;
            if height > limit {
                return Err(ParseError::ExpressionTooLong { limit, position: self.position() });
            }
            left = Expression::binary(left, operator, right);
        }
        self.height = height;
        Ok(left)
    }

    /// The right operand in parentheses if it is a sign's product and would, once printed, belong to the operator's
    /// left: `a / -b` is `a / (-1 * b)`.
    fn protected(&mut self, right: Expression, operator: Operator) -> Expression {
        match &right {
            Expression::Binary(binary) if binary.operator.precedence() <= operator.precedence() => {
                self.height += 1;
                Expression::Paren(Box::new(right))
            }
            _ => right,
        }
    }

    fn operand(&mut self) -> Result<Expression> {
        let token = self.next();
        self.height = 1;
        Ok(match token.kind {
            Kind::LeftParen => {
                let inner = self.expression()?;
                self.expect(Kind::RightParen, ")")?;
                self.height += 1;
                Expression::Paren(Box::new(inner))
            }
            Kind::Identifier if self.take_adjacent(Kind::LeftParen) => self.call(token.text.to_ascii_lowercase())?,
            Kind::Identifier => Expression::Reference(self.reference(token.text.into_owned())?),
            Kind::Keyword(Keyword::Distinct) => self.distinct()?,
            Kind::String => Expression::String(token.text.into_owned()),
            Kind::Number => Expression::Number(self.number(&token)?),
            Kind::Integer => self.integer(&token)?,
            Kind::Boolean(boolean) => Expression::Boolean(boolean),
            Kind::Duration => Expression::Duration(Duration::parse(&token.text)?),
            Kind::Operator(Operator::Multiply) => Expression::Wildcard(self.wildcard()?),
            Kind::Operator(Operator::Add) => self.signed(1)?,
            Kind::Operator(Operator::Subtract) => self.signed(-1)?,
            Kind::Parameter => return Err(self.useless_parameter(token)),
            _ => return Err(self.found(&token, "identifier, string, number, bool")),
        })
    }

    /// What follows a sign. A sign before a name multiplies.
    fn signed(&mut self, sign: i64) -> Result<Expression> {
        let token = self.peek();
        if !matches!(token.kind, Kind::Number | Kind::Integer | Kind::Duration | Kind::LeftParen | Kind::Identifier) {
            return Err(self.unexpected("identifier, number, duration, ("));
        }
        let operand = self.operand()?;
        if sign == 1 && !matches!(operand, Expression::Reference(_) | Expression::Call(_) | Expression::Paren(_)) {
            return Ok(operand);
        }
        Ok(match operand {
            Expression::Number(number) => Expression::Number(-number),
            Expression::Integer(integer) => match integer.checked_neg() {
                Some(negated) => Expression::Integer(negated),
                None => Expression::Unsigned(integer.unsigned_abs()),
            },
            // The magnitude of the least integer does not fit one.
            Expression::Unsigned(magnitude) => match 0_i64.checked_sub_unsigned(magnitude) {
                Some(integer) => Expression::Integer(integer),
                None => return Err(ParseError::IntegerUnderflow { magnitude }),
            },
            Expression::Duration(duration) => Expression::Duration(Duration(duration.0.saturating_neg())),
            operand => {
                self.height += 1;
                Expression::binary(Expression::Integer(sign), Operator::Multiply, operand)
            }
        })
    }

    /// A call behind its opening parenthesis.
    fn call(&mut self, name: String) -> Result<Expression> {
        let mut height = 1;
        let mut arguments = Vec::new();
        loop {
            let argument = match self.regex()? {
                Some(text) => Expression::Regex(text),
                None if arguments.is_empty() && self.take(Kind::RightParen) => break,
                None => {
                    let argument = self.expression()?;
                    height = height.max(self.height + 1);
                    argument
                }
            };
            arguments.push(argument);
            if !self.take(Kind::Comma) {
                self.expect(Kind::RightParen, ")")?;
                break;
            }
        }
        self.height = height;
        Ok(Expression::Call(Call { name, arguments }))
    }

    /// `DISTINCT` behind the word.
    fn distinct(&mut self) -> Result<Expression> {
        let token = self.raw();
        match token.kind {
            Kind::LeftParen => self.call("distinct".to_owned()),
            Kind::Blank => Ok(Expression::Distinct(self.identifier()?)),
            _ => Err(self.found(&token, "(, identifier")),
        }
    }

    /// A reference behind its first name.
    fn reference(&mut self, first: String) -> Result<Reference> {
        let segments = self.segments(first)?;
        if segments.open {
            return Err(self.unexpected("identifier"));
        }
        let name = segments.names.join(".");
        if !self.take_adjacent(Kind::DoubleColon) {
            return Ok(Reference { name, data_type: None });
        }
        let token = self.raw();
        let data_type = match token.kind {
            Kind::Keyword(Keyword::Field) => DataType::Field,
            Kind::Keyword(Keyword::Tag) => DataType::Tag,
            Kind::Identifier => match token.text.to_ascii_lowercase().as_str() {
                "float" => DataType::Float,
                "integer" => DataType::Integer,
                "unsigned" => DataType::Unsigned,
                "string" => DataType::String,
                "boolean" => DataType::Boolean,
                _ => return Err(self.found(&token, "float, integer, unsigned, string, boolean, field, tag")),
            },
            _ => return Err(self.found(&token, "float, integer, string, boolean, field, tag")),
        };
        Ok(Reference { name, data_type: Some(data_type) })
    }

    /// The parts of a name behind the first one: `db.rp.m`, `db..m`.
    pub(super) fn segments(&mut self, first: String) -> Result<Segments> {
        let mut names = vec![first];
        let mut open = false;
        while self.take_adjacent(Kind::Dot) {
            match self.lexer.look() {
                Some(b'/' | b':') => {
                    open = true;
                    break;
                }
                Some(b'.') => names.push(String::new()),
                _ => names.push(self.identifier()?),
            }
        }
        if names.len() > 3 {
            return Err(ParseError::TooManySegments { name: quoted(&quoted_segments(&names)) });
        }
        Ok(Segments { names, open })
    }

    fn wildcard(&mut self) -> Result<Wildcard> {
        if !self.take_adjacent(Kind::DoubleColon) {
            return Ok(Wildcard::All);
        }
        let token = self.raw();
        match token.kind {
            Kind::Keyword(Keyword::Field) => Ok(Wildcard::Fields),
            Kind::Keyword(Keyword::Tag) => Ok(Wildcard::Tags),
            _ => Err(self.found(&token, "field, tag")),
        }
    }

    fn number(&self, token: &Token<'a>) -> Result<f64> {
        let number = token.text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| ParseError::NumberTooLarge { position: self.lexer.position(token.at) })
    }

    fn integer(&self, token: &Token<'a>) -> Result<Expression> {
        let integer = token.text.parse().map(Expression::Integer);
        let integer = integer.or_else(|_| token.text.parse().map(Expression::Unsigned));
        integer.map_err(|_| ParseError::IntegerTooLarge { position: self.lexer.position(token.at) })
    }

    /// Why a parameter stands for nothing.
    fn useless_parameter(&self, token: Token<'a>) -> ParseError {
        let name = token.text.into_owned();
        match self.parameter(&name) {
            _ if name.is_empty() => ParseError::EmptyParameter,
            Some(Parameter::Invalid(message)) => ParseError::InvalidParameter { message: message.clone() },
            _ => ParseError::MissingParameter { name: quoted(&name) },
        }
    }
}

/// A name of several parts as InfluxDB quotes it: all but the last in quotes.
fn quoted_segments(names: &[String]) -> String {
    let last = names.len().saturating_sub(1);
    let quoted = names.iter().enumerate().map(|(index, name)| {
        let empty_inside = name.is_empty() && index > 0 && index < last;
        if empty_inside || (index == last && is_bare(name)) { name.clone() } else { format!("{name:?}") }
    });
    quoted.collect::<Vec<_>>().join(".")
}
