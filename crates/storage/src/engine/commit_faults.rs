//! What tests let go wrong between the engine and its catalog: a commit that is refused, and an answer that is lost
//! although the commit happened or before it did.

use std::fmt::Debug;

use crate::lake::{CommitError, LakeError};

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing goes wrong.
    None,
    /// The catalog says that it did not happen, and it did not.
    Refused,
    /// Nobody says how it ended, and it did not happen.
    LostBefore,
    /// Nobody says how it ended, and it happened.
    LostAfter,
}

/// Decides what becomes of each commit, in their order.
pub trait CommitFaults: Send + Sync + Debug {
    /// The fate of the next commit, or of what is about to become one.
    fn next(&self) -> CommitFault;

    /// Tells that a commit has happened.
    fn happened(&self);
}

/// Nothing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCommitFaults;

impl CommitFaults for NoCommitFaults {
    fn next(&self) -> CommitFault {
        CommitFault::None
    }

    fn happened(&self) {}
}

fn lost() -> sqlx::Error {
    sqlx::Error::Protocol("a simulated fault of the catalog".to_owned())
}

fn refused() -> LakeError {
    LakeError::Database { operation: "commit", source: lost() }
}

/// Runs a commit whose caller asks how it ended if it is not known.
pub(super) async fn commit<T>(
    faults: &dyn CommitFaults,
    commit: impl Future<Output = Result<T, CommitError>>,
) -> Result<T, CommitError> {
    let fault = faults.next();
    match fault {
        CommitFault::Refused => return Err(refused().into()),
        CommitFault::LostBefore => return Err(CommitError::Unknown(lost())),
        CommitFault::None | CommitFault::LostAfter => {}
    }
    let committed = commit.await?;
    faults.happened();
    if fault == CommitFault::LostAfter { Err(CommitError::Unknown(lost())) } else { Ok(committed) }
}

/// Runs a commit that may be repeated, whose caller needs to know only whether it is sure that it happened.
pub(super) async fn repeatable<T>(
    faults: &dyn CommitFaults,
    change: impl Future<Output = Result<T, LakeError>>,
) -> Result<T, LakeError> {
    let change = async { change.await.map_err(CommitError::NotCommitted) };
    commit(faults, change).await.map_err(|error| match error {
        CommitError::NotCommitted(error) => error,
        CommitError::Unknown(source) => LakeError::Database { operation: "commit", source },
    })
}
