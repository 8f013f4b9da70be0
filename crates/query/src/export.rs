//! All rows of tables, one table after the other: for exports, which may take hours and keep no state.
//!
//! They run on the query threads beside the queries, a few at a time, without a time limit: a slow receiver holds a
//! snapshot and some batches, nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt as _};
use storage::{ScanRequest, TableSnapshot};
use tokio::sync::mpsc;

use crate::engine::QueryEngine;
use crate::error::QueryError;
use crate::limits;

type Item = Result<(usize, RecordBatch), QueryError>;

/// What goes through the channel; `None` says that nothing is missing.
type Message = Result<Option<(usize, RecordBatch)>, QueryError>;

/// Batches, each with the index of its table. Dropping it ends the export.
#[derive(Debug)]
pub struct ExportedRows {
    batches: mpsc::Receiver<Message>,
    is_over: bool,
}

impl Stream for ExportedRows {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.batches.poll_recv(context).map(|message| match message {
            Some(Ok(Some(batch))) => Some(Ok(batch)),
            end => {
                self.is_over = true;
                match end {
                    Some(Err(error)) => Some(Err(error)),
                    Some(Ok(_)) => None,
                    // A part must not be taken for the whole.
                    None => Some(Err(QueryError::Internal("the export ended without a word".to_owned()))),
                }
            }
        })
    }
}

impl QueryEngine {
    /// The rows of the tables within `time_range` (nanoseconds, inclusive), in all columns of each.
    ///
    /// # Errors
    /// [`QueryError::Busy`] if as many exports as may are running.
    pub fn export(&self, tables: Vec<Arc<TableSnapshot>>, time_range: (i64, i64)) -> Result<ExportedRows, QueryError> {
        let refused = || QueryError::Busy { running: limits::EXPORTS, waiting: 0 };
        let (permit, threads) = self.export_place().ok_or_else(refused)?;
        let (sender, batches) = mpsc::channel(limits::RESULT_QUEUE_BATCHES);
        threads.spawn(async move {
            let _permit = permit;
            for (index, table) in tables.iter().enumerate() {
                if send(index, table, time_range, &sender).await.is_err() {
                    return;
                }
            }
            // Nobody may be there any more.
            let _ = sender.send(Ok(None)).await;
        });
        Ok(ExportedRows { batches, is_over: false })
    }
}

/// An error: nobody reads on.
async fn send(
    index: usize,
    table: &Arc<TableSnapshot>,
    time_range: (i64, i64),
    sender: &mpsc::Sender<Message>,
) -> Result<(), mpsc::error::SendError<Message>> {
    let failed = |error: &dyn std::fmt::Display| Err(QueryError::Internal(error.to_string()));
    let request = ScanRequest { time_range, batch_rows: limits::BATCH_ROWS, ..ScanRequest::default() };
    let scan = match table.scan(request) {
        Ok(scan) => scan,
        Err(error) => {
            sender.send(failed(&error)).await?;
            return Err(mpsc::error::SendError(failed(&"the export ended")));
        }
    };
    for partition in &scan.partitions {
        let mut batches = partition.stream();
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => sender.send(Ok(Some((index, batch)))).await?,
                Err(error) => {
                    sender.send(failed(&error)).await?;
                    // What follows would look like the rest of a whole.
                    return Err(mpsc::error::SendError(failed(&"the export ended")));
                }
            }
        }
    }
    Ok(())
}
