//! What is done of a script and where: for each result its plan, from the last operation down, with the parts that the
//! storage does. Nothing is read but the catalog.
//!
//! ```text
//! result "_result"
//!   sort @1:200-1:228: on tables
//!     storage: max of windows of 1m, by _field, of rows of "b" from … to …
//!       "cpu": usage_user, usage_system; where hostname is one of host_1, host_2
//! ```

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::error::Result;
use super::pushdown;
use super::runtime::Runtime;
use super::source::target::Target;
use super::source::{self, Chain, predicate};
use super::stream::Stream;
use super::value::{Text, Value};

/// Measurements, fields and values that are named before the rest is only counted.
const NAMED: usize = 10;

/// The plan of some results, line by line.
pub(super) fn explain(runtime: &Arc<Runtime>, results: &[(Text, Stream)]) -> Result<Vec<String>> {
    let mut explanation = Explanation { runtime, lines: Vec::new(), seen: HashSet::new() };
    for (name, stream) in results {
        explanation.lines.push(format!("result {:?}", &**name));
        explanation.stream(stream, 1)?;
    }
    Ok(explanation.lines)
}

struct Explanation<'r> {
    runtime: &'r Arc<Runtime>,
    lines: Vec<String>,
    seen: HashSet<usize>,
}

impl Explanation<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{:width$}{text}", "", width = 2 * depth));
    }

    fn stream(&mut self, stream: &Stream, depth: usize) -> Result<()> {
        let node = &stream.0;
        if let Some(pushed) = pushdown::describe(self.runtime, stream)? {
            let rows = rows_of(&pushed.chain);
            self.line(depth, &format!("storage: {} of {rows}", pushed.what));
            self.targets(&pushed.targets, depth + 1);
            return Ok(());
        }
        if let Some(chain) = source::chain(stream) {
            return self.chain(&chain, depth);
        }
        let place = format!("{} @{}", node.place.name, node.place.location);
        if !self.seen.insert(Arc::as_ptr(node) as usize) {
            self.line(depth, &format!("{place}: kept from above"));
            return Ok(());
        }
        self.line(depth, &format!("{place}: on tables"));
        node.inputs.iter().try_for_each(|input| self.stream(input, depth + 1))
    }

    /// Rows that are read as they are, and what is left of the filters.
    fn chain(&mut self, chain: &Chain<'_>, depth: usize) -> Result<()> {
        let (known, left) = chain.split(self.runtime)?;
        let mut depth = depth;
        if left > 0 {
            let functions = if left == 1 { "a function" } else { "functions" };
            self.line(depth, &format!("filter: {functions} over the columns of tables"));
            depth += 1;
        }
        self.line(depth, &format!("storage: {}", rows_of(chain)));
        self.targets(&chain.tables(self.runtime, &known)?, depth + 1);
        Ok(())
    }

    fn targets(&mut self, targets: &[Target], depth: usize) {
        for target in targets.iter().take(NAMED) {
            let fields = list(target.fields.iter().map(|field| &*field.name));
            let mut text = format!("{:?}: {fields}", &*target.measurement);
            let schema = target.table.schema();
            for filter in &target.filters {
                let tag = schema.fields().get(filter.column).map_or("?", |field| field.name().as_str());
                let values = list(filter.values.iter().map(String::as_str));
                let _ =
                    write!(text, "; where {tag} is {}{values}", if filter.values.len() > 1 { "one of " } else { "" });
            }
            let mut conditions: Vec<String> = Vec::new();
            for field in &target.fields {
                let condition = field.predicate.to_string();
                if !matches!(field.predicate, predicate::Predicate::Constant(true)) && !conditions.contains(&condition)
                {
                    conditions.push(condition);
                }
            }
            if !conditions.is_empty() {
                let _ = write!(text, "; if {}", list(conditions.iter().map(String::as_str)));
            }
            self.line(depth, &text);
        }
        match targets.len() {
            0 => self.line(depth, "nothing: no measurement has such fields or tags"),
            count if count > NAMED => self.line(depth, &format!("and {} more measurements", count - NAMED)),
            _ => {}
        }
    }
}

fn rows_of(chain: &Chain<'_>) -> String {
    let (start, stop) = chain.bounds;
    format!("rows of {:?} from {} to before {}", chain.bucket(), Value::Time(start), Value::Time(stop))
}

/// Some names, and how many more there are.
fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let count = names.len();
    let mut text = names.take(NAMED).collect::<Vec<&str>>().join(", ");
    if count > NAMED {
        let _ = write!(text, " and {} more", count - NAMED);
    }
    text
}
