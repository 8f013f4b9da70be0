//! Which kinds of cases the texts hold for which function: that of the first tiers has to have one with nulls, one with
//! an empty table, one with several tables of a group key, and one that fails. `tests/golden/flux_functions.txt` lists
//! the functions, and which kinds one cannot have, with the reason.
//!
//! Nothing of this is said by the cases themselves. What a call of a case gets is run alone, and its tables are looked
//! at; what fails is taken from the message, which names the function or has its place.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use flux::ast::{Assignment, CallExpression, Expression, File, PropertyKey, Statement};
use flux::{Location, Position};

use super::{Case, Host, answer, engine, tables};

/// What a case can show of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It gets a null.
    Nulls,
    /// It gets a table without rows.
    Empty,
    /// It gets several tables with a group key, and gives an answer.
    Keys,
    /// It fails.
    Errors,
}

const KINDS: [(&str, Kind); 4] =
    [("nulls", Kind::Nulls), ("empty", Kind::Empty), ("keys", Kind::Keys), ("errors", Kind::Errors)];

/// The import path of a package and the name of a function of it.
type Function = (String, String);

/// A call of a script.
struct Called<'a> {
    function: Function,
    location: Location,
    /// What it gets, as far as it can be run alone; nothing for a call inside of a function.
    inputs: Vec<&'a Expression>,
}

/// Finds the calls of a script.
struct Calls<'a> {
    /// The packages by the names that the script has for them.
    packages: HashMap<String, String>,
    /// What the script itself defines.
    defined: BTreeSet<String>,
    found: Vec<Called<'a>>,
}

impl<'a> Calls<'a> {
    fn of(file: &'a File, from_line: u32) -> Self {
        let packages = file.imports.iter().map(|import| {
            let path = &import.path.value;
            let name = import.alias.as_ref().map(|alias| alias.name.clone());
            let name = name.unwrap_or_else(|| path.rsplit('/').next().unwrap().to_owned());
            (name, path.clone())
        });
        let defined = file.body.iter().filter_map(|statement| match statement {
            Statement::Variable(assignment) => Some(assignment.id.name.clone()),
            _ => None,
        });
        let mut calls = Self { packages: packages.collect(), defined: defined.collect(), found: Vec::new() };
        for statement in file.body.iter().filter(|statement| statement.meta().location.start.line >= from_line) {
            match statement {
                Statement::Expression(node) => calls.expression(&node.expression, true),
                Statement::Variable(node) => calls.expression(&node.init, true),
                Statement::Option(node) => match &node.assignment {
                    Assignment::Variable(node) => calls.expression(&node.init, true),
                    Assignment::Member(node) => calls.expression(&node.init, true),
                },
                _ => {}
            }
        }
        calls
    }

    fn expression(&mut self, expression: &'a Expression, is_outside: bool) {
        match expression {
            Expression::PipeForward(node) => {
                self.expression(&node.argument, is_outside);
                self.call(&node.call, Some(&node.argument), is_outside);
            }
            Expression::Call(node) => self.call(node, None, is_outside),
            Expression::Function(node) => match &node.body {
                flux::ast::FunctionBody::Expression(body) => self.expression(body, false),
                flux::ast::FunctionBody::Block(block) => {
                    for statement in &block.body {
                        match statement {
                            Statement::Expression(node) => self.expression(&node.expression, false),
                            Statement::Variable(node) => self.expression(&node.init, false),
                            Statement::Return(node) => self.expression(&node.argument, false),
                            _ => {}
                        }
                    }
                }
            },
            other => children(other).into_iter().for_each(|child| self.expression(child, is_outside)),
        }
    }

    fn call(&mut self, call: &'a CallExpression, pipe: Option<&'a Expression>, is_outside: bool) {
        let arguments: Vec<&Expression> = call.arguments.iter().flat_map(children).collect();
        arguments.iter().for_each(|argument| self.expression(argument, is_outside));
        let function = match &call.callee {
            Expression::Identifier(name) if !self.defined.contains(&name.name) => {
                ("universe".to_owned(), name.name.clone())
            }
            Expression::Member(member) => match (&member.object, &member.property) {
                (Expression::Identifier(package), property) if self.packages.contains_key(&package.name) => {
                    let name = match property {
                        PropertyKey::Identifier(name) => name.name.clone(),
                        PropertyKey::String(text) => text.value.clone(),
                    };
                    (self.packages[&package.name].clone(), name)
                }
                _ => return,
            },
            other => return self.expression(other, is_outside),
        };
        let mut inputs = Vec::new();
        if is_outside {
            pipe.into_iter().chain(arguments).for_each(|input| parts(input, &mut inputs));
        }
        self.found.push(Called { function, location: call.meta.location, inputs });
    }
}

/// The expressions right below one that is neither a call nor a function.
fn children(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::Paren(node) => vec![&node.expression],
        Expression::Array(node) => node.elements.iter().map(|item| &item.expression).collect(),
        Expression::Dict(node) => node.elements.iter().flat_map(|item| [&item.key, &item.value]).collect(),
        Expression::Object(node) => node.properties.iter().filter_map(|property| property.value.as_ref()).collect(),
        Expression::Member(node) => vec![&node.object],
        Expression::Index(node) => vec![&node.array, &node.index],
        Expression::Unary(node) => vec![&node.argument],
        Expression::Binary(node) => vec![&node.left, &node.right],
        Expression::Logical(node) => vec![&node.left, &node.right],
        Expression::Conditional(node) => vec![&node.test, &node.consequent, &node.alternate],
        _ => Vec::new(),
    }
}

/// What a call gets: the items of lists and the properties of records too.
fn parts<'a>(expression: &'a Expression, found: &mut Vec<&'a Expression>) {
    match expression {
        Expression::Array(_) | Expression::Object(_) | Expression::Dict(_) | Expression::Paren(_) => {
            children(expression).into_iter().for_each(|child| parts(child, found));
        }
        Expression::Function(_)
        | Expression::Integer(_)
        | Expression::Float(_)
        | Expression::String(_)
        | Expression::Duration(_)
        | Expression::DateTime(_)
        | Expression::Regexp(_) => {}
        other => found.push(other),
    }
}

/// The text of a part of a script.
fn text(script: &str, location: Location) -> &str {
    let offset = |position: Position| {
        let lines = script.split_inclusive('\n').take(position.line as usize - 1);
        lines.map(str::len).sum::<usize>() + position.column as usize - 1
    };
    &script[offset(location.start)..offset(location.end)]
}

/// Looks at cases.
struct Looker {
    host: Host,
    engine: query::QueryEngine,
    seen: HashMap<String, BTreeSet<Kind>>,
    found: BTreeMap<Function, BTreeSet<Kind>>,
}

impl Looker {
    async fn case(&mut self, case: &Case) {
        let answer = answer(&self.engine, &self.host, &case.script).await;
        let parsed = flux::parse(&case.script, &flux::Limits::default());
        let calls = Calls::of(&parsed.file, if case.is_value { 1 } else { case.first_line });
        if let Some(message) = answer.strip_prefix("error: ") {
            let failed = failed(message, &calls.found);
            failed.into_iter().for_each(|function| self.note(function, Kind::Errors));
        }
        let mut head = String::from("import shown_by \"array\"\n");
        let imports = parsed.file.imports.iter().map(|import| import.meta.location);
        let body = parsed.file.body.iter().filter(|statement| !matches!(statement, Statement::Expression(_)));
        for location in imports.chain(body.map(|statement| statement.meta().location)) {
            head.push_str(text(&case.script, location));
            head.push('\n');
        }
        let is_error = answer.starts_with("error: ");
        for called in calls.found {
            for input in called.inputs {
                let script = format!("{head}got_by_the_call = {}\n", text(&case.script, input.location()));
                for kind in self.kinds(&script).await {
                    if kind != Kind::Keys || !is_error {
                        self.note(called.function.clone(), kind);
                    }
                }
            }
        }
    }

    fn note(&mut self, function: Function, kind: Kind) {
        self.found.entry(function).or_default().insert(kind);
    }

    /// What the value of `got_by_the_call` is like.
    async fn kinds(&mut self, script: &str) -> BTreeSet<Kind> {
        if let Some(kinds) = self.seen.get(script) {
            return kinds.clone();
        }
        let mut kinds = BTreeSet::new();
        match tables(&self.engine, &self.host, &format!("{script}got_by_the_call")).await {
            Ok(tables) => {
                let has_null = |table: &query::flux::Table| {
                    let mut columns = table.columns().iter();
                    columns.any(|column| (0..table.rows()).any(|row| column.data.is_null(row)))
                };
                if tables.iter().any(has_null) {
                    kinds.insert(Kind::Nulls);
                }
                if tables.iter().any(|table| table.rows() == 0) {
                    kinds.insert(Kind::Empty);
                }
                if tables.len() > 1 && tables.iter().all(|table| !table.key().columns().is_empty()) {
                    kinds.insert(Kind::Keys);
                }
            }
            Err(_) => {
                // A value, or the one table that `tableFind` found.
                let column = "(got_by_the_call |> getColumn(column: \"_value\"))";
                let is_null = "(x) => not exists x";
                for (condition, kind) in [
                    ("not exists got_by_the_call".to_owned(), Kind::Nulls),
                    (format!("length(arr: {column}) == 0"), Kind::Empty),
                    (format!("length(arr: shown_by.filter(arr: {column}, fn: {is_null})) > 0"), Kind::Nulls),
                ] {
                    let shown = format!("{script}shown_by.from(rows: [{{v: {condition}}}])");
                    if answer(&self.engine, &self.host, &shown).await == "v:bool\ntrue" {
                        kinds.insert(kind);
                    }
                }
            }
        }
        self.seen.insert(script.to_owned(), kinds.clone());
        kinds
    }
}

/// The functions that a message is about: those that it names, or else the innermost call around its place.
fn failed(message: &str, calls: &[Called<'_>]) -> Vec<Function> {
    let is_named = |called: &&Called<'_>| {
        let name = &called.function.1;
        message.contains(&format!("\"{name}\" @{}", called.location))
            || message.contains(&format!("runtime error @{}: {name}:", called.location))
    };
    let named: Vec<Function> = calls.iter().filter(is_named).map(|called| called.function.clone()).collect();
    if !named.is_empty() {
        // The innermost of calls that stand in each other is the one that fails.
        return named.into_iter().take(1).collect();
    }
    let number = |text: &str| text.parse::<u32>().ok();
    let place = |text: &str| {
        let (line, column) = text.split_once(':')?;
        Some(Position { line: number(line)?, column: number(column)? })
    };
    let range = message.split('@').nth(1).and_then(|rest| {
        let end = rest.find(": ").unwrap_or(rest.len());
        let (start, end) = rest[..end].split_once('-')?;
        Some((place(start)?, place(end)?))
    });
    // A message without a place is about where tables come from.
    let Some((start, end)) = range else {
        return calls.first().map(|called| called.function.clone()).into_iter().collect();
    };
    let around = calls.iter().filter(|called| called.location.start <= start && end <= called.location.end);
    let innermost = around.max_by_key(|called| (called.location.start, std::cmp::Reverse(called.location.end)));
    innermost.map(|called| called.function.clone()).into_iter().collect()
}

/// What the list asks for.
#[derive(Default)]
struct Listed {
    functions: BTreeMap<Function, BTreeSet<Kind>>,
    packages: BTreeSet<String>,
}

/// Reads the list: `[package]` and below it lines of names, perhaps with ` -- `, kinds that cannot be, `: ` and why.
fn listed(text: &str) -> Listed {
    let mut listed = Listed::default();
    let mut package = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(path) = line.strip_prefix('[') {
            package = path.strip_suffix(']').unwrap().to_owned();
            listed.packages.insert(package.clone());
            continue;
        }
        let (names, exceptions) = line.split_once(" -- ").unwrap_or((line, ""));
        let mut wanted: BTreeSet<Kind> = KINDS.iter().map(|(_, kind)| *kind).collect();
        if let Some((kinds, reason)) = exceptions.split_once(": ") {
            assert!(!reason.is_empty(), "{line}: no reason");
            for kind in kinds.split(' ') {
                let (_, kind) = KINDS.iter().find(|(name, _)| *name == kind).unwrap_or_else(|| panic!("{line}"));
                wanted.remove(kind);
            }
        }
        for name in names.split(' ') {
            let known = listed.functions.insert((package.clone(), name.to_owned()), wanted.clone());
            assert!(known.is_none(), "{package}: {name} is listed twice");
        }
    }
    listed
}

/// The functions that a package's prelude declares.
fn declared(path: &str) -> Vec<String> {
    let prelude = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/flux/prelude/{path}.flux"));
    let source = std::fs::read_to_string(prelude).unwrap();
    let file = flux::parse(&source, &flux::Limits::default()).into_result().unwrap();
    let names = file.body.into_iter().filter_map(|statement| match statement {
        Statement::Builtin(node) => Some(node.id.name),
        Statement::Variable(node) if matches!(node.init, Expression::Function(_)) => Some(node.id.name),
        Statement::Option(node) => match node.assignment {
            Assignment::Variable(node) if matches!(node.init, Expression::Function(_)) => Some(node.id.name),
            _ => None,
        },
        _ => None,
    });
    names.filter(|name| !name.starts_with('_')).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_function_has_cases_of_every_kind() {
    let listed = listed(&super::golden("flux_functions.txt"));
    let mut problems: Vec<String> = Vec::new();
    for package in &listed.packages {
        let known = |name: &String| listed.functions.contains_key(&(package.clone(), name.clone()));
        let unlisted = declared(package).into_iter().filter(|name| !known(name));
        problems.extend(unlisted.map(|name| format!("{package}: {name} is not in the list")));
    }
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(folder.path()).await;
    let mut looker = Looker { engine: engine(&folder), host, seen: HashMap::new(), found: BTreeMap::new() };
    for name in super::TEXTS {
        for case in super::cases(&super::golden(&format!("flux/{name}.txt"))) {
            looker.case(&case).await;
        }
    }
    for (function, wanted) in &listed.functions {
        let found = looker.found.get(function).cloned().unwrap_or_default();
        for (name, kind) in KINDS.iter().filter(|(_, kind)| wanted.contains(kind) && !found.contains(kind)) {
            let (package, function) = function;
            problems.push(format!("{package}: {function} has no case with {name} ({kind:?})"));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
