//! `freshet data import --influxdb URL`: what a running InfluxDB has, over its own query API.
//!
//! ```text
//! version ── influxql (1.x) │ flux (2.x, Freshet) ── groups: retention policies or buckets ── buckets and mappings
//! group ── measurements ── slices of time ── lines ── sent ── read back from the target, counted, summed ── state
//! ```
//!
//! A slice counts as done when the target gives back what the source gave; an import that goes on begins behind the
//! last of those. At any time a few batches of lines are in memory, however large the source is.

mod checksum;
mod flux;
mod influxql;

use freshet_client::{ApiRequest, BuildError, Client, Method, Precision, QueryError, RequestError};
use futures::FutureExt as _;

use self::checksum::Checksum;
use super::import::{ImportError, finish};
use super::state::{DONE, State};
use super::target::{Target, TargetError};
use crate::connection::{self, ConnectionError};
use crate::options::{ConnectionOptions, ImportOptions, SourceOptions};
use crate::write::{Delivery, Piece, Report, batch_writer};

/// Why a server cannot be imported from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("the source cannot be asked: {0}")]
    Connection(#[from] ConnectionError),
    #[error("the source cannot be asked: {0}")]
    Build(#[from] BuildError),
    #[error("the source does not answer {what}: {source}")]
    Request { what: String, source: RequestError },
    #[error("the source does not answer {what}: {source}")]
    Query { what: String, source: QueryError },
    #[error("the source refuses {what}: {message}")]
    Refused { what: String, message: String },
    #[error("the source's answer to {what} cannot be read: {cause}")]
    Malformed { what: String, cause: String },
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("nothing at the source is named {name:?}; there is: {there}")]
    NoSuchName { name: String, there: String },
    #[error("--bucket names one bucket, and there are the points of {0}; choose by --only")]
    SeveralForOneBucket(String),
    #[error("give --source-org: a bucket of 2.x belongs to an organisation")]
    NoOrganisation,
    #[error(
        "{place}: the source gave {sent} and the target gives back {found}; a bucket that has other points already is \
         imported into with --no-verify"
    )]
    Differs { place: String, sent: Checksum, found: Checksum },
}

impl From<RemoteError> for ImportError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(Box::new(error))
    }
}

/// What becomes one bucket.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    /// The name of the bucket: that of 2.x, or `DATABASE/POLICY`.
    name: String,
    /// How long points stay, in seconds; 0 is for ever.
    retention_s: u64,
    /// Database and retention policy, and whether that is the default.
    policy: Option<(String, String, bool)>,
}

impl Group {
    fn is_named(&self, name: &str) -> bool {
        name == self.name || self.policy.as_ref().is_some_and(|(database, ..)| database == name)
    }
}

/// A measurement of a group, with what its fields are where that has to be known.
#[derive(Debug, Clone, PartialEq)]
struct Table {
    measurement: String,
    fields: Vec<influxql::Field>,
}

/// A half-open range of nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slice {
    from_ns: i64,
    to_ns: i64,
}

/// Where points are read from, by the API of its version.
enum Source {
    Influxql(influxql::InfluxqlSource),
    Flux(flux::FluxSource),
}

impl Source {
    /// Asks which version it is.
    async fn find(url: &str, connection: &ConnectionOptions, options: &SourceOptions) -> Result<Self, RemoteError> {
        let connection =
            ConnectionOptions { url: Some(url.to_owned()), token: options.source_token.clone(), ..connection.clone() };
        let client = connection::client(&connection, |builder| builder)?;
        let request = |source| RemoteError::Request { what: "ping".to_owned(), source };
        let version = client.ping().await.map_err(request)?.version.unwrap_or_default();
        if version.trim_start_matches('v').starts_with("1.") {
            let (username, password) = (options.source_username.clone(), options.source_password.clone());
            return Ok(Self::Influxql(influxql::InfluxqlSource::new(client, username.zip(password))));
        }
        let organisation = options.source_org.clone().filter(|organisation| !organisation.is_empty());
        let organisation = organisation.ok_or(RemoteError::NoOrganisation)?;
        Ok(Self::Flux(flux::FluxSource { client, organisation }))
    }

    /// The same API at the target, where what was sent is read back.
    fn of_target(&self, client: &Client, organisation: &str) -> Self {
        match self {
            Self::Influxql(_) => Self::Influxql(influxql::InfluxqlSource::new(client.clone(), None)),
            Self::Flux(_) => {
                Self::Flux(flux::FluxSource { client: client.clone(), organisation: organisation.to_owned() })
            }
        }
    }

    async fn groups(&self) -> Result<Vec<Group>, RemoteError> {
        match self {
            Self::Influxql(source) => source.groups().await,
            Self::Flux(source) => source.groups().await,
        }
    }

    async fn tables(&self, group: &Group) -> Result<Vec<Table>, RemoteError> {
        match self {
            Self::Influxql(source) => source.tables(group).await,
            Self::Flux(source) => source.tables(group).await,
        }
    }

    /// The time of the first point at or after a time.
    async fn next_time(&self, group: &Group, table: &Table, from_ns: i64) -> Result<Option<i64>, RemoteError> {
        match self {
            Self::Influxql(source) => source.next_time(group, table, from_ns).await,
            Self::Flux(source) => source.next_time(group, table, from_ns).await,
        }
    }

    /// Gives the lines of a slice to `take`, and adds every value to `sum`.
    async fn read(
        &self,
        place: (&Group, &Table, Slice),
        sum: &mut Checksum,
        batch_lines: usize,
        take: impl AsyncFnMut(Piece) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        match self {
            Self::Influxql(source) => source.read(place, sum, batch_lines, take).await,
            Self::Flux(source) => source.read(place, sum, batch_lines, take).await,
        }
    }
}

/// One import.
struct Import<'a> {
    source: Source,
    client: &'a Client,
    options: &'a ImportOptions,
    report: &'a Report,
}

/// Imports what a server has.
pub(crate) async fn run(url: &str, client: &Client, options: &ImportOptions) -> Result<(), ImportError> {
    let source = Source::find(url, &options.connection, &options.source).await?;
    let groups = chosen(source.groups().await?, &options.only)?;
    let bucket = options.target.bucket.as_deref().filter(|bucket| !bucket.is_empty());
    if bucket.is_some() && groups.len() > 1 {
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        return Err(RemoteError::SeveralForOneBucket(names.join(", ")).into());
    }
    let mut state = State::open(options.state.as_deref())?;
    let report = Report::start(None, options.quiet);
    let import = Import { source, client, options, report: &report };
    let imported = import.all(&groups, bucket, &mut state).await;
    if imported.is_err() {
        report.finish();
        return imported;
    }
    finish(&report, state)
}

/// Those that are asked for.
fn chosen(groups: Vec<Group>, only: &[String]) -> Result<Vec<Group>, RemoteError> {
    for name in only {
        if !groups.iter().any(|group| group.is_named(name)) {
            let there = groups.iter().map(|group| group.name.clone()).collect::<Vec<_>>().join(", ");
            return Err(RemoteError::NoSuchName { name: name.clone(), there });
        }
    }
    let is_chosen = |group: &Group| only.is_empty() || only.iter().any(|name| group.is_named(name));
    Ok(groups.into_iter().filter(is_chosen).collect())
}

impl Import<'_> {
    async fn all(&self, groups: &[Group], bucket: Option<&str>, state: &mut State) -> Result<(), ImportError> {
        for group in groups {
            self.group(group, bucket, state).await?;
        }
        if let (Source::Influxql(source), None) = (&self.source, bucket) {
            let target = Target::find(self.client, self.options.target.org.as_deref()).await;
            let target = target.map_err(RemoteError::from)?;
            for (database, name, query) in source.continuous_queries(groups).await? {
                if let Err(error) = target.run_influxql(&query).await {
                    eprintln!("the continuous query {name:?} of {database:?} was not made: {error}");
                }
            }
        }
        Ok(())
    }

    async fn group(&self, group: &Group, bucket: Option<&str>, state: &mut State) -> Result<(), ImportError> {
        let target = Target::find(self.client, self.options.target.org.as_deref()).await.map_err(RemoteError::from)?;
        let name = bucket.unwrap_or(&group.name);
        if bucket.is_none() {
            let id = target.bucket(name, group.retention_s).await.map_err(RemoteError::from)?;
            if let Some((database, policy, is_default)) = &group.policy {
                let mapped = target.mapping(&id, database, policy, *is_default).await;
                mapped.map_err(RemoteError::from)?;
            }
        }
        // Where the points are read back: a bucket without a mapping is a database of its own.
        let stored = Group {
            name: name.to_owned(),
            policy: match (&group.policy, bucket) {
                (Some(_), Some(bucket)) => Some((bucket.to_owned(), "autogen".to_owned(), true)),
                (policy, _) => policy.clone(),
            },
            ..group.clone()
        };
        let target_source = self.source.of_target(self.client, target.org_id());
        let options = self.options;
        let precision = Precision::Nanoseconds;
        let writer = batch_writer(self.client, name.to_owned(), &options.target, precision, options.retry_time);
        let delivery = Delivery { writer, report: self.report, rejected: None };
        for table in self.source.tables(group).await? {
            self.table((group, &table), (&target_source, &stored), &delivery, state).await?;
        }
        Ok(())
    }

    /// One measurement, slice by slice. A slice without points leads to the next one that has some.
    async fn table(
        &self,
        (group, table): (&Group, &Table),
        (target, stored): (&Source, &Group),
        delivery: &Delivery<'_>,
        state: &mut State,
    ) -> Result<(), ImportError> {
        let origin = format!("{}/{}", group.name, table.measurement);
        let slice_ns = i64::try_from(self.options.source.slice.as_nanos()).unwrap_or(i64::MAX).max(1);
        // The slices are the same ones where an import goes on.
        let (done, refused_before) = state.begin(&origin, slice_ns.cast_unsigned())?;
        self.report.went_on(refused_before);
        if done == DONE {
            return Ok(());
        }
        let refused_at_start = self.report.lines_refused();
        let refused = || refused_before + self.report.lines_refused() - refused_at_start;
        let mut next = self.source.next_time(group, table, start_of(done, slice_ns)).await?;
        while let Some(time_ns) = next {
            let index = index_of(time_ns, slice_ns);
            let slice =
                Slice { from_ns: start_of(index, slice_ns), to_ns: start_of(index.saturating_add(1), slice_ns) };
            let sent = self.slice(&origin, (group, table, slice), delivery).boxed_local().await?;
            if refused() == refused_before && !self.options.source.no_verify {
                let mut found = Checksum::default();
                let place = (stored, &table.as_stored(), slice);
                target.read(place, &mut found, self.options.batch_lines as usize, async |_| Ok(())).await?;
                if sent != found {
                    let place = format!("{origin}, {} to {} ns", slice.from_ns, slice.to_ns);
                    return Err(RemoteError::Differs { place, sent, found }.into());
                }
            }
            state.reached(&origin, index.saturating_add(1), refused())?;
            next = match sent.values {
                _ if slice.to_ns == i64::MAX => None,
                0 => self.source.next_time(group, table, slice.to_ns).await?,
                _ => Some(slice.to_ns),
            };
        }
        Ok(state.reached(&origin, DONE, refused())?)
    }

    async fn slice(
        &self,
        origin: &str,
        place: (&Group, &Table, Slice),
        delivery: &Delivery<'_>,
    ) -> Result<Checksum, ImportError> {
        let mut sum = Checksum::default();
        let take = async |piece: Piece| {
            match piece {
                Piece::Batch(batch) => delivery.deliver(origin, &batch).await?,
                Piece::Unreadable { line, cause, .. } => self.report.refused(origin, line, line, &cause),
                Piece::Refused { line, count, cause } => self.report.refused_lines(origin, line, line, count, &cause),
            }
            Ok(())
        };
        self.source.read(place, &mut sum, self.options.batch_lines as usize, take).await?;
        Ok(sum)
    }
}

impl Table {
    /// As the target has it: each field has one type there.
    fn as_stored(&self) -> Self {
        let fields = self.fields.iter().map(influxql::Field::as_stored).collect();
        Self { measurement: self.measurement.clone(), fields }
    }
}

/// The place of a time among all slices of a length, from the earliest time on.
fn index_of(time_ns: i64, slice_ns: i64) -> u64 {
    time_ns.wrapping_sub(i64::MIN).cast_unsigned() / slice_ns.cast_unsigned()
}

/// Where a slice begins; the last one ends with time.
fn start_of(index: u64, slice_ns: i64) -> i64 {
    let offset = u128::from(index) * u128::from(slice_ns.cast_unsigned());
    match u64::try_from(offset) {
        Ok(offset) => i64::MIN.wrapping_add(offset.cast_signed()),
        Err(_) => i64::MAX,
    }
}

async fn call(client: &Client, request: ApiRequest, what: &str) -> Result<serde_json::Value, RemoteError> {
    client.call(&request).await.map_err(|source| RemoteError::Request { what: what.to_owned(), source })
}

fn get(path: &str) -> ApiRequest {
    ApiRequest::new(Method::Get, path)
}

#[cfg(test)]
mod tests {
    use super::{index_of, start_of};

    #[test]
    fn slices_cover_all_times_once() {
        const DAY: i64 = 86_400_000_000_000;
        for time_ns in [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_600_000_000_000_000_000, i64::MAX - 1, i64::MAX] {
            for slice_ns in [1, 7, DAY, i64::MAX] {
                let index = index_of(time_ns, slice_ns);
                let (from_ns, to_ns) = (start_of(index, slice_ns), start_of(index.saturating_add(1), slice_ns));
                assert!(from_ns <= time_ns && (time_ns < to_ns || to_ns == i64::MAX), "{time_ns} {slice_ns}");
            }
        }
        assert_eq!(start_of(0, DAY), i64::MIN);
    }
}
