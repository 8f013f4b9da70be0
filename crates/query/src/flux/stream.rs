//! Streams of tables: what a script describes, and how it is read.
//!
//! A [`Stream`] is a part of a plan: an operation and the streams that it reads. Nothing is read while the script is
//! interpreted, unless the script asks for a value out of a table. Reading goes table by table where an operation
//! allows it: [`Tables`] gives the next table when it is asked. What several parts of a plan read is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::error::{FluxError, Result};
use super::function::{Call, Function};
use super::runtime::{Place, Runtime, lock};
use super::source::{self, Read};
use super::table::{Merger, Table};
use super::value::{Text, Value};
use super::window::WindowSpec;

/// Tables one after another.
pub type Tables = Box<dyn Iterator<Item = Result<Table>> + Send>;

/// What an operation does with its inputs.
pub type Run = Box<dyn Fn(&Arc<Runtime>, Vec<Tables>) -> Result<Tables> + Send + Sync>;

/// A part of the plan.
#[derive(Debug, Clone)]
pub struct Stream(pub(crate) Arc<Node>);

/// An operation of the plan.
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) inputs: Vec<Stream>,
    pub(crate) shape: Shape,
    pub(crate) bounds: Option<Bounds>,
    run: Run,
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, inputs, shape, .. } = self;
        let mut node = formatter.debug_struct("Node");
        node.field("name", &place.name).field("inputs", inputs).field("shape", shape).finish_non_exhaustive()
    }
}

/// The times that `range` leaves: from the first to before the second, in nanoseconds.
pub type Bounds = (i64, i64);

/// What the reader of a plan knows of an operation: those that the storage can do have a shape of their own.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Nothing but what it does.
    Other,
    /// A bucket.
    Read(Arc<Read>),
    /// Rows between two moments.
    Range,
    /// Rows for which a function is true.
    Filter { function: Function, keeps_empty: bool },
    /// Another group key.
    Group { columns: Arc<Vec<Text>>, except: bool },
    /// Windows of time.
    Window(Arc<WindowSpec>),
    /// One row for each table.
    Aggregate { name: &'static str, column: Text },
    /// One row of each table.
    Selector { name: &'static str, column: Text },
    /// A row without values for each empty table.
    FillEmpty,
    /// A column once more.
    Duplicate { column: Text, to: Text },
    /// Only these columns.
    Keep { columns: Vec<Text> },
    /// The different values of a column.
    Distinct { column: Text },
    /// The labels of the group key, in a column.
    Keys { column: Text },
    /// Rows in another order.
    Sort { columns: Vec<Text>, descending: bool },
    /// The first rows behind some that are left out.
    Limit { count: usize, offset: usize },
    /// Rows that become columns.
    Pivot { rows: Vec<Text>, columns: Vec<Text>, value: Text },
}

impl Stream {
    /// The times that `range` leaves on the way to here.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        self.0.bounds
    }
}

/// Makes a part of the plan; see the methods of [`Call`].
pub(crate) fn node(place: Place, inputs: Vec<Stream>, shape: Shape, bounds: Option<Bounds>, run: Run) -> Value {
    Value::Stream(Stream(Arc::new(Node { place, inputs, shape, bounds, run })))
}

fn bounds_of(inputs: &[Stream]) -> Option<Bounds> {
    let all = inputs.iter().filter_map(Stream::bounds);
    all.reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)))
}

impl Call<'_> {
    /// An operation that makes of each table of `input` one table or none, one after another.
    pub fn per_table(
        &self,
        input: Stream,
        run: impl Fn(&Arc<Runtime>, Table) -> Result<Option<Table>> + Send + Sync + 'static,
    ) -> Value {
        self.shaped(input, Shape::Other, run)
    }

    pub(crate) fn shaped(
        &self,
        input: Stream,
        shape: Shape,
        run: impl Fn(&Arc<Runtime>, Table) -> Result<Option<Table>> + Send + Sync + 'static,
    ) -> Value {
        let bounds = input.bounds();
        node(self.place.clone(), vec![input], shape, bounds, one_by_one(run))
    }

    /// An operation that changes group keys: what it makes of each table of `input` is put together by key.
    pub fn regroup(
        &self,
        input: Stream,
        run: impl Fn(&Arc<Runtime>, Table) -> Result<Vec<Table>> + Send + Sync + 'static,
    ) -> Value {
        self.regroup_shaped(input, Shape::Other, run)
    }

    pub(crate) fn regroup_shaped(
        &self,
        input: Stream,
        shape: Shape,
        run: impl Fn(&Arc<Runtime>, Table) -> Result<Vec<Table>> + Send + Sync + 'static,
    ) -> Value {
        let bounds = input.bounds();
        node(self.place.clone(), vec![input], shape, bounds, merged(run))
    }

    /// An operation over all tables of its inputs at once.
    pub fn whole(
        &self,
        inputs: Vec<Stream>,
        run: impl Fn(&Arc<Runtime>, Vec<Vec<Table>>) -> Result<Vec<Table>> + Send + Sync + 'static,
    ) -> Value {
        self.whole_shaped(inputs, Shape::Other, run)
    }

    pub(crate) fn whole_shaped(
        &self,
        inputs: Vec<Stream>,
        shape: Shape,
        run: impl Fn(&Arc<Runtime>, Vec<Vec<Table>>) -> Result<Vec<Table>> + Send + Sync + 'static,
    ) -> Value {
        let bounds = bounds_of(&inputs);
        let run: Run = Box::new(move |runtime, inputs| {
            let inputs = inputs.into_iter().map(Iterator::collect).collect::<Result<Vec<Vec<Table>>>>()?;
            Ok(Box::new(run(runtime, inputs)?.into_iter().map(Ok)))
        });
        node(self.place.clone(), inputs, shape, bounds, run)
    }

    /// Tables that are there already, or are made when they are read.
    pub fn source(&self, run: impl Fn(&Arc<Runtime>) -> Result<Vec<Table>> + Send + Sync + 'static) -> Value {
        let run: Run = Box::new(move |runtime, _| Ok(Box::new(run(runtime)?.into_iter().map(Ok))));
        node(self.place.clone(), Vec::new(), Shape::Other, None, run)
    }

    /// Reads all tables of a stream now, while the script is interpreted.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn read_now(&self, stream: &Stream) -> Result<Vec<Table>> {
        prepare(self.runtime(), std::slice::from_ref(stream))?;
        open(self.runtime(), stream)?.collect()
    }
}

pub(crate) fn one_by_one(run: impl Fn(&Arc<Runtime>, Table) -> Result<Option<Table>> + Send + Sync + 'static) -> Run {
    let run = Arc::new(run);
    Box::new(move |runtime, inputs| {
        let (runtime, run) = (Arc::clone(runtime), Arc::clone(&run));
        let tables = inputs.into_iter().flatten();
        Ok(Box::new(tables.filter_map(move |table| table.and_then(|table| run(&runtime, table)).transpose())))
    })
}

pub(crate) fn merged(run: impl Fn(&Arc<Runtime>, Table) -> Result<Vec<Table>> + Send + Sync + 'static) -> Run {
    Box::new(move |runtime, inputs| {
        let mut merger = Merger::default();
        for table in inputs.into_iter().flatten() {
            for table in run(runtime, table?)? {
                merger.add(runtime.holding(table)?);
            }
        }
        Ok(Box::new(merger.finish()?.into_iter().map(Ok)))
    })
}

/// Refuses what cannot be read, and finds what several parts of the plan read.
pub(crate) fn prepare(runtime: &Arc<Runtime>, results: &[Stream]) -> Result<()> {
    let mut consumers: HashMap<usize, usize> = HashMap::new();
    for stream in results {
        visit(stream, &mut consumers)?;
    }
    source::prepare(runtime, results)?;
    let mut shared = lock(&runtime.shared);
    for (place, count) in consumers {
        let known = shared.entry(place).or_default();
        known.consumers = known.consumers.max(count);
    }
    Ok(())
}

/// Which part of the plan it is.
fn identity(node: &Arc<Node>) -> usize {
    Arc::as_ptr(node) as usize
}

fn visit(stream: &Stream, consumers: &mut HashMap<usize, usize>) -> Result<()> {
    let count = consumers.entry(identity(&stream.0)).or_default();
    *count += 1;
    if *count > 1 {
        return Ok(());
    }
    stream.0.inputs.iter().try_for_each(|input| visit(input, consumers))
}

/// Begins to read a stream.
pub(crate) fn open(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Tables> {
    let node = &stream.0;
    let key = identity(node);
    let is_shared = match lock(&runtime.shared).get(&key) {
        Some(shared) => {
            if let Some(tables) = &shared.tables {
                return Ok(replay(Arc::clone(tables)));
            }
            shared.consumers > 1
        }
        None => false,
    };
    let tables = open_node(runtime, stream)?;
    if !is_shared {
        return Ok(tables);
    }
    let tables = Arc::new(tables.collect::<Result<Vec<Table>>>()?);
    if let Some(shared) = lock(&runtime.shared).get_mut(&key) {
        shared.tables = Some(Arc::clone(&tables));
    }
    Ok(replay(tables))
}

fn replay(tables: Arc<Vec<Table>>) -> Tables {
    Box::new((0..tables.len()).filter_map(move |index| tables.get(index).cloned()).map(Ok))
}

/// Reads an operation from its inputs. The outer error is that of an input.
pub(crate) fn run(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Result<Tables>> {
    let inputs = stream.0.inputs.iter().map(|input| open(runtime, input)).collect::<Result<Vec<Tables>>>()?;
    Ok((stream.0.run)(runtime, inputs))
}

/// Reads one operation: by the storage where it can do it, otherwise from its inputs.
fn open_node(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Tables> {
    let node = &stream.0;
    let place = node.place.clone();
    let at = move |error: FluxError| error.at_operation(&place.name, place.location);
    let tables = match source::open(runtime, stream).map_err(&at)? {
        Some(tables) => tables,
        None => run(runtime, stream)?.map_err(&at)?,
    };
    let runtime = Arc::clone(runtime);
    let checked =
        move |table: Result<Table>| runtime.step(1).and(table).and_then(|table| runtime.holding(table)).map_err(&at);
    Ok(Box::new(tables.map(checked)))
}
