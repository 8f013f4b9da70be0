//! The types of `builtin` statements.

use super::{ENTRIES_IN_A_LINE, Formatter, Writer};
use crate::ast::{Constraint, FunctionType, ParameterKind, ParameterType, RecordType, Type, TypeExpression};

impl Formatter<'_> {
    pub(super) fn type_expression(&mut self, node: &TypeExpression) {
        self.monotype(&node.monotype);
        if node.constraints.is_empty() {
            return;
        }
        let on_lines = node.constraints.len() > ENTRIES_IN_A_LINE;
        self.writer.text(" where");
        if on_lines {
            self.writer.indented_line();
        } else {
            self.writer.blank();
        }
        for (index, constraint) in node.constraints.iter().enumerate() {
            if index > 0 {
                self.writer.text(if on_lines { ",\n" } else { ", " });
                if on_lines {
                    self.writer.write_indent();
                }
            }
            self.constraint(constraint);
        }
        if on_lines {
            self.writer.indent_less();
        }
    }

    fn constraint(&mut self, node: &Constraint) {
        self.writer.identifier(&node.variable);
        self.writer.text(": ");
        for (index, kind) in node.kinds.iter().enumerate() {
            if index > 0 {
                self.writer.text(" + ");
            }
            self.writer.identifier(kind);
        }
    }

    fn monotype(&mut self, monotype: &Type) {
        match monotype {
            Type::Variable(_, name) | Type::Named(_, name) => self.writer.identifier(name),
            Type::Dynamic(meta) => {
                self.writer.comments(meta.comments());
                self.writer.text("dynamic");
            }
            Type::Array(_, element) => self.element("", element),
            Type::Stream(_, element) => self.element("stream", element),
            Type::Vector(_, element) => self.element("vector", element),
            Type::Dict(_, types) => {
                self.writer.text("[");
                self.monotype(&types.0);
                self.writer.text(":");
                self.monotype(&types.1);
                self.writer.text("]");
            }
            Type::Record(node) => self.record_type(node),
            Type::Function(node) => self.function_type(node),
        }
    }

    fn element(&mut self, name: &str, element: &Type) {
        self.writer.text(name);
        self.writer.text("[");
        self.monotype(element);
        self.writer.text("]");
    }

    fn type_part(&mut self, write: impl FnOnce(&mut Formatter<'_>)) -> Writer {
        let mut formatter = Formatter { source: self.source, writer: self.writer.part() };
        write(&mut formatter);
        formatter.writer
    }

    fn record_type(&mut self, node: &RecordType) {
        self.writer.text("{");
        let mut parts = Vec::with_capacity(node.properties.len());
        for property in &node.properties {
            parts.push(self.type_part(|formatter| {
                formatter.property_key(&property.name);
                formatter.writer.text(": ");
                formatter.monotype(&property.monotype);
            }));
        }
        let on_lines = parts.len() > ENTRIES_IN_A_LINE || parts.iter().any(Writer::has_several_lines);
        if let Some(variable) = &node.variable {
            self.writer.identifier(variable);
            self.writer.text(" with");
            if !on_lines {
                self.writer.blank();
            }
        }
        self.writer.list(&parts, on_lines);
        self.writer.text("}");
    }

    fn function_type(&mut self, node: &FunctionType) {
        self.writer.comments(&node.lparen);
        self.writer.text("(");
        let mut parts = Vec::with_capacity(node.parameters.len());
        for parameter in &node.parameters {
            parts.push(self.type_part(|formatter| formatter.parameter_type(parameter)));
        }
        let on_lines = parts.len() > ENTRIES_IN_A_LINE || parts.iter().any(Writer::has_several_lines);
        self.writer.list(&parts, on_lines);
        self.writer.text(") => ");
        self.monotype(&node.monotype);
    }

    fn parameter_type(&mut self, node: &ParameterType) {
        self.writer.text(match node.kind {
            ParameterKind::Required => "",
            ParameterKind::Optional => "?",
            ParameterKind::Pipe => "<-",
        });
        if let Some(name) = &node.name {
            self.writer.identifier(name);
        }
        self.writer.text(": ");
        self.monotype(&node.monotype);
        if let Some(default) = &node.default {
            self.writer.text(" = ");
            self.string_literal(default);
        }
    }
}
