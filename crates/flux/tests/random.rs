//! Random trees survive text and JSON; random tokens and bytes never panic.

mod trees;

use flux::ast::{
    ArrayExpression, ArrayItem, Assignment, BinaryExpression, Block, CallExpression, ConditionalExpression,
    DictExpression, DictItem, Duration, DurationLiteral, DurationUnit, Expression, ExpressionStatement, File,
    FloatLiteral, FunctionBody, FunctionExpression, Identifier, IndexExpression, IntegerLiteral, InterpolatedPart,
    LogicalExpression, LogicalOperator, MemberExpression, ObjectExpression, Operator, OptionStatement, PipeExpression,
    PipeLiteral, Property, PropertyKey, RegexpLiteral, ReturnStatement, Statement, StringExpression, StringLiteral,
    StringPart, TextPart, UnaryExpression, VariableAssignment, WithSource,
};
use flux::{Limits, format, json, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use trees::{check_json_round_trip, check_round_trips, parse_default};

fn identifier() -> impl Strategy<Value = Identifier> {
    prop::sample::select(vec!["a", "b2", "_c", "é", "stream", "true"])
        .prop_map(|name| Identifier { name: name.to_owned(), ..Identifier::default() })
}

fn text() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["a", "\"", "\\", "$", "{", "}", "\n", "é", "\u{0}", " "]), 0..6)
        .prop_map(|parts| parts.concat())
}

fn string_literal() -> impl Strategy<Value = StringLiteral> {
    text().prop_map(|value| StringLiteral { value, ..StringLiteral::default() })
}

fn key() -> impl Strategy<Value = PropertyKey> {
    prop_oneof![identifier().prop_map(PropertyKey::Identifier), string_literal().prop_map(PropertyKey::String)]
}

fn unit() -> impl Strategy<Value = DurationUnit> {
    let units = ["y", "mo", "w", "d", "h", "m", "s", "ms", "us", "ns"];
    prop::sample::select(units.to_vec()).prop_map(|unit| DurationUnit::from_text(unit).unwrap_or_default())
}

fn leaf() -> impl Strategy<Value = Expression> {
    let duration = (0..i64::MAX, unit()).prop_map(|(magnitude, unit)| Duration { magnitude, unit });
    prop_oneof![
        identifier().prop_map(Expression::Identifier),
        (0..i64::MAX).prop_map(|value| Expression::Integer(IntegerLiteral { value, ..IntegerLiteral::default() })),
        // With few digits: JSON's reader is exact for those only.
        (0..1_000_000).prop_map(|value| {
            Expression::Float(FloatLiteral { value: f64::from(value) / 8.0, ..FloatLiteral::default() })
        }),
        string_literal().prop_map(Expression::String),
        vec(duration, 1..4)
            .prop_map(|values| Expression::Duration(DurationLiteral { values, ..DurationLiteral::default() })),
        prop::sample::select(vec!["a", "a/b", "\\d+", " "]).prop_map(|value| {
            Expression::Regexp(RegexpLiteral { value: value.to_owned(), ..RegexpLiteral::default() })
        }),
        Just(Expression::Pipe(PipeLiteral::default())),
    ]
}

fn property(value: impl Strategy<Value = Expression> + Clone) -> impl Strategy<Value = Property> {
    (key(), value).prop_map(|(key, value)| Property { key, value: Some(value), ..Property::default() })
}

fn record(value: impl Strategy<Value = Expression> + Clone) -> impl Strategy<Value = ObjectExpression> {
    let with = proptest::option::of(identifier().prop_map(|source| WithSource { source, ..WithSource::default() }));
    (with, vec(property(value), 0..6)).prop_map(|(with, properties)| {
        // `{r with}` alone is written, but what follows `with` must be there to be read as such.
        let with = with.filter(|_| !properties.is_empty());
        ObjectExpression { with, properties, ..ObjectExpression::default() }
    })
}

fn call(expression: impl Strategy<Value = Expression> + Clone + 'static) -> impl Strategy<Value = CallExpression> {
    (expression.clone(), vec(property(expression), 0..6)).prop_map(|(callee, properties)| {
        let record = ObjectExpression { properties, ..ObjectExpression::default() };
        let arguments = if record.properties.is_empty() { Vec::new() } else { vec![Expression::Object(record.into())] };
        CallExpression { callee, arguments, ..CallExpression::default() }
    })
}

fn function(expression: impl Strategy<Value = Expression> + Clone + 'static) -> BoxedStrategy<Expression> {
    let default = proptest::option::of(expression.clone());
    let parameter = (identifier(), default).prop_map(|(name, value)| Property {
        key: PropertyKey::Identifier(name),
        value,
        ..Property::default()
    });
    let block = (vec(assignment(expression.clone()), 0..3), expression.clone()).prop_map(|(assignments, argument)| {
        let mut body: Vec<Statement> =
            assignments.into_iter().map(|assignment| Statement::Variable(assignment.into())).collect();
        body.push(Statement::Return(ReturnStatement { argument, ..ReturnStatement::default() }.into()));
        FunctionBody::Block(Block { body, ..Block::default() })
    });
    (vec(parameter, 0..6), prop_oneof![block, expression.prop_map(FunctionBody::Expression)])
        .prop_map(|(parameters, body)| {
            Expression::Function(FunctionExpression { parameters, body, ..FunctionExpression::default() }.into())
        })
        .boxed()
}

fn operator(operators: &'static [&'static str]) -> impl Strategy<Value = Operator> {
    prop::sample::select(operators).prop_map(|text| Operator::from_text(text).unwrap_or_default())
}

fn operation(expression: impl Strategy<Value = Expression> + Clone + 'static) -> BoxedStrategy<Expression> {
    let one = expression.clone();
    let two = (expression.clone(), expression.clone());
    let three = (expression.clone(), expression.clone(), expression.clone());
    let binary = operator(&["+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=~", "!~"]);
    let logical = prop::sample::select(vec![LogicalOperator::And, LogicalOperator::Or]);
    prop_oneof![
        (operator(&["+", "-", "not", "exists"]), one).prop_map(|(operator, argument)| {
            Expression::Unary(UnaryExpression { operator, argument, ..UnaryExpression::default() }.into())
        }),
        (binary, two.clone()).prop_map(|(operator, (left, right))| {
            Expression::Binary(BinaryExpression { operator, left, right, ..BinaryExpression::default() }.into())
        }),
        (logical, two).prop_map(|(operator, (left, right))| {
            Expression::Logical(LogicalExpression { operator, left, right, ..LogicalExpression::default() }.into())
        }),
        three.prop_map(|(test, consequent, alternate)| {
            let conditional = ConditionalExpression { test, consequent, alternate, ..ConditionalExpression::default() };
            Expression::Conditional(conditional.into())
        }),
        (expression.clone(), call(expression)).prop_map(|(argument, call)| {
            Expression::PipeForward(PipeExpression { argument, call, ..PipeExpression::default() }.into())
        }),
    ]
    .boxed()
}

fn composite(expression: BoxedStrategy<Expression>) -> BoxedStrategy<Expression> {
    let two = (expression.clone(), expression.clone());
    let item = expression.clone().prop_map(|expression| ArrayItem { expression, ..ArrayItem::default() });
    let entry = two.clone().prop_map(|(key, value)| DictItem { key, value, ..DictItem::default() });
    // An index that is a string would be a member.
    let index = two.prop_filter("an index", |(_, index)| !matches!(index, Expression::String(_)));
    prop_oneof![
        operation(expression.clone()),
        function(expression.clone()),
        call(expression.clone()).prop_map(|call| Expression::Call(call.into())),
        record(expression.clone()).prop_map(|record| Expression::Object(record.into())),
        (expression.clone(), key()).prop_map(|(object, property)| {
            Expression::Member(MemberExpression { object, property, ..MemberExpression::default() }.into())
        }),
        index.prop_map(|(array, index)| {
            Expression::Index(IndexExpression { array, index, ..IndexExpression::default() }.into())
        }),
        vec(item, 0..6).prop_map(|elements| {
            Expression::Array(ArrayExpression { elements, ..ArrayExpression::default() }.into())
        }),
        vec(entry, 0..6)
            .prop_map(|elements| { Expression::Dict(DictExpression { elements, ..DictExpression::default() }.into()) }),
        (text(), expression, text()).prop_map(|(before, expression, behind)| {
            let part = |value| StringPart::Text(TextPart { value, ..TextPart::default() });
            let interpolated = InterpolatedPart { expression, ..InterpolatedPart::default() };
            let mut parts = vec![part(before), StringPart::Interpolated(interpolated), part(behind)];
            parts.retain(|part| !matches!(part, StringPart::Text(text) if text.value.is_empty()));
            Expression::StringExpression(StringExpression { parts, ..StringExpression::default() }.into())
        }),
    ]
    .boxed()
}

fn expression() -> BoxedStrategy<Expression> {
    leaf().prop_recursive(4, 40, 5, |inner| composite(inner.boxed())).boxed()
}

fn assignment(init: impl Strategy<Value = Expression>) -> impl Strategy<Value = VariableAssignment> {
    (identifier(), init).prop_map(|(id, init)| VariableAssignment { id, init, ..VariableAssignment::default() })
}

/// A file whose statements begin with words, so that none continues the one before.
fn file() -> impl Strategy<Value = File> {
    let statement = prop_oneof![
        assignment(expression()).prop_map(|assignment| Statement::Variable(assignment.into())),
        assignment(expression()).prop_map(|assignment| {
            let assignment = Assignment::Variable(assignment.into());
            Statement::Option(OptionStatement { meta: Default::default(), assignment }.into())
        }),
    ];
    let first = expression().prop_map(|expression| {
        Statement::Expression(ExpressionStatement { expression, ..ExpressionStatement::default() }.into())
    });
    (first, vec(statement, 0..3))
        .prop_map(|(first, others)| File { body: std::iter::once(first).chain(others).collect(), ..File::default() })
}

const TOKENS: &[&str] = &[
    "a",
    "b",
    "with",
    "where",
    "extends",
    "1",
    "01",
    "1.5",
    "1h",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "\"s\"",
    "\"",
    "${",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    ":",
    ",",
    ".",
    "=",
    "=>",
    "<-",
    "|>",
    "+",
    "-",
    "*",
    "/",
    "//c\n",
    "\n",
    "==",
    "=~",
    "and",
    "or",
    "not",
    "exists",
    "if",
    "then",
    "else",
    "option",
    "builtin",
    "testcase",
    "return",
    "import",
    "package",
    "@a",
    "@",
    "?",
    "\\",
    "$",
    "é",
    "stream",
    "dynamic",
    "A",
    "^",
    "%",
    "\u{0}",
];

/// Whatever the text, tree and errors can be used, and a tree without errors has a text that means the same.
fn check_any(source: &str) {
    let parsed = parse(source, &Limits::default());
    check_json_round_trip(&parsed.file);
    json::write_package(&json::package_of(parsed.file.clone()));
    let formatted = format(&parsed.file);
    if parsed.errors.is_empty() {
        assert!(formatted.is_ok(), "{source:?}: {formatted:?}");
    }
    for error in &parsed.errors {
        assert!(!error.to_string().is_empty() && error.location.start <= error.location.end, "{source:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn trees_survive_text_and_json(file in file()) {
        check_round_trips(&file);
    }

    #[test]
    fn any_tokens(tokens in vec(prop::sample::select(TOKENS), 0..30), blank in prop::sample::select(vec!["", " "])) {
        check_any(&tokens.join(blank));
    }

    #[test]
    fn any_text(text in "\\PC{0,40}") {
        check_any(&text);
    }

    #[test]
    fn damaged_scripts(cut in 0_usize..400, insert in prop::sample::select(TOKENS)) {
        let script = "import \"a\"\nx = from(bucket: \"b\") |> range(start: -1h) // c\n    |> filter(fn: (r) => r.d == \
                      \"e${f}\" and r[\"g\"] =~ /h/ or exists r.i)\nbuiltin j : (<-k: [A], ?l: {m: int}) => A where A: \
                      N\ny = {x with o: if p then [1, 2.5] else [\"q\": 3]}\noption task = {every: 1h30m}";
        let cut = script.floor_char_boundary(cut);
        let (before, behind) = script.split_at(cut);
        check_any(before);
        check_any(&format!("{before}{insert}{behind}"));
        check_any(behind);
    }
}

#[test]
fn a_script_parses_to_the_same_tree_twice() {
    let script = "a = 1 + f(b: \"c\")";
    assert_eq!(parse_default(script), parse_default(script));
}
