//! Where the data files lie, as the catalog tells outside readers (`data_path`), and what may change it.
//!
//! A directory that was moved is followed without a word: its files moved with it. A change from or to an object store
//! has to be said, because the files do not follow by themselves.

use super::sql::{self, Transaction};
use super::{Lake, LakeError, read_metadata};

/// Whether a place is in an object store.
pub(super) fn is_url(data_path: &str) -> bool {
    data_path.contains("://")
}

/// Writes the new directory in place of an earlier one.
pub(super) async fn follow_directory(transaction: &mut Transaction, data_path: &str) -> Result<(), LakeError> {
    let recorded = read_metadata(transaction, "data_path").await?;
    if recorded.is_some_and(|recorded| recorded == data_path || is_url(&recorded) || is_url(data_path)) {
        return Ok(());
    }
    write(transaction, data_path).await
}

async fn write(transaction: &mut Transaction, data_path: &str) -> Result<(), LakeError> {
    sql::statement("UPDATE ducklake_metadata SET \"value\" = $1 WHERE \"key\" = 'data_path'")
        .bind(data_path)
        .execute(transaction)
        .await
        .map_err(LakeError::database("write the place of the data files"))?;
    Ok(())
}

impl Lake {
    /// Makes `data_path` the place of the data files. `were_moved` says that all of them are there.
    ///
    /// # Errors
    /// [`LakeError::FilesElsewhere`] if the catalog names files in another place and they were not moved.
    pub async fn place_files(&self, data_path: &str, were_moved: bool) -> Result<(), LakeError> {
        let mut transaction = self.begin().await?;
        let recorded = read_metadata(&mut transaction, "data_path").await?.unwrap_or_default();
        if recorded == data_path {
            return Ok(());
        }
        let files: i64 = sql::statement(
            "SELECT (SELECT count(*) FROM ducklake_data_file) + (SELECT count(*) FROM ducklake_delete_file) \
             + (SELECT count(*) FROM ducklake_files_scheduled_for_deletion)",
        )
        .value(&mut transaction)
        .await
        .map_err(LakeError::database("count its files"))?;
        if files > 0 && !were_moved {
            return Err(LakeError::FilesElsewhere { recorded, given: data_path.to_owned() });
        }
        write(&mut transaction, data_path).await?;
        transaction.commit().await.map_err(LakeError::database("commit the place of the data files"))?;
        tracing::info!(recorded, data_path, "the data files have another place now");
        Ok(())
    }
}
