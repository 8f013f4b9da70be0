//! A tree to canonical text, as `flux fmt` writes it: comments stay where they stood, parentheses only where they are
//! needed, lists of more than four on lines of their own. It never changes what a script means.
//!
//! The left side of a chain is walked in a loop; recursion follows brackets only.

mod expression;
mod operand;
mod type_expression;
mod writer;

use chrono::{DateTime, FixedOffset, Timelike as _};

use crate::ast::{
    Assignment, Attribute, Block, Expression, File, Meta, PropertyKey, Statement, StringLiteral, VariableAssignment,
};
use crate::literal;
use crate::location::{LineIndex, Location};
use writer::Writer;

/// Lists with more entries stand on lines of their own.
const ENTRIES_IN_A_LINE: usize = 4;

/// Why a tree has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It has a bad statement.
    #[error("bad statement at {0}")]
    BadStatement(Location),
    /// It has a bad expression, or two without an operator between them.
    #[error("bad expression at {0}")]
    BadExpression(Location),
}

/// The canonical text of a file.
pub fn format(file: &File) -> Result<String, FormatError> {
    let source = LineIndex::new(&file.source);
    let mut formatter = Formatter { source: &source, writer: Writer::default() };
    formatter.file(file)?;
    Ok(formatter.writer.into_text())
}

struct Formatter<'a> {
    source: &'a LineIndex<'a>,
    writer: Writer,
}

impl Formatter<'_> {
    fn file(&mut self, file: &File) -> Result<(), FormatError> {
        if let Some(clause) = &file.package {
            self.lead(&clause.meta)?;
            self.writer.text("package ");
            self.writer.identifier(&clause.name);
            self.writer.text("\n");
            if !file.imports.is_empty() || !file.body.is_empty() {
                self.writer.text("\n\n");
            }
        }
        for (index, import) in file.imports.iter().enumerate() {
            if index > 0 {
                self.writer.text("\n");
            }
            self.lead(&import.meta)?;
            self.writer.text("import ");
            if let Some(alias) = &import.alias {
                self.writer.identifier(alias);
                self.writer.text(" ");
            }
            self.string_literal(&import.path);
            self.writer.set_indent(0);
        }
        if !file.imports.is_empty() && !file.body.is_empty() {
            self.writer.text("\n\n");
        }
        self.statements(&file.body)?;
        if !file.eof.is_empty() {
            if !self.writer.is_empty() {
                self.writer.line_break();
            }
            self.writer.set_indent(0);
            self.writer.comments(&file.eof);
        }
        Ok(())
    }

    /// Attributes and comments before a clause or statement.
    fn lead(&mut self, meta: &Meta) -> Result<(), FormatError> {
        self.attributes(meta)?;
        self.writer.comments(meta.comments());
        Ok(())
    }

    fn attributes(&mut self, meta: &Meta) -> Result<(), FormatError> {
        for attribute in meta.attributes() {
            self.attribute(attribute)?;
            self.writer.line_break();
            self.writer.write_indent();
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &Attribute) -> Result<(), FormatError> {
        self.writer.comments(attribute.meta.comments());
        self.writer.text("@");
        self.writer.text(&attribute.name);
        if attribute.parameters.is_empty() {
            return Ok(());
        }
        self.writer.text("(");
        for (index, parameter) in attribute.parameters.iter().enumerate() {
            if index > 0 {
                self.writer.text(", ");
            }
            self.expression(parameter)?;
        }
        self.writer.text(")");
        Ok(())
    }

    fn statements(&mut self, statements: &[Statement]) -> Result<(), FormatError> {
        let mut previous: Option<&Statement> = None;
        for statement in statements {
            if let Some(previous) = previous {
                self.writer.line_break();
                if stands_apart(previous, statement) {
                    self.writer.line_break();
                }
            }
            self.writer.write_indent();
            let indent = self.writer.indent();
            self.statement(statement)?;
            self.writer.set_indent(indent);
            previous = Some(statement);
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), FormatError> {
        match statement {
            Statement::Bad(node) => Err(FormatError::BadStatement(node.meta.location)),
            Statement::Expression(node) => {
                self.lead(&node.meta)?;
                self.expression(&node.expression)
            }
            Statement::Variable(node) => {
                self.attributes(&node.meta)?;
                self.variable_assignment(node)
            }
            Statement::Option(node) => {
                self.lead(&node.meta)?;
                self.writer.text("option ");
                self.assignment(&node.assignment)
            }
            Statement::Return(node) => {
                self.lead(&node.meta)?;
                self.writer.text("return ");
                self.expression(&node.argument)
            }
            Statement::Builtin(node) => {
                self.lead(&node.meta)?;
                self.writer.text("builtin ");
                self.writer.identifier(&node.id);
                self.writer.comments(&node.colon);
                self.writer.text(if node.colon.is_empty() { " : " } else { ": " });
                self.type_expression(&node.type_expression);
                Ok(())
            }
            Statement::TestCase(node) => {
                self.lead(&node.meta)?;
                self.writer.text("testcase ");
                self.writer.identifier(&node.id);
                if let Some(extends) = &node.extends {
                    self.writer.text(" extends ");
                    self.string_literal(extends);
                }
                self.writer.text(" ");
                self.block(&node.block)
            }
        }
    }

    fn assignment(&mut self, assignment: &Assignment) -> Result<(), FormatError> {
        match assignment {
            Assignment::Variable(node) => self.variable_assignment(node),
            Assignment::Member(node) => {
                let indent = self.writer.indent();
                self.expression(&node.member.object)?;
                self.member(&node.member);
                self.writer.set_indent(indent);
                self.writer.comments(node.meta.comments());
                self.writer.text(" = ");
                self.expression(&node.init)
            }
        }
    }

    fn variable_assignment(&mut self, node: &VariableAssignment) -> Result<(), FormatError> {
        let indent = self.writer.indent();
        self.writer.identifier(&node.id);
        self.writer.set_indent(indent);
        self.writer.comments(node.meta.comments());
        self.writer.text(" = ");
        self.expression(&node.init)
    }

    fn block(&mut self, block: &Block) -> Result<(), FormatError> {
        self.writer.comments(&block.lbrace);
        self.writer.text("{");
        if !block.body.is_empty() {
            self.writer.indent_more();
        }
        self.writer.line_break();
        self.statements(&block.body)?;
        if !block.body.is_empty() {
            self.writer.line_break();
            self.writer.indent_less();
            self.writer.write_indent();
        }
        self.writer.comments(&block.rbrace);
        self.writer.text("}");
        Ok(())
    }

    fn property_key(&mut self, key: &PropertyKey) {
        match key {
            PropertyKey::Identifier(name) => self.writer.identifier(name),
            PropertyKey::String(text) => self.string_literal(text),
        }
    }

    /// As written if the source is known, because a text has many spellings.
    fn string_literal(&mut self, node: &StringLiteral) {
        self.writer.comments(node.meta.comments());
        let written = self.source.text(node.meta.location).filter(|text| !text.contains("${") || text.contains("\\${"));
        match written.filter(|text| literal::string(text).as_deref() == Ok(&node.value)) {
            Some(text) => self.writer.verbatim(text),
            None => self.writer.verbatim(&format!("\"{}\"", literal::escape(&node.value, true))),
        }
    }
}

/// Whether an empty line separates two statements: they are of different kinds, or one stood there before, or the
/// second begins with a comment.
fn stands_apart(previous: &Statement, statement: &Statement) -> bool {
    let gap = statement.meta().location.start.line > previous.meta().location.end.line.saturating_add(1);
    gap || std::mem::discriminant(previous) != std::mem::discriminant(statement) || begins_with_comment(statement)
}

fn begins_with_comment(statement: &Statement) -> bool {
    let comments = match statement {
        Statement::Variable(node) => node.id.meta.comments(),
        Statement::Expression(node) => leading_comments(&node.expression),
        other => other.meta().comments(),
    };
    let attribute = statement.meta().attributes().first();
    !comments.is_empty() || attribute.is_some_and(|attribute| !attribute.meta.comments().is_empty())
}

/// The comments before an expression's first token.
fn leading_comments(expression: &Expression) -> &[String] {
    let mut first = expression;
    while let Some(left) = first.left_operand() {
        first = left;
    }
    match first {
        Expression::Array(node) => &node.lbrack,
        Expression::Dict(node) => &node.lbrack,
        Expression::Function(node) => &node.lparen,
        Expression::Object(node) => &node.lbrace,
        Expression::Conditional(node) => &node.tk_if,
        Expression::Paren(node) => &node.lparen,
        other => other.meta().comments(),
    }
}

/// RFC 3339 with as many digits of the fraction as it needs.
pub(crate) fn date_time(value: &DateTime<FixedOffset>) -> String {
    let mut text = value.format("%Y-%m-%dT%H:%M:%S").to_string();
    // A leap second is written as more than a second of nanoseconds.
    let nanoseconds = value.nanosecond() % 1_000_000_000;
    if nanoseconds > 0 {
        let fraction = format!(".{nanoseconds:09}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    match value.offset().local_minus_utc() {
        0 => text.push('Z'),
        _ => text.push_str(&value.format("%:z").to_string()),
    }
    text
}
