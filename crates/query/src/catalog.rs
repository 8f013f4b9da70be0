//! A snapshot as DataFusion's catalog: `public.iox.<measurement>`, the names that InfluxDB 3 uses.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider,
    TableProvider,
};
use datafusion::error::Result;
use storage::Snapshot;

use crate::table::SnapshotTable;

/// The catalog's name in `information_schema` and `SHOW TABLES`.
pub(crate) const CATALOG: &str = "public";
/// The schema's name there.
pub(crate) const SCHEMA: &str = "iox";

/// A catalog list that holds nothing but the tables of `snapshot`.
pub(crate) fn catalog_list(snapshot: Snapshot) -> Result<Arc<dyn CatalogProviderList>> {
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(SnapshotSchema { snapshot }))?;
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
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
