//! A syntax tree as text, with parentheses around every operation. Messages and tests show it; it can be parsed again.

use std::fmt::Write as _;

use crate::ast::{Aggregate, At, Binary, Cardinality, Expr, ExprKind, Grouping, Selector, TimeShift};
use crate::labels::{METRIC_NAME, MatchKind, Matcher, is_label_name};

/// The text of an expression.
#[must_use]
pub fn print(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(number) => number_text(*number),
        ExprKind::String(text) => format!("{text:?}"),
        ExprKind::Negation(inner) => format!("-{}", print(inner)),
        ExprKind::Parens(inner) => match &inner.kind {
            ExprKind::Binary(_) => print(inner),
            _ => format!("({})", print(inner)),
        },
        ExprKind::Selector(selector) => format!("{}{}", series(selector), time(selector.time)),
        ExprKind::Range { selector, range_ms } => format!("{}[{range_ms}ms]{}", series(selector), time(selector.time)),
        ExprKind::Subquery(subquery) => {
            let (range, step) = (subquery.range_ms, subquery.step_ms);
            format!("{}[{range}ms:{step}ms]{}", print(&subquery.inner), time(subquery.time))
        }
        ExprKind::Call { function, arguments } => {
            let arguments: Vec<String> = arguments.iter().map(print).collect();
            format!("{}({})", function.signature().name, arguments.join(", "))
        }
        ExprKind::Aggregate(aggregate) => aggregation(aggregate),
        ExprKind::Binary(binary) => operation(binary),
    }
}

/// A number as Go's `FormatFloat(v, 'f', -1, 64)` writes it, which is how Prometheus answers.
#[must_use]
pub fn number_text(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => number.to_string(),
    }
}

fn labels(labels: &[String]) -> String {
    let quoted = |label: &String| if is_label_name(label) { label.clone() } else { format!("{label:?}") };
    labels.iter().map(quoted).collect::<Vec<String>>().join(", ")
}

fn series(selector: &Selector) -> String {
    let is_name = |matcher: &&Matcher| matcher.name == METRIC_NAME && matcher.kind == MatchKind::Equal;
    let name = selector.matchers.iter().find(is_name).map(|matcher| matcher.value.as_str());
    let is_plain = |name: &str| is_label_name(&name.replace(':', "_"));
    let mut conditions: Vec<String> =
        name.filter(|name| !is_plain(name)).map(|name| format!("{name:?}")).into_iter().collect();
    let others = selector.matchers.iter().filter(|matcher| !is_name(matcher));
    conditions.extend(others.map(|matcher| match is_label_name(&matcher.name) {
        true => matcher.to_string(),
        false => format!("{:?}{}", matcher.name, matcher.to_string().trim_start_matches(&matcher.name)),
    }));
    let name = name.filter(|name| is_plain(name)).unwrap_or_default();
    match conditions.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", conditions.join(", ")),
    }
}

fn time(time: TimeShift) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match time.at {
        None => Ok(()),
        Some(At::Start) => write!(text, " @ start()"),
        Some(At::End) => write!(text, " @ end()"),
        Some(At::Time(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            write!(text, " @ {sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
        }
    };
    if time.offset_ms != 0 {
        let _ = write!(text, " offset {}ms", time.offset_ms);
    }
    text
}

fn aggregation(aggregate: &Aggregate) -> String {
    let name = match aggregate.kind {
        crate::ast::AggregateKind::CountValues => "count_values".to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let grouping = match &aggregate.grouping {
        Grouping::Only(names) if names.is_empty() => String::new(),
        Grouping::Only(names) => format!(" by ({}) ", labels(names)),
        Grouping::Without(names) => format!(" without ({}) ", labels(names)),
    };
    let parameter = aggregate.parameter.as_ref().map(|parameter| print(parameter) + ", ").unwrap_or_default();
    format!("{name}{grouping}({parameter}{})", print(&aggregate.inner))
}

fn operation(binary: &Binary) -> String {
    let mut modifiers = String::new();
    if binary.returns_bool {
        modifiers.push_str(" bool");
    }
    match &binary.matching {
        Grouping::Only(names) => modifiers.push_str(&format!(" on ({})", labels(names))),
        Grouping::Without(names) if names.is_empty() && binary.cardinality == Cardinality::OneToOne => {}
        Grouping::Without(names) => modifiers.push_str(&format!(" ignoring ({})", labels(names))),
    }
    match &binary.cardinality {
        Cardinality::OneToOne => {}
        Cardinality::ManyToOne(names) => modifiers.push_str(&format!(" group_left ({})", labels(names))),
        Cardinality::OneToMany(names) => modifiers.push_str(&format!(" group_right ({})", labels(names))),
    }
    format!("({} {}{modifiers} {})", print(&binary.left), binary.operator.as_str(), print(&binary.right))
}
