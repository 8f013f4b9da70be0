//! The users of 1.x by InfluxQL: `CREATE USER`, `GRANT` and the like. Who may manage the tokens of the organisation may
//! manage them.

use std::sync::Arc;

use catalog::{
    Action, AuthorizationStatus, CatalogError, NewV1User, Permission, PermissionSet, ResourceType, V1Privilege, V1User,
    all_access_permissions,
};
use query::influxql::Value;
use query::influxql::ast::{Privilege, Statement};

use super::answer::StatementResult;
use super::statements::{Runner, table};
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::describe;
use crate::dbrp::{self, DbrpError};

impl Runner {
    /// Runs a statement about users.
    pub(super) async fn users(&self, statement: Statement) -> ApiResult<StatementResult> {
        let is_question = matches!(statement, Statement::ShowUsers | Statement::ShowGrants { .. });
        let action = if is_question { Action::Read } else { Action::Write };
        let needed = Permission::in_organisation(action, ResourceType::Authorizations, self.organisation.id);
        if !self.principal.allows(&needed) {
            return Err(ApiError::new(Code::Forbidden, format!("insufficient permissions for {action}")));
        }
        if !is_question {
            tracing::info!(by = describe(&self.principal), %statement, "a statement about users");
        }
        let catalog = self.state.catalog();
        match statement {
            Statement::ShowUsers => return Ok(self.show_users()),
            Statement::ShowGrants { user } => return self.show_grants(&user),
            Statement::CreateUser { name, password, admin } => self.create_user(name, &password.0, admin).await?,
            Statement::DropUser { name } => catalog.delete_v1_user(self.user(&name)?.id).await?,
            Statement::SetPassword { user, password } => {
                catalog.set_v1_password(self.user(&user)?.id, &password.0, false).await?;
            }
            Statement::GrantAdmin { user } => {
                self.check_may_grant_all()?;
                catalog.set_v1_admin(self.user(&user)?.id, true).await?;
            }
            Statement::RevokeAdmin { user } => {
                catalog.set_v1_admin(self.user(&user)?.id, false).await?;
            }
            Statement::Grant { privilege, database, user } => self.grant(privilege, &database, &user).await?,
            Statement::Revoke { privilege, database, user } => {
                let user = self.user(&user)?;
                self.check_database(&database)?;
                let held = catalog.v1_grants(user.id).get(&database).copied().unwrap_or(V1Privilege::None);
                catalog.set_v1_grant(user.id, &database, held.without(of(privilege))).await?;
            }
            other => return Err(ApiError::invalid(format!("not implemented: {other}"))),
        }
        Ok(StatementResult::default())
    }

    /// A user of 1.x of this organisation; those of others are not there.
    fn user(&self, name: &str) -> ApiResult<Arc<V1User>> {
        let user = self.state.catalog().find_v1_user_by_name(name)?;
        if user.organisation_id != self.organisation.id {
            return Err(CatalogError::V1UserNotFound.into());
        }
        Ok(user)
    }

    /// Nobody gives what they do not have.
    fn check_may_grant_all(&self) -> ApiResult<()> {
        self.check_may_grant(&all_access_permissions(self.organisation.id))
    }

    fn check_may_grant(&self, permissions: &PermissionSet) -> ApiResult<()> {
        let lacking = permissions.as_slice().iter().find(|wanted| !self.principal.permissions.may_grant(wanted));
        lacking.map_or(Ok(()), |permission| Err(CatalogError::GrantNotAllowed(*permission).into()))
    }

    fn check_database(&self, database: &str) -> ApiResult<()> {
        let mappings = dbrp::mappings(&self.state, &self.organisation);
        if mappings.iter().any(|mapping| mapping.database == database) {
            return Ok(());
        }
        Err(DbrpError::Database(database.to_owned()).into())
    }

    /// The same user with the same password again is no error, as in InfluxDB.
    async fn create_user(&self, name: String, password: &str, admin: bool) -> ApiResult<()> {
        let permissions = match admin {
            true => all_access_permissions(self.organisation.id).as_slice().to_vec(),
            false => Vec::new(),
        };
        self.check_may_grant(&PermissionSet::new(permissions.clone()))?;
        let catalog = self.state.catalog();
        let new = NewV1User {
            name: name.clone(),
            status: AuthorizationStatus::Active,
            description: String::new(),
            organisation_id: self.organisation.id,
            user_id: self.principal.user_id,
            permissions,
        };
        match catalog.create_v1_user(new, Some(password), None).await {
            Ok(_) => Ok(()),
            Err(CatalogError::V1UserExists) => {
                let is_same = self.user(&name).is_ok_and(|user| user.is_admin() == admin)
                    && catalog.verify_v1_user(&name, password).await.is_ok();
                if is_same { Ok(()) } else { Err(CatalogError::V1UserExists.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn grant(&self, privilege: Privilege, database: &str, user: &str) -> ApiResult<()> {
        let user = self.user(user)?;
        self.check_database(database)?;
        let in_all = |action| Permission::in_organisation(action, ResourceType::Buckets, self.organisation.id);
        let wanted = match privilege {
            Privilege::Read => vec![in_all(Action::Read)],
            Privilege::Write => vec![in_all(Action::Write)],
            Privilege::All => vec![in_all(Action::Read), in_all(Action::Write)],
        };
        // A grant counts for policies that the database will have, so what is given is not one bucket.
        self.check_may_grant(&PermissionSet::new(wanted))?;
        Ok(self.state.catalog().set_v1_grant(user.id, database, of(privilege)).await?)
    }

    fn show_users(&self) -> StatementResult {
        let users = self.state.catalog().list_v1_users().into_iter();
        let own = users.filter(|user| user.organisation_id == self.organisation.id);
        let row = |user: Arc<V1User>| vec![Value::Text(user.name.as_str().into()), Value::Boolean(user.is_admin())];
        let series = table("", &["user", "admin"], own.map(row).collect());
        StatementResult { series: vec![series], ..StatementResult::default() }
    }

    fn show_grants(&self, user: &str) -> ApiResult<StatementResult> {
        let grants = self.state.catalog().v1_grants(self.user(user)?.id);
        let word = |privilege: V1Privilege| match privilege {
            V1Privilege::None => "NO PRIVILEGES",
            V1Privilege::Read => "READ",
            V1Privilege::Write => "WRITE",
            V1Privilege::All => "ALL PRIVILEGES",
        };
        let row = |(database, privilege): (String, V1Privilege)| {
            vec![Value::Text(database.into()), Value::Text(word(privilege).into())]
        };
        let series = table("", &["database", "privilege"], grants.into_iter().map(row).collect());
        Ok(StatementResult { series: vec![series], ..StatementResult::default() })
    }
}

fn of(privilege: Privilege) -> V1Privilege {
    match privilege {
        Privilege::Read => V1Privilege::Read,
        Privilege::Write => V1Privilege::Write,
        Privilege::All => V1Privilege::All,
    }
}
