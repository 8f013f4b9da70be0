//! Databases and retention policies of InfluxDB 1.x, which are buckets: the one place that maps one to the other.
//!
//! A mapping is either stored or virtual. Every bucket without a stored mapping has a virtual one, by its name: `db/rp`
//! is the retention policy `rp` of the database `db`, and `db` its retention policy `autogen`. The default of a
//! database is meant where no policy is named: a stored mapping that says so, otherwise the bucket `db`, otherwise the
//! only policy that there is, so that a database made with a named policy can be used without naming it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::buckets::Bucket;
use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{BucketId, DbrpId, OrganisationId};
use crate::image::{Change, Image};

/// The retention policy of a bucket without one in its name.
pub const DEFAULT_POLICY: &str = "autogen";

/// A bucket as InfluxDB 1.x sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dbrp {
    /// Its id; that of the bucket if it is virtual.
    pub id: DbrpId,
    /// The organisation of the bucket.
    pub organisation_id: OrganisationId,
    /// The name of the database.
    pub database: String,
    /// The name of the retention policy.
    pub retention_policy: String,
    /// Whether it is meant where no retention policy is named.
    pub is_default: bool,
    /// Whether it follows from the bucket's name and is not stored.
    pub is_virtual: bool,
    /// The bucket.
    pub bucket_id: BucketId,
}

/// A mapping to store.
#[derive(Debug, Clone)]
pub struct NewDbrp {
    /// The organisation of the bucket.
    pub organisation_id: OrganisationId,
    /// The name of the database.
    pub database: String,
    /// The name of the retention policy.
    pub retention_policy: String,
    /// Whether it becomes the default; the first of a database does in any case.
    pub is_default: bool,
    /// The bucket.
    pub bucket_id: BucketId,
}

/// What to change of a stored mapping; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct DbrpUpdate {
    /// The new name of the retention policy.
    pub retention_policy: Option<String>,
    /// Whether it is the default. Where it stops to be, another one of the database becomes it.
    pub is_default: Option<bool>,
}

/// A name that stands for no bucket. The texts are InfluxDB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbrpError {
    /// No database is named.
    #[error("database name required")]
    NoDatabase,
    /// There is no bucket for it.
    #[error("database not found: {0}")]
    Database(String),
    /// The database has no such policy.
    #[error("retention policy not found: {0}")]
    Policy(String),
}

impl Catalog {
    /// All mappings of an organisation, stored and virtual, by database and policy.
    #[must_use]
    pub fn list_dbrps(&self, organisation: OrganisationId) -> Vec<Dbrp> {
        list(&self.image(), organisation)
    }

    /// The mapping of an id in an organisation, stored or virtual.
    ///
    /// # Errors
    /// [`CatalogError::DbrpNotFound`].
    pub fn find_dbrp(&self, organisation: OrganisationId, id: DbrpId) -> Result<Dbrp, CatalogError> {
        let found = self.list_dbrps(organisation).into_iter().find(|dbrp| dbrp.id == id);
        found.ok_or(CatalogError::DbrpNotFound)
    }

    /// The bucket of a database and policy; no policy is the default one. Empty names count as not given.
    ///
    /// # Errors
    /// There is none.
    pub fn find_dbrp_bucket(
        &self,
        organisation: OrganisationId,
        database: Option<&str>,
        policy: Option<&str>,
    ) -> Result<Arc<Bucket>, DbrpError> {
        let database = database.filter(|name| !name.is_empty()).ok_or(DbrpError::NoDatabase)?;
        let policy = policy.filter(|name| !name.is_empty());
        let image = self.image();
        if let Some(bucket) = quick(&image, organisation, database, policy) {
            return Ok(Arc::clone(bucket));
        }
        let mut of_database = list(&image, organisation);
        of_database.retain(|dbrp| dbrp.database == database);
        if of_database.is_empty() {
            return Err(DbrpError::Database(database.to_owned()));
        }
        let wanted = |dbrp: &&Dbrp| policy.map_or(dbrp.is_default, |policy| dbrp.retention_policy == policy);
        let bucket = of_database.iter().find(wanted).and_then(|dbrp| image.buckets.get(&dbrp.bucket_id));
        bucket.cloned().ok_or_else(|| DbrpError::Policy(policy.unwrap_or(DEFAULT_POLICY).to_owned()))
    }

    /// Stores a mapping.
    ///
    /// # Errors
    /// A name is none, the organisation or bucket does not exist, the database has the policy already, or SQL failed.
    pub async fn create_dbrp(&self, new: NewDbrp) -> Result<Dbrp, CatalogError> {
        check_name(&new.database, "database")?;
        check_name(&new.retention_policy, "retention policy")?;
        self.commit(|image| {
            if !image.organisations.contains_key(&new.organisation_id) {
                return Err(CatalogError::OrganisationNotFound);
            }
            let bucket = image.buckets.get(&new.bucket_id).ok_or(CatalogError::BucketNotFound)?;
            if bucket.organisation_id != new.organisation_id {
                return Err(CatalogError::BucketNotFound);
            }
            let others = stored(image, new.organisation_id, &new.database);
            if others.iter().any(|other| other.retention_policy == new.retention_policy) {
                return Err(CatalogError::DbrpExists);
            }
            let dbrp = Dbrp {
                id: self.ids().next(),
                organisation_id: new.organisation_id,
                database: new.database,
                retention_policy: new.retention_policy,
                is_default: new.is_default || others.is_empty(),
                is_virtual: false,
                bucket_id: new.bucket_id,
            };
            let mut changes = vec![Change::PutDbrp(Arc::new(dbrp.clone()))];
            if dbrp.is_default {
                changes.extend(others.iter().filter(|other| other.is_default).map(|other| with_default(other, false)));
            }
            Ok((changes, dbrp))
        })
        .await
    }

    /// Changes a stored mapping.
    ///
    /// # Errors
    /// It is not stored, the name is none or taken, or SQL failed.
    pub async fn update_dbrp(
        &self,
        organisation: OrganisationId,
        id: DbrpId,
        update: DbrpUpdate,
    ) -> Result<Dbrp, CatalogError> {
        if let Some(name) = &update.retention_policy {
            check_name(name, "retention policy")?;
        }
        self.commit(|image| {
            let mut after = Dbrp::clone(find_stored(image, organisation, id)?);
            let mut others = stored(image, organisation, &after.database);
            others.retain(|other| other.id != id);
            if let Some(name) = update.retention_policy {
                if others.iter().any(|other| other.retention_policy == name) {
                    return Err(CatalogError::DbrpExists);
                }
                after.retention_policy = name;
            }
            let mut changes = Vec::new();
            match (update.is_default, others.first()) {
                (Some(true), _) => {
                    after.is_default = true;
                    changes
                        .extend(others.iter().filter(|other| other.is_default).map(|other| with_default(other, false)));
                }
                (Some(false), Some(next)) if after.is_default => {
                    after.is_default = false;
                    changes.push(with_default(next, true));
                }
                _ => {}
            }
            changes.push(Change::PutDbrp(Arc::new(after.clone())));
            Ok((changes, after))
        })
        .await
    }

    /// Makes a policy the default of its database, storing its mapping if it was virtual.
    ///
    /// # Errors
    /// There is no such policy, or SQL failed.
    pub async fn set_default_policy(
        &self,
        organisation: OrganisationId,
        database: &str,
        policy: &str,
    ) -> Result<(), CatalogError> {
        let mut mappings = self.list_dbrps(organisation);
        mappings.retain(|dbrp| dbrp.database == database);
        let found = mappings.iter().find(|dbrp| dbrp.retention_policy == policy).ok_or(CatalogError::DbrpNotFound)?;
        if found.is_default {
            return Ok(());
        }
        if !found.is_virtual {
            let update = DbrpUpdate { is_default: Some(true), ..DbrpUpdate::default() };
            return self.update_dbrp(organisation, found.id, update).await.map(drop);
        }
        let new = NewDbrp {
            organisation_id: organisation,
            database: database.to_owned(),
            retention_policy: policy.to_owned(),
            is_default: true,
            bucket_id: found.bucket_id,
        };
        self.create_dbrp(new).await.map(drop)
    }

    /// Removes a stored mapping. Where it was the default, another one of the database becomes it.
    ///
    /// # Errors
    /// It is not stored, or SQL failed.
    pub async fn delete_dbrp(&self, organisation: OrganisationId, id: DbrpId) -> Result<(), CatalogError> {
        self.commit(|image| {
            let dbrp = find_stored(image, organisation, id)?;
            let others = stored(image, organisation, &dbrp.database);
            let next = others.iter().find(|other| other.id != id && dbrp.is_default);
            let next = next.map(|next| with_default(next, true));
            Ok((std::iter::once(Change::RemoveDbrp(id)).chain(next).collect(), ()))
        })
        .await
    }
}

/// Database and policy of a bucket's name.
fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, DEFAULT_POLICY))
}

/// The bucket of the usual names, without a list of all buckets: every request with a database asks for one.
fn quick<'a>(
    image: &'a Image,
    organisation: OrganisationId,
    database: &str,
    policy: Option<&str>,
) -> Option<&'a Arc<Bucket>> {
    if database.contains('/') {
        return None;
    }
    let wanted = |dbrp: &&Arc<Dbrp>| policy.map_or(dbrp.is_default, |policy| dbrp.retention_policy == policy);
    if let Some(dbrp) = stored(image, organisation, database).iter().find(wanted) {
        return image.buckets.get(&dbrp.bucket_id);
    }
    let bucket = match policy {
        None | Some(DEFAULT_POLICY) => image.bucket_by_name(organisation, database)?,
        Some(policy) => image.bucket_by_name(organisation, &format!("{database}/{policy}"))?,
    };
    let is_mapped = image.dbrps.values().any(|dbrp| dbrp.bucket_id == bucket.id);
    (!is_mapped).then_some(bucket)
}

/// The buckets of a database, stored and virtual, in any order.
pub(crate) fn buckets_of(image: &Image, organisation: OrganisationId, database: &str) -> Vec<BucketId> {
    let mut buckets: Vec<BucketId> = stored(image, organisation, database).iter().map(|dbrp| dbrp.bucket_id).collect();
    let is_of_it =
        |name: &str| name.strip_prefix(database).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let names = image.bucket_names.get(&organisation).into_iter().flatten();
    let virtual_ones = names.filter(|(name, _)| is_of_it(name)).map(|(_, id)| *id);
    buckets.extend(virtual_ones.filter(|id| !image.dbrps.values().any(|dbrp| dbrp.bucket_id == *id)));
    buckets
}

fn list(image: &Image, organisation: OrganisationId) -> Vec<Dbrp> {
    let stored = image.dbrps.values().filter(|dbrp| dbrp.organisation_id == organisation);
    let mut all: Vec<Dbrp> = stored.map(|dbrp| Dbrp::clone(dbrp)).collect();
    let mapped: BTreeSet<BucketId> = all.iter().map(|dbrp| dbrp.bucket_id).collect();
    let taken: BTreeSet<(String, String)> =
        all.iter().map(|dbrp| (dbrp.database.clone(), dbrp.retention_policy.clone())).collect();
    let with_default: BTreeSet<String> =
        all.iter().filter(|dbrp| dbrp.is_default).map(|dbrp| dbrp.database.clone()).collect();
    let own = image.buckets.values().filter(|bucket| bucket.organisation_id == organisation);
    for bucket in own.filter(|bucket| !mapped.contains(&bucket.id)) {
        let (database, policy) = split(&bucket.name);
        let (database, retention_policy) = (database.to_owned(), policy.to_owned());
        let Some(id) = DbrpId::from_u64(bucket.id.get()) else { continue };
        if taken.contains(&(database.clone(), retention_policy.clone())) {
            continue;
        }
        let is_default = !bucket.name.contains('/') && !with_default.contains(&database);
        all.push(Dbrp {
            id,
            organisation_id: organisation,
            database,
            retention_policy,
            is_default,
            is_virtual: true,
            bucket_id: bucket.id,
        });
    }
    all.sort_by(|left, right| {
        (&left.database, &left.retention_policy).cmp(&(&right.database, &right.retention_policy))
    });
    for policies in all.chunk_by_mut(|left, right| left.database == right.database) {
        if let [only] = policies {
            only.is_default = true;
        }
    }
    all
}

/// The stored mappings of a database, by id.
fn stored(image: &Image, organisation: OrganisationId, database: &str) -> Vec<Arc<Dbrp>> {
    let of_database = |dbrp: &&Arc<Dbrp>| dbrp.organisation_id == organisation && dbrp.database == database;
    image.dbrps.values().filter(of_database).cloned().collect()
}

fn find_stored(image: &Image, organisation: OrganisationId, id: DbrpId) -> Result<&Arc<Dbrp>, CatalogError> {
    let found = image.dbrps.get(&id).filter(|dbrp| dbrp.organisation_id == organisation);
    found.ok_or(CatalogError::DbrpNotFound)
}

fn with_default(dbrp: &Dbrp, is_default: bool) -> Change {
    Change::PutDbrp(Arc::new(Dbrp { is_default, ..dbrp.clone() }))
}

/// The changes that remove stored mappings. Where a default goes, another one of its database that stays becomes it.
pub(crate) fn removals(image: &Image, is_removed: impl Fn(&Dbrp) -> bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for dbrp in image.dbrps.values().filter(|dbrp| is_removed(dbrp)) {
        changes.push(Change::RemoveDbrp(dbrp.id));
        let others = stored(image, dbrp.organisation_id, &dbrp.database);
        let next = others.iter().find(|other| !is_removed(other));
        changes.extend(next.filter(|_| dbrp.is_default).map(|next| with_default(next, true)));
    }
    changes
}

/// A name without what would part a bucket's name, or leave a folder.
fn check_name(name: &str, of: &'static str) -> Result<(), CatalogError> {
    let is_printable = name.chars().all(|character| !character.is_control() && !matches!(character, '/' | '\\'));
    if name.is_empty() || name == "." || name == ".." || !is_printable {
        return Err(CatalogError::DbrpInvalid(of));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
