//! The types of `builtin` statements.

use super::{Bracket, Parser};
use crate::ast::{
    Constraint, FunctionType, Meta, ParameterKind, ParameterType, PropertyKey, PropertyType, RecordType, Type,
    TypeExpression,
};
use crate::location::Position;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn type_expression(&mut self) -> TypeExpression {
        let monotype = self.monotype();
        let location = monotype.meta().location;
        let mut end = location.end;
        let mut constraints = Vec::new();
        let token = self.peek();
        if token.kind == TokenKind::Ident && self.text(&token) == "where" {
            self.scan();
            constraints.push(self.constraint());
            while self.accept(TokenKind::Comma).is_some() {
                constraints.push(self.constraint());
            }
            end = constraints.last().map_or(end, |constraint| constraint.meta.location.end);
        }
        TypeExpression { meta: self.meta(location.start, end), monotype, constraints }
    }

    fn constraint(&mut self) -> Constraint {
        let variable = self.identifier();
        self.expect(TokenKind::Colon);
        let mut last = self.identifier();
        let mut kinds = Vec::new();
        while self.accept(TokenKind::Add).is_some() {
            kinds.push(std::mem::replace(&mut last, self.identifier()));
        }
        let meta = self.meta(variable.meta.location.start, last.meta.location.end);
        kinds.push(last);
        Constraint { meta, variable, kinds }
    }

    fn monotype(&mut self) -> Type {
        if !self.enter() {
            let token = self.peek();
            return Type::Dynamic(self.token_meta(&token));
        }
        let token = self.peek();
        let monotype = match token.kind {
            TokenKind::LBrack => self.array_or_dict_type(),
            TokenKind::LBrace => Type::Record(Box::new(self.record_type())),
            TokenKind::LParen => Type::Function(Box::new(self.function_type())),
            _ => self.named_type(),
        };
        self.leave();
        monotype
    }

    fn named_type(&mut self) -> Type {
        let token = self.peek();
        let text = if token.kind == TokenKind::Ident { self.text(&token) } else { "" };
        match text {
            "stream" => {
                let (meta, element) = self.element_type(token.start);
                Type::Stream(meta, Box::new(element))
            }
            "vector" => {
                let (meta, element) = self.element_type(token.start);
                Type::Vector(meta, Box::new(element))
            }
            "dynamic" => {
                self.scan();
                Type::Dynamic(self.token_meta(&token))
            }
            _ => {
                let name = self.identifier();
                let meta = Meta { location: name.meta.location, extra: None };
                if name.name.len() == 1 { Type::Variable(meta, name) } else { Type::Named(meta, name) }
            }
        }
    }

    /// `name[T]`, from its name on.
    fn element_type(&mut self, start: Position) -> (Meta, Type) {
        self.scan();
        self.open(Bracket::Square);
        let element = self.monotype();
        let end = self.close(Bracket::Square);
        (self.meta(start, end.end), element)
    }

    fn array_or_dict_type(&mut self) -> Type {
        let start = self.open(Bracket::Square);
        let first = self.monotype();
        if self.peek().kind == TokenKind::RBrack {
            let end = self.close(Bracket::Square);
            return Type::Array(self.meta(start.start, end.end), Box::new(first));
        }
        self.expect(TokenKind::Colon);
        let value = self.monotype();
        let end = self.close(Bracket::Square);
        Type::Dict(self.meta(start.start, end.end), Box::new((first, value)))
    }

    fn record_type(&mut self) -> RecordType {
        let start = self.open(Bracket::Brace);
        let mut variable = None;
        let mut properties = Vec::new();
        if matches!(self.peek().kind, TokenKind::Ident | TokenKind::String) {
            let key = self.property_key();
            let token = self.peek();
            match key {
                PropertyKey::Identifier(name) if token.kind == TokenKind::Ident && self.text(&token) == "with" => {
                    self.scan();
                    variable = Some(name);
                    let key = self.property_key();
                    self.property_types(key, &mut properties);
                }
                PropertyKey::Identifier(_) if token.kind != TokenKind::Colon => {
                    self.unexpected(TokenKind::Colon.name(), &token);
                }
                key => self.property_types(key, &mut properties),
            }
        }
        let end = self.close(Bracket::Brace);
        RecordType { meta: self.meta(start.start, end.end), variable, properties }
    }

    fn property_types(&mut self, first: PropertyKey, properties: &mut Vec<PropertyType>) {
        let mut name = first;
        loop {
            self.expect(TokenKind::Colon);
            let monotype = self.monotype();
            let meta = self.meta(name.meta().location.start, monotype.meta().location.end);
            properties.push(PropertyType { meta, name, monotype });
            self.accept(TokenKind::Comma);
            if !self.more() {
                return;
            }
            name = self.property_key();
        }
    }

    fn function_type(&mut self) -> FunctionType {
        let start = self.open(Bracket::Paren);
        let mut parameters = Vec::new();
        if matches!(self.peek().kind, TokenKind::PipeReceive | TokenKind::QuestionMark | TokenKind::Ident) {
            while self.more() {
                parameters.push(self.parameter_type());
                self.accept(TokenKind::Comma);
            }
        }
        self.close(Bracket::Paren);
        self.expect(TokenKind::Arrow);
        let monotype = self.monotype();
        let meta = self.meta(start.start, monotype.meta().location.end);
        FunctionType { meta, lparen: self.comments(&start), parameters, monotype }
    }

    fn parameter_type(&mut self) -> ParameterType {
        let token = self.peek();
        let kind = match token.kind {
            TokenKind::QuestionMark => ParameterKind::Optional,
            TokenKind::PipeReceive => ParameterKind::Pipe,
            _ => ParameterKind::Required,
        };
        if kind != ParameterKind::Required {
            self.scan();
        }
        let has_name = kind != ParameterKind::Pipe || self.peek().kind == TokenKind::Ident;
        let name = has_name.then(|| self.identifier());
        self.expect(TokenKind::Colon);
        let monotype = self.monotype();
        let is_optional = kind == ParameterKind::Optional;
        let default = (is_optional && self.accept(TokenKind::Assign).is_some()).then(|| self.string_literal());
        let meta = self.meta(token.start, monotype.meta().location.end);
        ParameterType { meta, kind, name, monotype, default }
    }
}
