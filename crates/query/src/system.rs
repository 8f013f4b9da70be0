//! The schema `system`: what the server knows of itself, as InfluxDB 3 calls it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use storage::SnapshotHistory;

/// The schema's name.
pub(crate) const SYSTEM: &str = "system";
/// The table of snapshots.
const SNAPSHOTS: &str = "snapshots";

/// The tables of the schema `system`. They are read when a query names them.
#[derive(Debug)]
pub(crate) struct SystemSchema {
    pub(crate) history: SnapshotHistory,
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        vec![SNAPSHOTS.to_owned()]
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name != SNAPSHOTS {
            return Ok(None);
        }
        let list = self.history.list().await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(list.iter().map(|snapshot| snapshot.id))),
            Arc::new(TimestampNanosecondArray::from_iter_values(list.iter().map(|snapshot| snapshot.time_ns))),
        ];
        let batch = RecordBatch::try_new(snapshots_schema(), columns)?;
        Ok(Some(Arc::new(MemTable::try_new(snapshots_schema(), vec![vec![batch]])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        name == SNAPSHOTS
    }
}

/// What changed is left out: it names buckets and measurements of other organisations.
fn snapshots_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("snapshot_id", DataType::Int64, false),
        Field::new("snapshot_time", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
    ]))
}
