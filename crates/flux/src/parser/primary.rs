//! Literals, and what stands in brackets.

use super::{Bracket, Parser};
use crate::ast::{
    ArrayExpression, ArrayItem, Comments, DateTimeLiteral, DictExpression, DictItem, DurationLiteral, Expression,
    FloatLiteral, FunctionBody, FunctionExpression, Identifier, IntegerLiteral, InterpolatedPart, LabelLiteral,
    ParenExpression, PipeLiteral, Property, PropertyKey, RegexpLiteral, StringExpression, StringPart, TextPart,
};
use crate::lexer::Mode;
use crate::literal;
use crate::token::{Token, TokenKind};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Expression {
        let token = self.peek_value();
        match token.kind {
            TokenKind::Ident => Expression::Identifier(self.identifier()),
            TokenKind::Int => Expression::Integer(self.integer()),
            TokenKind::String => Expression::String(self.string_literal()),
            TokenKind::Quote => self.string_expression(),
            TokenKind::Dot => self.label(),
            TokenKind::LBrack => self.array_or_dict(),
            TokenKind::LBrace => Expression::Object(Box::new(self.record())),
            TokenKind::LParen => self.paren(),
            TokenKind::PipeReceive => {
                self.scan();
                Expression::Pipe(PipeLiteral { meta: self.token_meta(&token) })
            }
            TokenKind::Regex => {
                self.scan();
                let value = literal::regexp(self.text(&token));
                Expression::Regexp(RegexpLiteral { meta: self.token_meta(&token), value })
            }
            TokenKind::Float | TokenKind::Time | TokenKind::Duration => {
                self.scan();
                self.number(&token)
            }
            // It stays: whoever wanted an expression knows whether to skip it.
            kind => {
                self.bad_expression(token.location(), format!("invalid token for primary expression: {}", kind.name()))
            }
        }
    }

    fn number(&mut self, token: &Token) -> Expression {
        let text = self.text(token);
        let expression = match token.kind {
            TokenKind::Float => text.parse().ok().map(|value| {
                let meta = self.token_meta(token);
                Expression::Float(FloatLiteral { meta, value })
            }),
            TokenKind::Time => literal::time(text).map(|value| {
                let meta = self.token_meta(token);
                Expression::DateTime(DateTimeLiteral { meta, value })
            }),
            _ => literal::duration(text).map(|values| {
                let meta = self.token_meta(token);
                Expression::Duration(DurationLiteral { meta, values })
            }),
        };
        expression.unwrap_or_else(|| {
            let lacks_offset = token.kind == TokenKind::Time && literal::time(&format!("{text}Z")).is_some();
            let message = match lacks_offset {
                true => "invalid date time literal, missing time offset".to_owned(),
                false => format!("invalid token for primary expression: {}", token.kind.name()),
            };
            self.bad_expression(token.location(), message)
        })
    }

    fn integer(&mut self) -> IntegerLiteral {
        let token = self.scan();
        let text = self.text(&token);
        let problem = match text.parse() {
            _ if text.len() > 1 && text.starts_with('0') => "nonzero value cannot start with 0",
            Ok(value) => return IntegerLiteral { meta: self.token_meta(&token), value },
            Err(_) => "value out of range",
        };
        self.error(format!("invalid integer literal \"{text}\": {problem}"));
        IntegerLiteral { meta: self.token_meta(&token), value: 0 }
    }

    fn label(&mut self) -> Expression {
        let dot = self.scan();
        let (value, end) = match self.property_key() {
            PropertyKey::Identifier(name) => (name.name, name.meta.location.end),
            PropertyKey::String(name) => (name.value, name.meta.location.end),
        };
        Expression::Label(LabelLiteral { meta: self.meta_with_comments(dot.start, end, &dot), value })
    }

    fn string_expression(&mut self) -> Expression {
        let start = self.scan();
        let mut parts = Vec::new();
        loop {
            let token = self.lexer.next(Mode::Text);
            match token.kind {
                TokenKind::Text => {
                    let Ok(value) = literal::text(self.text(&token)) else {
                        let message = format!("invalid token for primary expression: {}", token.kind.name());
                        return self.bad_expression(token.location(), message);
                    };
                    parts.push(StringPart::Text(TextPart { meta: self.token_meta(&token), value }));
                }
                TokenKind::StringExpr => {
                    let expression = self.expression();
                    let end = self.expect(TokenKind::RBrace);
                    let meta = self.meta(token.start, end.end);
                    parts.push(StringPart::Interpolated(InterpolatedPart { meta, expression }));
                }
                TokenKind::Quote => {
                    let meta = self.meta_with_comments(start.start, token.end, &start);
                    return Expression::StringExpression(Box::new(StringExpression { meta, parts }));
                }
                kind => {
                    let location = token.location();
                    self.error(format!("got unexpected token in string expression @{location}: {}", kind.name()));
                    let meta = self.meta_with_comments(start.start, token.end, &start);
                    // One of the parts may say why the rest was not read.
                    let parts = if self.gave_up { parts } else { Vec::new() };
                    return Expression::StringExpression(Box::new(StringExpression { meta, parts }));
                }
            }
        }
    }

    fn array_or_dict(&mut self) -> Expression {
        let start = self.open(Bracket::Square);
        match self.peek().kind {
            TokenKind::Colon => {
                self.scan();
                self.dict(&start, Vec::new())
            }
            TokenKind::RBrack => self.array(&start, Vec::new()),
            _ => {
                let first = self.expression();
                if self.accept(TokenKind::Colon).is_some() {
                    let value = self.expression();
                    return self.dict_items(&start, first, value);
                }
                self.array_items(&start, first)
            }
        }
    }

    fn array(&mut self, start: &Token, elements: Vec<ArrayItem>) -> Expression {
        let end = self.close(Bracket::Square);
        let meta = self.meta(start.start, end.end);
        let (lbrack, rbrack) = (self.comments(start), self.comments(&end));
        Expression::Array(Box::new(ArrayExpression { meta, lbrack, elements, rbrack }))
    }

    fn dict(&mut self, start: &Token, elements: Vec<DictItem>) -> Expression {
        let end = self.close(Bracket::Square);
        let meta = self.meta(start.start, end.end);
        let (lbrack, rbrack) = (self.comments(start), self.comments(&end));
        Expression::Dict(Box::new(DictExpression { meta, lbrack, elements, rbrack }))
    }

    fn array_items(&mut self, start: &Token, first: Expression) -> Expression {
        if self.peek().kind == TokenKind::RBrack {
            return self.array(start, vec![ArrayItem { expression: first, comma: Comments::default() }]);
        }
        let comma = self.expect(TokenKind::Comma);
        let mut items = vec![ArrayItem { expression: first, comma: self.comments(&comma) }];
        let mut last = self.peek().start_offset;
        while self.more() {
            let expression = self.expression();
            let comma = self.accept(TokenKind::Comma);
            let comma = comma.map(|token| self.comments(&token)).unwrap_or_default();
            items.push(ArrayItem { expression, comma });
            // Twice the same token: it starts no element.
            let current = self.peek().start_offset;
            if current == last {
                break;
            }
            last = current;
        }
        self.array(start, items)
    }

    fn dict_items(&mut self, start: &Token, key: Expression, value: Expression) -> Expression {
        let mut items = vec![DictItem { key, value, comma: Comments::default() }];
        if self.peek().kind != TokenKind::RBrack {
            let comma = self.expect(TokenKind::Comma);
            if let Some(first) = items.first_mut() {
                first.comma = self.comments(&comma);
            }
            while self.more() {
                let key = self.expression();
                self.expect(TokenKind::Colon);
                let value = self.expression();
                let comma = self.accept(TokenKind::Comma);
                let comma = comma.map(|token| self.comments(&token)).unwrap_or_default();
                items.push(DictItem { key, value, comma });
            }
        }
        self.dict(start, items)
    }

    /// Parameters of a function, or an expression in parentheses: a name first leaves both open.
    fn paren(&mut self) -> Expression {
        let start = self.open(Bracket::Paren);
        let token = self.peek();
        match token.kind {
            TokenKind::RParen => {
                let end = self.close(Bracket::Paren);
                self.function(&start, &end, Vec::new())
            }
            TokenKind::Ident => {
                let name = self.identifier();
                self.paren_after_name(&start, name)
            }
            _ => {
                let expression = self.expressions_until(&[]);
                let expression = expression.unwrap_or_else(|| self.bad_expression(token.location(), self.text(&token)));
                self.paren_end(&start, expression)
            }
        }
    }

    fn paren_end(&mut self, start: &Token, expression: Expression) -> Expression {
        let end = self.close(Bracket::Paren);
        let meta = self.meta(start.start, end.end);
        let (lparen, rparen) = (self.comments(start), self.comments(&end));
        Expression::Paren(Box::new(ParenExpression { meta, lparen, expression, rparen }))
    }

    fn paren_after_name(&mut self, start: &Token, name: Identifier) -> Expression {
        match self.peek().kind {
            TokenKind::RParen => {
                let end = self.close(Bracket::Paren);
                if self.peek().kind == TokenKind::Arrow {
                    let parameter = self.parameter_without_default(name);
                    return self.function(start, &end, vec![parameter]);
                }
                let meta = self.meta(start.start, end.end);
                let (lparen, rparen) = (self.comments(start), self.comments(&end));
                let expression = Expression::Identifier(name);
                Expression::Paren(Box::new(ParenExpression { meta, lparen, expression, rparen }))
            }
            TokenKind::Assign | TokenKind::Comma => {
                let mut parameters = vec![self.parameter_after_name(name)];
                self.parameters(&mut parameters);
                let end = self.close(Bracket::Paren);
                self.function(start, &end, parameters)
            }
            _ => {
                let mut expression = self.suffixes(Expression::Identifier(name));
                while self.more() {
                    let next = self.expression();
                    if matches!(next, Expression::Bad(_)) {
                        self.skip_invalid_token();
                    } else {
                        expression = self.joined(expression, next);
                    }
                }
                self.paren_end(start, expression)
            }
        }
    }

    fn function(&mut self, start: &Token, end: &Token, parameters: Vec<Property>) -> Expression {
        let arrow = self.expect_or_keep(TokenKind::Arrow);
        let (body, body_end) = if self.peek().kind == TokenKind::LBrace {
            let block = self.block();
            let end = block.meta.location.end;
            (FunctionBody::Block(block), end)
        } else {
            let expression = self.expression();
            let end = expression.location().end;
            (FunctionBody::Expression(expression), end)
        };
        Expression::Function(Box::new(FunctionExpression {
            meta: self.meta(start.start, body_end),
            lparen: self.comments(start),
            parameters,
            rparen: self.comments(end),
            arrow: self.comments(&arrow),
            body,
        }))
    }
}
