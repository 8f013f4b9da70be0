//! A tree to JSON. A list of what is left to write takes the place of recursion.

use crate::ast::{
    Assignment, Attribute, CallExpression, ConditionalExpression, DictItem, Duration, Expression, File, FunctionBody,
    FunctionExpression, FunctionType, Identifier, MemberAssignment, MemberExpression, Meta, ObjectExpression, Package,
    ParameterKind, ParameterType, Property, PropertyKey, RecordType, Statement, StringPart, Type, VariableAssignment,
};
use crate::format::date_time;
use crate::limits::JSON_SOURCE_BYTES_MAX;
use crate::location::{LineIndex, Location};
use crate::walk::Node;

/// A package as JSON. It has no place of its own; its files have.
pub fn write_package(package: &Package) -> String {
    let mut out = "{\"type\":\"Package\"".to_owned();
    if !package.path.is_empty() {
        out.push_str(",\"path\":");
        push_string(&mut out, &package.path);
    }
    out.push_str(",\"package\":");
    push_string(&mut out, &package.package);
    out.push_str(",\"files\":[");
    for (index, file) in package.files.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&write_file(file));
    }
    out.push_str("]}");
    out
}

/// A file as JSON.
pub fn write_file(file: &File) -> String {
    let source = LineIndex::new(&file.source);
    let mut writer = Writer {
        out: String::new(),
        waiting: Vec::new(),
        source: &source,
        file_name: &file.name,
        source_bytes_left: JSON_SOURCE_BYTES_MAX,
    };
    writer.step(Step::Node(Node::File(file)));
    while let Some(step) = writer.waiting.pop() {
        writer.step(step);
    }
    writer.out
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Something to write.
#[derive(Clone, Copy)]
enum Step<'a> {
    Text(&'static str),
    /// A string in quotes.
    Quoted(&'a str),
    Node(Node<'a>),
    DictItem(&'a DictItem),
    /// The other fields of a node behind its attributes.
    Fields(Node<'a>),
    /// A field with comments, which is left out without any.
    Comments(&'static str, &'a [String]),
}

struct Writer<'a> {
    out: String,
    waiting: Vec<Step<'a>>,
    source: &'a LineIndex<'a>,
    file_name: &'a str,
    /// How many bytes of sources may still be repeated.
    source_bytes_left: usize,
}

impl<'a> Writer<'a> {
    fn step(&mut self, step: Step<'a>) {
        let first = self.waiting.len();
        match step {
            Step::Text(text) => self.out.push_str(text),
            Step::Quoted(text) => push_string(&mut self.out, text),
            Step::Node(node) => self.node(node),
            Step::Fields(node) => self.fields(node),
            Step::Comments(field, comments) => self.comments(field, comments),
            Step::DictItem(item) => {
                self.out.push_str("{\"type\":\"DictItem\"");
                self.expression(",\"key\":", &item.key);
                self.expression(",\"val\":", &item.value);
                self.waiting.push(Step::Comments("comma", &item.comma));
                self.end();
            }
        }
        if let Some(steps) = self.waiting.get_mut(first..) {
            steps.reverse();
        }
    }

    fn node(&mut self, node: Node<'a>) {
        let Some(name) = type_name(node) else {
            self.out.push_str("null");
            return;
        };
        self.head(name, node.meta());
        let attributes = node.meta().attributes();
        if !attributes.is_empty() {
            self.text(",\"attributes\":[");
            self.separated(attributes.iter().map(|attribute| Step::Node(Node::Attribute(attribute))));
            self.text("]");
        }
        self.waiting.push(Step::Fields(node));
        self.end();
    }

    /// Type, location, errors and comments, at once.
    fn head(&mut self, name: &str, meta: &'a Meta) {
        self.out.push_str("{\"type\":\"");
        self.out.push_str(name);
        self.out.push('"');
        self.location(meta.location);
        for (index, error) in meta.errors().iter().enumerate() {
            self.out.push_str(if index > 0 { ",{\"msg\":" } else { ",\"errors\":[{\"msg\":" });
            push_string(&mut self.out, error);
            self.out.push('}');
        }
        if !meta.errors().is_empty() {
            self.out.push(']');
        }
        self.comments("comments", meta.comments());
    }

    fn location(&mut self, location: Location) {
        if !location.is_known() {
            return;
        }
        self.out.push_str(",\"location\":{");
        if !self.file_name.is_empty() {
            self.out.push_str("\"file\":");
            push_string(&mut self.out, self.file_name);
            self.out.push(',');
        }
        let Location { start, end } = location;
        self.out.push_str(&format!("\"start\":{{\"line\":{},\"column\":{}}}", start.line, start.column));
        self.out.push_str(&format!(",\"end\":{{\"line\":{},\"column\":{}}}", end.line, end.column));
        let text = self.source.text(location).filter(|text| !text.is_empty());
        if let Some((text, left)) = text.and_then(|text| Some((text, self.source_bytes_left.checked_sub(text.len())?)))
        {
            self.source_bytes_left = left;
            self.out.push_str(",\"source\":");
            push_string(&mut self.out, text);
        }
        self.out.push('}');
    }

    fn comments(&mut self, field: &str, comments: &[String]) {
        if comments.is_empty() {
            return;
        }
        self.out.push_str(&format!(",\"{field}\":["));
        for (index, comment) in comments.iter().enumerate() {
            self.out.push_str(if index > 0 { ",{\"text\":" } else { "{\"text\":" });
            push_string(&mut self.out, comment);
            self.out.push('}');
        }
        self.out.push(']');
    }

    fn text(&mut self, text: &'static str) {
        self.waiting.push(Step::Text(text));
    }

    fn end(&mut self) {
        self.text("}");
    }

    fn quoted(&mut self, field: &'static str, text: &'a str) {
        self.waiting.extend([Step::Text(field), Step::Quoted(text)]);
    }

    fn child(&mut self, field: &'static str, node: Node<'a>) {
        self.waiting.extend([Step::Text(field), Step::Node(node)]);
    }

    fn expression(&mut self, field: &'static str, expression: &'a Expression) {
        self.child(field, Node::Expression(expression));
    }

    fn identifier(&mut self, field: &'static str, name: &'a Identifier) {
        self.child(field, Node::Identifier(name));
    }

    fn key(&mut self, field: &'static str, key: &'a PropertyKey) {
        self.child(
            field,
            match key {
                PropertyKey::Identifier(name) => Node::Identifier(name),
                PropertyKey::String(text) => Node::String(text),
            },
        );
    }

    fn separated(&mut self, steps: impl Iterator<Item = Step<'a>>) {
        for (index, step) in steps.enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.waiting.push(step);
        }
    }

    fn list(&mut self, field: &'static str, steps: impl Iterator<Item = Step<'a>>) {
        self.text(field);
        self.separated(steps);
        self.text("]");
    }

    fn nodes(&mut self, field: &'static str, nodes: impl Iterator<Item = Node<'a>>) {
        self.list(field, nodes.map(Step::Node));
    }

    fn fields(&mut self, node: Node<'a>) {
        match node {
            Node::File(node) => self.file_fields(node),
            Node::PackageClause(node) => self.identifier(",\"name\":", &node.name),
            Node::Import(node) => {
                match &node.alias {
                    Some(alias) => self.identifier(",\"as\":", alias),
                    None => self.text(",\"as\":null"),
                }
                self.child(",\"path\":", Node::String(&node.path));
            }
            Node::Statement(node) => self.statement_fields(node),
            Node::Block(node) => {
                self.waiting.push(Step::Comments("lbrace", &node.lbrace));
                self.nodes(",\"body\":[", node.body.iter().map(Node::Statement));
                self.waiting.push(Step::Comments("rbrace", &node.rbrace));
            }
            Node::Variable(node) => self.variable_fields(node),
            Node::MemberAssignment(node) => self.member_assignment_fields(node),
            Node::Expression(node) => self.expression_fields(node),
            Node::Member(node) => self.member_fields(node),
            Node::Call(node) => self.call_fields(node),
            Node::Property(node) => self.property_fields(node),
            Node::Identifier(node) => self.quoted(",\"name\":", &node.name),
            Node::String(node) => self.quoted(",\"value\":", &node.value),
            Node::Text(node) => self.quoted(",\"value\":", &node.value),
            Node::Interpolated(node) => self.expression(",\"expression\":", &node.expression),
            Node::TypeExpression(node) => {
                self.child(",\"monotype\":", Node::Type(&node.monotype));
                self.nodes(",\"constraints\":[", node.constraints.iter().map(Node::Constraint));
            }
            Node::Type(node) => self.type_fields(node),
            Node::PropertyType(node) => {
                self.key(",\"name\":", &node.name);
                self.child(",\"monotype\":", Node::Type(&node.monotype));
            }
            Node::ParameterType(node) => self.parameter_type_fields(node),
            Node::Constraint(node) => {
                self.identifier(",\"tvar\":", &node.variable);
                self.nodes(",\"kinds\":[", node.kinds.iter().map(Node::Identifier));
            }
            Node::Attribute(node) => self.attribute_fields(node),
        }
    }

    fn attribute_fields(&mut self, node: &'a Attribute) {
        self.quoted(",\"name\":", &node.name);
        self.text(",\"params\":[");
        for (index, parameter) in node.parameters.iter().enumerate() {
            self.text(if index > 0 { ",{\"type\":\"AttributeParam\"" } else { "{\"type\":\"AttributeParam\"" });
            self.expression(",\"value\":", parameter);
            self.text("}");
        }
        self.text("]");
    }

    fn file_fields(&mut self, node: &'a File) {
        if !node.name.is_empty() {
            self.quoted(",\"name\":", &node.name);
        }
        if !node.metadata.is_empty() {
            self.quoted(",\"metadata\":", &node.metadata);
        }
        match &node.package {
            Some(clause) => self.child(",\"package\":", Node::PackageClause(clause)),
            None => self.text(",\"package\":null"),
        }
        if node.imports.is_empty() {
            self.text(",\"imports\":null");
        } else {
            self.nodes(",\"imports\":[", node.imports.iter().map(Node::Import));
        }
        self.nodes(",\"body\":[", node.body.iter().map(Node::Statement));
        self.waiting.push(Step::Comments("eof", &node.eof));
    }

    fn statement_fields(&mut self, statement: &'a Statement) {
        match statement {
            Statement::Bad(node) => self.quoted(",\"text\":", &node.text),
            Statement::Expression(node) => self.expression(",\"expression\":", &node.expression),
            Statement::Variable(node) => self.variable_fields(node),
            Statement::Option(node) => self.child(
                ",\"assignment\":",
                match &node.assignment {
                    Assignment::Variable(assignment) => Node::Variable(assignment),
                    Assignment::Member(assignment) => Node::MemberAssignment(assignment),
                },
            ),
            Statement::Return(node) => self.expression(",\"argument\":", &node.argument),
            Statement::Builtin(node) => {
                self.waiting.push(Step::Comments("colon", &node.colon));
                self.identifier(",\"id\":", &node.id);
                self.child(",\"ty\":", Node::TypeExpression(&node.type_expression));
            }
            Statement::TestCase(node) => {
                self.identifier(",\"id\":", &node.id);
                if let Some(extends) = &node.extends {
                    self.child(",\"extends\":", Node::String(extends));
                }
                self.child(",\"block\":", Node::Block(&node.block));
            }
        }
    }

    fn variable_fields(&mut self, node: &'a VariableAssignment) {
        self.identifier(",\"id\":", &node.id);
        self.expression(",\"init\":", &node.init);
    }

    fn member_assignment_fields(&mut self, node: &'a MemberAssignment) {
        self.child(",\"member\":", Node::Member(&node.member));
        self.expression(",\"init\":", &node.init);
    }

    fn expression_fields(&mut self, expression: &'a Expression) {
        match expression {
            Expression::StringExpression(node) => self.nodes(
                ",\"parts\":[",
                node.parts.iter().map(|part| match part {
                    StringPart::Text(part) => Node::Text(part),
                    StringPart::Interpolated(part) => Node::Interpolated(part),
                }),
            ),
            Expression::Paren(node) => {
                self.waiting.push(Step::Comments("lparen", &node.lparen));
                self.expression(",\"expression\":", &node.expression);
                self.waiting.push(Step::Comments("rparen", &node.rparen));
            }
            Expression::Array(node) => {
                self.waiting.push(Step::Comments("lbrack", &node.lbrack));
                self.nodes(",\"elements\":[", node.elements.iter().map(|item| Node::Expression(&item.expression)));
                self.waiting.push(Step::Comments("rbrack", &node.rbrack));
            }
            Expression::Dict(node) => {
                self.waiting.push(Step::Comments("lbrack", &node.lbrack));
                self.list(",\"elements\":[", node.elements.iter().map(Step::DictItem));
                self.waiting.push(Step::Comments("rbrack", &node.rbrack));
            }
            Expression::Object(node) => self.object_fields(node),
            Expression::Function(node) => self.function_fields(node),
            Expression::Call(node) => self.call_fields(node),
            Expression::Member(node) => self.member_fields(node),
            Expression::Index(node) => {
                self.expression(",\"array\":", &node.array);
                self.waiting.push(Step::Comments("lbrack", &node.lbrack));
                self.expression(",\"index\":", &node.index);
                self.waiting.push(Step::Comments("rbrack", &node.rbrack));
            }
            Expression::PipeForward(node) => {
                self.expression(",\"argument\":", &node.argument);
                self.child(",\"call\":", Node::Call(&node.call));
            }
            Expression::Unary(node) => {
                self.quoted(",\"operator\":", node.operator.as_str());
                self.expression(",\"argument\":", &node.argument);
            }
            Expression::Binary(node) => {
                self.quoted(",\"operator\":", node.operator.as_str());
                self.expression(",\"left\":", &node.left);
                self.expression(",\"right\":", &node.right);
            }
            Expression::Logical(node) => {
                self.quoted(",\"operator\":", node.operator.as_str());
                self.expression(",\"left\":", &node.left);
                self.expression(",\"right\":", &node.right);
            }
            Expression::Conditional(node) => self.conditional_fields(node),
            other => self.literal_fields(other),
        }
    }

    /// The value of an expression that is one token, at once.
    fn literal_fields(&mut self, expression: &'a Expression) {
        let value = match expression {
            Expression::Identifier(node) => return self.quoted(",\"name\":", &node.name),
            Expression::String(node) => return self.quoted(",\"value\":", &node.value),
            Expression::Label(node) => return self.quoted(",\"value\":", &node.value),
            Expression::Regexp(node) => return self.quoted(",\"value\":", &node.value),
            Expression::Integer(node) => format!(",\"value\":\"{}\"", node.value),
            Expression::UnsignedInteger(node) => format!(",\"value\":\"{}\"", node.value),
            Expression::Float(node) if node.value.is_finite() => format!(",\"value\":{}", node.value),
            Expression::Float(_) => ",\"value\":null".to_owned(),
            Expression::Boolean(node) => format!(",\"value\":{}", node.value),
            Expression::DateTime(node) => format!(",\"value\":\"{}\"", date_time(&node.value)),
            Expression::Duration(node) => {
                let part = |part: &Duration| {
                    format!("{{\"magnitude\":{},\"unit\":\"{}\"}}", part.magnitude, part.unit.as_str())
                };
                format!(",\"values\":[{}]", node.values.iter().map(part).collect::<Vec<_>>().join(","))
            }
            _ => return,
        };
        self.out.push_str(&value);
    }

    fn object_fields(&mut self, node: &'a ObjectExpression) {
        self.waiting.push(Step::Comments("lbrace", &node.lbrace));
        if let Some(with) = &node.with {
            self.identifier(",\"with\":", &with.source);
        }
        self.nodes(",\"properties\":[", node.properties.iter().map(Node::Property));
        self.waiting.push(Step::Comments("rbrace", &node.rbrace));
    }

    fn function_fields(&mut self, node: &'a FunctionExpression) {
        self.waiting.push(Step::Comments("lparen", &node.lparen));
        self.nodes(",\"params\":[", node.parameters.iter().map(Node::Property));
        self.waiting.push(Step::Comments("rparen", &node.rparen));
        self.waiting.push(Step::Comments("arrow", &node.arrow));
        self.child(
            ",\"body\":",
            match &node.body {
                FunctionBody::Block(block) => Node::Block(block),
                FunctionBody::Expression(body) => Node::Expression(body),
            },
        );
    }

    fn call_fields(&mut self, node: &'a CallExpression) {
        self.expression(",\"callee\":", &node.callee);
        self.waiting.push(Step::Comments("lparen", &node.lparen));
        if !node.arguments.is_empty() {
            self.nodes(",\"arguments\":[", node.arguments.iter().map(Node::Expression));
        }
        self.waiting.push(Step::Comments("rparen", &node.rparen));
    }

    fn member_fields(&mut self, node: &'a MemberExpression) {
        self.expression(",\"object\":", &node.object);
        self.waiting.push(Step::Comments("lbrack", &node.lbrack));
        self.key(",\"property\":", &node.property);
        self.waiting.push(Step::Comments("rbrack", &node.rbrack));
    }

    fn conditional_fields(&mut self, node: &'a ConditionalExpression) {
        self.waiting.push(Step::Comments("tk_if", &node.tk_if));
        self.expression(",\"test\":", &node.test);
        self.waiting.push(Step::Comments("tk_then", &node.tk_then));
        self.expression(",\"consequent\":", &node.consequent);
        self.waiting.push(Step::Comments("tk_else", &node.tk_else));
        self.expression(",\"alternate\":", &node.alternate);
    }

    fn property_fields(&mut self, node: &'a Property) {
        self.key(",\"key\":", &node.key);
        self.waiting.push(Step::Comments("separator", &node.separator));
        match &node.value {
            Some(value) => self.expression(",\"value\":", value),
            None => self.text(",\"value\":null"),
        }
        self.waiting.push(Step::Comments("comma", &node.comma));
    }

    fn type_fields(&mut self, monotype: &'a Type) {
        match monotype {
            Type::Dynamic(_) => {}
            Type::Variable(_, name) | Type::Named(_, name) => self.identifier(",\"name\":", name),
            Type::Array(_, element) | Type::Stream(_, element) | Type::Vector(_, element) => {
                self.child(",\"element\":", Node::Type(element));
            }
            Type::Dict(_, types) => {
                self.child(",\"key\":", Node::Type(&types.0));
                self.child(",\"val\":", Node::Type(&types.1));
            }
            Type::Record(node) => self.record_type_fields(node),
            Type::Function(node) => self.function_type_fields(node),
        }
    }

    fn record_type_fields(&mut self, node: &'a RecordType) {
        self.nodes(",\"properties\":[", node.properties.iter().map(Node::PropertyType));
        if let Some(variable) = &node.variable {
            self.identifier(",\"tvar\":", variable);
        }
    }

    fn function_type_fields(&mut self, node: &'a FunctionType) {
        self.nodes(",\"parameters\":[", node.parameters.iter().map(Node::ParameterType));
        self.child(",\"monotype\":", Node::Type(&node.monotype));
    }

    fn parameter_type_fields(&mut self, node: &'a ParameterType) {
        if let Some(name) = &node.name {
            self.identifier(",\"name\":", name);
        }
        self.child(",\"monotype\":", Node::Type(&node.monotype));
        if let Some(default) = &node.default {
            self.child(",\"default\":", Node::String(default));
        }
    }
}

/// The name in the field `type`; none for what is written as `null`.
fn type_name(node: Node<'_>) -> Option<&'static str> {
    Some(match node {
        Node::File(_) => "File",
        Node::PackageClause(_) => "PackageClause",
        Node::Import(_) => "ImportDeclaration",
        Node::Statement(node) => match node {
            Statement::Bad(_) => "BadStatement",
            Statement::Expression(_) => "ExpressionStatement",
            Statement::Variable(_) => "VariableAssignment",
            Statement::Option(_) => "OptionStatement",
            Statement::Return(_) => "ReturnStatement",
            Statement::Builtin(_) => "BuiltinStatement",
            Statement::TestCase(_) => "TestCaseStatement",
        },
        Node::Block(_) => "Block",
        Node::Variable(_) => "VariableAssignment",
        Node::MemberAssignment(_) => "MemberAssignment",
        Node::Expression(node) => return expression_name(node),
        Node::Member(_) => "MemberExpression",
        Node::Call(_) => "CallExpression",
        Node::Property(_) => "Property",
        Node::Identifier(_) => "Identifier",
        Node::String(_) => "StringLiteral",
        Node::Text(_) => "TextPart",
        Node::Interpolated(_) => "InterpolatedPart",
        Node::TypeExpression(_) => "TypeExpression",
        Node::Type(node) => type_type_name(node),
        Node::PropertyType(_) => "PropertyType",
        Node::ParameterType(node) => match node.kind {
            ParameterKind::Required => "Required",
            ParameterKind::Optional => "Optional",
            ParameterKind::Pipe => "Pipe",
        },
        Node::Constraint(_) => "TypeConstraint",
        Node::Attribute(_) => "Attribute",
    })
}

fn type_type_name(monotype: &Type) -> &'static str {
    match monotype {
        Type::Variable(..) => "TvarType",
        Type::Named(..) => "NamedType",
        Type::Dynamic(_) => "DynamicType",
        Type::Array(..) => "ArrayType",
        Type::Stream(..) => "StreamType",
        Type::Vector(..) => "VectorType",
        Type::Dict(..) => "DictType",
        Type::Record(_) => "RecordType",
        Type::Function(_) => "FunctionType",
    }
}

fn expression_name(expression: &Expression) -> Option<&'static str> {
    Some(match expression {
        Expression::Bad(_) => return None,
        Expression::Identifier(_) => "Identifier",
        Expression::Integer(_) => "IntegerLiteral",
        Expression::UnsignedInteger(_) => "UnsignedIntegerLiteral",
        Expression::Float(_) => "FloatLiteral",
        Expression::String(_) => "StringLiteral",
        Expression::Label(_) => "LabelLiteral",
        Expression::Boolean(_) => "BooleanLiteral",
        Expression::Duration(_) => "DurationLiteral",
        Expression::DateTime(_) => "DateTimeLiteral",
        Expression::Regexp(_) => "RegexpLiteral",
        Expression::Pipe(_) => "PipeLiteral",
        Expression::StringExpression(_) => "StringExpression",
        Expression::Paren(_) => "ParenExpression",
        Expression::Array(_) => "ArrayExpression",
        Expression::Dict(_) => "DictExpression",
        Expression::Object(_) => "ObjectExpression",
        Expression::Function(_) => "FunctionExpression",
        Expression::Call(_) => "CallExpression",
        Expression::Member(_) => "MemberExpression",
        Expression::Index(_) => "IndexExpression",
        Expression::PipeForward(_) => "PipeExpression",
        Expression::Unary(_) => "UnaryExpression",
        Expression::Binary(_) => "BinaryExpression",
        Expression::Logical(_) => "LogicalExpression",
        Expression::Conditional(_) => "ConditionalExpression",
    })
}
