//! The deletes in the registry: written with the flush that lets the WAL forget them, and gone when no file needs
//! them.

use std::sync::Arc;

use super::sql::{self, Transaction, big_int};
use super::{FlushCommit, LakeError};
use crate::delete::{self, DeleteFilter, Tombstone};
use crate::ids::Sequence;

/// Sequence, bucket, earliest and latest time, terms.
pub(super) type DeleteRow = (i64, i64, i64, i64, Vec<u8>);

/// What [`tombstone`] reads.
pub(super) const SELECT: &str =
    "SELECT sequence, bucket_id, min_time_ns, max_time_ns, terms FROM freshet_delete ORDER BY sequence";

/// The delete of a row.
pub(super) fn tombstone((sequence, bucket, first, last, terms): DeleteRow) -> Result<Tombstone, LakeError> {
    let terms = delete::decode_terms(&terms)
        .map_err(|error| LakeError::Damaged(format!("the delete of record {sequence}: {error}")))?;
    Ok(Tombstone {
        sequence: Sequence(sql::count("a sequence", sequence)?),
        bucket: sql::bucket_id(bucket)?,
        filter: DeleteFilter { time_range: (first, last), terms },
    })
}

/// Writes the new deletes of a commit and removes those that it forgets. Both may have been done before: a commit that
/// is tried again brings them again.
pub(super) async fn write(transaction: &mut Transaction, commit: &FlushCommit) -> Result<(), LakeError> {
    let mut rows: Vec<(i64, &Arc<Tombstone>)> = Vec::with_capacity(commit.deletes.len());
    for tombstone in &commit.deletes {
        rows.push((big_int("sequence", tombstone.sequence.0)?, tombstone));
    }
    let mut forgotten = Vec::with_capacity(commit.forgotten_deletes.len());
    for sequence in &commit.forgotten_deletes {
        forgotten.push(big_int("sequence", sequence.0)?);
    }
    let write = async {
        let statement = (
            "INSERT INTO freshet_delete(sequence, bucket_id, min_time_ns, max_time_ns, terms)",
            " ON CONFLICT (sequence) DO NOTHING",
        );
        sql::insert(transaction, statement, 5, &rows, |values, (sequence, tombstone)| {
            let (first, last) = tombstone.filter.time_range;
            values.bind(*sequence).bind(tombstone.bucket.to_i64()).bind(first).bind(last);
            values.bind(delete::encode_terms(&tombstone.filter.terms));
        })
        .await?;
        sql::execute_in(transaction, ("DELETE FROM freshet_delete WHERE sequence", ""), None, &forgotten).await
    };
    write.await.map(|_| ()).map_err(LakeError::database("write deletes"))
}
