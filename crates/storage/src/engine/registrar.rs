//! Registers new buckets, tables and columns: one transaction for all writes that wait.
//!
//! A write waits here before its WAL record is appended, so that a replay finds every table and column that a record
//! names. Two writes that bring the same field with different types meet here: the first one in the queue decides, the
//! other plans again and drops its points.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use catalog::BucketId;
use tokio::sync::{mpsc, oneshot};

use super::EngineOptions;
use super::commit_faults::{CommitFaults, repeatable};
use super::state::Shared;
use crate::lake::{Lake, LakeError, NewColumn, NewTable, Registered, Registration};
use crate::limits;
use crate::schema::SchemaLimits;
use crate::table::{BucketInfo, ColumnKind};

/// A write that waits for its schema.
struct Waiting {
    bucket: Arc<BucketInfo>,
    columns: Vec<NewTable>,
    done: oneshot::Sender<Result<(), Failure>>,
}

/// Why a transaction failed, for each of those who waited for it.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The catalog's disk is full.
    OutOfSpace,
    /// The catalog cannot be reached.
    Unreachable(String),
    /// Anything else, in the catalog's words.
    Catalog(String),
}

/// The door to the registering task.
#[derive(Debug, Clone)]
pub(super) struct Registrar {
    queue: mpsc::Sender<Waiting>,
}

/// Why a registration did not happen.
#[derive(Debug)]
pub(super) enum RegistrarError {
    /// The queue is full.
    Overloaded,
    /// The transaction failed.
    Failed(Failure),
    /// The engine is closing, or the bucket was dropped.
    Closed,
}

impl Registrar {
    /// Starts the task. It ends when the last door is dropped.
    pub(super) fn start(lake: Lake, shared: Arc<Shared>, options: &EngineOptions) -> Self {
        let (queue, waiting) = mpsc::channel(limits::REGISTRATION_QUEUE);
        let (limits, faults) = (options.schema_limits, Arc::clone(&options.commit_faults));
        tokio::spawn(serve(waiting, Registering { lake, shared, limits, faults }));
        Self { queue }
    }

    /// Registers `columns` and the bucket; on return the registry has them, or has what an earlier write decided, or
    /// is at its limits.
    pub(super) async fn register(&self, bucket: Arc<BucketInfo>, columns: Vec<NewTable>) -> Result<(), RegistrarError> {
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Waiting { bucket, columns, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RegistrarError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => RegistrarError::Closed,
        })?;
        match answer.await {
            Ok(result) => result.map_err(RegistrarError::Failed),
            Err(_) => Err(RegistrarError::Closed),
        }
    }
}

/// What the task works with.
struct Registering {
    lake: Lake,
    shared: Arc<Shared>,
    limits: SchemaLimits,
    faults: Arc<dyn CommitFaults>,
}

impl Registering {
    /// Registers what the writes need. A column of another type than the catalog has is one whose commit seemed to
    /// fail: the catalog's word counts, and what it has is read first.
    async fn register(&self, group: &[Waiting]) -> Result<Registered, LakeError> {
        let registration = merge(&self.shared, group, self.limits);
        let known = registration.clone();
        match repeatable(&*self.faults, self.lake.register(registration)).await {
            Err(LakeError::FieldTypeConflict { .. }) => {}
            result => return result,
        }
        let by_id = known.columns.iter().map(|(table, _)| *table);
        let tables = by_id.filter_map(|table| self.shared.registry.table(table));
        let tables = tables.map(|entry| (entry.schema.bucket, entry.schema.measurement.clone()));
        let new = known.tables.iter().map(|table| (table.bucket, table.measurement.clone()));
        let tables =
            tables.chain(new).map(|(bucket, measurement)| NewTable { bucket, measurement, columns: Vec::new() });
        let reading = Registration { tables: tables.collect(), buckets: known.buckets, columns: Vec::new() };
        let read = repeatable(&*self.faults, self.lake.register(reading)).await?;
        self.shared.registry.commit(buckets_of(group), read.tables);
        let registration = merge(&self.shared, group, self.limits);
        repeatable(&*self.faults, self.lake.register(registration)).await
    }
}

fn buckets_of(group: &[Waiting]) -> impl Iterator<Item = BucketInfo> {
    group.iter().map(|waiting| (*waiting.bucket).clone())
}

async fn serve(mut queue: mpsc::Receiver<Waiting>, registering: Registering) {
    let shared = &registering.shared;
    let mut group = Vec::new();
    while queue.recv_many(&mut group, limits::REGISTRATION_QUEUE).await > 0 {
        let _no_drop = shared.schema_lock.lock().await;
        group.retain(|waiting: &Waiting| !shared.registry.is_dropped(waiting.bucket.bucket));
        let result = match registering.register(&group).await {
            Ok(registered) => {
                shared.registry.commit(buckets_of(&group), registered.tables);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, writes = group.len(), "new tables or columns could not be registered");
                Err(match error {
                    error if error.is_out_of_space() => Failure::OutOfSpace,
                    error if error.is_temporary() => Failure::Unreachable(error.to_string()),
                    error => Failure::Catalog(error.to_string()),
                })
            }
        };
        for waiting in group.drain(..) {
            // A client that has gone needs no answer; what it brought is registered all the same.
            let _ = waiting.done.send(result.clone());
        }
    }
}

/// What the whole group needs and the registry does not have. Of two types of one field the first counts, and of
/// tables and columns beyond a limit none: each write fits by itself, but perhaps not behind the others.
fn merge(shared: &Shared, group: &[Waiting], limits: SchemaLimits) -> Registration {
    let mut buckets: HashMap<BucketId, BucketInfo> = HashMap::new();
    let mut tables: Vec<NewTable> = Vec::new();
    let mut places: HashMap<(BucketId, &str), usize> = HashMap::new();
    for waiting in group {
        buckets.insert(waiting.bucket.bucket, (*waiting.bucket).clone());
        for new in &waiting.columns {
            let place = *places.entry((new.bucket, &new.measurement)).or_insert_with(|| {
                tables.push(NewTable { columns: Vec::new(), ..new.clone() });
                tables.len() - 1
            });
            if let Some(table) = tables.get_mut(place) {
                add_columns(table, &new.columns);
            }
        }
    }
    let mut registration = Registration { buckets: buckets.into_values().collect(), ..Registration::default() };
    let mut new_tables: HashMap<BucketId, usize> = HashMap::new();
    for mut table in tables {
        let Some(entry) = shared.registry.measurement(table.bucket, &table.measurement) else {
            let new_tables = new_tables.entry(table.bucket).or_default();
            if shared.registry.table_count(table.bucket) + *new_tables < limits.tables_per_bucket {
                *new_tables += 1;
                table.columns.truncate(limits.columns_per_table);
                registration.tables.push(table);
            }
            continue;
        };
        let missing = table.columns.into_iter().filter(|column| match column.kind {
            ColumnKind::Tag => entry.tag(&column.name).is_none(),
            ColumnKind::Field(_) => entry.field(&column.name).is_none(),
        });
        let room = limits.columns_per_table.saturating_sub(entry.schema.columns.len());
        registration.columns.extend(missing.take(room).map(|column| (entry.schema.table, column)));
    }
    registration
}

fn add_columns(table: &mut NewTable, columns: &[NewColumn]) {
    let mut known: HashSet<(bool, String)> =
        table.columns.iter().map(|column| (column.kind == ColumnKind::Tag, column.name.clone())).collect();
    for column in columns {
        if known.insert((column.kind == ColumnKind::Tag, column.name.clone())) {
            table.columns.push(column.clone());
        }
    }
}
