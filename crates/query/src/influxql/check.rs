//! What InfluxDB finds wrong with a `SELECT` before it looks at any data, in its own words and order.

use influxql::ast::{Call, Expression, Fill, Select};
use influxql::{Duration, parse_time_literal};

use super::indicators::INDICATORS;
use super::time_range::{go_type, is_time};
use super::value::MATH_FUNCTIONS;

/// What the fields and dimensions of a statement amount to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shape {
    /// `GROUP BY time(every, offset)`
    pub(super) interval: Option<(i64, i64)>,
    /// Functions of points; those inside of others do not count.
    pub(super) calls: usize,
    /// Whether a field or tag stands outside of all functions.
    pub(super) has_auxiliary: bool,
    /// Whether every function picks points.
    pub(super) only_selectors: bool,
    has_distinct: bool,
    /// `top` or `bottom`, if it is there.
    top_bottom: Option<String>,
}

/// Checks fields, dimensions and fill of a statement.
///
/// # Errors
/// InfluxDB's message.
pub(super) fn check(select: &Select, now: i64, inherited_interval: bool) -> Result<Shape, String> {
    let mut checker = Checker {
        shape: Shape { only_selectors: true, ..Shape::default() },
        limit: select.page.limit.unwrap_or(0),
        has_target: select.target.is_some(),
        wildcards: true,
    };
    if let Some(condition) = &select.condition {
        check_condition(condition)?;
    }
    checker.shape.interval = interval(select, now)?;
    let mut fields = 0;
    for field in &select.fields {
        if is_time(&field.expression) {
            continue;
        }
        fields += 1;
        checker.wildcards = true;
        checker.expression(&field.expression)?;
    }
    let shape = checker.shape;
    if fields == 0 {
        return Err("at least 1 non-time field must be queried".to_owned());
    }
    check_together(select, &shape, inherited_interval)?;
    Ok(shape)
}

fn check_together(select: &Select, shape: &Shape, inherited_interval: bool) -> Result<(), String> {
    let refuse = |text: &str| Err(text.to_owned());
    match &shape.top_bottom {
        Some(name) if shape.calls > 1 => {
            return Err(format!("selector function {name}() cannot be combined with other functions"));
        }
        _ => {}
    }
    if shape.calls == 0 {
        match select.fill {
            Fill::None => return refuse("fill(none) must be used with a function"),
            Fill::Linear => return refuse("fill(linear) must be used with a function"),
            _ => {}
        }
        if shape.interval.is_some() && !inherited_interval {
            return refuse("GROUP BY requires at least one aggregate function");
        }
    }
    if shape.has_distinct && (shape.calls != 1 || shape.has_auxiliary) {
        return refuse("aggregate function distinct() cannot be combined with other functions or fields");
    }
    if shape.has_auxiliary && shape.calls > 0 {
        if !shape.only_selectors {
            return refuse("mixing aggregate and non-aggregate queries is not supported");
        }
        if shape.calls > 1 {
            return refuse("mixing multiple selector functions with tags or fields is not supported");
        }
    }
    Ok(())
}

fn check_condition(condition: &Expression) -> Result<(), String> {
    let mut found = None;
    condition.walk(&mut |expression| {
        if let Expression::Call(call) = expression
            && call.name != "now"
            && !MATH_FUNCTIONS.contains(&call.name.as_str())
        {
            found.get_or_insert_with(|| format!("invalid function call in condition: {expression}"));
        }
        found.is_none()
    });
    found.map_or(Ok(()), Err)
}

/// The windows that the dimensions ask for.
fn interval(select: &Select, now: i64) -> Result<Option<(i64, i64)>, String> {
    let mut interval = None;
    for dimension in &select.dimensions {
        match dimension {
            Expression::Reference(_) if is_time(dimension) => {
                return Err("time() is a function and expects at least one argument".to_owned());
            }
            Expression::Reference(_) | Expression::Wildcard(_) | Expression::Regex(_) => {}
            Expression::Call(call) if call.name != "time" => {
                return Err("only time() calls allowed in dimensions".to_owned());
            }
            Expression::Call(call) => {
                if call.arguments.is_empty() || call.arguments.len() > 2 {
                    return Err("time dimension expected 1 or 2 arguments".to_owned());
                }
                let Some(Expression::Duration(Duration(every))) = call.arguments.first() else {
                    return Err("time dimension must have duration argument".to_owned());
                };
                if interval.is_some() {
                    return Err("multiple time dimensions not allowed".to_owned());
                }
                // InfluxDB takes a duration of zero for none.
                if *every > 0 {
                    interval = Some((*every, offset(call.arguments.get(1), *every, now)?));
                }
            }
            _ => return Err("only time and tag dimensions allowed".to_owned()),
        }
    }
    Ok(interval)
}

fn offset(argument: Option<&Expression>, every: i64, now: i64) -> Result<i64, String> {
    match argument {
        None => Ok(0),
        Some(Expression::Duration(Duration(offset))) => Ok(offset % every),
        Some(Expression::Call(call)) if call.name != "now" => {
            Err("time dimension offset function must be now()".to_owned())
        }
        Some(Expression::Call(call)) if !call.arguments.is_empty() => {
            Err("time dimension offset now() function requires no arguments".to_owned())
        }
        Some(Expression::Call(_)) => Ok(now.rem_euclid(every)),
        Some(Expression::String(text)) => match parse_time_literal(text) {
            Ok(time) => {
                let offset = time.at_offset(0).rem_euclid(i128::from(every));
                Ok(i64::try_from(offset).unwrap_or(0))
            }
            Err(_) => Err("time dimension offset must be duration or now()".to_owned()),
        },
        Some(_) => Err("time dimension offset must be duration or now()".to_owned()),
    }
}

struct Checker {
    shape: Shape,
    limit: u64,
    has_target: bool,
    /// Whether a wildcard may stand here: not beside an operator.
    wildcards: bool,
}

type Checked = Result<(), String>;

fn refuse<T>(text: impl Into<String>) -> Result<T, String> {
    Err(text.into())
}

/// The number of arguments, which must be between two bounds.
fn count(call: &Call, least: usize, most: usize) -> Checked {
    let (name, got) = (&call.name, call.arguments.len());
    if (least..=most).contains(&got) {
        return Ok(());
    }
    if least == most {
        return refuse(format!("invalid number of arguments for {name}, expected {least}, got {got}"));
    }
    refuse(format!(
        "invalid number of arguments for {name}, expected at least {least} but no more than {most}, got {got}"
    ))
}

fn is_literal(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Number(_)
            | Expression::Integer(_)
            | Expression::Unsigned(_)
            | Expression::String(_)
            | Expression::Boolean(_)
            | Expression::Duration(_)
            | Expression::Regex(_)
    )
}

impl Checker {
    fn expression(&mut self, expression: &Expression) -> Checked {
        match expression {
            Expression::Reference(_) => self.shape.has_auxiliary = true,
            Expression::Wildcard(_) => {
                self.shape.has_auxiliary = true;
                if !self.wildcards {
                    return refuse("unable to use wildcard in a binary expression");
                }
            }
            Expression::Regex(_) => {
                self.shape.has_auxiliary = true;
                if !self.wildcards {
                    return refuse("unable to use regex in a binary expression");
                }
            }
            Expression::Call(call) => return self.call(call),
            Expression::Distinct(_) => {
                self.shape.calls += 1;
                self.shape.has_distinct = true;
                self.shape.only_selectors = false;
            }
            Expression::Binary(binary) => {
                self.wildcards = false;
                match (is_literal(&binary.left), is_literal(&binary.right)) {
                    (true, true) => return refuse("field must contain at least one variable"),
                    (true, false) => return self.expression(&binary.right),
                    (false, true) => return self.expression(&binary.left),
                    (false, false) => {}
                }
                self.expression(&binary.left)?;
                return self.expression(&binary.right);
            }
            Expression::Paren(inner) => return self.expression(inner),
            _ => return refuse("field must contain at least one variable"),
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Checked {
        let name = call.name.as_str();
        if MATH_FUNCTIONS.contains(&name) {
            let arguments = if matches!(name, "atan2" | "pow" | "log") { 2 } else { 1 };
            count(call, arguments, arguments)?;
            return call
                .arguments
                .iter()
                .filter(|argument| !is_literal(argument))
                .try_for_each(|argument| self.expression(argument));
        }
        self.shape.calls += 1;
        match name {
            "percentile" => self.percentile(call),
            "sample" => {
                count(call, 2, 2)?;
                match call.arguments.get(1) {
                    Some(Expression::Integer(size)) if *size <= 0 => {
                        refuse(format!("sample window must be greater than 1, got {size}"))
                    }
                    Some(Expression::Integer(_)) => self.symbol(call),
                    _ => refuse("expected integer argument in sample()"),
                }
            }
            "distinct" => self.distinct(call, false),
            "top" | "bottom" => self.top_bottom(call),
            "derivative" | "non_negative_derivative" | "elapsed" => {
                count(call, 1, 2)?;
                positive_duration(call)?;
                self.transformation(call)
            }
            "difference" | "non_negative_difference" | "cumulative_sum" => {
                count(call, 1, 1)?;
                self.transformation(call)
            }
            "moving_average" => {
                count(call, 2, 2)?;
                match call.arguments.get(1) {
                    Some(Expression::Integer(size)) if *size <= 1 => {
                        refuse(format!("moving_average window must be greater than 1, got {size}"))
                    }
                    Some(Expression::Integer(_)) => self.transformation(call),
                    other => refuse(format!(
                        "second argument for moving_average must be an integer, got {}",
                        other.map_or("nil", go_type)
                    )),
                }
            }
            "integral" => {
                count(call, 1, 2)?;
                self.shape.only_selectors = false;
                match call.arguments.get(1) {
                    Some(Expression::Duration(unit)) if unit.0 <= 0 => {
                        refuse(format!("duration argument must be positive, got {unit}"))
                    }
                    None | Some(Expression::Duration(_)) => self.symbol(call),
                    Some(_) => refuse("second argument must be a duration"),
                }
            }
            "holt_winters" | "holt_winters_with_fit" => self.holt_winters(call),
            name if INDICATORS.contains(&name) => {
                indicator(call)?;
                self.transformation(call)
            }
            _ => self.function(call),
        }
    }

    fn percentile(&mut self, call: &Call) -> Checked {
        count(call, 2, 2)?;
        if !matches!(call.arguments.get(1), Some(Expression::Integer(_) | Expression::Number(_))) {
            return refuse("expected float argument in percentile()");
        }
        self.symbol(call)
    }

    fn function(&mut self, call: &Call) -> Checked {
        match call.name.as_str() {
            "max" | "min" | "first" | "last" => {}
            "count" | "sum" | "mean" | "median" | "mode" | "stddev" | "spread" => self.shape.only_selectors = false,
            name => return refuse(format!("undefined function {name}()")),
        }
        count(call, 1, 1)?;
        match call.arguments.first() {
            Some(Expression::Distinct(_)) if call.name == "count" => Ok(()),
            Some(Expression::Call(inner)) if call.name == "count" && inner.name == "distinct" => {
                self.distinct(inner, true)
            }
            _ => self.symbol(call),
        }
    }

    /// The first argument must be a field, or stand for several.
    fn symbol(&mut self, call: &Call) -> Checked {
        let name = &call.name;
        match call.arguments.first() {
            Some(Expression::Reference(_)) => Ok(()),
            Some(Expression::Wildcard(_)) if !self.wildcards => {
                refuse(format!("unsupported expression with wildcard: {name}()"))
            }
            Some(Expression::Regex(_)) if !self.wildcards => {
                refuse(format!("unsupported expression with regex field: {name}()"))
            }
            Some(Expression::Wildcard(_) | Expression::Regex(_)) => {
                self.shape.only_selectors = false;
                Ok(())
            }
            _ => refuse(format!("expected field argument in {name}()")),
        }
    }

    fn distinct(&mut self, call: &Call, nested: bool) -> Checked {
        match call.arguments.as_slice() {
            [] => refuse("distinct function requires at least one argument"),
            [Expression::Reference(_)] => {
                self.shape.has_distinct |= !nested;
                self.shape.only_selectors = false;
                Ok(())
            }
            [_] => refuse("expected field argument in distinct()"),
            _ => refuse("distinct function can only have one argument"),
        }
    }

    fn top_bottom(&mut self, call: &Call) -> Checked {
        let name = &call.name;
        if let Some(other) = &self.shape.top_bottom {
            return refuse(format!("selector function {other}() cannot be combined with other functions"));
        }
        let [first, between @ .., last] = call.arguments.as_slice() else {
            let got = call.arguments.len();
            return refuse(format!("invalid number of arguments for {name}, expected at least 2, got {got}"));
        };
        let Expression::Integer(size) = last else {
            return refuse(format!("expected integer as last argument in {name}(), found {last}"));
        };
        if *size <= 0 {
            return refuse(format!("limit ({size}) in {name} function must be at least 1"));
        }
        if self.limit > 0 && u64::try_from(*size).is_ok_and(|size| size > self.limit) {
            return refuse(format!(
                "limit ({size}) in {name} function can not be larger than the LIMIT ({}) in the select statement",
                self.limit
            ));
        }
        if !matches!(first, Expression::Reference(_)) {
            return refuse(format!("expected first argument to be a field in {name}(), found {first}"));
        }
        for argument in between {
            if !matches!(argument, Expression::Reference(_)) {
                return refuse(format!("only fields or tags are allowed in {name}(), found {argument}"));
            }
            self.shape.has_auxiliary |= !self.has_target;
        }
        self.shape.top_bottom = Some(name.clone());
        Ok(())
    }

    /// A function of one point after another: of a field, or of an aggregate in windows.
    fn transformation(&mut self, call: &Call) -> Checked {
        let name = &call.name;
        self.shape.only_selectors = false;
        match call.arguments.first() {
            Some(inner @ (Expression::Call(_) | Expression::Distinct(_))) => {
                if self.shape.interval.is_none() {
                    return refuse(format!("{name} aggregate requires a GROUP BY interval"));
                }
                self.nested(inner)
            }
            _ if self.shape.interval.is_some() => {
                refuse(format!("aggregate function required inside the call to {name}"))
            }
            _ => self.symbol(call),
        }
    }

    /// A function inside of another one.
    fn nested(&mut self, inner: &Expression) -> Checked {
        match inner {
            Expression::Distinct(_) => Ok(()),
            Expression::Call(call) if call.name == "distinct" => self.distinct(call, true),
            other => self.expression(other).inspect(|()| self.shape.calls = self.shape.calls.saturating_sub(1)),
        }
    }

    fn holt_winters(&mut self, call: &Call) -> Checked {
        let name = &call.name;
        count(call, 3, 3)?;
        self.shape.only_selectors = false;
        match call.arguments.get(1) {
            Some(Expression::Integer(size)) if *size <= 0 => {
                return refuse(format!("second arg to {name} must be greater than 0, got {size}"));
            }
            Some(Expression::Integer(_)) => {}
            _ => return refuse(format!("expected integer argument as second arg in {name}")),
        }
        match call.arguments.get(2) {
            Some(Expression::Integer(season)) if *season < 0 => {
                return refuse(format!("third arg to {name} cannot be negative, got {season}"));
            }
            Some(Expression::Integer(_)) => {}
            _ => return refuse(format!("expected integer argument as third arg in {name}")),
        }
        let Some(inner @ Expression::Call(_)) = call.arguments.first() else {
            return refuse(format!("must use aggregate function with {name}"));
        };
        if self.shape.interval.is_none() {
            return refuse(format!("{name} aggregate requires a GROUP BY interval"));
        }
        self.nested(inner)
    }
}

/// The second argument, if there is one, is a duration of some length.
fn positive_duration(call: &Call) -> Checked {
    match call.arguments.get(1) {
        Some(Expression::Duration(unit)) if unit.0 <= 0 => {
            refuse(format!("duration argument must be positive, got {unit}"))
        }
        None | Some(Expression::Duration(_)) => Ok(()),
        Some(other) => refuse(format!("second argument to {} must be a duration, got {}", call.name, go_type(other))),
    }
}

/// The arguments of an indicator behind the first: its period, what is held back, and how it begins.
fn indicator(call: &Call) -> Checked {
    let name = call.name.as_str();
    let is_oscillator = name == "chande_momentum_oscillator";
    count(call, 2, if name.starts_with("kaufmans") { 3 } else { 4 })?;
    let warmup = match call.arguments.get(3) {
        None => None,
        Some(Expression::String(text)) => Some(text.as_str()),
        Some(_) => return refuse(format!("{name} warmup type must be a string")),
    };
    let is_smooth = matches!(warmup, Some("exponential" | "simple"));
    match call.arguments.get(1) {
        Some(Expression::Integer(period)) if *period < 1 => {
            return refuse(format!("{name} period must be greater than or equal to 1"));
        }
        // It looks at changes, and in a period of one value there is none.
        Some(Expression::Integer(1)) if is_oscillator && !is_smooth => {
            return refuse(format!("{name} period must be greater than or equal to 2 without a warmup type"));
        }
        Some(Expression::Integer(_)) => {}
        _ => return refuse(format!("{name} period must be an integer")),
    }
    let least = i64::from(name == "triple_exponential_derivative");
    match call.arguments.get(2) {
        Some(Expression::Integer(hold)) if *hold < least && *hold != -1 => {
            return refuse(format!("{name} hold period must be greater than or equal to {least}"));
        }
        None | Some(Expression::Integer(_)) => {}
        Some(_) => return refuse(format!("{name} hold period must be an integer")),
    }
    match warmup {
        None => Ok(()),
        Some("none") if is_oscillator => Ok(()),
        Some(_) if is_smooth => Ok(()),
        Some(_) if is_oscillator => refuse(format!("{name} warmup type must be one of: 'none' 'exponential' 'simple'")),
        Some(_) => refuse(format!("{name} warmup type must be one of: 'exponential' 'simple'")),
    }
}
