//! Checks: the user's query with its window put in place of what it had, and a level for each of its rows.

use serde_json::{Map, Value, json};

use super::{
    Level, MonitoringError, Result, assignment, duration, expression, formatted, parsed, quoted, task_option, template,
};
use crate::ast::{Expression, ExpressionStatement, File, Statement};
use crate::json::{read_file, write_file};
use crate::{format, task};

/// A check.
#[derive(Debug, Clone, Copy)]
pub struct CheckScript<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it looks at.
    pub kind: &'a CheckKind,
    /// The query for it.
    pub query: &'a str,
    /// How often it looks.
    pub every: &'a str,
    /// How much later.
    pub offset: Option<&'a str>,
    /// What its statuses are tagged with.
    pub tags: &'a [(String, String)],
    /// What is said of a status.
    pub message: &'a str,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// Whether a field is beyond a bound.
    Threshold(Vec<Threshold>),
    /// Whether there are points at all.
    Deadman {
        /// How old the last one may be.
        time_since: String,
        /// Series that have no points for so long are not looked at.
        stale_time: String,
        /// What it is if there is none.
        level: Level,
    },
}

/// A bound and what is beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What a value is that is so.
    pub level: Level,
    /// How it is.
    pub bound: Bound,
}

/// Which values are meant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Those above.
    Greater(f64),
    /// Those below.
    Lesser(f64),
    /// Those between two.
    Inside(f64, f64),
    /// Those below the first and above the second.
    Outside(f64, f64),
}

impl CheckScript<'_> {
    /// Its script.
    ///
    /// # Errors
    /// What is wrong with the query, a duration, or the message.
    pub fn write(&self) -> Result<String> {
        let (window, imports): (&str, &[&str]) = match self.kind {
            CheckKind::Threshold(_) => (self.every, &["influxdata/influxdb/monitor", "influxdata/influxdb/v1"]),
            CheckKind::Deadman { stale_time, .. } => {
                (stale_time, &["influxdata/influxdb/monitor", "experimental", "influxdata/influxdb/v1"])
            }
        };
        let query = Query::read(self.query, window, matches!(self.kind, CheckKind::Deadman { .. }))?;
        let mut script = query.data(imports)?;
        script.push_str(&task_option(self.name, self.every, self.offset)?);
        let tag = |(key, value): &(String, String)| format!("{}: {}", quoted(key), quoted(value));
        let tags: Vec<String> = self.tags.iter().map(tag).collect();
        let (kind, functions, arguments, before) = match self.kind {
            CheckKind::Threshold(thresholds) => {
                let field = query.field()?;
                let (functions, arguments) = levels(thresholds, &field);
                ("threshold", functions, arguments, String::new())
            }
            CheckKind::Deadman { time_since, level, .. } => {
                let since = duration("timeSince", time_since)?;
                let before =
                    format!("|> monitor[\"deadman\"](t: experimental[\"subDuration\"](from: now(), d: {since}))");
                let level = level.word();
                ("deadman", format!("{level} = (r) => r[\"dead\"]\n"), format!(", {level}: {level}"), before)
            }
        };
        script.push_str(&format!(
            "check = {{_check_id: {}, _check_name: {}, _type: \"{kind}\", tags: {{{}}}}}\n{functions}\
             messageFn = (r) => {}\ndata |> v1[\"fieldsAsCols\"]() {before} \
             |> monitor[\"check\"](data: check, messageFn: messageFn{arguments})",
            quoted(self.id),
            quoted(self.name),
            tags.join(", "),
            template(self.message)?,
        ));
        formatted(&script)
    }
}

/// A number as Flux writes it.
fn float(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// The functions of the thresholds, and how they are given; of two for one level the first counts.
fn levels(thresholds: &[Threshold], field: &str) -> (String, String) {
    let (mut functions, mut arguments, mut known) = (String::new(), String::new(), Vec::new());
    let value = format!("r[{}]", quoted(field));
    for Threshold { level, bound } in thresholds {
        if known.contains(level) {
            continue;
        }
        known.push(*level);
        let level = level.word();
        let test = match bound {
            Bound::Greater(bound) => format!("{value} > {}", float(*bound)),
            Bound::Lesser(bound) => format!("{value} < {}", float(*bound)),
            Bound::Inside(min, max) => format!("{value} < {} and {value} > {}", float(*max), float(*min)),
            Bound::Outside(min, max) => format!("{value} < {} or {value} > {}", float(*min), float(*max)),
        };
        functions.push_str(&format!("{level} = (r) => {test}\n"));
        arguments.push_str(&format!(", {level}: {level}"));
    }
    (functions, arguments)
}

/// A query of a user, with its times as the check has them.
struct Query {
    file: File,
    fields: Vec<String>,
}

impl Query {
    /// Reads it: every `start` and `every` becomes the window, `range` has no end, and windows without points stay
    /// away.
    fn read(query: &str, window: &str, without_windows: bool) -> Result<Self> {
        duration("every", window)?;
        let written = |file: &File| -> Result<Value> {
            serde_json::from_str(&write_file(file)).map_err(|error| MonitoringError::Query(error.to_string()))
        };
        let window = parsed(&format!("x = {window}")).and_then(|file| written(&file))?;
        let window = window.pointer("/body/0/init").cloned().unwrap_or_default();
        let mut tree = written(&parsed(query)?)?;
        let mut fields = Vec::new();
        let mut waiting = vec![&mut tree];
        while let Some(node) = waiting.pop() {
            match node {
                Value::Object(node) => {
                    change(node, &window, without_windows);
                    fields.extend(field_of(node).map(str::to_owned));
                    waiting.extend(node.values_mut());
                }
                Value::Array(nodes) => waiting.extend(nodes),
                _ => {}
            }
        }
        fields.sort();
        fields.dedup();
        let file = read_file(&tree).map_err(|error| MonitoringError::Query(error.to_string()))?;
        Ok(Self { file, fields })
    }

    /// The one field that it reads.
    fn field(&self) -> Result<String> {
        match self.fields.as_slice() {
            [field] => Ok(field.clone()),
            fields => Err(MonitoringError::Fields(fields.join(" "))),
        }
    }

    /// The start of the script: its imports and these, and its last expression as `data`.
    fn data(&self, imports: &[&str]) -> Result<String> {
        let mut file = self.file.clone();
        let last = file.body.pop();
        let Some(Statement::Expression(statement)) = last else { return Err(MonitoringError::Form) };
        let mut pipe = &statement.expression;
        if let Expression::PipeForward(last) = pipe
            && matches!(&last.call.callee, Expression::Identifier(name) if name.name == "yield")
        {
            pipe = &last.argument;
        }
        if !matches!(pipe, Expression::PipeForward(_) | Expression::Call(_) | Expression::Identifier(_)) {
            return Err(MonitoringError::Form);
        }
        let text = |file: &File| format(file).map_err(|error| MonitoringError::Query(error.to_string()));
        let data = ExpressionStatement { expression: pipe.clone(), ..ExpressionStatement::default() };
        let data = File { body: vec![Statement::Expression(Box::new(data))], ..File::default() };
        let known =
            |path: &&&str| !file.imports.iter().any(|import| import.alias.is_none() && import.path.value == ***path);
        let imports: String = imports.iter().filter(known).map(|path| format!("import \"{path}\"\n")).collect();
        let mut head = file.clone();
        head.body.clear();
        let body = File { body: file.body, ..File::default() };
        Ok(format!("{}\n{imports}{}\ndata = {}\n", text(&head)?, text(&body)?, text(&data)?))
    }
}

fn is_type(node: &Map<String, Value>, kind: &str) -> bool {
    node.get("type").and_then(Value::as_str) == Some(kind)
}

/// The name of a property, be it an identifier or a text.
fn key_of(node: &Map<String, Value>) -> Option<&str> {
    let key = node.get("key").or_else(|| node.get("property"))?;
    key.get("name").or_else(|| key.get("value"))?.as_str()
}

/// The function that a call calls by its name.
fn callee(call: &Value) -> Option<&str> {
    call.get("callee")?.get("name")?.as_str()
}

/// The times of the check in a node's own place.
fn change(node: &mut Map<String, Value>, window: &Value, without_windows: bool) {
    if without_windows {
        while is_type(node, "PipeExpression")
            && node.get("call").and_then(callee) == Some("aggregateWindow")
            && node.get("argument").is_some_and(|argument| argument.get("type") == Some(&json!("PipeExpression")))
        {
            if let Some(Value::Object(argument)) = node.get_mut("argument").map(Value::take) {
                *node = argument;
            }
        }
    }
    if is_type(node, "Property") {
        match key_of(node) {
            Some("start") => {
                let negative = json!({ "type": "UnaryExpression", "operator": "-", "argument": window });
                node.insert("value".to_owned(), negative);
            }
            Some("every") => drop(node.insert("value".to_owned(), window.clone())),
            _ => {}
        }
    }
    if is_type(node, "CallExpression") {
        let name = node.get("callee").and_then(|callee| callee.get("name")).and_then(Value::as_str).map(str::to_owned);
        let arguments = node.get_mut("arguments").and_then(Value::as_array_mut).into_iter().flatten();
        let is_key = |property: &Value, wanted: &str| property.as_object().and_then(key_of) == Some(wanted);
        for properties in arguments.filter_map(|argument| argument.get_mut("properties")?.as_array_mut()) {
            match name.as_deref() {
                Some("range") => properties.retain(|property| is_key(property, "start")),
                Some("aggregateWindow") if !properties.iter().any(|known| is_key(known, "createEmpty")) => {
                    properties.push(json!({
                        "type": "Property",
                        "key": { "type": "Identifier", "name": "createEmpty" },
                        "value": { "type": "Identifier", "name": "false" },
                    }));
                }
                _ => {}
            }
        }
    }
}

/// The field of a comparison `r._field == "…"`.
fn field_of(node: &Map<String, Value>) -> Option<&str> {
    if !is_type(node, "BinaryExpression") {
        return None;
    }
    let (left, right) = (node.get("left")?, node.get("right")?);
    let is_field = left.get("type")? == "MemberExpression" && left.as_object().and_then(key_of) == Some("_field");
    (is_field && right.get("type")? == "StringLiteral").then(|| right.get("value")?.as_str())?
}

/// The script of a custom check, which the user wrote whole, with the id of the check.
///
/// # Errors
/// It cannot be read, or lacks what a check says of itself.
pub fn custom_check_script(id: &str, name: &str, query: &str) -> Result<String> {
    let mut file = parsed(query)?;
    let options = task::task_options(query).map_err(|error| MonitoringError::Query(error.to_string()))?;
    if options.name != name {
        return Err(MonitoringError::Custom("Name parameter from task option statement must match check name"));
    }
    let missing = MonitoringError::Custom("Custom flux must have an object called 'check'");
    let is_check = |statement: &Statement| matches!(assignment(statement), Some(("check", Expression::Object(_))));
    let place = file.body.iter().position(is_check).ok_or(missing)?;
    let Some(Statement::Variable(check)) = file.body.get_mut(place) else {
        return Err(MonitoringError::Custom("Custom flux must have an object called 'check'"));
    };
    let Expression::Object(object) = &mut check.init else { return Err(MonitoringError::Form) };
    let says = |key: &str, wanted: &str| {
        let mut own = object.properties.iter().filter(|property| property.key.name() == key);
        own.any(|property| matches!(&property.value, Some(Expression::String(text)) if text.value == wanted))
    };
    if !says("_check_name", name) {
        return Err(MonitoringError::Custom("_check_name parameter on check object must match check name"));
    }
    if !says("_type", "custom") {
        return Err(MonitoringError::Custom("_type parameter on check object must be set to 'custom'"));
    }
    let Some(Expression::Object(mut own)) = expression(&format!("{{_check_id: {}}}", quoted(id))) else {
        return Err(MonitoringError::Form);
    };
    object.properties.retain(|property| property.key.name() != "_check_id");
    own.properties.append(&mut object.properties);
    object.properties = own.properties;
    format(&file).map_err(|error| MonitoringError::Query(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const QUERY: &str = "from(bucket: \"b\") |> range(start: v.timeRangeStart, stop: now()) |> filter(fn: (r) => \
                         r[\"_field\"] == \"usage\") |> aggregateWindow(every: v.windowPeriod, fn: mean) |> \
                         yield(name: \"x\")";

    fn script(kind: &CheckKind, query: &str) -> Result<String> {
        let tags = [("a key".to_owned(), "v\"1".to_owned())];
        let check = CheckScript {
            id: "000000000000000a",
            name: "cpu \"high\"",
            kind,
            query,
            every: "1m",
            offset: Some("5s"),
            tags: &tags,
            message: "it is ${ r._level }",
        };
        check.write()
    }

    #[test]
    fn a_threshold() {
        let kind = CheckKind::Threshold(vec![
            Threshold { level: Level::Crit, bound: Bound::Greater(90.0) },
            Threshold { level: Level::Warn, bound: Bound::Outside(-1.5, 80.0) },
            Threshold { level: Level::Info, bound: Bound::Inside(0.0, 1e3) },
            Threshold { level: Level::Ok, bound: Bound::Lesser(10.0) },
        ]);
        assert_eq!(script(&kind, QUERY).unwrap(), include_str!("threshold.flux").trim_end());
        let fields = script(&kind, "from(bucket: \"b\") |> range(start: -1h)");
        assert_eq!(fields.unwrap_err().to_string(), "expected a single field but got: []");
        let two = QUERY.replace("== \"usage\"", "== \"usage\" or r._field == \"idle\"");
        assert_eq!(script(&kind, &two).unwrap_err().to_string(), "expected a single field but got: [idle usage]");
        assert!(matches!(script(&kind, "from(bucket: "), Err(MonitoringError::Query(_))));
        assert_eq!(script(&kind, "x = 1"), Err(MonitoringError::Form));
        assert_eq!(script(&kind, ""), Err(MonitoringError::Form));
    }

    #[test]
    fn a_deadman() {
        let (time_since, stale_time) = ("90s".to_owned(), "10m".to_owned());
        let kind = CheckKind::Deadman { time_since, stale_time, level: Level::Crit };
        assert_eq!(script(&kind, QUERY).unwrap(), include_str!("deadman.flux").trim_end());
    }

    #[test]
    fn a_custom_check_says_what_it_is() {
        let query = "import \"influxdata/influxdb/monitor\"\noption task = {name: \"c\", every: 1m, offset: 0s}\n\
                     check = {_check_id: \"x\", _check_name: \"c\", _type: \"custom\", tags: {}}\ndata = 1";
        let script = custom_check_script("000000000000000a", "c", query).unwrap();
        assert!(script.contains("_check_id: \"000000000000000a\"") && !script.contains("\"x\""), "{script}");
        for (wrong, message) in [
            (query.replace("name: \"c\", every", "name: \"d\", every"), "Name parameter from task"),
            (query.replace("_check_name: \"c\"", "_check_name: \"d\""), "_check_name parameter"),
            (query.replace("\"custom\"", "\"threshold\""), "_type parameter"),
            (query.replace("check = ", "chick = "), "Custom flux must have"),
        ] {
            assert!(custom_check_script("a", "c", &wrong).unwrap_err().to_string().starts_with(message), "{wrong}");
        }
    }
}
