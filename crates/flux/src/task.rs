//! The options of a task: what `option task = {…}` in a script says of its name and of when it runs. Only literals
//! count, so that nothing has to be run to know them.

use crate::ast::{
    Assignment, DurationLiteral, DurationUnit, Expression, File, ObjectExpression, Operator, Property, Statement,
};
use crate::{Limits, format, parse};

/// Why the options of a task are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The script is none.
    #[error("{0}")]
    Script(String),
    /// There is no `option task`.
    #[error("no task options defined")]
    None,
    /// The option is there twice, or no record.
    #[error("option task must be one record: option task = {{name: \"…\", every: 1h}}")]
    Form,
    /// A task needs a name.
    #[error("missing required option: name")]
    Name,
    /// A task needs a schedule.
    #[error("missing required option: cron or every")]
    Schedule,
    /// A task has one schedule.
    #[error("cannot use both cron and every in task options")]
    TwoSchedules,
    /// InfluxDB knows no such option.
    #[error("unknown task option {0:?}: there are name, every, cron, offset, concurrency and retry")]
    Unknown(String),
    /// The value of an option is of another type, or is computed.
    #[error("option {0:?} must be {1}, written out")]
    Value(&'static str, &'static str),
    /// The changed script cannot be written.
    #[error("{0}")]
    Format(String),
}

/// A length of time as it stands in a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// As it is written.
    pub text: String,
    /// Months, of years and months.
    pub months: i64,
    /// Nanoseconds, of all other units.
    pub nanoseconds: i64,
}

/// The options of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskOptions {
    /// Its name.
    pub name: String,
    /// How often it runs; none where `cron` says it.
    pub every: Option<Span>,
    /// When it runs.
    pub cron: Option<String>,
    /// How much later than that.
    pub offset: Option<Span>,
    /// Runs at the same time.
    pub concurrency: Option<i64>,
}

/// What to change of a task's options; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskChanges {
    /// Another name.
    pub name: Option<String>,
    /// A duration, in place of any other schedule.
    pub every: Option<String>,
    /// A cron expression, in place of any other schedule.
    pub cron: Option<String>,
    /// A duration.
    pub offset: Option<String>,
}

fn parsed(source: &str) -> Result<File, TaskError> {
    parse(source, &Limits::default()).into_result().map_err(|errors| TaskError::Script(errors.to_string()))
}

/// The record behind `option task`.
fn record(file: &mut File) -> Result<&mut ObjectExpression, TaskError> {
    let options = file.body.iter_mut().filter_map(|statement| match statement {
        Statement::Option(option) => match &mut option.assignment {
            Assignment::Variable(variable) if variable.id.name == "task" => Some(&mut variable.init),
            _ => None,
        },
        _ => None,
    });
    let mut options: Vec<&mut Expression> = options.collect();
    match (options.pop(), options.is_empty()) {
        (None, _) => Err(TaskError::None),
        (Some(Expression::Object(record)), true) if record.with.is_none() => Ok(record),
        _ => Err(TaskError::Form),
    }
}

fn unit(unit: DurationUnit) -> (&'static str, i64, i64) {
    const SECOND: i64 = 1_000_000_000;
    match unit {
        DurationUnit::Year => ("y", 12, 0),
        DurationUnit::Month => ("mo", 1, 0),
        DurationUnit::Week => ("w", 0, 7 * 86_400 * SECOND),
        DurationUnit::Day => ("d", 0, 86_400 * SECOND),
        DurationUnit::Hour => ("h", 0, 3_600 * SECOND),
        DurationUnit::Minute => ("m", 0, 60 * SECOND),
        DurationUnit::Second => ("s", 0, SECOND),
        DurationUnit::Millisecond => ("ms", 0, 1_000_000),
        DurationUnit::Microsecond => ("us", 0, 1_000),
        DurationUnit::Nanosecond => ("ns", 0, 1),
    }
}

/// The length of a literal; none if it is too long to count.
fn span(literal: &DurationLiteral, sign: i64) -> Option<Span> {
    let mut span = Span { text: if sign < 0 { "-".to_owned() } else { String::new() }, ..Span::default() };
    for part in &literal.values {
        let (word, months, nanoseconds) = unit(part.unit);
        let magnitude = part.magnitude.checked_mul(sign)?;
        span.months = span.months.checked_add(magnitude.checked_mul(months)?)?;
        span.nanoseconds = span.nanoseconds.checked_add(magnitude.checked_mul(nanoseconds)?)?;
        span.text.push_str(&format!("{}{word}", part.magnitude));
    }
    Some(span)
}

fn duration(name: &'static str, value: Option<&Expression>) -> Result<Span, TaskError> {
    let found = match value {
        Some(Expression::Duration(literal)) => span(literal, 1),
        Some(Expression::Unary(unary)) if unary.operator == Operator::Subtraction => match &unary.argument {
            Expression::Duration(literal) => span(literal, -1),
            _ => None,
        },
        _ => None,
    };
    found.ok_or(TaskError::Value(name, "a duration"))
}

fn text(name: &'static str, value: Option<&Expression>) -> Result<String, TaskError> {
    match value {
        Some(Expression::String(literal)) => Ok(literal.value.clone()),
        _ => Err(TaskError::Value(name, "a string")),
    }
}

fn number(name: &'static str, value: Option<&Expression>) -> Result<i64, TaskError> {
    match value {
        Some(Expression::Integer(literal)) if (1..=100).contains(&literal.value) => Ok(literal.value),
        _ => Err(TaskError::Value(name, "an integer of 1 to 100")),
    }
}

/// The options that a script gives to the task that it is.
///
/// # Errors
/// What is wrong with the script or with its options.
pub fn task_options(source: &str) -> Result<TaskOptions, TaskError> {
    let mut file = parsed(source)?;
    let mut options = TaskOptions::default();
    for property in &record(&mut file)?.properties {
        let value = property.value.as_ref();
        match property.key.name() {
            "name" => options.name = text("name", value)?,
            "every" => options.every = Some(duration("every", value)?),
            "cron" => options.cron = Some(text("cron", value)?),
            "offset" => options.offset = Some(duration("offset", value)?),
            "concurrency" => options.concurrency = Some(number("concurrency", value)?),
            // InfluxDB takes it and does nothing with it.
            "retry" => drop(number("retry", value)?),
            other => return Err(TaskError::Unknown(other.to_owned())),
        }
    }
    if options.name.trim().is_empty() {
        return Err(TaskError::Name);
    }
    match (&options.every, &options.cron) {
        (None, None) => Err(TaskError::Schedule),
        (Some(_), Some(_)) => Err(TaskError::TwoSchedules),
        _ => Ok(options),
    }
}

/// A property as a script has it.
fn property(key: &str, value: &str) -> Result<Property, TaskError> {
    let mut file = parsed(&format!("option task = {{{key}: {value}}}"))?;
    if file.body.len() != 1 {
        return Err(TaskError::Form);
    }
    let mut properties = std::mem::take(&mut record(&mut file)?.properties);
    match (properties.pop(), properties.is_empty()) {
        (Some(property), true) => Ok(property),
        _ => Err(TaskError::Form),
    }
}

/// Puts a property in the place of the first of these keys, or at the end.
fn put(record: &mut ObjectExpression, keys: &[&str], new: Property) {
    let place = record.properties.iter().position(|property| keys.contains(&property.key.name()));
    let old = |property: &Property| keys.contains(&property.key.name());
    record.properties.retain(|property| !old(property));
    let place = place.unwrap_or(record.properties.len()).min(record.properties.len());
    record.properties.insert(place, new);
}

/// The script with other options, formatted.
///
/// # Errors
/// What is wrong with the script, or with its options before or after.
pub fn with_task_options(source: &str, changes: &TaskChanges) -> Result<String, TaskError> {
    let mut file = parsed(source)?;
    let record = record(&mut file)?;
    let mut quoted = |key: &'static str, keys: &[&str], value: &Option<String>| -> Result<(), TaskError> {
        let Some(value) = value else { return Ok(()) };
        let mut new = property(key, "\"\"")?;
        if let Some(Expression::String(literal)) = &mut new.value {
            literal.value.clone_from(value);
        }
        put(record, keys, new);
        Ok(())
    };
    quoted("name", &["name"], &changes.name)?;
    quoted("cron", &["every", "cron"], &changes.cron)?;
    for (key, keys, value) in
        [("every", &["every", "cron"][..], &changes.every), ("offset", &["offset"], &changes.offset)]
    {
        if let Some(value) = value {
            let new = property(key, value)?;
            duration(key, new.value.as_ref())?;
            put(record, keys, new);
        }
    }
    let text = format(&file).map_err(|error| TaskError::Format(error.to_string()))?;
    task_options(&text)?;
    Ok(text)
}

/// The script without its options, formatted: for whoever keeps them apart.
///
/// # Errors
/// What is wrong with the script.
pub fn without_task_options(source: &str) -> Result<String, TaskError> {
    let mut file = parsed(source)?;
    let is_option = |statement: &Statement| match statement {
        Statement::Option(option) => {
            matches!(&option.assignment, Assignment::Variable(variable) if variable.id.name == "task")
        }
        _ => false,
    };
    file.body.retain(|statement| !is_option(statement));
    format(&file).map_err(|error| TaskError::Format(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    #[test]
    fn options_are_read() {
        let options =
            task_options("option task = {name: \"gt\", every: 1h30m, offset: -5m, concurrency: 2}\n1").unwrap();
        assert_eq!(options.name, "gt");
        assert_eq!(options.every, Some(Span { text: "1h30m".to_owned(), months: 0, nanoseconds: 90 * MINUTE }));
        assert_eq!(options.offset, Some(Span { text: "-5m".to_owned(), months: 0, nanoseconds: -5 * MINUTE }));
        assert_eq!((options.cron, options.concurrency), (None, Some(2)));
        let options = task_options("option task = {name: \"c\", cron: \"0 * * * *\"}").unwrap();
        assert_eq!(options.cron.as_deref(), Some("0 * * * *"));
        assert_eq!(task_options("option task = {name: \"c\", every: 1y1mo}").unwrap().every.unwrap().months, 13);
    }

    #[test]
    fn what_is_no_option_is_told() {
        for (source, expected) in [
            ("from(bucket: \"a\")", "no task options defined"),
            ("option task = {name: \"x\"}\n1", "missing required option: cron or every"),
            ("option task = {every: 1h}", "missing required option: name"),
            (
                "option task = {name: \"x\", every: 1h, cron: \"@daily\"}",
                "cannot use both cron and every in task options",
            ),
            ("option task = {name: \"x\", every: 1h + 1h}", "option \"every\" must be a duration, written out"),
            ("option task = {name: x, every: 1h}", "option \"name\" must be a string, written out"),
            (
                "option task = {name: \"x\", every: 1h, concurrency: 0}",
                "option \"concurrency\" must be an integer of 1 to 100, written out",
            ),
            (
                "option task = {name: \"x\", every: 1h, often: true}",
                "unknown task option \"often\": there are name, every, cron, offset, concurrency and retry",
            ),
            ("option task = 5", "option task must be one record: option task = {name: \"…\", every: 1h}"),
        ] {
            assert_eq!(task_options(source).unwrap_err().to_string(), expected, "{source}");
        }
        assert!(matches!(task_options("option task = {"), Err(TaskError::Script(_))));
    }

    #[test]
    fn options_are_left_out() {
        let source =
            "import \"array\"\n\noption task = {name: \"a\", every: 1h}\n\nx = 1\n\narray.from(rows: [{a: x}])";
        assert_eq!(without_task_options(source).unwrap(), "import \"array\"\n\nx = 1\n\narray.from(rows: [{a: x}])");
        assert!(without_task_options("x = ").is_err());
    }

    #[test]
    fn options_are_changed_in_their_places() {
        let source = "option task = {name: \"gt\", every: 1h, offset: 5m}\nfrom(bucket: \"g\") |> range(start: -1h)";
        let changed = |changes: TaskChanges| with_task_options(source, &changes).unwrap();
        let first_line = |text: String| text.lines().next().unwrap().to_owned();
        let every = TaskChanges { every: Some("30m".to_owned()), ..TaskChanges::default() };
        let text = changed(every);
        assert!(text.contains("from(bucket: \"g\") |> range(start: -1h)"), "{text}");
        assert_eq!(first_line(text), "option task = {name: \"gt\", every: 30m, offset: 5m}");
        let cron = TaskChanges { cron: Some("0 * * * *".to_owned()), ..TaskChanges::default() };
        assert_eq!(first_line(changed(cron)), "option task = {name: \"gt\", cron: \"0 * * * *\", offset: 5m}");
        let name = TaskChanges { name: Some("a \"b\"".to_owned()), ..TaskChanges::default() };
        assert_eq!(first_line(changed(name)), "option task = {name: \"a \\\"b\\\"\", every: 1h, offset: 5m}");
        for wrong in ["", "x", "5", "1h} x = {a: 1h", "1h, cron: \"@daily\""] {
            let every = TaskChanges { every: Some(wrong.to_owned()), ..TaskChanges::default() };
            assert!(with_task_options(source, &every).is_err(), "{wrong}");
        }
    }
}
