//! `SELECT` and its clauses, many of which other statements have too.

use super::expression::Segments;
use super::{Parser, Result, none_if_empty};
use crate::ast::{
    Call, Expression, Field, Fill, Measurement, MeasurementName, Operator, Order, Page, Select, Source, Target,
};
use crate::error::{ParseError, quoted};
use crate::token::{Keyword, Kind};

impl Parser<'_> {
    /// `SELECT` behind the word.
    pub(super) fn select(&mut self, needs_target: bool) -> Result<Box<Select>> {
        let fields = self.list(Self::field)?;
        let target = self.target(needs_target)?;
        self.expect_keyword(Keyword::From)?;
        let sources = self.list(Self::source)?;
        Ok(Box::new(Select {
            fields,
            target,
            sources,
            condition: self.condition()?,
            dimensions: self.dimensions()?,
            fill: self.fill()?,
            order: self.order()?,
            page: self.page(Keyword::Limit, Keyword::Offset)?,
            series_page: self.page(Keyword::Slimit, Keyword::Soffset)?,
            time_zone: self.time_zone()?,
        }))
    }

    fn field(&mut self) -> Result<Field> {
        let expression = match self.regex()? {
            Some(text) => Expression::Regex(text),
            None => {
                let at = self.peek().at;
                let expression = self.expression()?;
                if let Some(operator) = comparison(&expression) {
                    let position = self.lexer.position(at);
                    return Err(ParseError::OperatorInField { operator, position });
                }
                expression
            }
        };
        let alias = self.identifier_after(Keyword::As)?;
        Ok(Field { expression, alias })
    }

    fn target(&mut self, needed: bool) -> Result<Option<Target>> {
        if !self.take_keyword(Keyword::Into) {
            return if needed { Err(self.unexpected("INTO")) } else { Ok(None) };
        }
        let first = self.identifier()?;
        let Segments { names, open } = self.segments(first)?;
        let mut names = names.into_iter().map(Some).collect::<Vec<_>>();
        if open && names.len() < 3 {
            self.expect(Kind::Colon, ":")?;
            self.expect_keyword(Keyword::Measurement)?;
            names.push(None);
        } else if open {
            return Err(self.unexpected("FROM"));
        }
        let measurement = names.pop().flatten();
        let retention_policy = names.pop().flatten().and_then(none_if_empty);
        let database = names.pop().flatten().and_then(none_if_empty);
        Ok(Some(Target { database, retention_policy, measurement }))
    }

    fn source(&mut self) -> Result<Source> {
        if let Some(text) = self.regex()? {
            let name = MeasurementName::Regex(text);
            return Ok(Source::Measurement(Measurement { database: None, retention_policy: None, name }));
        }
        if !self.take(Kind::LeftParen) {
            return self.measurement().map(Source::Measurement);
        }
        self.expect_keyword(Keyword::Select)?;
        let select = self.nested(|parser| parser.select(false))?;
        self.expect(Kind::RightParen, ")")?;
        Ok(Source::Subquery(select))
    }

    /// A source that is no subquery.
    pub(super) fn measurement(&mut self) -> Result<Measurement> {
        if let Some(text) = self.regex()? {
            let name = MeasurementName::Regex(text);
            return Ok(Measurement { database: None, retention_policy: None, name });
        }
        let first = self.identifier()?;
        let Segments { mut names, open } = self.segments(first)?;
        if names.len() < 3 {
            // InfluxDB looks for a regular expression behind the token that follows, too; this moves the end.
            self.lexer.look();
        }
        let name = if open && names.len() < 3 {
            MeasurementName::Regex(self.expect_regex()?)
        } else if open {
            return Err(self.unexpected("identifier"));
        } else {
            MeasurementName::Name(names.pop().unwrap_or_default())
        };
        let retention_policy = names.pop().and_then(none_if_empty);
        let database = names.pop().and_then(none_if_empty);
        Ok(Measurement { database, retention_policy, name })
    }

    /// `FROM` of a statement that has no subqueries; empty if it is not there.
    pub(super) fn measurements(&mut self) -> Result<Vec<Measurement>> {
        if self.take_keyword(Keyword::From) { self.list(Self::measurement) } else { Ok(Vec::new()) }
    }

    /// `WHERE`
    pub(super) fn condition(&mut self) -> Result<Option<Expression>> {
        if self.take_keyword(Keyword::Where) { self.expression().map(Some) } else { Ok(None) }
    }

    /// `GROUP BY`; empty if it is not there.
    pub(super) fn dimensions(&mut self) -> Result<Vec<Expression>> {
        if !self.take_keyword(Keyword::Group) {
            return Ok(Vec::new());
        }
        self.expect_keyword(Keyword::By)?;
        self.list(|parser| match parser.regex()? {
            Some(text) => Ok(Expression::Regex(text)),
            None => parser.expression(),
        })
    }

    /// An expression if it begins with this name in any case.
    fn expression_beginning(&mut self, name: &str) -> Result<Option<Expression>> {
        let token = self.peek();
        if token.kind == Kind::Identifier && token.text.eq_ignore_ascii_case(name) {
            self.expression().map(Some)
        } else {
            Ok(None)
        }
    }

    fn fill(&mut self) -> Result<Fill> {
        let arguments = match self.expression_beginning("fill")? {
            None => return Ok(Fill::Null),
            Some(Expression::Call(Call { arguments, .. })) => arguments,
            Some(_) => return Err(ParseError::FillNotCall),
        };
        let [argument] = arguments.as_slice() else {
            return Err(ParseError::FillArguments);
        };
        match argument {
            Expression::Integer(integer) => Ok(Fill::Integer(*integer)),
            Expression::Number(number) => Ok(Fill::Number(*number)),
            Expression::Reference(reference) if reference.data_type.is_none() => match reference.name.as_str() {
                "null" => Ok(Fill::Null),
                "none" => Ok(Fill::None),
                "previous" => Ok(Fill::Previous),
                "linear" => Ok(Fill::Linear),
                _ => Err(ParseError::FillNotNumber),
            },
            _ => Err(ParseError::FillNotNumber),
        }
    }

    fn time_zone(&mut self) -> Result<Option<String>> {
        let arguments = match self.expression_beginning("tz")? {
            None => return Ok(None),
            Some(Expression::Call(Call { arguments, .. })) => arguments,
            Some(_) => return Err(ParseError::ZoneNotCall),
        };
        let Ok([argument]) = <[_; 1]>::try_from(arguments) else {
            return Err(ParseError::ZoneArguments);
        };
        let Expression::String(name) = argument else {
            return Err(ParseError::ZoneNotString);
        };
        match self.options.zone_exists {
            Some(exists) if !exists(&name) => Err(ParseError::UnknownZone { name: quoted(&name) }),
            _ => Ok(Some(name)),
        }
    }

    /// `ORDER BY`, which knows time only.
    pub(super) fn order(&mut self) -> Result<Option<Order>> {
        if !self.take_keyword(Keyword::Order) {
            return Ok(None);
        }
        self.expect_keyword(Keyword::By)?;
        let order = match self.direction() {
            Some(order) => order,
            None if self.peek_kind() == Kind::Identifier => {
                let is_time = self.next().text == "time";
                let order = self.direction().unwrap_or(Order::Ascending);
                if !is_time {
                    return Err(ParseError::OrderByOther);
                }
                order
            }
            None => return Err(self.unexpected("identifier, ASC, DESC")),
        };
        if self.take(Kind::Comma) {
            self.identifier()?;
            return Err(ParseError::OrderByOther);
        }
        Ok(Some(order))
    }

    fn direction(&mut self) -> Option<Order> {
        if self.take_keyword(Keyword::Asc) {
            Some(Order::Ascending)
        } else if self.take_keyword(Keyword::Desc) {
            Some(Order::Descending)
        } else {
            None
        }
    }

    /// `LIMIT` and `OFFSET`, or `SLIMIT` and `SOFFSET`.
    pub(super) fn page(&mut self, limit_word: Keyword, offset_word: Keyword) -> Result<Page> {
        let limit = self.count(limit_word)?;
        Ok(Page { limit: (limit > 0).then_some(limit), offset: self.count(offset_word)? })
    }

    /// The number behind a keyword; zero if it is not there. One that is too large is the largest.
    fn count(&mut self, keyword: Keyword) -> Result<u64> {
        if !self.take_keyword(keyword) {
            return Ok(0);
        }
        let token = self.expect(Kind::Integer, "integer")?;
        if token.text.starts_with('-') {
            let position = self.lexer.position(token.at);
            return Err(ParseError::NegativeCount { clause: keyword.as_str(), position });
        }
        Ok(token.text.parse::<i64>().unwrap_or(i64::MAX).unsigned_abs())
    }
}

/// An operator that a field cannot have, if it has one: the last, not counting those below another.
fn comparison(field: &Expression) -> Option<Operator> {
    let mut found = None;
    field.walk(&mut |expression| match expression {
        Expression::Binary(binary) if !binary.operator.is_arithmetic() => {
            found = Some(binary.operator);
            false
        }
        _ => true,
    });
    found
}
