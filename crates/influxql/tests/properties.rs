//! What holds for any tree and any text: what a tree prints parses to the same tree, and nothing makes the parser
//! panic.

use influxql::ast::{
    AlterRetentionPolicy, Call, Cardinality, CardinalityOf, CreateContinuousQuery, CreateDatabase,
    CreateRetentionPolicy, CreateSubscription, DataType, DatabasePolicy, Explain, Field, Fill, KeyFilter, Measurement,
    MeasurementName, NameOrAll, Order, Page, Privilege, Reference, Removal, ShowMeasurements, ShowScope, Source,
    SubscriptionMode, Target, Wildcard,
};
use influxql::{Duration, Expression, Operator, ParseOptions, Select, Statement, parse_query, parse_statement};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Names: words, reserved words, and all that needs quotes.
fn name() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-z_][a-z0-9_]{0,6}",
        1 => prop_oneof![Just("select"), Just("Tag"), Just("in"), Just("true"), Just("time"), Just("fill")]
            .prop_map(str::to_owned),
        1 => r#"[ -~éµ\n\r\\"'.]{1,8}"#,
    ]
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof!["[a-z]{0,5}", r#"[ -~éµ\n\r\t\\"']{0,12}"#].boxed()
}

/// The inside of a regular expression: no line break, no star that would begin a comment, and no backslash that would
/// hide the closing slash.
fn regex() -> BoxedStrategy<String> {
    let part = prop_oneof!["[a-z.*^$|()/é ]", r"\\[a-z.\\/]"];
    vec(part, 0..6)
        .prop_map(|parts| parts.concat().replace("\\/", "/"))
        .prop_filter("not printable", |text| !text.ends_with('\\') && !text.starts_with('*'))
        .boxed()
}

fn duration() -> BoxedStrategy<Duration> {
    let units = prop_oneof![Just(1), Just(1_000), Just(60_000_000_000), Just(86_400_000_000_000_i64)];
    (1_i64..5_000, units).prop_map(|(count, unit)| Duration(count * unit)).boxed()
}

fn literal() -> BoxedStrategy<Expression> {
    prop_oneof![
        any::<i64>().prop_map(Expression::Integer),
        ((1_u64 << 63)..=u64::MAX).prop_map(Expression::Unsigned),
        any::<f64>().prop_filter("not finite", |number| number.is_finite()).prop_map(Expression::Number),
        (-1e6_f64..1e6).prop_map(Expression::Number),
        any::<bool>().prop_map(Expression::Boolean),
        text().prop_map(Expression::String),
        duration().prop_map(Expression::Duration),
        duration().prop_map(|duration| Expression::Duration(Duration(-duration.0))),
    ]
    .boxed()
}

fn reference() -> BoxedStrategy<Expression> {
    let data_type = prop_oneof![
        Just(DataType::Float),
        Just(DataType::Integer),
        Just(DataType::Unsigned),
        Just(DataType::String),
        Just(DataType::Boolean),
        Just(DataType::Tag),
        Just(DataType::Field),
    ];
    (name(), of(data_type)).prop_map(|(name, data_type)| Expression::Reference(Reference { name, data_type })).boxed()
}

fn wildcard() -> BoxedStrategy<Expression> {
    prop_oneof![Just(Wildcard::All), Just(Wildcard::Fields), Just(Wildcard::Tags)]
        .prop_map(Expression::Wildcard)
        .boxed()
}

/// Two operands, in parentheses where the parser would not group them like this.
fn joined(left: Expression, operator: Operator, right: Expression) -> Expression {
    let protect = |operand: Expression, limit: u8| match &operand {
        Expression::Binary(binary) if binary.operator.precedence() < limit => Expression::Paren(Box::new(operand)),
        _ => operand,
    };
    let precedence = operator.precedence();
    Expression::binary(protect(left, precedence), operator, protect(right, precedence + 1))
}

/// Expressions of these operators.
fn expression(operators: &'static [Operator]) -> BoxedStrategy<Expression> {
    let leaf =
        prop_oneof![3 => reference(), 3 => literal(), 1 => wildcard(), 1 => name().prop_map(Expression::Distinct)];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let operator = proptest::sample::select(operators);
        let argument = prop_oneof![6 => inner.clone(), 1 => regex().prop_map(Expression::Regex)];
        let call = ("[a-z_]{1,8}|distinct|select", vec(argument, 0..3))
            .prop_map(|(name, arguments)| Expression::Call(Call { name, arguments }));
        let binary =
            (inner.clone(), operator, inner.clone(), regex()).prop_map(
                |(left, operator, right, regex)| match operator {
                    Operator::Matches | Operator::NotMatches => joined(left, operator, Expression::Regex(regex)),
                    _ => joined(left, operator, right),
                },
            );
        prop_oneof![4 => binary, 2 => call, 1 => inner.prop_map(|inner| Expression::Paren(Box::new(inner)))]
    })
    .boxed()
}

const ARITHMETIC: &[Operator] = &[
    Operator::Add,
    Operator::Subtract,
    Operator::Multiply,
    Operator::Divide,
    Operator::Remainder,
    Operator::BitAnd,
    Operator::BitOr,
    Operator::BitXor,
];

const ALL_OPERATORS: &[Operator] = &[
    Operator::Add,
    Operator::Subtract,
    Operator::Multiply,
    Operator::Divide,
    Operator::BitXor,
    Operator::And,
    Operator::Or,
    Operator::Equal,
    Operator::NotEqual,
    Operator::Matches,
    Operator::NotMatches,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

fn condition() -> BoxedStrategy<Option<Expression>> {
    of(expression(ALL_OPERATORS)).boxed()
}

fn dimensions() -> BoxedStrategy<Vec<Expression>> {
    let time = (duration(), of(duration())).prop_map(|(window, offset)| {
        let arguments = std::iter::once(window).chain(offset).map(Expression::Duration).collect();
        Expression::Call(Call { name: "time".to_owned(), arguments })
    });
    let dimension = prop_oneof![time, reference(), regex().prop_map(Expression::Regex), wildcard()];
    vec(dimension, 0..3).boxed()
}

fn measurement() -> BoxedStrategy<Measurement> {
    let which = prop_oneof![name().prop_map(MeasurementName::Name), regex().prop_map(MeasurementName::Regex)];
    (of(name()), of(name()), which)
        .prop_map(|(database, retention_policy, name)| Measurement { database, retention_policy, name })
        .boxed()
}

fn order() -> BoxedStrategy<Option<Order>> {
    of(prop_oneof![Just(Order::Ascending), Just(Order::Descending)]).boxed()
}

fn page() -> BoxedStrategy<Page> {
    (of(1_u64..1_000), 0_u64..3).prop_map(|(limit, offset)| Page { limit, offset }).boxed()
}

fn fill() -> BoxedStrategy<Fill> {
    prop_oneof![
        4 => Just(Fill::Null),
        1 => Just(Fill::None),
        1 => Just(Fill::Previous),
        1 => Just(Fill::Linear),
        1 => any::<i64>().prop_map(Fill::Integer),
        1 => (-1e9_f64..1e9).prop_map(Fill::Number),
    ]
    .boxed()
}

fn target() -> BoxedStrategy<Target> {
    (of(name()), name(), of(name()), any::<bool>())
        .prop_map(|(database, retention_policy, measurement, named)| {
            // `:MEASUREMENT` stands behind a point only.
            let retention_policy = (named || measurement.is_none()).then_some(retention_policy);
            Target { database, retention_policy, measurement }
        })
        .boxed()
}

fn select_from(source: BoxedStrategy<Source>) -> BoxedStrategy<Select> {
    let field = prop_oneof![4 => expression(ARITHMETIC), 1 => regex().prop_map(Expression::Regex)];
    let field = (field, of(name())).prop_map(|(expression, alias)| Field { expression, alias });
    let head = (vec(field, 1..3), of(target()), vec(source, 1..3), condition(), dimensions());
    let tail = (fill(), order(), page(), page(), of(text()));
    (head, tail)
        .prop_map(|((fields, target, sources, condition, dimensions), (fill, order, page, series_page, time_zone))| {
            Select { fields, target, sources, condition, dimensions, fill, order, page, series_page, time_zone }
        })
        .boxed()
}

fn select() -> BoxedStrategy<Box<Select>> {
    let leaf = measurement().prop_map(Source::Measurement).boxed();
    let source = leaf.prop_recursive(2, 4, 2, |source| {
        select_from(source.boxed()).prop_map(|select| Source::Subquery(Box::new(select)))
    });
    select_from(source.boxed()).prop_map(Box::new).boxed()
}

fn key_filter() -> BoxedStrategy<KeyFilter> {
    prop_oneof![
        name().prop_map(KeyFilter::Equal),
        name().prop_map(KeyFilter::NotEqual),
        vec(name(), 1..3).prop_map(KeyFilter::In),
        regex().prop_map(KeyFilter::Matches),
        regex().prop_map(KeyFilter::NotMatches),
    ]
    .boxed()
}

fn scope() -> BoxedStrategy<ShowScope> {
    (of(name()), vec(measurement(), 0..3), condition(), order(), page())
        .prop_map(|(database, sources, condition, order, page)| ShowScope { database, sources, condition, order, page })
        .boxed()
}

fn show() -> BoxedStrategy<Statement> {
    let name_or_all = || prop_oneof![name().prop_map(NameOrAll::Name), Just(NameOrAll::All)];
    let measurements = (of((name_or_all(), of(name_or_all()))), of(measurement()), condition(), order(), page())
        .prop_map(|(on, measurement, condition, order, page)| {
            let (database, retention_policy) = on.map_or((None, None), |(database, policy)| (Some(database), policy));
            let show = ShowMeasurements { database, retention_policy, measurement, condition, order, page };
            Statement::ShowMeasurements(show)
        });
    let of_what = prop_oneof![
        Just(CardinalityOf::Series),
        Just(CardinalityOf::Measurements),
        Just(CardinalityOf::TagKeys),
        key_filter().prop_map(CardinalityOf::TagValues),
        Just(CardinalityOf::FieldKeys),
    ];
    let cardinality = (of_what, any::<bool>(), scope(), dimensions()).prop_map(|(of, exact, scope, dimensions)| {
        let ShowScope { database, sources, condition, page, .. } = scope;
        Statement::ShowCardinality(Cardinality { of, exact, database, sources, condition, dimensions, page })
    });
    let tag_keys = (scope(), of(key_filter()), page()).prop_map(|(scope, key, series_page)| Statement::ShowTagKeys {
        scope,
        key,
        series_page,
    });
    prop_oneof![
        measurements,
        cardinality,
        tag_keys,
        scope().prop_map(Statement::ShowSeries),
        scope().prop_map(|scope| Statement::ShowFieldKeys(ShowScope { condition: None, ..scope })),
        (scope(), key_filter()).prop_map(|(scope, key)| Statement::ShowTagValues { scope, key }),
        of(name()).prop_map(|database| Statement::ShowRetentionPolicies { database }),
        name().prop_map(|user| Statement::ShowGrants { user }),
        of(text()).prop_map(|module| Statement::ShowStats { module }),
        of(text()).prop_map(|module| Statement::ShowDiagnostics { module }),
    ]
    .boxed()
}

fn schema() -> BoxedStrategy<Statement> {
    let policy = || (of(duration()), of(1_u32..9), of(duration()), any::<bool>());
    let create_database = (name(), policy(), of(name())).prop_map(|(name, (duration, replication, shard, _), rp)| {
        let policy = DatabasePolicy { duration, replication, shard_duration: shard, name: rp };
        Statement::CreateDatabase(CreateDatabase {
            name,
            policy: Some(policy).filter(|policy| *policy != DatabasePolicy::default()),
        })
    });
    let create_policy =
        (name(), name(), policy()).prop_map(|(name, database, (duration, replication, shard_duration, default))| {
            let (duration, replication) = (duration.unwrap_or_default(), replication.unwrap_or(1));
            let policy = CreateRetentionPolicy { name, database, duration, replication, shard_duration, default };
            Statement::CreateRetentionPolicy(policy)
        });
    let alter_policy =
        (name(), name(), policy()).prop_map(|(name, database, (duration, replication, shard_duration, default))| {
            let default = default || duration.is_none() && replication.is_none() && shard_duration.is_none();
            let policy = AlterRetentionPolicy { name, database, duration, replication, shard_duration, default };
            Statement::AlterRetentionPolicy(policy)
        });
    let continuous_query = (name(), name(), of(duration()), select(), target(), duration()).prop_map(
        |(name, database, resample_every, mut select, target, window)| {
            select.target = Some(target);
            let arguments = vec![Expression::Duration(window)];
            select.dimensions = vec![Expression::Call(Call { name: "time".to_owned(), arguments })];
            let resample_for = resample_every.map(|every| Duration(every.0 + window.0));
            let query = CreateContinuousQuery { name, database, resample_every, resample_for, select };
            Statement::CreateContinuousQuery(query)
        },
    );
    let mode = prop_oneof![Just(SubscriptionMode::All), Just(SubscriptionMode::Any)];
    let subscription = (name(), name(), name(), mode, vec(text(), 1..3)).prop_map(
        |(name, database, retention_policy, mode, destinations)| {
            let subscription = CreateSubscription { name, database, retention_policy, mode, destinations };
            Statement::CreateSubscription(subscription)
        },
    );
    prop_oneof![create_database, create_policy, alter_policy, continuous_query, subscription].boxed()
}

fn statement() -> BoxedStrategy<Statement> {
    let removal = || {
        (vec(measurement(), 0..3), expression(ALL_OPERATORS), any::<bool>()).prop_map(
            |(mut sources, condition, unconditional)| {
                for source in &mut sources {
                    (source.database, source.retention_policy) = (None, None);
                }
                let condition = (sources.is_empty() || !unconditional).then_some(condition);
                Removal { sources, condition }
            },
        )
    };
    let privilege = prop_oneof![Just(Privilege::Read), Just(Privilege::Write), Just(Privilege::All)];
    prop_oneof![
        8 => select().prop_map(Statement::Select),
        1 => (any::<bool>(), select()).prop_map(|(analyze, select)| Statement::Explain(Explain { analyze, select })),
        1 => removal().prop_map(Statement::Delete),
        1 => removal().prop_map(Statement::DropSeries),
        6 => show(),
        4 => schema(),
        1 => (privilege, name(), name())
            .prop_map(|(privilege, database, user)| Statement::Revoke { privilege, database, user }),
        1 => (any::<u64>(), of(name())).prop_map(|(id, host)| Statement::KillQuery { id, host }),
    ]
    .boxed()
}

/// What soup is made of, with a blank between any two.
const TOKENS: &str = "SELECT FROM WHERE GROUP BY time(1m) fill( ORDER LIMIT tz( INTO SHOW TAG VALUES WITH KEY EXACT \
    CARDINALITY ON CREATE DATABASE a \"b\" 'd' 1 1.5 10m 99999999999999999999 /x/ / =~ !~ = <> AND OR IN - + * :: : . \
    .. , ; ( ) DISTINCT $p $ -- \n /* */ \\ \" ' é \0 \r\n ns µ ALL PRIVILEGES AS END BEGIN";

/// Texts of tokens in any order, most of which the grammar refuses late.
fn soup() -> BoxedStrategy<String> {
    let tokens = proptest::sample::select(TOKENS.split(' ').collect::<Vec<_>>());
    (vec((tokens, any::<bool>()), 0..20), any::<bool>())
        .prop_map(|(tokens, select)| {
            let mut text = String::from(if select { "SELECT a FROM b " } else { "" });
            for (token, blank) in tokens {
                text.push_str(token);
                text.push_str(if blank { " " } else { "" });
            }
            text
        })
        .boxed()
}

/// The parser answers, and what it reads it can read again.
fn check_answers(text: &str) {
    let parameters = [("p".to_owned(), influxql::Parameter::Regex("q".to_owned()))].into();
    let options = ParseOptions { parameters: Some(&parameters), ..ParseOptions::default() };
    match parse_query(text, &options) {
        Ok(query) => {
            let printed = query.to_string();
            if !printed.contains("[REDACTED]") {
                assert_eq!(parse_query(&printed, &ParseOptions::default()), Ok(query), "{text:?} -> {printed:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

proptest! {
    #[test]
    fn what_a_tree_prints_parses_to_it(statement in statement()) {
        let printed = statement.to_string();
        prop_assert_eq!(parse_statement(&printed, &ParseOptions::default()), Ok(statement), "{}", printed);
    }

    #[test]
    fn any_text_is_answered(text in ".{0,60}") {
        check_answers(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..60)) {
        check_answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_soup_is_answered(text in soup()) {
        check_answers(&text);
    }

    #[test]
    fn a_cut_statement_is_answered(statement in statement(), cut in any::<prop::sample::Index>()) {
        let printed = statement.to_string();
        let places: Vec<usize> = printed.char_indices().map(|(place, _)| place).collect();
        check_answers(&printed[..places[cut.index(places.len())]]);
    }
}
