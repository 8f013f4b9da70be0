//! The answer to a statement, part by part: what is there, and how the rest is fetched.
//!
//! A statement is listed as running, and can be ended, until its last part is there.

use futures::StreamExt as _;
use query::influxql::{AnswerPart, HeldMemory, InfluxqlAnswer, Series};

use crate::api_error::{ApiError, ApiResult, Code};
use crate::running::RunningGuard;

/// The answer to a statement, or a part of it.
#[derive(Debug, Default)]
pub(crate) struct StatementResult {
    pub(crate) series: Vec<Series>,
    /// Whether the rows of the first series belong behind those of the last one of the part before.
    pub(crate) continues: bool,
    /// What ended the statement, behind its series.
    pub(crate) error: Option<String>,
    /// What the series take of the memory for queries, until they are written.
    pub(crate) memory: Option<HeldMemory>,
    /// What follows.
    pub(crate) rest: Option<RestOfAnswer>,
}

/// Parts that are computed while those before them are read.
#[derive(Debug)]
pub(crate) struct RestOfAnswer {
    answer: InfluxqlAnswer,
    running: Option<RunningGuard>,
}

impl RestOfAnswer {
    async fn next(&mut self) -> Option<ApiResult<AnswerPart>> {
        let Self { answer, running } = self;
        let killed = async {
            match running {
                Some(running) => running.killed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = killed => Some(Err(interrupted())),
            part = answer.next() => part.map(|part| part.map_err(ApiError::from)),
        }
    }
}

/// What a statement is told that `KILL QUERY` ends.
pub(super) fn interrupted() -> ApiError {
    ApiError::new(Code::Unavailable, "query interrupted")
}

impl StatementResult {
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), ..Self::default() }
    }

    /// The answer of the query engine, of which at least one part is there.
    ///
    /// # Errors
    /// If it fails at once.
    pub(super) async fn of_answer(answer: InfluxqlAnswer) -> ApiResult<Self> {
        let mut result = Self { rest: Some(RestOfAnswer { answer, running: None }), ..Self::default() };
        result.fetch().await?;
        Ok(result)
    }

    /// Keeps the mark of the statement until its last part is there.
    pub(super) fn keep_running(&mut self, running: RunningGuard) {
        if let Some(rest) = &mut self.rest {
            rest.running = Some(running);
        }
    }

    /// Whether more follows.
    pub(crate) fn has_more(&self) -> bool {
        self.rest.is_some()
    }

    /// Puts the next part in the place of this one.
    async fn fetch(&mut self) -> ApiResult<()> {
        (self.series, self.memory, self.continues) = (Vec::new(), None, false);
        let Some(rest) = &mut self.rest else { return Ok(()) };
        let part = rest.next().await.transpose().inspect_err(|_| self.rest = None)?;
        match part {
            Some(AnswerPart { series, continues, is_last, memory }) => {
                (self.series, self.continues, self.memory) = (series, continues, Some(memory));
                if is_last {
                    self.rest = None;
                }
            }
            None => self.rest = None,
        }
        Ok(())
    }

    /// Puts the next part in the place of this one. What goes wrong is the error of the statement.
    pub(crate) async fn advance(&mut self) {
        if let Err(error) = self.fetch().await {
            self.error = Some(error.influxql_text());
        }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// Whatever ends the statement before its end.
    pub(crate) async fn whole(mut self) -> ApiResult<Self> {
        let mut all = std::mem::take(&mut self.series);
        let mut memory: Vec<HeldMemory> = self.memory.take().into_iter().collect();
        while self.has_more() {
            self.fetch().await?;
            let mut series = std::mem::take(&mut self.series).into_iter();
            if let (true, Some(last)) = (self.continues, all.last_mut()) {
                last.rows.extend(series.next().into_iter().flat_map(|series| series.rows));
            }
            all.extend(series);
            memory.extend(self.memory.take());
        }
        let memory = HeldMemory::together(memory);
        Ok(Self { series: all, continues: false, memory, ..self })
    }
}
