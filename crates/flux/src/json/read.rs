//! JSON to a tree. Fields that are not known are passed over, as InfluxDB does; what is missing is an error.

use serde_json::{Map, Value};

use crate::ast::{
    ArrayExpression, ArrayItem, Assignment, Attribute, BadExpression, BadStatement, BinaryExpression, Block,
    BooleanLiteral, BuiltinStatement, CallExpression, Comments, ConditionalExpression, Constraint, DateTimeLiteral,
    DictExpression, DictItem, Duration, DurationLiteral, DurationUnit, Expression, ExpressionStatement, File,
    FloatLiteral, FunctionBody, FunctionExpression, FunctionType, Identifier, ImportDeclaration, IndexExpression,
    IntegerLiteral, InterpolatedPart, LabelLiteral, LogicalExpression, LogicalOperator, MemberAssignment,
    MemberExpression, Meta, MetaExtra, ObjectExpression, Operator, OptionStatement, Package, PackageClause,
    ParameterKind, ParameterType, ParenExpression, PipeExpression, PipeLiteral, Property, PropertyKey, PropertyType,
    RecordType, RegexpLiteral, ReturnStatement, Statement, StringExpression, StringLiteral, StringPart,
    TestCaseStatement, TextPart, Type, TypeExpression, UnaryExpression, UnsignedIntegerLiteral, VariableAssignment,
    WithSource,
};
use crate::limits::JSON_DEPTH_MAX;
use crate::literal;
use crate::location::{Location, Position};

/// What a missing expression becomes.
const MISSING_EXPRESSION: &str = "missing expression";

/// Why a JSON value is no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A node is needed here.
    #[error("expected an object with a type as {expected}")]
    NotANode {
        /// Which node.
        expected: &'static str,
    },
    /// No such node may stand here.
    #[error("type {name:?} is not {expected}")]
    WrongType {
        /// The node's type.
        name: String,
        /// Which node may.
        expected: &'static str,
    },
    /// A field is missing, or has no such value.
    #[error("type {name:?} has a bad field {field:?}")]
    BadField {
        /// The node's type.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// Nodes stand too deep in each other.
    #[error("the tree has more than {JSON_DEPTH_MAX} levels")]
    TooDeep,
}

/// Reads a package, as InfluxDB takes one in `ast`.
pub fn read_package(value: &Value) -> Result<Package, ReadError> {
    let node = Node::of(value, "a package", 0)?;
    node.expect(&["Package"], "a package")?;
    Ok(Package {
        meta: node.meta()?,
        path: node.optional_text("path").to_owned(),
        package: node.optional_text("package").to_owned(),
        files: node.list("files", file)?,
    })
}

/// Reads a file, as InfluxDB takes one in `extern`.
pub fn read_file(value: &Value) -> Result<File, ReadError> {
    file(value, 0)
}

/// An object with a type, and how deep it stands.
struct Node<'a> {
    name: &'a str,
    fields: &'a Map<String, Value>,
    depth: usize,
}

impl<'a> Node<'a> {
    fn of(value: &'a Value, expected: &'static str, depth: usize) -> Result<Self, ReadError> {
        if depth > JSON_DEPTH_MAX {
            return Err(ReadError::TooDeep);
        }
        let fields = value.as_object().ok_or(ReadError::NotANode { expected })?;
        let name = fields.get("type").and_then(Value::as_str).ok_or(ReadError::NotANode { expected })?;
        Ok(Self { name, fields, depth })
    }

    fn expect(&self, names: &[&str], expected: &'static str) -> Result<(), ReadError> {
        if names.contains(&self.name) { Ok(()) } else { Err(self.wrong_type(expected)) }
    }

    fn wrong_type(&self, expected: &'static str) -> ReadError {
        ReadError::WrongType { name: self.name.to_owned(), expected }
    }

    fn bad_field(&self, field: &'static str) -> ReadError {
        ReadError::BadField { name: self.name.to_owned(), field }
    }

    fn value(&self, field: &'static str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn text(&self, field: &'static str) -> Result<&'a str, ReadError> {
        self.value(field).and_then(Value::as_str).ok_or_else(|| self.bad_field(field))
    }

    fn optional_text(&self, field: &'static str) -> &'a str {
        self.value(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn child<T>(&self, field: &'static str, read: Read<T>) -> Result<T, ReadError> {
        read(self.value(field).ok_or_else(|| self.bad_field(field))?, self.depth + 1)
    }

    fn optional<T>(&self, field: &'static str, read: Read<T>) -> Result<Option<T>, ReadError> {
        self.value(field).map(|value| read(value, self.depth + 1)).transpose()
    }

    /// An expression; none is a bad one, as InfluxDB writes it.
    fn expression(&self, field: &'static str) -> Result<Expression, ReadError> {
        expression(self.fields.get(field).unwrap_or(&Value::Null), self.depth + 1)
    }

    /// A list; none is empty.
    fn list<T>(&self, field: &'static str, read: Read<T>) -> Result<Vec<T>, ReadError> {
        let Some(value) = self.value(field) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(|| self.bad_field(field))?;
        values.iter().map(|value| read(value, self.depth + 1)).collect()
    }

    /// The texts of a list of objects.
    fn texts(&self, field: &'static str, key: &str) -> Result<Vec<String>, ReadError> {
        let Some(value) = self.value(field) else { return Ok(Vec::new()) };
        let text = |value: &Value| value.get(key)?.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|values| values.iter().map(text).collect());
        texts.ok_or_else(|| self.bad_field(field))
    }

    fn comments(&self, field: &'static str) -> Result<Comments, ReadError> {
        Ok(self.texts(field, "text")?.into_boxed_slice())
    }

    fn meta(&self) -> Result<Meta, ReadError> {
        let location = self.value("location").map_or(Some(Location::default()), location);
        let extra = MetaExtra {
            comments: self.comments("comments")?,
            errors: self.texts("errors", "msg")?,
            attributes: self.list("attributes", attribute)?,
        };
        let is_plain = extra.comments.is_empty() && extra.errors.is_empty() && extra.attributes.is_empty();
        Ok(Meta {
            location: location.ok_or_else(|| self.bad_field("location"))?,
            extra: (!is_plain).then(|| Box::new(extra)),
        })
    }
}

/// Reads a node at a depth.
type Read<T> = fn(&Value, usize) -> Result<T, ReadError>;

fn location(value: &Value) -> Option<Location> {
    let position = |name: &str| {
        let number = |field: &str| u32::try_from(value.get(name)?.get(field)?.as_u64()?).ok();
        Some(Position { line: number("line")?, column: number("column")? })
    };
    Some(Location { start: position("start")?, end: position("end")? })
}

fn file(value: &Value, depth: usize) -> Result<File, ReadError> {
    let node = Node::of(value, "a file", depth)?;
    node.expect(&["File"], "a file")?;
    let meta = node.meta()?;
    // Locations count from the source's beginning, so only a text that starts there is the source.
    let starts_at_first_byte = meta.location.start == Position { line: 1, column: 1 };
    let source = node.value("location").and_then(|location| location.get("source")).and_then(Value::as_str);
    Ok(File {
        source: source.filter(|_| starts_at_first_byte).unwrap_or_default().to_owned(),
        name: node.optional_text("name").to_owned(),
        metadata: node.optional_text("metadata").to_owned(),
        package: node.optional("package", package_clause)?,
        imports: node.list("imports", import)?,
        body: node.list("body", statement)?,
        eof: node.comments("eof")?,
        meta,
    })
}

fn package_clause(value: &Value, depth: usize) -> Result<PackageClause, ReadError> {
    let node = Node::of(value, "a package clause", depth)?;
    node.expect(&["PackageClause"], "a package clause")?;
    Ok(PackageClause { meta: node.meta()?, name: node.child("name", identifier)? })
}

fn import(value: &Value, depth: usize) -> Result<ImportDeclaration, ReadError> {
    let node = Node::of(value, "an import", depth)?;
    node.expect(&["ImportDeclaration"], "an import")?;
    let path = node.child("path", string_literal)?;
    Ok(ImportDeclaration { meta: node.meta()?, alias: node.optional("as", identifier)?, path })
}

fn attribute(value: &Value, depth: usize) -> Result<Attribute, ReadError> {
    let node = Node::of(value, "an attribute", depth)?;
    let parameter: Read<Expression> = |value, depth| Node::of(value, "a parameter", depth)?.expression("value");
    let name = node.text("name")?.to_owned();
    Ok(Attribute { meta: node.meta()?, name, parameters: node.list("params", parameter)? })
}

fn statement(value: &Value, depth: usize) -> Result<Statement, ReadError> {
    let node = Node::of(value, "a statement", depth)?;
    let meta = node.meta()?;
    Ok(match node.name {
        "BadStatement" => Statement::Bad(Box::new(BadStatement { meta, text: node.optional_text("text").to_owned() })),
        "ExpressionStatement" => {
            let expression = node.expression("expression")?;
            Statement::Expression(Box::new(ExpressionStatement { meta, expression }))
        }
        "VariableAssignment" => Statement::Variable(Box::new(variable_assignment(&node)?)),
        "OptionStatement" => {
            let assignment = node.child("assignment", assignment)?;
            Statement::Option(Box::new(OptionStatement { meta, assignment }))
        }
        "ReturnStatement" => {
            Statement::Return(Box::new(ReturnStatement { meta, argument: node.expression("argument")? }))
        }
        "BuiltinStatement" => Statement::Builtin(Box::new(BuiltinStatement {
            meta,
            colon: node.comments("colon")?,
            id: node.child("id", identifier)?,
            type_expression: node.child("ty", type_expression)?,
        })),
        "TestCaseStatement" => Statement::TestCase(Box::new(TestCaseStatement {
            meta,
            id: node.child("id", identifier)?,
            extends: node.optional("extends", string_literal)?,
            block: node.child("block", block)?,
        })),
        _ => return Err(node.wrong_type("a statement")),
    })
}

fn variable_assignment(node: &Node<'_>) -> Result<VariableAssignment, ReadError> {
    let init = node.expression("init")?;
    Ok(VariableAssignment { meta: node.meta()?, id: node.child("id", identifier)?, init })
}

fn assignment(value: &Value, depth: usize) -> Result<Assignment, ReadError> {
    let node = Node::of(value, "an assignment", depth)?;
    Ok(match node.name {
        "VariableAssignment" => Assignment::Variable(Box::new(variable_assignment(&node)?)),
        "MemberAssignment" => {
            let member: Read<MemberExpression> = |value, depth| {
                let node = Node::of(value, "a member", depth)?;
                node.expect(&["MemberExpression"], "a member")?;
                member_expression(&node)
            };
            let member = node.child("member", member)?;
            let init = node.expression("init")?;
            Assignment::Member(Box::new(MemberAssignment { meta: node.meta()?, member, init }))
        }
        _ => return Err(node.wrong_type("an assignment")),
    })
}

fn block(value: &Value, depth: usize) -> Result<Block, ReadError> {
    let node = Node::of(value, "a block", depth)?;
    node.expect(&["Block"], "a block")?;
    Ok(Block {
        meta: node.meta()?,
        lbrace: node.comments("lbrace")?,
        body: node.list("body", statement)?,
        rbrace: node.comments("rbrace")?,
    })
}

fn identifier(value: &Value, depth: usize) -> Result<Identifier, ReadError> {
    let node = Node::of(value, "an identifier", depth)?;
    node.expect(&["Identifier"], "an identifier")?;
    Ok(Identifier { meta: node.meta()?, name: node.text("name")?.to_owned() })
}

fn string_literal(value: &Value, depth: usize) -> Result<StringLiteral, ReadError> {
    let node = Node::of(value, "a string", depth)?;
    node.expect(&["StringLiteral"], "a string")?;
    Ok(StringLiteral { meta: node.meta()?, value: node.text("value")?.to_owned() })
}

fn property_key(value: &Value, depth: usize) -> Result<PropertyKey, ReadError> {
    match Node::of(value, "a property key", depth)?.name {
        "StringLiteral" => string_literal(value, depth).map(PropertyKey::String),
        _ => identifier(value, depth).map(PropertyKey::Identifier),
    }
}

fn property(value: &Value, depth: usize) -> Result<Property, ReadError> {
    let node = Node::of(value, "a property", depth)?;
    node.expect(&["Property"], "a property")?;
    Ok(Property {
        meta: node.meta()?,
        key: node.child("key", property_key)?,
        separator: node.comments("separator")?,
        value: node.optional("value", expression)?,
        comma: node.comments("comma")?,
    })
}

fn expression(value: &Value, depth: usize) -> Result<Expression, ReadError> {
    if value.is_null() {
        let text = MISSING_EXPRESSION.to_owned();
        return Ok(Expression::Bad(Box::new(BadExpression { meta: Meta::default(), text })));
    }
    let node = Node::of(value, "an expression", depth)?;
    if let Some(literal) = literal_expression(&node)? {
        return Ok(literal);
    }
    let meta = node.meta()?;
    Ok(match node.name {
        "StringExpression" => {
            let parts = node.list("parts", string_part)?;
            Expression::StringExpression(Box::new(StringExpression { meta, parts }))
        }
        "ParenExpression" => Expression::Paren(Box::new(ParenExpression {
            meta,
            lparen: node.comments("lparen")?,
            expression: node.expression("expression")?,
            rparen: node.comments("rparen")?,
        })),
        "ArrayExpression" => {
            let item: Read<ArrayItem> =
                |value, depth| Ok(ArrayItem { expression: expression(value, depth)?, comma: Comments::default() });
            let elements = node.list("elements", item)?;
            let (lbrack, rbrack) = (node.comments("lbrack")?, node.comments("rbrack")?);
            Expression::Array(Box::new(ArrayExpression { meta, lbrack, elements, rbrack }))
        }
        "DictExpression" => {
            let elements = node.list("elements", dict_item)?;
            let (lbrack, rbrack) = (node.comments("lbrack")?, node.comments("rbrack")?);
            Expression::Dict(Box::new(DictExpression { meta, lbrack, elements, rbrack }))
        }
        "ObjectExpression" => Expression::Object(Box::new(object_expression(&node)?)),
        "FunctionExpression" => Expression::Function(Box::new(function_expression(&node)?)),
        "CallExpression" => Expression::Call(Box::new(call_expression(&node)?)),
        "MemberExpression" => Expression::Member(Box::new(member_expression(&node)?)),
        _ => return operator_expression(&node, meta),
    })
}

/// Expressions with operators.
fn operator_expression(node: &Node<'_>, meta: Meta) -> Result<Expression, ReadError> {
    let operator = || Operator::from_text(node.text("operator")?).ok_or_else(|| node.bad_field("operator"));
    Ok(match node.name {
        "IndexExpression" => Expression::Index(Box::new(IndexExpression {
            meta,
            array: node.expression("array")?,
            lbrack: node.comments("lbrack")?,
            index: node.expression("index")?,
            rbrack: node.comments("rbrack")?,
        })),
        "PipeExpression" => {
            let call: Read<CallExpression> = |value, depth| {
                let node = Node::of(value, "a call", depth)?;
                node.expect(&["CallExpression"], "a call")?;
                call_expression(&node)
            };
            let argument = node.expression("argument")?;
            Expression::PipeForward(Box::new(PipeExpression { meta, argument, call: node.child("call", call)? }))
        }
        "UnaryExpression" => {
            let argument = node.expression("argument")?;
            Expression::Unary(Box::new(UnaryExpression { meta, operator: operator()?, argument }))
        }
        "BinaryExpression" => {
            let (left, right) = (node.expression("left")?, node.expression("right")?);
            Expression::Binary(Box::new(BinaryExpression { meta, operator: operator()?, left, right }))
        }
        "LogicalExpression" => {
            let operator = match node.text("operator")? {
                "and" => LogicalOperator::And,
                "or" => LogicalOperator::Or,
                _ => return Err(node.bad_field("operator")),
            };
            let (left, right) = (node.expression("left")?, node.expression("right")?);
            Expression::Logical(Box::new(LogicalExpression { meta, operator, left, right }))
        }
        "ConditionalExpression" => Expression::Conditional(Box::new(ConditionalExpression {
            meta,
            tk_if: node.comments("tk_if")?,
            test: node.expression("test")?,
            tk_then: node.comments("tk_then")?,
            consequent: node.expression("consequent")?,
            tk_else: node.comments("tk_else")?,
            alternate: node.expression("alternate")?,
        })),
        _ => return Err(node.wrong_type("an expression")),
    })
}

/// An expression that is one token; none if the node is of another kind.
fn literal_expression(node: &Node<'_>) -> Result<Option<Expression>, ReadError> {
    let bad = || node.bad_field("value");
    let value = || node.value("value").ok_or_else(bad);
    let text = || node.text("value");
    let meta = node.meta()?;
    Ok(Some(match node.name {
        "BadExpression" => {
            let text = node.optional_text("text").to_owned();
            Expression::Bad(Box::new(BadExpression { meta, text }))
        }
        "Identifier" => Expression::Identifier(Identifier { meta, name: node.text("name")?.to_owned() }),
        "StringLiteral" => Expression::String(StringLiteral { meta, value: text()?.to_owned() }),
        "LabelLiteral" => Expression::Label(LabelLiteral { meta, value: text()?.to_owned() }),
        "RegexpLiteral" => Expression::Regexp(RegexpLiteral { meta, value: text()?.to_owned() }),
        "PipeLiteral" => Expression::Pipe(PipeLiteral { meta }),
        "IntegerLiteral" => {
            let value = text()?.parse().map_err(|_| bad())?;
            Expression::Integer(IntegerLiteral { meta, value })
        }
        "UnsignedIntegerLiteral" => {
            let value = text()?.parse().map_err(|_| bad())?;
            Expression::UnsignedInteger(UnsignedIntegerLiteral { meta, value })
        }
        "FloatLiteral" => Expression::Float(FloatLiteral { meta, value: value()?.as_f64().ok_or_else(bad)? }),
        "BooleanLiteral" => Expression::Boolean(BooleanLiteral { meta, value: value()?.as_bool().ok_or_else(bad)? }),
        "DateTimeLiteral" => {
            Expression::DateTime(DateTimeLiteral { meta, value: literal::time(text()?).ok_or_else(bad)? })
        }
        "DurationLiteral" => Expression::Duration(DurationLiteral { meta, values: durations(node)? }),
        _ => return Ok(None),
    }))
}

fn durations(node: &Node<'_>) -> Result<Vec<Duration>, ReadError> {
    let part = |value: &Value| {
        let unit = DurationUnit::from_text(value.get("unit")?.as_str()?)?;
        Some(Duration { magnitude: value.get("magnitude")?.as_i64()?, unit })
    };
    let values = node.value("values").and_then(Value::as_array);
    values.and_then(|values| values.iter().map(part).collect()).ok_or_else(|| node.bad_field("values"))
}

fn string_part(value: &Value, depth: usize) -> Result<StringPart, ReadError> {
    let node = Node::of(value, "a part of a string", depth)?;
    let meta = node.meta()?;
    match node.name {
        "TextPart" => Ok(StringPart::Text(TextPart { meta, value: node.text("value")?.to_owned() })),
        "InterpolatedPart" => {
            let expression = node.expression("expression")?;
            Ok(StringPart::Interpolated(InterpolatedPart { meta, expression }))
        }
        _ => Err(node.wrong_type("a part of a string")),
    }
}

fn dict_item(value: &Value, depth: usize) -> Result<DictItem, ReadError> {
    let node = Node::of(value, "an entry of a dictionary", depth)?;
    let (key, value) = (node.expression("key")?, node.expression("val")?);
    Ok(DictItem { key, value, comma: node.comments("comma")? })
}

fn object_expression(node: &Node<'_>) -> Result<ObjectExpression, ReadError> {
    // InfluxDB's parser writes the name with its comments, everything else in InfluxDB the name alone.
    let with: Read<WithSource> = |value, depth| {
        let source = identifier(value.get("source").unwrap_or(value), depth)?;
        Ok(WithSource { source, with: Comments::default() })
    };
    Ok(ObjectExpression {
        meta: node.meta()?,
        lbrace: node.comments("lbrace")?,
        with: node.optional("with", with)?,
        properties: node.list("properties", property)?,
        rbrace: node.comments("rbrace")?,
    })
}

fn function_expression(node: &Node<'_>) -> Result<FunctionExpression, ReadError> {
    let body: Read<FunctionBody> = |value, depth| match Node::of(value, "a body", depth)?.name {
        "Block" => block(value, depth).map(FunctionBody::Block),
        _ => expression(value, depth).map(FunctionBody::Expression),
    };
    Ok(FunctionExpression {
        meta: node.meta()?,
        lparen: node.comments("lparen")?,
        parameters: node.list("params", property)?,
        rparen: node.comments("rparen")?,
        arrow: node.comments("arrow")?,
        body: node.optional("body", body)?.map_or_else(|| node.expression("body").map(FunctionBody::Expression), Ok)?,
    })
}

fn call_expression(node: &Node<'_>) -> Result<CallExpression, ReadError> {
    Ok(CallExpression {
        meta: node.meta()?,
        callee: node.expression("callee")?,
        lparen: node.comments("lparen")?,
        arguments: node.list("arguments", expression)?,
        rparen: node.comments("rparen")?,
    })
}

fn member_expression(node: &Node<'_>) -> Result<MemberExpression, ReadError> {
    Ok(MemberExpression {
        meta: node.meta()?,
        object: node.expression("object")?,
        lbrack: node.comments("lbrack")?,
        property: node.child("property", property_key)?,
        rbrack: node.comments("rbrack")?,
    })
}

fn type_expression(value: &Value, depth: usize) -> Result<TypeExpression, ReadError> {
    let node = Node::of(value, "a type expression", depth)?;
    node.expect(&["TypeExpression"], "a type expression")?;
    let constraint: Read<Constraint> = |value, depth| {
        let node = Node::of(value, "a constraint", depth)?;
        let variable = node.child("tvar", identifier)?;
        Ok(Constraint { meta: node.meta()?, variable, kinds: node.list("kinds", identifier)? })
    };
    let monotype = node.child("monotype", monotype)?;
    Ok(TypeExpression { meta: node.meta()?, monotype, constraints: node.list("constraints", constraint)? })
}

fn monotype(value: &Value, depth: usize) -> Result<Type, ReadError> {
    let node = Node::of(value, "a type", depth)?;
    let meta = node.meta()?;
    let element = || node.child("element", monotype).map(Box::new);
    Ok(match node.name {
        "TvarType" => Type::Variable(meta, node.child("name", identifier)?),
        "NamedType" => Type::Named(meta, node.child("name", identifier)?),
        "DynamicType" => Type::Dynamic(meta),
        "ArrayType" => Type::Array(meta, element()?),
        "StreamType" => Type::Stream(meta, element()?),
        "VectorType" => Type::Vector(meta, element()?),
        "DictType" => Type::Dict(meta, Box::new((node.child("key", monotype)?, node.child("val", monotype)?))),
        "RecordType" => {
            let property: Read<PropertyType> = |value, depth| {
                let node = Node::of(value, "a property type", depth)?;
                let (name, monotype) = (node.child("name", property_key)?, node.child("monotype", monotype)?);
                Ok(PropertyType { meta: node.meta()?, name, monotype })
            };
            let variable = node.optional("tvar", identifier)?;
            Type::Record(Box::new(RecordType { meta, variable, properties: node.list("properties", property)? }))
        }
        "FunctionType" => Type::Function(Box::new(FunctionType {
            meta,
            lparen: Comments::default(),
            parameters: node.list("parameters", parameter_type)?,
            monotype: node.child("monotype", monotype)?,
        })),
        _ => return Err(node.wrong_type("a type")),
    })
}

fn parameter_type(value: &Value, depth: usize) -> Result<ParameterType, ReadError> {
    let node = Node::of(value, "a parameter type", depth)?;
    let kind = match node.name {
        "Required" => ParameterKind::Required,
        "Optional" => ParameterKind::Optional,
        "Pipe" => ParameterKind::Pipe,
        _ => return Err(node.wrong_type("a parameter type")),
    };
    Ok(ParameterType {
        meta: node.meta()?,
        kind,
        name: node.optional("name", identifier)?,
        monotype: node.child("monotype", monotype)?,
        default: node.optional("default", string_literal)?,
    })
}
