//! All nodes of a tree, parents first, in the order of the text. A list of what is left to visit takes the place of
//! recursion, so that no tree is too high.

use crate::ast::{
    Assignment, Attribute, Block, CallExpression, Constraint, Expression, File, FunctionBody, Identifier,
    ImportDeclaration, InterpolatedPart, MemberAssignment, MemberExpression, Meta, PackageClause, ParameterType,
    Property, PropertyKey, PropertyType, Statement, StringLiteral, StringPart, TextPart, Type, TypeExpression,
    VariableAssignment,
};

/// A node of any kind.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// A file.
    File(&'a File),
    /// A package clause.
    PackageClause(&'a PackageClause),
    /// An import.
    Import(&'a ImportDeclaration),
    /// A statement.
    Statement(&'a Statement),
    /// A block.
    Block(&'a Block),
    /// `a = b`, as a statement or in an option.
    Variable(&'a VariableAssignment),
    /// `a.b = c` in an option.
    MemberAssignment(&'a MemberAssignment),
    /// An expression.
    Expression(&'a Expression),
    /// `a.b` in an option.
    Member(&'a MemberExpression),
    /// The call behind `|>`.
    Call(&'a CallExpression),
    /// A property or parameter.
    Property(&'a Property),
    /// A name that is no expression.
    Identifier(&'a Identifier),
    /// A string that is no expression.
    String(&'a StringLiteral),
    /// Text in a string with interpolation.
    Text(&'a TextPart),
    /// `${…}`
    Interpolated(&'a InterpolatedPart),
    /// A type with constraints.
    TypeExpression(&'a TypeExpression),
    /// A type.
    Type(&'a Type),
    /// A property of a record's type.
    PropertyType(&'a PropertyType),
    /// A parameter of a function's type.
    ParameterType(&'a ParameterType),
    /// A constraint.
    Constraint(&'a Constraint),
    /// An attribute of a clause or statement.
    Attribute(&'a Attribute),
}

impl<'a> Node<'a> {
    /// Place, comments, errors.
    pub fn meta(&self) -> &'a Meta {
        match self {
            Self::File(node) => &node.meta,
            Self::PackageClause(node) => &node.meta,
            Self::Import(node) => &node.meta,
            Self::Statement(node) => node.meta(),
            Self::Block(node) => &node.meta,
            Self::Variable(node) => &node.meta,
            Self::MemberAssignment(node) => &node.meta,
            Self::Expression(node) => node.meta(),
            Self::Member(node) => &node.meta,
            Self::Call(node) => &node.meta,
            Self::Property(node) => &node.meta,
            Self::Identifier(node) => &node.meta,
            Self::String(node) => &node.meta,
            Self::Text(node) => &node.meta,
            Self::Interpolated(node) => &node.meta,
            Self::TypeExpression(node) => &node.meta,
            Self::Type(node) => node.meta(),
            Self::PropertyType(node) => &node.meta,
            Self::ParameterType(node) => &node.meta,
            Self::Constraint(node) => &node.meta,
            Self::Attribute(node) => &node.meta,
        }
    }

    fn of_key(key: &'a PropertyKey) -> Self {
        match key {
            PropertyKey::Identifier(name) => Self::Identifier(name),
            PropertyKey::String(text) => Self::String(text),
        }
    }

    /// Puts the node's children on the list, the first child last.
    fn push_children(self, waiting: &mut Vec<Node<'a>>) {
        let first = waiting.len();
        waiting.extend(self.meta().attributes().iter().map(Node::Attribute));
        match self {
            Self::File(node) => {
                waiting.extend(node.package.as_ref().map(Node::PackageClause));
                waiting.extend(node.imports.iter().map(Node::Import));
                waiting.extend(node.body.iter().map(Node::Statement));
            }
            Self::PackageClause(node) => waiting.push(Node::Identifier(&node.name)),
            Self::Import(node) => {
                waiting.extend(node.alias.as_ref().map(Node::Identifier));
                waiting.push(Node::String(&node.path));
            }
            Self::Statement(node) => push_statement(node, waiting),
            Self::Block(node) => waiting.extend(node.body.iter().map(Node::Statement)),
            Self::Variable(node) => waiting.extend([Node::Identifier(&node.id), Node::Expression(&node.init)]),
            Self::MemberAssignment(node) => waiting.extend([Node::Member(&node.member), Node::Expression(&node.init)]),
            Self::Expression(node) => push_expression(node, waiting),
            Self::Member(node) => waiting.extend([Node::Expression(&node.object), Node::of_key(&node.property)]),
            Self::Call(node) => {
                waiting.push(Node::Expression(&node.callee));
                waiting.extend(node.arguments.iter().map(Node::Expression));
            }
            Self::Property(node) => {
                waiting.push(Node::of_key(&node.key));
                waiting.extend(node.value.as_ref().map(Node::Expression));
            }
            Self::Interpolated(node) => waiting.push(Node::Expression(&node.expression)),
            Self::Identifier(_) | Self::String(_) | Self::Text(_) => {}
            Self::TypeExpression(node) => {
                waiting.push(Node::Type(&node.monotype));
                waiting.extend(node.constraints.iter().map(Node::Constraint));
            }
            Self::Type(node) => push_type(node, waiting),
            Self::PropertyType(node) => waiting.extend([Node::of_key(&node.name), Node::Type(&node.monotype)]),
            Self::ParameterType(node) => {
                waiting.extend(node.name.as_ref().map(Node::Identifier));
                waiting.push(Node::Type(&node.monotype));
                waiting.extend(node.default.as_ref().map(Node::String));
            }
            Self::Constraint(node) => {
                waiting.push(Node::Identifier(&node.variable));
                waiting.extend(node.kinds.iter().map(Node::Identifier));
            }
            Self::Attribute(node) => waiting.extend(node.parameters.iter().map(Node::Expression)),
        }
        if let Some(children) = waiting.get_mut(first..) {
            children.reverse();
        }
    }
}

fn push_statement<'a>(statement: &'a Statement, waiting: &mut Vec<Node<'a>>) {
    match statement {
        Statement::Bad(_) => {}
        Statement::Expression(node) => waiting.push(Node::Expression(&node.expression)),
        // The statement is the assignment itself.
        Statement::Variable(node) => waiting.extend([Node::Identifier(&node.id), Node::Expression(&node.init)]),
        Statement::Option(node) => waiting.push(match &node.assignment {
            Assignment::Variable(assignment) => Node::Variable(assignment),
            Assignment::Member(assignment) => Node::MemberAssignment(assignment),
        }),
        Statement::Return(node) => waiting.push(Node::Expression(&node.argument)),
        Statement::Builtin(node) => {
            waiting.extend([Node::Identifier(&node.id), Node::TypeExpression(&node.type_expression)]);
        }
        Statement::TestCase(node) => {
            waiting.push(Node::Identifier(&node.id));
            waiting.extend(node.extends.as_ref().map(Node::String));
            waiting.push(Node::Block(&node.block));
        }
    }
}

fn push_expression<'a>(expression: &'a Expression, waiting: &mut Vec<Node<'a>>) {
    match expression {
        Expression::StringExpression(node) => waiting.extend(node.parts.iter().map(|part| match part {
            StringPart::Text(part) => Node::Text(part),
            StringPart::Interpolated(part) => Node::Interpolated(part),
        })),
        Expression::Paren(node) => waiting.push(Node::Expression(&node.expression)),
        Expression::Array(node) => {
            waiting.extend(node.elements.iter().map(|item| Node::Expression(&item.expression)));
        }
        Expression::Dict(node) => waiting
            .extend(node.elements.iter().flat_map(|item| [Node::Expression(&item.key), Node::Expression(&item.value)])),
        Expression::Object(node) => {
            waiting.extend(node.with.as_ref().map(|with| Node::Identifier(&with.source)));
            waiting.extend(node.properties.iter().map(Node::Property));
        }
        Expression::Function(node) => {
            waiting.extend(node.parameters.iter().map(Node::Property));
            waiting.push(match &node.body {
                FunctionBody::Block(block) => Node::Block(block),
                FunctionBody::Expression(expression) => Node::Expression(expression),
            });
        }
        Expression::Call(node) => {
            waiting.push(Node::Expression(&node.callee));
            waiting.extend(node.arguments.iter().map(Node::Expression));
        }
        Expression::Member(node) => waiting.extend([Node::Expression(&node.object), Node::of_key(&node.property)]),
        Expression::Index(node) => waiting.extend([Node::Expression(&node.array), Node::Expression(&node.index)]),
        Expression::PipeForward(node) => waiting.extend([Node::Expression(&node.argument), Node::Call(&node.call)]),
        Expression::Unary(node) => waiting.push(Node::Expression(&node.argument)),
        Expression::Binary(node) => waiting.extend([Node::Expression(&node.left), Node::Expression(&node.right)]),
        Expression::Logical(node) => waiting.extend([Node::Expression(&node.left), Node::Expression(&node.right)]),
        Expression::Conditional(node) => {
            waiting.extend([&node.test, &node.consequent, &node.alternate].map(Node::Expression));
        }
        _ => {}
    }
}

fn push_type<'a>(monotype: &'a Type, waiting: &mut Vec<Node<'a>>) {
    match monotype {
        Type::Dynamic(_) => {}
        Type::Variable(_, name) | Type::Named(_, name) => waiting.push(Node::Identifier(name)),
        Type::Array(_, element) | Type::Stream(_, element) | Type::Vector(_, element) => {
            waiting.push(Node::Type(element));
        }
        Type::Dict(_, types) => waiting.extend([Node::Type(&types.0), Node::Type(&types.1)]),
        Type::Record(node) => {
            waiting.extend(node.variable.as_ref().map(Node::Identifier));
            waiting.extend(node.properties.iter().map(Node::PropertyType));
        }
        Type::Function(node) => {
            waiting.extend(node.parameters.iter().map(Node::ParameterType));
            waiting.push(Node::Type(&node.monotype));
        }
    }
}

/// A walk over a tree.
#[derive(Debug)]
pub struct Walk<'a> {
    waiting: Vec<Node<'a>>,
}

/// This node and all below it, parents first.
pub fn walk(node: Node<'_>) -> Walk<'_> {
    Walk { waiting: vec![node] }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let node = self.waiting.pop()?;
        node.push_children(&mut self.waiting);
        Some(node)
    }
}
