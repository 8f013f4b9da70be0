//! `freshet data import --tsm`: the directory of a stopped InfluxDB into buckets, shard by shard.
//!
//! ```text
//! layout, meta.db ── retention policies ── buckets and mappings (super::target)
//! indexes of all shards of a bucket ── one type for each field
//! shard ── rows (crate tsm) ── lines, and what no line can hold (lines) ── batches as of any other file
//! ```

mod lines;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use freshet_client::{Client, Precision};
use tsm::{Fields, Layout, LayoutError, Meta, ReadError, Shard, ShardPlace};

pub(crate) use self::lines::TsmLines;
use super::import::{ImportError, Source, finish, send_all};
use super::state::{DONE, State};
use super::target::{Target, TargetError};
use crate::options::ImportOptions;
use crate::write::{Delivery, Report, batch_writer};

/// Databases that a server keeps for itself.
const OWN_DATABASES: [&str; 1] = ["_internal"];

/// Why a directory cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TsmError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("nothing in {directory} is named {name:?}; there is: {there}")]
    NoSuchName { directory: String, name: String, there: String },
    #[error("--bucket names one bucket, and there are the points of {0}; choose by --only")]
    SeveralForOneBucket(String),
    #[error("a directory of 2.x does not say the names of its buckets: give --bucket, and choose by --only of {0}")]
    NoBucketName(String),
}

/// What becomes one bucket.
struct Group {
    database: String,
    policy: String,
    /// How long points stay, in seconds; 0 is for ever.
    retention_s: u64,
    is_default: bool,
    shards: Vec<ShardPlace>,
}

impl Group {
    fn name(&self) -> String {
        format!("{}/{}", self.database, self.policy)
    }

    fn is_named(&self, name: &str) -> bool {
        name == self.database || name == self.name()
    }
}

/// Imports a directory.
pub(crate) async fn run(directory: &Path, client: &Client, options: &ImportOptions) -> Result<(), ImportError> {
    let layout = Layout::find(directory).map_err(TsmError::from)?;
    let meta = layout.meta.as_deref().map(Meta::read).transpose().map_err(TsmError::from)?.unwrap_or_default();
    let is_version_2 = layout.is_version_2();
    let groups = chosen(groups(layout, &meta), directory, options)?;
    let names = || groups.iter().map(Group::name).collect::<Vec<_>>().join(", ");
    let bucket = options.target.bucket.as_deref().filter(|bucket| !bucket.is_empty());
    match bucket {
        Some(_) if groups.len() > 1 => return Err(TsmError::SeveralForOneBucket(names()).into()),
        None if is_version_2 => return Err(TsmError::NoBucketName(names()).into()),
        _ => {}
    }
    let mut state = State::open(options.state.as_deref())?;
    let sizes = groups.iter().flat_map(|group| &group.shards).map(shard_bytes);
    let report = Report::start(Some(sizes.sum()), options.quiet);
    for group in &groups {
        if let Err(error) = import_group(group, bucket, client, options, &report, &mut state).await {
            report.finish();
            return Err(error);
        }
    }
    if bucket.is_none() {
        take_over_queries(&meta, &groups, client, options).await?;
    }
    finish(&report, state)
}

/// Retention policies with their shards; those that the directory's `meta.db` names may have none.
fn groups(layout: Layout, meta: &Meta) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for database in &meta.databases {
        for policy in &database.retention_policies {
            let group = Group {
                database: database.name.clone(),
                policy: policy.name.clone(),
                retention_s: u64::try_from(policy.duration_ns).unwrap_or_default() / 1_000_000_000,
                is_default: policy.name == database.default_retention_policy,
                shards: Vec::new(),
            };
            groups.insert((database.name.clone(), policy.name.clone()), group);
        }
    }
    for shard in layout.shards {
        let key = (shard.database.clone(), shard.retention_policy.clone());
        let (database, policy) = key.clone();
        let new = || Group { database, policy, retention_s: 0, is_default: false, shards: Vec::new() };
        groups.entry(key).or_insert_with(new).shards.push(shard);
    }
    groups.into_values().collect()
}

/// Those that are asked for; without a choice all but the server's own.
fn chosen(groups: Vec<Group>, directory: &Path, options: &ImportOptions) -> Result<Vec<Group>, TsmError> {
    for name in &options.only {
        if !groups.iter().any(|group| group.is_named(name)) {
            let there = groups.iter().map(Group::name).collect::<Vec<_>>().join(", ");
            return Err(TsmError::NoSuchName { directory: directory.display().to_string(), name: name.clone(), there });
        }
    }
    let is_chosen = |group: &Group| match options.only.as_slice() {
        [] => !OWN_DATABASES.contains(&group.database.as_str()),
        names => names.iter().any(|name| group.is_named(name)),
    };
    Ok(groups.into_iter().filter(is_chosen).collect())
}

async fn import_group(
    group: &Group,
    bucket: Option<&str>,
    client: &Client,
    options: &ImportOptions,
    report: &Report,
    state: &mut State,
) -> Result<(), ImportError> {
    let name = match bucket {
        Some(bucket) => bucket.to_owned(),
        None => {
            let target = Target::find(client, options.target.org.as_deref()).await.map_err(TsmError::from)?;
            let name = group.name();
            let id = target.bucket(&name, group.retention_s).await.map_err(TsmError::from)?;
            let mapped = target.mapping(&id, &group.database, &group.policy, group.is_default).await;
            mapped.map_err(TsmError::from)?;
            name
        }
    };
    let shards = group.shards.clone();
    let fields = tokio::task::spawn_blocking(move || fields(&shards)).await.map_err(|_| ImportError::Reader)?;
    let fields = std::sync::Arc::new(fields.map_err(TsmError::from)?);
    if !options.quiet {
        tell_conflicts(&group.name(), &fields);
    }
    let writer = batch_writer(client, name, &options.target, Precision::Nanoseconds, options.retry_time);
    let delivery = Delivery { writer, report, rejected: None };
    for place in &group.shards {
        let origin = place.data.display().to_string();
        let size = shard_bytes(place);
        let (through, refused) = state.begin(&origin, size)?;
        report.went_on(refused);
        if through != DONE {
            let shard = Shard::open(place).map_err(TsmError::from)?;
            let batch_lines = options.batch_lines as usize;
            let lines = TsmLines::new(shard.rows(), std::sync::Arc::clone(&fields), batch_lines);
            let refused_at_start = report.lines_refused();
            send_all(Source::Tsm(Box::new(lines)), &origin, (through, refused), &delivery, state).await?;
            state.reached(&origin, DONE, refused + report.lines_refused() - refused_at_start)?;
        }
        report.passed(size);
    }
    Ok(())
}

fn fields(shards: &[ShardPlace]) -> Result<Fields, ReadError> {
    let mut fields = Fields::default();
    for place in shards {
        fields.merge(Shard::open(place)?.fields());
    }
    Ok(fields)
}

fn tell_conflicts(group: &str, fields: &Fields) {
    for (measurement, field, types) in fields.conflicts() {
        let names: Vec<&str> = types.iter().map(|value_type| value_type.as_str()).collect();
        eprintln!(
            "{group}: the field {:?} of {:?} is {} in different shards; it becomes {}",
            String::from_utf8_lossy(field),
            String::from_utf8_lossy(measurement),
            names.join(" and "),
            names.first().copied().unwrap_or_default(),
        );
    }
}

/// Bytes of all files of a shard, by which a change is told.
fn shard_bytes(place: &ShardPlace) -> u64 {
    let folders = std::iter::once(&place.data).chain(&place.wal);
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Makes the continuous queries, and says what of `meta.db` stays behind.
async fn take_over_queries(
    meta: &Meta,
    groups: &[Group],
    client: &Client,
    options: &ImportOptions,
) -> Result<(), ImportError> {
    let databases: HashSet<&str> = groups.iter().map(|group| group.database.as_str()).collect();
    let target = Target::find(client, options.target.org.as_deref()).await.map_err(TsmError::from)?;
    for database in meta.databases.iter().filter(|database| databases.contains(database.name.as_str())) {
        for query in &database.continuous_queries {
            if let Err(error) = target.run_influxql(&query.query).await {
                eprintln!("the continuous query {:?} of {:?} was not made: {error}", query.name, database.name);
            }
        }
    }
    let users: Vec<&str> = meta.users.iter().map(|user| user.name.as_str()).collect();
    if !users.is_empty() && !options.quiet {
        eprintln!("users are not taken over, their passwords are known to nobody: {}", users.join(", "));
    }
    Ok(())
}
