//! Expressions.

use super::operand::{
    argument_needs_parens, bare, begins_with_brace, left_needs_parens, looseness, right_needs_parens,
};
use super::{ENTRIES_IN_A_LINE, FormatError, Formatter, Writer, date_time};
use crate::ast::{
    ArrayExpression, CallExpression, ConditionalExpression, DictExpression, Expression, FunctionBody,
    FunctionExpression, MemberExpression, ObjectExpression, Operator, PipeExpression, Property, PropertyKey,
    StringExpression, StringPart, UnaryExpression,
};
use crate::literal;

/// A chain of so many pipes stands on lines of its own.
const PIPES_ON_LINES: usize = 3;

impl Formatter<'_> {
    pub(super) fn expression(&mut self, expression: &Expression) -> Result<(), FormatError> {
        let indent = self.writer.indent();
        // From the whole down to its first operand, whose parentheses open first.
        let mut chain = Vec::new();
        let mut first = bare(expression);
        while let Some(left) = first.left_operand().map(bare) {
            let parens = left_needs_parens(first, left);
            if parens {
                self.writer.text("(");
            }
            chain.push((first, parens));
            first = left;
        }
        self.first_operand(first)?;
        self.writer.set_indent(indent);
        let pipes = chain.iter().filter(|(node, _)| matches!(node, Expression::PipeForward(_))).count();
        while let Some((node, parens)) = chain.pop() {
            if parens {
                self.writer.text(")");
            }
            self.behind_first_operand(node, pipes >= PIPES_ON_LINES)?;
            self.writer.set_indent(indent);
        }
        Ok(())
    }

    /// An expression that does not begin with another one.
    fn first_operand(&mut self, expression: &Expression) -> Result<(), FormatError> {
        match expression {
            Expression::Bad(node) => return Err(FormatError::BadExpression(node.meta.location)),
            Expression::String(node) => self.string_literal(node),
            Expression::StringExpression(node) => return self.string_expression(node),
            Expression::Paren(node) => {
                self.writer.comments(&node.lparen);
                self.writer.text("(");
                self.expression(&node.expression)?;
                self.writer.comments(&node.rparen);
                self.writer.text(")");
            }
            Expression::Array(node) => return self.array(node),
            Expression::Dict(node) => return self.dict(node),
            Expression::Object(node) => return self.record(node, true, self.writer.records_in_a_line),
            Expression::Function(node) => return self.function(node),
            Expression::Unary(node) => return self.unary(node),
            Expression::Conditional(node) => return self.conditional(node),
            other => {
                self.writer.comments(other.meta().comments());
                self.writer.text(&token_text(other));
            }
        }
        Ok(())
    }

    fn behind_first_operand(&mut self, expression: &Expression, on_lines: bool) -> Result<(), FormatError> {
        match expression {
            Expression::PipeForward(node) => self.pipe(node, on_lines),
            Expression::Call(node) => self.arguments(node),
            Expression::Member(node) => {
                self.member(node);
                Ok(())
            }
            Expression::Index(node) => {
                self.writer.comments(&node.lbrack);
                self.writer.text("[");
                self.expression(&node.index)?;
                self.writer.comments(&node.rbrack);
                self.writer.text("]");
                Ok(())
            }
            Expression::Binary(node) => {
                if node.operator == Operator::Invalid {
                    return Err(FormatError::BadExpression(node.meta.location));
                }
                self.operator(node.meta.comments(), node.operator.as_str());
                self.right_operand(expression, &node.right)
            }
            Expression::Logical(node) => {
                self.operator(node.meta.comments(), node.operator.as_str());
                self.right_operand(expression, &node.right)
            }
            _ => Ok(()),
        }
    }

    fn operator(&mut self, comments: &[String], operator: &str) {
        self.writer.blank();
        self.writer.comments(comments);
        self.writer.text(operator);
        self.writer.blank();
    }

    fn right_operand(&mut self, parent: &Expression, right: &Expression) -> Result<(), FormatError> {
        self.in_parens_if(right_needs_parens(parent, bare(right)), right)
    }

    fn in_parens_if(&mut self, parens: bool, expression: &Expression) -> Result<(), FormatError> {
        if parens {
            self.writer.text("(");
        }
        self.expression(expression)?;
        if parens {
            self.writer.text(")");
        }
        Ok(())
    }

    fn pipe(&mut self, node: &PipeExpression, on_lines: bool) -> Result<(), FormatError> {
        if on_lines || node.meta.location.is_multiline() {
            self.writer.indented_line();
        } else {
            self.writer.blank();
        }
        self.writer.comments(node.meta.comments());
        self.writer.text("|> ");
        let indent = self.writer.indent();
        let callee = bare(&node.call.callee);
        let parens = looseness(callee) > 1 || matches!(callee, Expression::Function(_));
        self.in_parens_if(parens, callee)?;
        self.arguments(&node.call)?;
        self.writer.set_indent(indent);
        Ok(())
    }

    fn arguments(&mut self, node: &CallExpression) -> Result<(), FormatError> {
        self.writer.comments(&node.lparen);
        self.writer.text("(");
        for (index, argument) in node.arguments.iter().enumerate() {
            if index > 0 {
                self.writer.text(", ");
            }
            let indent = self.writer.indent();
            match argument {
                Expression::Object(record) => self.record(record, false, false)?,
                other => self.expression(other)?,
            }
            self.writer.set_indent(indent);
        }
        self.writer.comments(&node.rparen);
        self.writer.text(")");
        Ok(())
    }

    pub(super) fn member(&mut self, node: &MemberExpression) {
        self.writer.comments(&node.lbrack);
        let indent = self.writer.indent();
        match &node.property {
            PropertyKey::Identifier(name) => {
                self.writer.text(".");
                self.writer.identifier(name);
                self.writer.set_indent(indent);
            }
            PropertyKey::String(text) => {
                self.writer.text("[");
                self.string_literal(text);
                self.writer.set_indent(indent);
                self.writer.comments(&node.rbrack);
                self.writer.text("]");
            }
        }
    }

    fn unary(&mut self, node: &UnaryExpression) -> Result<(), FormatError> {
        self.writer.comments(node.meta.comments());
        self.writer.text(node.operator.as_str());
        if matches!(node.operator, Operator::Not | Operator::Exists) {
            self.writer.blank();
        }
        self.in_parens_if(argument_needs_parens(node.operator, bare(&node.argument)), &node.argument)
    }

    fn string_expression(&mut self, node: &StringExpression) -> Result<(), FormatError> {
        self.writer.comments(node.meta.comments());
        self.writer.text("\"");
        for (index, part) in node.parts.iter().enumerate() {
            match part {
                StringPart::Text(part) => {
                    let is_last = index + 1 == node.parts.len();
                    self.writer.verbatim(&literal::escape(&part.value, is_last));
                }
                StringPart::Interpolated(part) => {
                    self.writer.text("${");
                    self.expression(&part.expression)?;
                    self.writer.text("}");
                }
            }
        }
        self.writer.text("\"");
        Ok(())
    }

    fn conditional(&mut self, node: &ConditionalExpression) -> Result<(), FormatError> {
        let on_lines = node.meta.location.is_multiline();
        let else_if = matches!(bare(&node.alternate), Expression::Conditional(_));
        self.writer.comments(&node.tk_if);
        self.writer.text("if ");
        self.expression(&node.test)?;
        self.writer.comments(&node.tk_then);
        self.writer.text(" then");
        if on_lines {
            self.writer.indented_line();
        } else {
            self.writer.blank();
        }
        self.expression(&node.consequent)?;
        if on_lines {
            self.writer.line_break();
            self.writer.indent_less();
            self.writer.write_indent();
        } else {
            self.writer.blank();
        }
        self.writer.comments(&node.tk_else);
        self.writer.text("else");
        if on_lines && !else_if {
            self.writer.indented_line();
        } else {
            self.writer.blank();
        }
        self.expression(&node.alternate)?;
        if on_lines && !else_if {
            self.writer.indent_less();
        }
        Ok(())
    }

    /// Writes something apart, to see whether it needs several lines.
    fn part(
        &mut self,
        write: impl FnOnce(&mut Formatter<'_>) -> Result<(), FormatError>,
    ) -> Result<Writer, FormatError> {
        let mut formatter = Formatter { source: self.source, writer: self.writer.part() };
        write(&mut formatter)?;
        Ok(formatter.writer)
    }

    fn array(&mut self, node: &ArrayExpression) -> Result<(), FormatError> {
        self.writer.comments(&node.lbrack);
        self.writer.text("[");
        // In an array of several rows each record is a row.
        let rows = node.elements.len() > ENTRIES_IN_A_LINE;
        let mut parts = Vec::with_capacity(node.elements.len());
        for item in &node.elements {
            parts.push(self.part(|formatter| {
                formatter.writer.records_in_a_line |= rows;
                formatter.expression(&item.expression)?;
                formatter.writer.comments(&item.comma);
                Ok(())
            })?);
        }
        let on_lines = rows || parts.iter().any(Writer::has_several_lines);
        self.writer.list(&parts, on_lines);
        self.writer.comments(&node.rbrack);
        self.writer.text("]");
        Ok(())
    }

    fn dict(&mut self, node: &DictExpression) -> Result<(), FormatError> {
        self.writer.comments(&node.lbrack);
        self.writer.text("[");
        let mut parts = Vec::with_capacity(node.elements.len());
        for item in &node.elements {
            parts.push(self.part(|formatter| {
                formatter.expression(&item.key)?;
                formatter.writer.text(": ");
                formatter.expression(&item.value)?;
                formatter.writer.comments(&item.comma);
                Ok(())
            })?);
        }
        if parts.is_empty() {
            self.writer.text(":");
        }
        let on_lines = parts.len() > ENTRIES_IN_A_LINE || parts.iter().any(Writer::has_several_lines);
        self.writer.list(&parts, on_lines);
        self.writer.comments(&node.rbrack);
        self.writer.text("]");
        Ok(())
    }

    fn record(&mut self, node: &ObjectExpression, braces: bool, in_a_line: bool) -> Result<(), FormatError> {
        self.writer.comments(&node.lbrace);
        if braces {
            self.writer.text("{");
        }
        let mut parts = Vec::with_capacity(node.properties.len());
        for property in &node.properties {
            parts.push(self.part(|formatter| {
                let indent = formatter.writer.indent();
                formatter.property(property)?;
                formatter.writer.set_indent(indent);
                formatter.writer.comments(&property.comma);
                Ok(())
            })?);
        }
        let many = !in_a_line && parts.len() > ENTRIES_IN_A_LINE;
        let on_lines = many || parts.iter().any(Writer::has_several_lines);
        if let Some(with) = &node.with {
            self.writer.identifier(&with.source);
            self.writer.comments(&with.with);
            self.writer.text(" with");
            if !on_lines {
                self.writer.blank();
            }
        }
        self.writer.list(&parts, on_lines);
        self.writer.comments(&node.rbrace);
        if braces {
            self.writer.text("}");
        }
        Ok(())
    }

    fn property(&mut self, property: &Property) -> Result<(), FormatError> {
        self.property_key(&property.key);
        let Some(value) = &property.value else { return Ok(()) };
        self.writer.comments(&property.separator);
        self.writer.text(": ");
        self.expression(value)
    }

    fn function(&mut self, node: &FunctionExpression) -> Result<(), FormatError> {
        self.writer.comments(&node.lparen);
        self.writer.text("(");
        let mut parts = Vec::with_capacity(node.parameters.len());
        for parameter in &node.parameters {
            parts.push(self.part(|formatter| {
                formatter.property_key(&parameter.key);
                if let Some(default) = &parameter.value {
                    formatter.writer.comments(&parameter.separator);
                    formatter.writer.text("=");
                    formatter.expression(default)?;
                }
                formatter.writer.comments(&parameter.comma);
                Ok(())
            })?);
        }
        let many = parts.len() > ENTRIES_IN_A_LINE;
        let on_lines = many || (parts.len() > 1 && parts.iter().any(Writer::has_several_lines));
        self.writer.list(&parts, on_lines);
        self.writer.comments(&node.rparen);
        self.writer.text(")");
        self.writer.blank();
        self.writer.comments(&node.arrow);
        self.writer.text("=>");
        self.writer.blank();
        match &node.body {
            FunctionBody::Block(block) => self.block(block),
            FunctionBody::Expression(body) => self.in_parens_if(begins_with_brace(body), body),
        }
    }
}

/// The text of an expression that is one token.
fn token_text(expression: &Expression) -> String {
    match expression {
        Expression::Identifier(node) => node.name.clone(),
        Expression::Integer(node) => node.value.to_string(),
        Expression::UnsignedInteger(node) => node.value.to_string(),
        Expression::Float(node) => {
            let text = node.value.to_string();
            if text.contains('.') { text } else { format!("{text}.0") }
        }
        Expression::Label(node) => {
            let is_name = crate::lexer::is_name(&node.value);
            if is_name { format!(".{}", node.value) } else { format!(".\"{}\"", literal::escape(&node.value, true)) }
        }
        Expression::Boolean(node) => node.value.to_string(),
        Expression::Duration(node) => {
            node.values.iter().map(|part| format!("{}{}", part.magnitude, part.unit.as_str())).collect()
        }
        Expression::DateTime(node) => date_time(&node.value),
        Expression::Regexp(node) => format!("/{}/", node.value.replace('/', "\\/")),
        Expression::Pipe(_) => "<-".to_owned(),
        _ => String::new(),
    }
}
