//! A catalog from what files say of themselves: buckets, tables and columns with the ids that they had.

use super::register::create_tables;
use super::sql::{self, NewSnapshot};
use super::{CommitError, FlushCommit, Lake, LakeError, NewDataFile, buckets};
use crate::ids::{ColumnId, Sequence, TableId};
use crate::table::{BucketInfo, TableSchema};

/// What a catalog is to hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rebuilt {
    pub(crate) buckets: Vec<BucketInfo>,
    /// Each with its columns and their ids, and the record up to which its rows are in files.
    pub(crate) tables: Vec<(TableSchema, Sequence)>,
    pub(crate) files: Vec<NewDataFile>,
    pub(crate) watermark: Sequence,
}

impl Lake {
    /// Fills a catalog that was just made.
    ///
    /// # Errors
    /// [`CommitError`]; the catalog is of no use then.
    pub(crate) async fn rebuild(&self, rebuilt: Rebuilt) -> Result<(), CommitError> {
        let mut transaction = self.begin().await?;
        // Ids are never given twice: the log may still name tables.
        let next = rebuilt.tables.iter().map(|(schema, _)| schema.table.0).max().unwrap_or(0) + 1;
        sql::statement("UPDATE ducklake_snapshot SET next_catalog_id = $1 WHERE next_catalog_id < $1")
            .bind(next)
            .execute(&mut transaction)
            .await
            .map_err(LakeError::database("reserve the ids of tables"))?;
        let mut snapshot = NewSnapshot::begin(&mut transaction).await?;
        for bucket in &rebuilt.buckets {
            buckets::register(&mut transaction, &mut snapshot, bucket).await?;
        }
        let schemas = rebuilt.tables.iter().map(|(schema, _)| schema.clone()).collect();
        create_tables(&mut transaction, &mut snapshot, schemas).await?;
        if !snapshot.is_empty() {
            snapshot.write(&mut transaction, self.clock.now_ns()).await?;
        }
        transaction.commit().await.map_err(CommitError::Unknown)?;
        let flushed: Vec<(TableId, Sequence)> =
            rebuilt.tables.iter().map(|(schema, flushed)| (schema.table, *flushed)).collect();
        let has_order = rebuilt.tables.iter().filter(|(schema, _)| !schema.tag_order.is_empty());
        let tag_orders: Vec<(TableId, Vec<ColumnId>)> =
            has_order.map(|(schema, _)| (schema.table, schema.tag_order.clone())).collect();
        let (files, watermark) = (rebuilt.files, rebuilt.watermark);
        self.commit_flush(&FlushCommit { files, flushed, tag_orders, watermark, ..FlushCommit::default() }).await?;
        Ok(())
    }
}
