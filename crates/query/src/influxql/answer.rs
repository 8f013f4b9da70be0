//! The answer to a statement on its way: parts of series, as they are computed, through a queue of a few.
//!
//! Whoever computes fills a [`Sink`] and waits while the queue is full, so an answer of any size takes the memory of
//! some parts. What is small leaves as one part, which says that it is the last one. Where an answer is needed whole
//! (a subquery, say) the sink only gathers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::execution::memory_pool::MemoryReservation;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::execute::{Budget, Series};
use super::value::Value;
use crate::error::QueryError;
use crate::limits;

/// Memory out of the pool of all queries, which is given back when this is dropped.
#[derive(Debug)]
pub struct HeldMemory(pub(crate) MemoryReservation);

impl HeldMemory {
    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.size()
    }

    /// Several as one; none of none.
    #[must_use]
    pub fn together(list: impl IntoIterator<Item = Self>) -> Option<Self> {
        list.into_iter().reduce(|all, other| {
            let bytes = other.bytes();
            drop(other);
            // The memory is taken already: there is nothing to refuse.
            all.0.grow(bytes);
            all
        })
    }
}

/// Some of the series of an answer.
#[derive(Debug)]
pub struct AnswerPart {
    /// Series in the order of the answer.
    pub series: Vec<Series>,
    /// Whether the rows of the first of them belong behind those of the last series of the part before.
    pub continues: bool,
    /// Whether no part follows.
    pub is_last: bool,
    /// What the rows take, until they are dropped.
    pub memory: HeldMemory,
}

/// The answer to a statement: its parts, one after another. Dropping it ends the statement.
pub struct InfluxqlAnswer {
    pub(crate) first: Option<AnswerPart>,
    pub(crate) parts: mpsc::Receiver<Result<AnswerPart, QueryError>>,
    pub(crate) is_done: bool,
    /// The memory for all queries.
    pub(crate) limit_bytes: usize,
}

impl fmt::Debug for InfluxqlAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfluxqlAnswer").field("is_done", &self.is_done).finish_non_exhaustive()
    }
}

impl Stream for InfluxqlAnswer {
    type Item = Result<AnswerPart, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.is_done {
            return Poll::Ready(None);
        }
        let next = self.parts.poll_recv(context);
        if let Poll::Ready(next) = &next {
            self.is_done = next.as_ref().is_none_or(|part| part.as_ref().map_or(true, |part| part.is_last));
        }
        next
    }
}

impl InfluxqlAnswer {
    /// The whole answer, and the memory that it takes.
    ///
    /// # Errors
    /// Whatever ends the statement before its end.
    pub async fn collect(mut self) -> Result<(Vec<Series>, HeldMemory), QueryError> {
        let nothing = || QueryError::Internal("the query ended without a word".to_owned());
        let AnswerPart { mut series, memory, .. } = self.next().await.ok_or_else(nothing)??;
        let held = Budget { reservation: memory.0, limit_bytes: self.limit_bytes };
        while let Some(part) = self.next().await.transpose()? {
            let mut more = part.series.into_iter();
            if let (true, Some(last)) = (part.continues, series.last_mut()) {
                last.rows.extend(more.next().into_iter().flat_map(|more| more.rows));
            }
            series.extend(more);
            held.absorb(Budget { reservation: part.memory.0, limit_bytes: self.limit_bytes })?;
        }
        Ok((series, HeldMemory(held.reservation)))
    }
}

/// Where an answer goes while it is computed.
pub(super) struct Sink {
    /// None gathers everything.
    sender: Option<mpsc::Sender<Result<AnswerPart, QueryError>>>,
    series: Vec<Series>,
    /// Whether the first of them goes on with what has been sent.
    continues: bool,
    /// The last series that has been sent, without its rows.
    sent: Option<Series>,
    cells: usize,
    /// Cells of a part.
    most_cells: usize,
    held: Budget,
}

impl Sink {
    /// A sink whose parts go to a reader.
    pub(super) fn new(sender: mpsc::Sender<Result<AnswerPart, QueryError>>, budget: &Budget) -> Self {
        Self { sender: Some(sender), ..Self::gathering(budget) }
    }

    /// A sink that keeps everything.
    pub(super) fn gathering(budget: &Budget) -> Self {
        let (series, held) = (Vec::new(), budget.child());
        // The parts of the queue are a small share of the memory.
        let most_cells = (budget.limit_bytes / limits::ANSWER_PART_SHARE / size_of::<Value>()).max(1);
        let most_cells = most_cells.min(limits::ANSWER_PART_CELLS);
        Self { sender: None, series, continues: false, sent: None, cells: 0, most_cells, held }
    }

    /// How many rows of so many columns a part has room for.
    pub(super) fn rows_of_part(&self, columns: usize) -> usize {
        (self.most_cells / (columns + 1)).max(1)
    }

    /// Adds a series.
    pub(super) async fn add(&mut self, series: Series) -> Result<(), QueryError> {
        self.charge(&series.columns, series.rows.len())?;
        self.series.push(series);
        self.send_if_full().await
    }

    /// Adds rows to the series that came last.
    pub(super) async fn extend(&mut self, rows: Vec<Vec<Value>>) -> Result<(), QueryError> {
        if self.series.is_empty()
            && let Some(sent) = &self.sent
        {
            self.series.push(sent.clone());
            self.continues = true;
        }
        let columns = self.series.last().map(|last| Arc::clone(&last.columns)).unwrap_or_default();
        self.charge(&columns, rows.len())?;
        if let Some(last) = self.series.last_mut() {
            last.rows.extend(rows);
        }
        self.send_if_full().await
    }

    fn charge(&mut self, columns: &[String], rows: usize) -> Result<(), QueryError> {
        // A row has a head of its own, and a series without rows takes its place too.
        self.cells += (rows + 1) * (columns.len() + 1);
        self.held.charge(rows * (columns.len() + 1) * size_of::<Value>())
    }

    async fn send_if_full(&mut self) -> Result<(), QueryError> {
        if self.sender.is_some() && self.cells >= self.most_cells { self.send(false).await } else { Ok(()) }
    }

    async fn send(&mut self, is_last: bool) -> Result<(), QueryError> {
        let Some(sender) = &self.sender else { return Ok(()) };
        if let Some(last) = self.series.last() {
            self.sent = Some(last.head());
        }
        let child = self.held.child();
        let held = std::mem::replace(&mut self.held, child);
        let part = AnswerPart {
            series: std::mem::take(&mut self.series),
            continues: std::mem::take(&mut self.continues),
            is_last,
            memory: HeldMemory(held.reservation),
        };
        self.cells = 0;
        // Whoever leaves ends the query.
        sender.send(Ok(part)).await.map_err(|_| QueryError::Internal("nobody reads the answer".to_owned()))
    }

    /// Sends what is left.
    pub(super) async fn finish(mut self) -> Result<(), QueryError> {
        self.send(true).await
    }

    /// What was gathered, and what it takes.
    pub(super) fn into_series(self) -> (Vec<Series>, Budget) {
        (self.series, self.held)
    }
}

impl Series {
    /// The series without its rows.
    fn head(&self) -> Self {
        Self {
            name: self.name.clone(),
            tags: self.tags.clone(),
            columns: Arc::clone(&self.columns),
            rows: Vec::new(),
            zone: self.zone,
        }
    }
}
