//! What a bucket must hold, as a plain map, and what every effect does to it.

use std::collections::BTreeMap;

use storage::{DeleteSubject, DeleteTerm};

/// The measurements of the bucket.
pub(crate) const TABLES: [&str; 2] = ["m", "n"];

/// The values of a tag; the first means that the point does not have it.
pub(crate) const TAG_VALUES: [&str; 4] = ["", "p", "q", "ü"];

/// A point as it is sent: its fields and their values as they are shown.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) table: usize,
    pub(crate) tags: (usize, usize),
    pub(crate) time: i64,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// What one request does if it takes effect.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    Write(Vec<Point>),
    Delete((i64, i64), Vec<DeleteTerm>),
    DropBucket,
}

type Key = ((usize, usize), i64);

/// The rows of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    tables: [BTreeMap<Key, BTreeMap<&'static str, String>>; TABLES.len()],
}

impl Model {
    pub(crate) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Write(points) => {
                for point in points {
                    let row = self.tables[point.table].entry((point.tags, point.time)).or_default();
                    row.extend(point.fields.iter().cloned());
                }
            }
            Effect::Delete(time_range, terms) => {
                for (table, rows) in self.tables.iter_mut().enumerate() {
                    delete(rows, TABLES[table], *time_range, terms);
                }
            }
            Effect::DropBucket => *self = Self::default(),
        }
    }

    /// The rows of a measurement at or after a time, as `table_rows::rows` shows them.
    pub(crate) fn rows(&self, table: usize, from: i64) -> Vec<String> {
        let row = |(((a, b), time), fields): (&Key, &BTreeMap<&'static str, String>)| {
            let mut cells: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            for (name, value) in [("a", *a), ("b", *b)] {
                if value > 0 {
                    cells.push(format!("{name}={}", TAG_VALUES[value]));
                }
            }
            cells.sort();
            format!("{} @{time}", cells.join(" "))
        };
        let mut rows: Vec<String> = self.tables[table].iter().filter(|((_, time), _)| *time >= from).map(row).collect();
        rows.sort();
        rows
    }

    pub(crate) fn row_count(&self, table: usize) -> usize {
        self.tables[table].len()
    }
}

fn delete(
    rows: &mut BTreeMap<Key, BTreeMap<&'static str, String>>,
    measurement: &str,
    time_range: (i64, i64),
    terms: &[DeleteTerm],
) {
    for (((a, b), time), fields) in rows.iter_mut() {
        fields.retain(|field, _| {
            let holds = |term: &DeleteTerm| {
                let text = match &term.subject {
                    DeleteSubject::Measurement => measurement,
                    DeleteSubject::Field => field,
                    DeleteSubject::Tag(name) if name == "a" => TAG_VALUES[*a],
                    DeleteSubject::Tag(name) if name == "b" => TAG_VALUES[*b],
                    DeleteSubject::Tag(_) => "",
                };
                (text == term.value) == term.is_equal
            };
            !((time_range.0..=time_range.1).contains(time) && terms.iter().all(holds))
        });
    }
    rows.retain(|_, fields| !fields.is_empty());
}

/// What is known: what was acknowledged, and what was neither acknowledged nor refused for good.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) certain: Model,
    pub(crate) uncertain: Vec<Effect>,
}

impl Known {
    /// All states that a restart may find: each uncertain effect is there whole or not at all.
    pub(crate) fn candidates(&self) -> Vec<Model> {
        let mut models = vec![self.certain.clone()];
        for effect in &self.uncertain {
            let with: Vec<Model> = models
                .iter()
                .map(|model| {
                    let mut model = model.clone();
                    model.apply(effect);
                    model
                })
                .collect();
            models.extend(with);
        }
        models
    }
}
