//! A catalog in a temporary directory, and short ways to say what goes into it.

use std::path::PathBuf;
use std::sync::Arc;

use catalog::database::PostgresDatabase;
use catalog::{BucketId, Clock, ManualClock, OrganisationId};
use line_protocol::FieldKind;
use tempfile::TempDir;

use super::super::*;
use crate::ids::Sequence;
use crate::table::{BucketInfo, ColumnKind, StatisticsValue, TableSchema};

pub(super) const TAG: ColumnKind = ColumnKind::Tag;
pub(super) const FLOAT: ColumnKind = ColumnKind::Field(FieldKind::Float);
pub(super) const INTEGER: ColumnKind = ColumnKind::Field(FieldKind::Integer);
pub(super) const UNSIGNED: ColumnKind = ColumnKind::Field(FieldKind::Unsigned);
pub(super) const BOOLEAN: ColumnKind = ColumnKind::Field(FieldKind::Boolean);
pub(super) const STRING: ColumnKind = ColumnKind::Field(FieldKind::String);

/// Every test of the catalog, and those of the engine beside it, on PostgreSQL.
#[test]
fn on_postgres() {
    testkit::again_on_postgres(&["lake::"], 36);
}

/// An open catalog in a directory or schema of its own.
pub(super) struct TestLake {
    pub(super) lake: Lake,
    pub(super) location: Location,
    pub(super) directory: TempDir,
}

impl TestLake {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_763_812_061_880_636_789));
        let location = match std::env::var(testkit::TEST_CATALOG) {
            Ok(url) => {
                let database = PostgresDatabase::parse(&testkit::schema_url(&url)).unwrap();
                Location::Postgres(database.lake("directory"))
            }
            Err(_) => Location::Sqlite(directory.path().join("catalog.sqlite")),
        };
        let (lake, state) = Lake::open(&location, &directory.path().join("files"), clock, true).await.unwrap();
        assert_eq!(state, LakeState::default());
        Self { lake, location, directory }
    }

    /// How the reader in Python names the catalog.
    pub(super) fn reader_argument(&self) -> String {
        match &self.location {
            Location::Sqlite(path) => path.to_str().unwrap().to_owned(),
            Location::Postgres(location) => {
                format!("{}?schema={}", std::env::var(testkit::TEST_CATALOG).unwrap(), location.schema)
            }
        }
    }

    pub(super) fn files_root(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.lake.clock)
    }

    /// Opens the catalog a second time. PostgreSQL lets nobody in beside the first, so that one reads again.
    pub(super) async fn reopen(&self) -> (Lake, LakeState) {
        if self.lake.database.is_postgres() {
            return (self.lake.clone(), self.lake.load().await.unwrap());
        }
        Lake::open(&self.location, &self.files_root(), self.clock(), false).await.unwrap()
    }

    /// Registers a measurement of bucket 1, called `b`.
    pub(super) async fn table(&self, measurement: &str, columns: &[(&str, ColumnKind)]) -> TableSchema {
        let request = Registration {
            buckets: vec![bucket(1, "b")],
            tables: vec![new_table(1, measurement, columns)],
            columns: Vec::new(),
        };
        self.lake.register(request).await.unwrap().tables.remove(0)
    }
}

/// Executes a statement past all rules.
pub(super) async fn execute(lake: &Lake, statement: &'static str) {
    let mut transaction = lake.begin().await.unwrap();
    sql::statement(statement).execute(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Every row of a schema, by table; without the row of the server, which changes with every opening.
pub(super) fn dump_postgres(schema: &str) -> Vec<(String, Vec<String>)> {
    let rows = testkit::postgres_sql(&format!(
        "SELECT tablename || E'\\t' || replace(query_to_xml(format('SELECT t::text AS row FROM %I.%I t ORDER BY 1', \
         schemaname, tablename), true, false, '')::text, E'\\n', ' ') FROM pg_tables \
         WHERE schemaname = '{schema}' AND tablename <> 'freshet_server' ORDER BY tablename"
    ));
    let line = |line: &str| line.split_once('\t').map(|(table, rows)| (table.to_owned(), vec![rows.to_owned()]));
    rows.lines().filter_map(line).collect()
}

pub(super) fn bucket(id: u64, name: &str) -> BucketInfo {
    BucketInfo {
        organisation: OrganisationId::from_u64(u64::MAX).unwrap(),
        organisation_name: "acme".to_owned(),
        bucket: BucketId::from_u64(id).unwrap(),
        name: name.to_owned(),
    }
}

pub(super) fn column(name: &str, kind: ColumnKind) -> NewColumn {
    NewColumn { name: name.to_owned(), kind }
}

pub(super) fn new_table(bucket: u64, measurement: &str, columns: &[(&str, ColumnKind)]) -> NewTable {
    NewTable {
        bucket: BucketId::from_u64(bucket).unwrap(),
        measurement: measurement.to_owned(),
        columns: columns.iter().map(|(name, kind)| column(name, *kind)).collect(),
    }
}

/// A file of 100 bytes without statistics.
pub(super) fn file(schema: &TableSchema, name: &str, row_count: u64, sequences: (u64, u64)) -> NewDataFile {
    NewDataFile {
        table: schema.table,
        path: format!("{}{name}", table_directory(schema.bucket, schema.table)),
        row_count,
        size_bytes: 100,
        footer_size_bytes: 50,
        time_range: (0, 1),
        sequences: (Sequence(sequences.0), Sequence(sequences.1)),
        deletes_applied: Sequence(sequences.1),
        level: 0,
        sort_tags: Vec::new(),
        statistics: Vec::new(),
    }
}

/// The smallest and largest of some values, NaN left out.
pub(super) fn range<'a>(
    values: impl Iterator<Item = &'a StatisticsValue>,
) -> Option<(StatisticsValue, StatisticsValue)> {
    let less = |left: &StatisticsValue, right: &StatisticsValue| match (left, right) {
        (StatisticsValue::Time(left), StatisticsValue::Time(right)) => left < right,
        (StatisticsValue::Float(left), StatisticsValue::Float(right)) => left < right,
        (StatisticsValue::Integer(left), StatisticsValue::Integer(right)) => left < right,
        (StatisticsValue::Unsigned(left), StatisticsValue::Unsigned(right)) => left < right,
        (StatisticsValue::Boolean(left), StatisticsValue::Boolean(right)) => !left & right,
        (StatisticsValue::Text(left), StatisticsValue::Text(right)) => left < right,
        _ => panic!("two types in one column"),
    };
    let mut range: Option<(StatisticsValue, StatisticsValue)> = None;
    for value in values.filter(|value| !matches!(value, StatisticsValue::Float(float) if float.is_nan())) {
        range = Some(match range {
            None => (value.clone(), value.clone()),
            Some((min, max)) => (
                if less(value, &min) { value.clone() } else { min },
                if less(&max, value) { value.clone() } else { max },
            ),
        });
    }
    range
}
