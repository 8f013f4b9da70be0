//! The statements that begin with `CREATE`, `ALTER` and `DROP`.

use super::{Parser, Result};
use crate::ast::{
    AlterRetentionPolicy, Call, CreateContinuousQuery, CreateDatabase, CreateRetentionPolicy, CreateSubscription,
    DatabasePolicy, Expression, Password, Select, Statement, SubscriptionMode,
};
use crate::duration::Duration;
use crate::error::{ParseError, quoted};
use crate::token::{Keyword, Kind};

impl Parser<'_> {
    /// `CREATE` behind the word.
    pub(super) fn create(&mut self) -> Result<Statement> {
        let token = self.next();
        match token.kind {
            Kind::Keyword(Keyword::Continuous) => {
                self.expect_keyword(Keyword::Query)?;
                self.create_continuous_query().map(Statement::CreateContinuousQuery)
            }
            Kind::Keyword(Keyword::Database) => self.create_database().map(Statement::CreateDatabase),
            Kind::Keyword(Keyword::User) => self.create_user(),
            Kind::Keyword(Keyword::Retention) => {
                self.expect_keyword(Keyword::Policy)?;
                self.create_retention_policy().map(Statement::CreateRetentionPolicy)
            }
            Kind::Keyword(Keyword::Subscription) => self.create_subscription().map(Statement::CreateSubscription),
            _ => Err(self.found(&token, "CONTINUOUS, DATABASE, USER, RETENTION, SUBSCRIPTION")),
        }
    }

    /// `DROP` behind the word.
    pub(super) fn drop(&mut self) -> Result<Statement> {
        const OBJECTS: &str = "CONTINUOUS, DATABASE, MEASUREMENT, RETENTION, SERIES, SHARD, SUBSCRIPTION, USER";
        let token = self.next();
        let Kind::Keyword(keyword) = token.kind else {
            return Err(self.found(&token, OBJECTS));
        };
        Ok(match keyword {
            Keyword::Continuous => {
                self.expect_keyword(Keyword::Query)?;
                let (name, database) = self.name_on_database()?;
                Statement::DropContinuousQuery { name, database }
            }
            Keyword::Database => Statement::DropDatabase { name: self.identifier()? },
            Keyword::Measurement => Statement::DropMeasurement { name: self.identifier()? },
            Keyword::Retention => {
                self.expect_keyword(Keyword::Policy)?;
                let (name, database) = self.name_on_database()?;
                Statement::DropRetentionPolicy { name, database }
            }
            Keyword::Series => Statement::DropSeries(self.removal(true)?),
            Keyword::Shard => Statement::DropShard { id: self.id()? },
            Keyword::Subscription => {
                let (name, database, retention_policy) = self.name_on_retention_policy()?;
                Statement::DropSubscription { name, database, retention_policy }
            }
            Keyword::User => Statement::DropUser { name: self.identifier()? },
            _ => return Err(self.found(&token, OBJECTS)),
        })
    }

    /// `name ON database`
    fn name_on_database(&mut self) -> Result<(String, String)> {
        let name = self.identifier()?;
        self.expect_keyword(Keyword::On)?;
        Ok((name, self.identifier()?))
    }

    /// `name ON database.policy`
    fn name_on_retention_policy(&mut self) -> Result<(String, String, String)> {
        let (name, database) = self.name_on_database()?;
        if !self.take_adjacent(Kind::Dot) {
            let token = self.raw();
            return Err(self.found(&token, "."));
        }
        Ok((name, database, self.identifier()?))
    }

    fn create_user(&mut self) -> Result<Statement> {
        let name = self.identifier()?;
        self.expect_keyword(Keyword::With)?;
        self.expect_keyword(Keyword::Password)?;
        let password = Password(self.string()?);
        let admin = self.take_keyword(Keyword::With);
        if admin {
            self.expect_keyword(Keyword::All)?;
            self.expect_keyword(Keyword::Privileges)?;
        }
        Ok(Statement::CreateUser { name, password, admin })
    }

    fn create_database(&mut self) -> Result<CreateDatabase> {
        let name = self.identifier()?;
        if !self.take_keyword(Keyword::With) {
            return Ok(CreateDatabase { name, policy: None });
        }
        let mut policy = DatabasePolicy::default();
        if self.take_keyword(Keyword::Duration) {
            policy.duration = Some(self.duration_or_infinite()?);
        }
        if self.take_keyword(Keyword::Replication) {
            policy.replication = Some(self.replication()?);
        }
        if self.take_keyword(Keyword::Shard) {
            self.expect_keyword(Keyword::Duration)?;
            policy.shard_duration = Some(self.duration_or_infinite()?);
        }
        if self.take_keyword(Keyword::Name) {
            policy.name = Some(self.identifier()?);
        }
        if policy == DatabasePolicy::default() {
            return Err(self.unexpected("DURATION, NAME, REPLICATION, SHARD"));
        }
        Ok(CreateDatabase { name, policy: Some(policy) })
    }

    fn create_retention_policy(&mut self) -> Result<CreateRetentionPolicy> {
        let (name, database) = self.name_on_database()?;
        self.expect_keyword(Keyword::Duration)?;
        let duration = self.duration_or_infinite()?;
        self.expect_keyword(Keyword::Replication)?;
        let replication = self.replication()?;
        let shard_duration = if self.take_keyword(Keyword::Shard) { Some(self.shard_duration()?) } else { None };
        let default = self.take_keyword(Keyword::Default);
        Ok(CreateRetentionPolicy { name, database, duration, replication, shard_duration, default })
    }

    /// `ALTER RETENTION POLICY` behind the words.
    pub(super) fn alter_retention_policy(&mut self) -> Result<AlterRetentionPolicy> {
        let name = if self.take_keyword(Keyword::Default) { "default".to_owned() } else { self.identifier()? };
        self.expect_keyword(Keyword::On)?;
        let database = self.identifier()?;
        let mut policy = AlterRetentionPolicy {
            name,
            database,
            duration: None,
            replication: None,
            shard_duration: None,
            default: false,
        };
        let mut any = false;
        loop {
            let given = match self.peek_kind() {
                Kind::Keyword(Keyword::Duration) => policy.duration.is_some(),
                Kind::Keyword(Keyword::Replication) => policy.replication.is_some(),
                Kind::Keyword(Keyword::Shard) => policy.shard_duration.is_some(),
                Kind::Keyword(Keyword::Default) => policy.default,
                _ if any => return Ok(policy),
                _ => return Err(self.unexpected("DURATION, REPLICATION, SHARD, DEFAULT")),
            };
            any = true;
            let Kind::Keyword(option) = self.next().kind else { return Ok(policy) };
            if given {
                return Err(ParseError::DuplicateOption { option: option.as_str(), position: self.position() });
            }
            match option {
                Keyword::Duration => policy.duration = Some(self.duration_or_infinite()?),
                Keyword::Replication => policy.replication = Some(self.replication()?),
                Keyword::Shard => policy.shard_duration = Some(self.shard_duration()?),
                _ => policy.default = true,
            }
        }
    }

    /// `DURATION` of a shard, behind `SHARD`.
    fn shard_duration(&mut self) -> Result<Duration> {
        self.expect_keyword(Keyword::Duration)?;
        if self.take_keyword(Keyword::Inf) {
            return Err(ParseError::InfiniteShardDuration { position: self.position() });
        }
        self.duration()
    }

    fn replication(&mut self) -> Result<u32> {
        const MAXIMUM: i64 = i32::MAX as i64;
        let token = self.expect(Kind::Integer, "integer")?;
        let Ok(value) = token.text.parse::<i64>() else {
            let position = self.lexer.position(token.at);
            return Err(ParseError::OptionTooLarge { function: "Atoi", digits: quoted(&token.text), position });
        };
        match u32::try_from(value) {
            Ok(replication) if (1..=MAXIMUM).contains(&value) => Ok(replication),
            _ => {
                let position = self.lexer.position(token.at);
                Err(ParseError::OptionOutOfRange { value, minimum: 1, maximum: MAXIMUM, position })
            }
        }
    }

    fn create_subscription(&mut self) -> Result<CreateSubscription> {
        let (name, database, retention_policy) = self.name_on_retention_policy()?;
        self.expect_keyword(Keyword::Destinations)?;
        let mode = if self.take_keyword(Keyword::All) {
            SubscriptionMode::All
        } else if self.take_keyword(Keyword::Any) {
            SubscriptionMode::Any
        } else {
            return Err(self.unexpected("ALL, ANY"));
        };
        let destinations = self.list(Self::string)?;
        Ok(CreateSubscription { name, database, retention_policy, mode, destinations })
    }

    fn create_continuous_query(&mut self) -> Result<CreateContinuousQuery> {
        let (name, database) = self.name_on_database()?;
        let (resample_every, resample_for) =
            if self.take_keyword(Keyword::Resample) { self.resample()? } else { (None, None) };
        self.expect_keyword(Keyword::Begin)?;
        self.expect_keyword(Keyword::Select)?;
        let select = self.select(true)?;
        let window = match window(&select) {
            Err(reason) => return Err(self.found_taken(&format!("GROUP BY time(...), {reason}"))),
            Ok(None | Some(Duration(0))) if !select.is_raw() => return Err(self.found_taken("GROUP BY time(...)")),
            Ok(window) => window.unwrap_or_default(),
        };
        self.expect_keyword(Keyword::End)?;
        if let Some(given) = resample_for {
            let minimum = resample_every.unwrap_or_default().max(window);
            if minimum > given {
                return Err(ParseError::ResampleTooShort { minimum, given });
            }
        }
        Ok(CreateContinuousQuery { name, database, resample_every, resample_for, select })
    }

    /// `[EVERY …] [FOR …]`, of which zero is as good as nothing, and not both may be.
    fn resample(&mut self) -> Result<(Option<Duration>, Option<Duration>)> {
        let mut option = |keyword| {
            let given = self.take_keyword(keyword);
            let duration = if given { self.duration()? } else { Duration(0) };
            Ok::<_, ParseError>((duration != Duration(0)).then_some(duration))
        };
        match (option(Keyword::Every)?, option(Keyword::For)?) {
            (None, None) => Err(self.unexpected("EVERY, FOR")),
            both => Ok(both),
        }
    }
}

/// The window of `GROUP BY time(…)`, none without one.
fn window(select: &Select) -> Result<Option<Duration>, &'static str> {
    let time = select.dimensions.iter().find_map(|dimension| match dimension {
        Expression::Call(Call { name, arguments }) if name == "time" => Some(arguments.as_slice()),
        _ => None,
    });
    match time {
        None => Ok(None),
        Some([Expression::Duration(window)] | [Expression::Duration(window), _]) => Ok(Some(*window)),
        Some([_] | [_, _]) => Err("time dimension must have duration argument"),
        Some(_) => Err("time dimension expected 1 or 2 arguments"),
    }
}
