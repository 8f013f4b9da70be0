//! The statements that begin with `SHOW`.

use super::{Parser, Result};
use crate::ast::{Cardinality, CardinalityOf, KeyFilter, NameOrAll, Operator, ShowMeasurements, ShowScope, Statement};
use crate::token::{Keyword, Kind};

impl Parser<'_> {
    /// `SHOW` behind the word.
    pub(super) fn show(&mut self) -> Result<Statement> {
        let token = self.next();
        let Kind::Keyword(keyword) = token.kind else {
            return Err(self.found(&token, SUBJECTS));
        };
        Ok(match keyword {
            Keyword::Continuous => {
                self.expect_keyword(Keyword::Queries)?;
                Statement::ShowContinuousQueries
            }
            Keyword::Databases => Statement::ShowDatabases,
            Keyword::Diagnostics => Statement::ShowDiagnostics { module: self.module()? },
            Keyword::Field => return self.show_field(),
            Keyword::Grants => {
                self.expect_keyword(Keyword::For)?;
                Statement::ShowGrants { user: self.identifier()? }
            }
            Keyword::Measurement => {
                let exact = self.exact("EXACT, CARDINALITY")?;
                self.cardinality(exact, |_| Ok(CardinalityOf::Measurements))?
            }
            Keyword::Measurements => Statement::ShowMeasurements(self.show_measurements()?),
            Keyword::Queries => Statement::ShowQueries,
            Keyword::Retention => {
                self.expect_keyword(Keyword::Policies)?;
                Statement::ShowRetentionPolicies { database: self.identifier_after(Keyword::On)? }
            }
            Keyword::Series => return self.show_series(),
            Keyword::Shard => {
                self.expect_keyword(Keyword::Groups)?;
                Statement::ShowShardGroups
            }
            Keyword::Shards => Statement::ShowShards,
            Keyword::Stats => Statement::ShowStats { module: self.module()? },
            Keyword::Subscriptions => Statement::ShowSubscriptions,
            Keyword::Tag => return self.show_tag(),
            Keyword::Users => Statement::ShowUsers,
            _ => return Err(self.found(&token, SUBJECTS)),
        })
    }

    fn module(&mut self) -> Result<Option<String>> {
        if self.take_keyword(Keyword::For) { self.string().map(Some) } else { Ok(None) }
    }

    fn show_series(&mut self) -> Result<Statement> {
        if self.take_keyword(Keyword::Exact) {
            self.expect_keyword(Keyword::Cardinality)?;
            return self.cardinality(true, |_| Ok(CardinalityOf::Series));
        }
        if self.take_keyword(Keyword::Cardinality) {
            return self.cardinality(false, |_| Ok(CardinalityOf::Series));
        }
        let mut scope = self.database_and_sources()?;
        scope.condition = self.condition()?;
        self.order_and_page(&mut scope)?;
        Ok(Statement::ShowSeries(scope))
    }

    fn show_field(&mut self) -> Result<Statement> {
        if self.take_keyword(Keyword::Key) {
            let exact = self.exact("EXACT, CARDINALITY")?;
            return self.cardinality(exact, |_| Ok(CardinalityOf::FieldKeys));
        }
        self.expect(Kind::Keyword(Keyword::Keys), "KEY, KEYS")?;
        let mut scope = self.database_and_sources()?;
        self.order_and_page(&mut scope)?;
        Ok(Statement::ShowFieldKeys(scope))
    }

    fn show_tag(&mut self) -> Result<Statement> {
        if self.take_keyword(Keyword::Key) {
            let exact = self.exact("EXACT, CARDINALITY")?;
            return self.cardinality(exact, |_| Ok(CardinalityOf::TagKeys));
        }
        if self.take_keyword(Keyword::Values) {
            return self.show_tag_values();
        }
        self.expect(Kind::Keyword(Keyword::Keys), "KEY, KEYS, VALUES")?;
        let mut scope = self.database_and_sources()?;
        let has_key = self.peek_kind() == Kind::Keyword(Keyword::With);
        let key = if has_key { Some(self.key_filter()?) } else { None };
        scope.condition = self.condition()?;
        self.order_and_page(&mut scope)?;
        let series_page = self.page(Keyword::Slimit, Keyword::Soffset)?;
        Ok(Statement::ShowTagKeys { scope, key, series_page })
    }

    fn show_tag_values(&mut self) -> Result<Statement> {
        let exact = self.take_keyword(Keyword::Exact);
        if exact {
            self.expect_keyword(Keyword::Cardinality)?;
        }
        if exact || self.take_keyword(Keyword::Cardinality) {
            return self.cardinality(exact, |parser| parser.key_filter().map(CardinalityOf::TagValues));
        }
        let mut scope = self.database_and_sources()?;
        let key = self.key_filter()?;
        scope.condition = self.condition()?;
        self.order_and_page(&mut scope)?;
        Ok(Statement::ShowTagValues { scope, key })
    }

    /// `[EXACT] CARDINALITY`
    fn exact(&mut self, expected: &str) -> Result<bool> {
        let exact = self.take_keyword(Keyword::Exact);
        self.expect(Kind::Keyword(Keyword::Cardinality), if exact { "CARDINALITY" } else { expected })?;
        Ok(exact)
    }

    /// `SHOW … CARDINALITY` behind that word. What is counted may have a clause of its own in the midst of the others.
    fn cardinality(&mut self, exact: bool, of: impl FnOnce(&mut Self) -> Result<CardinalityOf>) -> Result<Statement> {
        let scope = self.database_and_sources()?;
        Ok(Statement::ShowCardinality(Cardinality {
            of: of(self)?,
            exact,
            database: scope.database,
            sources: scope.sources,
            condition: self.condition()?,
            dimensions: self.dimensions()?,
            page: self.page(Keyword::Limit, Keyword::Offset)?,
        }))
    }

    fn database_and_sources(&mut self) -> Result<ShowScope> {
        let database = self.identifier_after(Keyword::On)?;
        Ok(ShowScope { database, sources: self.measurements()?, ..ShowScope::default() })
    }

    fn order_and_page(&mut self, scope: &mut ShowScope) -> Result<()> {
        scope.order = self.order()?;
        scope.page = self.page(Keyword::Limit, Keyword::Offset)?;
        Ok(())
    }

    /// `WITH KEY …`
    fn key_filter(&mut self) -> Result<KeyFilter> {
        self.expect_keyword(Keyword::With)?;
        self.expect_keyword(Keyword::Key)?;
        let token = self.next();
        Ok(match token.kind {
            Kind::Keyword(Keyword::In) => {
                self.expect(Kind::LeftParen, "(")?;
                let keys = self.list(Self::identifier)?;
                self.expect(Kind::RightParen, ")")?;
                KeyFilter::In(keys)
            }
            Kind::Operator(Operator::Equal) => KeyFilter::Equal(self.identifier()?),
            Kind::Operator(Operator::NotEqual) => KeyFilter::NotEqual(self.identifier()?),
            Kind::Operator(Operator::Matches) => KeyFilter::Matches(self.expect_regex()?),
            Kind::Operator(Operator::NotMatches) => KeyFilter::NotMatches(self.expect_regex()?),
            _ => return Err(self.found(&token, "IN, =, =~")),
        })
    }

    fn show_measurements(&mut self) -> Result<ShowMeasurements> {
        let mut show = ShowMeasurements::default();
        if self.take_keyword(Keyword::On) {
            show.database = Some(self.name_or_all()?);
            if self.take(Kind::Dot) {
                show.retention_policy = Some(self.name_or_all()?);
            }
        }
        if self.take_keyword(Keyword::With) {
            self.expect_keyword(Keyword::Measurement)?;
            let token = self.next();
            if !matches!(token.kind, Kind::Operator(Operator::Equal | Operator::Matches)) {
                return Err(self.found(&token, "=, =~"));
            }
            show.measurement = Some(self.measurement()?);
        }
        show.condition = self.condition()?;
        show.order = self.order()?;
        show.page = self.page(Keyword::Limit, Keyword::Offset)?;
        Ok(show)
    }

    fn name_or_all(&mut self) -> Result<NameOrAll> {
        let token = self.next();
        match token.kind {
            Kind::Identifier => Ok(NameOrAll::Name(token.text.into_owned())),
            Kind::Operator(Operator::Multiply) => Ok(NameOrAll::All),
            _ => Err(self.found(&token, "identifier or *")),
        }
    }
}

/// What can be shown.
const SUBJECTS: &str = "CONTINUOUS, DATABASES, DIAGNOSTICS, FIELD, GRANTS, MEASUREMENT, MEASUREMENTS, QUERIES, \
                        RETENTION, SERIES, SHARD, SHARDS, STATS, SUBSCRIPTIONS, TAG, USERS";
