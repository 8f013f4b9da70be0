//! Which statement it is, and those that are about data, queries and users.

use super::{Parser, Result};
use crate::ast::{Explain, Password, Privilege, Removal, Statement};
use crate::error::ParseError;
use crate::token::{Keyword, Kind};

impl Parser<'_> {
    /// Any statement.
    pub(super) fn statement(&mut self) -> Result<Statement> {
        let token = self.next();
        let Kind::Keyword(keyword) = token.kind else {
            return Err(self.found(&token, STATEMENTS));
        };
        match keyword {
            Keyword::Select => self.select(false).map(Statement::Select),
            Keyword::Delete => self.removal(false).map(Statement::Delete),
            Keyword::Show => self.show(),
            Keyword::Create => self.create(),
            Keyword::Drop => self.drop(),
            Keyword::Explain => self.explain().map(Statement::Explain),
            Keyword::Grant => self.grant(),
            Keyword::Revoke => self.revoke(),
            Keyword::Alter => {
                self.expect_keyword(Keyword::Retention)?;
                self.expect_keyword(Keyword::Policy)?;
                self.alter_retention_policy().map(Statement::AlterRetentionPolicy)
            }
            Keyword::Set => self.set_password(),
            Keyword::Kill => {
                self.expect_keyword(Keyword::Query)?;
                Ok(Statement::KillQuery { id: self.id()?, host: self.identifier_after(Keyword::On)? })
            }
            _ => Err(self.found(&token, STATEMENTS)),
        }
    }

    fn explain(&mut self) -> Result<Explain> {
        let analyze = self.take_keyword(Keyword::Analyze);
        self.expect_keyword(Keyword::Select)?;
        Ok(Explain { analyze, select: self.select(false)? })
    }

    /// `DELETE` or `DROP SERIES` behind the words.
    pub(super) fn removal(&mut self, of_series: bool) -> Result<Removal> {
        let after = self.peek().clone();
        let sources = self.measurements()?;
        for source in &sources {
            if of_series && source.retention_policy.is_some() {
                return Err(ParseError::RetentionPolicyNotSupported);
            }
            if source.database.is_some() {
                return Err(ParseError::DatabaseNotSupported);
            }
        }
        let condition = self.condition()?;
        if sources.is_empty() && condition.is_none() {
            return Err(self.found(&after, "FROM, WHERE"));
        }
        Ok(Removal { sources, condition })
    }

    fn set_password(&mut self) -> Result<Statement> {
        self.expect_keyword(Keyword::Password)?;
        self.expect_keyword(Keyword::For)?;
        let user = self.identifier()?;
        self.expect(Kind::Operator(crate::ast::Operator::Equal), "=")?;
        Ok(Statement::SetPassword { user, password: Password(self.string()?) })
    }

    fn grant(&mut self) -> Result<Statement> {
        let privilege = self.privilege()?;
        if privilege == Privilege::All && self.take_keyword(Keyword::To) {
            return Ok(Statement::GrantAdmin { user: self.identifier()? });
        }
        let database = self.privileged_database(privilege, "ON, TO")?;
        self.expect_keyword(Keyword::To)?;
        Ok(Statement::Grant { privilege, database, user: self.identifier()? })
    }

    fn revoke(&mut self) -> Result<Statement> {
        let privilege = self.privilege()?;
        if privilege == Privilege::All && self.take_keyword(Keyword::From) {
            return Ok(Statement::RevokeAdmin { user: self.identifier()? });
        }
        let database = self.privileged_database(privilege, "ON, FROM")?;
        self.expect_keyword(Keyword::From)?;
        Ok(Statement::Revoke { privilege, database, user: self.identifier()? })
    }

    /// `ON database`
    fn privileged_database(&mut self, privilege: Privilege, expected_of_all: &str) -> Result<String> {
        let expected = if privilege == Privilege::All { expected_of_all } else { "ON" };
        self.expect(Kind::Keyword(Keyword::On), expected)?;
        self.identifier()
    }

    fn privilege(&mut self) -> Result<Privilege> {
        let token = self.next();
        match token.kind {
            Kind::Keyword(Keyword::Read) => Ok(Privilege::Read),
            Kind::Keyword(Keyword::Write) => Ok(Privilege::Write),
            Kind::Keyword(Keyword::All) => {
                self.take_keyword(Keyword::Privileges);
                Ok(Privilege::All)
            }
            _ => Err(self.found(&token, "READ, WRITE, ALL [PRIVILEGES]")),
        }
    }
}

/// What a statement begins with.
const STATEMENTS: &str = "SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL";
