//! A snapshot as DataFusion's catalog: `public.iox.<measurement>`, the names that InfluxDB 3 uses.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::error::Result;
use storage::{Snapshot, SnapshotHistory};

use crate::system::{SYSTEM, SystemSchema};
use crate::table::SnapshotTable;

/// The catalog's name in `information_schema` and `SHOW TABLES`.
pub(crate) const CATALOG: &str = "public";
/// The schema's name there.
pub(crate) const SCHEMA: &str = "iox";

/// A catalog list that holds the tables of `snapshot`, and those of the schema `system` if there is a history.
pub(crate) fn catalog_list(snapshot: Snapshot, history: Option<SnapshotHistory>) -> Arc<dyn CatalogProviderList> {
    let mut schemas: Vec<(&'static str, Arc<dyn SchemaProvider>)> =
        vec![(SCHEMA, Arc::new(SnapshotSchema { snapshot }))];
    if let Some(history) = history {
        schemas.push((SYSTEM, Arc::new(SystemSchema { history })));
    }
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(QueryCatalog { schemas }));
    Arc::new(list)
}

/// The schemas of a query, always in the same order.
#[derive(Debug)]
struct QueryCatalog {
    schemas: Vec<(&'static str, Arc<dyn SchemaProvider>)>,
}

impl CatalogProvider for QueryCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.schemas.iter().find(|(candidate, _)| *candidate == name).map(|(_, schema)| Arc::clone(schema))
    }
}

/// The tables of a snapshot.
#[derive(Debug)]
struct SnapshotSchema {
    snapshot: Snapshot,
}

#[async_trait]
impl SchemaProvider for SnapshotSchema {
    fn table_names(&self) -> Vec<String> {
        self.snapshot.tables().map(|table| table.table_schema().measurement.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = self.snapshot.table(name);
        Ok(table.map(|table| Arc::new(SnapshotTable::new(Arc::clone(table))) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.snapshot.table(name).is_some()
    }
}
