//! Packages: their members and options, and where names are looked up. The packages of Flux are made from their
//! preludes when a script first imports them, anew for each script, because options may be set.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use super::builtins;
use super::error::{FluxError, Result};
use super::function::{Builtin, Function, Signature};
use super::interpret::Interpreter;
use super::ir::{Program, Statement};
use super::lower::lower;
use super::runtime::{Runtime, lock};
use super::value::{Text, Value};

/// The package whose names are everywhere.
pub(crate) const UNIVERSE: &str = "universe";

/// A package of a running script.
pub struct Package {
    /// Its import path; empty for the script itself.
    pub path: Text,
    /// Its name.
    pub name: Text,
    members: RwLock<HashMap<Text, Value>>,
    imports: RwLock<HashMap<Text, Arc<Package>>>,
    options: RwLock<HashSet<Text>>,
    universe: Option<Arc<Package>>,
}

impl fmt::Debug for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Package({})", self.path)
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Package {
    pub(crate) fn new(path: &str, name: Text, universe: Option<Arc<Package>>) -> Self {
        Self {
            path: Arc::from(path),
            name,
            members: RwLock::default(),
            imports: RwLock::default(),
            options: RwLock::default(),
            universe,
        }
    }

    /// Whether it is the user's script.
    pub(crate) fn is_script(&self) -> bool {
        self.path.is_empty()
    }

    /// A member as another package sees it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Value> {
        read(&self.members).get(name).cloned()
    }

    /// What a name means inside of it.
    pub(crate) fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.member(name) {
            return Some(value);
        }
        if let Some(package) = read(&self.imports).get(name) {
            return Some(Value::Package(Arc::clone(package)));
        }
        self.universe.as_ref().and_then(|universe| universe.member(name))
    }

    pub(crate) fn define(&self, name: Text, value: Value) {
        write(&self.members).insert(name, value);
    }

    /// Sets an option: one of its own, or else one that every script has.
    pub(crate) fn set_option(&self, name: Text, value: Value) {
        match &self.universe {
            Some(universe) if !read(&self.options).contains(&name) && read(&universe.options).contains(&name) => {
                universe.define(name, value);
            }
            _ => {
                write(&self.options).insert(Arc::clone(&name));
                self.define(name, value);
            }
        }
    }

    /// Whether it has such an option.
    pub(crate) fn has_option(&self, name: &str) -> bool {
        read(&self.options).contains(name)
    }

    pub(crate) fn import(&self, name: Text, package: Arc<Package>) {
        write(&self.imports).insert(name, package);
    }

    pub(crate) fn clear(&self) {
        write(&self.members).clear();
        write(&self.imports).clear();
    }
}

/// Names and their values inside a function.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bindings: Vec<(Text, Value)>,
    pub(crate) parent: Option<Arc<Frame>>,
}

/// Where a name is looked up.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) frame: Option<Arc<Frame>>,
    pub(crate) package: Arc<Package>,
}

impl Scope {
    pub(crate) fn new(package: Arc<Package>) -> Self {
        Self { frame: None, package }
    }

    /// An inner scope with these names.
    pub(crate) fn with(&self, bindings: Vec<(Text, Value)>) -> Self {
        let frame = Arc::new(Frame { bindings, parent: self.frame.clone() });
        Self { frame: Some(frame), package: Arc::clone(&self.package) }
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<Value> {
        let mut frame = self.frame.as_ref();
        while let Some(here) = frame {
            // A later name hides an earlier one.
            if let Some((_, value)) = here.bindings.iter().rev().find(|(known, _)| **known == *name) {
                return Some(value.clone());
            }
            frame = here.parent.as_ref();
        }
        self.package.lookup(name)
    }
}

/// The preludes, lowered once for the whole process.
static PROGRAMS: LazyLock<Mutex<HashMap<&'static str, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// The program of one of Flux's packages; none if there is no such package.
pub(crate) fn program(path: &str) -> Result<Option<Arc<Program>>> {
    let Some((path, source)) = builtins::PRELUDES.iter().find(|(known, _)| *known == path) else { return Ok(None) };
    if let Some(program) = lock(&PROGRAMS).get(path) {
        return Ok(Some(Arc::clone(program)));
    }
    let wrong = |error: &dyn fmt::Display| FluxError::internal(format!("the prelude of {path}: {error}"));
    let file = flux::parse(source, &flux::Limits::default()).into_result().map_err(|error| wrong(&error))?;
    let program = Arc::new(lower(&file).map_err(|error| wrong(&error))?);
    lock(&PROGRAMS).insert(path, Arc::clone(&program));
    Ok(Some(program))
}

/// A package of Flux for a running script; none if there is no such package.
pub(crate) fn load(runtime: &Arc<Runtime>, path: &str) -> Result<Option<Arc<Package>>> {
    if let Some(package) = lock(&runtime.packages).get(path) {
        return Ok(Some(Arc::clone(package)));
    }
    let Some(program) = program(path)? else { return Ok(None) };
    let universe = if path == UNIVERSE { None } else { load(runtime, UNIVERSE)? };
    let package = Arc::new(Package::new(path, Arc::clone(&program.package), universe));
    // Known before it is whole, so that packages may import each other.
    lock(&runtime.packages).insert(Arc::clone(&package.path), Arc::clone(&package));
    let mut interpreter = Interpreter::new(Arc::clone(runtime));
    interpreter.run_program(&program, &package).map_err(|error| error.context(&format!("package {path}")))?;
    Ok(Some(package))
}

/// The value of a `builtin` statement.
pub(crate) fn builtin(package: &Package, statement: &Statement) -> Result<Value> {
    let Statement::Builtin(name, declared) = statement else { return Ok(Value::Null) };
    let missing = || FluxError::internal(format!("package {} has no builtin {name}", package.path));
    let function = builtins::find(&package.path, name).ok_or_else(missing)?;
    let signature = Signature::of_type(declared).ok_or_else(missing)?;
    Ok(Value::Function(Function::Builtin(Arc::new(Builtin { name: Arc::clone(name), signature, function }))))
}
