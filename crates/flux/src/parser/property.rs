//! Records, arguments and parameters: lists of keys with values.

use super::{Bracket, Parser};
use crate::ast::{
    Comments, Expression, Identifier, ObjectExpression, Property, PropertyKey, StringLiteral, WithSource,
};
use crate::location::Location;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn record(&mut self) -> ObjectExpression {
        let start = self.open(Bracket::Brace);
        let mut record = match self.peek().kind {
            TokenKind::Ident => {
                let name = self.identifier();
                self.record_after_name(name)
            }
            TokenKind::String => {
                let key = PropertyKey::String(self.string_literal());
                ObjectExpression { properties: self.properties_after_key(key), ..ObjectExpression::default() }
            }
            _ => ObjectExpression { properties: self.properties(), ..ObjectExpression::default() },
        };
        let end = self.close(Bracket::Brace);
        record.meta = self.meta(start.start, end.end);
        record.lbrace = self.comments(&start);
        record.rbrace = self.comments(&end);
        record
    }

    fn record_after_name(&mut self, name: Identifier) -> ObjectExpression {
        let Some(with) = self.accept(TokenKind::Ident) else {
            let properties = self.properties_after_key(PropertyKey::Identifier(name));
            return ObjectExpression { properties, ..ObjectExpression::default() };
        };
        if self.text(&with) != "with" {
            self.error(format!("expected comma in property list, got {}", with.kind.name()));
        }
        let source = Some(WithSource { source: name, with: self.comments(&with) });
        ObjectExpression { with: source, properties: self.properties(), ..ObjectExpression::default() }
    }

    fn properties_after_key(&mut self, key: PropertyKey) -> Vec<Property> {
        let mut first = self.property_after_key(key);
        if !self.more() {
            return vec![first];
        }
        let token = self.peek();
        if token.kind == TokenKind::Comma {
            self.scan();
            first.comma = self.comments(&token);
        } else {
            self.error(format!("expected comma in property list, got {}", token.kind.name()));
        }
        let mut properties = vec![first];
        properties.append(&mut self.properties());
        properties
    }

    /// The properties up to the closing bracket. Missing commas are errors of what encloses the list.
    pub(super) fn properties(&mut self) -> Vec<Property> {
        let mut properties = Vec::new();
        let mut missing_commas = Vec::new();
        while self.more() {
            let mut property = match self.peek().kind {
                TokenKind::Ident => {
                    let key = PropertyKey::Identifier(self.identifier());
                    self.property_after_key(key)
                }
                TokenKind::String => {
                    let key = PropertyKey::String(self.string_literal());
                    self.property_after_key(key)
                }
                _ => self.invalid_property(),
            };
            if self.more() {
                let token = self.peek();
                if token.kind == TokenKind::Comma {
                    self.scan();
                    property.comma = self.comments(&token);
                } else {
                    missing_commas.push(token.kind);
                }
            }
            properties.push(property);
        }
        for kind in missing_commas {
            self.error(format!("expected comma in property list, got {}", kind.name()));
        }
        properties
    }

    fn property_after_key(&mut self, key: PropertyKey) -> Property {
        let colon = self.accept(TokenKind::Colon);
        let separator = colon.map(|token| self.comments(&token)).unwrap_or_default();
        let value = if colon.is_some() { self.property_value() } else { None };
        let key_location = key.meta().location;
        let end = value.as_ref().map_or(key_location.end, |value| value.location().end);
        Property { meta: self.meta(key_location.start, end), key, separator, value, comma: Comments::default() }
    }

    fn property_value(&mut self) -> Option<Expression> {
        let value = self.expressions_until(&[TokenKind::Comma, TokenKind::Colon]);
        if value.is_none() {
            self.error("missing property value");
        }
        value
    }

    fn invalid_property(&mut self) -> Property {
        let token = self.peek();
        let mut value = None;
        let message = match token.kind {
            TokenKind::Colon => {
                self.scan();
                value = self.property_value();
                "missing property key".to_owned()
            }
            TokenKind::Comma => "missing property in property list".to_owned(),
            kind => {
                // What is read here is not kept: it only leads to the next comma, colon or bracket.
                self.expressions_until(&[TokenKind::Comma, TokenKind::Colon]);
                if self.accept(TokenKind::Colon).is_some() {
                    value = self.property_value();
                }
                format!("unexpected token for property key: {} ({})", kind.name(), self.text(&token))
            }
        };
        self.error(message);
        let end = self.peek().start;
        let meta = self.meta(token.start, end);
        let key_location = Location { start: token.start, end: token.start };
        let key =
            StringLiteral { meta: self.meta(key_location.start, key_location.end), value: "<invalid>".to_owned() };
        Property { meta, key: PropertyKey::String(key), value, ..Property::default() }
    }

    pub(super) fn property_key(&mut self) -> PropertyKey {
        let token = self.scan();
        match token.kind {
            TokenKind::String => return PropertyKey::String(self.string_literal_of(&token)),
            TokenKind::Ident => {}
            _ => self.unexpected(" `IDENT` or `STRING`", &token),
        }
        PropertyKey::Identifier(self.identifier_of(&token))
    }

    /// The parameters that follow others, up to the closing bracket.
    pub(super) fn parameters(&mut self, parameters: &mut Vec<Property>) {
        while self.more() {
            let name = self.identifier();
            parameters.push(self.parameter_after_name(name));
        }
    }

    /// A parameter with its default and the comma behind it.
    pub(super) fn parameter_after_name(&mut self, name: Identifier) -> Property {
        let mut parameter = match self.accept(TokenKind::Assign) {
            None => self.parameter_without_default(name),
            Some(assign) => {
                let value = self.expression();
                let meta = self.meta(name.meta.location.start, value.location().end);
                let separator = self.comments(&assign);
                let key = PropertyKey::Identifier(name);
                Property { meta, key, separator, value: Some(value), comma: Comments::default() }
            }
        };
        if let Some(comma) = self.accept(TokenKind::Comma) {
            parameter.comma = self.comments(&comma);
        }
        parameter
    }

    pub(super) fn parameter_without_default(&mut self, name: Identifier) -> Property {
        let Location { start, end } = name.meta.location;
        Property { meta: self.meta(start, end), key: PropertyKey::Identifier(name), ..Property::default() }
    }
}
